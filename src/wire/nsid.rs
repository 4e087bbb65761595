//! Asking a server who it is, and reading its word (RFC 5001).

use super::answer::{AnswerError, check_question};
use super::edns::NSID;
use super::header::{ANCOUNT, ARCOUNT, NSCOUNT, u16_at};
use super::question::{Key, SentOpt, encode_upstream_query};
use super::record::Record;
use super::rtype::OPT;

/// A query with an OPT that asks for the server's identifier (RFC 5001 §2.1: the option, without a value).
pub fn encode_nsid_query(key: &Key, id: u16) -> Vec<u8> {
    let mut message = encode_upstream_query(key, id, SentOpt::Bare);
    // The OPT comes last, and the length of its options last in it.
    message.truncate(message.len() - 2);
    let [high, low] = NSID.to_be_bytes();
    message.extend_from_slice(&[0, 4, high, low, 0, 0]);
    message
}

/// What the server that sent `message` calls itself; `None` where it does not say.
///
/// # Errors
/// A message that is no answer to the question, or makes no sense; any rcode will do.
pub fn nsid<'m>(message: &'m [u8], id: u16, asked: &Key) -> Result<Option<&'m [u8]>, AnswerError> {
    let mut at = check_question(message, id, asked)?;
    let counts = [ANCOUNT, NSCOUNT, ARCOUNT].into_iter().map(|at| u16_at(message, at).map(u32::from)).sum::<Option<u32>>();
    for _ in 0..counts.ok_or(AnswerError::Malformed)? {
        let record = Record::read(message, at).ok_or(AnswerError::Malformed)?;
        if record.rtype == OPT {
            return option(&message[record.rdata..record.end]);
        }
        at = record.end;
    }
    Ok(None)
}

fn option(mut options: &[u8]) -> Result<Option<&[u8]>, AnswerError> {
    while !options.is_empty() {
        let length = u16_at(options, 2).ok_or(AnswerError::Malformed)?;
        let end = 4 + usize::from(length);
        let value = options.get(4..end).ok_or(AnswerError::Malformed)?;
        if u16_at(options, 0) == Some(NSID) {
            return Ok(Some(value));
        }
        options = &options[end..];
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Name;
    use crate::wire::question::PAYLOAD;

    fn question() -> Key {
        let name = Name::parse("kubernetes.default.svc.cluster.local.").unwrap();
        Key { name: (&name).into(), qtype: 1, qclass: 1, dnssec_ok: false, checking_disabled: false }
    }

    /// The query sent back as a reply, with these options in its OPT.
    fn reply(options: &[u8]) -> Vec<u8> {
        let mut message = encode_nsid_query(&question(), 7);
        message.truncate(message.len() - 6);
        message.extend_from_slice(&(options.len() as u16).to_be_bytes());
        message.extend_from_slice(options);
        message[2] |= 0x80;
        message
    }

    #[test]
    fn the_query_asks_for_the_identifier_and_is_read_so_by_our_own_parser() {
        let query = encode_nsid_query(&question(), 7);
        let Ok(parsed) = crate::wire::Query::parse(&query) else { panic!("not read") };
        let owned = parsed.to_owned();
        let edns = owned.echo().edns.unwrap();
        assert!(edns.nsid);
        assert_eq!(edns.payload_size, PAYLOAD);
    }

    #[test]
    fn the_identifier_is_found_behind_other_options_and_missed_where_it_is_not() {
        assert_eq!(nsid(&reply(b"\x00\x0f\x00\x02\x00\x16\x00\x03\x00\x03a-b"), 7, &question()), Ok(Some(b"a-b".as_slice())));
        assert_eq!(nsid(&reply(b"\x00\x0f\x00\x02\x00\x16"), 7, &question()), Ok(None));
        let mut plain = encode_upstream_query(&question(), 7, SentOpt::Absent);
        plain[2] |= 0x80;
        plain[3] |= 2;
        assert_eq!(nsid(&plain, 7, &question()), Ok(None), "a SERVFAIL of a server without EDNS is an answer");
    }

    #[test]
    fn what_answers_another_question_or_breaks_off_is_no_answer() {
        assert_eq!(nsid(&reply(&[]), 8, &question()), Err(AnswerError::Mismatch));
        let whole = reply(b"\x00\x03\x00\x03a-b");
        for length in 0..whole.len() {
            assert!(nsid(&whole[..length], 7, &question()).is_err(), "{length} octets");
        }
        assert_eq!(nsid(&reply(b"\x00\x03\x00\x09a-b"), 7, &question()), Err(AnswerError::Malformed));
    }
}
