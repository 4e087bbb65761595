//! Each file beside this one, and what is found.

use std::collections::BTreeSet;
use std::path::Path;

use super::{assess, assess_groups, documents, judged, lines, namespaces, read};
use crate::redirect::network_policies::{Cluster, Finding, Groups, Harm, NetworkPolicy, Reference, findings, harmful, pairs};

const PLACE: &str = "src/redirect/network_policies/tests/policies";

const TABLE: &[(&str, &[&str])] = &[
    ("ccnp-agents-by-name", &["cut_off UDP+TCP by ciliumclusterwidenetworkpolicy allow-dns: monitoring/prometheus-0"]),
    (
        "ccnp-all-pods",
        &[
            "no_api_server TCP by ciliumclusterwidenetworkpolicy allow-dns",
            "cut_off UDP+TCP by ciliumclusterwidenetworkpolicy allow-dns: app/web-1 app/web-2 app/batch-1 data/db-0 kube-system/doorstep-1",
        ],
    ),
    (
        "ccnp-but-system",
        &["cut_off UDP+TCP by ciliumclusterwidenetworkpolicy allow-dns: app/web-1 app/web-2 app/batch-1 data/db-0 monitoring/prometheus-0"],
    ),
    ("ccnp-cure-without-default-deny", &[]),
    ("ccnp-nodes", &[]),
    ("ccnp-team", &["cut_off UDP+TCP by ciliumclusterwidenetworkpolicy allow-dns: data/db-0"]),
    ("cnp-addresses", &[]),
    ("cnp-any-source", &["cut_off UDP+TCP by ciliumnetworkpolicy app/allow-dns: app/web-1 app/web-2 app/batch-1"]),
    ("cnp-both-labels", &[]),
    ("cnp-cluster", &[]),
    ("cnp-deny-agents", &["denied UDP+TCP by ciliumnetworkpolicy app/deny-others: app/web-1 app/web-2 app/batch-1"]),
    ("cnp-deny-world", &[]),
    ("cnp-empty-rule", &[]),
    ("cnp-fewer-names", &["fewer_names UDP+TCP by ciliumnetworkpolicy app/allow-dns: app/web-1 app/web-2 app/batch-1"]),
    ("cnp-ingress-of-kube-dns", &["upstream_keeps_out UDP+TCP by ciliumnetworkpolicy kube-system/kube-dns-clients"]),
    ("cnp-names", &["cut_off UDP+TCP by ciliumnetworkpolicy app/allow-example: app/web-1 app/web-2 app/batch-1"]),
    ("cnp-names-seen", &[]),
    ("cnp-names-unseen", &["unseen UDP+TCP by ciliumnetworkpolicy app/allow-example: app/web-1 app/web-2 app/batch-1"]),
    ("cnp-own-namespace", &[]),
    ("cnp-pod-labels", &["cut_off UDP+TCP by ciliumnetworkpolicy app/allow-dns: app/web-1 app/web-2 app/batch-1"]),
    ("cnp-pods-by-address-and-dns", &["cut_off UDP+TCP by ciliumnetworkpolicy app/allow-pods: app/web-1 app/web-2 app/batch-1"]),
    ("cnp-ports-alone", &[]),
    ("cnp-service-by-label", &["cut_off UDP+TCP by ciliumnetworkpolicy app/allow-dns: app/web-1 app/web-2 app/batch-1"]),
    ("cnp-service-by-name", &["cut_off UDP+TCP by ciliumnetworkpolicy app/allow-dns: app/web-1 app/web-2 app/batch-1"]),
    ("cnp-several", &["cut_off UDP+TCP by ciliumnetworkpolicy app/allow: app/web-1 app/web-2"]),
    ("cnp-world-and-dns", &["cut_off UDP+TCP by ciliumnetworkpolicy app/allow-world: app/web-1 app/web-2 app/batch-1"]),
    ("np-both-labels", &[]),
    ("np-deny-all", &[]),
    ("np-deny-all-beside-dns", &["cut_off UDP+TCP by networkpolicy app/allow-dns: app/web-1 app/web-2 app/batch-1"]),
    (
        "np-egress-of-kube-system",
        &["no_upstream UDP+TCP by networkpolicy kube-system/deny-egress", "no_api_server TCP by networkpolicy kube-system/deny-egress"],
    ),
    ("np-everywhere-by-address", &["cut_off UDP+TCP by networkpolicy app/allow-all: app/web-1 app/web-2 app/batch-1"]),
    ("np-expressions", &["cut_off UDP+TCP by networkpolicy app/allow-dns: app/web-1 app/web-2 app/batch-1"]),
    ("np-ingress-of-all-at-53", &[]),
    ("np-ingress-of-kube-dns-alone", &[]),
    (
        "np-ingress-of-kube-system",
        &["kept_out UDP+TCP by networkpolicy kube-system/deny-ingress: app/web-1 app/web-2 app/batch-1 data/db-0 kube-system/doorstep-1"],
    ),
    ("np-known", &["cut_off acknowledged UDP+TCP by networkpolicy app/allow-dns: app/web-1 app/web-2 app/batch-1"]),
    ("np-namespace-and-port", &[]),
    ("np-other-port", &[]),
    (
        "np-out-and-in",
        &[
            "cut_off UDP+TCP by networkpolicy app/allow-dns: app/web-1 app/web-2 app/batch-1",
            "kept_out UDP+TCP by networkpolicy kube-system/deny-ingress: app/web-1 app/web-2 app/batch-1 data/db-0 kube-system/doorstep-1",
        ],
    ),
    ("np-own-namespace-only", &[]),
    ("np-pod-labels", &["cut_off UDP+TCP by networkpolicy app/allow-dns: app/web-1 app/web-2 app/batch-1"]),
    ("np-port-alone", &[]),
    ("np-port-names", &[]),
    ("np-port-range", &["cut_off UDP+TCP by networkpolicy app/allow-low-ports: app/web-1 app/web-2 app/batch-1"]),
    ("np-service-address", &[]),
    ("np-some-pods", &["cut_off UDP+TCP by networkpolicy app/allow-dns: app/batch-1"]),
    ("np-tcp-for-agents-forgotten", &["cut_off TCP by networkpolicy app/allow-dns: app/web-1 app/web-2 app/batch-1"]),
    ("np-two-policies-of-one-pod", &[]),
    ("np-other-namespace", &[]),
    ("np-other-namespace-for-agents", &["cut_off UDP+TCP by networkpolicy app/allow-dns: app/web-1 app/web-2 app/batch-1"]),
    ("cnp-empty-rule-beside-dns", &["cut_off UDP+TCP by ciliumnetworkpolicy app/allow-dns: app/web-1 app/web-2 app/batch-1"]),
    ("cnp-deny-kube-dns", &[]),
    (
        "cnp-two-harms",
        &[
            "cut_off UDP by ciliumnetworkpolicy app/two: app/web-1 app/web-2 app/batch-1",
            "denied TCP by ciliumnetworkpolicy app/two: app/web-1 app/web-2 app/batch-1",
        ],
    ),
    ("np-udp-alone", &["cut_off UDP by networkpolicy app/allow-dns: app/web-1 app/web-2 app/batch-1"]),
];

fn policies(file: &str) -> Vec<NetworkPolicy> {
    documents(&format!("{PLACE}/{file}.yaml")).iter().map(read).collect()
}

#[test]
fn each_file_is_found_to_do_what_the_table_says() {
    let wrong: Vec<String> = TABLE
        .iter()
        .filter_map(|(file, expected)| {
            let found = lines(&assess(&policies(file), 53));
            (found != *expected).then(|| format!("{file}:\n  expected {expected:?}\n  found    {found:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Agents keep who does harm and no more.
#[test]
fn harmful_are_those_of_findings_that_are_not_acknowledged_and_of_agents_that_reach_the_api_server() {
    for (file, _) in TABLE {
        let policies = policies(file);
        let found =
            |judge: fn(&Cluster<'_>) -> BTreeSet<Reference>| judged(&policies, Groups::imagined(&policies, &namespaces()), 53, judge);
        let counts = |finding: &Finding| !finding.acknowledged && finding.harm != Harm::NoApiServer;
        let of_findings = judged(&policies, Groups::imagined(&policies, &namespaces()), 53, findings);
        let expected: BTreeSet<Reference> = of_findings.into_iter().filter(counts).flat_map(|finding| finding.policies).collect();
        assert_eq!(found(|cluster| harmful(cluster).into_iter().cloned().collect()), expected, "{file}");
    }
    let names = |file: &str| {
        let policies = policies(file);
        judged(&policies, Groups::imagined(&policies, &namespaces()), 53, |cluster| {
            harmful(cluster).iter().map(ToString::to_string).collect::<Vec<_>>()
        })
    };
    assert_eq!(names("np-known"), [""; 0]);
    assert_eq!(names("np-out-and-in"), ["networkpolicy app/allow-dns", "networkpolicy kube-system/deny-ingress"]);
}

#[test]
fn pairs_are_of_pods_and_the_policies_of_their_namespace() {
    let count = |file: &str| {
        let policies = policies(file);
        judged(&policies, Groups::imagined(&policies, &namespaces()), 53, pairs)
    };
    assert_eq!(count("np-deny-all-beside-dns"), 2, "one kind of pods under two policies");
    assert_eq!(count("ccnp-but-system"), 4, "pods of four namespaces under one");
}

#[test]
fn pods_are_counted_once_though_both_protocols_are_shut() {
    let found = assess(&policies("ccnp-but-system"), 53);
    assert_eq!((found.len(), found[0].count, found[0].pods.len()), (1, 5, 5));
}

#[test]
fn without_pods_each_rule_stands_for_pods_of_its_own_labels() {
    let imagined = |file: &str| {
        let policies = policies(file);
        let groups = Groups::imagined(&policies, &namespaces());
        lines(&assess_groups(&policies, groups, 53))
    };
    assert_eq!(imagined("np-some-pods"), ["cut_off UDP+TCP by networkpolicy app/allow-dns: app/*"]);
    assert_eq!(imagined("np-both-labels"), [""; 0]);
    assert_eq!(imagined("np-two-policies-of-one-pod"), [""; 0]);
    let cut_off = "cut_off UDP+TCP by ciliumclusterwidenetworkpolicy allow-dns: app/* data/* monitoring/*";
    assert_eq!(imagined("ccnp-but-system"), [cut_off]);
}

/// An agent may read policies alone: what it takes for the cluster is what they name.
#[test]
fn without_namespaces_those_are_judged_that_policies_are_in_or_name() {
    let named = |file: &str| -> Vec<String> { super::super::namespaces(&policies(file)).into_iter().collect() };
    assert_eq!(named("np-some-pods"), ["app"]);
    assert_eq!(named("ccnp-all-pods"), [""; 0]);
    let expressions = serde_json::json!([
        { "key": "k8s:io.kubernetes.pod.namespace", "operator": "In", "values": ["data", "app"] },
        { "key": "k8s:io.cilium.k8s.namespace.labels.team", "operator": "In", "values": ["web"] },
    ]);
    let by_name = serde_json::json!({
        "kind": "CiliumClusterwideNetworkPolicy",
        "metadata": { "name": "x" },
        "spec": { "endpointSelector": { "matchExpressions": expressions } },
    });
    assert_eq!(super::super::namespaces(&[read(&by_name)]).into_iter().collect::<Vec<_>>(), ["app", "data"]);
}

/// Pods about which no policy is are kept out as well.
#[test]
fn a_pod_without_labels_is_imagined_in_each_namespace() {
    let policies = policies("np-ingress-of-kube-system");
    let groups = Groups::imagined(&policies, &namespaces());
    let kept_out = "kept_out UDP+TCP by networkpolicy kube-system/deny-ingress: app/* data/* kube-system/* kube-system/* monitoring/*";
    assert_eq!(lines(&assess_groups(&policies, groups, 53)), [kept_out]);
}

#[test]
fn no_file_is_forgotten_in_the_table() {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join(PLACE);
    let files: BTreeSet<String> =
        std::fs::read_dir(place).unwrap().map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    assert_eq!(files, TABLE.iter().map(|(file, _)| (*file).to_owned()).collect());
    assert!(files.len() >= 30);
}
