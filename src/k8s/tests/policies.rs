//! How policies and pods are read, page by page, what a refusal means, and what agents ask for.

use std::sync::{Arc, Mutex};

use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

use super::config;
use crate::k8s::cluster::Cluster;
use crate::redirect::network_policies::Harm;
use crate::redirect::{Gate, GateVerdict, JudgedGate, Review, Surroundings};

/// An API server that answers by path and query.
fn cluster(answer: impl Fn(&str, &str) -> (u16, Value) + Clone + Send + 'static) -> Cluster {
    let service = tower::service_fn(move |request: Request<Body>| {
        let (code, value) = answer(request.uri().path(), request.uri().query().unwrap_or_default());
        let response = Response::builder().status(code).body(Body::from(value.to_string().into_bytes())).unwrap();
        async move { Ok::<_, std::convert::Infallible>(response) }
    });
    Cluster::with(Client::new(service, "kube-system"), config())
}

fn refusal(code: u16, reason: &str) -> (u16, Value) {
    (code, json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "message": reason, "reason": reason, "code": code }))
}

fn list(kind: &str, version: &str, items: &[Value], token: &str) -> (u16, Value) {
    (200, json!({ "kind": format!("{kind}List"), "apiVersion": version, "metadata": { "continue": token }, "items": items }))
}

fn pod(namespace: &str, name: &str, host_network: bool) -> Value {
    let labels = if namespace == "kube-system" { json!({ "k8s-app": "kube-dns" }) } else { json!({ "app": "web" }) };
    json!({
        "metadata": { "name": name, "namespace": namespace, "labels": labels },
        "spec": { "containers": [], "hostNetwork": host_network },
    })
}

fn policy(kind: &str) -> Value {
    let kube_dns = json!({ "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": "kube-system" } },
        "podSelector": { "matchLabels": { "k8s-app": "kube-dns" } } });
    let spec = json!({ "podSelector": {}, "policyTypes": ["Egress"], "egress": [{ "to": [kube_dns] }] });
    json!({ "apiVersion": "networking.k8s.io/v1", "kind": kind, "metadata": { "name": "allow-dns", "namespace": "app" }, "spec": spec })
}

/// A cluster without Cilium's CRDs, one policy, and pods on two pages.
fn small(path: &str, query: &str) -> (u16, Value) {
    match path {
        "/api/v1/namespaces/kube-system/services/kube-dns" => {
            let port = |name: &str, protocol: &str| json!({ "name": name, "port": 53, "targetPort": 53, "protocol": protocol });
            let spec = json!({ "selector": { "k8s-app": "kube-dns" }, "ports": [port("dns", "UDP"), port("dns-tcp", "TCP")] });
            (
                200,
                json!({ "kind": "Service", "apiVersion": "v1", "metadata": { "name": "kube-dns", "namespace": "kube-system" }, "spec": spec }),
            )
        }
        "/apis/networking.k8s.io/v1/networkpolicies" => list("NetworkPolicy", "networking.k8s.io/v1", &[policy("NetworkPolicy")], ""),
        "/api/v1/namespaces" => {
            let named = |name: &str| json!({ "metadata": { "name": name, "labels": { "kubernetes.io/metadata.name": name } } });
            list("Namespace", "v1", &[named("app"), named("kube-system")], "")
        }
        "/api/v1/namespaces/kube-system/pods" => list("Pod", "v1", &[pod("kube-system", "coredns-1", false)], ""),
        "/api/v1/pods" if query.contains("continue=more") => list("Pod", "v1", &[pod("app", "web-2", false), pod("app", "node", true)], ""),
        "/api/v1/pods" => list("Pod", "v1", &[pod("app", "web-1", false)], "more"),
        _ => refusal(404, "NotFound"),
    }
}

#[tokio::test]
async fn all_pages_are_read_and_pods_of_the_hosts_network_are_not_judged() {
    let review = cluster(small).review_policies().await.unwrap();
    assert_eq!((review.policies, review.pods, review.unknown.len()), (1, 2, 0), "{review:?}");
    let [finding] = review.findings.as_slice() else { panic!("{review:?}") };
    assert_eq!((finding.harm, finding.count), (Harm::CutOff, 2));
    assert_eq!(finding.pods, ["app/web-1", "app/web-2"]);
}

#[tokio::test]
async fn what_may_not_be_read_is_unknown_with_the_permission_that_is_missing() {
    let without_pods = |path: &str, query: &str| if path == "/api/v1/pods" { refusal(403, "Forbidden") } else { small(path, query) };
    let review = cluster(without_pods).review_policies().await.unwrap();
    assert_eq!(review.unknown, ["pods may not be read: that takes the permission to list pods in all namespaces"]);
    assert_eq!(review.findings[0].pods, ["app/*"], "the policy is judged all the same");
    let without_policies =
        |path: &str, query: &str| if path.ends_with("/networkpolicies") { refusal(403, "Forbidden") } else { small(path, query) };
    let review = cluster(without_policies).review_policies().await.unwrap();
    assert!(review.unknown[0].contains("permission to list networkpolicies"), "{review:?}");
    assert_eq!(review.findings.len(), 0);
}

#[tokio::test]
async fn an_api_server_that_fails_and_a_service_that_is_not_there_are_errors() {
    let failing = |path: &str, query: &str| if path == "/api/v1/pods" { refusal(500, "InternalError") } else { small(path, query) };
    assert!(cluster(failing).review_policies().await.is_err());
    let error = cluster(|_, _| refusal(404, "NotFound")).review_policies().await.unwrap_err();
    assert_eq!(error.to_string(), "there is no Service kube-dns in namespace kube-system");
}

/// What an agent's reading of this cluster comes to, and the paths it asked for.
async fn agent_reads(answer: impl Fn(&str, &str) -> (u16, Value) + Clone + Send + 'static) -> (Result<Review, String>, Vec<String>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&asked);
    let cluster = cluster(move |path, query| {
        kept.lock().unwrap().push(format!("{path}?{query}"));
        answer(path, query)
    });
    let subjects = cluster.look().await.unwrap().subjects.unwrap();
    asked.lock().unwrap().clear();
    let review = cluster.read_review(&subjects).await.map_err(|error| error.to_string());
    let asked = asked.lock().unwrap().clone();
    (review, asked)
}

/// The gate by it: verdict, and what was seen.
fn judged(review: &Review) -> (GateVerdict, String) {
    let gate = JudgedGate { name: Gate::NetworkPolicies, verdict: GateVerdict::Unknown, saw: None, matters: None, cure: None };
    let mut around = Surroundings { gates: vec![gate], ..Surroundings::default() };
    around.weigh(Some(review), false);
    (around.gates[0].verdict, around.gates[0].saw.clone().unwrap_or_default())
}

#[tokio::test]
async fn an_agent_reads_the_three_kinds_and_nothing_else() {
    let (review, asked) = agent_reads(small).await;
    let red = "1 of 1 network policies would take DNS from pods: networkpolicy app/allow-dns";
    assert_eq!(judged(&review.unwrap()), (GateVerdict::Red, red.to_owned()));
    let expected = [
        "/apis/networking.k8s.io/v1/networkpolicies?&limit=500",
        "/apis/cilium.io/v2/ciliumnetworkpolicies?&limit=500",
        "/apis/cilium.io/v2/ciliumclusterwidenetworkpolicies?&limit=500",
    ];
    assert_eq!(asked, expected);
}

#[tokio::test]
async fn an_agent_that_may_not_read_them_knows_nothing_and_one_that_is_not_answered_fails() {
    let forbidden = |path: &str, query: &str| if path.contains("networkpolicies") { refusal(403, "Forbidden") } else { small(path, query) };
    let (verdict, saw) = judged(&agent_reads(forbidden).await.0.unwrap());
    assert_eq!(verdict, GateVerdict::Unknown);
    assert!(saw.contains("permission to list networkpolicies") && saw.contains("ciliumclusterwidenetworkpolicies"), "{saw}");
    let failing =
        |path: &str, query: &str| if path.contains("networkpolicies") { refusal(500, "InternalError") } else { small(path, query) };
    assert!(agent_reads(failing).await.0.unwrap_err().contains("InternalError"));
}

#[tokio::test]
async fn pages_are_followed_and_one_that_is_too_large_is_asked_for_in_smaller_ones() {
    let answer = |path: &str, query: &str| match path {
        "/apis/networking.k8s.io/v1/networkpolicies" => {
            let mut large = policy("NetworkPolicy");
            large["metadata"]["annotations"] = json!({ "large": "x".repeat(5 << 20) });
            match query {
                _ if query.contains("continue=more") => list("NetworkPolicy", "networking.k8s.io/v1", &[policy("NetworkPolicy")], ""),
                _ if query.ends_with("limit=500") || query.ends_with("limit=50") => {
                    list("NetworkPolicy", "networking.k8s.io/v1", &[large], "")
                }
                _ => list("NetworkPolicy", "networking.k8s.io/v1", &[], "more"),
            }
        }
        _ => small(path, query),
    };
    let (review, asked) = agent_reads(answer).await;
    assert_eq!(judged(&review.unwrap()).0, GateVerdict::Red, "{asked:?}");
    assert_eq!(asked.iter().filter(|path| path.contains("/networkpolicies?")).count(), 4, "{asked:?}");
}

#[tokio::test]
async fn a_policy_larger_than_any_page_is_left_out_and_told() {
    let answer = |path: &str, query: &str| match path {
        "/apis/networking.k8s.io/v1/networkpolicies" => {
            let mut large = policy("NetworkPolicy");
            large["metadata"]["annotations"] = json!({ "large": "x".repeat(5 << 20) });
            list("NetworkPolicy", "networking.k8s.io/v1", &[large], "")
        }
        _ => small(path, query),
    };
    let (verdict, saw) = judged(&agent_reads(answer).await.0.unwrap());
    assert!(verdict == GateVerdict::Unknown && saw.starts_with("one of the networkpolicies is larger than"), "{saw}");
}

/// A list that never ends is read as far as an agent's memory goes.
#[tokio::test]
async fn an_agent_reads_no_more_than_it_has_room_for() {
    let answer = |path: &str, query: &str| match path {
        "/apis/networking.k8s.io/v1/networkpolicies" => {
            let mut large = policy("NetworkPolicy");
            large["metadata"]["annotations"] = json!({ "doorstep.dev/acknowledged": "true", "large": "x".repeat(3 << 20) });
            list("NetworkPolicy", "networking.k8s.io/v1", &[large], "more")
        }
        _ => small(path, query),
    };
    let (review, asked) = agent_reads(answer).await;
    let (verdict, saw) = judged(&review.unwrap());
    assert!(verdict == GateVerdict::Unknown && saw.starts_with("there are more networkpolicies than an agent reads"), "{saw}");
    assert_eq!(asked.len(), 11 + 2, "32 MiB, 3 a page");
}

/// Somebody with one namespace keeps no agent busy.
#[tokio::test]
async fn an_agent_judges_no_more_than_it_has_time_for() {
    let answer = |path: &str, query: &str| match path {
        "/apis/networking.k8s.io/v1/networkpolicies" => {
            let one = |number: usize| {
                let mut one = policy("NetworkPolicy");
                one["metadata"]["name"] = json!(format!("p{number}"));
                one["spec"]["podSelector"] = json!({ "matchLabels": { "app": format!("a{number}") } });
                one
            };
            list("NetworkPolicy", "networking.k8s.io/v1", &(0..2300).map(one).collect::<Vec<_>>(), "")
        }
        _ => small(path, query),
    };
    let (verdict, saw) = judged(&agent_reads(answer).await.0.unwrap());
    assert!(
        verdict == GateVerdict::Unknown && saw.starts_with("one namespace has more rules of network policies than an agent judges"),
        "{saw}"
    );
}

/// The same by one policy of many rules, which are fewer octets than as many policies.
#[tokio::test]
async fn many_rules_in_one_policy_count_as_many_policies() {
    let answer = |path: &str, query: &str| match path {
        "/apis/cilium.io/v2/ciliumnetworkpolicies" => {
            let rule = |number: usize| json!({ "endpointSelector": { "matchLabels": { "app": format!("a{number}") } }, "egress": [{}] });
            let specs: Vec<Value> = (0..2300).map(rule).collect();
            let one = json!({ "metadata": { "name": "p", "namespace": "app" }, "specs": specs });
            list("CiliumNetworkPolicy", "cilium.io/v2", &[one], "")
        }
        _ => small(path, query),
    };
    let (verdict, saw) = judged(&agent_reads(answer).await.0.unwrap());
    assert!(verdict == GateVerdict::Unknown && saw.starts_with("one namespace has more rules"), "{saw}");
}

/// A rule about the whole cluster stands for a pod in each namespace.
#[tokio::test]
async fn an_agent_imagines_no_more_pods_than_it_has_room_for() {
    let answer = |path: &str, query: &str| match path {
        "/apis/networking.k8s.io/v1/networkpolicies" => {
            let one = |number: usize| {
                let mut one = policy("NetworkPolicy");
                one["metadata"]["namespace"] = json!(format!("n{number}"));
                one
            };
            list("NetworkPolicy", "networking.k8s.io/v1", &(0..300).map(one).collect::<Vec<_>>(), "")
        }
        "/apis/cilium.io/v2/ciliumclusterwidenetworkpolicies" => {
            let one = |number: usize| {
                let spec = json!({ "endpointSelector": { "matchLabels": { "app": format!("a{number}") } }, "egress": [{}] });
                json!({ "metadata": { "name": format!("c{number}") }, "spec": spec })
            };
            list("CiliumClusterwideNetworkPolicy", "cilium.io/v2", &(0..100).map(one).collect::<Vec<_>>(), "")
        }
        _ => small(path, query),
    };
    let (verdict, saw) = judged(&agent_reads(answer).await.0.unwrap());
    assert!(verdict == GateVerdict::Unknown && saw.starts_with("network policies tell more pods apart"), "{saw}");
}
