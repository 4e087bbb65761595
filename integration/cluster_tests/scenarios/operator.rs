//! The command line under an operator's kubeconfig.

use serde_json::Value;

use crate::harness::Cluster;

/// `status`, `redirect` and `render --live`.
pub(super) fn at_the_terminal(cluster: &Cluster) {
    let policy = cluster.live();
    let status: Value = serde_json::from_str(&doorstep(cluster, &["status", "--output", "json"])).unwrap();
    assert_eq!((&status["redirect"]["standing"], &status["redirect"]["policy"]), (&"live".into(), &policy.into()), "{status}");
    assert_eq!((&status["pods"]["wanted"], &status["pods"]["available"]), (&2.into(), &2.into()), "{status}");

    doorstep(cluster, &["redirect", "off"]);
    cluster.expect_no_policy();
    doorstep(cluster, &["redirect", "on"]);
    cluster.live();

    for what in ["policy", "manifests"] {
        let (live, flags) = (doorstep(cluster, &["render", what, "--live"]), doorstep(cluster, &["render", what]));
        assert_eq!(live, flags, "kube-dns here is as kubeadm makes it");
    }
    let wrong = cluster.doorstep(&["render", "policy", "--live", "--service", "no-such"]).output().unwrap();
    assert_eq!(wrong.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("there is no Service no-such in namespace kube-system"), "{wrong:?}");
}

fn doorstep(cluster: &Cluster, arguments: &[&str]) -> String {
    cluster.expect(cluster.doorstep(arguments))
}
