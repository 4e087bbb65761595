//! One configured set of servers, and what all groups of the process share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::discovery::Heard;
use super::estimate::Estimate;
use super::external::External;
use super::hedge::Budget;
use super::members::{Asked, Members};
use super::metrics::Metrics;
use super::notice::Notices;
use super::pulse::Pulse;
use super::secure::Secure;
use super::{Failure, FailureClass, Lane, Server, Timing, Trust, Twin, attempt};
use crate::wire::{Answer, Key};

/// CLASS of the Internet, and the types of its addresses.
const IN: u16 = 1;
const A: u16 = 1;
const AAAA: u16 = 28;

/// What a group is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupConfig {
    /// For logs and `/status`.
    pub name: String,
    /// At most 64 are used; of none, every question fails with [`FailureClass::NoRoute`].
    pub servers: Vec<Server>,
    /// Where the addresses of the pods behind the servers are found, which are asked as well.
    pub endpoints: Option<Twin>,
    /// Whose certificates are accepted, where a server has one.
    pub trust: Trust,
    /// Time limits.
    pub timing: Timing,
}

/// The process' bounds, shared by all groups, old and new: nodes × workers never multiply connections at CoreDNS.
#[derive(Debug)]
pub struct Bounds {
    /// By lane.
    connections: [Arc<Semaphore>; 2],
    /// By lane.
    udp: [Semaphore; 2],
    /// Pods that one group asks besides its servers.
    endpoints: usize,
    /// Groups made so far.
    groups: AtomicU32,
}

impl Bounds {
    /// Connections in the elastic lane unless configured otherwise.
    pub const CONNECTIONS: usize = 64;
    /// Questions in flight over UDP in each lane.
    pub const UDP_IN_FLIGHT: usize = 512;
    /// Pods that one group asks besides its servers, whatever the connections.
    const MOST_ENDPOINTS: usize = 16;

    /// `connections` in the elastic lane (the cluster lane has a quarter of that besides, at least 4), `udp_in_flight` questions over UDP in each.
    pub fn new(connections: usize, udp_in_flight: usize) -> Self {
        let permits = |count: usize| Semaphore::new(count.min(Semaphore::MAX_PERMITS));
        let [connections, udp] = Self::by_lane(connections, udp_in_flight);
        Bounds {
            // Each wants a connection in the cluster lane, and some want two.
            endpoints: (connections[Lane::Cluster as usize] / 2).min(Self::MOST_ENDPOINTS),
            connections: connections.map(permits).map(Arc::new),
            udp: udp.map(permits),
            groups: AtomicU32::default(),
        }
    }

    /// Sockets that may be open at once within these bounds: the connections of both lanes, and one for each of their questions over UDP.
    pub fn sockets(connections: usize, udp_in_flight: usize) -> usize {
        Self::by_lane(connections, udp_in_flight).as_flattened().iter().sum()
    }

    /// Connections, and questions over UDP.
    fn by_lane(connections: usize, udp_in_flight: usize) -> [[usize; 2]; 2] {
        [[(connections / 4).max(4), connections], [udp_in_flight; 2]]
    }

    pub(super) fn connections(&self, lane: Lane) -> &Arc<Semaphore> {
        &self.connections[lane as usize]
    }

    pub(super) fn udp(&self, lane: Lane) -> &Semaphore {
        &self.udp[lane as usize]
    }
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds::new(Self::CONNECTIONS, Self::UDP_IN_FLIGHT)
    }
}

/// One upstream group: its servers, lanes, connections and health. Dropped, its connections end once nobody waits on them.
pub struct Group {
    name: String,
    members: Members,
    pub(super) shared: Shared,
    /// Which of the process' groups this is.
    number: u32,
    /// Of the last exchange; `None`: it was answered.
    last_failure: Mutex<Option<FailureClass>>,
    notices: Mutex<Notices>,
}

/// What a group's parts share.
pub(super) struct Shared {
    pub(super) timing: Arc<Timing>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) pulse: Arc<Pulse>,
    pub(super) bounds: Arc<Bounds>,
    pub(super) tls: Arc<Secure>,
    pub(super) quic: Arc<Secure>,
    /// Of the cluster lane: the elastic lane takes slowness for no fault.
    cluster: Mutex<Estimate>,
    hedges: Mutex<Budget>,
    pub(super) external: External,
}

impl Shared {
    /// How long a stream of this lane may be silent.
    pub(super) fn silence(&self, lane: Lane) -> Option<Duration> {
        (lane == Lane::Cluster).then(|| self.cluster.lock().silence(self.timing.silence))
    }

    /// A server took this long to answer: without what was waited for others before, or one failure would make the next one last longer.
    pub(super) fn learn(&self, lane: Lane, latency: Duration) {
        if lane == Lane::Cluster {
            self.cluster.lock().record(latency);
        }
    }
}

impl Shared {
    /// How long a question of this lane waits for its answer before another server may be asked too: longer than nearly all take. `None`: it
    /// never may, as in the elastic lane, where a slow name is slow everywhere.
    pub(super) fn hedge_after(&self, lane: Lane) -> Option<Duration> {
        if lane != Lane::Cluster {
            return None;
        }
        self.hedges.lock().earn();
        self.cluster.lock().p99().map(|p99| p99.max(self.timing.hedge))
    }

    /// Takes from what may be asked twice.
    pub(super) fn may_hedge(&self) -> bool {
        self.hedges.lock().spend()
    }
}

impl Group {
    /// Opens nothing: connections are dialled when asked for.
    pub fn new(config: GroupConfig, bounds: Arc<Bounds>, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Group {
            name: config.name,
            members: Members::new(config.servers, config.endpoints, bounds.endpoints),
            number: bounds.groups.fetch_add(1, Relaxed),
            last_failure: Mutex::default(),
            notices: Mutex::default(),
            shared: Shared {
                timing: Arc::new(config.timing),
                metrics,
                pulse: Arc::new(Pulse::new(Instant::now().into_std())),
                bounds,
                tls: Arc::new(Secure::over_tcp(config.trust.clone())),
                quic: Arc::new(Secure::over_quic(config.trust)),
                cluster: Mutex::new(Estimate::new()),
                hedges: Mutex::default(),
                external: External::default(),
            },
        })
    }

    /// The configured name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The servers, in the configured order.
    pub fn servers(&self) -> &[Server] {
        self.members.configured()
    }

    /// The pods found behind the servers, which are asked as well; none unless [`GroupConfig::endpoints`] says where to look.
    pub fn endpoints(&self) -> Vec<Server> {
        self.members.found()
    }

    /// Whether external names are asked of the TCP servers over UDP, because over TCP they fail.
    pub fn external_over_udp(&self) -> bool {
        self.shared.external.over_udp()
    }

    /// Finds out whether external names fail over TCP alone, and if so asks for them over UDP from now on. Whether they are.
    pub async fn weigh_external(&self) -> bool {
        let now = Instant::now().into_std();
        let changed = self.shared.external.weigh(self.servers(), &self.shared, now).await;
        match (changed, self.external_over_udp()) {
            (true, true) => tracing::warn!(
                upstream = self.name,
                "external names fail over TCP and succeed over UDP: asked over UDP from now on; the upstream's own upstream takes no TCP, \
                 set `prefer_udp` in CoreDNS' forward block"
            ),
            (true, false) => tracing::info!(upstream = self.name, "external names succeed over TCP: asked over TCP again"),
            (false, _) => {}
        }
        self.external_over_udp()
    }

    /// Asks once, with the retries the design allows, within [`Timing::exchange`]. Must be called inside a tokio runtime; connections are
    /// shared by callers on different runtimes, and each lives on the runtime of the caller that dialled it.
    ///
    /// # Errors
    /// The class of the last failure; `rcode` is the server's own where it gave one, else SERVFAIL.
    pub async fn exchange(self: &Arc<Self>, key: &Key, lane: Lane) -> Result<Answer, Failure> {
        self.look_if_due();
        let outcome = self.ask(key, lane).await;
        if lane == Lane::Elastic {
            self.note_external(outcome.as_ref().err());
        }
        outcome
    }

    /// A question is the only clock: who is asked nothing looks for nothing.
    fn look_if_due(self: &Arc<Self>) {
        if let Some(twin) = self.members.due() {
            drop(tokio::spawn(Arc::clone(self).look(twin.clone())));
        }
    }

    fn note_external(self: &Arc<Self>, failure: Option<&Failure>) {
        let class = failure.map(|failure| failure.class);
        if self.may_go_over_udp() && self.shared.external.note(class, Instant::now().into_std()) {
            let group = Arc::clone(self);
            drop(tokio::spawn(async move { group.weigh_external().await }));
        }
    }

    fn may_go_over_udp(&self) -> bool {
        self.servers().iter().any(|server| matches!(server, Server::Tcp(_)))
    }

    /// Whom an exchange that begins now asks.
    pub(super) fn asked(&self) -> Asked<'_> {
        self.members.asked(&self.shared)
    }

    /// Asks for the addresses of the pods behind the servers.
    pub(super) async fn look(self: Arc<Self>, twin: Twin) {
        let (mut addresses, mut ttl) = (Vec::new(), Duration::MAX);
        for (qtype, is_v4) in [(A, true), (AAAA, false)] {
            if self.servers().iter().all(|server| server.address().is_ipv4() != is_v4) {
                continue;
            }
            let key = Key { name: (&twin.name).into(), qtype, qclass: IN, dnssec_ok: false, checking_disabled: false };
            let Ok(answer) = self.ask(&key, Lane::Cluster).await else {
                self.members.learn(&Heard::Nothing);
                return;
            };
            ttl = ttl.min(Duration::from_secs(answer.ttl.into()));
            addresses.extend(answer.addresses());
        }
        if self.members.learn(&Heard::Addresses(addresses, ttl)) {
            let endpoints: Vec<String> = self.endpoints().iter().map(ToString::to_string).collect();
            tracing::info!(upstream = self.name, endpoints = endpoints.join(", "), "asking these besides the servers");
        }
    }

    async fn ask(&self, key: &Key, lane: Lane) -> Result<Answer, Failure> {
        let asked = Instant::now();
        let outcome = attempt::run(&self.asked(), key, lane).await;
        *self.last_failure.lock() = outcome.as_ref().err().map(|failure| failure.class);
        match &outcome {
            Ok(_) => {
                self.shared.pulse.succeeded();
                self.shared.metrics.answered(lane, asked.elapsed());
            }
            Err(failure) => {
                self.shared.metrics.failed(failure.class);
                let out = failure.class.is_connectivity() && self.members.all_fail();
                if out {
                    self.shared.pulse.all_failed(Instant::now().into_std());
                }
                self.tell(failure.class, out);
            }
        }
        outcome
    }

    fn tell(&self, class: FailureClass, out: bool) {
        if let Some(kept_back) = self.notices.lock().weigh(class, out, Instant::now().into_std()) {
            tracing::warn!(upstream = self.name, kind = class.label(), out, kept_back, "an upstream fails: {}", class.meaning());
        }
    }

    /// Moves at the first success after an outage: an exchange that failed while every server was failing. No two groups have the same:
    /// what failed with one says nothing of another in its place.
    pub fn outage_epoch(&self) -> u32 {
        (self.number << 16).wrapping_add(self.shared.pulse.outage_epoch())
    }

    /// Whether there is an outage now.
    pub fn is_out(&self) -> bool {
        self.shared.pulse.is_out()
    }

    /// Whether there is one whose last failure is at most 5 s old: expired answers need not wait for another.
    pub fn out_lately(&self, now: std::time::Instant) -> bool {
        self.shared.pulse.out_lately(now)
    }

    /// Since when no server is heard because this node does not get through to any; `None`: one was heard, or nothing has been asked.
    pub fn unreached_since(&self) -> Option<std::time::Instant> {
        self.shared.pulse.unreached_since()
    }

    /// Why the last exchange failed; `None`: it was answered, or nothing has been asked.
    pub fn last_failure(&self) -> Option<FailureClass> {
        *self.last_failure.lock()
    }

    /// Why the last TLS handshake with one of the servers failed, for people; `None`: it did not.
    pub fn tls_refusal(&self) -> Option<String> {
        self.shared.tls.refusal().or_else(|| self.shared.quic.refusal())
    }

    /// Nothing was heard from any server for 1 s although one was asked: cluster names may be served stale.
    pub fn silent(&self, now: std::time::Instant) -> bool {
        self.shared.pulse.silent(now)
    }

    /// The same, and the silence began at most 5 s ago: nobody need wait for another second of it.
    pub fn silent_lately(&self, now: std::time::Instant) -> bool {
        self.shared.pulse.silent_lately(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_sockets_are_counted_as_there_are_permits_for() {
        for (connections, udp_in_flight) in [(1, 1), (16, 512), (64, 512), (1_000_000, 512)] {
            let bounds = Bounds::new(connections, udp_in_flight);
            let permits = |lane: &Lane| bounds.connections(*lane).available_permits() + bounds.udp(*lane).available_permits();
            assert_eq!(Bounds::sockets(connections, udp_in_flight), Lane::ALL.iter().map(permits).sum::<usize>());
        }
    }
}
