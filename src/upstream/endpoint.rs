//! One server: its health, its connections by lane, and whether it dislikes OPT.

use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::attempt::Ask;
use super::connection::{Connection, Dial, Slot, Target};
use super::failure::Lost;
use super::group::Shared;
use super::lane::{Look, Place, behind_young_head, place_alone, place_cluster, place_elastic, place_multiplexed};
use super::select::Standing;
use super::{FailureClass, Lane, Server, Transport, dial, quic, udp};
use crate::wire::{Answer, Key, SentOpt};

pub(super) struct Endpoint {
    server: Server,
    standing: Mutex<Standing>,
    /// By lane.
    pools: [Pool; 2],
    without_opt_until: Mutex<Option<Instant>>,
    /// When it last answered anything.
    heard_at: Mutex<Option<Instant>>,
}

/// The connections of one lane.
#[derive(Default)]
struct Pool {
    connections: Mutex<Vec<Arc<Connection>>>,
    /// When one was last dialled that no question waits for.
    dialled_ahead: Mutex<Option<Instant>>,
    /// A place on one of them has come free.
    freed: Arc<Notify>,
}

/// Counts a question in flight while it lives.
pub(super) struct InFlight<'a>(&'a Mutex<Standing>, Lane);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.lock().leave(self.1);
    }
}

enum Way {
    Connection(Arc<Connection>, Slot),
    /// No place.
    Nowhere {
        /// One more connection would be dialled if the process had room for it.
        dial: bool,
    },
}

impl Endpoint {
    pub(super) fn new(server: Server) -> Self {
        Endpoint {
            server,
            standing: Mutex::default(),
            pools: Default::default(),
            without_opt_until: Mutex::default(),
            heard_at: Mutex::default(),
        }
    }

    pub(super) fn server(&self) -> &Server {
        &self.server
    }

    pub(super) fn standing(&self) -> Standing {
        *self.standing.lock()
    }

    pub(super) fn choose(&self, lane: Lane, now: Instant) -> InFlight<'_> {
        let mut standing = self.standing.lock();
        standing.chosen(now.into_std());
        standing.enter(lane);
        InFlight(&self.standing, lane)
    }

    pub(super) fn answered(&self, lane: Lane, asked: Instant, now: Instant) {
        *self.heard_at.lock() = Some(now);
        self.standing.lock().answered(lane, now.saturating_duration_since(asked), now.into_std());
    }

    pub(super) fn succeed(&self, now: Instant) {
        *self.heard_at.lock() = Some(now);
        self.standing.lock().succeed();
    }

    pub(super) fn fail(&self, now: Instant) {
        self.standing.lock().fail(now.into_std());
    }

    /// FORMERR or NOTIMP came to a query with OPT: none is sent for a while.
    pub(super) fn dislikes_opt(&self, until: Instant) {
        *self.without_opt_until.lock() = Some(until);
    }

    /// Whether a question to this server carries OPT: over UDP always, over encrypted transports as padding, over TCP only for DO (it would say nothing
    /// else).
    pub(super) fn sends_opt(&self, key: &Key, now: Instant) -> bool {
        (!matches!(self.server, Server::Tcp(_)) || key.dnssec_ok) && self.takes_opt(now)
    }

    fn takes_opt(&self, now: Instant) -> bool {
        !self.without_opt_until.lock().is_some_and(|until| now < until)
    }

    /// One attempt over the server's own transport; over TCP where UDP was truncated.
    pub(super) async fn ask(&self, shared: &Shared, ask: &Ask<'_>) -> Result<Answer, Lost> {
        let external_over_udp = ask.lane == Lane::Elastic && shared.external.over_udp();
        match self.server {
            Server::Tcp(_) if !external_over_udp => self.over_connection(shared, ask, Transport::Tcp, true).await,
            Server::Udp(address) | Server::Tcp(address) => match self.over_udp(shared, ask, address).await {
                // Never cached, asked again over TCP (RFC 1035 §7.4).
                Err(Lost::Truncated) => self.over_connection(shared, ask, Transport::Tcp, false).await,
                outcome => outcome,
            },
            // Who asks for encryption gets no answer rather than one in the clear: nothing overflows to UDP.
            Server::Tls(..) => self.over_connection(shared, ask, Transport::Tls, false).await,
            Server::Quic(..) => self.over_connection(shared, ask, Transport::Quic, false).await,
        }
    }

    async fn over_udp(&self, shared: &Shared, ask: &Ask<'_>, address: SocketAddr) -> Result<Answer, Lost> {
        let bound = shared.bounds.udp(ask.lane);
        let _permit = match bound.try_acquire() {
            Ok(permit) => permit,
            // As for a connection; other servers share this bound. On the heap, for it is rare.
            Err(_) => match Box::pin(timeout_at(until_half(shared, ask), bound.acquire())).await {
                Ok(Ok(permit)) => permit,
                _ => return Err(Lost::Failed(FailureClass::Overload)),
            },
        };
        shared.metrics.attempted(Transport::Udp, ask.lane);
        let opt = if !ask.without_opt && self.takes_opt(Instant::now()) { SentOpt::Bare } else { SentOpt::Absent };
        let exchange = pin!(udp::ask(address, ask.key, opt, ask.deadline, &shared.timing, (&shared.pulse, &shared.metrics)));
        self.unless_silent(ask, ask.silence.unwrap_or(shared.timing.patience), true, exchange).await
    }

    /// Waits on while the server answers others: this name is slow by itself. One that has fallen silent is left for another after `patience`.
    /// `suspect`: that it answers nobody is enough, else something else must have shown that it fails.
    async fn unless_silent<T>(
        &self,
        ask: &Ask<'_>,
        patience: Duration,
        suspect: bool,
        mut exchange: Pin<&mut impl Future<Output = Result<T, Lost>>>,
    ) -> Result<T, Lost> {
        let mut look_at = Instant::now() + patience;
        while ask.others && look_at < ask.deadline {
            if let Ok(outcome) = timeout_at(look_at, &mut exchange).await {
                return outcome;
            }
            let heard = self.heard_at.lock().is_some_and(|heard| look_at.saturating_duration_since(heard) < patience / 2);
            if !heard && (suspect || self.standing().is_failing()) {
                return Err(Lost::Failed(FailureClass::QueryTimeout));
            }
            look_at += patience / 4;
        }
        exchange.await
    }

    async fn over_connection(&self, shared: &Shared, ask: &Ask<'_>, transport: Transport, overflow: bool) -> Result<Answer, Lost> {
        let (connection, slot) = match self.place(shared, ask) {
            Way::Connection(connection, slot) => (connection, slot),
            Way::Nowhere { dial } => {
                if overflow && shared.bounds.udp(ask.lane).available_permits() > 0 {
                    shared.metrics.overflowed();
                    // On the heap: one lives in every exchange's future otherwise.
                    match Box::pin(self.over_udp(shared, ask, self.server.address())).await {
                        Err(Lost::Truncated) => {}
                        outcome => return outcome,
                    }
                }
                match self.squeeze_in(shared, ask) {
                    Some(place) => place,
                    None => self.wait_for_place(shared, ask, dial).await.ok_or(Lost::Failed(FailureClass::Overload))?,
                }
            }
        };
        shared.metrics.attempted(transport, ask.lane);
        let opt = match transport {
            _ if ask.without_opt || !self.takes_opt(Instant::now()) => SentOpt::Absent,
            Transport::Tls | Transport::Quic => SentOpt::Padded,
            _ if ask.key.dnssec_ok => SentOpt::Bare,
            _ => SentOpt::Absent,
        };
        let exchange = pin!(self.exchange(ask, opt, connection, slot));
        // Where the cluster lane has found the server silent, so it is for the questions that have no such rule.
        self.unless_silent(ask, shared.timing.patience, false, exchange).await
    }

    /// Over this connection; while it is still being dialled, over another of the elastic lane that falls idle. Ends with the exchange at the
    /// latest, which has a timer of its own.
    async fn exchange(&self, ask: &Ask<'_>, opt: SentOpt, mut connection: Arc<Connection>, slot: Slot) -> Result<Answer, Lost> {
        let freed = &self.pool(ask.lane).freed;
        let mut answer = connection.ask(ask, opt, slot);
        while ask.lane == Lane::Elastic && !ask.alone && !connection.look().established {
            tokio::select! {
                biased;
                outcome = &mut answer => return outcome.unwrap_or(Err(Lost::Closed)),
                () = freed.notified() => {
                    if !connection.look().established {
                        let Some((idle, slot)) = self.idle(ask.lane) else { continue };
                        answer = idle.ask(ask, opt, slot);
                        connection = idle;
                    }
                    // One of those who wait is told of all that have come free.
                    freed.notify_one();
                }
            }
        }
        // Of a task that died with its runtime nothing comes.
        answer.await.unwrap_or(Err(Lost::Closed))
    }

    fn idle(&self, lane: Lane) -> Option<(Arc<Connection>, Slot)> {
        let pool = self.pool(lane).connections.lock();
        let idle = pool.iter().rev().find(|connection| {
            let look = connection.look();
            look.established && look.in_flight == 0 && !connection.is_closing()
        })?;
        let slot = idle.reserve(Instant::now());
        Some((idle.clone(), slot))
    }

    /// Finds the connection, or dials it; all under one short lock.
    fn place(&self, shared: &Shared, ask: &Ask<'_>) -> Way {
        let mut pool = self.pool(ask.lane).connections.lock();
        pool.retain(|connection| !connection.is_closing());
        let looks: Vec<Look> = pool.iter().map(|connection| connection.look()).collect();
        let now = Instant::now();
        let place = match ask.lane {
            _ if matches!(self.server, Server::Quic(..)) => place_multiplexed(&looks),
            lane if ask.alone => place_alone(lane, &looks),
            Lane::Cluster => place_cluster(&looks),
            Lane::Elastic => place_elastic(&looks, self.reorders(), &shared.timing, now.into_std()),
        };
        let connection = match place {
            Place::Use(index) => pool[index].clone(),
            Place::UseAndDial(index) => {
                if self.may_dial_ahead(shared, ask.lane, now)
                    && let Ok(permit) = shared.bounds.connections(ask.lane).clone().try_acquire_owned()
                {
                    pool.push(self.dial(shared, ask, permit));
                }
                pool[index].clone()
            }
            Place::Overflow => return Way::Nowhere { dial: false },
            Place::Dial { or } => match (shared.bounds.connections(ask.lane).clone().try_acquire_owned(), or) {
                (Ok(permit), _) => {
                    pool.push(self.dial(shared, ask, permit));
                    pool[pool.len() - 1].clone()
                }
                (Err(_), Some(index)) => pool[index].clone(),
                (Err(_), None) => return Way::Nowhere { dial: true },
            },
        };
        let slot = connection.reserve(now);
        Way::Connection(connection, slot)
    }

    /// Whether the server has answered out of order on a connection of the cluster lane, where questions are pipelined anyway.
    fn reorders(&self) -> bool {
        self.pools[Lane::Cluster as usize].connections.lock().iter().any(|connection| connection.look().multiplexes)
    }

    /// A server that takes no further connection is not to be asked for one with every question.
    fn may_dial_ahead(&self, shared: &Shared, lane: Lane, now: Instant) -> bool {
        let mut last = self.pool(lane).dialled_ahead.lock();
        let may = last.is_none_or(|last| now >= last + shared.timing.redial);
        if may {
            *last = Some(now);
        }
        may
    }

    /// All connections there may be are in use: waits until one has a place or, where `dial`, another may be dialled. Where there are other
    /// servers that do not fail, they are asked instead.
    async fn wait_for_place(&self, shared: &Shared, ask: &Ask<'_>, mut dial: bool) -> Option<(Arc<Connection>, Slot)> {
        if ask.others_well {
            return None;
        }
        let until = until_half(shared, ask);
        let pool = self.pool(ask.lane);
        loop {
            tokio::select! {
                permit = shared.bounds.connections(ask.lane).clone().acquire_owned(), if dial => {
                    let connection = self.dial(shared, ask, permit.ok()?);
                    let slot = connection.reserve(Instant::now());
                    pool.connections.lock().push(connection.clone());
                    return Some((connection, slot));
                }
                () = pool.freed.notified() => match self.place(shared, ask) {
                    Way::Connection(connection, slot) => {
                        // One of those who wait is told of all that have come free.
                        pool.freed.notify_one();
                        return Some((connection, slot));
                    }
                    Way::Nowhere { dial: may } => dial = may,
                },
                () = sleep_until(until) => return None,
            }
        }
    }

    fn dial(&self, shared: &Shared, ask: &Ask<'_>, permit: OwnedSemaphorePermit) -> Arc<Connection> {
        Arc::new(Connection::dial(Dial {
            target: self.target(shared),
            timing: shared.timing.clone(),
            metrics: shared.metrics.clone(),
            pulse: shared.pulse.clone(),
            jitter: rand::random_range(0.8..1.2),
            permit,
            alone: ask.alone,
            freed: self.pool(ask.lane).freed.clone(),
        }))
    }

    fn target(&self, shared: &Shared) -> Target {
        let address = self.server.address();
        match &self.server {
            Server::Udp(_) | Server::Tcp(_) => Target::Stream(dial::Target { address, tls: None }),
            Server::Tls(_, name) => Target::Stream(dial::Target { address, tls: Some((shared.tls.clone(), name.clone())) }),
            Server::Quic(_, name) => Target::Quic(quic::Target { address, secure: shared.quic.clone(), name: name.clone() }),
        }
    }

    /// The lanes never share a connection, but where no question can stand in another's way.
    fn pool(&self, lane: Lane) -> &Pool {
        let lane = if matches!(self.server, Server::Quic(..)) { Lane::Elastic } else { lane };
        &self.pools[lane as usize]
    }

    fn squeeze_in(&self, shared: &Shared, ask: &Ask<'_>) -> Option<(Arc<Connection>, Slot)> {
        let pool = self.pool(ask.lane).connections.lock();
        let looks: Vec<Look> = pool.iter().map(|connection| connection.look()).collect();
        let now = Instant::now();
        let connection = pool[behind_young_head(&looks, shared.timing.young_head, now.into_std())?].clone();
        let slot = connection.reserve(now);
        Some((connection, slot))
    }
}

/// Until when a question waits for a place: half an exchange is left for the answer.
fn until_half(shared: &Shared, ask: &Ask<'_>) -> Instant {
    ask.deadline - shared.timing.exchange / 2
}
