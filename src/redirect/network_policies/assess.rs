//! Before the redirect and after it, for each group of pods.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::cure;
use super::groups::{Group, NAMED};
use super::policy::{DnsRule, NetworkPolicy, Reference};
use super::reach::{About, Allowed, ByNamespace, Destination, Direction, Service, Source, Way};
use super::selector::Labels;
use crate::redirect::policy::Protocol;

/// What is judged.
#[derive(Clone, Copy, Debug)]
pub struct Cluster<'a> {
    /// All policies.
    pub policies: &'a [NetworkPolicy],
    /// All pods, but those of the host's network: policies are not about them.
    pub groups: &'a [Group],
    /// Who answers before.
    pub kube_dns: &'a Destination,
    /// Who answers after.
    pub agents: &'a Destination,
    /// The Services of DNS, by which policies may name the pods that answer.
    pub services: &'a [Service],
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Harm {
    /// Clients may reach kube-dns and not the agents.
    CutOff,
    /// Clients are denied the agents by name.
    Denied,
    /// The agents do not let clients in.
    KeptOut,
    /// Names that may be asked of kube-dns may not be asked of the agents.
    FewerNames,
    /// Rules by name lose their addresses: Cilium's DNS proxy does not see what the agents answer.
    Unseen,
    /// Agents may not reach kube-dns' pods.
    NoUpstream,
    /// kube-dns' pods do not let the agents in.
    UpstreamKeepsOut,
    /// Agents may not reach the API server.
    NoApiServer,
}

impl Harm {
    /// Why it matters.
    pub fn matters(self) -> &'static str {
        match self {
            Self::CutOff => "policies are enforced after the redirect, against the pod that answers: these pods lose DNS",
            Self::Denied => "a rule that denies wins over all that allow: these pods lose DNS",
            Self::KeptOut => "the agents' pods deny what no rule lets in: these pods lose DNS",
            Self::FewerNames => "Cilium's DNS proxy refuses names that no rule for the agents allows",
            Self::Unseen => {
                "rules by name (toFQDNs) work by the answers that Cilium's DNS proxy sees: these pods lose what the rules allow"
            }
            Self::NoUpstream | Self::UpstreamKeepsOut => "agents do not become ready without their upstream",
            Self::NoApiServer => "agents could neither create the redirect nor take it back",
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What.
    pub harm: Harm,
    /// The policies that do it.
    pub policies: Vec<Reference>,
    /// Over these protocols.
    pub protocols: Vec<Protocol>,
    /// Some of the pods, as `namespace/name`.
    pub pods: Vec<String>,
    /// How many pods there are.
    pub count: usize,
    /// Commands or words that cure it.
    pub cures: Vec<String>,
    /// The owners of all these policies know of it.
    pub acknowledged: bool,
}

/// All that is wrong, the agents' own first.
pub fn findings(cluster: &Cluster<'_>) -> Vec<Finding> {
    let mut found = Found { findings: BTreeMap::new(), counted: BTreeSet::new(), cluster: *cluster };
    judge(cluster, |group, wrong, protocol| found.add(group, wrong, protocol));
    found.findings.into_values().collect()
}

/// The policies that do harm which not all of them have acknowledged, as an agent judges them that reads them: it has the API server. It takes
/// no more memory than the policies themselves.
pub fn harmful<'a>(cluster: &Cluster<'a>) -> BTreeSet<&'a Reference> {
    let mut found = BTreeSet::new();
    judge(cluster, |_, (harm, culprits), _| {
        if harm != Harm::NoApiServer && !culprits.iter().all(|culprit| culprit.source.0.acknowledged) {
            found.extend(culprits.iter().map(|culprit| &culprit.source.0.reference));
        }
    });
    found
}

/// How many pairs of a group of pods and a rule in its namespace there are: what judging takes grows with them. A rule counts once, and once
/// more for each 16 peers, ports and names.
pub fn pairs(cluster: &Cluster<'_>) -> usize {
    let policies = ByNamespace::new(cluster.policies);
    cluster.groups.iter().map(|group| policies.near(&group.labels).map(NetworkPolicy::weight).sum::<usize>()).sum()
}

/// Tells all that is wrong, the agents' own first.
fn judge<'a>(cluster: &Cluster<'a>, mut tell: impl FnMut(Option<&'a Group>, Wrong<'a>, Protocol)) {
    let policies = ByNamespace::new(cluster.policies);
    let of = |labels| About::new(&policies, cluster.services, labels);
    let (agents, kube_dns) = (of(&cluster.agents.labels), of(&cluster.kube_dns.labels));
    let mut tell_all = |group, wrong: &dyn Fn(Protocol) -> Vec<Wrong<'a>>| {
        for protocol in [Protocol::Udp, Protocol::Tcp] {
            wrong(protocol).into_iter().for_each(|wrong| tell(group, wrong, protocol));
        }
    };
    let upstream = |protocol| {
        let (out, into) = both(&agents, &cluster.agents.labels, &kube_dns, cluster.kube_dns, protocol);
        let out = shut(&out).map(|culprits| (Harm::NoUpstream, culprits));
        out.into_iter().chain(shut(&into).map(|culprits| (Harm::UpstreamKeepsOut, culprits))).collect()
    };
    tell_all(None, &upstream);
    if agents.hides_api_server() {
        let hidden = || vec![(Harm::NoApiServer, plain(&agents.deny_egress()))];
        tell_all(None, &|protocol| if protocol == Protocol::Tcp { hidden() } else { Vec::new() });
    }
    for group in cluster.groups {
        let client = of(&group.labels);
        let client_harms = |protocol| {
            let before = both(&client, &group.labels, &kube_dns, cluster.kube_dns, protocol);
            let after = both(&client, &group.labels, &agents, cluster.agents, protocol);
            harms(&client, &before, &after)
        };
        tell_all(Some(group), &client_harms);
    }
}

/// Out of the client, and into whoever answers.
fn both<'a>(client: &About<'a>, labels: &Labels, server: &About<'a>, at: &Destination, protocol: Protocol) -> (Way<'a>, Way<'a>) {
    (client.way(Direction::Egress, &at.labels, at, protocol), server.way(Direction::Ingress, labels, at, protocol))
}

/// What is wrong, and by whom.
type Wrong<'a> = (Harm, Vec<Allowed<'a>>);

/// On the way out of the client, and on the way into the agents.
fn harms<'a>(client: &About<'a>, before: &(Way<'a>, Way<'a>), after: &(Way<'a>, Way<'a>)) -> Vec<Wrong<'a>> {
    if !before.0.is_open() || !before.1.is_open() {
        return Vec::new();
    }
    let denied = |way: &Way<'a>| (!way.denied.is_empty()).then(|| (Harm::Denied, plain(&way.denied)));
    let into = denied(&after.1).or_else(|| shut(&after.1).map(|culprits| (Harm::KeptOut, culprits)));
    denied(&after.0).or_else(|| out(client, &before.0, &after.0)).into_iter().chain(into).collect()
}

/// Who lets pods ask kube-dns, and does not let them ask the agents as much.
fn out<'a>(client: &About<'a>, before: &Way<'a>, after: &Way<'a>) -> Option<Wrong<'a>> {
    let forgot = || before.allowed.iter().filter(|rule| !after.allowed.iter().any(|other| rule.is_same(other))).cloned().collect();
    if !after.is_open() {
        return Some((Harm::CutOff, forgot()));
    }
    if client.name_the_world() && before.is_seen() && !after.is_seen() {
        return Some((Harm::Unseen, before.allowed.iter().filter(|rule| rule.seen).cloned().collect()));
    }
    fewer(before.names().as_ref(), after.names().as_ref()).then(|| (Harm::FewerNames, forgot()))
}

/// Who shuts a way: who denies it, else who denies all that is not allowed.
fn shut<'a>(way: &Way<'a>) -> Option<Vec<Allowed<'a>>> {
    let culprits = if way.denied.is_empty() { &way.default_deny } else { &way.denied };
    (!way.is_open()).then(|| plain(culprits))
}

fn plain<'a>(sources: &[Source<'a>]) -> Vec<Allowed<'a>> {
    sources.iter().map(|source| Allowed { source: *source, names: None, seen: false }).collect()
}

/// Whether something might be asked before and may not be asked after; `None` is everything.
fn fewer(before: Option<&BTreeSet<&DnsRule>>, after: Option<&BTreeSet<&DnsRule>>) -> bool {
    match (before, after) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(before), Some(after)) => !before.is_subset(after),
    }
}

/// Findings by what is wrong and by whom.
struct Found<'a> {
    findings: BTreeMap<(bool, Harm, Vec<Reference>), Finding>,
    counted: BTreeSet<(Harm, Vec<Reference>, &'a Labels)>,
    cluster: Cluster<'a>,
}

impl<'a> Found<'a> {
    fn add(&mut self, group: Option<&'a Group>, (harm, culprits): Wrong<'a>, protocol: Protocol) {
        let policies = references(&culprits);
        let key = (group.is_some(), harm, policies.clone());
        let cluster = &self.cluster;
        let finding = self.findings.entry(key).or_insert_with(|| Finding {
            harm,
            policies,
            protocols: Vec::new(),
            pods: Vec::new(),
            count: 0,
            cures: cure::cures(harm, &culprits, cluster),
            acknowledged: !culprits.is_empty() && culprits.iter().all(|culprit| culprit.source.0.acknowledged),
        });
        if !finding.protocols.contains(&protocol) {
            finding.protocols.push(protocol);
        }
        let Some(group) = group else { return };
        // A group comes once for each protocol.
        if self.counted.insert((harm, finding.policies.clone(), &group.labels)) {
            finding.count += group.count;
            finding.pods.extend(group.named.iter().take(NAMED.saturating_sub(finding.pods.len())).cloned());
        }
    }
}

fn references(culprits: &[Allowed<'_>]) -> Vec<Reference> {
    let policies: BTreeSet<&Reference> = culprits.iter().map(|culprit| &culprit.source.0.reference).collect();
    policies.into_iter().cloned().collect()
}
