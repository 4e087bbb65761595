//! What 1, 100 and 10,000 agents ask of the API server, in virtual time: at the start, for an hour, when the redirect is switched, when a gate
//! is red, and after an outage. `cargo test --lib load -- --nocapture` prints it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::world::Store;
use crate::redirect::*;

/// Requests of one look, as `k8s` makes them; a test there counts them.
const OF_A_LOOK: u64 = 8;
/// A watch event is with everybody within this time.
const HEARD_WITHIN: Duration = Duration::from_millis(300);
/// From a look to the call that follows it.
const ROUND_TRIP: Duration = Duration::from_millis(20);

struct Agent {
    own: Own,
    view: Observation,
    around: Surroundings,
    expected: Option<Decision>,
    due: Duration,
    failures: u32,
    has_looked: bool,
    told: Option<Duration>,
}

/// What was asked, by second.
#[derive(Default)]
struct Load {
    requests: BTreeMap<u64, u64>,
    writes: u64,
    events: u64,
}

impl Load {
    fn total(&self) -> u64 {
        self.requests.values().sum()
    }

    /// The busiest second.
    fn peak(&self) -> u64 {
        self.requests.values().copied().max().unwrap_or(0)
    }
}

struct Fleet {
    store: Store,
    agents: Vec<Agent>,
    /// When which agent wakes.
    wakes: BinaryHeap<Reverse<(Duration, usize)>>,
    dice: StdRng,
    now: Duration,
    api_is_up: bool,
    shut: Vec<Shut>,
    load: Load,
}

impl Fleet {
    /// All of them start at once.
    fn start(count: usize) -> Self {
        let unseen = || Observation { people: Err(Unknown::Unseen), state: Err(Unknown::Unseen), policies: Err(Unknown::Unseen) };
        let mut fleet = Self {
            store: Store::new(),
            agents: Vec::new(),
            wakes: BinaryHeap::new(),
            dice: StdRng::seed_from_u64(count as u64),
            now: Duration::ZERO,
            api_is_up: true,
            shut: Vec::new(),
            load: Load::default(),
        };
        for index in 0..count {
            let (own, around) = (Own { ready: true, ..Own::default() }, Surroundings::default());
            let due = until_first_look(fleet.dice.random());
            fleet.agents.push(Agent { own, view: unseen(), around, expected: None, due, failures: 0, has_looked: false, told: None });
            fleet.wakes.push(Reverse((due, index)));
        }
        fleet
    }

    /// Lets this time pass, and says what it cost.
    fn run(&mut self, span: Duration) -> Load {
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

    fn switch(&mut self, redirect: &str) {
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
        let (seen, count) = (self.observe(), u32::try_from(self.agents.len()).unwrap());
        let agent = &mut self.agents[index];
        if self.api_is_up {
            agent.view = seen;
        }
        let decision = decide(&agent.view, &agent.around, &agent.own, self.now);
        if agent.expected.as_ref().is_some_and(|expected| *expected != decision) {
            agent.due = self.now + until_look(&decision, agent.around.agents, self.dice.random());
            self.wakes.push(Reverse((agent.due, index)));
        }
        agent.expected = Some(decision);
        if self.now < agent.due {
            return;
        }
        let found = self.look_and_act(index, count);
        let dice = self.dice.random();
        let agent = &mut self.agents[index];
        agent.due = self.now + found.as_ref().map_or_else(|| backoff(agent.failures, dice), |decision| until_look(decision, count, dice));
        agent.expected = found.or(agent.expected.take());
        self.wakes.push(Reverse((agent.due, index)));
    }

    fn look_and_act(&mut self, index: usize, count: u32) -> Option<Decision> {
        if !self.api_is_up {
            self.agents[index].failures += 1;
            self.ask(1);
            return None;
        }
        self.ask(OF_A_LOOK);
        let desired = Some(self.store.desired());
        let owner = Some(Owner { name: "doorstep".to_owned(), uid: self.store.owner.clone() });
        let around = Surroundings { owner, agents: count, settled: true, desired, shut: self.shut.clone(), ..Surroundings::default() };
        let seen = self.observe();
        let agent = &mut self.agents[index];
        agent.failures = 0;
        let decision = decide(&seen, &around, &agent.own, self.now);
        agent.own.looked(&seen, &decision);
        (agent.view, agent.around) = (seen, around);
        let first = !std::mem::replace(&mut agent.has_looked, true);
        if let Decision::Act(act) = &decision {
            return self.act(index, act, count);
        }
        let is_news = agent.told.is_none_or(|told| self.now >= told + HOUR);
        if matches!(decision, Decision::Rest(Rest::Blocked(_))) && is_news && tells(count, first, self.dice.random()) {
            agent.told = Some(self.now);
            self.load.events += 1;
            self.ask(1);
        }
        Some(decision)
    }

    fn act(&mut self, index: usize, act: &Act, count: u32) -> Option<Decision> {
        self.ask(1);
        let done = self.store.call(act);
        if let Some(uid) = done {
            self.load.writes += 1;
            let agent = &mut self.agents[index];
            agent.own.acted(act, &agent.around.clone(), uid);
            self.changed();
        }
        self.now += ROUND_TRIP;
        self.look_and_act(index, count)
    }

    fn is_live(&self) -> bool {
        self.store.policy.is_some() && self.store.emitted().is_some()
    }
}

const S: fn(u64) -> Duration = Duration::from_secs;
const HOUR: Duration = Duration::from_secs(3600);

#[expect(clippy::disallowed_macros, reason = "the figures are for people who ask for them")]
fn say(agents: usize, when: &str, load: &Load) {
    println!(
        "{agents:>6} agents, {when:<28} {:>7} requests, {:>6} in the busiest second, {} writes, {} Events",
        load.total(),
        load.peak(),
        load.writes,
        load.events
    );
}

fn red() -> Shut {
    Shut { gate: "rival", saw: "one".to_owned(), matters: "it does", cure: "a cure".to_owned(), grave: false }
}

/// Starts this many at once, and turns the switch.
fn tell(count: usize) {
    let mut fleet = Fleet::start(count);
    let agents = count as u64;
    let start = fleet.run(S(120));
    say(count, "started at once", &start);
    assert!(fleet.is_live(), "{count}: no policy after two minutes");
    assert!(start.peak() <= OF_A_LOOK * agents + 40 && start.total() <= 2 * OF_A_LOOK * agents + 200, "{count}: a look each, and few more");
    assert_eq!(start.writes, 2, "{count}: created and recorded once");

    let steady = fleet.run(HOUR);
    say(count, "an hour live", &steady);
    assert_eq!((steady.writes, steady.events), (0, 0), "{count}: nothing is written while all is well");
    assert!((60 * OF_A_LOOK..=180 * OF_A_LOOK).contains(&steady.total()), "{count}: two looks a minute, not {}", steady.total());

    fleet.switch("off");
    let off = fleet.run(S(120));
    say(count, "switched off", &off);
    assert!(fleet.store.policy.is_none() && off.writes == 2, "{count}: {} writes", off.writes);
    fleet.switch("on");
    let on = fleet.run(S(120));
    say(count, "switched on", &on);
    assert!(fleet.is_live() && on.writes == 2, "{count}: {} writes", on.writes);
    for (what, load) in [("off", &off), ("on", &on)] {
        assert!(load.total() <= 2000 && load.peak() <= 1000, "{count}: {what}: {} requests, {} in a second", load.total(), load.peak());
    }

    fleet.api_is_up = false;
    let outage = fleet.run(S(600));
    say(count, "ten minutes without API", &outage);
    fleet.api_is_up = true;
    let after = fleet.run(S(120));
    say(count, "the two minutes after", &after);
    assert!(outage.peak() <= 25 && after.peak() <= 10 * OF_A_LOOK, "{count}: {} during, {} after", outage.peak(), after.peak());
    assert!(fleet.is_live() && after.writes == 0, "{count}: an outage changes nothing");
}

#[test]
fn an_hour_of_any_number_of_agents_costs_the_api_server_two_looks_a_minute() {
    for count in [1, 100, 10_000] {
        tell(count);
    }
}

#[test]
fn while_a_gate_is_red_few_agents_tell_and_the_cluster_looks_six_times_a_minute() {
    for (count, most_events) in [(1, 1), (100, 40), (10_000, 20)] {
        let mut fleet = Fleet::start(count);
        fleet.shut = vec![red()];
        let start = fleet.run(S(10));
        say(count, "started behind a red gate", &start);
        assert!(start.events <= 20, "{count}: {} Events at once", start.events);
        let hour = fleet.run(HOUR);
        say(count, "an hour behind it", &hour);
        assert!(hour.writes == 0 && hour.events <= most_events, "{count}: {} Events", hour.events);
        assert!((200 * OF_A_LOOK..=600 * OF_A_LOOK).contains(&(hour.total() - hour.events)), "{count}: {} requests", hour.total());
        fleet.shut.clear();
        let cured = fleet.run(S(120));
        assert!(fleet.is_live() && cured.writes == 2, "{count}: cured, and no policy within two minutes");
    }
}

/// The fleet of a large cluster finds what an upgrade of Cilium has made harmful, whichever agents look first.
#[test]
fn a_gate_that_turns_grave_takes_the_policy_within_two_minutes_nearly_always() {
    let late = (0..200).filter(|seed| {
        let mut fleet = Fleet::start(500);
        fleet.dice = StdRng::seed_from_u64(*seed);
        fleet.run(S(120));
        assert!(fleet.is_live());
        fleet.shut = vec![Shut { grave: true, ..red() }];
        fleet.run(S(120));
        fleet.store.policy.is_some()
    });
    let late = late.count();
    assert!(late <= 14, "{late} of 200 took longer: e⁻⁴ are 4");
}

/// Power comes back to all nodes at once: agents are there before the API server is, and their pauses have spread them by then.
#[test]
fn ten_thousand_agents_that_waited_for_the_api_server_come_one_after_another() {
    let count = 10_000;
    let mut fleet = Fleet::start(count);
    fleet.api_is_up = false;
    say(count, "started before the API", &fleet.run(S(180)));
    fleet.api_is_up = true;
    let load = fleet.run(S(120));
    say(count, "then it answers", &load);
    assert!(fleet.is_live() && load.writes == 2);
    assert!(load.peak() <= 5000, "{} in a second", load.peak());
}
