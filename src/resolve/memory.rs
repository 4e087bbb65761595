//! The first half of the walk: parse, rules, cache, reply. No await, no spawn, no allocation on a hit.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use super::{Client, KEEPALIVE, Outcome, Pending, Resolver, STALE_TTL, Snapshot, UDP_CAP};
use crate::cache::{Epochs, Found, Profile};
use crate::rules::{Decision, LocalContent, Zone};
use crate::upstream::FailureClass;
use crate::wire::class::CHAOS;
use crate::wire::reply::{self, Form, Local};
use crate::wire::{Echo, Ede, Kind, Query, Rcode, Rejection};

/// Where the first half of the walk ends.
pub enum Walk {
    /// The first so many octets of the buffer are the reply.
    Reply(usize),
    /// The same, and the answer is about to expire: hand the pending query to [`Resolver::look_up`], which renews it.
    ReplyAndRenew(usize, Pending),
    /// No reply.
    Silence,
    /// Not known here: [`Resolver::look_up`] asks the upstream.
    LookUp(Pending),
}

impl Resolver {
    /// Answers `message` from rules and memory, into `out`: 65,535 octets for TCP, at least 1,232 for UDP. `worker` is the index of
    /// the counters to use.
    pub fn answer(&self, worker: usize, message: &[u8], client: Client, now: Instant, out: &mut [u8]) -> Walk {
        let (walk, outcome) = match Query::parse(message) {
            Ok(query) => self.walk(&query, client, now, out),
            Err(Rejection::Silence) => (Walk::Silence, Outcome::Silence),
            Err(Rejection::Reply(echo, rcode, ede)) => {
                let written = reply::write_error(out, &echo, rcode, &Form { ede, ..self.form(&echo, client) });
                (Walk::Reply(written), rejected(rcode))
            }
        };
        self.0.counters.count(worker, &client, outcome);
        walk
    }

    fn walk(&self, query: &Query<'_>, client: Client, now: Instant, out: &mut [u8]) -> (Walk, Outcome) {
        let (key, echo) = (&query.key, &query.echo);
        if key.qclass == CHAOS {
            return self.identify(query, client, out);
        }
        let snapshot = self.0.snapshot.load();
        match snapshot.rules.decide(&key.name, key.qtype, key.qclass) {
            Decision::Local { content, ttl } => write_rule(out, query, &content, ttl, &self.form(echo, client)),
            Decision::Forward(zone) => self.remember(query, client, epochs(&snapshot, zone), &zone.profile, now, out),
        }
    }

    fn remember(
        &self,
        query: &Query<'_>,
        client: Client,
        epochs: Epochs,
        profile: &Profile,
        now: Instant,
        out: &mut [u8],
    ) -> (Walk, Outcome) {
        let echo = &query.echo;
        let form = &self.form(echo, client);
        let pending = |stale, refresh| Pending { query: query.to_owned(), client, stale, refresh };
        let found = self.0.cache.lookup(&query.key, profile, epochs, now, |found| match found {
            Found::Fresh { image, kind, ttl, prefetch } => {
                let renews = prefetch && echo.recursion_desired;
                (Some(reply::write_answer(out, echo, image, ttl, form)), fresh(kind), renews)
            }
            Found::Stale { image, kind, retry: false } => {
                let form = Form { ede: Some(stale_error(kind)), ..*form };
                (Some(reply::write_answer(out, echo, image, STALE_TTL, &form)), stale(kind), false)
            }
            Found::Stale { retry: true, .. } => (None, Outcome::Waiting, true),
            Found::Failed { rcode, reason } => {
                let class = FailureClass::ALL.get(usize::from(reason));
                let form = Form { ede: Some(Ede::CachedError), ede_text: class.map_or("", |class| class.label()), ..*form };
                let outcome = if rcode == Rcode::REFUSED { Outcome::HitRefused } else { Outcome::HitFailure };
                (Some(reply::write_error(out, echo, rcode, &form)), outcome, false)
            }
        });
        match found {
            Some((Some(written), outcome, true)) => (Walk::ReplyAndRenew(written, pending(false, true)), outcome),
            Some((Some(written), outcome, false)) => (Walk::Reply(written), outcome),
            // RD=0 asks for what we know, not for what we could find out (RFC 1034 §4.3.1).
            _ if !echo.recursion_desired => (Walk::Reply(reply::write_error(out, echo, Rcode::REFUSED, form)), Outcome::Refused),
            Some((None, outcome, stale)) => (Walk::LookUp(pending(stale, false)), outcome),
            None => (Walk::LookUp(pending(false, false)), Outcome::Waiting),
        }
    }

    fn identify(&self, query: &Query<'_>, client: Client, out: &mut [u8]) -> (Walk, Outcome) {
        let form = &self.form(&query.echo, client);
        match self.0.identity.chaos(query.key.name.as_wire(), query.key.qtype) {
            Some(text) => (Walk::Reply(reply::write_local(out, &query.echo, &Local::Text(text), 0, form)), Outcome::Identity),
            None => (Walk::Reply(reply::write_error(out, &query.echo, Rcode::REFUSED, form)), Outcome::Refused),
        }
    }

    /// The form of replies to this client.
    pub(super) fn form(&self, echo: &Echo<'_>, client: Client) -> Form<'_> {
        Form {
            limit: if client.tcp { usize::from(u16::MAX) } else { reply::udp_limit(echo, UDP_CAP) },
            nsid: self.0.identity.nsid(),
            ede: None,
            ede_text: "",
            // The client's own random number spreads clients over the addresses of a name at no cost.
            rotation: if self.0.rotates.load(Relaxed) { usize::from(echo.id) } else { 0 },
            keepalive: client.tcp.then_some(KEEPALIVE),
        }
    }
}

/// What must be unchanged since an entry of this zone was stored.
pub(super) fn epochs(snapshot: &Snapshot, zone: &Zone) -> Epochs {
    let outage = snapshot.groups.get(zone.group).map_or(0, |group| group.outage_epoch());
    Epochs { zone: zone.epoch, outage }
}

/// Stale NXDOMAIN has a code of its own (RFC 8914 §4.20).
pub(super) const fn stale_error(kind: Kind) -> Ede {
    match kind {
        Kind::NxDomain => Ede::StaleNxdomain,
        Kind::Positive | Kind::NoData => Ede::StaleAnswer,
    }
}

const fn stale(kind: Kind) -> Outcome {
    match kind {
        Kind::Positive => Outcome::StalePositive,
        Kind::NoData => Outcome::StaleNoData,
        Kind::NxDomain => Outcome::StaleNxDomain,
    }
}

const fn fresh(kind: Kind) -> Outcome {
    match kind {
        Kind::Positive => Outcome::HitPositive,
        Kind::NoData => Outcome::HitNoData,
        Kind::NxDomain => Outcome::HitNxDomain,
    }
}

const fn rejected(rcode: Rcode) -> Outcome {
    match rcode {
        Rcode::NOT_IMP => Outcome::NotImp,
        Rcode::REFUSED => Outcome::Refused,
        Rcode::BAD_VERS => Outcome::BadVers,
        _ => Outcome::FormErr,
    }
}

fn write_rule(out: &mut [u8], query: &Query<'_>, content: &LocalContent<'_>, ttl: u32, form: &Form<'_>) -> (Walk, Outcome) {
    let (content, outcome) = match *content {
        LocalContent::NxDomain { zone } => (Local::NxDomain { zone }, Outcome::RuleNxDomain),
        LocalContent::NoData { zone } => (Local::NoData { zone }, Outcome::RuleNoError),
        LocalContent::Addresses { all } => (Local::Addresses(all), Outcome::RuleNoError),
    };
    (Walk::Reply(reply::write_local(out, &query.echo, &content, ttl, form)), outcome)
}
