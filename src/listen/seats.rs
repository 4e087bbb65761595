//! Places of TCP connections, of all workers together. Where there are none left, the connection that has been idle longest yields.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;
use tokio::sync::Notify;

/// All places.
pub(super) struct Seats {
    most: usize,
    most_per_client: usize,
    taken: Mutex<Taken>,
    /// Numbers given to connections as they fall idle: the smallest has been idle longest.
    idle: AtomicU64,
}

#[derive(Default)]
struct Taken {
    next: u64,
    seats: HashMap<u64, Arc<Seat>>,
    per_client: HashMap<IpAddr, usize>,
}

struct Seat {
    client: IpAddr,
    /// 0: busy.
    idle: AtomicU64,
    leave: Notify,
}

/// One connection's place, given back when dropped.
pub(super) struct Seated {
    seats: Arc<Seats>,
    number: u64,
    seat: Arc<Seat>,
}

impl Seats {
    pub(super) fn new(most: usize, most_per_client: usize) -> Arc<Self> {
        Arc::new(Self { most, most_per_client, taken: Mutex::default(), idle: AtomicU64::new(1) })
    }

    /// Connections now.
    pub(super) fn taken(&self) -> usize {
        self.taken.lock().seats.len()
    }

    /// A place for a connection of `client`, and whether another has to yield for it. `None`: all are busy.
    pub(super) fn take(self: &Arc<Self>, client: IpAddr) -> Option<(Seated, bool)> {
        let mut taken = self.taken.lock();
        let own = taken.per_client.get(&client).copied().unwrap_or(0);
        let yields = if own >= self.most_per_client {
            Some(taken.longest_idle(|seat| seat.client == client)?)
        } else if taken.seats.len() >= self.most {
            Some(taken.longest_idle(|_| true)?)
        } else {
            None
        };
        if let Some(seat) = yields.and_then(|number| taken.free(number)) {
            seat.leave.notify_one();
        }
        let seat = Arc::new(Seat { client, idle: AtomicU64::new(self.idle.fetch_add(1, Relaxed)), leave: Notify::new() });
        let number = taken.next;
        taken.next += 1;
        taken.seats.insert(number, Arc::clone(&seat));
        *taken.per_client.entry(client).or_insert(0) += 1;
        Some((Seated { seats: Arc::clone(self), number, seat }, yields.is_some()))
    }
}

impl Taken {
    fn longest_idle(&self, among: impl Fn(&Seat) -> bool) -> Option<u64> {
        let idle = self.seats.iter().filter(|(_, seat)| among(seat)).map(|(number, seat)| (seat.idle.load(Relaxed), *number));
        idle.filter(|(since, _)| *since > 0).min().map(|(_, number)| number)
    }

    fn free(&mut self, number: u64) -> Option<Arc<Seat>> {
        let seat = self.seats.remove(&number)?;
        if let Some(count) = self.per_client.get_mut(&seat.client) {
            *count -= 1;
            if *count == 0 {
                self.per_client.remove(&seat.client);
            }
        }
        Some(seat)
    }
}

impl Seated {
    /// Has something to do: does not yield.
    pub(super) fn busy(&self) {
        self.seat.idle.store(0, Relaxed);
    }

    /// Has nothing to do, as of now if it had.
    pub(super) fn idle(&self) {
        if self.seat.idle.load(Relaxed) == 0 {
            self.seat.idle.store(self.seats.idle.fetch_add(1, Relaxed), Relaxed);
        }
    }

    /// Done when the place is needed for another.
    pub(super) async fn told_to_leave(&self) {
        self.seat.leave.notified().await;
    }
}

impl Drop for Seated {
    fn drop(&mut self) {
        // Already free where it was told to leave.
        self.seats.taken.lock().free(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
    const B: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

    async fn was_told(seated: &Seated) -> bool {
        tokio::time::timeout(std::time::Duration::from_millis(1), seated.told_to_leave()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn the_one_that_has_been_idle_longest_yields() {
        let seats = Seats::new(3, 3);
        let [first, second, third] = [A, B, A].map(|client| seats.take(client).unwrap().0);
        first.busy();
        first.idle();
        let (_fourth, yielded) = seats.take(B).unwrap();
        assert!(yielded && was_told(&second).await && !was_told(&first).await && !was_told(&third).await);
        assert_eq!(seats.taken(), 3);
        drop(second);
        assert_eq!(seats.taken(), 3, "given back once");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_beyond_its_own_limit_takes_from_nobody_else() {
        let seats = Seats::new(10, 2);
        let [other, first, second] = [B, A, A].map(|client| seats.take(client).unwrap().0);
        first.busy();
        let (_third, yielded) = seats.take(A).unwrap();
        assert!(yielded && was_told(&second).await && !was_told(&other).await);
    }

    #[test]
    fn where_all_are_busy_a_new_one_is_refused_and_places_come_back() {
        let seats = Seats::new(1, 1);
        let only = seats.take(A).unwrap().0;
        only.busy();
        assert!(seats.take(A).is_none() && seats.take(B).is_none());
        drop(only);
        assert!(seats.take(B).is_some_and(|(_, yielded)| !yielded));
        assert_eq!((seats.taken(), seats.taken.lock().per_client.len()), (0, 0), "no trace of clients that left");
    }
}
