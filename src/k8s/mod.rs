//! The redirect done: the only room that names the kube client. It watches three objects, looks at everything before it acts, and does
//! what [`crate::redirect`] decided.
//!
//! Losing the API server changes nothing: what was last seen goes on being true, calls are tried again at growing pauses, and queries are
//! answered by threads that know nothing of all this.

mod account;
mod agent;
mod cluster;
mod endpoints;
mod events;
mod operator;
mod policies;
mod read;
mod reason;
#[cfg(test)]
mod tests;
mod watches;

use std::net::IpAddr;
use std::path::PathBuf;

pub use crate::redirect::{CiliumConfig, Families, OnRed, Version as CiliumVersion, read_drain_over};

pub use account::{Account, Call};
pub use agent::{Latches, run};
pub use endpoints::Endpoints;
pub use operator::{Operator, OperatorError, Pods, Sight};
pub use policies::PolicyReview;

/// Which cluster, and what the objects in it are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// How the API server is reached.
    pub access: Access,
    /// The namespace of pods, DNS Service, ConfigMaps and policy.
    pub namespace: String,
    /// The agents' DaemonSet.
    pub daemon_set: String,
    /// The Service that is redirected.
    pub dns_service: String,
    /// This pod, as events name it.
    pub pod_name: String,
    /// Addresses that are asked by default.
    pub asks: Vec<IpAddr>,
    /// Families that this process answers; `None`: it is no agent.
    pub serves: Option<Families>,
    /// The generation of the DaemonSet's template that this pod was made of; `None`: not told.
    pub template: Option<String>,
    /// What operators say of Cilium.
    pub cilium: CiliumConfig,
}

/// How the API server is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// By the pod's service account.
    ServiceAccount,
    /// By a kubeconfig file, or the ones that kubectl would take.
    Kubeconfig {
        /// The file.
        path: Option<PathBuf>,
        /// The context in it; `None`: the current one.
        context: Option<String>,
    },
}
