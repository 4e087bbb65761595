//! Queries, written octet by octet: what is asked must not depend on what answers.

use std::sync::atomic::{AtomicU16, Ordering::Relaxed};

const A: u16 = 1;
const TXT: u16 = 16;
const AAAA: u16 = 28;
const OPT: u16 = 41;
const NSID: u16 = 3;
const DNSSEC_OK: u16 = 0x8000;

/// One query.
#[derive(Clone)]
pub(crate) struct Question {
    pub(crate) id: u16,
    name: String,
    qtype: u16,
    qclass: u16,
    edns: Option<Edns>,
}

#[derive(Clone)]
struct Edns {
    size: u16,
    version: u8,
    flags: u16,
    options: Vec<u16>,
}

/// Asks for IPv4 addresses. The case of `name` is kept.
pub(crate) fn a(name: &str) -> Question {
    any_type(name, A)
}

/// Asks for IPv6 addresses.
pub(crate) fn aaaa(name: &str) -> Question {
    any_type(name, AAAA)
}

/// Asks for text.
pub(crate) fn txt(name: &str) -> Question {
    any_type(name, TXT)
}

/// Asks for the type of this number.
pub(crate) fn any_type(name: &str, qtype: u16) -> Question {
    static NEXT: AtomicU16 = AtomicU16::new(1);
    Question { id: NEXT.fetch_add(1, Relaxed), name: name.to_owned(), qtype, qclass: 1, edns: None }
}

impl Question {
    /// In class CHAOS.
    pub(crate) fn chaos(mut self) -> Self {
        self.qclass = 3;
        self
    }

    /// Offers EDNS with room for replies of `size` octets.
    pub(crate) fn edns(mut self, size: u16) -> Self {
        self.edns = Some(Edns { size, version: 0, flags: 0, options: Vec::new() });
        self
    }

    /// Wants DNSSEC records.
    pub(crate) fn dnssec_ok(mut self) -> Self {
        self.opt().flags |= DNSSEC_OK;
        self
    }

    /// Wants to know who answers.
    pub(crate) fn nsid(mut self) -> Self {
        self.opt().options.push(NSID);
        self
    }

    /// Speaks this version of EDNS.
    pub(crate) fn version(mut self, version: u8) -> Self {
        self.opt().version = version;
        self
    }

    fn opt(&mut self) -> &mut Edns {
        self.edns.as_mut().expect("offer EDNS first")
    }

    /// The question section's octets.
    pub(crate) fn section(&self) -> Vec<u8> {
        let mut section = Vec::new();
        for label in self.name.split('.').filter(|label| !label.is_empty()) {
            section.push(u8::try_from(label.len()).unwrap());
            section.extend(label.as_bytes());
        }
        section.push(0);
        section.extend(self.qtype.to_be_bytes());
        section.extend(self.qclass.to_be_bytes());
        section
    }

    /// The message.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let additional = u16::from(self.edns.is_some());
        let recursion_desired = 0x0100;
        let header = [self.id, recursion_desired, 1, 0, 0, additional];
        let mut message: Vec<u8> = header.into_iter().flat_map(u16::to_be_bytes).collect();
        message.extend(self.section());
        if let Some(edns) = &self.edns {
            message.push(0);
            message.extend([OPT, edns.size].into_iter().flat_map(u16::to_be_bytes));
            message.extend([0, edns.version]);
            message.extend(edns.flags.to_be_bytes());
            message.extend(u16::try_from(4 * edns.options.len()).unwrap().to_be_bytes());
            message.extend(edns.options.iter().flat_map(|code| [*code, 0]).flat_map(u16::to_be_bytes));
        }
        message
    }

    /// The message with its length before it, as over TCP.
    pub(crate) fn framed(&self) -> Vec<u8> {
        let message = self.encode();
        [&u16::try_from(message.len()).unwrap().to_be_bytes(), message.as_slice()].concat()
    }
}
