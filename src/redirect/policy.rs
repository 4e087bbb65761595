//! The desired CiliumLocalRedirectPolicy, copied from the DNS Service it redirects.
//!
//! Port numbers, port names and the selector label are a frozen interface: the policy's spec cannot be changed in place, and pods of
//! two releases stand behind one policy while a rollout is under way.

use serde::Serialize;

/// The label by which Cilium finds the agent's pods. Never `k8s-app: kube-dns`: that would make them backends of kube-dns itself.
pub const SELECTOR_LABEL: &str = "app.kubernetes.io/name";
/// The value of [`SELECTOR_LABEL`].
pub const SELECTOR_VALUE: &str = "doorstep";

/// Transport of a Service port, as Kubernetes spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Protocol {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
}

/// What the policy needs to know of the DNS Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsService {
    /// `kube-dns` almost everywhere.
    pub name: String,
    /// Service, policy and pods share one namespace: Cilium looks for backends nowhere else.
    pub namespace: String,
    /// Its ports: name, targetPort, protocol.
    pub ports: Vec<(String, u16, Protocol)>,
}

impl DnsService {
    /// The Service as kubeadm and most distributions install it.
    pub fn standard() -> Self {
        let ports = vec![("dns".to_owned(), 53, Protocol::Udp), ("dns-tcp".to_owned(), 53, Protocol::Tcp)];
        Self { name: "kube-dns".to_owned(), namespace: "kube-system".to_owned(), ports }
    }
}

/// A CiliumLocalRedirectPolicy (`cilium.io/v2`), as it goes to the API server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    api_version: &'static str,
    kind: &'static str,
    metadata: Metadata,
    spec: Spec,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Metadata {
    name: &'static str,
    namespace: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    redirect_frontend: Frontend,
    redirect_backend: Backend,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Frontend {
    service_matcher: ServiceMatcher,
}

/// Without `toPorts`: every port and, on all Cilium versions, every address family of the Service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct ServiceMatcher {
    service_name: String,
    namespace: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Backend {
    local_endpoint_selector: Selector,
    to_ports: Vec<PolicyPort>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Selector {
    match_labels: std::collections::BTreeMap<&'static str, &'static str>,
}

/// One port of the backend. Cilium wants the number as a string, and names as soon as there is more than one port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PolicyPort {
    port: String,
    name: String,
    protocol: Protocol,
}

/// The policy that redirects `service` to the agent of the client's own node.
pub fn desired(service: &DnsService) -> Policy {
    let to_ports =
        service.ports.iter().map(|(name, port, protocol)| PolicyPort { port: port.to_string(), name: name.clone(), protocol: *protocol });
    Policy {
        api_version: "cilium.io/v2",
        kind: "CiliumLocalRedirectPolicy",
        metadata: Metadata { name: "doorstep", namespace: service.namespace.clone() },
        spec: Spec {
            redirect_frontend: Frontend {
                service_matcher: ServiceMatcher { service_name: service.name.clone(), namespace: service.namespace.clone() },
            },
            redirect_backend: Backend {
                local_endpoint_selector: Selector { match_labels: [(SELECTOR_LABEL, SELECTOR_VALUE)].into() },
                to_ports: to_ports.collect(),
            },
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_copies_names_ports_and_namespace_from_the_service() {
        let service = DnsService {
            name: "rke2-coredns".to_owned(),
            namespace: "dns".to_owned(),
            ports: vec![("udp-53".to_owned(), 5353, Protocol::Udp), ("tcp-53".to_owned(), 5353, Protocol::Tcp)],
        };
        let policy = serde_json::to_value(desired(&service)).unwrap();
        assert_eq!(
            policy["spec"],
            serde_json::json!({
                "redirectFrontend": { "serviceMatcher": { "serviceName": "rke2-coredns", "namespace": "dns" } },
                "redirectBackend": {
                    "localEndpointSelector": { "matchLabels": { "app.kubernetes.io/name": "doorstep" } },
                    "toPorts": [
                        { "port": "5353", "name": "udp-53", "protocol": "UDP" },
                        { "port": "5353", "name": "tcp-53", "protocol": "TCP" },
                    ],
                },
            })
        );
        assert_eq!(policy["metadata"], serde_json::json!({ "name": "doorstep", "namespace": "dns" }));
    }
}
