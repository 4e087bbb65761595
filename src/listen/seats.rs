//! How many TCP connections there may be, of all clients and of one: when a new one comes and none is free, the oldest idle one yields
//! (RFC 7766 §6.2.3, RFC 9210 §4.1).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// All seats, shared by the workers.
pub(super) struct Seats {
    most: usize,
    most_per_client: usize,
    born: Instant,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    seats: HashMap<u64, Arc<Occupant>>,
    of_client: HashMap<IpAddr, usize>,
    next: u64,
}

/// What the others see of a connection.
struct Occupant {
    client: IpAddr,
    /// Microseconds since the seats were made, plus one; 0: busy.
    idle_since: AtomicU64,
    yields: Notify,
}

/// One connection's place; given back when dropped.
pub(super) struct Seat {
    all: Arc<Seats>,
    number: u64,
    occupant: Arc<Occupant>,
}

/// What a newcomer gets.
pub(super) struct Admission {
    /// `None`: all are taken, and nobody is idle.
    pub(super) seat: Option<Seat>,
    /// Somebody else was told to leave.
    pub(super) yielded: bool,
}

impl Seats {
    /// `most` in all, `most_per_client` for one address.
    pub(super) fn new(most: usize, most_per_client: usize, now: Instant) -> Self {
        Self { most, most_per_client, born: now, taken: Mutex::default() }
    }

    /// Seats a new connection, which counts as idle until it says otherwise.
    pub(super) fn admit(self: &Arc<Self>, client: IpAddr, now: Instant) -> Admission {
        let mut taken = self.taken.lock();
        let own = taken.of_client.get(&client).copied().unwrap_or_default();
        let yielded = if own >= self.most_per_client {
            taken.unseat_oldest_idle(|occupant| occupant.client == client)
        } else {
            taken.seats.len() >= self.most && taken.unseat_oldest_idle(|_| true)
        };
        if !yielded && (own >= self.most_per_client || taken.seats.len() >= self.most) {
            return Admission { seat: None, yielded };
        }
        let occupant = Arc::new(Occupant { client, idle_since: AtomicU64::new(self.stamp(now)), yields: Notify::new() });
        let number = taken.next;
        taken.next += 1;
        taken.seats.insert(number, occupant.clone());
        *taken.of_client.entry(client).or_default() += 1;
        Admission { seat: Some(Seat { all: self.clone(), number, occupant }), yielded }
    }

    /// Tells the oldest idle connection to leave, for the process is out of descriptors. Whether there was one.
    pub(super) fn make_room(&self) -> bool {
        self.taken.lock().unseat_oldest_idle(|_| true)
    }

    fn stamp(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.born).as_micros()).unwrap_or(u64::MAX - 1) + 1
    }
}

impl Taken {
    /// A scan, but only of a full house, and only where somebody connects.
    fn unseat_oldest_idle(&mut self, eligible: impl Fn(&Occupant) -> bool) -> bool {
        let idle = self.seats.iter().filter(|(_, occupant)| eligible(occupant)).filter_map(|(number, occupant)| {
            let since = occupant.idle_since.load(Relaxed);
            (since != 0).then_some((since, *number))
        });
        let Some((_, number)) = idle.min() else { return false };
        if let Some(occupant) = self.remove(number) {
            occupant.yields.notify_one();
        }
        true
    }

    fn remove(&mut self, number: u64) -> Option<Arc<Occupant>> {
        let occupant = self.seats.remove(&number)?;
        if let Some(count) = self.of_client.get_mut(&occupant.client) {
            *count -= 1;
            if *count == 0 {
                self.of_client.remove(&occupant.client);
            }
        }
        Some(occupant)
    }
}

impl Seat {
    /// Nothing is in flight since `now`.
    pub(super) fn rest(&self, now: Instant) {
        self.occupant.idle_since.store(self.all.stamp(now), Relaxed);
    }

    /// Something is in flight: it need not yield.
    pub(super) fn work(&self) {
        self.occupant.idle_since.store(0, Relaxed);
    }

    /// Waits until this connection must leave.
    pub(super) async fn yields(&self) {
        self.occupant.yields.notified().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.all.taken.lock().remove(self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    struct House {
        seats: Arc<Seats>,
        start: Instant,
    }

    impl House {
        #[expect(clippy::disallowed_methods, reason = "one base instant for virtual time")]
        fn new(most: usize, most_per_client: usize) -> Self {
            let start = Instant::now();
            Self { seats: Arc::new(Seats::new(most, most_per_client, start)), start }
        }

        fn admit(&self, client: &str, second: u64) -> Admission {
            self.seats.admit(client.parse().unwrap(), self.at(second))
        }

        fn at(&self, second: u64) -> Instant {
            self.start + Duration::from_secs(second)
        }
    }

    /// Whether it was told to leave.
    fn must_leave(seat: &Seat) -> bool {
        use std::future::Future;
        use std::task::{Context, Waker};
        std::pin::pin!(seat.yields()).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn in_a_full_house_the_oldest_idle_connection_yields() {
        let house = House::new(3, 3);
        let [first, second, third] = ["10.0.0.1", "10.0.0.2", "10.0.0.3"].map(|client| house.admit(client, 0).seat.unwrap());
        first.work();
        second.rest(house.at(2));
        third.rest(house.at(1));
        let newcomer = house.admit("10.0.0.4", 3);
        assert!(newcomer.yielded && newcomer.seat.is_some());
        assert_eq!([&first, &second, &third].map(must_leave), [false, false, true]);
    }

    #[test]
    fn one_client_at_its_limit_displaces_only_itself() {
        let house = House::new(100, 2);
        let other = house.admit("10.0.0.2", 0).seat.unwrap();
        let own = [1, 2].map(|second| house.admit("10.0.0.1", second).seat.unwrap());
        assert!(house.admit("10.0.0.1", 3).seat.is_some());
        assert_eq!((must_leave(&other), must_leave(&own[0]), must_leave(&own[1])), (false, true, false));
    }

    #[test]
    fn where_all_are_busy_the_newcomer_is_turned_away() {
        let house = House::new(1, 1);
        let seat = house.admit("10.0.0.1", 0).seat.unwrap();
        seat.work();
        assert!(house.admit("10.0.0.1", 1).seat.is_none());
        assert!(house.admit("10.0.0.2", 1).seat.is_none());
        drop(seat);
        assert!(house.admit("10.0.0.2", 1).seat.is_some());
    }

    #[test]
    fn a_seat_is_given_back_once_even_by_one_who_yielded() {
        let house = House::new(2, 1);
        let yielding = house.admit("10.0.0.1", 0).seat.unwrap();
        let staying = house.admit("10.0.0.1", 1).seat.unwrap();
        drop(yielding);
        assert_eq!(house.seats.taken.lock().of_client.values().sum::<usize>(), 1);
        drop(staying);
        assert!(house.seats.taken.lock().of_client.is_empty());
    }
}
