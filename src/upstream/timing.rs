//! How long things may take.

use std::time::Duration;

/// Every time limit of the room. The defaults are what production uses; tests shorten them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timing {
    /// One exchange, all attempts together: below a stub resolver's 5 s.
    pub exchange: Duration,
    /// One TCP dial; several fit into an exchange.
    pub dial: Duration,
    /// Pause before the only server is dialled again after an immediate refusal.
    pub redial: Duration,
    /// Floor of the silence rule in the cluster lane; the other bound is four times the lane's 99th percentile.
    pub silence: Duration,
    /// Floor of how long the cluster lane waits before it asks another server too; the other bound is the lane's 99th percentile.
    pub hedge: Duration,
    /// A query over UDP is sent a second time after this long without an answer, a third time after twice as long again.
    pub udp_resend: Duration,
    /// After this long a query goes to another server, if there is one and this one has fallen silent: for half as long it has answered nobody.
    /// In the cluster lane the silence rule says how long.
    pub patience: Duration,
    /// How old the oldest query on a serial connection may be for another to be put behind it.
    pub young_head: Duration,
    /// An idle connection is closed after this long: before CoreDNS closes it at 10 s.
    pub idle: Duration,
    /// A connection's age at retirement, ± 20 %: load follows scale-outs.
    pub age: Duration,
    /// TCP_USER_TIMEOUT: unacknowledged for this long, the peer has vanished.
    pub vanished: Duration,
    /// How long it is remembered that a server dislikes OPT.
    pub without_opt: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Timing {
            exchange: Duration::from_secs(4),
            dial: Duration::from_secs(1),
            redial: Duration::from_millis(100),
            silence: Duration::from_millis(500),
            hedge: Duration::from_millis(5),
            udp_resend: Duration::from_millis(750),
            patience: Duration::from_secs(2),
            young_head: Duration::from_millis(20),
            idle: Duration::from_secs(8),
            age: Duration::from_secs(300),
            vanished: Duration::from_millis(1_500),
            without_opt: Duration::from_secs(15 * 60),
        }
    }
}
