//! What agents remember, and what they do without it.

use std::time::Duration;

use crate::harness::{Cluster, calls, calls_since, holds, throughout, within};

/// The garbage collector takes the policy with its owner: no deletion by hand.
pub(super) fn daemonset_replaced(cluster: &Cluster) {
    let first = cluster.live();
    cluster.system(&["delete", "daemonset", "doorstep"]);
    within(Duration::from_secs(40), "the policy goes with its owner", || holds(cluster.policy().is_none(), || first.clone()));
    cluster.install();
    assert_ne!(cluster.policy(), Some(first));
    assert!(cluster.data("doorstep-redirect-state")["hold"].is_null());
}

/// Nothing is done in the dark, whatever the switch says.
pub(super) fn state_garbled_or_gone(cluster: &Cluster) {
    let policy = cluster.live();
    let emitted = cluster.data("doorstep-redirect-state")["emitted"].as_str().unwrap().to_owned();
    write_emitted(cluster, "nonsense");
    expect_stillness(cluster, &policy);
    cluster.system(&["delete", "configmap", "doorstep-redirect-state"]);
    expect_stillness(cluster, &policy);
    cluster.apply(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: doorstep-redirect-state\n  namespace: kube-system\n  labels: {app.kubernetes.io/name: doorstep}\n",
    );
    within(Duration::from_secs(60), "the policy that stands is recorded again", || {
        let data = cluster.data("doorstep-redirect-state");
        holds(data["emitted"] == *emitted, || data.to_string())
    });
    assert_eq!(cluster.live(), policy);
}

fn expect_stillness(cluster: &Cluster, policy: &str) {
    within(Duration::from_secs(20), "agents see it", || {
        let still = cluster.agents().iter().all(|agent| cluster.standing(agent) == "still");
        holds(still, || cluster.why())
    });
    let before = calls(cluster).len();
    cluster.switch("off");
    throughout(Duration::from_secs(15), "the policy stays", || {
        holds(cluster.policy().as_deref() == Some(policy), || format!("{:?}", cluster.policy()))
    });
    cluster.switch("on");
    let touched: Vec<_> = calls_since(cluster, before).into_iter().filter(|call| call.is_write() && call.resource != "events").collect();
    assert!(touched.is_empty(), "{touched:?}");
}

fn write_emitted(cluster: &Cluster, text: &str) {
    let patch = format!(r#"{{"data":{{"emitted":"{text}"}}}}"#);
    cluster.system(&["patch", "configmap", "doorstep-redirect-state", "--type", "merge", "--patch", &patch]);
}
