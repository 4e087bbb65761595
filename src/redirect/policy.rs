//! The desired CiliumLocalRedirectPolicy, copied from the DNS Service it redirects.
//!
//! Port numbers, port names and the selector label are a frozen interface: the policy's spec cannot be changed in place, and pods of
//! two releases stand behind one policy while a rollout is under way.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// The label by which Cilium finds the agent's pods. Never `k8s-app: kube-dns`: that would make them backends of kube-dns itself.
pub const SELECTOR_LABEL: &str = "app.kubernetes.io/name";
/// The value of [`SELECTOR_LABEL`].
pub const SELECTOR_VALUE: &str = "doorstep";
/// The policy's name. One policy a cluster: two on one Service make Cilium rewrite its tables without end.
pub const POLICY_NAME: &str = "doorstep";
/// The annotation that agents put on a policy they create: its spec's hash. A policy of our name without it was made by somebody else.
pub const SPEC_ANNOTATION: &str = "doorstep.dev/spec";

/// Transport of a Service port, as Kubernetes spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Protocol {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
}

impl Protocol {
    /// As labels have it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
        })
    }
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
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: &'static str,
    namespace: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<&'static str, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    owner_references: Vec<OwnerReference>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct OwnerReference {
    api_version: &'static str,
    kind: &'static str,
    name: String,
    uid: String,
    /// Uninstalling must not wait for the policy: the collector takes it once the DaemonSet is gone.
    block_owner_deletion: bool,
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
    match_labels: BTreeMap<&'static str, &'static str>,
}

/// One port of the backend. Cilium wants the number as a string, and names as soon as there is more than one port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PolicyPort {
    port: String,
    name: String,
    protocol: Protocol,
}

/// The agents' DaemonSet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Its name.
    pub name: String,
    /// Its uid: another one means that it was deleted and made anew.
    pub uid: String,
}

impl Policy {
    /// The policy as an agent creates it: it goes when its DaemonSet goes, and says which spec it has.
    pub fn owned_by(mut self, owner: &Owner) -> Self {
        self.metadata.annotations = [(SPEC_ANNOTATION, self.spec_hash())].into();
        self.metadata.owner_references = vec![OwnerReference {
            api_version: "apps/v1",
            kind: "DaemonSet",
            name: owner.name.clone(),
            uid: owner.uid.clone(),
            block_owner_deletion: false,
        }];
        self
    }

    /// Names the spec in 16 hexadecimal digits (FNV-1a, 64 bits): the same in every agent of a release. Compared with what the creator
    /// wrote into [`SPEC_ANNOTATION`], not with the live spec, to which the API server adds defaults.
    pub fn spec_hash(&self) -> String {
        let text = serde_json::to_vec(&self.spec).expect("strings and maps of strings are JSON");
        let hash = text.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, octet| (hash ^ u64::from(*octet)).wrapping_mul(0x0100_0000_01b3));
        format!("{hash:016x}")
    }
}

/// The policy that redirects `service` to the agent of the client's own node.
pub fn desired(service: &DnsService) -> Policy {
    let to_ports =
        service.ports.iter().map(|(name, port, protocol)| PolicyPort { port: port.to_string(), name: name.clone(), protocol: *protocol });
    Policy {
        api_version: "cilium.io/v2",
        kind: "CiliumLocalRedirectPolicy",
        metadata: Metadata {
            name: POLICY_NAME,
            namespace: service.namespace.clone(),
            annotations: BTreeMap::new(),
            owner_references: Vec::new(),
        },
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

    #[test]
    fn a_policy_that_an_agent_creates_goes_with_its_daemonset_and_names_its_spec() {
        let policy = desired(&DnsService::standard());
        let owned = policy.clone().owned_by(&Owner { name: "doorstep".to_owned(), uid: "ds-1".to_owned() });
        assert_eq!(owned.spec_hash(), policy.spec_hash());
        assert_eq!(
            serde_json::to_value(&owned).unwrap()["metadata"],
            serde_json::json!({
                "name": "doorstep",
                "namespace": "kube-system",
                "annotations": { "doorstep.dev/spec": policy.spec_hash() },
                "ownerReferences": [
                    { "apiVersion": "apps/v1", "kind": "DaemonSet", "name": "doorstep", "uid": "ds-1", "blockOwnerDeletion": false },
                ],
            })
        );
    }

    #[test]
    fn another_port_or_name_is_another_spec_and_the_standard_one_is_frozen() {
        let standard = desired(&DnsService::standard());
        let mut service = DnsService::standard();
        service.ports[1].0 = "tcp-53".to_owned();
        assert_ne!(desired(&service).spec_hash(), standard.spec_hash());
        let mut service = DnsService::standard();
        service.ports[0].1 = 5353;
        assert_ne!(desired(&service).spec_hash(), standard.spec_hash());
        assert_eq!(standard.spec_hash(), "11e6a9bb96cba12e", "changing the frozen interface takes two releases");
    }
}
