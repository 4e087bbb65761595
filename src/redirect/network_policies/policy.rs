//! A network policy of any kind, as far as DNS is concerned.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::selector::{Labels, Selector};
use super::{cilium, kubernetes};
use crate::redirect::policy::Protocol;

/// The annotation by which the owner of a policy says that pods may lose DNS by it: its value is `true`.
pub const ACKNOWLEDGED: &str = "doorstep.dev/acknowledged";

/// Which kind of policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Kind {
    /// `networking.k8s.io/v1`.
    NetworkPolicy,
    /// `cilium.io/v2`, of a namespace.
    CiliumNetworkPolicy,
    /// `cilium.io/v2`, of the cluster.
    CiliumClusterwideNetworkPolicy,
}

impl Kind {
    /// As people type it.
    pub fn resource(self) -> &'static str {
        match self {
            Self::NetworkPolicy => "networkpolicy",
            Self::CiliumNetworkPolicy => "ciliumnetworkpolicy",
            Self::CiliumClusterwideNetworkPolicy => "ciliumclusterwidenetworkpolicy",
        }
    }
}

/// Which policy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Reference {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace; `None`: the cluster's.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl fmt::Display for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ", self.kind.resource())?;
        if let Some(namespace) = &self.namespace {
            write!(formatter, "{namespace}/")?;
        }
        formatter.write_str(&self.name)
    }
}

/// A policy that cannot be understood: what it does to DNS is not known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{policy}: {reason}")]
pub struct Garbled {
    /// Which.
    pub policy: Reference,
    /// What cannot be understood.
    pub reason: String,
}

/// A network policy.
#[derive(Clone, Debug)]
pub struct NetworkPolicy {
    pub(super) reference: Reference,
    /// Somebody knows what it does to DNS.
    pub(super) acknowledged: bool,
    pub(super) rules: Vec<Rule>,
}

impl NetworkPolicy {
    /// Reads an object of this kind, as the API server has it.
    ///
    /// # Errors
    /// Something in it is not as its kind says.
    pub fn read(kind: Kind, object: &Value) -> Result<Self, Garbled> {
        let metadata = &object["metadata"];
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let namespaced = kind != Kind::CiliumClusterwideNetworkPolicy;
        let namespace = namespaced.then(|| text(&metadata["namespace"]).unwrap_or_else(|| "default".to_owned()));
        let reference = Reference { kind, namespace, name: text(&metadata["name"]).unwrap_or_default() };
        let rules = match kind {
            Kind::NetworkPolicy => kubernetes::rules(&object["spec"], reference.namespace.as_deref().unwrap_or_default()),
            Kind::CiliumNetworkPolicy | Kind::CiliumClusterwideNetworkPolicy => cilium::rules(object, reference.namespace.as_deref()),
        };
        match rules {
            Ok(rules) => Ok(Self { acknowledged: metadata["annotations"][ACKNOWLEDGED] == "true", reference, rules }),
            Err(error) => Err(Garbled { policy: reference, reason: error.to_string() }),
        }
    }

    /// What it takes to judge it for one pod: 1 for most policies.
    pub(super) fn weight(&self) -> usize {
        let entries = |rule: &Rule| {
            let traffic = [&rule.egress, &rule.ingress].into_iter().flat_map(|traffic| traffic.allow.iter().chain(&traffic.deny));
            traffic.map(Entry::length).sum::<usize>()
        };
        self.rules.iter().map(|rule| 1 + entries(rule) / 16).sum()
    }

    /// Adds the label keys that it asks for.
    pub(super) fn keys(&self, keys: &mut BTreeSet<String>) {
        for rule in &self.rules {
            rule.subject.keys(keys);
            let entries = [&rule.egress, &rule.ingress].into_iter().flat_map(|traffic| traffic.allow.iter().chain(&traffic.deny));
            for entry in entries {
                let Peers::Some(peers) = &entry.peers else { continue };
                for peer in peers {
                    if let Peer::Pods(selector) = peer {
                        selector.keys(keys);
                    }
                }
            }
        }
    }
}

/// What a policy says of the pods of one selector.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    /// Where its egress rules are, as a JSON patch names the place.
    pub(super) path: String,
    pub(super) subject: Selector,
    pub(super) egress: Traffic,
    pub(super) ingress: Traffic,
    /// It lets pods reach names of the world, whose addresses Cilium's DNS proxy must see.
    pub(super) names_the_world: bool,
}

/// One direction.
#[derive(Clone, Debug, Default)]
pub(super) struct Traffic {
    /// What no rule allows is denied.
    pub(super) default_deny: bool,
    pub(super) allow: Vec<Entry>,
    pub(super) deny: Vec<Entry>,
}

/// Peers and ports.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) peers: Peers,
    /// None: all.
    pub(super) ports: Vec<Ports>,
}

impl Entry {
    /// How many peers, ports and names there are.
    fn length(&self) -> usize {
        let peers = match &self.peers {
            Peers::All => 0,
            Peers::Some(peers) => peers.len(),
        };
        peers + self.ports.iter().map(|list| list.ports.len() + list.names.len()).sum::<usize>()
    }
}

/// At the other end.
#[derive(Clone, Debug)]
pub(super) enum Peers {
    All,
    Some(Vec<Peer>),
}

/// One of them. Addresses are [`Peer::Elsewhere`]: Cilium does not match pods by address.
#[derive(Clone, Debug)]
pub(super) enum Peer {
    Pods(Selector),
    /// Pods behind a Service, by its name and namespace; without a namespace in any.
    Service(String, Option<String>),
    /// Pods behind Services with labels.
    Services(Selector, Option<String>),
    ApiServer,
    /// Everything in the cluster.
    Cluster,
    /// No pod; perhaps the API server.
    Elsewhere,
}

/// Ports, and what may be asked there.
#[derive(Clone, Debug, Default)]
pub(super) struct Ports {
    /// None: all.
    pub(super) ports: Vec<Port>,
    /// Rules of Cilium's DNS proxy; none: it sees nothing.
    pub(super) names: BTreeSet<DnsRule>,
}

#[derive(Clone, Debug)]
pub(super) struct Port {
    pub(super) at: At,
    /// `None`: both, and others.
    pub(super) protocol: Option<Transport>,
}

/// Where.
#[derive(Clone, Debug)]
pub(super) enum At {
    Any,
    /// First and last.
    Range(u16, u16),
    Name(String),
}

/// A transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Of(Protocol),
    /// None of DNS'.
    Other,
}

/// A rule of Cilium's DNS proxy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum DnsRule {
    MatchName(String),
    MatchPattern(String),
}

impl DnsRule {
    /// Everything may be asked.
    pub(super) fn is_everything(&self) -> bool {
        matches!(self, Self::MatchPattern(pattern) if pattern == "*")
    }
}

impl Port {
    /// Reads a port number, a name, or 0 for all.
    pub(super) fn new(port: &str, end: Option<u16>, protocol: Option<Transport>) -> Self {
        let at = match port.parse() {
            Ok(0) => At::Any,
            Ok(first) => At::Range(first, end.filter(|end| *end > 0).unwrap_or(first)),
            Err(_) => At::Name(port.to_owned()),
        };
        Self { at, protocol }
    }
}

impl Transport {
    /// `None` stands for `ANY`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_uppercase().as_str() {
            "" | "ANY" => None,
            "UDP" => Some(Self::Of(Protocol::Udp)),
            "TCP" => Some(Self::Of(Protocol::Tcp)),
            _ => Some(Self::Other),
        }
    }
}

impl Rule {
    /// Whether it is about a pod with these labels.
    pub(super) fn is_about(&self, labels: &Labels) -> bool {
        self.subject.selects(labels)
    }
}
