//! The composition root: the only place that sees both sides.

mod metrics;
mod probe;
mod readiness;
mod respond;
