//! What must be so for a policy to be created, and to stay.

use std::time::Duration;

use crate::harness::{CILIUM, Cluster, holds, throughout, within};

/// By the image's tag alone: what agents know of it is what an operator sees.
pub(super) fn harmful_cilium(cluster: &Cluster) {
    cluster.live();
    cluster.set_cilium("quay.io/cilium/cilium:v1.18.4");
    within(Duration::from_secs(150), "a hold", || {
        let data = cluster.data("doorstep-redirect-state");
        let hold = data["hold"].as_str().unwrap_or_default();
        holds(hold.contains("Cilium 1.18.4 goes on sending to an agent that is not ready"), || cluster.why())
    });
    cluster.expect_no_policy();
    cluster.resume("while-harmful");
    throughout(Duration::from_secs(15), "no policy while Cilium is harmful", || cluster.policy().map_or(Ok(()), Err));
    cluster.set_cilium(CILIUM);
    cluster.system(&["rollout", "status", "daemonset/cilium", "--timeout", "60s"]);
    within(Duration::from_secs(150), "the policy comes back", || cluster.policy().map(drop).ok_or_else(|| cluster.why()));
    cluster.live();
}

/// Ours goes: with two, Cilium rewrites its tables without end.
pub(super) fn rival(cluster: &Cluster) {
    cluster.live();
    let ours = cluster.system(&["get", "clrp", "doorstep", "--output", "yaml"]);
    let spec = ours.split_once("\nspec:").unwrap().1;
    cluster.apply(&format!(
        "apiVersion: cilium.io/v2\nkind: CiliumLocalRedirectPolicy\nmetadata: {{name: zz-rival, namespace: kube-system}}\nspec:{spec}"
    ));
    within(Duration::from_secs(150), "a hold", || {
        let data = cluster.data("doorstep-redirect-state");
        holds(data["hold"].as_str().unwrap_or_default().contains("zz-rival"), || cluster.why())
    });
    cluster.expect_no_policy();
    cluster.system(&["delete", "clrp", "zz-rival"]);
    cluster.resume("rival-gone");
    cluster.live();
}
