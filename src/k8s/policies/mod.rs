//! The network policies of a cluster: read page by page, and judged by an operator with all pods, by an agent without any.

mod agent;
mod list;
mod review;
mod subjects;

pub use review::PolicyReview;
pub(super) use subjects::Subjects;
