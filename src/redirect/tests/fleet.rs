//! A fleet of agents in virtual time, as `k8s` has them live, and what it asks of the API server.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::world::Store;
use crate::redirect::network_policies::{Kind, Reference};
use crate::redirect::*;

/// Requests of one look, as `k8s` makes them; a test there counts them.
pub(super) const OF_A_LOOK: u64 = 8;
/// Requests of a reading of the network policies: a page of each kind.
pub(super) const OF_A_REVIEW: u64 = 3;
/// What a reading takes, judging included.
const READING: Duration = Duration::from_millis(500);
/// A watch event is with everybody within this time.
const HEARD_WITHIN: Duration = Duration::from_millis(300);
/// From a look to the call that follows it.
const ROUND_TRIP: Duration = Duration::from_millis(20);

pub(super) struct Agent {
    own: Own,
    view: Observation,
    around: Surroundings,
    expected: Option<Decision>,
    due: Duration,
    failures: u32,
    has_looked: bool,
    told: Option<Duration>,
    reviewed: Reviewed,
    /// Network policies are being read, until then, after this look.
    reading: Option<(Duration, Observation, Surroundings, Decision)>,
}

/// What came of a look.
enum Looked {
    Failed,
    /// Network policies are being read.
    Reading,
    Found(Box<Decision>),
}

/// What was asked, by second.
#[derive(Default)]
pub(super) struct Load {
    requests: BTreeMap<u64, u64>,
    pub(super) writes: u64,
    pub(super) events: u64,
    /// Readings of the network policies, by second.
    readings: BTreeMap<u64, u64>,
}

impl Load {
    pub(super) fn total(&self) -> u64 {
        self.requests.values().sum()
    }

    /// The busiest second.
    pub(super) fn peak(&self) -> u64 {
        self.requests.values().copied().max().unwrap_or(0)
    }

    pub(super) fn readings(&self) -> u64 {
        self.readings.values().sum()
    }

    /// The most readings that begin within ten seconds.
    pub(super) fn busiest_readings(&self) -> u64 {
        self.readings.keys().map(|from| self.readings.range(from..&(from + 10)).map(|(_, count)| count).sum()).max().unwrap_or(0)
    }
}

pub(super) struct Fleet {
    pub(super) store: Store,
    agents: Vec<Agent>,
    /// When which agent wakes.
    wakes: BinaryHeap<Reverse<(Duration, usize)>>,
    pub(super) dice: StdRng,
    now: Duration,
    pub(super) api_is_up: bool,
    pub(super) shut: Vec<Shut>,
    /// A network policy would cut pods off.
    pub(super) harmful: bool,
    load: Load,
    start: Instant,
}

impl Fleet {
    /// All of them start at once.
    pub(super) fn start(count: usize) -> Self {
        let unseen = || Observation { people: Err(Unknown::Unseen), state: Err(Unknown::Unseen), policies: Err(Unknown::Unseen) };
        let mut fleet = Self {
            store: Store::new(),
            agents: Vec::new(),
            wakes: BinaryHeap::new(),
            dice: StdRng::seed_from_u64(count as u64),
            now: Duration::ZERO,
            api_is_up: true,
            shut: Vec::new(),
            harmful: false,
            load: Load::default(),
            start: super::start(),
        };
        for index in 0..count {
            let (own, around) = (Own { ready: true, ..Own::default() }, Surroundings::default());
            let due = until_first_look(fleet.dice.random());
            fleet.agents.push(Agent {
                own,
                view: unseen(),
                around,
                expected: None,
                due,
                failures: 0,
                has_looked: false,
                told: None,
                reviewed: Reviewed::default(),
                reading: None,
            });
            fleet.wakes.push(Reverse((due, index)));
        }
        fleet
    }

    /// Lets this time pass, and says what it cost.
    pub(super) fn run(&mut self, span: Duration) -> Load {
        let until = self.now + span;
        self.load = Load::default();
        while let Some(Reverse((at, index))) = self.wakes.peek().copied().filter(|Reverse((at, _))| *at <= until) {
            self.wakes.pop();
            self.now = at;
            self.wake(index);
        }
        self.now = until;
        std::mem::take(&mut self.load)
    }

    /// Everybody's watches tell of a change.
    fn changed(&mut self) {
        for index in 0..self.agents.len() {
            let delay = HEARD_WITHIN.mul_f64(self.dice.random());
            self.wakes.push(Reverse((self.now + delay, index)));
        }
    }

    pub(super) fn switch(&mut self, redirect: &str) {
        self.store.people = People::read(&[(REDIRECT_KEY.to_owned(), redirect.to_owned())].into(), &Texts::new());
        self.changed();
    }

    fn observe(&self) -> Observation {
        let policies = Ok(self.store.policy.clone().into_iter().collect());
        Observation { people: self.store.people.clone(), state: self.store.versioned(), policies }
    }

    fn ask(&mut self, requests: u64) {
        *self.load.requests.entry(self.now.as_secs()).or_default() += requests;
    }

    /// As an agent lives: hears, expects, looks once that is due, acts on what it found.
    fn wake(&mut self, index: usize) {
        let (seen, now) = (self.observe(), self.now);
        let agent = &mut self.agents[index];
        if agent.reading.as_ref().is_some_and(|(until, ..)| now < *until) {
            return;
        }
        if let Some((_, before, around, plain)) = agent.reading.take() {
            agent.reviewed.keep(review(self.harmful), self.start + now);
            let looked = self.conclude(index, before, around, &plain);
            self.settle(index, looked);
        }
        let agent = &mut self.agents[index];
        if self.api_is_up {
            agent.view = seen;
        }
        let decision = decide(&agent.view, &agent.around, &agent.own, now);
        if agent.expected.as_ref().is_some_and(|expected| *expected != decision) {
            agent.due = now + until_look(&decision, agent.around.agents, self.dice.random());
            self.wakes.push(Reverse((agent.due, index)));
        }
        agent.expected = Some(decision);
        if now >= agent.due {
            let looked = self.look(index);
            self.settle(index, looked);
        }
    }

    /// Until when the agent then waits, and for what.
    fn settle(&mut self, index: usize, looked: Looked) {
        let (count, dice) = (self.count(), self.dice.random());
        let agent = &mut self.agents[index];
        let pause = match looked {
            Looked::Reading => return,
            Looked::Failed => backoff(agent.failures, dice),
            Looked::Found(decision) => {
                let pause = match &*decision {
                    Decision::Rest(Rest::Unread) => until_turn(count, dice),
                    decision => until_look(decision, count, dice),
                };
                let forgotten = agent.reviewed.until_forgotten(self.start + self.now).filter(|_| *decision == Decision::Rest(Rest::Live));
                agent.expected = Some(*decision);
                pause.min(forgotten.unwrap_or(Duration::MAX))
            }
        };
        agent.due = self.now + pause;
        self.wakes.push(Reverse((agent.due, index)));
    }

    fn count(&self) -> u32 {
        u32::try_from(self.agents.len()).unwrap()
    }

    fn look(&mut self, index: usize) -> Looked {
        if !self.api_is_up {
            self.agents[index].failures += 1;
            self.ask(1);
            return Looked::Failed;
        }
        self.ask(OF_A_LOOK);
        let (desired, agents) = (Some(self.store.desired()), self.count());
        let owner = Some(Owner { name: "doorstep".to_owned(), uid: self.store.owner.clone() });
        let around = Surroundings { owner, agents, settled: true, desired, shut: self.shut.clone(), ..Surroundings::default() };
        let seen = self.observe();
        let dice = self.dice.random();
        let agent = &mut self.agents[index];
        agent.failures = 0;
        let plain = decide(&seen, &around, &agent.own, self.now);
        let expected = agent.expected.as_ref().unwrap_or(&plain);
        if agent.reviewed.is_due(&plain, expected, agents, self.start + self.now, dice) {
            let until = self.now + READING;
            agent.reading = Some((until, seen, around, plain));
            self.ask(OF_A_REVIEW);
            *self.load.readings.entry(self.now.as_secs()).or_default() += 1;
            self.wakes.push(Reverse((until, index)));
            return Looked::Reading;
        }
        self.conclude(index, seen, around, &plain)
    }

    /// Decides on a look, and acts.
    fn conclude(&mut self, index: usize, seen: Observation, mut around: Surroundings, plain: &Decision) -> Looked {
        let count = self.count();
        let agent = &mut self.agents[index];
        agent.reviewed.weigh(plain, &mut around, false, self.start + self.now);
        let decision = decide(&seen, &around, &agent.own, self.now);
        agent.own.looked(&seen, &decision);
        (agent.view, agent.around) = (seen, around);
        let first = !std::mem::replace(&mut agent.has_looked, true);
        if let Decision::Act(act) = &decision {
            return self.act(index, act);
        }
        let is_told = match &decision {
            Decision::Rest(Rest::Blocked(_)) => true,
            Decision::Rest(Rest::Live) => !agent.around.shut.is_empty(),
            _ => false,
        };
        let is_news = agent.told.is_none_or(|told| self.now >= told + HOUR);
        if is_told && is_news && tells(count, first, self.dice.random()) {
            agent.told = Some(self.now);
            self.load.events += 1;
            self.ask(1);
        }
        Looked::Found(Box::new(decision))
    }

    fn act(&mut self, index: usize, act: &Act) -> Looked {
        self.ask(1);
        let done = self.store.call(act);
        if let Some(uid) = done {
            self.load.writes += 1;
            let agent = &mut self.agents[index];
            agent.own.acted(act, &agent.around.clone(), uid);
            self.changed();
        }
        self.now += ROUND_TRIP;
        self.look(index)
    }

    pub(super) fn is_live(&self) -> bool {
        self.store.policy.is_some() && self.store.emitted().is_some()
    }
}

pub(super) const S: fn(u64) -> Duration = Duration::from_secs;
pub(super) const HOUR: Duration = Duration::from_secs(3600);

fn review(harmful: bool) -> Review {
    let reference = Reference { kind: Kind::NetworkPolicy, namespace: Some("app".to_owned()), name: "allow-dns".to_owned() };
    Review::new(1, harmful.then_some(reference).into_iter().collect(), vec![])
}
