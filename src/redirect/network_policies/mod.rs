//! Which network policies would cut pods off from DNS once it is redirected.
//!
//! Cilium enforces policies after the redirect, against the pod that answers: a rule that lets clients reach kube-dns' pods alone lets them
//! reach nobody then. Policies add up for each pod, so it is groups of pods that are judged, before and after, and not policies one by one.

mod assess;
mod cilium;
mod cure;
mod groups;
mod kubernetes;
mod policy;
mod reach;
mod selector;
#[cfg(test)]
mod tests;

pub use assess::{Cluster, Finding, Harm, findings, harmful, pairs};
pub use groups::{Group, Groups, Pod, namespaces};
pub use policy::{ACKNOWLEDGED, Garbled, Kind, NetworkPolicy, Reference};
pub use reach::{Destination, Service};
pub use selector::{Labels, NAMESPACE_NAME};
