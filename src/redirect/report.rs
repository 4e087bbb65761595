//! What there is to say about the redirect: to `/status`, to metrics, to people.

use serde::Serialize;

use super::decide::{Act, Because, Decision, Observation, Rest, Surroundings};
use super::gates::Shut;
use super::judged::JudgedGate;
use super::quorum::Blackhole;
use super::state::{Emitted, Hold, PEOPLE, RESUME_ANNOTATION};

/// Where the redirect stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// This process has no Kubernetes side.
    #[default]
    None,
    /// The policy stands.
    Live,
    /// A policy is wanted and comes as soon as nothing is in its way.
    Waiting,
    /// Switched off.
    Off,
    /// The agents are leaving one by one.
    Draining,
    /// Held until a person resumes.
    Held,
    /// Neither create nor delete: something is missing or garbled.
    Still,
    /// Something is about to be changed.
    Changing,
}

impl Standing {
    /// All of them, for the metrics page.
    pub const ALL: [Self; 8] = [Self::None, Self::Live, Self::Waiting, Self::Off, Self::Draining, Self::Held, Self::Still, Self::Changing];

    /// Its name as labels and `/status` have it.
    pub fn label(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Live => "live",
            Self::Waiting => "waiting",
            Self::Off => "off",
            Self::Draining => "draining",
            Self::Held => "held",
            Self::Still => "still",
            Self::Changing => "changing",
        }
    }
}

/// The redirect as an agent sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Where it stands.
    pub standing: Standing,
    /// What people want: `on`, `off`, `drain`; `None`: not known.
    pub switch: Option<&'static str>,
    /// The policy the agents have recorded.
    pub emitted: Option<Emitted>,
    /// The uid of the policy that stands.
    pub policy: Option<String>,
    /// The hold in force.
    pub hold: Option<Hold>,
    /// What is in the way, a sentence each.
    pub reasons: Vec<String>,
    /// What to do about it.
    pub cures: Vec<String>,
    /// Every gate with its verdict; empty before the first look.
    pub gates: Vec<JudgedGate>,
}

impl Report {
    /// What there is to say about a decision and what it was made on. `namespace`: where the objects are.
    pub fn new(decision: &Decision, seen: &Observation, around: &Surroundings, namespace: &str) -> Self {
        let state = seen.state.as_ref().ok().map(|recorded| &recorded.state);
        let ours = seen.policies.as_ref().ok().and_then(|policies| policies.iter().find(|policy| policy.is_ours()));
        let mut report = Self {
            standing: standing(decision),
            switch: seen.people.as_ref().ok().map(|people| people.switch.word()),
            emitted: state.and_then(|state| state.emitted.clone()),
            policy: ours.map(|policy| policy.uid.clone()),
            hold: state.and_then(|state| state.hold.clone()),
            reasons: Vec::new(),
            cures: Vec::new(),
            gates: around.gates.clone(),
        };
        let blackholes = state.iter().flat_map(|state| &state.blackholes).filter(|found| Some(&found.policy) == report.policy.as_ref());
        let found = blackholes.map(Blackhole::sentence).collect();
        report.explain(decision, around, found, namespace);
        report
    }

    fn explain(&mut self, decision: &Decision, around: &Surroundings, found: Vec<String>, namespace: &str) {
        match decision {
            Decision::Rest(Rest::Blocked(shut)) => self.shut(shut),
            // What keeps from creating does not take a policy away, but it would not come back either.
            Decision::Rest(Rest::Live) => {
                self.shut(&around.shut);
                self.reasons.extend(found);
            }
            Decision::Rest(Rest::Still(reason)) => self.reasons = vec![reason.clone()],
            Decision::Rest(Rest::Held) => {
                self.reasons = self.hold.iter().map(|hold| format!("held since {}: {}", hold.since, hold.reason)).collect();
                self.cures = vec![resume(namespace)];
            }
            Decision::Rest(Rest::NotReady) => self.reasons = vec!["this agent is not ready".to_owned()],
            Decision::Rest(Rest::Unread) => {
                self.reasons =
                    vec!["network policies are read before a policy is created, by an agent at a time; this one in its turn".to_owned()];
            }
            Decision::Rest(Rest::OtherSpec) => {
                self.reasons = vec!["the policy has another spec than this release's".to_owned()];
                self.cures = vec!["it is replaced once the rollout of the DaemonSet is complete and every gate is open".to_owned()];
            }
            Decision::Rest(Rest::Uninstalled) => self.reasons = vec!["the agents' DaemonSet is gone, or not found by its name".to_owned()],
            Decision::Rest(Rest::Going) => self.reasons = vec!["the policy is being deleted".to_owned()],
            Decision::Rest(Rest::Off | Rest::Draining) | Decision::Act(_) => {}
        }
    }

    fn shut(&mut self, shut: &[Shut]) {
        self.reasons = shut.iter().map(|shut| format!("{}: {}; {}", shut.gate, shut.saw, shut.matters)).collect();
        self.cures = shut.iter().map(|shut| format!("{} ({})", shut.cure, shut.gate.paragraph())).collect();
    }
}

/// The command that ends a hold.
pub fn resume(namespace: &str) -> String {
    format!(
        "doorstep redirect on -n {namespace}, or: kubectl -n {namespace} annotate configmap {PEOPLE} --overwrite {RESUME_ANNOTATION}=$(date +%s)"
    )
}

fn standing(decision: &Decision) -> Standing {
    match decision {
        Decision::Act(Act::Write { because: Because::Unrecorded | Because::Found, .. }) => Standing::Live,
        Decision::Act(Act::Create(_)) => Standing::Waiting,
        Decision::Act(_) => Standing::Changing,
        Decision::Rest(rest) => match rest {
            Rest::Live | Rest::OtherSpec => Standing::Live,
            Rest::Off => Standing::Off,
            Rest::Held => Standing::Held,
            Rest::Draining => Standing::Draining,
            Rest::Still(_) => Standing::Still,
            Rest::NotReady | Rest::Blocked(_) | Rest::Unread | Rest::Uninstalled => Standing::Waiting,
            Rest::Going => Standing::Changing,
        },
    }
}
