//! One agent's part in the redirect, for as long as the process lives.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;
use tokio::time::sleep;

use super::Config;
use super::account::{Account, Call};
use super::cluster::{CallError, Cluster, Look, Outcome};
use super::events::Events;
use super::policies::Subjects;
use super::watches;
use crate::lifecycle::{Latch, Readiness};
use crate::redirect::{self, Act, Blackhole, Decision, Leaving, Observation, Own, Report, Rest, Reviewed, Surroundings, Switch, decide};

/// Acts in a row after one look, each after a look of its own; the longest honest series is four.
const MOST_ACTS: u32 = 8;
/// Between two looks at our own readiness and at the drain: nobody else is asked.
const OWN_LOOK: Duration = Duration::from_secs(1);

/// What keeps this agent from being ready, as far as the redirect has to do with it.
#[derive(Debug)]
pub struct Latches {
    /// Held while it leaves its clients to kube-dns.
    pub drain: Latch,
    /// Held while the DNS Service has a family that it does not answer.
    pub families: Latch,
}

/// Takes part until it is dropped. `found`: a blackhole on its node.
pub async fn run(config: Config, readiness: Readiness, latches: Latches, found: watch::Receiver<Option<Blackhole>>, account: Account) {
    if config.serves.is_some_and(|serves| !serves.v4 || !serves.v6) {
        latches.families.hold("the DNS Service's families have not been read yet");
    }
    let mut failures = 0;
    let cluster = loop {
        match Cluster::connect(config.clone()).await {
            Ok(cluster) => break cluster,
            Err(error) => account.failed(Call::Look, &error.to_string()),
        }
        // Who cannot ask answers those who come.
        latches.families.release();
        failures += 1;
        sleep(redirect::backoff(failures, rand::random())).await;
    };
    let seen = watches::unseen();
    let _watches = watches::start(&cluster, &seen, &account);
    let events = Events::new(&cluster);
    let agent = Agent {
        cluster,
        seen,
        events,
        readiness,
        latches,
        found,
        account,
        around: Surroundings::default(),
        reviewed: Reviewed::default(),
        own: Own::default(),
        leaving: None,
        failures: 0,
    };
    agent.live().await;
}

struct Agent {
    cluster: Cluster,
    seen: watches::Seen,
    events: Events,
    readiness: Readiness,
    latches: Latches,
    found: watch::Receiver<Option<Blackhole>>,
    account: Account,
    /// As the last look found them.
    around: Surroundings,
    /// The network policies.
    reviewed: Reviewed,
    own: Own,
    leaving: Option<Leaving>,
    /// Looks and acts in a row that failed.
    failures: u32,
}

impl Agent {
    async fn live(mut self) {
        let (mut changes, mut upstream) = (self.seen.subscribe(), self.account.upstream());
        let mut due = now() + redirect::until_first_look(rand::random());
        let mut expected: Option<Decision> = None;
        loop {
            let mut decision = self.decide(&changes.borrow_and_update().clone());
            if expected.as_ref().is_some_and(|expected| !same(expected, &decision)) {
                let next = now() + redirect::until_look(&decision, self.around.agents, rand::random());
                // The first look is put off by nothing: until then this agent does not know whom it answers.
                due = if self.around.has_looked() { next } else { due.min(next) };
            }
            let waits_for_itself = decision == Decision::Rest(Rest::NotReady);
            if now() >= due && !waits_for_itself {
                self.look_and_act(&decision).await;
                // What was found is what is expected: only another change makes the next look due sooner.
                decision = self.decide(&changes.borrow_and_update().clone());
                due = now() + self.pause(&decision);
            }
            let pause = match due.saturating_duration_since(now()) {
                _ if waits_for_itself => OWN_LOOK,
                pause if self.leaving.is_some() => pause.min(OWN_LOOK),
                pause => pause,
            };
            let is_blocked = matches!(decision, Decision::Rest(Rest::Blocked(_)));
            expected = Some(decision);
            tokio::select! {
                changed = changes.changed() => changed.expect("the sender lives as long as the agent"),
                // What a gate has waited for may be there.
                Ok(()) = upstream.changed(), if is_blocked => due = due.min(now() + redirect::soon(self.around.agents, rand::random())),
                () = news(&mut self.found) => {}
                () = sleep(pause) => {}
            }
        }
    }

    /// Decides on what the watches said, and tells of it.
    fn decide(&mut self, seen: &Observation) -> Decision {
        self.own.ready = self.readiness.is_ready();
        self.own.blackhole.clone_from(&self.found.borrow());
        self.leave(seen);
        let decision = decide(seen, &self.around, &self.own, wall_clock());
        self.account.note_report(Report::new(&decision, seen, &self.around, &self.cluster.config.namespace));
        decision
    }

    /// Goes along with a drain.
    fn leave(&mut self, seen: &Observation) {
        let drain_over = seen.people.as_ref().ok().filter(|people| people.switch == Switch::Drain).map(|people| people.drain_over);
        let stands = seen.policies.as_ref().is_ok_and(|policies| policies.iter().any(redirect::SeenPolicy::is_ours));
        let Some(drain_over) = drain_over.filter(|_| stands) else {
            if self.leaving.take().is_some() {
                self.latches.drain.release();
            }
            self.own.drained = false;
            return;
        };
        let leaving = *self.leaving.get_or_insert_with(|| Leaving::begin(now(), drain_over, self.own.ready, rand::random()));
        if now() >= leaving.at() {
            self.latches.drain.hold("draining: clients go back to kube-dns");
        }
        self.own.drained = now() >= leaving.over();
    }

    fn pause(&self, decision: &Decision) -> Duration {
        let pause = match self.failures {
            0 if *decision == Decision::Rest(Rest::Unread) => redirect::until_turn(self.around.agents, rand::random()),
            0 => redirect::until_look(decision, self.around.agents, rand::random()),
            failures => redirect::backoff(failures, rand::random()),
        };
        match (decision, self.reviewed.until_forgotten(now())) {
            (Decision::Rest(Rest::Live), Some(left)) => pause.min(left),
            _ => pause,
        }
    }

    /// Looks at everything, acts on that, and looks again until there is nothing to do.
    async fn look_and_act(&mut self, expected: &Decision) {
        for _ in 0..MOST_ACTS {
            let Some((decision, report)) = self.look(expected).await else { return };
            self.failures = 0;
            match &decision {
                // What waits does so from the moment that an agent expects it.
                Decision::Act(act) if act.waits().is_zero() || same(expected, &decision) => {
                    if !self.act(act).await {
                        return;
                    }
                }
                _ => {
                    self.events.looked(&decision, &report, &self.around, &self.account, now()).await;
                    return;
                }
            }
        }
        self.failures += 1;
    }

    async fn look(&mut self, expected: &Decision) -> Option<(Decision, Report)> {
        match self.cluster.look().await {
            Ok(Look { seen, around, upstream, frontend, hairpin, subjects, .. }) => {
                self.account.done(Call::Look);
                self.account.note_upstream(&upstream);
                self.account.note_frontend(&frontend, hairpin);
                self.around = around;
                match self.around.unanswered() {
                    Some(reason) => self.latches.families.hold(reason),
                    None => self.latches.families.release(),
                }
                self.review(&seen, subjects.as_ref(), expected).await;
                let decision = self.decide(&seen);
                self.own.looked(&seen, &decision);
                let report = Report::new(&decision, &seen, &self.around, &self.cluster.config.namespace);
                self.seen.send_if_modified(|last| std::mem::replace(last, seen.clone()) != seen);
                Some((decision, report))
            }
            Err(error) => {
                if !self.around.has_looked() {
                    self.latches.families.release();
                }
                self.fail(Call::Look, &error);
                None
            }
        }
    }

    /// Reads the network policies where that is due, and judges them by what is known. A reading that fails is no failure of the look: while
    /// a policy stands nothing depends on it.
    async fn review(&mut self, seen: &Observation, subjects: Option<&Subjects>, expected: &Decision) {
        self.own.ready = self.readiness.is_ready();
        let plain = decide(seen, &self.around, &self.own, wall_clock());
        if let Some(subjects) = subjects
            && self.reviewed.is_due(&plain, expected, self.around.agents, now(), rand::random())
        {
            match self.cluster.read_review(subjects).await {
                Ok(review) => {
                    self.reviewed.keep(review, now());
                    self.account.done(Call::Review);
                }
                Err(error) => self.account.failed(Call::Review, &error.to_string()),
            }
        }
        self.reviewed.weigh(&plain, &mut self.around, self.cluster.config.cilium.accept_network_policies, now());
    }

    /// Whether the call came through; what came of it, the next look tells.
    async fn act(&mut self, act: &Act) -> bool {
        let call = Call::of(act);
        match self.cluster.act(act).await {
            Ok(Outcome::Done(uid)) => {
                tracing::info!(call = call.label(), because = ?act.because(), uid, "the redirect: done");
                self.own.acted(act, &self.around, uid);
                self.account.done(call);
                self.events.acted(act, self.around.owner.as_ref(), &self.account).await;
                true
            }
            Ok(Outcome::Overtaken) => true,
            Err(error) => {
                self.fail(call, &error);
                false
            }
        }
    }

    fn fail(&mut self, call: Call, error: &CallError) {
        self.failures += 1;
        self.account.failed(call, &error.to_string());
    }
}

/// When something is found, or mended. Nobody looks any more: never.
async fn news(found: &mut watch::Receiver<Option<Blackhole>>) {
    if found.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Whether two decisions are the same thing to wait for.
fn same(one: &Decision, other: &Decision) -> bool {
    match (one, other) {
        (Decision::Act(one), Decision::Act(other)) => Call::of(one) == Call::of(other) && one.waits() == other.waits(),
        (one, other) => one == other,
    }
}

#[expect(clippy::disallowed_methods, reason = "the agent's edge reads the clock for the decisions")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "a hold says since when, to people")]
fn wall_clock() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
