//! One question out, one checked answer in.
//!
//! A [`Group`] is one configured set of servers, and the addresses found behind them (`discovery`, pure, and `members`); external names may
//! go another way than those of the cluster (`external`).
//! [`Group::exchange`] walks: `attempt` (how often, where next) → `select` (which server, pure) → `endpoint` (its health, its OPT memory) →
//! `lane` (which connection, pure) → `connection`, `dial` and `stream`, or `quic` and `quic_socket`, or `udp` (bytes). Every failure is named
//! once, where it happens, in `failure`.
//!
//! CoreDNS answers one TCP connection serially, so the two lanes differ: cluster names, answered from the upstream's memory, pipeline on a
//! few connections; every other name gets a connection to itself, unless the server is seen to answer out of order. Silence is a fault;
//! slowness is not.

mod attempt;
mod connection;
mod dial;
mod discovery;
mod endpoint;
mod estimate;
mod external;
mod failure;
mod group;
mod hedge;
mod lane;
mod members;
mod metrics;
mod notice;
mod pulse;
mod quic;
mod quic_socket;
mod secure;
mod select;
mod server;
mod stream;
#[cfg(test)]
mod tests;
mod timing;
mod trust;
mod udp;

pub use discovery::Twin;
pub use failure::{Failure, FailureClass};
pub use group::{Bounds, Group, GroupConfig};
pub use lane::Lane;
pub use metrics::{HistogramSnapshot, Metrics, Snapshot, Transport};
pub use server::{AuthName, Server};
pub use timing::Timing;
pub use trust::{Pin, Trust};
