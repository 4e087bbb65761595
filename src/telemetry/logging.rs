//! Logs by `tracing`, on standard error: text for people, JSON for machines.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// One line of words an event; coloured on a terminal only.
    #[default]
    Text,
    /// One JSON object an event.
    Json,
}

/// What is logged, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// Text or JSON.
    pub format: Format,
    /// `error`, `warn`, `info`, `debug`, `trace`, or directives such as `info,doorstep::upstream=debug`.
    pub level: String,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: Format::Text, level: "info".to_owned() }
    }
}

/// Why logging could not start.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The level is neither a level nor a list of directives.
    #[error("log level {level:?} is not understood ({reason}); use error, warn, info, debug or trace")]
    Level {
        /// What was given.
        level: String,
        /// What the parser says.
        reason: String,
    },
    /// A subscriber is already installed in this process.
    #[error("logging is already set up in this process")]
    Twice,
}

/// Installs the process' log subscriber.
///
/// # Errors
/// A level that is not understood, or a second call.
pub fn init(config: &LogConfig) -> Result<(), LogError> {
    let filter =
        EnvFilter::try_new(&config.level).map_err(|error| LogError::Level { level: config.level.clone(), reason: error.to_string() })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let installed = match config.format {
        Format::Text => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
        Format::Json => builder.json().flatten_event(true).with_ansi(false).try_init(),
    };
    installed.map_err(|_| LogError::Twice)
}
