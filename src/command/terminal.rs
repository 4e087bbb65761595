//! Lines for people: on standard output and standard error, coloured on a terminal only.

use std::fmt::Arguments;
use std::io::Write;

/// Prints a line. Where the reader has gone, nobody misses it.
pub(super) fn print(line: Arguments<'_>) {
    writeln!(anstream::stdout(), "{line}").ok();
}

/// Says what went wrong, on standard error.
pub(super) fn complain(line: Arguments<'_>) {
    writeln!(anstream::stderr(), "{line}").ok();
}
