//! EDNS(0), hop by hop: never cached, never forwarded (RFC 6891 §6.1.1).

use super::header::{Rcode, u16_at};
use super::question::PAYLOAD;
use super::reply::Form;
use super::rtype::OPT;

pub(super) const NSID: u16 = 3;
const CLIENT_SUBNET: u16 = 8;
const COOKIE: u16 = 10;
const TCP_KEEPALIVE: u16 = 11;
const EXTENDED_ERROR: u16 = 15;

/// Octets of an OPT without options (RFC 6891 §6.1.2), and of an option before its value.
const FIXED: usize = 11;
const OPTION_HEAD: usize = 4;

/// Octets of the longest EXTRA-TEXT that is sent with an extended error.
const EXTRA_TEXT: usize = 64;

/// What the client's OPT said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edns {
    /// Payload size, at least 512 (RFC 6891 §6.2.3).
    pub payload_size: u16,
    /// DO.
    pub dnssec_ok: bool,
    /// An NSID option was present (RFC 5001 §2.1).
    pub nsid: bool,
    /// An edns-tcp-keepalive option was present (RFC 7828 §3.2).
    pub keepalive: bool,
}

/// INFO-CODE of an Extended DNS Error (RFC 8914 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Ede {
    /// Anything else.
    Other = 0,
    /// An expired answer, the upstream failing.
    StaleAnswer = 3,
    /// A failure remembered from a moment ago.
    CachedError = 13,
    /// Not serving yet.
    NotReady = 14,
    /// Answered by a rule of the operator.
    Blocked = 15,
    /// Not for this client.
    Prohibited = 18,
    /// An expired NXDOMAIN, the upstream failing.
    StaleNxdomain = 19,
    /// This kind of query is not served.
    NotSupported = 21,
    /// No upstream answered.
    NoReachableAuthority = 22,
    /// The network failed on the way to the upstream.
    NetworkError = 23,
    /// The upstream's message made no sense.
    InvalidData = 24,
    /// A query type that must never be asked (RFC 9824 §3.4).
    InvalidQueryType = 30,
}

impl Edns {
    /// Reads OPT's fixed fields and options; `None` if an option is malformed, its FORMERR. Options that we do not know are ignored
    /// (RFC 6891 §6.1.2), as are unknown flags (§6.1.4).
    pub(super) fn read(payload_size: u16, ttl: u32, mut options: &[u8]) -> Option<Self> {
        let mut edns = Self { payload_size: payload_size.max(512), dnssec_ok: ttl & 0x8000 != 0, nsid: false, keepalive: false };
        while !options.is_empty() {
            let (code, length) = (u16_at(options, 0)?, usize::from(u16_at(options, 2)?));
            let value = options.get(4..4 + length)?;
            match code {
                NSID => edns.nsid = true,
                // RFC 7828 §3.2.1: a client sends no value.
                TCP_KEEPALIVE if value.is_empty() => edns.keepalive = true,
                TCP_KEEPALIVE => return None,
                // RFC 7873 §5.2.2: a client cookie of 8, and a server cookie of 8 to 32 octets if any. Never answered:
                // we share an address with servers that have none, and c-ares shuns a server whose cookies vanish.
                COOKIE if value.len() != 8 && !(16..=40).contains(&value.len()) => return None,
                CLIENT_SUBNET if !is_client_subnet(value) => return None,
                _ => {}
            }
            options = options.get(4 + length..)?;
        }
        Some(edns)
    }
}

/// The OPT of a reply: there is one if the query had one (RFC 6891 §6.1.1).
pub(super) struct Opt<'a> {
    /// The client's; `None`: nothing is written.
    edns: Option<Edns>,
    rcode: Rcode,
    nsid: &'a [u8],
    keepalive: Option<u16>,
    ede: Option<Ede>,
    ede_text: &'a str,
}

impl<'a> Opt<'a> {
    pub(super) fn new(edns: Option<Edns>, rcode: Rcode, form: &Form<'a>) -> Self {
        let asked = |wants: fn(&Edns) -> bool| edns.as_ref().is_some_and(wants);
        Self {
            edns,
            rcode,
            nsid: if asked(|edns| edns.nsid) { form.nsid } else { &[] },
            keepalive: form.keepalive.filter(|_| asked(|edns| edns.keepalive)),
            ede: form.ede,
            ede_text: if form.ede_text.len() <= EXTRA_TEXT { form.ede_text } else { "" },
        }
    }

    /// Leaves out the extended error.
    pub(super) fn drop_ede(&mut self) {
        self.ede = None;
    }

    /// Leaves out what does not fit into `room` octets: the extended error's text, then the error (RFC 8914 §3), then the NSID.
    pub(super) fn shrink(&mut self, room: usize) {
        if self.len() > room {
            self.ede_text = "";
        }
        if self.len() > room {
            self.ede = None;
        }
        if self.len() > room {
            self.nsid = &[];
        }
    }

    /// Records in the additional section.
    pub(super) fn count(&self) -> usize {
        usize::from(self.edns.is_some())
    }

    /// Octets.
    pub(super) fn len(&self) -> usize {
        if self.edns.is_some() { FIXED + self.options_len() } else { 0 }
    }

    fn options_len(&self) -> usize {
        let nsid = if self.nsid.is_empty() { 0 } else { OPTION_HEAD + self.nsid.len() };
        let keepalive = if self.keepalive.is_some() { OPTION_HEAD + 2 } else { 0 };
        let ede = if self.ede.is_some() { OPTION_HEAD + 2 + self.ede_text.len() } else { 0 };
        nsid + keepalive + ede
    }

    /// Writes all of it to the start of `out`, which must hold it, and returns the octets. The version is 0, flags but DO are clear (RFC 6891 §6.1.4).
    pub(super) fn write(&self, out: &mut [u8]) -> usize {
        let Some(edns) = self.edns else { return 0 };
        let [size_high, size_low] = PAYLOAD.to_be_bytes();
        let dnssec_ok = if edns.dnssec_ok { 0x80 } else { 0 };
        let [length_high, length_low] = (self.options_len() as u16).to_be_bytes();
        let fixed = [0, 0, OPT as u8, size_high, size_low, (self.rcode.0 >> 4) as u8, 0, dnssec_ok, 0, length_high, length_low];
        out[..FIXED].copy_from_slice(&fixed);
        let mut at = FIXED;
        let mut put = |code: u16, value: &[u8], text: &[u8]| {
            let length = (value.len() + text.len()) as u16;
            for part in [&code.to_be_bytes()[..], &length.to_be_bytes(), value, text] {
                out[at..at + part.len()].copy_from_slice(part);
                at += part.len();
            }
        };
        if !self.nsid.is_empty() {
            put(NSID, self.nsid, &[]);
        }
        if let Some(timeout) = self.keepalive {
            put(TCP_KEEPALIVE, &timeout.to_be_bytes(), &[]);
        }
        if let Some(ede) = self.ede {
            put(EXTENDED_ERROR, &(ede as u16).to_be_bytes(), self.ede_text.as_bytes());
        }
        at
    }
}

/// RFC 7871 §6: family, source prefix, scope 0 in queries, just the octets the prefix needs, no bits set beyond it.
fn is_client_subnet(value: &[u8]) -> bool {
    let [family_high, family_low, prefix, scope, address @ ..] = value else { return false };
    let bits = match u16::from_be_bytes([*family_high, *family_low]) {
        0 => return *prefix == 0 && *scope == 0 && address.is_empty(),
        1 => 32,
        2 => 128,
        _ => return false,
    };
    let beyond = (8 - prefix % 8) % 8;
    let is_clean = address.last().is_none_or(|last| last & ((1_u16 << beyond) - 1) as u8 == 0);
    *prefix <= bits && *scope == 0 && address.len() == usize::from(prefix.div_ceil(8)) && is_clean
}
