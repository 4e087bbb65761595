//! How policies and pods are read, page by page, and what a refusal means.

use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

use crate::k8s::cluster::Cluster;
use crate::k8s::{Access, Config};
use crate::redirect::CiliumConfig;
use crate::redirect::network_policies::Harm;

/// An API server that answers by path and query.
fn cluster(answer: impl Fn(&str, &str) -> (u16, Value) + Clone + Send + 'static) -> Cluster {
    let service = tower::service_fn(move |request: Request<Body>| {
        let (code, value) = answer(request.uri().path(), request.uri().query().unwrap_or_default());
        let response = Response::builder().status(code).body(Body::from(value.to_string().into_bytes())).unwrap();
        async move { Ok::<_, std::convert::Infallible>(response) }
    });
    let config = Config {
        access: Access::ServiceAccount,
        namespace: "kube-system".to_owned(),
        daemon_set: "doorstep".to_owned(),
        dns_service: "kube-dns".to_owned(),
        pod_name: String::new(),
        asks: Vec::new(),
        serves: None,
        template: None,
        cilium: CiliumConfig::default(),
    };
    Cluster::with(Client::new(service, "kube-system"), config)
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
