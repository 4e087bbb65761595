//! What was asked and how it was answered.

use crate::resolve::{Counters, Outcome, Resolver};
use crate::telemetry::{Metric, Value};

/// Rcodes that replies have.
const RCODES: [&str; 7] = ["NOERROR", "NXDOMAIN", "SERVFAIL", "FORMERR", "NOTIMP", "REFUSED", "BADVERS"];
/// Those that replies to messages have which are not looked up.
const REJECTED: [&str; 4] = ["FORMERR", "NOTIMP", "REFUSED", "BADVERS"];

/// What the resolver counted.
pub(super) fn of_queries(resolver: &Resolver) -> Vec<Metric> {
    let counters = resolver.counters();
    let one = |outcome| Value::Counter(counters.total(|counted| counted == outcome));
    let at = |stages: &[Stage]| Value::Counter(counters.total(|outcome| stages.contains(&classify(outcome).0)));
    let replies = |rcode| Value::Counter(counters.total(|outcome| classify(outcome).1 == Some(rcode)));
    let rejected = |rcode| Value::Counter(counters.total(|outcome| classify(outcome) == (Stage::Rejected, Some(rcode))));
    let by = |rcodes: &[&'static str], count: &dyn Fn(&'static str) -> Value| -> Vec<(String, Value)> {
        rcodes.iter().map(|rcode| ((*rcode).to_owned(), count(rcode))).collect()
    };
    let silence = [("silence".to_owned(), at(&[Stage::Silence]))];
    vec![
        requests(counters),
        Metric::by("coredns_dns_responses", "Replies, by rcode", "rcode", by(&RCODES, &replies)),
        Metric::plain(
            "coredns_cache_requests",
            "Queries that were looked up in the cache",
            Value::Counter(counters.total(|outcome| classify(outcome).0.is_lookup())),
        ),
        hits(counters),
        Metric::plain("coredns_cache_misses", "Queries that had to wait for an upstream", at(&[Stage::Waiting])),
        Metric::plain(
            "coredns_cache_served_stale",
            "Expired answers served because the upstream failed",
            at(&[Stage::Stale, Stage::Rescued]),
        ),
        Metric::plain("coredns_cache_prefetch", "Popular answers renewed before they expired", at(&[Stage::Prefetch])),
        Metric::by(
            "doorstep_queries_rejected",
            "Messages that were not looked up, by what their sender got",
            "answer",
            silence.into_iter().chain(by(&REJECTED, &rejected)),
        ),
        Metric::plain("doorstep_rule_answers", "Queries answered by a rule or a built-in name", at(&[Stage::Rule])),
        Metric::plain("doorstep_coalesced", "Queries that joined an exchange already under way", one(Outcome::Coalesced)),
        Metric::plain("doorstep_retransmissions", "Queries dropped because the same one was waiting already", one(Outcome::Retransmission)),
        Metric::plain("doorstep_waiting", "Queries waiting for an upstream now", Value::Gauge(resolver.waiting().0 as u64)),
        Metric::plain("doorstep_overload", "Queries refused because too many were waiting", at(&[Stage::Overload])),
    ]
}

fn requests(counters: &Counters) -> Metric {
    let mut requests =
        Metric { name: "coredns_dns_requests", help: "Queries, by transport and address family (1: IPv4, 2: IPv6)", rows: Vec::new() };
    for (proto, tcp) in [("udp", false), ("tcp", true)] {
        for (family, ipv6) in [("1", false), ("2", true)] {
            let labels = vec![("proto", proto.to_owned()), ("family", family.to_owned())];
            requests.rows.push((labels, Value::Counter(counters.over(tcp, ipv6, |outcome| classify(outcome).0.is_first()))));
        }
    }
    requests
}

fn hits(counters: &Counters) -> Metric {
    let is_success = |outcome| outcome == Outcome::HitPositive;
    let is_denial = |outcome| classify(outcome).0 == Stage::Hit && !is_success(outcome);
    let rows = [("success", counters.total(is_success)), ("denial", counters.total(is_denial))];
    let rows = rows.map(|(name, count)| (name.to_owned(), Value::Counter(count)));
    Metric::by("coredns_cache_hits", "Replies from the cache", "type", rows)
}

/// Where on its walk a query got an outcome. A query that waits gets one more when the wait is over.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// No query at all.
    Silence,
    /// It is not to be looked up.
    Rejected,
    /// Answered by a rule or a built-in name.
    Rule,
    /// It asked who we are.
    Identity,
    /// Answered from the cache.
    Hit,
    /// Answered from the cache, expired.
    Stale,
    /// Not answered yet.
    Waiting,
    /// It waits with another, or waited already.
    Joined,
    /// Answered after the wait.
    Waited,
    /// Answered after the wait by what had expired.
    Rescued,
    /// Turned away: too many waited.
    Overload,
    /// Asked by ourselves.
    Prefetch,
}

impl Stage {
    /// Whether each query has just one outcome of this kind.
    fn is_first(self) -> bool {
        matches!(self, Self::Rejected | Self::Rule | Self::Identity) || self.is_lookup()
    }

    /// Whether the cache was asked; those that asked for a cached name alone (RD=0) and found none count as rejected.
    fn is_lookup(self) -> bool {
        matches!(self, Self::Hit | Self::Stale | Self::Waiting)
    }
}

const NO_ERROR: Option<&str> = Some("NOERROR");
const NX_DOMAIN: Option<&str> = Some("NXDOMAIN");
const SERV_FAIL: Option<&str> = Some("SERVFAIL");
const REFUSED: Option<&str> = Some("REFUSED");

/// The stage of an outcome, and the rcode of the reply that goes with it, if one does.
fn classify(outcome: Outcome) -> (Stage, Option<&'static str>) {
    match outcome {
        Outcome::Silence => (Stage::Silence, None),
        Outcome::FormErr => (Stage::Rejected, Some("FORMERR")),
        Outcome::NotImp => (Stage::Rejected, Some("NOTIMP")),
        Outcome::Refused => (Stage::Rejected, REFUSED),
        Outcome::BadVers => (Stage::Rejected, Some("BADVERS")),
        Outcome::RuleNoError => (Stage::Rule, NO_ERROR),
        Outcome::RuleNxDomain => (Stage::Rule, NX_DOMAIN),
        Outcome::Identity => (Stage::Identity, NO_ERROR),
        Outcome::HitPositive | Outcome::HitNoData => (Stage::Hit, NO_ERROR),
        Outcome::HitNxDomain => (Stage::Hit, NX_DOMAIN),
        Outcome::HitFailure => (Stage::Hit, SERV_FAIL),
        Outcome::HitRefused => (Stage::Hit, REFUSED),
        Outcome::StalePositive | Outcome::StaleNoData => (Stage::Stale, NO_ERROR),
        Outcome::StaleNxDomain => (Stage::Stale, NX_DOMAIN),
        Outcome::Waiting => (Stage::Waiting, None),
        Outcome::Retransmission | Outcome::Coalesced => (Stage::Joined, None),
        Outcome::MissPositive | Outcome::MissNoData => (Stage::Waited, NO_ERROR),
        Outcome::MissNxDomain => (Stage::Waited, NX_DOMAIN),
        Outcome::MissFailure => (Stage::Waited, SERV_FAIL),
        Outcome::MissRefused => (Stage::Waited, REFUSED),
        Outcome::RescuedPositive | Outcome::RescuedNoData => (Stage::Rescued, NO_ERROR),
        Outcome::RescuedNxDomain => (Stage::Rescued, NX_DOMAIN),
        Outcome::Overload => (Stage::Overload, SERV_FAIL),
        Outcome::Prefetch => (Stage::Prefetch, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rcode_that_goes_out_has_a_row() {
        for outcome in Outcome::ALL {
            let (stage, rcode) = classify(outcome);
            assert!(rcode.is_none_or(|rcode| RCODES.contains(&rcode)), "{outcome:?}");
            let is_rejected = rcode.is_some_and(|rcode| REJECTED.contains(&rcode));
            assert!(is_rejected || stage != Stage::Rejected, "{outcome:?}");
        }
    }

    #[test]
    fn what_is_looked_up_is_answered_at_once_or_waits() {
        for outcome in Outcome::ALL {
            let (stage, rcode) = classify(outcome);
            assert_eq!(stage.is_first() && rcode.is_none(), outcome == Outcome::Waiting, "{outcome:?}");
        }
    }
}
