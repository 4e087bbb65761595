//! The gate of the cluster's network policies: what a reading of them comes to, and which agent reads them when.
//!
//! A reading costs more than all else that is looked at, and agents do not tell each other what they read. So a few of many read at once,
//! the others in turn, and whoever would create the policy has read within the last half minute.

use std::time::{Duration, Instant};

use super::decide::{Act, Because, Decision, Rest, Surroundings};
use super::gates::{Gate, Shut};
use super::judged::GateVerdict;
use super::network_policies::{ACKNOWLEDGED, Reference};

/// No agent reads more often, and none creates on what is older.
const FRESH: Duration = Duration::from_secs(30);
/// What is older is not told any more.
const KNOWN: Duration = Duration::from_secs(15 * 60);
/// Agents of a cluster that read when all of them would create at once: none does once in half a billion times.
const READERS: f64 = 20.0;
/// The part of looks that read while something stands in the way: with those that wait, the cluster reads every 25 s, and what is cured is
/// seen within two minutes but for 1 %.
const WAITING: f64 = 0.4;
/// The part of looks that read while a policy stands: the cluster reads every five minutes.
const STANDING: f64 = 0.1;
/// Policies that are named.
const NAMED: usize = 3;

/// What one reading has shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Review {
    /// Policies that were read.
    policies: usize,
    /// Those that would do harm, and whose owners do not know.
    harmful: Vec<Reference>,
    /// What could not be read or understood, so that there may be more.
    unknown: Vec<String>,
}

impl Review {
    /// Of so many `policies` these do harm, see [`super::network_policies::harmful`].
    pub fn new(policies: usize, harmful: Vec<Reference>, unknown: Vec<String>) -> Self {
        Self { policies, harmful, unknown }
    }

    fn verdict(&self, accepted: bool) -> GateVerdict {
        match (self.harmful.is_empty(), self.unknown.is_empty()) {
            (false, _) if accepted => GateVerdict::Pass,
            (false, _) => GateVerdict::Red,
            (true, false) => GateVerdict::Unknown,
            (true, true) => GateVerdict::Pass,
        }
    }

    fn saw(&self) -> Option<String> {
        if self.harmful.is_empty() {
            return (!self.unknown.is_empty()).then(|| some_of(&self.unknown, "; "));
        }
        let number = self.harmful.len();
        Some(format!("{number} of {} network policies would take DNS from pods: {}", self.policies, some_of(&self.harmful, ", ")))
    }
}

/// The first few, and how many more there are.
fn some_of(all: &[impl ToString], between: &str) -> String {
    let named: Vec<String> = all.iter().take(NAMED).map(ToString::to_string).collect();
    let more = all.len().saturating_sub(NAMED);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{rest}", named.join(between))
}

const MATTERS: &str = "they are enforced after the redirect, against the agent that answers";

fn cure() -> String {
    format!(
        "`doorstep preflight` names the pods and prints the patches; or the owners annotate what is to stay so, {ACKNOWLEDGED}: \"true\"; \
         or accept all: redirect: {{ accept_network_policies: true }}"
    )
}

impl Surroundings {
    /// Judges the gate by what was read, if anything was. `accepted`: what operators say of policies that are found harmful.
    pub fn weigh(&mut self, review: Option<&Review>, accepted: bool) {
        let Some(review) = review else { return };
        let (verdict, saw) = (review.verdict(accepted), review.saw());
        let cure = match verdict {
            GateVerdict::Pass => None,
            GateVerdict::Red => Some(cure()),
            GateVerdict::Unknown => {
                Some("let agents list them (manifests/base/rbac-network-policies.yaml), or look yourself: doorstep preflight".to_owned())
            }
        };
        if let (GateVerdict::Red, Some(saw), Some(cure)) = (verdict, &saw, &cure) {
            // One team's new policy must not take the redirect from all.
            self.shut.push(Shut { gate: Gate::NetworkPolicies, saw: saw.clone(), matters: MATTERS, cure: cure.clone(), grave: false });
        }
        if let Some(gate) = self.gates.iter_mut().find(|gate| gate.name == Gate::NetworkPolicies) {
            (gate.verdict, gate.matters, gate.saw, gate.cure) = (verdict, saw.is_some().then_some(MATTERS), saw, cure);
        }
    }
}

/// What an agent remembers of its readings.
#[derive(Clone, Debug, Default)]
pub struct Reviewed {
    /// The last that came through.
    last: Option<(Review, Instant)>,
    /// When it last began one.
    tried: Option<Instant>,
    /// It has looked before; the first look all agents may make at once.
    has_looked: bool,
}

impl Reviewed {
    /// Whether a look is to read them. `plain`: what it would decide without this gate; `expected`: what it was to find; `agents`: pods of
    /// the DaemonSet; dice are uniform in [0, 1).
    pub fn is_due(&mut self, plain: &Decision, expected: &Decision, agents: u32, now: Instant, dice: f64) -> bool {
        let chance = match (plain, expected) {
            (Decision::Rest(Rest::Live), _) if self.has_looked => STANDING,
            (plain, _) if !needs_review(plain) => return false,
            (_, Decision::Rest(Rest::Blocked(_) | Rest::Unread | Rest::OtherSpec)) => WAITING,
            // News, or the first look: all agents may be there.
            _ => READERS / f64::from(agents.max(1)),
        };
        let is_due = dice < chance && self.tried.is_none_or(|tried| now >= tried + FRESH);
        if is_due {
            self.tried = Some(now);
        }
        is_due
    }

    /// Remembers a reading.
    pub fn keep(&mut self, review: Review, now: Instant) {
        self.last = Some((review, now));
    }

    /// After a look: judges the gate by what is remembered, and whether that is enough for what would be decided without it.
    pub fn weigh(&mut self, plain: &Decision, around: &mut Surroundings, accepted: bool, now: Instant) {
        self.has_looked = true;
        let younger = |age: Duration| self.last.as_ref().filter(|(_, at)| now < *at + age).map(|(review, _)| review);
        around.weigh(younger(KNOWN), accepted);
        let is_shut = around.shut.iter().any(|shut| shut.gate == Gate::NetworkPolicies);
        around.unread = needs_review(plain) && !is_shut && younger(FRESH).is_none();
    }

    /// How long what was found is still told; a look later shows that it is not known any more.
    pub fn until_forgotten(&self, now: Instant) -> Option<Duration> {
        let (review, at) = self.last.as_ref()?;
        let left = (*at + KNOWN).saturating_duration_since(now);
        (!review.harmful.is_empty() && !left.is_zero()).then_some(left)
    }
}

/// Whether a policy is to be created, now or after the one that stands is deleted.
fn needs_review(plain: &Decision) -> bool {
    match plain {
        Decision::Act(Act::Create(_)) => true,
        Decision::Act(act) => act.because() == Some(Because::Outdated),
        Decision::Rest(_) => false,
    }
}
