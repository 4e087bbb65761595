//! One configured set of servers, and what all groups of the process share.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::endpoint::Endpoint;
use super::estimate::Estimate;
use super::hedge::Budget;
use super::metrics::Metrics;
use super::notice::Notices;
use super::pulse::Pulse;
use super::secure::Secure;
use super::{Failure, FailureClass, Lane, Server, Timing, Trust, attempt};
use crate::lifecycle::Unreached;
use crate::wire::{Answer, Key};

/// Servers of one group beyond which the rest is not used.
const MOST_SERVERS: usize = 64;

/// What a group is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupConfig {
    /// For logs and `/status`.
    pub name: String,
    /// At most 64 are used; of none, every question fails with [`FailureClass::NoRoute`].
    pub servers: Vec<Server>,
    /// Whose certificates are accepted, where a server has one.
    pub trust: Trust,
    /// Time limits.
    pub timing: Timing,
}

/// The process' bounds, shared by all groups, old and new: nodes × workers never multiply connections at CoreDNS.
#[derive(Debug)]
pub struct Bounds {
    lanes: [Arc<Semaphore>; 2],
    pub(super) udp: Semaphore,
}

impl Bounds {
    /// Elastic connections unless configured otherwise.
    pub const CONNECTIONS: usize = 64;
    /// Questions in flight over UDP unless configured otherwise.
    pub const UDP_IN_FLIGHT: usize = 512;

    /// `connections` in the elastic lane (the cluster lane has a quarter of that besides, at least 4), `udp_in_flight` questions over UDP.
    pub fn new(connections: usize, udp_in_flight: usize) -> Self {
        let permits = |count: usize| Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS)));
        Bounds {
            lanes: [permits((connections / 4).max(4)), permits(connections)],
            udp: Semaphore::new(udp_in_flight.min(Semaphore::MAX_PERMITS)),
        }
    }

    pub(super) fn connections(&self, lane: Lane) -> &Arc<Semaphore> {
        &self.lanes[lane as usize]
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
    servers: Vec<Server>,
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) shared: Shared,
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
}

impl Shared {
    /// How long a stream of this lane may be silent.
    pub(super) fn silence(&self, lane: Lane) -> Option<Duration> {
        (lane == Lane::Cluster).then(|| self.cluster.lock().silence(self.timing.silence))
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
        let servers: Vec<Server> = config.servers.into_iter().take(MOST_SERVERS).collect();
        Arc::new(Group {
            name: config.name,
            endpoints: servers.iter().cloned().map(Endpoint::new).collect(),
            servers,
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
            },
        })
    }

    /// The configured name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The servers, in the configured order.
    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// Asks once, with the retries the design allows, within [`Timing::exchange`]. Must be called inside a tokio runtime; connections are
    /// shared by callers on different runtimes, and each lives on the runtime of the caller that dialled it.
    ///
    /// # Errors
    /// The class of the last failure; `rcode` is the server's own where it gave one, else SERVFAIL.
    pub async fn exchange(&self, key: &Key, lane: Lane) -> Result<Answer, Failure> {
        let asked = Instant::now();
        let outcome = attempt::run(self, key, lane).await;
        *self.last_failure.lock() = outcome.as_ref().err().map(|failure| failure.class);
        match &outcome {
            Ok(_) => {
                let latency = asked.elapsed();
                self.shared.pulse.succeeded();
                self.shared.metrics.answered(lane, latency);
                if lane == Lane::Cluster {
                    self.shared.cluster.lock().record(latency);
                }
            }
            Err(failure) => {
                self.shared.metrics.failed(failure.class);
                let all_fail = || self.endpoints.iter().all(|endpoint| endpoint.standing().is_failing());
                let out = failure.class.is_connectivity() && all_fail();
                if out {
                    self.shared.pulse.all_failed();
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

    /// Moves at the first success after an outage: an exchange that failed while every server was failing.
    pub fn outage_epoch(&self) -> u32 {
        self.shared.pulse.outage_epoch()
    }

    /// Whether there is an outage now.
    pub fn is_out(&self) -> bool {
        self.shared.pulse.is_out()
    }

    /// Since when no server is heard because this node does not get through to any; `None`: one was heard, or nothing has been asked.
    pub fn unreached(&self) -> Option<Unreached> {
        self.shared.pulse.unreached()
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
}
