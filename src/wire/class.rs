//! CLASS numbers (RFC 1035 §3.2.4).

/// The Internet.
pub const IN: u16 = 1;
/// CHAOS, in which servers are asked who they are (RFC 4892).
pub const CHAOS: u16 = 3;
