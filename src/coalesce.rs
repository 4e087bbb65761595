//! One leader per question, the others wait.
//!
//! [`Inflight::join`] makes every client a waiter, and exactly one call per question also gets the [`Lead`]: the duty to find the outcome.
//! The lead must not end with the client that got it; unfinished and dropped, it hands everybody the abandoned outcome. All
//! waiters get the same outcome, failures included, and none of them becomes a new leader.

use std::collections::hash_map::Entry as WaiterEntry;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};

use ahash::HashMap;
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use tokio::sync::oneshot;

use crate::wire::Key;

/// Who waits: a client's address and port, and its message id. The same again for the same question is a retransmission.
pub type Waiter = (SocketAddr, u16);

/// How many may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Queries of one client address.
    pub per_client: usize,
    /// Queries of all clients, and questions: one may be asked on when all who waited for it have been answered otherwise.
    pub total: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { per_client: 1_000, total: 10_000 }
    }
}

/// The questions being asked now, of all workers. A cheap handle.
pub struct Inflight<O> {
    table: Arc<Table<O>>,
}

impl<O> Clone for Inflight<O> {
    fn clone(&self) -> Self {
        Inflight { table: self.table.clone() }
    }
}

struct Table<O> {
    questions: DashMap<Key, HashMap<Waiter, oneshot::Sender<O>>, ahash::RandomState>,
    /// Questions being asked.
    asked: AtomicUsize,
    waiting: Arc<Waiting>,
    abandoned: O,
}

/// What joining led to.
pub enum Joined<O: Clone> {
    /// The first for this question: find the outcome, and wait for it like the others.
    Leader(Lead<O>, Receiver<O>),
    /// Somebody is finding it.
    Follower(Receiver<O>),
    /// A retransmission: this client already waits for this question. Nothing is owed.
    Duplicate,
    /// Too many wait already, of this client or in all, or too many questions are being asked.
    Overload,
}

impl<O: Clone> Inflight<O> {
    /// `abandoned` is what waiters get when a lead dies unfinished.
    pub fn new(limits: Limits, abandoned: O) -> Self {
        let waiting = Arc::new(Waiting { limits, total: AtomicUsize::new(0), clients: DashMap::default() });
        Inflight { table: Arc::new(Table { questions: DashMap::default(), asked: AtomicUsize::new(0), waiting, abandoned }) }
    }

    /// Joins the waiting for `key`. A plain call; no lock is held when it returns.
    pub fn join(&self, key: &Key, waiter: Waiter) -> Joined<O> {
        let Some(permit) = Waiting::admit(&self.table.waiting, waiter.0.ip()) else { return Joined::Overload };
        let (sender, receiver) = oneshot::channel();
        let receiver = Receiver { outcome: receiver, abandoned: self.table.abandoned.clone(), _permit: permit };
        // Joining and finishing exclude each other by the shard's lock: a waiter is either taken by the finish, or finds no entry.
        match self.table.questions.entry(*key) {
            Entry::Vacant(vacant) => {
                let Some(lead) = Lead::take(&self.table, key) else { return Joined::Overload };
                let mut waiters = HashMap::default();
                waiters.insert(waiter, sender);
                drop(vacant.insert(waiters));
                Joined::Leader(lead, receiver)
            }
            Entry::Occupied(mut occupied) => {
                let waiters = occupied.get_mut();
                if waiters.len() == waiters.capacity() {
                    // Instead of growing for clients that went away.
                    waiters.retain(|_, sender| !sender.is_closed());
                }
                match waiters.entry(waiter) {
                    WaiterEntry::Occupied(known) if !known.get().is_closed() => return Joined::Duplicate,
                    WaiterEntry::Occupied(mut gone) => drop(gone.insert(sender)),
                    WaiterEntry::Vacant(vacant) => drop(vacant.insert_entry(sender)),
                }
                Joined::Follower(receiver)
            }
        }
    }

    /// Joins as nobody: for a refresh that no client waits for. `None`: somebody is asking already, or too much is being asked.
    pub fn lead(&self, key: &Key) -> Option<Lead<O>> {
        match self.table.questions.entry(*key) {
            Entry::Occupied(_) => None,
            Entry::Vacant(vacant) => {
                let lead = Lead::take(&self.table, key)?;
                drop(vacant.insert(HashMap::default()));
                Some(lead)
            }
        }
    }

    /// Queries waiting now.
    pub fn waiting(&self) -> usize {
        self.table.waiting.total.load(Relaxed)
    }

    /// Questions being asked now.
    pub fn questions(&self) -> usize {
        self.table.questions.len()
    }
}

/// The duty to find one question's outcome.
pub struct Lead<O: Clone> {
    key: Box<Key>,
    /// Taken when finished.
    table: Option<Arc<Table<O>>>,
}

impl<O: Clone> Lead<O> {
    /// For a question that is about to have an entry: whoever finishes it takes that away, and counts down.
    fn take(table: &Arc<Table<O>>, key: &Key) -> Option<Self> {
        let count = |asked: usize| (asked < table.waiting.limits.total).then_some(asked + 1);
        table.asked.fetch_update(Relaxed, Relaxed, count).ok()?;
        Some(Lead { key: Box::new(*key), table: Some(table.clone()) })
    }

    /// The question.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Ends the question and hands everybody the outcome.
    pub fn finish(mut self, outcome: O) {
        if let Some(table) = self.table.take() {
            table.finish(&self.key, outcome);
        }
    }
}

impl<O: Clone> Drop for Lead<O> {
    fn drop(&mut self) {
        if let Some(table) = self.table.take() {
            let abandoned = table.abandoned.clone();
            table.finish(&self.key, abandoned);
        }
    }
}

impl<O: Clone> Table<O> {
    fn finish(&self, key: &Key, outcome: O) {
        // Woken after the lock is given back.
        let Some((_, waiters)) = self.questions.remove(key) else { return };
        self.asked.fetch_sub(1, Relaxed);
        for (_, sender) in waiters {
            // A waiter that gave up has dropped its end.
            drop(sender.send(outcome.clone()));
        }
    }
}

/// One waiter's end: a future of the outcome. Dropped, its place is free again.
pub struct Receiver<O> {
    outcome: oneshot::Receiver<O>,
    abandoned: O,
    _permit: Permit,
}

impl<O: Clone + Unpin> Future for Receiver<O> {
    type Output = O;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<O> {
        let this = &mut *self;
        Pin::new(&mut this.outcome).poll(context).map(|outcome| outcome.unwrap_or_else(|_| this.abandoned.clone()))
    }
}

/// Counts of the waiting.
struct Waiting {
    limits: Limits,
    total: AtomicUsize,
    clients: DashMap<IpAddr, usize, ahash::RandomState>,
}

/// One place among the waiting.
struct Permit {
    waiting: Arc<Waiting>,
    client: IpAddr,
}

impl Waiting {
    fn admit(waiting: &Arc<Self>, client: IpAddr) -> Option<Permit> {
        if waiting.total.fetch_add(1, Relaxed) >= waiting.limits.total {
            waiting.total.fetch_sub(1, Relaxed);
            return None;
        }
        let mut count = waiting.clients.entry(client).or_insert(0);
        if *count >= waiting.limits.per_client {
            let unused = *count == 0;
            drop(count);
            if unused {
                waiting.clients.remove_if(&client, |_, count| *count == 0);
            }
            waiting.total.fetch_sub(1, Relaxed);
            return None;
        }
        *count += 1;
        drop(count);
        Some(Permit { waiting: waiting.clone(), client })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.waiting.total.fetch_sub(1, Relaxed);
        self.waiting.clients.remove_if_mut(&self.client, |_, count| {
            *count -= 1;
            *count == 0
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::FoldedName;

    const ABANDONED: u32 = 666;

    fn key(qtype: u16) -> Key {
        Key { name: FoldedName::fold(b"\x07example\x00"), qtype, qclass: 1, dnssec_ok: false, checking_disabled: false }
    }

    fn client(host: u8, id: u16) -> Waiter {
        (SocketAddr::from(([10, 0, 0, host], 40_000)), id)
    }

    fn inflight(per_client: usize, total: usize) -> Inflight<u32> {
        Inflight::new(Limits { per_client, total }, ABANDONED)
    }

    #[tokio::test]
    async fn of_a_thousand_one_leads_and_all_get_the_outcome() {
        let inflight = inflight(1_000, 10_000);
        let mut lead = None;
        let mut receivers = Vec::new();
        for id in 0..1_000 {
            match inflight.join(&key(1), client(1, id)) {
                Joined::Leader(first, receiver) => {
                    assert!(lead.replace(first).is_none(), "one lead only");
                    receivers.push(receiver);
                }
                Joined::Follower(receiver) => receivers.push(receiver),
                Joined::Duplicate | Joined::Overload => panic!("neither"),
            }
        }
        assert!(matches!(inflight.join(&key(28), client(2, 1)), Joined::Leader(..)), "another question, another lead");
        lead.unwrap().finish(7);
        assert_eq!(receivers.len(), 1_000);
        for receiver in receivers {
            assert_eq!(receiver.await, 7);
        }
        assert_eq!((inflight.waiting(), inflight.questions()), (0, 0));
    }

    #[tokio::test]
    async fn a_lead_that_dies_abandons_everybody_and_nobody_inherits() {
        let inflight = inflight(10, 10);
        let Joined::Leader(lead, first) = inflight.join(&key(1), client(1, 1)) else { panic!("first") };
        let Joined::Follower(second) = inflight.join(&key(1), client(2, 1)) else { panic!("second") };
        drop(lead);
        assert_eq!((first.await, second.await), (ABANDONED, ABANDONED));
        assert!(matches!(inflight.join(&key(1), client(3, 1)), Joined::Leader(..)));
    }

    #[tokio::test]
    async fn a_follower_that_leaves_hurts_nobody_and_may_come_back() {
        let inflight = inflight(10, 10);
        let Joined::Leader(lead, first) = inflight.join(&key(1), client(1, 1)) else { panic!("first") };
        let Joined::Follower(second) = inflight.join(&key(1), client(2, 1)) else { panic!("second") };
        drop(second);
        assert_eq!(inflight.waiting(), 1);
        let Joined::Follower(again) = inflight.join(&key(1), client(2, 1)) else { panic!("back") };
        lead.finish(5);
        assert_eq!((first.await, again.await), (5, 5));
    }

    #[test]
    fn a_retransmission_joins_once() {
        let inflight = inflight(10, 10);
        let _leader = inflight.join(&key(1), client(1, 1));
        assert!(matches!(inflight.join(&key(1), client(1, 1)), Joined::Duplicate));
        assert!(matches!(inflight.join(&key(1), client(1, 2)), Joined::Follower(_)));
        assert_eq!(inflight.waiting(), 1, "a duplicate holds no place; the follower was dropped");
    }

    #[test]
    fn bounds_hold_per_client_and_in_all_and_places_come_back() {
        let inflight = inflight(2, 3);
        let first = [inflight.join(&key(1), client(1, 1)), inflight.join(&key(1), client(1, 2))];
        assert!(matches!(inflight.join(&key(28), client(1, 3)), Joined::Overload));
        let third = inflight.join(&key(1), client(2, 1));
        assert!(matches!(third, Joined::Follower(_)));
        assert!(matches!(inflight.join(&key(1), client(3, 1)), Joined::Overload));
        drop((first, third));
        assert_eq!(inflight.waiting(), 0);
        assert!(inflight.table.waiting.clients.is_empty(), "no trace of clients that left");
        assert!(matches!(inflight.join(&key(1), client(3, 1)), Joined::Leader(..)));
    }

    #[test]
    fn a_refresh_leads_without_waiting() {
        let inflight = inflight(2, 3);
        let lead = inflight.lead(&key(1)).unwrap();
        assert!(inflight.lead(&key(1)).is_none());
        assert!(matches!(inflight.join(&key(1), client(1, 1)), Joined::Follower(_)));
        lead.finish(1);
        assert!(inflight.lead(&key(1)).is_some());
    }

    #[test]
    fn questions_that_nobody_waits_for_any_more_are_bounded_too() {
        let inflight = inflight(10, 2);
        let mut leads = Vec::new();
        for qtype in [1, 28] {
            let Joined::Leader(lead, receiver) = inflight.join(&key(qtype), client(1, 1)) else { panic!("below the bound") };
            drop(receiver);
            leads.push(lead);
        }
        assert_eq!((inflight.waiting(), inflight.questions()), (0, 2));
        assert!(matches!(inflight.join(&key(16), client(1, 1)), Joined::Overload));
        assert!(inflight.lead(&key(16)).is_none());
        assert!(matches!(inflight.join(&key(28), client(1, 1)), Joined::Follower(_)), "what is asked may be joined");
        leads.pop();
        assert!(inflight.lead(&key(16)).is_some());
    }

    #[tokio::test]
    async fn no_follower_is_stranded_by_a_finish_on_another_thread() {
        let inflight = inflight(100_000, 100_000);
        let mut receivers = Vec::new();
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4_u8)
                .map(|host| {
                    let inflight = &inflight;
                    scope.spawn(move || {
                        let mut receivers = Vec::new();
                        for id in 0..5_000 {
                            match inflight.join(&key(1), client(host, id)) {
                                Joined::Leader(lead, receiver) => {
                                    receivers.push(receiver);
                                    lead.finish(3);
                                }
                                Joined::Follower(receiver) => receivers.push(receiver),
                                Joined::Duplicate | Joined::Overload => panic!("neither"),
                            }
                        }
                        receivers
                    })
                })
                .collect();
            threads.into_iter().for_each(|thread| receivers.extend(thread.join().unwrap()));
        });
        assert_eq!(receivers.len(), 20_000);
        for receiver in receivers {
            assert_eq!(receiver.await, 3);
        }
    }
}
