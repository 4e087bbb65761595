//! What clients send.

use super::*;
use crate::wire::{SentOpt, encode_upstream_query};

const SUBNET: u16 = 8;
const COOKIE: u16 = 10;
const KEEPALIVE: u16 = 11;

/// What becomes of a packet: the rcode of its refusal, or `None` if it may be looked up.
fn refusal(packet: &[u8]) -> Option<(Rcode, Option<Ede>)> {
    match Query::parse(packet) {
        Ok(_) => None,
        Err(Rejection::Reply(_, rcode, ede)) => Some((rcode, ede)),
        Err(Rejection::Silence) => panic!("no reply"),
    }
}

fn edns(options: &[(u16, &[u8])]) -> Option<Edns> {
    let packet = query("www.example", A, &[opt(1232, 0, options)]);
    Query::parse(&packet).ok().and_then(|query| query.echo.edns)
}

#[test]
fn a_query_is_its_folded_question_and_what_the_reply_repeats() {
    let mut packet = query("wWw.ExAmPlE", AAAA, &[opt(4096, 0x8000, &[(3, b"")])]);
    packet[3] = 0x30;
    let query = Query::parse(&packet).ok().unwrap();
    assert_eq!(query.key.name.as_wire(), wire("www.example"));
    assert_eq!((query.key.qtype, query.key.qclass, query.key.dnssec_ok, query.key.checking_disabled), (AAAA, 1, true, true));
    let echo = query.echo;
    assert_eq!((echo.id, echo.opcode, echo.recursion_desired), (0x1234, 0, true));
    assert_eq!(echo.question, [wire("wWw.ExAmPlE"), vec![0, 28, 0, 1]].concat());
    assert_eq!(echo.edns, Some(Edns { payload_size: 4096, dnssec_ok: true, nsid: true, keepalive: false }));
}

#[test]
fn an_owned_query_says_the_same_as_the_one_in_the_packet() {
    let packet = query("wWw.ExAmPlE", A, &[opt(1400, 0, &[])]);
    let query = Query::parse(&packet).ok().unwrap();
    let owned: OwnedQuery = query.to_owned();
    assert_eq!(*owned.key(), query.key);
    assert_eq!(format!("{:?}", owned.echo()), format!("{:?}", query.echo));
}

#[test]
fn responses_and_scraps_get_no_reply() {
    let mut response = query("www.example", A, &[]);
    response[2] |= 0x80;
    for packet in [&response[..], &[], &response[..11], &[0; 11]] {
        assert!(matches!(Query::parse(packet), Err(Rejection::Silence)));
    }
}

#[test]
fn twelve_octets_and_garbage_are_a_format_error_with_the_id() {
    let Err(Rejection::Reply(echo, rcode, _)) = Query::parse(b"\xab\xcd\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\xff\xff\xff") else {
        panic!("accepted");
    };
    assert_eq!((echo.id, rcode, echo.question), (0xABCD, Rcode::FORM_ERR, &[][..]));
}

#[test]
fn any_other_opcode_is_not_implemented_whatever_follows() {
    for opcode in 1..16 {
        let mut packet = query("www.example", A, &[]);
        packet[2] = opcode << 3;
        for length in [12, packet.len()] {
            let Err(Rejection::Reply(echo, rcode, _)) = Query::parse(&packet[..length]) else { panic!("accepted") };
            assert_eq!((echo.opcode, rcode), (opcode, Rcode::NOT_IMP));
        }
    }
}

#[test]
fn a_query_has_one_question() {
    for count in [[0, 0], [0, 2], [255, 255]] {
        let mut packet = query("www.example", A, &[]);
        packet[4..6].copy_from_slice(&count);
        assert_eq!(refusal(&packet), Some((Rcode::FORM_ERR, None)), "{count:?}");
    }
}

#[test]
fn a_question_that_is_cut_off_compressed_or_too_long_is_a_format_error() {
    let whole = query("www.example", A, &[]);
    for length in 12..whole.len() {
        assert_eq!(refusal(&whole[..length]), Some((Rcode::FORM_ERR, None)), "{length} octets");
    }
    let head = &query("", A, &[])[..12];
    let pointer = [head, b"\xc0\x0c\x00\x01\x00\x01"].concat();
    let label_of_64 = [head, b"\x40", &[b'x'; 64], b"\x00\x00\x01\x00\x01"].concat();
    let name_of_256 = [head, &b"\x03abc".repeat(63), b"\x02ab\x00\x00\x01\x00\x01"].concat();
    let name_of_255 = [head, &b"\x03abc".repeat(63), b"\x01a\x00\x00\x01\x00\x01"].concat();
    for packet in [pointer, label_of_64, name_of_256] {
        assert_eq!(refusal(&packet), Some((Rcode::FORM_ERR, None)));
    }
    assert_eq!(refusal(&name_of_255), None);
}

#[test]
fn unknown_types_classes_and_flags_are_looked_up() {
    for qtype in [A, 64, 65, 99, 255, 256, 32_769, 65_280, 65_535] {
        assert_eq!(refusal(&query("www.example", qtype, &[])), None, "type {qtype}");
    }
    let mut packet = query("www.example", A, &[]);
    packet[3] = 0x70;
    let last = packet.len() - 1;
    packet[last] = 250;
    assert_eq!(refusal(&packet), None);
}

#[test]
fn transfers_and_meta_types_are_not_looked_up() {
    for (qtype, rcode, ede) in [
        (252, Rcode::REFUSED, Ede::NotSupported),
        (251, Rcode::REFUSED, Ede::NotSupported),
        (253, Rcode::NOT_IMP, Ede::NotSupported),
        (254, Rcode::NOT_IMP, Ede::NotSupported),
        (0, Rcode::FORM_ERR, Ede::InvalidQueryType),
        (41, Rcode::FORM_ERR, Ede::InvalidQueryType),
        (128, Rcode::FORM_ERR, Ede::InvalidQueryType),
        (249, Rcode::FORM_ERR, Ede::InvalidQueryType),
    ] {
        assert_eq!(refusal(&query("www.example", qtype, &[])), Some((rcode, Some(ede))), "type {qtype}");
    }
}

#[test]
fn records_in_answer_or_authority_are_a_format_error() {
    for count in [7, 9] {
        let mut packet = query("www.example", A, &[opt(1232, 0, &[])]);
        packet[count] = 1;
        packet[11] = 0;
        assert_eq!(refusal(&packet), Some((Rcode::FORM_ERR, None)));
    }
}

#[test]
fn opt_may_stand_once_anywhere_in_additional_and_belongs_to_the_root() {
    let signature = record_of_class(&wire("key"), 250, 255, 0, &[1; 40]);
    let found = |additional: &[Vec<u8>]| Query::parse(&query("www.example", A, additional)).ok().map(|query| query.echo.edns.is_some());
    assert_eq!(found(std::slice::from_ref(&signature)), Some(false));
    assert_eq!(found(&[opt(1232, 0, &[]), signature.clone()]), Some(true));
    assert_eq!(found(&[signature, opt(1232, 0, &[])]), Some(true));
    assert_eq!(found(&[opt(1232, 0, &[]), opt(1232, 0, &[])]), None);
    assert_eq!(found(&[record_of_class(&wire("x"), 41, 1232, 0, &[])]), None);
    let whole = query("www.example", A, &[opt(1232, 0, &[(3, b"")])]);
    for length in whole.len() - 14..whole.len() {
        assert_eq!(refusal(&whole[..length]), Some((Rcode::FORM_ERR, None)), "cut off at {length}");
    }
}

#[test]
fn a_version_above_0_is_answered_badvers_whatever_its_options() {
    let mut newer = opt(4096, 0x8000, &[(3, b"")]);
    newer[6] = 1;
    let last = newer.len() - 1;
    newer[last] = 9;
    let packet = query("www.example", A, &[newer]);
    let Err(Rejection::Reply(echo, rcode, _)) = Query::parse(&packet) else { panic!("accepted") };
    assert_eq!(rcode, Rcode::BAD_VERS);
    assert!(echo.edns.is_some_and(|edns| edns.dnssec_ok), "the reply needs an OPT for its rcode");
}

#[test]
fn unknown_options_and_flags_are_ignored() {
    let packet = query("www.example", A, &[opt(1232, 0x7FFF, &[(65_001, b"whatever"), (3, b""), (0, b"")])]);
    let query = Query::parse(&packet).ok().unwrap();
    assert_eq!(query.echo.edns, Some(Edns { payload_size: 1232, dnssec_ok: false, nsid: true, keepalive: false }));
}

#[test]
fn a_payload_size_below_512_counts_as_512() {
    for (said, counted) in [(0, 512), (100, 512), (512, 512), (513, 513), (65_535, 65_535)] {
        let packet = query("www.example", A, &[opt(said, 0, &[])]);
        assert_eq!(Query::parse(&packet).ok().unwrap().echo.edns.unwrap().payload_size, counted);
    }
}

#[test]
fn options_that_run_past_the_end_are_a_format_error() {
    for options in [&[0, 3][..], &[0, 3, 0], &[0, 3, 0, 1], &[255, 0, 0, 2, 7]] {
        let packet = query("www.example", A, &[record_of_class(&[0], 41, 1232, 0, options)]);
        assert_eq!(refusal(&packet), Some((Rcode::FORM_ERR, None)), "{options:?}");
    }
}

#[test]
fn cookies_have_8_or_16_to_40_octets() {
    for length in 0..=48 {
        let is_well_formed = length == 8 || (16..=40).contains(&length);
        assert_eq!(edns(&[(COOKIE, &vec![1; length])]).is_some(), is_well_formed, "{length} octets");
    }
}

#[test]
fn a_client_sends_keepalive_without_a_value() {
    assert!(edns(&[(KEEPALIVE, b"")]).is_some_and(|edns| edns.keepalive));
    assert!(edns(&[(KEEPALIVE, b"\x00\x64")]).is_none());
}

#[test]
fn client_subnets_are_checked_and_then_ignored() {
    for (value, is_well_formed) in [
        (&b"\x00\x01\x18\x00\xc0\x00\x02"[..], true),
        (b"\x00\x01\x00\x00", true),
        (b"\x00\x02\x38\x00\x20\x01\x0d\xb8\x00\x00\x00", true),
        (b"\x00\x00\x00\x00", true),
        (b"\x00\x01\x14\x00\xc0\x00\xf0", true),
        (b"\x00\x01\x14\x00\xc0\x00\xff", false),
        (b"\x00\x01\x18\x00\xc0\x00", false),
        (b"\x00\x01\x18\x00\xc0\x00\x02\x00", false),
        (b"\x00\x01\x18\x08\xc0\x00\x02", false),
        (b"\x00\x01\x21\x00\xc0\x00\x02\x01\x00", false),
        (b"\x00\x03\x08\x00\x0a", false),
        (b"\x00\x00\x08\x00\x0a", false),
        (b"\x00\x01\x18", false),
    ] {
        assert_eq!(edns(&[(SUBNET, value)]).is_some(), is_well_formed, "{value:02x?}");
    }
}

#[test]
fn what_goes_upstream_is_a_plain_query_of_our_own() {
    let asked = Key { checking_disabled: true, dnssec_ok: true, ..key("www.example", 65_280) };
    let sent = encode_upstream_query(&asked, 0xBEEF, SentOpt::Bare);
    let query = Query::parse(&sent).ok().unwrap();
    assert_eq!(query.key, asked);
    assert_eq!((query.echo.id, query.echo.recursion_desired), (0xBEEF, true));
    assert_eq!(query.echo.edns, Some(Edns { payload_size: 1232, dnssec_ok: true, nsid: false, keepalive: false }));
    let bare = encode_upstream_query(&asked, 1, SentOpt::Absent);
    assert!(Query::parse(&bare).ok().unwrap().echo.edns.is_none());
}

#[test]
fn on_encrypted_transports_queries_of_all_lengths_look_alike() {
    for length in 1..63 {
        let asked = key(&"a".repeat(length), 1);
        let sent = encode_upstream_query(&asked, 1, SentOpt::Padded);
        assert_eq!(sent.len(), 128, "RFC 8467 section 4.1: {length}");
        assert_eq!(Query::parse(&sent).ok().unwrap().key, asked);
    }
    let long = key(&format!("{0}.{0}.{0}.{1}", "a".repeat(63), "b".repeat(61)), 1);
    assert_eq!(encode_upstream_query(&long, 1, SentOpt::Padded).len(), 384);
}
