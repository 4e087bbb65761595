//! Octets in, meaning out, and back; what we write is read by another DNS library.

mod answers;
mod compression;
mod local_replies;
mod mutations;
mod names;
mod queries;
mod replies;

use hickory_proto::op::Message;

use super::reply::{self, Form, Local};
use super::rtype::{A, AAAA, CNAME, DNAME, MX, NS, SOA, SRV, TXT};
use super::{Answer, AnswerError, Ede, Edns, FoldedName, Image, Key, Kind, Name, OwnedQuery, Query, Rcode, Rejection};

const NSEC: u16 = 47;

/// A compression pointer to the qname.
const QNAME: &[u8] = b"\xc0\x0c";

/// The id of all upstream messages here.
const ID: u16 = 0x5A5A;

/// The wire form of a name in the case it is written in, without the trailing dot.
fn wire(name: &str) -> Vec<u8> {
    let labels = name.split('.').filter(|label| !label.is_empty());
    labels.flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat()).chain([0]).collect()
}

fn key(name: &str, qtype: u16) -> Key {
    Key { name: FoldedName::fold(&wire(name)), qtype, qclass: 1, dnssec_ok: false, checking_disabled: false }
}

/// A query: RD=1, class IN, `additional` records appended and counted.
fn query(name: &str, qtype: u16, additional: &[Vec<u8>]) -> Vec<u8> {
    let header = [0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, additional.len() as u8];
    [&header[..], &wire(name), &qtype.to_be_bytes(), &[0, 1], &additional.concat()].concat()
}

/// OPT with these flags (DO is 0x8000) and options, version 0.
fn opt(payload_size: u16, flags: u16, options: &[(u16, &[u8])]) -> Vec<u8> {
    let options = options.iter().flat_map(|(code, value)| [&code.to_be_bytes(), &(value.len() as u16).to_be_bytes(), *value].concat());
    record_of_class(&[0], 41, payload_size, u32::from(flags), &options.collect::<Vec<u8>>())
}

fn record(owner: &[u8], rtype: u16, ttl: u32, rdata: &[u8]) -> Vec<u8> {
    record_of_class(owner, rtype, 1, ttl, rdata)
}

fn record_of_class(owner: &[u8], rtype: u16, class: u16, ttl: u32, rdata: &[u8]) -> Vec<u8> {
    let length = (rdata.len() as u16).to_be_bytes();
    [owner, &rtype.to_be_bytes(), &class.to_be_bytes(), &ttl.to_be_bytes(), &length, rdata].concat()
}

/// An A record of the qname: 192.0.2.`last`.
fn address(last: u8, ttl: u32) -> Vec<u8> {
    record(QNAME, A, ttl, &[192, 0, 2, last])
}

/// An SOA whose owner is the qname.
fn soa(ttl: u32, minimum: u32) -> Vec<u8> {
    let numbers = [1, 7200, 1800, 86400, minimum].map(u32::to_be_bytes).concat();
    record(QNAME, SOA, ttl, &[&wire("ns"), &wire("mail"), &numbers[..]].concat())
}

/// An upstream's message: QR, RD and RA set, the sections as given.
fn message(asked: &Key, rcode: u8, sections: [&[Vec<u8>]; 3]) -> Vec<u8> {
    let mut message = ID.to_be_bytes().to_vec();
    message.extend([0x81, 0x80 | rcode, 0, 1]);
    message.extend(sections.iter().flat_map(|section| (section.len() as u16).to_be_bytes()));
    message.extend(asked.name.as_wire());
    message.extend(asked.qtype.to_be_bytes());
    message.extend(asked.qclass.to_be_bytes());
    message.extend(sections.iter().flat_map(|section| section.concat()));
    message
}

fn answer(asked: &Key, rcode: u8, sections: [&[Vec<u8>]; 3]) -> Answer {
    Answer::from_upstream(&message(asked, rcode, sections), ID, asked).unwrap()
}

/// Where its CNAME chain leads.
fn chain_of(answer: &Answer) -> Vec<String> {
    answer.chain().map(|name| name.to_string()).collect()
}

/// How replies over TCP look.
const FORM: Form<'_> = Form { limit: 65_535, nsid: b"pod-1", ede: None, ede_text: "", rotation: 0, keepalive: None };

/// A reply as somebody else reads it.
fn parse(reply: &[u8]) -> Message {
    Message::from_vec(reply).unwrap_or_else(|error| panic!("{error}: {reply:02x?}"))
}

/// The answer to `packet`, written with TTL 60.
fn reply_to(packet: &[u8], answer: &Answer, form: &Form<'_>) -> Vec<u8> {
    aged_reply_to(packet, answer, 60, form)
}

fn aged_reply_to(packet: &[u8], answer: &Answer, ttl: u32, form: &Form<'_>) -> Vec<u8> {
    let query = Query::parse(packet).unwrap_or_else(|rejection| panic!("{rejection:?}"));
    let mut out = vec![0xEE; form.limit];
    let written = reply::write_answer(&mut out, &query.echo, answer.image(), ttl, form);
    assert!(out[written..].iter().all(|octet| *octet == 0xEE), "nothing is written behind the reply");
    out.truncate(written);
    out
}

/// The data of each answer record.
fn rdata(message: &Message) -> Vec<String> {
    message.answers.iter().map(|record| record.data.to_string()).collect()
}
