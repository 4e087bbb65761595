//! One exchange: how often a question is asked, where next, and what a failure means for it.

use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::failure::Lost;
use super::group::Shared;
use super::members::Asked;
use super::select::{Standing, choose};
use super::{Failure, FailureClass, Lane};
use crate::wire::{Answer, Key, Rcode};

/// Tries of one question in all (RFC 9520 §3.1).
const MOST_TRIES: u32 = 3;

/// One attempt's orders.
pub(super) struct Ask<'a> {
    pub(super) key: &'a Key,
    pub(super) lane: Lane,
    /// The exchange's own.
    pub(super) deadline: Instant,
    /// On a connection of its own.
    pub(super) alone: bool,
    /// Bound on the stream's silence; `None` in the elastic lane.
    pub(super) silence: Option<Duration>,
    /// Other servers are left to try.
    pub(super) others: bool,
    /// One of them is not failing.
    pub(super) others_well: bool,
    /// Without OPT, whatever the transport.
    pub(super) without_opt: bool,
}

/// What an exchange has been through.
struct Course {
    tries: u32,
    most_tries: u32,
    /// Servers tried, by bit.
    tried: u64,
    /// The one free resend over a connection that closed has been used.
    resent: bool,
    alone: bool,
    silences: u32,
    /// The server that said FORMERR or NOTIMP to OPT and is asked once more without: the others may take it.
    without_opt: Option<usize>,
    /// What a server said was not taken for the answer: another was asked, or the same once more.
    second_opinion: bool,
    /// The server being asked.
    current: usize,
    last: Failure,
}

/// What follows an attempt that brought no answer.
enum Next {
    Again,
    Pause,
    Stop,
}

/// Asks until answered, given up or out of time.
pub(super) async fn run(group: &Asked<'_>, key: &Key, lane: Lane) -> Result<Answer, Failure> {
    let deadline = Instant::now() + group.shared.timing.exchange;
    let mut course = Course {
        tries: 0,
        most_tries: most_tries(group),
        tried: 0,
        resent: false,
        alone: false,
        silences: 0,
        without_opt: None,
        second_opinion: false,
        current: 0,
        last: FailureClass::QueryTimeout.into(),
    };
    // Pinned here, and not moved into the timer: each question has one of these.
    let outcome = {
        let walk = pin!(course.walk(group, key, lane, deadline));
        timeout_at(deadline, walk).await
    };
    outcome.unwrap_or_else(|_| Err(course.expire(group)))
}

/// While all servers are out each is tried once: who hammers them keeps them down (RFC 9520 §2).
fn most_tries(group: &Asked<'_>) -> u32 {
    if group.shared.pulse.out_lately(Instant::now().into_std()) { MOST_TRIES.min(group.endpoints.len() as u32) } else { MOST_TRIES }
}

/// One attempt at server `index`, or at it and another; who ended it, when that one was asked, and what came of it.
async fn ask_or_hedge(group: &Asked<'_>, index: usize, ask: &Ask<'_>, fresh: bool) -> (usize, Instant, Result<Answer, Lost>) {
    let shared = group.shared;
    let asked = Instant::now();
    let mut first = pin!(ask_one(group, index, ask));
    let Some(patience) = shared.hedge_after(ask.lane).filter(|_| fresh && ask.others) else { return (index, asked, first.await) };
    if let Ok(outcome) = timeout(patience, &mut first).await {
        return (index, asked, outcome);
    }
    let hedged = Instant::now();
    let standings: Vec<Standing> = group.endpoints.iter().map(|endpoint| endpoint.standing()).collect();
    let other = choose(&standings, ask.lane, 1 << index, rand::random(), hedged.into_std());
    let Some(other) = other.filter(|other| !standings[*other].is_failing() && shared.may_hedge()) else {
        return (index, asked, first.await);
    };
    shared.metrics.hedged();
    // On the heap: one lives in every exchange's future otherwise.
    let mut second = Box::pin(ask_one(group, other, ask));
    tokio::select! {
        outcome = &mut first => match outcome {
            Err(lost) => match second.await {
                Ok(answer) => (other, hedged, Ok(answer)),
                Err(_) => (index, asked, Err(lost)),
            },
            answer => (index, asked, answer),
        },
        outcome = &mut second => match outcome {
            Err(_) => (index, asked, first.await),
            answer => (other, hedged, answer),
        },
    }
}

async fn ask_one(group: &Asked<'_>, index: usize, ask: &Ask<'_>) -> Result<Answer, Lost> {
    let endpoint = &group.endpoints[index];
    let _in_flight = endpoint.choose(ask.lane, Instant::now());
    endpoint.ask(group.shared, ask).await
}

impl Course {
    async fn walk(&mut self, group: &Asked<'_>, key: &Key, lane: Lane, deadline: Instant) -> Result<Answer, Failure> {
        let shared = group.shared;
        loop {
            let now = Instant::now();
            let standings: Vec<Standing> = group.endpoints.iter().map(|endpoint| endpoint.standing()).collect();
            let dice = rand::random();
            let choice = |tried| choose(&standings, lane, tried, dice, now.into_std());
            let tried = if self.tried == 0 { 0 } else { self.tried | group.found() };
            let chosen = self.without_opt.or_else(|| choice(tried)).or_else(|| choice(self.tried)).or_else(|| choice(0));
            let Some(index) = chosen else {
                shared.pulse.failed(FailureClass::NoRoute, now.into_std());
                return Err(FailureClass::NoRoute.into());
            };
            let is_left = |other: &usize| *other != index && self.tried & (1 << *other) == 0;
            let others = (0..standings.len()).any(|other| is_left(&other));
            let others_well = (0..standings.len()).any(|other| is_left(&other) && !standings[other].is_failing());
            let (alone, silence, without_opt) = (self.alone, self.silence(shared, lane), self.without_opt.is_some());
            let ask = Ask { key, lane, deadline, alone, silence, others, others_well, without_opt };
            self.current = index;
            // So it is unless the attempt learns better.
            self.last = FailureClass::QueryTimeout.into();
            let (index, asked, outcome) = ask_or_hedge(group, index, &ask, self.tries == 0).await;
            let endpoint = &group.endpoints[index];
            let lost = match outcome {
                Ok(answer) => {
                    endpoint.answered(lane, asked, Instant::now());
                    shared.learn(lane, asked.elapsed());
                    if ask.without_opt {
                        endpoint.dislikes_opt(Instant::now() + shared.timing.without_opt);
                    }
                    return Ok(answer);
                }
                Err(lost) => lost,
            };
            // The attempt's own timers end with the exchange: which of them rings first must not decide what it means.
            if Instant::now() >= deadline {
                return Err(self.expire(group));
            }
            match self.judge(group, index, &ask, lost) {
                Next::Stop => return Err(self.last),
                Next::Again => {}
                Next::Pause => sleep(shared.timing.redial).await,
            }
        }
    }

    /// Time is up. Slowness is no fault, but silence of the whole group is.
    fn expire(&self, group: &Asked<'_>) -> Failure {
        let now = Instant::now();
        if group.shared.pulse.silent(now.into_std()) {
            group.endpoints[self.current].fail(now);
        }
        self.last
    }

    /// A question alone on its connection is slow by itself: it is given four times as long. Another try must fit into the exchange.
    fn silence(&self, shared: &Shared, lane: Lane) -> Option<Duration> {
        let silence = shared.silence(lane)?;
        Some((if self.alone { silence * 4 } else { silence }).min(shared.timing.exchange / 2))
    }

    fn judge(&mut self, group: &Asked<'_>, index: usize, ask: &Ask<'_>, lost: Lost) -> Next {
        let endpoint = &group.endpoints[index];
        let now = Instant::now();
        match lost {
            Lost::Closed | Lost::Reset if !self.resent => {
                // RFC 7766 §6.2.2: closing an idle connection is no failure; the question goes out again,
                // on a connection of its own.
                self.resent = true;
                self.alone = true;
                // Who closes may be on its way out: another server is asked, if there is one.
                self.tried |= 1 << index;
                group.shared.metrics.resent();
                Next::Again
            }
            Lost::Silent { head } => {
                self.silences += 1;
                self.alone = head;
                self.tried |= 1 << index;
                self.without_opt = None;
                self.last = FailureClass::QueryTimeout.into();
                endpoint.fail(now);
                group.shared.metrics.resent();
                if self.silences == 2 { Next::Stop } else { self.retry(Next::Again) }
            }
            Lost::Rcode(rcode) => {
                endpoint.succeed(now);
                // Who answers is not out.
                self.most_tries = MOST_TRIES;
                self.judge_rcode(group, index, ask, rcode)
            }
            Lost::Closed => self.judge_failure(group, index, ask, FailureClass::ClosedMidAnswer),
            Lost::Reset => self.judge_failure(group, index, ask, FailureClass::Reset),
            Lost::Truncated => self.judge_failure(group, index, ask, FailureClass::Malformed),
            Lost::Failed(class) => self.judge_failure(group, index, ask, class),
        }
    }

    fn judge_rcode(&mut self, group: &Asked<'_>, index: usize, ask: &Ask<'_>, rcode: Rcode) -> Next {
        self.last = rcode.into();
        let complains = matches!(rcode, Rcode::FORM_ERR | Rcode::NOT_IMP);
        if complains && !ask.without_opt && group.endpoints[index].sends_opt(ask.key, Instant::now()) {
            self.without_opt = Some(index);
            return self.retry(Next::Again);
        }
        // Another server may know better, once; else this is the answer.
        self.tried |= 1 << index;
        if !ask.others || std::mem::replace(&mut self.second_opinion, true) {
            return Next::Stop;
        }
        self.without_opt = None;
        self.retry(Next::Again)
    }

    fn judge_failure(&mut self, group: &Asked<'_>, index: usize, ask: &Ask<'_>, class: FailureClass) -> Next {
        self.last = class.into();
        self.tried |= 1 << index;
        self.without_opt = None;
        let now = Instant::now();
        group.shared.pulse.failed(class, now.into_std());
        if class.is_connectivity() {
            group.endpoints[index].fail(now);
        }
        match class {
            // Without room for a connection to one server there may be one to another already.
            _ if ask.others => self.retry(Next::Again),
            FailureClass::Overload => Next::Stop,
            // Of one server that sends what is no answer, once more and by itself: what else was on its connection may have gone wrong.
            FailureClass::Malformed | FailureClass::Mismatch if std::mem::replace(&mut self.second_opinion, true) => Next::Stop,
            FailureClass::Malformed | FailureClass::Mismatch => {
                self.alone = true;
                self.retry(Next::Again)
            }
            FailureClass::DialRefused | FailureClass::NoRoute | FailureClass::Denied | FailureClass::Tls => self.retry(Next::Pause),
            _ => self.retry(Next::Again),
        }
    }

    fn retry(&mut self, next: Next) -> Next {
        self.tries += 1;
        if self.tries >= self.most_tries { Next::Stop } else { next }
    }
}
