//! A cluster in memory: one API store with resourceVersions, agents that see it late, twice or out of order, and people who do as they like.

use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;

use crate::redirect::*;

const NOW: Duration = Duration::ZERO;

/// What the API server holds.
pub(super) struct Store {
    pub(super) people: Result<People, Unknown>,
    pub(super) state: Result<State, Unknown>,
    pub(super) policy: Option<SeenPolicy>,
    /// uid of the agents' DaemonSet.
    pub(super) owner: String,
    /// resourceVersion of the state.
    version: u64,
    uids: u64,
    /// Writes so far, by agents.
    pub(super) writes: u64,
}

impl Store {
    pub(super) fn new() -> Self {
        Self {
            people: People::read(&Texts::new(), &Texts::new()),
            state: Ok(State::default()),
            policy: None,
            owner: "ds-0".to_owned(),
            version: 0,
            uids: 0,
            writes: 0,
        }
    }

    pub(super) fn desired(&self) -> Policy {
        desired(&DnsService::standard()).owned_by(&Owner { name: "doorstep".to_owned(), uid: self.owner.clone() })
    }

    pub(super) fn versioned(&self) -> Result<Versioned, Unknown> {
        self.state.clone().map(|state| Versioned { state, version: self.version.to_string() })
    }

    pub(super) fn set_state(&mut self, state: Result<State, Unknown>) {
        self.state = state;
        self.version += 1;
    }

    /// The DaemonSet is made anew; the collector takes what belonged to the old one.
    pub(super) fn replace_owner(&mut self) {
        self.uids += 1;
        self.owner = format!("ds-{}", self.uids);
        self.policy = None;
    }

    pub(super) fn emitted(&self) -> Option<&Emitted> {
        self.state.as_ref().ok()?.emitted.as_ref()
    }

    /// One call: whether it was done, and the uid of what was created.
    pub(super) fn call(&mut self, act: &Act) -> Option<Option<String>> {
        match act {
            Act::Create(policy) if self.policy.is_none() => {
                self.uids += 1;
                let uid = format!("u{}", self.uids);
                self.policy = Some(SeenPolicy {
                    name: POLICY_NAME.to_owned(),
                    uid: uid.clone(),
                    owner: Some(self.owner.clone()),
                    spec: Some(policy.spec_hash()),
                    service: Some("kube-dns".to_owned()),
                    address: None,
                    deleting: false,
                    created: Some(NOW),
                });
                self.writes += 1;
                Some(Some(uid))
            }
            Act::Delete { uid, .. } if self.policy.as_ref().is_some_and(|policy| policy.uid == *uid) => {
                self.policy = None;
                self.writes += 1;
                Some(None)
            }
            Act::Write { state, version, .. } if self.state.is_ok() && self.version.to_string() == *version => {
                self.set_state(Ok(state.clone()));
                self.writes += 1;
                Some(None)
            }
            _ => None,
        }
    }
}

/// Where an agent is between two calls.
enum Step {
    Idle,
    /// Reads under way, in the order state, policies, people.
    Looking(Look),
    Acting(Act, Surroundings),
}

#[derive(Clone)]
struct Look {
    began: u64,
    state: Option<Result<Versioned, Unknown>>,
    policies: Option<Option<SeenPolicy>>,
}

pub(super) struct Agent {
    pub(super) own: Own,
    /// What its watches last said: any moment of the past, each object's its own.
    view: Observation,
    step: Step,
    /// When the look began on which it acts.
    pub(super) looked: u64,
    pub(super) last: Option<Decision>,
}

/// What an agent did in one step.
#[derive(PartialEq, Eq)]
pub(super) enum Did {
    Nothing,
    Created,
    Other,
}

impl Agent {
    pub(super) fn new() -> Self {
        let view = Observation { people: Err(Unknown::Unseen), state: Err(Unknown::Unseen), policies: Err(Unknown::Unseen) };
        Self { own: Own { ready: true, ..Own::default() }, view, step: Step::Idle, looked: 0, last: None }
    }

    pub(super) fn is_idle(&self) -> bool {
        matches!(self.step, Step::Idle)
    }

    /// A new process in its place.
    pub(super) fn restart(&mut self) {
        *self = Self::new();
    }

    /// A watch event of one object arrives. Some are never delivered, others after newer ones: `store` may be of any moment.
    pub(super) fn hear(&mut self, store: &Store, object: u8) {
        match object {
            0 => self.view.people = store.people.clone(),
            1 => self.view.state = store.versioned(),
            _ => self.view.policies = Ok(store.policy.clone().into_iter().collect()),
        }
    }

    /// Goes one step: one read, or one write. `lose`: the answer to a create is lost on the way.
    pub(super) fn go(&mut self, store: &mut Store, at: u64, dice: &mut StdRng, lose: bool) -> Did {
        match std::mem::replace(&mut self.step, Step::Idle) {
            Step::Idle => {
                let decision = decide(&self.view, &around(store), &self.own, NOW);
                if matches!(decision, Decision::Act(_)) || dice.random_ratio(1, 20) {
                    self.step = Step::Looking(Look { began: at, state: None, policies: None });
                }
                Did::Nothing
            }
            Step::Looking(Look { began, state: None, .. }) => {
                self.step = Step::Looking(Look { began, state: Some(store.versioned()), policies: None });
                Did::Nothing
            }
            Step::Looking(Look { began, state, policies: None }) => {
                self.step = Step::Looking(Look { began, state, policies: Some(store.policy.clone()) });
                Did::Nothing
            }
            Step::Looking(Look { began, state: Some(state), policies: Some(policies) }) => {
                let (people, policies) = (store.people.clone(), Ok(policies.into_iter().collect()));
                self.conclude(Observation { people, state, policies }, around(store), began);
                Did::Nothing
            }
            Step::Acting(act, around) => self.act(store, &act, &around, at, lose),
        }
    }

    fn conclude(&mut self, seen: Observation, around: Surroundings, began: u64) {
        let decision = decide(&seen, &around, &self.own, NOW);
        self.own.looked(&seen, &decision);
        self.looked = began;
        self.view = seen;
        if let Decision::Act(act) = &decision {
            self.step = Step::Acting(act.clone(), around);
        }
        self.last = Some(decision);
    }

    fn act(&mut self, store: &mut Store, act: &Act, around: &Surroundings, at: u64, lose: bool) -> Did {
        let done = store.call(act);
        // Whatever came of it: the next thing is a look at what is.
        self.step = Step::Looking(Look { began: at, state: None, policies: None });
        match done {
            Some(uid) if matches!(act, Act::Create(_)) => {
                if lose {
                    self.restart();
                } else {
                    self.own.acted(act, around, uid);
                }
                Did::Created
            }
            Some(_) => {
                self.own.acted(act, around, None);
                Did::Other
            }
            None => Did::Nothing,
        }
    }
}

fn around(store: &Store) -> Surroundings {
    Surroundings {
        owner: Some(Owner { name: "doorstep".to_owned(), uid: store.owner.clone() }),
        agents: 5,
        settled: true,
        desired: Some(store.desired()),
        ..Surroundings::default()
    }
}
