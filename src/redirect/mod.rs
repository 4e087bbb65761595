//! The redirect decided: what the CiliumLocalRedirectPolicy must say. Pure; it names no Kubernetes client.

mod policy;

pub use policy::{DnsService, Policy, PolicyPort, Protocol, SELECTOR_LABEL, SELECTOR_VALUE, desired};
