//! The whole program from outside: the real binary in front of a real CoreDNS, over real sockets; and the house's own rules.

#![expect(clippy::disallowed_methods, reason = "whole processes are watched by the real clock and the real environment")]
#![expect(clippy::unwrap_used, reason = "a harness that cannot go on fails its test")]

mod answers;
mod harness;
mod house;
mod scenarios;
