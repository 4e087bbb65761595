//! TYPE and QTYPE numbers (IANA, "Resource Record (RR) TYPEs"): those that are told from others here. All others are just numbers.

/// A host address (RFC 1035 §3.4.1).
pub const A: u16 = 1;
/// An authoritative name server (RFC 1035 §3.3.11).
pub const NS: u16 = 2;
/// The canonical name of an alias (RFC 1035 §3.3.1).
pub const CNAME: u16 = 5;
/// The start of a zone of authority (RFC 1035 §3.3.13).
pub const SOA: u16 = 6;
/// A domain name pointer (RFC 1035 §3.3.12).
pub const PTR: u16 = 12;
/// Mail exchange (RFC 1035 §3.3.9).
pub const MX: u16 = 15;
/// Text strings (RFC 1035 §3.3.14).
pub const TXT: u16 = 16;
/// An IPv6 host address (RFC 3596 §2.1).
pub const AAAA: u16 = 28;
/// The location of a service (RFC 2782).
pub const SRV: u16 = 33;
/// Redirection of a subtree (RFC 6672 §2.1).
pub const DNAME: u16 = 39;
/// EDNS(0), no data (RFC 6891 §6.1.1).
pub const OPT: u16 = 41;
/// Service binding (RFC 9460 §2).
pub const SVCB: u16 = 64;
/// Service binding for HTTPS (RFC 9460 §9).
pub const HTTPS: u16 = 65;
/// Stands in type bitmaps for a name that does not exist, and is never asked (RFC 9824 §3.4).
pub const NXNAME: u16 = 128;
/// An incremental zone transfer (RFC 1995).
pub const IXFR: u16 = 251;
/// A zone transfer (RFC 5936).
pub const AXFR: u16 = 252;
/// Mailbox-related records, obsolete (RFC 1035 §3.2.3).
pub const MAILB: u16 = 253;
/// Mail agents, obsolete (RFC 1035 §3.2.3).
pub const MAILA: u16 = 254;
/// All that a server chooses to tell of a name (RFC 8482).
pub const ANY: u16 = 255;
