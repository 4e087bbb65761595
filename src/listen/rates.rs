//! How much one client may ask: a bucket of tokens for each address, shared by all workers. Nothing of this is there unless an operator
//! sets a limit.
//!
//! Who asks more is told so with REFUSED, at the same rate again; what comes beyond is not answered at all. So a client that is a little
//! too fast fails at once instead of waiting 5 s for a time-out, and one in a loop, which a reply would only spur on, stalls.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use ahash::RandomState;
use parking_lot::Mutex;

use super::Network;

/// Buckets that one address may have, by its hash. A node has some hundred pods: that more clients than this share a set, all of them
/// asking, takes luck or thousands of addresses.
const WAYS: usize = 4;
/// Sets of buckets: with [`WAYS`], for 4,096 clients in about 250 kB.
const SETS: usize = 1_024;
/// One line in the log for so long.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// How much one client may ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Queries a second, from 1 to 1,000,000.
    pub per_second: u32,
    /// Queries that may come together after a rest, at least 1.
    pub burst: u32,
    /// Clients without a limit.
    pub exempt: Vec<Network>,
}

/// The buckets of all clients.
pub(super) struct Rates {
    /// Nanoseconds in which one token is dripped.
    interval: u64,
    /// Nanoseconds in which an empty bucket fills.
    depth: u64,
    exempt: Vec<Network>,
    born: Instant,
    /// Keyed: clients cannot choose whom they share a set with.
    hasher: RandomState,
    sets: Box<[Mutex<[Bucket; WAYS]>]>,
    log: Mutex<Log>,
}

/// What one query gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grant {
    /// An answer.
    Answer,
    /// Word that it was one too many.
    Refusal,
    /// Nothing.
    Silence,
}

/// One client's tokens, kept as the moments (nanoseconds since the start) at which they are all there again.
#[derive(Clone, Copy)]
struct Bucket {
    client: IpAddr,
    full_at: u64,
    /// The same for the refusals that it may be sent.
    refusals_full_at: u64,
    /// Queries turned away since line `line` of the log.
    turned_away: u32,
    line: u32,
}

/// What the log was told, and what it is to be told next.
#[derive(Default)]
struct Log {
    told: Option<Instant>,
    /// Lines told.
    lines: u32,
    next: Line,
}

/// One line of the log: what was turned away since the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Line {
    /// Whose queries were turned away most, and how many of them.
    worst: Option<IpAddr>,
    of_worst: u32,
    of_all: u64,
}

impl Rates {
    /// All buckets are full.
    pub(super) fn new(limit: &RateLimit, now: Instant) -> Self {
        let interval = 1_000_000_000 / u64::from(limit.per_second.max(1));
        let nobody = Bucket::new(IpAddr::from([0; 4]));
        Self {
            interval,
            depth: interval * u64::from(limit.burst.max(1)),
            exempt: limit.exempt.clone(),
            born: now,
            hasher: RandomState::new(),
            sets: (0..SETS).map(|_| Mutex::new([nobody; WAYS])).collect(),
            log: Mutex::default(),
        }
    }

    /// Takes a token of `client`'s, if there is one. Allocates nothing.
    #[inline]
    pub(super) fn grant(&self, client: IpAddr, now: Instant) -> Grant {
        let since = u64::try_from(now.saturating_duration_since(self.born).as_nanos()).unwrap_or(u64::MAX / 2);
        let mut set = self.sets[self.hasher.hash_one(client) as usize % SETS].lock();
        let bucket = Bucket::of(client, &mut set);
        if self.take(&mut bucket.full_at, since) {
            return Grant::Answer;
        }
        if self.exempt.iter().any(|network| network.contains(client)) {
            return Grant::Answer;
        }
        let told = self.take(&mut bucket.refusals_full_at, since);
        // Under both locks, or what belongs to the line before might be counted for the next.
        let line = self.log.lock().turn_away(bucket, now);
        drop(set);
        if let Some(line) = line {
            line.tell();
        }
        if told { Grant::Refusal } else { Grant::Silence }
    }

    /// Whether a token was there.
    #[inline]
    fn take(&self, full_at: &mut u64, now: u64) -> bool {
        let without_one = (*full_at).max(now) + self.interval;
        let is_there = without_one - now <= self.depth;
        if is_there {
            *full_at = without_one;
        }
        is_there
    }
}

impl Bucket {
    fn new(client: IpAddr) -> Self {
        Self { client, full_at: 0, refusals_full_at: 0, turned_away: 0, line: 0 }
    }

    /// The client's own, else the fullest of its set, which is given to it full: a client may gain by that, and nobody lose.
    #[inline]
    fn of(client: IpAddr, set: &mut [Self; WAYS]) -> &mut Self {
        let own = set.iter().position(|bucket| bucket.client == client);
        let index = own.unwrap_or_else(|| {
            let fullest = (0..WAYS).min_by_key(|way| set[*way].full_at).unwrap_or_default();
            set[fullest] = Self::new(client);
            fullest
        });
        &mut set[index]
    }
}

impl Log {
    /// One query more of this client's was turned away. Returns the line, if one is due.
    fn turn_away(&mut self, bucket: &mut Bucket, now: Instant) -> Option<Line> {
        if bucket.line != self.lines {
            (bucket.line, bucket.turned_away) = (self.lines, 0);
        }
        bucket.turned_away = bucket.turned_away.saturating_add(1);
        self.next.count(bucket.client, bucket.turned_away);
        if self.told.is_some_and(|told| now.saturating_duration_since(told) < TOLD_EVERY) {
            return None;
        }
        self.told = Some(now);
        self.lines = self.lines.wrapping_add(1);
        Some(std::mem::take(&mut self.next))
    }
}

impl Line {
    fn count(&mut self, client: IpAddr, of_client: u32) {
        self.of_all += 1;
        if of_client > self.of_worst {
            (self.worst, self.of_worst) = (Some(client), of_client);
        }
    }

    #[cold]
    fn tell(&self) {
        let Self { worst, of_worst, of_all } = self;
        tracing::warn!(
            client = worst.map(tracing::field::display),
            turned_away = of_worst,
            of_all,
            "a client asks more than limits.queries_per_second_per_client; told once a minute at most, of the one turned away most"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Street {
        rates: Rates,
        start: Instant,
    }

    impl Street {
        #[expect(clippy::disallowed_methods, reason = "one base instant for virtual time")]
        fn new(per_second: u32, burst: u32, exempt: &[&str]) -> Self {
            let exempt = exempt.iter().map(|network| Network::parse(network).unwrap()).collect();
            let start = Instant::now();
            Self { rates: Rates::new(&RateLimit { per_second, burst, exempt }, start), start }
        }

        fn ask(&self, client: impl Into<IpAddr>, milliseconds: u64) -> Grant {
            self.rates.grant(client.into(), self.start + Duration::from_millis(milliseconds))
        }

        /// Answers, refusals and silences of so many queries at one moment.
        fn flood(&self, client: impl Into<IpAddr>, count: usize, milliseconds: u64) -> [usize; 3] {
            let client = client.into();
            let mut got = [0; 3];
            (0..count).for_each(|_| got[self.ask(client, milliseconds) as usize] += 1);
            got
        }
    }

    /// A log and the moment at which it begins.
    struct Lines(Log, Instant);

    impl Lines {
        #[expect(clippy::disallowed_methods, reason = "one base instant for virtual time")]
        fn new() -> Self {
            Self(Log::default(), Instant::now())
        }

        fn turn_away(&mut self, bucket: &mut Bucket, seconds: u64) -> Option<Line> {
            self.0.turn_away(bucket, self.1 + Duration::from_secs(seconds))
        }
    }

    const POD: [u8; 4] = [10, 0, 0, 7];

    #[test]
    fn a_burst_is_answered_as_much_again_refused_and_the_rest_meets_silence() {
        let street = Street::new(100, 20, &[]);
        assert_eq!(street.flood(POD, 1_000, 0), [20, 20, 960]);
    }

    #[test]
    fn tokens_come_back_at_the_rate_and_never_more_than_a_burst_of_them() {
        let street = Street::new(100, 20, &[]);
        street.flood(POD, 1_000, 0);
        assert_eq!(street.flood(POD, 100, 50), [5, 5, 90]);
        assert_eq!(street.flood(POD, 100, 60_000), [20, 20, 60]);
    }

    #[test]
    fn a_client_that_keeps_asking_too_much_is_still_answered_at_the_rate() {
        let street = Street::new(100, 20, &[]);
        let answered = (0..10_000).filter(|millisecond| street.ask(POD, *millisecond) == Grant::Answer).count();
        assert!((1_015..=1_021).contains(&answered), "{answered} in 10 s, at 1,000 a second");
    }

    #[test]
    fn one_clients_flood_is_not_anothers_nor_the_other_familys() {
        let street = Street::new(10, 10, &[]);
        street.flood(POD, 1_000, 0);
        assert_eq!(street.flood([10, 0, 0, 8], 10, 0), [10, 0, 0]);
        assert_eq!(street.flood("::ffff:10.0.0.7".parse::<IpAddr>().unwrap(), 10, 0), [10, 0, 0]);
    }

    #[test]
    fn those_exempt_have_no_limit() {
        let street = Street::new(1, 1, &["192.0.2.0/24", "2001:db8::1"]);
        for client in ["192.0.2.9", "2001:db8::1"] {
            assert_eq!(street.flood(client.parse::<IpAddr>().unwrap(), 100, 0), [100, 0, 0], "{client}");
        }
        assert_eq!(street.flood("2001:db8::2".parse::<IpAddr>().unwrap(), 100, 0), [1, 1, 98]);
    }

    #[test]
    fn more_clients_than_there_are_buckets_are_never_held_to_each_others_account() {
        let street = Street::new(1, 10, &[]);
        for client in 0..100_000_u32 {
            assert_eq!(street.ask(client.to_be_bytes(), 0), Grant::Answer, "client {client}");
        }
    }

    #[test]
    fn a_flood_among_several_hundred_clients_stays_limited() {
        let street = Street::new(10, 10, &[]);
        street.flood(POD, 100, 0);
        for client in 0..500_u32 {
            assert_eq!(street.ask((0x0A01_0000 + client).to_be_bytes(), 0), Grant::Answer);
        }
        assert_eq!(street.flood(POD, 100, 0)[0], 0, "its bucket was not given away");
    }

    #[test]
    fn the_log_hears_of_it_at_once_and_then_once_a_minute_with_how_many() {
        let (mut log, mut pod) = (Lines::new(), Bucket::new(POD.into()));
        let line = |of_worst| Some(Line { worst: Some(POD.into()), of_worst, of_all: of_worst.into() });
        assert_eq!(log.turn_away(&mut pod, 5), line(1));
        assert!((0..100).all(|_| log.turn_away(&mut pod, 64).is_none()));
        assert_eq!(log.turn_away(&mut pod, 65), line(101));
        assert_eq!(log.turn_away(&mut pod, 66), None);
    }

    #[test]
    fn a_line_names_who_was_turned_away_most_since_the_one_before_whoever_asks_when_it_is_due() {
        let mut log = Lines::new();
        let [mut first, mut worst, mut last] = [1, 2, 3].map(|host| Bucket::new(IpAddr::from([10, 0, 0, host])));
        assert_eq!(log.turn_away(&mut first, 0).unwrap().worst, Some(first.client));
        assert!((0..50).all(|_| log.turn_away(&mut first, 1).is_none()));
        assert!((0..60).all(|_| log.turn_away(&mut worst, 2).is_none()));
        let line = Line { worst: Some(worst.client), of_worst: 60, of_all: 111 };
        assert_eq!(log.turn_away(&mut last, 60), Some(line));
        // What was told is not told again.
        assert!((0..5).all(|_| log.turn_away(&mut worst, 61).is_none()));
        assert!((0..6).all(|_| log.turn_away(&mut first, 62).is_none()));
        let line = Line { worst: Some(first.client), of_worst: 6, of_all: 12 };
        assert_eq!(log.turn_away(&mut last, 120), Some(line));
    }
}
