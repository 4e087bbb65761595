//! The redirect decided: what the CiliumLocalRedirectPolicy must say, and what an agent does about it. Pure; it names no Kubernetes client.
//!
//! One policy acts on all nodes, it is not a switch of one node. People say in one ConfigMap what they want, agents remember in another
//! what they did; [`decide`] is the table between the two and the policy that stands.

mod cilium;
mod decide;
mod frontend;
mod gates;
mod judged;
pub mod network_policies;
mod own;
mod pace;
mod policy;
mod quorum;
mod report;
mod review;
mod state;
#[cfg(test)]
mod tests;
mod verify;

pub use cilium::{CiliumConfig, ENABLE_KEY, OnRed, SeenCilium, Version, hairpin};
pub use decide::{Act, Because, DELETED_BY_HAND, Decision, Observation, Rest, Surroundings, Versioned, decide};
pub use frontend::Frontend;
pub use gates::{Families, Gate, SeenPolicy, SeenService, Shut, UPSTREAM_SERVICE, View, no_crd, shut};
pub use judged::{GateVerdict, JudgedGate, judge_gates};
pub use own::Own;
pub use pace::{Leaving, backoff, soon, tells, until_first_look, until_look, until_turn};
pub use policy::{DnsService, Owner, POLICY_NAME, Policy, PolicyPort, Protocol, SELECTOR_LABEL, SELECTOR_VALUE, SPEC_ANNOTATION, desired};
pub use quorum::{Blackhole, PROBATION, quorum};
pub use report::{Report, Standing, resume};
pub use review::{Review, Reviewed};
pub use state::{
    Answer, DRAIN_OVER, DRAIN_OVER_BOUNDS, DRAIN_OVER_KEY, Emitted, Hold, PEOPLE, People, REDIRECT_KEY, RESUME_ANNOTATION, STATE, State,
    Switch, Texts, Unknown, read_drain_over,
};
pub use verify::{Family, Heard, PATIENCE, Path, Round, Verdict, Verification};
