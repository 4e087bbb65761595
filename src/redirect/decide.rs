//! The decision table: what an agent does about the policy, from what it sees. Level-triggered: it does not matter which events led here.
//!
//! An agent decides twice: on what its watches last said, to know whether there is anything to do; then, at a moment of its own, on a
//! fresh look at everything, and acts on that alone.

use std::time::Duration;

use super::cilium::OnRed;
use super::gates::{self, Gate, SeenPolicy, Shut};
use super::judged::JudgedGate;
use super::own::Own;
use super::policy::{Owner, Policy};
use super::quorum::{self, Weight};
use super::state::{Emitted, Hold, PEOPLE, People, STATE, State, Switch, Unknown};

/// The objects of the cluster that say what is and what ought to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// The people's ConfigMap.
    pub people: Result<People, Unknown>,
    /// The agents' ConfigMap.
    pub state: Result<Versioned, Unknown>,
    /// The policies of the namespace.
    pub policies: Result<Vec<SeenPolicy>, Unknown>,
}

/// The agents' state, and the resourceVersion a write must name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned {
    /// What it says.
    pub state: State,
    /// In which version.
    pub version: String,
}

/// What is read only when there is something to decide.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// The agents' DaemonSet; `None` where it is gone or going.
    pub owner: Option<Owner>,
    /// Pods the DaemonSet wants.
    pub agents: u32,
    /// Whether all pods are of the DaemonSet's newest template and available.
    pub settled: bool,
    /// Whether this agent is of a former template, and so perhaps of a former configuration.
    pub outgoing: bool,
    /// The policy there ought to be, owned; `None` where the Service is unknown.
    pub desired: Option<Policy>,
    /// Gates that are shut.
    pub shut: Vec<Shut>,
    /// What is done where one of them shuts behind a policy.
    pub on_red: OnRed,
    /// All gates, for people; empty before the first look.
    pub gates: Vec<JudgedGate>,
    /// The cluster's network policies are to be read before a policy is created, and this agent has not.
    pub unread: bool,
}

impl Surroundings {
    /// Whether they were ever looked at.
    pub fn has_looked(&self) -> bool {
        !self.gates.is_empty()
    }

    /// Why clients of some family would find nobody here: an agent of which that is so must not be ready.
    pub fn unanswered(&self) -> Option<&str> {
        self.shut.iter().find(|shut| shut.gate == Gate::Families).map(|shut| shut.saw.as_str())
    }
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nothing.
    Rest(Rest),
    /// One call to the API server.
    Act(Act),
}

/// Why there is nothing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rest {
    /// The policy stands as it should.
    Live,
    /// There is no policy, and there is to be none.
    Off,
    /// There is no policy, and there is to be none until a person resumes.
    Held,
    /// The agents are leaving one by one.
    Draining,
    /// Something is missing or garbled: neither create nor delete.
    Still(String),
    /// A policy is wanted, but this agent is not ready.
    NotReady,
    /// A policy is wanted, but not as things are.
    Blocked(Vec<Shut>),
    /// A policy is wanted, but this agent has not read the cluster's network policies.
    Unread,
    /// The policy has another spec than this release's; it is replaced once every pod is of one release.
    OtherSpec,
    /// The policy is being deleted.
    Going,
    /// The DaemonSet is gone or going, and the policy with it.
    Uninstalled,
}

/// One call to the API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Creates the policy.
    Create(Box<Policy>),
    /// Deletes the policy that has this uid, and no other.
    Delete {
        /// The uid.
        uid: String,
        /// Why.
        because: Because,
    },
    /// Writes the agents' state, if it still has this version.
    Write {
        /// What it is to say.
        state: State,
        /// The version it was decided on.
        version: String,
        /// Why.
        because: Because,
    },
}

impl Act {
    /// Why; `None` for a creation, which has one reason.
    pub fn because(&self) -> Option<Because> {
        match self {
            Self::Create(_) => None,
            Self::Delete { because, .. } | Self::Write { because, .. } => Some(*because),
        }
    }
}

/// Why an act is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Because {
    /// A policy stands and is not recorded.
    Unrecorded,
    /// The redirect is off, drained or held.
    Unwanted,
    /// The spec is another release's.
    Outdated,
    /// It was created on a state that had changed already.
    Overtaken,
    /// Its DaemonSet was replaced, and the policy collected with the old one.
    Collected,
    /// A person deleted it.
    DeletedByHand,
    /// A person changed what the hold answers.
    Resumed,
    /// A gate has shut behind the policy, and a policy does harm now.
    Harmful,
    /// The same, by what operators told an agent of a former template of Cilium: they may have told its successors otherwise.
    HarmfulToOutgoing,
    /// This agent has found a blackhole on its node.
    Found,
    /// Enough agents have.
    Blackholed,
}

/// What a hold says after a person deleted the policy.
pub const DELETED_BY_HAND: &str = "the policy was deleted by hand";

/// The table. `now`, since the epoch, is written into a hold.
pub fn decide(seen: &Observation, around: &Surroundings, own: &Own, now: Duration) -> Decision {
    let (people, recorded) = match (&seen.people, &seen.state) {
        (Ok(people), Ok(recorded)) => (people, recorded),
        (Err(unknown), _) => return still(&format!("ConfigMap {PEOPLE}"), unknown),
        (_, Err(unknown)) => return still(&format!("ConfigMap {STATE}"), unknown),
    };
    let policies = match &seen.policies {
        Ok(policies) => policies.as_slice(),
        // Without the CRD there is no policy; what else there is to say, the gate says.
        Err(Unknown::Missing) => &[],
        Err(unknown) => return still("the policies", unknown),
    };
    let row = Row { people, recorded, ours: policies.iter().find(|policy| policy.is_ours()), around, own };
    match (&recorded.state.hold, people.switch) {
        (Some(hold), _) if hold.answers != people.answer => row.write(State { hold: None, ..recorded.state.clone() }, Because::Resumed),
        (Some(_), _) => row.unwanted(Rest::Held),
        (None, Switch::Off) => row.unwanted(Rest::Off),
        (None, Switch::Drain) if own.drained || row.ours.is_none() => row.unwanted(Rest::Off),
        (None, Switch::Drain) => Decision::Rest(Rest::Draining),
        (None, Switch::On) if seen.policies == Err(Unknown::Missing) => Decision::Rest(Rest::Blocked(vec![gates::no_crd()])),
        (None, Switch::On) => row.wanted(now),
    }
}

fn still(what: &str, unknown: &Unknown) -> Decision {
    Decision::Rest(Rest::Still(match unknown {
        Unknown::Unseen => format!("{what}: not read yet"),
        Unknown::Missing => format!("{what} does not exist; apply doorstep's manifests"),
        Unknown::Garbled(reason) => reason.clone(),
    }))
}

struct Row<'a> {
    people: &'a People,
    recorded: &'a Versioned,
    ours: Option<&'a SeenPolicy>,
    around: &'a Surroundings,
    own: &'a Own,
}

impl Row<'_> {
    fn unwanted(&self, rest: Rest) -> Decision {
        match self.ours {
            _ if self.recorded.state.emitted.is_some() => self.emit(None, Because::Unwanted),
            Some(policy) => delete(policy, Because::Unwanted),
            None => Decision::Rest(rest),
        }
    }

    fn wanted(&self, now: Duration) -> Decision {
        match (&self.recorded.state.emitted, self.ours) {
            (_, Some(policy)) if policy.deleting => Decision::Rest(Rest::Going),
            (None, None) => self.absent(),
            (None, Some(policy)) if self.replaces(policy) => delete(policy, Because::Outdated),
            (None, Some(policy)) => self.record(policy),
            (Some(emitted), Some(policy)) if emitted.uid != policy.uid => self.other(policy),
            (Some(_), Some(policy)) if self.replaces(policy) => self.emit(None, Because::Outdated),
            (Some(_), Some(policy)) if self.is_outdated(policy) => Decision::Rest(Rest::OtherSpec),
            (Some(_), Some(policy)) => self.standing(policy, now),
            (Some(emitted), None) => self.vanished(emitted, now),
        }
    }

    /// Nothing recorded, no policy: the only row that creates.
    fn absent(&self) -> Decision {
        // What this agent created was deleted before it could be recorded: as a deletion by hand, in two steps.
        if let Some(created) = &self.own.created {
            return self.emit(Some(created.clone()), Because::Unrecorded);
        }
        if self.around.owner.is_none() {
            return Decision::Rest(Rest::Uninstalled);
        }
        match &self.around.desired {
            _ if !self.around.shut.is_empty() => Decision::Rest(Rest::Blocked(self.around.shut.clone())),
            Some(_) if !self.own.ready => Decision::Rest(Rest::NotReady),
            Some(_) if self.around.unread => Decision::Rest(Rest::Unread),
            Some(policy) => Decision::Act(Act::Create(Box::new(policy.clone()))),
            None => Decision::Rest(Rest::Still("the DNS Service: not read yet".to_owned())),
        }
    }

    /// A policy that is not the recorded one. Where this agent made it, it decided on a state that a deletion by hand had overtaken, and
    /// takes it back; otherwise a person put it there.
    fn other(&self, policy: &SeenPolicy) -> Decision {
        match &self.own.created {
            Some(created) if created.uid == policy.uid => delete(policy, Because::Overtaken),
            _ => self.record(policy),
        }
    }

    /// What was sound when the policy was created may be so no more.
    fn standing(&self, policy: &SeenPolicy, now: Duration) -> Decision {
        if let Some(shut) = self.around.shut.iter().find(|shut| shut.grave && self.around.on_red == OnRed::Hold) {
            let reason = format!("{}: {}; {}. {} ({})", shut.gate, shut.saw, shut.matters, shut.cure, shut.gate.paragraph());
            let by_config = shut.gate == Gate::Cilium;
            return self.hold(&reason, now, if by_config && self.around.outgoing { Because::HarmfulToOutgoing } else { Because::Harmful });
        }
        match quorum::weigh(&self.recorded.state.blackholes, policy, self.own, self.around.agents, now) {
            Weight::Nothing => Decision::Rest(Rest::Live),
            Weight::Report(blackholes) => self.write(State { blackholes, ..self.recorded.state.clone() }, Because::Found),
            Weight::Fault(reason) => self.hold(&reason, now, Because::Blackholed),
        }
    }

    /// What is emitted stays, so that the next step deletes it as it deletes for any hold.
    fn hold(&self, reason: &str, now: Duration, because: Because) -> Decision {
        let emitted = self.recorded.state.emitted.clone();
        self.write(State { emitted, hold: Some(Hold::new(reason, now, self.people)), ..State::default() }, because)
    }

    fn vanished(&self, emitted: &Emitted, now: Duration) -> Decision {
        match &self.around.owner {
            _ if self.own.removed.as_ref() == Some(&emitted.uid) => self.emit(None, Because::Overtaken),
            None => Decision::Rest(Rest::Uninstalled),
            Some(owner) if owner.uid != emitted.owner => self.emit(None, Because::Collected),
            Some(_) => {
                let hold = Hold::new(DELETED_BY_HAND, now, self.people);
                self.write(State { hold: Some(hold), ..State::default() }, Because::DeletedByHand)
            }
        }
    }

    fn record(&self, policy: &SeenPolicy) -> Decision {
        let Some(owner) = &self.around.owner else { return Decision::Rest(Rest::Uninstalled) };
        let emitted = Emitted {
            uid: policy.uid.clone(),
            owner: policy.owner.clone().unwrap_or_else(|| owner.uid.clone()),
            spec: policy.spec.clone().unwrap_or_default(),
        };
        self.emit(Some(emitted), Because::Unrecorded)
    }

    fn is_outdated(&self, policy: &SeenPolicy) -> bool {
        self.around.desired.as_ref().is_some_and(|desired| policy.spec.as_ref() != Some(&desired.spec_hash()))
    }

    /// While a rollout is under way pods of two releases stand behind one policy, and gates that are shut would not let it be made anew.
    fn replaces(&self, policy: &SeenPolicy) -> bool {
        self.is_outdated(policy) && self.around.settled && self.around.shut.is_empty() && !self.around.unread && self.own.ready
    }

    fn emit(&self, emitted: Option<Emitted>, because: Because) -> Decision {
        self.write(State { emitted, ..self.recorded.state.clone() }, because)
    }

    fn write(&self, state: State, because: Because) -> Decision {
        Decision::Act(Act::Write { state, version: self.recorded.version.clone(), because })
    }
}

fn delete(policy: &SeenPolicy, because: Because) -> Decision {
    if policy.deleting {
        return Decision::Rest(Rest::Going);
    }
    Decision::Act(Act::Delete { uid: policy.uid.clone(), because })
}
