//! The redirect's frontend, as an agent asks it who answers.

use std::net::SocketAddr;

/// Where clients ask, and what is to be expected of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontend {
    /// The DNS Service's, one of each family.
    pub addresses: Vec<SocketAddr>,
    /// The uid of the policy that stands.
    pub policy: Option<String>,
    /// Whether this Cilium brings a pod's own query back to it by every family.
    pub hairpin: bool,
}
