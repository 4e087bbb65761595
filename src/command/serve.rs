//! `doorstep serve`: answers DNS until it is told to stop.

use std::process::ExitCode;

use crate::config::args::ServeArgs;
use crate::config::{self, ConfigError, Reload};
use crate::{app, telemetry};

use super::terminal::complain;

/// Runs the service. Exit codes: 0 told to stop and drained, 1 a wrong file or an address that cannot be had, 64 wrong flags.
pub fn run(args: &ServeArgs) -> ExitCode {
    let config = match config::load(args) {
        Ok(config) => config,
        Err(error) => {
            // A mistake in the file begins with its place, as compilers have it; one in the flags as those that the parser finds.
            let begins = if matches!(error, ConfigError::Usage(_)) { "error: " } else { "" };
            complain(format_args!("{begins}{error:#}"));
            return error.exit_code().into();
        }
    };
    if let Err(error) = telemetry::init(&config.log) {
        complain(format_args!("doorstep: {error}"));
        return ExitCode::FAILURE;
    }
    let reload = config.source.is_some().then(|| Reload::new(args.clone(), &config));
    match app::start(config, reload) {
        Ok(app) => app.wait(),
        Err(error) => {
            // On standard error in plain words too, whatever the log's format and level.
            complain(format_args!("doorstep: {error}"));
            ExitCode::FAILURE
        }
    }
}
