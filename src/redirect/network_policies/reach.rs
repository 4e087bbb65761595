//! Whether one pod reaches another: the sum of all policies about either.

use std::collections::{BTreeMap, BTreeSet};

use super::policy::{At, DnsRule, Entry, NetworkPolicy, Peer, Peers, Port, Ports, Rule, Transport};
use super::selector::{Labels, NAMESPACE};
use crate::redirect::policy::Protocol;

/// Pods that answer DNS.
#[derive(Clone, Debug)]
pub struct Destination {
    /// Their labels, as [`super::Pod::labels`] joins them.
    pub labels: Labels,
    /// Where they answer: name, number, protocol.
    pub ports: Vec<(String, u16, Protocol)>,
}

/// A Service whose pods may be named by it.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its own labels.
    pub labels: Labels,
    /// Labels of its pods.
    pub selector: Labels,
}

impl Service {
    fn has(&self, pod: &Labels) -> bool {
        let own = pod.get(NAMESPACE) == Some(&self.namespace);
        own && !self.selector.is_empty() && self.selector.iter().all(|(key, value)| pod.get(key) == Some(value))
    }
}

/// A rule of a policy.
pub(super) type Source<'a> = (&'a NetworkPolicy, &'a Rule);

/// A rule that allows a way, and what may be asked by it; `None`: everything.
#[derive(Clone, Debug)]
pub(super) struct Allowed<'a> {
    pub(super) source: Source<'a>,
    pub(super) names: Option<BTreeSet<DnsRule>>,
    /// Cilium's DNS proxy sees what is asked.
    pub(super) seen: bool,
}

impl Allowed<'_> {
    pub(super) fn is_same(&self, other: &Allowed<'_>) -> bool {
        std::ptr::eq(self.source.1, other.source.1) && self.names == other.names && self.seen == other.seen
    }
}

/// What the policies about a pod say of one way.
#[derive(Debug, Default)]
pub(super) struct Way<'a> {
    /// What is not allowed is denied.
    pub(super) default_deny: Vec<Source<'a>>,
    /// Who allows it.
    pub(super) allowed: Vec<Allowed<'a>>,
    /// Who denies it.
    pub(super) denied: Vec<Source<'a>>,
}

impl Way<'_> {
    pub(super) fn is_open(&self) -> bool {
        self.denied.is_empty() && (self.default_deny.is_empty() || !self.allowed.is_empty())
    }

    /// Whether Cilium's DNS proxy sees what is asked.
    pub(super) fn is_seen(&self) -> bool {
        self.allowed.iter().any(|allowed| allowed.seen)
    }

    /// What may be asked; `None`: everything.
    pub(super) fn names(&self) -> Option<BTreeSet<&DnsRule>> {
        if self.default_deny.is_empty() {
            return None;
        }
        let lists: Option<Vec<_>> = self.allowed.iter().map(|allowed| allowed.names.as_ref()).collect();
        Some(lists?.into_iter().flatten().collect())
    }
}

/// One direction of a pod's traffic.
#[derive(Clone, Copy)]
pub(super) enum Direction {
    Egress,
    Ingress,
}

/// Policies by the namespace of the pods they are about.
#[derive(Default)]
pub(super) struct ByNamespace<'a> {
    of_one: BTreeMap<&'a str, Vec<&'a NetworkPolicy>>,
    of_all: Vec<&'a NetworkPolicy>,
}

impl<'a> ByNamespace<'a> {
    pub(super) fn new(policies: &'a [NetworkPolicy]) -> Self {
        let mut sorted = Self::default();
        for policy in policies {
            match &policy.reference.namespace {
                Some(namespace) => sorted.of_one.entry(namespace).or_default().push(policy),
                None => sorted.of_all.push(policy),
            }
        }
        sorted
    }

    /// Those that may be about a pod.
    pub(super) fn near(&self, pod: &Labels) -> impl Iterator<Item = &'a NetworkPolicy> {
        let own = pod.get(NAMESPACE).and_then(|namespace| self.of_one.get(namespace.as_str()));
        own.into_iter().flatten().chain(&self.of_all).copied()
    }
}

/// The policies about one pod.
pub(super) struct About<'a> {
    sources: Vec<Source<'a>>,
    services: &'a [Service],
}

impl<'a> About<'a> {
    pub(super) fn new(policies: &ByNamespace<'a>, services: &'a [Service], pod: &Labels) -> Self {
        let rules = policies.near(pod).flat_map(|policy| policy.rules.iter().map(move |rule| (policy, rule)));
        Self { sources: rules.filter(|(_, rule)| rule.is_about(pod)).collect(), services }
    }

    /// Rules that let the pod reach names of the world.
    pub(super) fn name_the_world(&self) -> bool {
        self.sources.iter().any(|(_, rule)| rule.names_the_world)
    }

    /// To or from a peer, over one protocol, at the ports of whoever answers.
    pub(super) fn way(&self, direction: Direction, peer: &Labels, server: &Destination, protocol: Protocol) -> Way<'a> {
        let mut way = Way::default();
        for source in &self.sources {
            let traffic = match direction {
                Direction::Egress => &source.1.egress,
                Direction::Ingress => &source.1.ingress,
            };
            if traffic.default_deny {
                way.default_deny.push(*source);
            }
            let reaches = |entry: &&Entry| self.covers(&entry.peers, peer);
            if traffic.deny.iter().filter(reaches).any(|entry| opened(entry, server, protocol).next().is_some()) {
                way.denied.push(*source);
            }
            let opened: Vec<&Ports> = traffic.allow.iter().filter(reaches).flat_map(|entry| opened(entry, server, protocol)).collect();
            if opened.is_empty() {
                continue;
            }
            // A rule without names lets everything be asked, whatever others say.
            let everything = opened.iter().any(|ports| ports.names.is_empty() || ports.names.iter().any(DnsRule::is_everything));
            let names = || opened.iter().flat_map(|ports| ports.names.iter().cloned()).collect();
            let seen = opened.iter().any(|ports| !ports.names.is_empty());
            way.allowed.push(Allowed { source: *source, names: (!everything).then(names), seen });
        }
        way
    }

    fn covers(&self, peers: &Peers, pod: &Labels) -> bool {
        let Peers::Some(peers) = peers else { return true };
        let behind = |namespace: &Option<String>, service: &Service| {
            namespace.as_ref().is_none_or(|namespace| namespace.is_empty() || *namespace == service.namespace) && service.has(pod)
        };
        peers.iter().any(|peer| match peer {
            Peer::Pods(selector) => selector.selects(pod),
            Peer::Cluster => true,
            Peer::Service(name, namespace) => self.services.iter().any(|service| service.name == *name && behind(namespace, service)),
            Peer::Services(selector, namespace) => {
                self.services.iter().any(|service| selector.selects(&service.labels) && behind(namespace, service))
            }
            Peer::ApiServer | Peer::Elsewhere => false,
        })
    }

    /// Whether nothing allows the way to the API server. Addresses may be its: they count as a way.
    pub(super) fn hides_api_server(&self) -> bool {
        let may = |entry: &Entry| match &entry.peers {
            Peers::All => true,
            Peers::Some(peers) => {
                peers.iter().any(|peer| matches!(peer, Peer::ApiServer | Peer::Cluster | Peer::Elsewhere | Peer::Service(..)))
            }
        };
        let denied = self.sources.iter().any(|(_, rule)| rule.egress.default_deny);
        denied && !self.sources.iter().any(|(_, rule)| rule.egress.allow.iter().any(may))
    }

    /// The policies that deny what is not allowed to leave.
    pub(super) fn deny_egress(&self) -> Vec<Source<'a>> {
        self.sources.iter().filter(|(_, rule)| rule.egress.default_deny).copied().collect()
    }
}

/// The lists of an entry's ports that DNS is answered at.
fn opened<'a>(entry: &'a Entry, server: &Destination, protocol: Protocol) -> impl Iterator<Item = &'a Ports> {
    const ALL: &Ports = &Ports { ports: Vec::new(), names: BTreeSet::new() };
    let lists = if entry.ports.is_empty() { std::slice::from_ref(ALL) } else { entry.ports.as_slice() };
    lists.iter().filter(move |ports| opens(&ports.ports, server, protocol))
}

/// Whether one of these ports is where DNS is answered over the protocol; none: all.
fn opens(ports: &[Port], server: &Destination, protocol: Protocol) -> bool {
    let answers = || server.ports.iter().filter(|port| port.2 == protocol);
    let is_open = |port: &Port| {
        let transport = port.protocol.is_none_or(|transport| transport == Transport::Of(protocol));
        transport
            && match &port.at {
                At::Any => true,
                At::Range(first, last) => answers().any(|(_, number, _)| (first..=last).contains(&number)),
                At::Name(name) => answers().any(|(named, ..)| named == name),
            }
    };
    ports.is_empty() || ports.iter().any(is_open)
}
