//! argv, environment and the file, joined into the rooms' own configurations.
//!
//! [`args`] reads argv and the environment, `tree` reads YAML into values that know their place, `file` makes sense of them and collects
//! every mistake, `join` lays the flags over the file, `node` knows the node's own addresses, [`Reload`] looks whether the file says
//! something new.

pub mod args;
mod error;
mod file;
mod join;
mod node;
pub mod operator;
mod read;
mod reload;
pub mod render;
#[cfg(test)]
mod tests;
mod tree;
mod value;

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::wire::Name;
use crate::{cache, coalesce, k8s, lifecycle, listen, rules, telemetry, upstream};

pub use error::{ConfigError, Mistake};
pub use file::{File, FileLimits};
pub use join::{load, read};
pub use reload::{Look, Reload};

/// Everything that may be set, one part a room.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Listeners and workers.
    pub listen: listen::Config,
    /// Where probes, scrapers and people ask over HTTP.
    pub admin: SocketAddr,
    /// Memory.
    pub cache: cache::Config,
    /// What is bounded by number.
    pub limits: Limits,
    /// What becomes of queries; the one part that a reload changes in place.
    pub queries: Queries,
    /// Logs.
    pub log: telemetry::LogConfig,
    /// How long a process that was told to stop goes on answering.
    pub drain: lifecycle::Drain,
    /// What NSID says: the pod's name, else the host's.
    pub identity: String,
    /// Apex of the cluster's own zone.
    pub cluster_domain: Name,
    /// The cluster, where the redirect is to be kept.
    pub kubernetes: Option<k8s::Config>,
    /// The file, where there is one.
    pub source: Option<PathBuf>,
    /// Names the file's content in 16 hexadecimal digits, the same on every node; `none` without a file.
    pub hash: String,
}

/// What is bounded by number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Queries that wait for an upstream.
    pub waiting: coalesce::Limits,
    /// Connections to upstreams in the elastic lane, all groups together.
    pub upstream_connections: usize,
}

/// What becomes of queries.
#[derive(Clone, Debug, PartialEq)]
pub struct Queries {
    /// Upstream groups; the first is `default`.
    pub groups: Vec<upstream::GroupConfig>,
    /// The group `default` is the Service `kube-dns-upstream`, as long as nothing else is given for it: at the address that the kubelet
    /// told, if it did, and later at the one that the API server tells.
    pub upstream_service: bool,
    /// Zones and suffix rules.
    pub rules: rules::Config,
    /// Whether the addresses of a name take turns.
    pub rotate: bool,
}
