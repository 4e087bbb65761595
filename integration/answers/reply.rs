//! Replies as text, read by a decoder that is not doorstep's own.

use hickory_proto::op::{Edns, Message, ResponseCode};
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::rr::{RData, Record};

use super::octets::{Query, type_text};

const QR: u8 = 0x80;
const EXTENDED_ERROR: u16 = 15;

/// The reply line by line, its id and its question held against the query's.
pub(super) fn show(query: &Query, octets: &[u8]) -> Vec<String> {
    let Ok(message) = Message::from_vec(octets) else { return vec![format!("unreadable: {octets:02x?}")] };
    let mut lines = vec![status(octets, &message)];
    if query.octets.len() >= 2 && octets[..2] != query.octets[..2] {
        lines.push("another id".to_owned());
    }
    if message.queries.is_empty() {
        lines.push("no question".to_owned());
    } else if !query.question.is_empty() && !octets[12..].starts_with(&query.question) {
        lines.push("another question".to_owned());
    }
    let sections = [("answer", &message.answers), ("authority", &message.authorities), ("additional", &message.additionals)];
    for (section, records) in sections {
        lines.extend(records.iter().map(|record| format!("{section} {}", show_record(record))));
    }
    lines.extend(message.edns.as_ref().map(show_edns));
    lines
}

/// Rcode and the header's bits; opcodes but QUERY by number.
fn status(octets: &[u8], message: &Message) -> String {
    let (high, low) = (octets[2], octets[3]);
    let opcode = high >> 3 & 0x0F;
    let mut words = vec![rcode(message.metadata.response_code)];
    words.extend((opcode != 0).then(|| format!("opcode={opcode}")));
    let bits = [
        (high, QR, "qr"),
        (high, 4, "aa"),
        (high, 2, "tc"),
        (high, 1, "rd"),
        (low, QR, "ra"),
        (low, 0x40, "z"),
        (low, 0x20, "ad"),
        (low, 0x10, "cd"),
    ];
    words.extend(bits.into_iter().filter(|(octet, bit, _)| octet & bit != 0).map(|(_, _, name)| name.to_owned()));
    words.join(" ")
}

fn rcode(code: ResponseCode) -> String {
    match u16::from(code) {
        0 => "NOERROR".to_owned(),
        1 => "FORMERR".to_owned(),
        2 => "SERVFAIL".to_owned(),
        3 => "NXDOMAIN".to_owned(),
        4 => "NOTIMP".to_owned(),
        5 => "REFUSED".to_owned(),
        16 => "BADVERS".to_owned(),
        other => format!("RCODE{other}"),
    }
}

fn show_record(record: &Record) -> String {
    let rtype = u16::from(record.record_type());
    let data = match &record.data {
        RData::Unknown { rdata, .. } => rdata.anything.iter().map(|octet| format!("{octet:02x}")).collect(),
        RData::TXT(text) => text.txt_data.iter().map(|text| String::from_utf8_lossy(text).into_owned()).collect::<Vec<_>>().join(" "),
        known => known.to_string(),
    };
    format!("{} {} {} {data}", record.name, record.ttl, type_text(rtype)).trim_end().to_owned()
}

fn show_edns(edns: &Edns) -> String {
    let mut words = vec![format!("opt {}", edns.max_payload())];
    words.extend((edns.version() != 0).then(|| format!("version={}", edns.version())));
    words.extend(edns.flags().dnssec_ok.then(|| "do".to_owned()));
    words.extend((edns.flags().z != 0).then(|| format!("flags={:#06x}", edns.flags().z)));
    for (code, option) in edns.options().as_ref() {
        words.push(show_option(*code, option));
    }
    words.join(" ")
}

fn show_option(code: EdnsCode, option: &EdnsOption) -> String {
    match option {
        EdnsOption::NSID(payload) => format!("nsid={}", String::from_utf8_lossy(payload.as_ref())),
        EdnsOption::Unknown(EXTENDED_ERROR, data) if data.len() >= 2 => {
            let text = String::from_utf8_lossy(&data[2..]);
            format!("ede={}{}{text}", u16::from_be_bytes([data[0], data[1]]), if text.is_empty() { "" } else { ":" })
        }
        EdnsOption::Unknown(11, data) if data.len() == 2 => format!("keepalive={}", u16::from_be_bytes([data[0], data[1]])),
        _ => format!("option={}", u16::from(code)),
    }
}
