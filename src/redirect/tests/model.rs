//! Many agents, one store, and whatever can happen between them: the promises hold over thousands of histories.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::world::{Agent, Did, Store};
use crate::redirect::*;

const SEEDS: u64 = 150;
const STEPS: u64 = 600;
const AGENTS: usize = 5;

struct World {
    seed: u64,
    store: Store,
    agents: Vec<Agent>,
    dice: StdRng,
    at: u64,
    /// When a person deleted the policy, until a person says otherwise.
    deleted: Option<u64>,
    resumes: u64,
    /// The state that a person took away and will bring back.
    lost: Option<State>,
}

impl World {
    fn new(seed: u64) -> Self {
        let agents = (0..AGENTS).map(|_| Agent::new()).collect();
        Self { seed, store: Store::new(), agents, dice: StdRng::seed_from_u64(seed), at: 0, deleted: None, resumes: 0, lost: None }
    }

    fn step(&mut self) {
        self.at += 1;
        let index = self.dice.random_range(0..AGENTS);
        match self.dice.random_range(0..100) {
            0..4 => self.people_write(),
            4..6 => self.person_deletes(),
            6 => self.someone_spoils_the_state(),
            7 if self.deleted.is_none() && self.dice.random_ratio(1, 4) => self.store.replace_owner(),
            8..10 => self.agents[index].own.ready = self.dice.random(),
            10 => self.agents[index].own.drained = self.dice.random(),
            11 if self.may_restart(index) => self.agents[index].restart(),
            12..45 => self.agents[index].hear(&self.store, self.dice.random_range(0..3)),
            _ => self.agent_goes(index),
        }
    }

    fn agent_goes(&mut self, index: usize) {
        // An agent may die between its create and its record; not while its create had already been overtaken by a deletion.
        let lose = self.deleted.is_none() && self.dice.random_ratio(1, 10);
        let agent = &mut self.agents[index];
        let did = agent.go(&mut self.store, self.at, &mut self.dice, lose);
        if did == Did::Created
            && let Some(deleted) = self.deleted
        {
            assert!(agent.looked <= deleted, "seed {}, step {}: created on a look made after a person's delete", self.seed, self.at);
        }
    }

    /// Not an agent whose memory alone tells what it did: its create is unrecorded, or the policy it deleted is recorded again. Without
    /// that memory the one is recorded by another agent, the other ends in a hold that nobody meant.
    fn may_restart(&self, index: usize) -> bool {
        let own = &self.agents[index].own;
        let recorded = self.store.emitted().or(self.lost.as_ref().and_then(|state| state.emitted.as_ref()));
        own.created.is_none() && recorded.is_none_or(|emitted| own.removed.as_ref() != Some(&emitted.uid))
    }

    fn write(&mut self, redirect: Option<&str>) {
        let data = redirect.map(|text| (REDIRECT_KEY.to_owned(), text.to_owned())).into_iter().collect();
        let annotations = [(RESUME_ANNOTATION.to_owned(), self.resumes.to_string())].into();
        self.store.people = People::read(&data, &annotations);
        self.deleted = None;
    }

    fn people_write(&mut self) {
        match self.dice.random_range(0..8) {
            0..2 => self.write(Some("on")),
            2 => self.write(Some("off")),
            3 => self.write(None),
            4 => self.write(Some("drain")),
            5 => self.write(Some("maybe")),
            6 => {
                self.store.people = Err(Unknown::Missing);
                self.deleted = None;
            }
            _ => {
                self.resumes += 1;
                self.write(Some("on"));
            }
        }
    }

    /// `kubectl delete clrp`, of a policy that somebody has recorded or is about to.
    fn person_deletes(&mut self) {
        let Some(policy) = &self.store.policy else { return };
        let recorded = self.store.emitted().is_some_and(|emitted| emitted.uid == policy.uid && emitted.owner == self.store.owner);
        let wanted = self.store.people.as_ref().is_ok_and(|people| people.switch == Switch::On);
        let held = self.store.state.as_ref().is_ok_and(|state| state.hold.is_some());
        if recorded && wanted && !held {
            self.store.policy = None;
            self.deleted = Some(self.at);
        }
    }

    fn someone_spoils_the_state(&mut self) {
        match self.lost.take() {
            Some(state) => self.store.set_state(Ok(state)),
            None => {
                self.lost = self.store.state.clone().ok();
                let unknown = if self.dice.random() { Unknown::Missing } else { Unknown::Garbled("spoilt".to_owned()) };
                self.store.set_state(Err(unknown));
            }
        }
    }

    /// Nobody interferes any more, every event arrives, all agents are ready: until each has looked and rests.
    fn settle(&mut self) {
        for _ in 0..12 {
            for index in 0..AGENTS {
                self.at += 1;
                for object in 0..3 {
                    self.agents[index].hear(&self.store, object);
                }
                self.agents[index].own.ready = true;
                while {
                    self.agents[index].go(&mut self.store, self.at, &mut self.dice, false);
                    !self.agents[index].is_idle()
                } {}
            }
        }
    }

    fn state(&self) -> &State {
        self.store.state.as_ref().unwrap()
    }

    fn check_settled(&mut self) {
        let seed = self.seed;
        self.settle();
        let writes = self.store.writes;
        self.settle();
        assert_eq!(self.store.writes, writes, "seed {seed}: what has settled is not written again");
        let (Ok(people), Ok(state)) = (&self.store.people, &self.store.state) else { return };
        let policy = self.store.policy.as_ref().map(|policy| policy.uid.as_str());
        let emitted = state.emitted.as_ref().map(|emitted| emitted.uid.as_str());
        if self.deleted.is_some() {
            assert!(state.hold.is_some(), "seed {seed}: a person's delete ends in a hold");
        }
        let drained = self.agents.iter().any(|agent| agent.own.drained);
        match people.switch {
            _ if state.hold.is_some() => assert_eq!((policy, emitted), (None, None), "seed {seed}: held"),
            Switch::On => assert!(policy.is_some() && policy == emitted, "seed {seed}: on, and {policy:?} stands, {emitted:?} is recorded"),
            Switch::Off => assert_eq!((policy, emitted), (None, None), "seed {seed}: off"),
            Switch::Drain if drained => assert_eq!((policy, emitted), (None, None), "seed {seed}: drained"),
            Switch::Drain => {}
        }
    }
}

/// A history, then peace, then what follows from it.
fn live(seed: u64) {
    let mut world = World::new(seed);
    for _ in 0..STEPS {
        world.step();
    }
    world.check_settled();

    // While a ConfigMap is missing or garbled nothing is touched, whatever else is seen.
    let state = world.store.state.clone().ok().or(world.lost.take()).unwrap_or_default();
    let (writes, stood) = (world.store.writes, world.store.policy.clone());
    world.store.people = Err(Unknown::Garbled("spoilt".to_owned()));
    world.settle();
    world.write(Some("off"));
    world.store.set_state(Err(Unknown::Missing));
    world.settle();
    assert_eq!((world.store.writes, &world.store.policy), (writes, &stood), "seed {seed}: touched while spoilt");
    world.store.set_state(Ok(state));
    world.settle();

    world.resumes += 1;
    world.write(Some("on"));
    world.check_settled();
    assert!(world.store.policy.is_some() && world.state().hold.is_none(), "seed {seed}: resumed, yet {:?}", world.state());
    world.write(Some("off"));
    world.check_settled();
    assert!(world.store.policy.is_none(), "seed {seed}: off, and no policy stands");
}

#[test]
fn whatever_happens_the_agents_agree_respect_a_persons_delete_and_then_write_nothing() {
    for seed in 0..SEEDS {
        live(seed);
    }
}
