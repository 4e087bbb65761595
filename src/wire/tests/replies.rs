//! Stored answers on their way out.

use hickory_proto::op::{MessageType, ResponseCode};
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};

use super::*;

const KEEPALIVE: u16 = 11;
const NSID: u16 = 3;

/// The value of an option of a reply's OPT.
fn option(reply: &Message, code: u16) -> Option<Vec<u8>> {
    let options = reply.edns.as_ref()?.options();
    options.as_ref().iter().find(|(known, _)| u16::from(*known) == code).map(|(_, option)| match option {
        EdnsOption::NSID(nsid) => nsid.as_ref().to_vec(),
        EdnsOption::Unknown(_, value) => value.clone(),
        _ => panic!("unexpected option"),
    })
}

/// `count` addresses 192.0.2.0 and up.
fn addresses(asked: &Key, count: u8) -> Answer {
    answer(asked, 0, [&(0..count).map(|last| address(last, 300)).collect::<Vec<_>>(), &[], &[]])
}

#[test]
fn a_reply_repeats_id_flags_and_the_question_in_the_clients_case() {
    let answer = addresses(&key("www.example", A), 2);
    let mut packet = query("wWw.ExAmPlE", A, &[]);
    packet[3] = 0x70;
    let reply = reply_to(&packet, &answer, &FORM);
    assert_eq!(reply[..4], [0x12, 0x34, 0x81, 0x90], "QR RD, RA CD; AA, TC, Z and AD clear");
    assert_eq!(reply[12..packet.len()], packet[12..]);
    let reply = parse(&reply);
    assert_eq!(reply.metadata.message_type, MessageType::Response);
    assert_eq!(reply.metadata.response_code, ResponseCode::NoError);
    assert_eq!(rdata(&reply), ["192.0.2.0", "192.0.2.1"]);
    assert_eq!(reply.answers[0].name.to_string(), "wWw.ExAmPlE.", "owners that point to the question follow it");
    packet[2] = 0;
    assert_eq!(reply_to(&packet, &answer, &FORM)[2..4], [0x80, 0x90], "RD is copied");
}

#[test]
fn ad_is_never_set_since_nothing_is_validated() {
    let asked = Key { dnssec_ok: true, ..key("www.example", A) };
    let mut authentic = message(&asked, 0, [&[address(1, 300)], &[], &[]]);
    authentic[3] |= 0x20;
    let answer = Answer::from_upstream(&authentic, ID, &asked).unwrap();
    let mut packet = query("www.example", A, &[opt(1232, 0x8000, &[])]);
    packet[3] = 0x20;
    assert!(!parse(&reply_to(&packet, &answer, &FORM)).metadata.authentic_data);
}

#[test]
fn every_ttl_becomes_the_one_given() {
    let asked = Key { dnssec_ok: true, ..key("www.example", A) };
    let chain = record(QNAME, CNAME, 20, b"\x01b\xc0\x10");
    let end = record(b"\x01b\xc0\x10", A, 400, &[192, 0, 2, 1]);
    let proof = record(&wire("a.example"), NSEC, 3600, &[0, 0, 1, 0x40]);
    let answer = answer(&asked, 0, [&[chain, end], &[proof], &[]]);
    let reply = parse(&reply_to(&query("www.example", A, &[]), &answer, &FORM));
    let ttls: Vec<u32> = reply.all_sections().map(|record| record.ttl).collect();
    assert_eq!(ttls, [60; 3]);
}

#[test]
fn negative_answers_keep_their_rcode_and_soa() {
    let asked = key("www.example", A);
    for (rcode, expected) in [(0, ResponseCode::NoError), (3, ResponseCode::NXDomain)] {
        let answer = answer(&asked, rcode, [&[], &[soa(300, 300)], &[]]);
        let reply = parse(&reply_to(&query("www.example", A, &[]), &answer, &FORM));
        assert_eq!(reply.metadata.response_code, expected);
        assert_eq!((reply.answers.len(), reply.authorities.len(), reply.authorities[0].ttl), (0, 1, 60));
    }
}

#[test]
fn opt_goes_to_those_who_sent_one() {
    let answer = addresses(&key("www.example", A), 1);
    let form = Form { ede: Some(Ede::StaleAnswer), keepalive: Some(100), ..FORM };
    let plain = parse(&reply_to(&query("www.example", A, &[]), &answer, &form));
    assert!(plain.edns.is_none());
    let bare = parse(&reply_to(&query("www.example", A, &[opt(4096, 0, &[])]), &answer, &form));
    let edns = bare.edns.as_ref().unwrap();
    assert_eq!((edns.max_payload(), edns.version(), edns.flags().dnssec_ok, edns.flags().z), (1232, 0, false, 0));
    assert_eq!(option(&bare, u16::from(EdnsCode::NSID)), None);
    assert_eq!(option(&bare, KEEPALIVE), None);
    assert_eq!(option(&bare, 15), Some(vec![0, 3]));
    let all = [(NSID, &b""[..]), (KEEPALIVE, b""), (10, b"12345678"), (65_001, b"x")];
    let asked = parse(&reply_to(&query("www.example", A, &[opt(4096, 0xFFFF, &all)]), &answer, &form));
    assert_eq!(option(&asked, NSID), Some(b"pod-1".to_vec()));
    assert_eq!(option(&asked, KEEPALIVE), Some(vec![0, 100]));
    assert!(asked.edns.as_ref().unwrap().flags().dnssec_ok);
    assert_eq!(asked.edns.as_ref().unwrap().options().as_ref().len(), 3, "neither cookie nor what we do not know");
    let udp = parse(&reply_to(&query("www.example", A, &[opt(4096, 0, &all)]), &answer, &Form { keepalive: None, ..form }));
    assert_eq!(option(&udp, KEEPALIVE), None);
}

#[test]
fn replies_over_udp_keep_to_what_the_client_takes_and_to_the_cap() {
    let limit = |additional: &[Vec<u8>]| reply::udp_limit(&Query::parse(&query("www.example", A, additional)).ok().unwrap().echo, 1232);
    assert_eq!(limit(&[]), 512);
    for (said, limited) in [(100, 512), (512, 512), (700, 700), (1232, 1232), (4096, 1232)] {
        assert_eq!(limit(&[opt(said, 0, &[])]), limited);
    }
}

#[test]
fn what_does_not_fit_is_truncated_to_whole_records() {
    let answer = addresses(&key("www.example", A), 200);
    for (additional, limit) in [(vec![], 512), (vec![opt(4096, 0, &[(NSID, b"")])], 512), (vec![opt(4096, 0, &[])], 1232)] {
        let octets = reply_to(&query("www.example", A, &additional), &answer, &Form { limit, ..FORM });
        assert!(octets.len() <= limit && octets.len() + 16 > limit, "{} of {limit}: as many as fit", octets.len());
        let reply = parse(&octets);
        assert!(reply.metadata.truncation);
        assert_eq!(reply.edns.is_some(), !additional.is_empty());
        assert_eq!(rdata(&reply)[0], "192.0.2.0");
        assert!(reply.answers.iter().all(|record| record.ttl == 60));
    }
}

#[test]
fn what_just_fits_is_not_truncated() {
    let answer = addresses(&key("www.example", A), 20);
    let packet = query("www.example", A, &[opt(4096, 0, &[])]);
    let whole = reply_to(&packet, &answer, &FORM).len();
    let at = |limit| parse(&reply_to(&packet, &answer, &Form { limit, ..FORM }));
    assert_eq!((at(whole).metadata.truncation, at(whole).answers.len()), (false, 20));
    assert_eq!((at(whole - 1).metadata.truncation, at(whole - 1).answers.len()), (true, 19));
}

#[test]
fn extended_error_and_additional_section_go_before_anything_is_truncated() {
    let service = key("_http._tcp.example", SRV);
    let target = record(QNAME, SRV, 60, &[&[0, 1, 0, 1, 0, 80][..], &wire("ns")].concat());
    let host = record(&wire("ns"), A, 60, &[192, 0, 2, 9]);
    let answer = answer(&service, 0, [&[target], &[], &[host]]);
    let packet = query("_http._tcp.example", SRV, &[opt(4096, 0, &[])]);
    let stale = Form { ede: Some(Ede::StaleAnswer), ..FORM };
    let whole = reply_to(&packet, &answer, &stale).len();
    let seen = |limit| {
        let reply = parse(&reply_to(&packet, &answer, &Form { limit, ..stale }));
        (reply.metadata.truncation, reply.answers.len(), reply.additionals.len(), option(&reply, 15).is_some())
    };
    assert_eq!(seen(whole), (false, 1, 1, true));
    assert_eq!(seen(whole - 1), (false, 1, 1, false));
    assert_eq!(seen(whole - 6), (false, 1, 1, false));
    assert_eq!(seen(whole - 7), (false, 1, 0, false));
    assert_eq!(seen(whole - 6 - 18), (false, 1, 0, false));
    assert_eq!(seen(whole - 6 - 19), (true, 0, 0, false));
}

#[test]
fn a_negative_answer_without_room_for_its_proof_is_truncated() {
    let asked = Key { dnssec_ok: true, ..key("www.example", A) };
    let signature = record(QNAME, 46, 300, &[7; 500]);
    let answer = answer(&asked, 3, [&[], &[soa(300, 300), signature], &[]]);
    let packet = query("www.example", A, &[opt(512, 0x8000, &[])]);
    let reply = parse(&reply_to(&packet, &answer, &Form { limit: 512, ..FORM }));
    assert!(reply.metadata.truncation);
    assert_eq!((reply.authorities.len(), reply.metadata.response_code), (0, ResponseCode::NXDomain));
}

#[test]
fn the_longest_question_and_nsid_still_make_a_reply_of_512_octets() {
    let long = format!("{0}.{0}.{0}.{1}", "x".repeat(63), "y".repeat(61));
    let answer = addresses(&key(&long, A), 40);
    let nsid = [b'n'; 255];
    let packet = query(&long, A, &[opt(512, 0, &[(NSID, b"")])]);
    let form = Form { limit: 512, nsid: &nsid, ede: Some(Ede::StaleAnswer), ..FORM };
    let reply = parse(&reply_to(&packet, &answer, &form));
    assert!(reply.metadata.truncation && !reply.answers.is_empty());
    assert!(reply.edns.is_some());
    for limit in 0..600 {
        let octets = reply_to(&packet, &answer, &Form { limit, ..form });
        assert!(octets.len() <= limit && (octets.is_empty() || parse(&octets).metadata.truncation), "{limit}");
    }
}

#[test]
fn addresses_take_turns_and_none_is_lost() {
    let asked = key("www.example", AAAA);
    let six = |last: u8| record(QNAME, AAAA, 300, &[0x20, 1, 0xD, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    let answer = answer(&asked, 0, [&[six(1), six(2), six(3)], &[], &[]]);
    for (rotation, order) in [(0, [1, 2, 3]), (1, [2, 3, 1]), (2, [3, 1, 2]), (3, [1, 2, 3]), (65_534, [3, 1, 2])] {
        let reply = parse(&reply_to(&query("www.example", AAAA, &[]), &answer, &Form { rotation, ..FORM }));
        assert_eq!(rdata(&reply), order.map(|last| format!("2001:db8::{last}")), "{rotation}");
        assert!(reply.answers.iter().all(|record| record.ttl == 60));
    }
}

#[test]
fn truncated_replies_show_different_addresses() {
    let answer = addresses(&key("www.example", A), 100);
    let mut seen = std::collections::HashSet::new();
    for rotation in 0..100 {
        let octets = reply_to(&query("www.example", A, &[]), &answer, &Form { limit: 512, rotation, ..FORM });
        let reply = parse(&octets);
        assert_eq!(rdata(&reply)[0], format!("192.0.2.{rotation}"));
        seen.extend(rdata(&reply));
    }
    assert_eq!(seen.len(), 100);
}

#[test]
fn only_the_addresses_at_the_end_of_a_chain_take_turns() {
    let asked = key("www.example", A);
    let chain = record(QNAME, CNAME, 300, b"\x01b\xc0\x10");
    let target = (12 + wire("www.example").len() + 4 + 12) as u8;
    let end = |last: u8| record(&[0xC0, target], A, 300, &[192, 0, 2, last]);
    let chained = answer(&asked, 0, [&[chain.clone(), end(1), end(2)], &[], &[]]);
    let reply = parse(&reply_to(&query("www.example", A, &[]), &chained, &Form { rotation: 1, ..FORM }));
    assert_eq!(rdata(&reply), ["b.example.", "192.0.2.2", "192.0.2.1"]);
    assert!(reply.answers[1..].iter().all(|record| record.name.to_string() == "b.example."));
}

#[test]
fn records_whose_place_matters_stay_where_they_are() {
    let asked = key("www.example", A);
    // The second owner points into the first record.
    let first_owner = (12 + wire("www.example").len() + 4) as u8;
    let owner = record(&wire("b.example"), A, 300, &[192, 0, 2, 1]);
    let pointing = record(&[0xC0, first_owner], A, 300, &[192, 0, 2, 2]);
    // A longer owner that ends like the next one.
    let longer = record(&wire("a.b.example"), A, 300, &[192, 0, 2, 3]);
    let mail = |host: &str| record(QNAME, MX, 300, &[&[0, 1][..], &wire(host)].concat());
    for (records, order) in [
        (vec![owner.clone(), pointing], vec!["192.0.2.1", "192.0.2.2"]),
        (vec![longer, owner], vec!["192.0.2.3", "192.0.2.1"]),
        (vec![mail("a"), mail("b")], vec!["1 a.", "1 b."]),
        (vec![address(1, 300), mail("b")], vec!["192.0.2.1", "1 b."]),
    ] {
        let answer = answer(&asked, 0, [&records, &[], &[]]);
        let reply = parse(&reply_to(&query("www.example", A, &[]), &answer, &Form { rotation: 1, ..FORM }));
        assert_eq!(rdata(&reply), order);
    }
}

#[test]
fn addresses_with_names_behind_them_stay_where_they_are() {
    let asked = Key { dnssec_ok: true, ..key("www.example", A) };
    let first = (12 + wire("www.example").len() + 4) as u8;
    let end = |last: u8| record(&wire("b.example"), A, 300, &[192, 0, 2, last]);
    let pointing = record(&[0xC0, first], NS, 300, &[1, b'x', 0xC0, first]);
    let answer = answer(&asked, 0, [&[end(1), end(2)], &[pointing], &[]]);
    let reply = parse(&reply_to(&query("www.example", A, &[]), &answer, &Form { rotation: 1, ..FORM }));
    assert_eq!(rdata(&reply), ["192.0.2.1", "192.0.2.2"]);
    assert_eq!(
        (reply.authorities[0].name.to_string(), reply.authorities[0].data.to_string()),
        ("b.example.".into(), "x.b.example.".into())
    );
}

#[test]
fn an_answer_to_another_question_never_leaves() {
    let answer = addresses(&key("www.other.example", A), 2);
    let reply = parse(&reply_to(&query("www.example", A, &[]), &answer, &FORM));
    assert_eq!((reply.metadata.response_code, reply.answers.len()), (ResponseCode::ServFail, 0));
}
