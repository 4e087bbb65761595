//! Gates: what must be so in the cluster before a policy is created. Each that is shut says what it saw, why it matters, and the cure.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use serde::Serialize;

use super::cilium::{self, CiliumConfig, SeenCilium};
use super::policy::{DnsService, POLICY_NAME, Protocol};
use super::state::Unknown;

/// The Service through which agents ask CoreDNS.
pub const UPSTREAM_SERVICE: &str = "kube-dns-upstream";

/// What is asked of the cluster before a policy is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// The API server knows CiliumLocalRedirectPolicies.
    Crd,
    /// Cilium is told to follow them.
    LocalRedirectPolicies,
    /// Its version may be trusted with one.
    Cilium,
    /// It is not being rolled out.
    CiliumRollout,
    /// The DNS Service is there.
    Service,
    /// Its ports are those of the agents' pods.
    Ports,
    /// Its families are those that this agent answers.
    Families,
    /// What agents ask is not redirected itself.
    Upstream,
    /// No other policy redirects the DNS Service.
    Rival,
    /// No network policy would take DNS from pods.
    NetworkPolicies,
}

impl Gate {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 10] = [
        Self::Crd,
        Self::LocalRedirectPolicies,
        Self::Cilium,
        Self::CiliumRollout,
        Self::Service,
        Self::Ports,
        Self::Families,
        Self::Upstream,
        Self::Rival,
        Self::NetworkPolicies,
    ];

    /// Its name as labels, `/status` and the runbook have it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Crd => "crd",
            Self::LocalRedirectPolicies => "local_redirect_policies",
            Self::Cilium => "cilium",
            Self::CiliumRollout => "cilium_rollout",
            Self::Service => "service",
            Self::Ports => "ports",
            Self::Families => "families",
            Self::Upstream => "upstream",
            Self::Rival => "rival",
            Self::NetworkPolicies => "network_policies",
        }
    }

    /// Where its paragraph of the runbook is.
    pub fn paragraph(self) -> String {
        format!("manifests/README.md#gate-{self}")
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.label())
    }
}

/// A gate that is shut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shut {
    /// Which.
    pub gate: Gate,
    /// What was seen.
    pub saw: String,
    /// Why that matters.
    pub matters: &'static str,
    /// What to do.
    pub cure: String,
    /// A policy that stands takes DNS from clients, or soon will: better none.
    pub grave: bool,
}

/// A CiliumLocalRedirectPolicy of the namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenPolicy {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// The uid of the DaemonSet that owns it.
    pub owner: Option<String>,
    /// What an agent wrote about its spec; `None`: not made by an agent.
    pub spec: Option<String>,
    /// The Service it redirects by name.
    pub service: Option<String>,
    /// The address it redirects.
    pub address: Option<IpAddr>,
    /// It has been deleted and waits for a finalizer.
    pub deleting: bool,
    /// When it was created, since the epoch, by the API server's clock.
    pub created: Option<Duration>,
}

impl SeenPolicy {
    /// Whether an agent made it.
    pub fn is_ours(&self) -> bool {
        self.name == POLICY_NAME && self.spec.is_some()
    }
}

/// A Service as far as gates ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenService {
    /// Ports and names.
    pub dns: DnsService,
    /// ClusterIPs, each family's.
    pub addresses: Vec<IpAddr>,
}

/// Families of addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Families {
    /// IPv4.
    pub v4: bool,
    /// IPv6.
    pub v6: bool,
}

impl Families {
    /// Those that a process answers which listens at `listen` in a pod with the addresses `pod`, where that is known.
    pub fn answered(listen: &[IpAddr], pod: Option<&[IpAddr]>) -> Self {
        let has = |family: fn(&IpAddr) -> bool| listen.iter().any(family) && pod.is_none_or(|pod| pod.iter().any(family));
        Self { v4: has(IpAddr::is_ipv4), v6: has(IpAddr::is_ipv6) }
    }

    fn has(self, address: &IpAddr) -> bool {
        if address.is_ipv4() { self.v4 } else { self.v6 }
    }
}

/// What gates look at.
#[derive(Clone, Debug)]
pub struct View<'a> {
    /// Name of the DNS Service.
    pub service_name: &'a str,
    /// The DNS Service.
    pub service: Result<&'a SeenService, &'a Unknown>,
    /// The Service [`UPSTREAM_SERVICE`].
    pub upstream: Result<&'a SeenService, &'a Unknown>,
    /// Ports that the agents' containers declare: name, number, protocol.
    pub container_ports: &'a [(String, u16, Protocol)],
    /// Addresses that this agent asks by default.
    pub asks: &'a [IpAddr],
    /// Families that this agent answers; `None`: nobody looks from inside a pod.
    pub serves: Option<Families>,
    /// The policies of the namespace.
    pub policies: &'a [SeenPolicy],
    /// Cilium.
    pub cilium: Result<&'a SeenCilium, &'a Unknown>,
    /// What operators say of it.
    pub said: &'a CiliumConfig,
}

/// The gates that are shut; none: a policy may be created.
pub fn shut(view: &View<'_>) -> Vec<Shut> {
    let mut shut = cilium::shut(view.cilium, view.said);
    match view.service {
        Ok(service) => {
            shut.extend(ports(service, view.container_ports));
            shut.extend(families(service, view.serves));
            shut.extend(upstream(service, view));
            shut.extend(rivals(service, view.policies));
        }
        Err(reason) => shut.push(no_service(view.service_name, reason)),
    }
    shut
}

fn no_service(name: &str, reason: &Unknown) -> Shut {
    Shut {
        gate: Gate::Service,
        saw: match reason {
            Unknown::Missing => format!("there is no Service {name} in this namespace"),
            Unknown::Unseen => format!("Service {name} has not been read"),
            Unknown::Garbled(what) => format!("Service {name}: {what}"),
        },
        matters: "Cilium redirects a Service of the agents' own namespace, by name",
        cure: "run doorstep in the namespace of the cluster's DNS Service, and name that Service with --dns-service".to_owned(),
        grave: false,
    }
}

/// Cilium matches Service, policy and pod by port name; on 1.18 and 1.19 a mismatch with the pod is a redirect to nobody.
fn ports(service: &SeenService, container_ports: &[(String, u16, Protocol)]) -> Option<Shut> {
    let ports = &service.dns.ports;
    let lacks = |protocol| !ports.iter().any(|port| port.2 == protocol);
    let saw = if lacks(Protocol::Udp) || lacks(Protocol::Tcp) {
        format!("Service {} does not have port 53 over both UDP and TCP", service.dns.name)
    } else {
        let (name, number, protocol) = ports.iter().find(|port| !container_ports.contains(port))?;
        format!("Service {} has {name} at {number}/{protocol}, the agents' pods do not", service.dns.name)
    };
    Some(Shut {
        gate: Gate::Ports,
        saw,
        matters: "a redirect whose port names or numbers no pod declares takes DNS from every client",
        cure: "render the manifests from the live Service, and apply them: doorstep render manifests".to_owned(),
        grave: true,
    })
}

/// Cilium up to 1.19 redirects every family of the Service, and finds nobody where the pod lacks one. A node's own trouble, not the
/// cluster's: such an agent is not ready, and Cilium falls back on its node.
fn families(service: &SeenService, serves: Option<Families>) -> Option<Shut> {
    let serves = serves?;
    let address = service.addresses.iter().find(|address| !serves.has(address))?;
    let family = if address.is_ipv4() { "IPv4" } else { "IPv6" };
    Some(Shut {
        gate: Gate::Families,
        saw: format!("Service {} has the {family} address {address}, this agent does not answer {family}", service.dns.name),
        matters: "clients of a family that the Service has and the agent has not are redirected to nobody",
        cure: format!(
            "let the agents listen on {family}, in pods that have it (manifests/overlays/dual-stack); or give the Service one family"
        ),
        grave: false,
    })
}

fn upstream(service: &SeenService, view: &View<'_>) -> Option<Shut> {
    let saw = match view.upstream {
        Err(Unknown::Missing) => format!("there is no Service {UPSTREAM_SERVICE}"),
        Err(Unknown::Unseen) => format!("Service {UPSTREAM_SERVICE} has not been read"),
        Err(Unknown::Garbled(what)) => format!("Service {UPSTREAM_SERVICE}: {what}"),
        Ok(_) if service.dns.name == UPSTREAM_SERVICE => format!("{UPSTREAM_SERVICE} is to be redirected itself"),
        Ok(other) if shares(&other.addresses, &service.addresses) => format!("{UPSTREAM_SERVICE} has the address of {}", service.dns.name),
        Ok(_) if shares(view.asks, &service.addresses) => {
            format!("this agent asks {}, the address that is to be redirected", service.dns.name)
        }
        Ok(_) => return None,
    };
    Some(Shut {
        gate: Gate::Upstream,
        saw,
        matters: "what agents ask of a redirected address comes back to them",
        cure: format!("create the Service {UPSTREAM_SERVICE} over CoreDNS' pods, and let the agents ask that"),
        grave: false,
    })
}

fn shares(one: &[IpAddr], other: &[IpAddr]) -> bool {
    one.iter().any(|address| other.contains(address))
}

fn rivals(service: &SeenService, policies: &[SeenPolicy]) -> Option<Shut> {
    let targets = |policy: &&SeenPolicy| {
        policy.service.as_ref() == Some(&service.dns.name) || policy.address.is_some_and(|address| service.addresses.contains(&address))
    };
    let rival = policies.iter().filter(|policy| !policy.is_ours()).find(|policy| policy.name == POLICY_NAME || targets(policy))?;
    Some(Shut {
        gate: Gate::Rival,
        saw: if rival.name == POLICY_NAME {
            format!("a CiliumLocalRedirectPolicy {POLICY_NAME} exists that no agent made")
        } else {
            format!("CiliumLocalRedirectPolicy {} redirects {} too", rival.name, service.dns.name)
        },
        matters: "with two policies on one Service Cilium follows one of them, and rewrites its tables without end",
        cure: format!("kubectl -n {} delete clrp {}", service.dns.namespace, rival.name),
        grave: true,
    })
}

/// No CRD: the redirect is not there to be used.
pub fn no_crd() -> Shut {
    Shut {
        gate: Gate::Crd,
        saw: "the API server knows no CiliumLocalRedirectPolicy".to_owned(),
        matters: "Cilium's operator installs it, and only where local redirect policies are enabled",
        cure: "set localRedirectPolicies.enabled=true in Cilium's values, then restart deployment cilium-operator and daemonset cilium"
            .to_owned(),
        grave: false,
    }
}
