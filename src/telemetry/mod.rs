//! What operators see: logs and the metrics page. The rooms count; here the counts are put into words.

mod logging;
mod registry;

pub use logging::{Format, LogConfig, LogError, init};
pub use registry::{Metric, Registry, Value};
