//! The second half of the walk: one exchange per question, however many wait; stale answers where the upstream fails.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::time::timeout;

use super::memory::{epochs, stale_error};
use super::{Core, Outcome, Pending, Resolver, STALE_TTL, Snapshot};
use crate::cache::{Found, Profile};
use crate::coalesce::{Joined, Lead, Receiver};
use crate::rules::Zone;
use crate::upstream::{Failure, FailureClass, Lane};
use crate::wire::reply::{self, Form};
use crate::wire::{Answer, Ede, Kind, Rcode};

/// An expired answer is served when the upstream has let a client wait for this long (RFC 8767 §5, the client response timer): less than
/// the 2 s after which impatient stubs ask again. The exchange goes on, and what it brings is for those who come after.
const CLIENT_RESPONSE: Duration = Duration::from_millis(1_800);

/// How long a cluster name waits before the silence of its whole upstream group counts.
const SILENCE_AFTER: Duration = Duration::from_secs(1);

/// How often a client that could have an expired answer looks whether it must.
const LOOK: Duration = Duration::from_millis(250);

/// How long an upstream that was out a moment ago is given to be back.
const BACK_AGAIN: Duration = Duration::from_millis(50);

/// How an exchange ended, for all who wait for it.
#[derive(Clone)]
pub(super) enum Settled {
    /// The zone's upstream answered.
    Answer {
        /// What it said.
        answer: Arc<Answer>,
        /// What the zone's profile allows of its TTL, in seconds.
        ttl: u32,
        /// The zone's epoch when it was asked.
        epoch: u32,
    },
    /// Every attempt failed.
    Failure(Failure),
}

/// Room that a reply needs beyond the stored answer: OPT with NSID of at most 255 octets, an extended error and a keepalive option.
const OPTIONS_ROOM: usize = 11 + (4 + 255) + (4 + 2) + (4 + 2);

impl Resolver {
    /// Asks the upstream, or joins those who already do, and writes the reply; `None`: no reply is due. Must run on a tokio runtime,
    /// where the exchange goes on when the client that asked first does not wait for its end.
    pub async fn look_up(&self, worker: usize, pending: Pending) -> Option<Vec<u8>> {
        let core = &self.0;
        let key = pending.query.key();
        if core.loop_guard.came_back(key.name.as_wire()) {
            tracing::error!("forwarding loop: the upstream sends our own queries back to us; is it the address that is redirected here?");
            return Some(self.fail(worker, &pending, Failure { class: FailureClass::Loop, rcode: Rcode::SERV_FAIL }));
        }
        if pending.refresh {
            if let Some(lead) = core.inflight.lead(key) {
                core.counters.count(worker, &pending.client, Outcome::Prefetch);
                drop(self.ask(core.snapshot.load_full(), lead));
            }
            return None;
        }
        loop {
            let snapshot = core.snapshot.load_full();
            let outcome = match self.join(worker, &pending, &snapshot) {
                Ok(outcome) => outcome,
                Err(reply) => return reply,
            };
            if let Some(reply) = self.wait(worker, &pending, &snapshot, outcome).await {
                return Some(reply);
            }
            // It joined an exchange that began before the zone was changed: what it would be told, its own upstream may not say.
        }
    }

    /// Becomes one of those who wait, and asks if nobody does. `Err`: there is no wait, and this is the reply, if one is due.
    fn join(&self, worker: usize, pending: &Pending, snapshot: &Arc<Snapshot>) -> Result<Awaited, Option<Vec<u8>>> {
        let (key, echo) = (pending.query.key(), pending.query.echo());
        let (awaited, outcome) = match self.0.inflight.join(key, (pending.client.address, echo.id)) {
            Joined::Leader(lead, receiver) => return Ok(Awaited { exchange: self.ask(Arc::clone(snapshot), lead), receiver }),
            Joined::Follower(receiver) => (Ok(Awaited { exchange: Exchange(None), receiver }), Outcome::Coalesced),
            Joined::Duplicate => (Err(None), Outcome::Retransmission),
            Joined::Overload => {
                let zone = snapshot.rules.zone(&key.name);
                if let Some(reply) = pending.stale.then(|| self.serve_stale(worker, pending, snapshot, zone)).flatten() {
                    return Err(Some(reply));
                }
                let reply = self.write(pending, |out, form| reply::write_error(out, &echo, Rcode::SERV_FAIL, &form));
                (Err(Some(reply)), Outcome::Overload)
            }
        };
        self.0.counters.count(worker, &pending.client, outcome);
        awaited
    }

    fn ask(&self, snapshot: Arc<Snapshot>, lead: Lead<Settled>) -> Exchange {
        Exchange(Some(Box::pin(ask(Arc::clone(&self.0), snapshot, lead))))
    }

    /// `None`: the exchange was begun under another configuration of the zone.
    async fn wait(&self, worker: usize, pending: &Pending, snapshot: &Snapshot, mut outcome: Awaited) -> Option<Vec<u8>> {
        let zone = snapshot.rules.zone(&pending.query.key().name);
        let (began, mut patience, mut waits) = (now(), BACK_AGAIN, pending.stale);
        while waits {
            if let Ok(settled) = timeout(patience, &mut outcome).await {
                return self.settle(worker, pending, snapshot, zone, settled);
            }
            if may_serve_stale(snapshot, zone, began, now()) {
                if let Some(reply) = self.serve_stale(worker, pending, snapshot, zone) {
                    return Some(reply);
                }
                waits = false;
            }
            patience = LOOK.min(CLIENT_RESPONSE.saturating_sub(now().saturating_duration_since(began)));
        }
        let settled = outcome.await;
        self.settle(worker, pending, snapshot, zone, settled)
    }

    fn settle(&self, worker: usize, pending: &Pending, snapshot: &Snapshot, zone: &Zone, settled: Settled) -> Option<Vec<u8>> {
        match settled {
            Settled::Answer { epoch, .. } if epoch != zone.epoch => None,
            Settled::Answer { answer, ttl, .. } => {
                self.0.counters.count(worker, &pending.client, answered(answer.kind));
                Some(self.write_image(pending, answer.image(), ttl, None))
            }
            Settled::Failure(failure) => {
                let rescued = self.serve_stale(worker, pending, snapshot, zone);
                Some(rescued.unwrap_or_else(|| self.fail(worker, pending, failure)))
            }
        }
    }

    fn serve_stale(&self, worker: usize, pending: &Pending, snapshot: &Snapshot, zone: &Zone) -> Option<Vec<u8>> {
        let read = |found: Found<'_>| match found {
            Found::Fresh { image, kind, ttl, .. } => Some((self.write_image(pending, image, ttl, None), answered(kind))),
            Found::Stale { image, kind, .. } => Some((self.write_image(pending, image, STALE_TTL, Some(stale_error(kind))), rescued(kind))),
            Found::Failed { .. } => None,
        };
        let (reply, outcome) = self.0.cache.lookup(pending.query.key(), &zone.profile, epochs(snapshot, zone), now(), read).flatten()?;
        self.0.counters.count(worker, &pending.client, outcome);
        Some(reply)
    }

    fn fail(&self, worker: usize, pending: &Pending, failure: Failure) -> Vec<u8> {
        let outcome = if failure.rcode == Rcode::REFUSED { Outcome::MissRefused } else { Outcome::MissFailure };
        self.0.counters.count(worker, &pending.client, outcome);
        let (ede, ede_text) = (Some(failure.class.ede()), failure.class.label());
        self.write(pending, |out, form| reply::write_error(out, &pending.query.echo(), failure.rcode, &Form { ede, ede_text, ..form }))
    }

    fn write_image(&self, pending: &Pending, image: crate::wire::Image<'_>, ttl: u32, ede: Option<Ede>) -> Vec<u8> {
        let room = image.octets().len() + OPTIONS_ROOM;
        self.write_within(pending, room, |out, form| reply::write_answer(out, &pending.query.echo(), image, ttl, &Form { ede, ..form }))
    }

    fn write(&self, pending: &Pending, fill: impl FnOnce(&mut [u8], Form<'_>) -> usize) -> Vec<u8> {
        self.write_within(pending, usize::from(super::UDP_CAP), fill)
    }

    fn write_within(&self, pending: &Pending, room: usize, fill: impl FnOnce(&mut [u8], Form<'_>) -> usize) -> Vec<u8> {
        let form = self.form(&pending.query.echo(), pending.client);
        let limit = form.limit.min(room.max(512));
        let mut out = vec![0; limit];
        let written = fill(&mut out, Form { limit, ..form });
        out.truncate(written);
        out
    }
}

/// The outcome for one client, whose own task asks if it is the first for its question: to wake another costs more than some questions do.
struct Awaited {
    exchange: Exchange,
    receiver: Receiver<Settled>,
}

impl Future for Awaited {
    type Output = Settled;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Settled> {
        self.exchange.go_on(context);
        Pin::new(&mut self.receiver).poll(context)
    }
}

/// What the first client does for all who wait. Dropped before its end, it becomes a task of the runtime; `None`: it has ended, or
/// somebody else's client does it.
struct Exchange(Option<Pin<Box<dyn Future<Output = ()> + Send>>>);

impl Exchange {
    fn go_on(&mut self, context: &mut Context<'_>) {
        // Taken out, so that one that panics ends with that.
        if let Some(mut rest) = self.0.take()
            && rest.as_mut().poll(context).is_pending()
        {
            self.0 = Some(rest);
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        // Without a runtime the process ends.
        if let (Some(rest), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            drop(runtime.spawn(rest));
        }
    }
}

/// Asks, stores, tells all who wait. If it dies, `lead` tells them.
async fn ask(core: Arc<Core>, snapshot: Arc<Snapshot>, lead: Lead<Settled>) {
    let key = lead.key();
    let zone = snapshot.rules.zone(&key.name);
    let Some(group) = snapshot.groups.get(zone.group) else {
        return lead.finish(Settled::Failure(Failure { class: FailureClass::Abandoned, rcode: Rcode::SERV_FAIL }));
    };
    // Taken before the exchange: what a reload or an outage changes meanwhile must not be stored as if it came after.
    let epochs = epochs(&snapshot, zone);
    let lane = if zone.cluster { Lane::Cluster } else { Lane::Elastic };
    let result = group.exchange(key, lane).await;
    let settled = match result {
        Ok(answer) => {
            let profile = governing(&snapshot, zone, &answer);
            let ttl = capped(&answer, &profile);
            core.cache.insert(key, answer.clone(), &profile, epochs, now());
            Settled::Answer { answer: Arc::new(answer), ttl, epoch: epochs.zone }
        }
        Err(failure) => {
            // Our own crowding says nothing of the name.
            if !matches!(failure.class, FailureClass::Overload | FailureClass::Abandoned) {
                core.cache.insert_failure(key, failure.rcode, failure.class as u16, &zone.profile, epochs, now());
            }
            Settled::Failure(failure)
        }
    };
    lead.finish(settled);
}

/// A name whose CNAME chain leads through several zones ages as all of them want it: of all lives the shortest, such as that of cluster
/// names.
fn governing(snapshot: &Snapshot, zone: &Zone, answer: &Answer) -> Profile {
    answer.chain().fold(zone.profile, |profile, name| profile.stricter(&snapshot.rules.zone(&name).profile))
}

fn capped(answer: &Answer, profile: &Profile) -> u32 {
    let cap = if answer.kind == Kind::Positive { profile.max_ttl } else { profile.max_negative_ttl };
    answer.ttl.min(u32::try_from(cap.as_secs()).unwrap_or(u32::MAX))
}

/// Whether who has waited since `began` has waited long enough for a fresh answer: until the timer, or until it is known that none comes.
/// A cluster name is answered from memory, so that silence tells; another name may be slow by itself.
fn may_serve_stale(snapshot: &Snapshot, zone: &Zone, began: Instant, now: Instant) -> bool {
    let Some(group) = snapshot.groups.get(zone.group) else { return true };
    let waited = now.saturating_duration_since(began);
    let silent = || group.silent_lately(now) || waited >= SILENCE_AFTER && group.silent(now);
    waited >= CLIENT_RESPONSE || group.out_lately(now) || zone.cluster && silent()
}

const fn answered(kind: Kind) -> Outcome {
    match kind {
        Kind::Positive => Outcome::MissPositive,
        Kind::NoData => Outcome::MissNoData,
        Kind::NxDomain => Outcome::MissNxDomain,
    }
}

const fn rescued(kind: Kind) -> Outcome {
    match kind {
        Kind::Positive => Outcome::RescuedPositive,
        Kind::NoData => Outcome::RescuedNoData,
        Kind::NxDomain => Outcome::RescuedNxDomain,
    }
}

/// The runtime's clock, which stands still in tests that pause it.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
