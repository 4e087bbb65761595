//! The composition root: the only room that sees both sides. It takes the configuration apart, hands each part on, and holds the one
//! order of shutdown.

mod control;
mod descriptors;
mod fallback;
mod groups;
mod metrics;
mod probe;
mod proof;
mod readiness;
mod redirect;
mod reload;
mod respond;
mod start;
mod status;
mod verify;
mod watchdog;

pub use start::{App, StartError, start};
pub use watchdog::watch;
