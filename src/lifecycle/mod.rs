//! Readiness, drain and supervision: knows neither the query side nor the redirect side.

mod drain;
mod readiness;
mod supervise;
mod verdict;

pub use drain::Drain;
pub use readiness::{Latch, Readiness};
pub use supervise::{Beat, Health, Next, Supervisor};
pub use verdict::{LocalVerdict, Step};
