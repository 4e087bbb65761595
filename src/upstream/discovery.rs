//! The addresses behind the Service that a group asks: when to look for them, and which of them to ask. Pure: `now`, the dice and the
//! ranks are arguments.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::Server;
use crate::wire::Name;

/// How often more is looked at than the clock.
const GLANCE: Duration = Duration::from_secs(1);
/// Between two looks while there are questions: as long as the addresses' TTL, within these.
const PERIOD: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(120));
/// Between two looks where one of the addresses fails: its pod may be gone.
const HURRY: Duration = Duration::from_secs(5);
/// Such looks in a row: a pod that stays and fails is no news for ever.
const MOST_HURRIED: u32 = 2;
/// How long what was heard counts when nothing more is heard.
const KEPT: Duration = Duration::from_secs(300);

/// The headless twin of a Service: its addresses are those of the pods behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Twin {
    /// Its name, which the group itself is asked for.
    pub name: Name,
    /// Where the pods listen; `None`: at the port of the group's server.
    pub port: Option<u16>,
    /// Where this process listens: never asked.
    pub own: Vec<SocketAddr>,
}

/// What a look brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// These, good for so long; none where the name does not exist or has no addresses.
    Addresses(Vec<IpAddr>, Duration),
    /// No answer.
    Nothing,
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Due {
    /// What was heard is too old: it counts no more.
    pub(super) forget: bool,
    /// The twin is to be asked for.
    pub(super) look: bool,
}

/// When the last look was, and when the next one is due. Nothing is due unless somebody asks whether it is.
#[derive(Debug, Default)]
pub(super) struct Discovery {
    glance_at: Option<Instant>,
    looked_at: Option<Instant>,
    look_at: Option<Instant>,
    /// Looks before their time, since the last one in time.
    hurried: u32,
    /// There are addresses, and they count until then.
    known_until: Option<Instant>,
}

impl Discovery {
    /// A question is about to be asked. `failing`: whether one of the addresses is known to fail.
    pub(super) fn glance(&mut self, now: Instant, failing: impl FnOnce() -> bool) -> Due {
        if self.glance_at.is_some_and(|at| now < at) {
            return Due::default();
        }
        self.glance_at = Some(now + GLANCE);
        let forget = self.known_until.is_some_and(|until| now >= until);
        if forget {
            self.known_until = None;
        }
        let in_time = self.look_at.is_none_or(|at| now >= at);
        let may_hurry = self.hurried < MOST_HURRIED && self.looked_at.is_none_or(|at| now >= at + HURRY);
        let look = in_time || may_hurry && failing();
        if look {
            self.hurried = if in_time { 0 } else { self.hurried + 1 };
            self.looked_at = Some(now);
            // Also where the look dies with its worker and is never heard of again.
            self.look_at = Some(now + PERIOD.0);
        }
        Due { forget, look }
    }

    /// A look is over: whether its addresses take the place of those known. `dice`: from 0 to 1, so that agents do not ask in step.
    pub(super) fn learn(&mut self, heard: &Heard, now: Instant, dice: f64) -> bool {
        let ttl = match heard {
            Heard::Addresses(_, ttl) => *ttl,
            Heard::Nothing => PERIOD.0,
        };
        self.look_at = Some(now + ttl.clamp(PERIOD.0, PERIOD.1).mul_f64(0.8 + 0.4 * dice));
        if let Heard::Addresses(addresses, _) = heard {
            self.known_until = (!addresses.is_empty()).then_some(now + KEPT);
        }
        matches!(heard, Heard::Addresses(..))
    }
}

/// The servers at `addresses` that are asked beside `servers`, at most `most`: those that rank first, so that an agent stays with its choice
/// while others choose otherwise.
pub(super) fn beside(servers: &[Server], twin: &Twin, addresses: &[IpAddr], most: usize, rank: impl Fn(&IpAddr) -> u64) -> Vec<Server> {
    let mut ranked: Vec<IpAddr> = addresses.iter().map(IpAddr::to_canonical).collect();
    ranked.sort_by_cached_key(|address| (rank(address), *address));
    ranked.dedup();
    ranked.into_iter().filter_map(|address| at(servers, twin, address)).take(most).collect()
}

/// Asked as the first of `servers` of its family is: of a pod with two addresses only the one that clients of the Service would use.
fn at(servers: &[Server], twin: &Twin, address: IpAddr) -> Option<Server> {
    let model = servers.iter().find(|server| server.address().is_ipv4() == address.is_ipv4())?;
    let place = SocketAddr::new(address, twin.port.unwrap_or(model.address().port()));
    // On one machine a loopback address stands for a pod, and for nobody else's anywhere.
    let is_somebodys = !address.is_unspecified()
        && !address.is_multicast()
        && address != IpAddr::V4(std::net::Ipv4Addr::BROADCAST)
        && (!address.is_loopback() || model.address().ip().is_loopback());
    let is_new = !twin.own.contains(&place) && servers.iter().all(|server| server.address() != place);
    (is_somebodys && is_new).then(|| model.moved_to(place))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::tests::{S, base};

    fn some() -> Heard {
        Heard::Addresses(vec![ip("10.0.0.1")], S(30))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn twin() -> Twin {
        Twin { name: Name::parse("twin.example").unwrap(), port: None, own: vec!["10.0.0.9:53".parse().unwrap()] }
    }

    fn tcp(address: &str) -> Server {
        Server::Tcp(address.parse().unwrap())
    }

    /// What is asked beside `servers` of these addresses, in text.
    fn asked(servers: &[Server], addresses: &[&str]) -> Vec<String> {
        let addresses: Vec<IpAddr> = addresses.iter().map(|address| ip(address)).collect();
        beside(servers, &twin(), &addresses, 16, |_| 0).iter().map(ToString::to_string).collect()
    }

    const NEVER: fn() -> bool = || false;

    #[test]
    fn the_first_question_looks_and_the_next_ones_do_every_half_minute_or_so() {
        let (start, mut discovery) = (base(), Discovery::default());
        assert!(discovery.glance(start, NEVER).look);
        discovery.learn(&some(), start, 0.5);
        assert!((1..30).all(|second| !discovery.glance(start + S(second), NEVER).look));
        assert!(discovery.glance(start + S(30), NEVER).look);
        assert!(!discovery.glance(start + S(31), NEVER).look, "one look at a time");
        assert!(discovery.glance(start + S(60), NEVER).look, "the other one was never heard of again");
    }

    #[test]
    fn agents_do_not_look_in_step_and_a_long_ttl_makes_looks_rare() {
        let (start, mut discovery) = (base(), Discovery::default());
        let mut next = |heard: &Heard, dice| {
            discovery.learn(heard, start, dice);
            discovery.look_at.unwrap() - start
        };
        assert_eq!((next(&some(), 0.0), next(&some(), 1.0)), (S(24), S(36)));
        assert_eq!(next(&Heard::Addresses(Vec::new(), S(5)), 0.5), S(30));
        assert_eq!(next(&Heard::Addresses(Vec::new(), S(3_600)), 0.5), S(120));
        assert_eq!(next(&Heard::Nothing, 0.5), S(30));
    }

    #[test]
    fn where_an_address_fails_the_next_looks_are_soon_but_not_for_ever() {
        let (start, mut discovery) = (base(), Discovery::default());
        discovery.glance(start, NEVER);
        discovery.learn(&some(), start, 0.5);
        assert!(!discovery.glance(start + S(4), || true).look);
        assert!(discovery.glance(start + S(5), || true).look);
        assert!(!discovery.glance(start + S(9), || true).look);
        assert!(discovery.glance(start + S(10), || true).look);
        assert!((11..40).all(|second| !discovery.glance(start + S(second), || true).look));
        assert!(discovery.glance(start + S(40), || true).look, "in time");
        assert!(discovery.glance(start + S(45), || true).look);
    }

    #[test]
    fn between_two_glances_only_the_clock_is_looked_at() {
        let (start, mut discovery) = (base(), Discovery::default());
        discovery.glance(start, NEVER);
        assert_eq!(discovery.glance(start + Duration::from_millis(999), || panic!("not looked at")), Due::default());
    }

    #[test]
    fn what_was_heard_counts_for_five_minutes_without_an_answer_and_no_longer() {
        let (start, mut discovery) = (base(), Discovery::default());
        assert!(discovery.learn(&some(), start, 0.5));
        assert!(!discovery.learn(&Heard::Nothing, start + S(30), 0.5), "no answer is no news");
        assert!(!discovery.glance(start + S(299), NEVER).forget);
        assert!(discovery.glance(start + S(300), NEVER).forget);
        assert!(!discovery.glance(start + S(301), NEVER).forget, "there is nothing left");
        assert!(discovery.learn(&Heard::Addresses(Vec::new(), S(5)), start, 0.5), "that there are none is news");
    }

    #[test]
    fn an_address_is_asked_as_the_service_is_asked() {
        assert_eq!(asked(&[tcp("10.96.0.20:53")], &["10.0.0.1"]), ["tcp://10.0.0.1:53"]);
        let tls = Server::Tls("10.96.0.20:853".parse().unwrap(), ip("10.96.0.20").into());
        assert_eq!(asked(&[tls], &["10.0.0.1"]), ["tls://10.0.0.1:853#10.96.0.20"], "with the Service's certificate");
        let port = Twin { port: Some(8053), ..twin() };
        assert_eq!(beside(&[tcp("10.96.0.20:53")], &port, &[ip("10.0.0.1")], 16, |_| 0), [tcp("10.0.0.1:8053")]);
    }

    #[test]
    fn only_what_can_be_somebody_elses_is_asked_and_once() {
        let servers = [tcp("10.96.0.20:53")];
        for nobody in ["127.0.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255", "::ffff:127.0.0.1", "10.0.0.9", "10.96.0.20", "fd00::1"] {
            assert_eq!(asked(&servers, &[nobody]), [""; 0], "{nobody}");
        }
        assert_eq!(asked(&servers, &["10.0.0.1", "::ffff:10.0.0.1", "10.0.0.1"]).len(), 1);
        assert_eq!(asked(&[tcp("127.0.0.1:53")], &["127.0.0.2"]), ["tcp://127.0.0.2:53"], "beside one on the same machine");
        assert_eq!(asked(&[], &["10.0.0.1"]), [""; 0], "nobody says how");
    }

    #[test]
    fn of_too_many_each_agent_has_its_own_and_stays_with_them() {
        let servers = [tcp("10.96.0.20:53")];
        let pods: Vec<IpAddr> = (1..=100).map(|host| IpAddr::from([10, 0, 1, host])).collect();
        let rank = |agent: u64| move |address: &IpAddr| ahash::RandomState::with_seeds(agent, 2, 3, 4).hash_one(address);
        let (one, other) = (beside(&servers, &twin(), &pods, 8, rank(1)), beside(&servers, &twin(), &pods, 8, rank(2)));
        assert_eq!(one.len(), 8);
        assert_ne!(one, other);
        let mut fewer = pods.clone();
        fewer.retain(|pod| one[0].address().ip() != *pod);
        fewer.reverse();
        let after = beside(&servers, &twin(), &fewer, 8, rank(1));
        assert_eq!(after[..7], one[1..], "one went, the others stay");
    }
}
