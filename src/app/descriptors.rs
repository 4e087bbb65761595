//! File descriptors: as many as may be had, and a word where they will not do for what the configuration allows.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};

use crate::config::Config;
use crate::upstream::Bounds;

/// Of each worker on each address: a datagram socket, a listener and its duplicate.
const SOCKETS: usize = 3;
/// Of each worker besides: its runtime.
const RUNTIME: usize = 4;
/// The control thread, health pages, the API server, the file, the log.
const OTHERS: usize = 64;

/// How many there may be, and how many the configuration may come to need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Descriptors {
    /// `None`: without a limit.
    limit: Option<u64>,
    needed: u64,
}

impl Descriptors {
    /// Raises this process' limit as far as it goes without a privilege: runtimes start containers with 1,024 and allow many more.
    pub(super) fn raise(config: &Config) -> Self {
        let given = getrlimit(Resource::Nofile);
        let raised = setrlimit(Resource::Nofile, Rlimit { current: given.maximum, maximum: given.maximum });
        let descriptors = Self { limit: if raised.is_ok() { given.maximum } else { given.current }, needed: needed(config) };
        if let Some(limit) = descriptors.short_of() {
            tracing::warn!(
                limit,
                needed = descriptors.needed,
                "too few file descriptors for all the connections that `limits` allows: new TCP connections will wait at the worst moment; \
                 raise the hard limit (RLIMIT_NOFILE) of the container runtime, or lower limits.tcp_connections"
            );
        }
        descriptors
    }

    /// The part of `/status`.
    pub(super) fn page(&self) -> Value {
        json!({ "limit": self.limit, "needed": self.needed, "enough": self.short_of().is_none() })
    }

    fn short_of(&self) -> Option<u64> {
        self.limit.filter(|limit| *limit < self.needed)
    }
}

/// At the worst moment: each seat taken, and as many closed connections that still wait for their client's FIN.
fn needed(config: &Config) -> u64 {
    let listen = &config.listen;
    let clients = 2 * listen.tcp_connections;
    let upstreams = Bounds::sockets(config.limits.upstream_connections, Bounds::UDP_IN_FLIGHT);
    let workers = listen.workers * (RUNTIME + SOCKETS * listen.addresses.len());
    (clients + upstreams + workers + OTHERS) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::args::ServeArgs;
    use crate::upstream::Server;

    #[test]
    fn connections_to_upstreams_are_needed_for_both_lanes() {
        let args = ServeArgs { upstream: vec![Server::Tcp("192.0.2.1:53".parse().unwrap())], ..ServeArgs::default() };
        let mut config = crate::config::load(&args).unwrap();
        let usual = needed(&config);
        config.limits.upstream_connections += 400;
        assert_eq!(needed(&config), usual + 400 + 100, "the cluster lane has a quarter of that besides");
    }

    #[test]
    fn the_limit_is_too_small_only_below_what_is_needed() {
        let short_of = |limit| Descriptors { limit, needed: 2_700 }.short_of();
        assert_eq!([Some(1_024), Some(2_699), Some(2_700), None].map(short_of), [Some(1_024), Some(2_699), None, None]);
    }
}
