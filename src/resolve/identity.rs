//! Who we are, said to those who ask: NSID (RFC 5001) and the CHAOS names (RFC 4892).

use crate::wire::rtype::{ANY, TXT};

/// The names this server goes by.
#[derive(Clone, Debug)]
pub struct Identity {
    name: Box<[u8]>,
    version: Box<[u8]>,
}

/// `id.server.` and `hostname.bind.` in folded wire form.
const SERVER_NAMES: [&[u8]; 2] = [b"\x02id\x06server\x00", b"\x08hostname\x04bind\x00"];
/// `version.server.` and `version.bind.` in folded wire form.
const VERSION_NAMES: [&[u8]; 2] = [b"\x07version\x06server\x00", b"\x07version\x04bind\x00"];

impl Identity {
    /// `name` is the pod's name; both are cut at 255 octets, the most a character-string holds (RFC 1035 §3.3).
    pub fn new(name: &str, version: &str) -> Self {
        let cut = |text: &str| text.as_bytes()[..text.len().min(255)].into();
        Self { name: cut(name), version: cut(version) }
    }

    /// What the NSID option says.
    pub fn nsid(&self) -> &[u8] {
        &self.name
    }

    /// The text that a CHAOS question asks for; `None`: REFUSED.
    pub fn chaos(&self, name: &[u8], qtype: u16) -> Option<&[u8]> {
        if qtype != TXT && qtype != ANY {
            return None;
        }
        if SERVER_NAMES.contains(&name) {
            Some(&self.name)
        } else if VERSION_NAMES.contains(&name) {
            Some(&self.version)
        } else {
            None
        }
    }
}
