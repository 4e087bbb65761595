//! What must be so for a policy to be created, and to stay.

use std::time::Duration;

use serde_json::Value;

use super::preflight;
use crate::harness::{Cluster, holds, throughout, within};

/// An agent goes by what it has read within the last half minute.
const AS_READ: Duration = Duration::from_secs(31);

/// A rule that names kube-dns alone, in anybody's namespace: nothing is created until it is cured as preflight prints it, or acknowledged.
pub(super) fn network_policy(cluster: &Cluster) {
    cluster.live();
    preflight::stage(cluster);
    let apply = || cluster.kubectl(&["apply", "--filename", &preflight::path("np-pod-labels")]);
    let switch_on_later = || {
        throughout(AS_READ, "off", || cluster.policy().map_or(Ok(()), Err));
        cluster.switch("on");
    };
    cluster.switch("off");
    cluster.expect_no_policy();
    apply();
    switch_on_later();
    within(Duration::from_secs(30), "told by name", || {
        let told = cluster.agents().iter().any(|agent| {
            let page: Value = serde_json::from_str(&cluster.page(agent, "status")).unwrap();
            let gates = page["redirect"]["gates"].as_array().cloned().unwrap_or_default();
            let ours = |gate: &&Value| gate["name"] == "network_policies" && gate["verdict"] == "red";
            gates.iter().find(ours).is_some_and(|gate| gate["saw"].as_str().unwrap_or_default().contains("networkpolicy app/allow-dns"))
        });
        holds(told, || cluster.why())
    });
    within(Duration::from_secs(30), "an Event", || {
        let notes = cluster.system(&["get", "events.events.k8s.io", "--output", "jsonpath={range .items[*]}{.note}{\"\\n\"}{end}"]);
        let told =
            |note: &str| note.contains("network_policies: ") && note.contains("app/allow-dns") && note.contains("doorstep preflight");
        holds(notes.lines().any(told), || notes.clone())
    });
    throughout(Duration::from_secs(40), "no policy while pods would lose DNS", || cluster.policy().map_or(Ok(()), Err));
    preflight::cure(cluster);
    within(Duration::from_secs(150), "cured, it is created", || cluster.policy().map(drop).ok_or_else(|| cluster.why()));
    cluster.switch("off");
    cluster.expect_no_policy();
    cluster.kubectl(&["delete", "--filename", &preflight::path("np-pod-labels")]);
    apply();
    cluster.kubectl(&["--namespace", "app", "annotate", "networkpolicy", "allow-dns", "doorstep.dev/acknowledged=true"]);
    switch_on_later();
    within(Duration::from_secs(150), "acknowledged, it is created", || cluster.policy().map(drop).ok_or_else(|| cluster.why()));
    preflight::clear(cluster);
    cluster.live();
}
