//! Names that are asked, and what is answered.

use doorstep::wire::{Answer, Key, Query};

/// A question, in the form that each contender looks it up by.
pub(crate) struct Named {
    /// doorstep's.
    pub(crate) key: Key,
    /// The others': folded qname, qtype, qclass.
    pub(crate) octets: Box<[u8]>,
    denied: bool,
}

impl Named {
    /// One name of a kind; one in four does not exist.
    pub(crate) fn mixed(kind: &str, number: usize) -> Self {
        Self { denied: number % 4 == 3, ..Self::address(kind, number) }
    }

    /// One name of a kind; it has an address.
    pub(crate) fn address(kind: &str, number: usize) -> Self {
        let query = query(&format!("{kind}-{number}.default.svc.cluster.local"));
        let key = Query::parse(&query).unwrap_or_else(|error| unreachable!("a query of our own: {error:?}")).key;
        Self { key, octets: query[12..].into(), denied: false }
    }

    /// What an upstream says.
    pub(crate) fn answer(&self) -> Answer {
        let (rcode, counts, record): (u8, [u8; 2], &[u8]) = match self.denied {
            false => (0, [1, 0], b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x0e\x10\x00\x04\x0a\x60\x00\x01"),
            true => (3, [0, 1], b"\xc0\x0c\x00\x06\x00\x01\x00\x00\x01\x2c\x00\x16\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x2c"),
        };
        let header = [0, 7, 0x81, 0x80 | rcode, 0, 1, 0, counts[0], 0, counts[1], 0, 0];
        let message = [&header[..], &self.octets, record].concat();
        Answer::from_upstream(&message, 7, &self.key).unwrap_or_else(|error| unreachable!("an answer of our own: {error}"))
    }
}

/// An A query.
pub(crate) fn query(name: &str) -> Vec<u8> {
    let mut query = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        query.push(label.len() as u8);
        query.extend(label.as_bytes());
    }
    query.extend([0, 0, 1, 0, 1]);
    query
}
