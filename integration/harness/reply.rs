//! Replies, read by a decoder that is not doorstep's own.

use std::net::IpAddr;

use hickory_proto::op::{Message, MessageType};
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::rr::{RData, Record};

use super::Question;

pub(crate) use hickory_proto::op::ResponseCode as Rcode;

const EXTENDED_ERROR: u16 = 15;

/// One reply.
#[derive(Debug)]
pub(crate) struct Reply {
    octets: Vec<u8>,
    message: Message,
}

impl Reply {
    /// Reads a reply and checks what every reply to `question` owes: its id, QR, and the question itself, octet by octet.
    pub(crate) fn to(question: &Question, octets: Vec<u8>) -> Self {
        let reply = Self::read(octets);
        assert_eq!(reply.id(), question.id, "another query's id");
        let section = question.section();
        assert_eq!(&reply.octets[12..12 + section.len()], section, "the question is not echoed as it was sent");
        reply
    }

    /// Reads any reply.
    pub(crate) fn read(octets: Vec<u8>) -> Self {
        let message = Message::from_vec(&octets).unwrap_or_else(|error| panic!("no DNS message ({error}): {octets:?}"));
        assert_eq!(message.metadata.message_type, MessageType::Response);
        Self { octets, message }
    }

    pub(crate) fn id(&self) -> u16 {
        self.message.metadata.id
    }

    pub(crate) fn rcode(&self) -> Rcode {
        self.message.metadata.response_code
    }

    /// In octets.
    pub(crate) fn len(&self) -> usize {
        self.octets.len()
    }

    /// Whether something did not fit.
    pub(crate) fn truncated(&self) -> bool {
        self.message.metadata.truncation
    }

    pub(crate) fn answers(&self) -> &[Record] {
        &self.message.answers
    }

    /// The addresses in the answer section.
    pub(crate) fn addresses(&self) -> Vec<IpAddr> {
        let address = |record: &Record| match &record.data {
            RData::A(address) => Some(IpAddr::V4(address.0)),
            RData::AAAA(address) => Some(IpAddr::V6(address.0)),
            _ => None,
        };
        self.message.answers.iter().filter_map(address).collect()
    }

    /// The first text in the answer section.
    pub(crate) fn text(&self) -> Option<String> {
        let RData::TXT(text) = &self.message.answers.first()?.data else { return None };
        text.txt_data.first().map(|text| String::from_utf8_lossy(text).into_owned())
    }

    /// TTL in seconds of the first answer.
    pub(crate) fn ttl(&self) -> Option<u32> {
        self.message.answers.first().map(|record| record.ttl)
    }

    /// TTL in seconds of the SOA in the authority section.
    pub(crate) fn negative_ttl(&self) -> Option<u32> {
        self.message.authorities.iter().find(|record| matches!(record.data, RData::SOA(_))).map(|record| record.ttl)
    }

    /// Whether it has an OPT record.
    pub(crate) fn has_edns(&self) -> bool {
        self.message.edns.is_some()
    }

    /// Whether DO is set.
    pub(crate) fn dnssec_ok(&self) -> bool {
        self.message.edns.as_ref().is_some_and(|edns| edns.flags().dnssec_ok)
    }

    /// Who answered.
    pub(crate) fn nsid(&self) -> Option<String> {
        match self.message.edns.as_ref()?.option(EdnsCode::NSID)? {
            EdnsOption::NSID(payload) => Some(String::from_utf8_lossy(payload.as_ref()).into_owned()),
            _ => None,
        }
    }

    /// Code of the extended DNS error.
    pub(crate) fn ede(&self) -> Option<u16> {
        self.extended_error().map(|data| u16::from_be_bytes([data[0], data[1]]))
    }

    /// Its text.
    pub(crate) fn ede_text(&self) -> Option<String> {
        self.extended_error().map(|data| String::from_utf8_lossy(&data[2..]).into_owned())
    }

    fn extended_error(&self) -> Option<&[u8]> {
        match self.message.edns.as_ref()?.option(EdnsCode::Unknown(EXTENDED_ERROR))? {
            EdnsOption::Unknown(_, data) => Some(data),
            _ => None,
        }
    }
}
