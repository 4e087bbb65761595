//! Replies made at the node: errors and local answers.

use std::net::IpAddr;

use hickory_proto::op::{MessageType, ResponseCode};
use hickory_proto::rr::RecordType;

use super::*;

fn error(packet: &[u8], form: &Form<'_>) -> Vec<u8> {
    let (echo, rcode, ede) = match Query::parse(packet) {
        Ok(query) => (query.echo, Rcode::SERV_FAIL, Some(Ede::NetworkError)),
        Err(Rejection::Reply(echo, rcode, ede)) => (echo, rcode, ede),
        Err(Rejection::Silence) => panic!("no reply"),
    };
    let mut out = vec![0xEE; form.limit];
    let written = reply::write_error(&mut out, &echo, rcode, &Form { ede, ..*form });
    out.truncate(written);
    out
}

fn local(packet: &[u8], content: &Local<'_>, form: &Form<'_>) -> Message {
    let query = Query::parse(packet).unwrap_or_else(|rejection| panic!("{rejection:?}"));
    let mut out = vec![0xEE; form.limit];
    let written = reply::write_local(&mut out, &query.echo, content, 45, form);
    assert!(written <= form.limit);
    parse(&out[..written])
}

#[test]
fn an_error_repeats_the_question_and_tells_why_to_those_with_opt() {
    let plain = error(&query("wWw.Example", A, &[]), &FORM);
    assert_eq!(plain[..12], [0x12, 0x34, 0x81, 0x82, 0, 1, 0, 0, 0, 0, 0, 0]);
    assert_eq!(plain[12..], query("wWw.Example", A, &[])[12..]);
    let told = error(&query("www.example", A, &[opt(1232, 0, &[])]), &FORM);
    assert_eq!(told[told.len() - 6..], [0, 15, 0, 2, 0, 23]);
    assert_eq!(parse(&told).metadata.response_code, ResponseCode::ServFail);
}

#[test]
fn the_text_of_an_extended_error_is_bounded_and_the_first_to_go() {
    let (longest, longer) = ("x".repeat(64), "x".repeat(65));
    let packet = query("www.example", A, &[opt(1232, 0, &[])]);
    let told = |limit, ede_text| error(&packet, &Form { limit, ede_text, ..FORM });
    let (bare, whole) = (told(1232, ""), told(1232, "no_route"));
    assert!(whole.ends_with(b"\x00\x0f\x00\x0a\x00\x17no_route"));
    assert_eq!(told(whole.len(), "no_route"), whole);
    assert_eq!(told(whole.len() - 1, "no_route"), bare, "never a part of it");
    assert_eq!((told(1232, &longest).len(), told(1232, &longer).len()), (bare.len() + 64, bare.len()));
    let plain = query("www.example", A, &[]);
    assert_eq!(error(&plain, &Form { ede_text: "no_route", ..FORM }).len(), plain.len(), "only to those with OPT");
}

#[test]
fn badvers_stands_in_header_and_opt() {
    let mut newer = opt(4096, 0, &[]);
    newer[6] = 1;
    let reply = error(&query("www.example", A, &[newer]), &FORM);
    assert_eq!(reply[3] & 0x0F, 0);
    let reply = parse(&reply);
    assert_eq!(u16::from(reply.metadata.response_code), 16);
    let edns = reply.edns.as_ref().unwrap();
    assert_eq!((edns.rcode_high(), edns.version()), (1, 0));
}

#[test]
fn an_error_without_a_question_has_none() {
    let mut packet = query("www.example", A, &[]);
    packet[2] = 4 << 3;
    let reply = error(&packet, &FORM);
    assert_eq!(reply, [0x12, 0x34, 0xA0, 0x84, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(parse(&reply).metadata.message_type, MessageType::Response);
}

#[test]
fn no_buffer_is_too_small_to_be_left_alone() {
    let long = format!("{0}.{0}.{0}.{1}", "x".repeat(63), "y".repeat(61));
    let packet = query(&long, A, &[opt(512, 0, &[(3, b"")])]);
    let addresses = vec![IpAddr::from([192, 0, 2, 1]); 40];
    for limit in 0..700 {
        let form = Form { limit, nsid: &[b'n'; 255], ..FORM };
        let reply = error(&packet, &form);
        assert!(reply.is_empty() || parse(&reply).queries.len() == 1);
        let query = Query::parse(&packet).ok().unwrap();
        let mut out = vec![0; limit];
        for content in [Local::NxDomain { zone: 1 }, Local::Addresses(&addresses), Local::Text(&[b't'; 300])] {
            let written = reply::write_local(&mut out, &query.echo, &content, 45, &form);
            assert!(written == 0 || parse(&out[..written]).queries.len() == 1);
        }
    }
}

#[test]
fn a_local_negative_carries_an_soa_of_its_zone() {
    let packet = query("a.Ads.Example", A, &[]);
    for (content, rcode) in [
        (Local::NxDomain { zone: wire("ads.example").len() as u8 }, ResponseCode::NXDomain),
        (Local::NoData { zone: wire("ads.example").len() as u8 }, ResponseCode::NoError),
    ] {
        let reply = local(&packet, &content, &FORM);
        assert_eq!((reply.metadata.response_code, reply.answers.len(), reply.authorities.len()), (rcode, 0, 1));
        let soa = &reply.authorities[0];
        assert_eq!((soa.name.to_string(), soa.ttl), ("Ads.Example.".into(), 45));
        assert_eq!(soa.data.to_string(), "Ads.Example. nobody.invalid. 1 3600 1200 604800 45");
    }
    let root = local(&packet, &Local::NxDomain { zone: 1 }, &FORM);
    assert!(root.authorities[0].name.is_root());
    let itself = local(&query("ads.example", A, &[]), &Local::NoData { zone: wire("ads.example").len() as u8 }, &FORM);
    assert_eq!(itself.authorities[0].name.to_string(), "ads.example.");
}

#[test]
fn local_addresses_are_of_the_family_asked_and_take_turns() {
    let all: Vec<IpAddr> = ["192.0.2.1", "2001:db8::1", "192.0.2.2", "192.0.2.3"].map(|text| text.parse().unwrap()).to_vec();
    let seen = |qtype, rotation| rdata(&local(&query("x.example", qtype, &[]), &Local::Addresses(&all), &Form { rotation, ..FORM }));
    assert_eq!(seen(A, 0), ["192.0.2.1", "192.0.2.2", "192.0.2.3"]);
    assert_eq!(seen(A, 4), ["192.0.2.2", "192.0.2.3", "192.0.2.1"]);
    assert_eq!(seen(AAAA, 7), ["2001:db8::1"]);
    assert_eq!(seen(255, 0).len(), 4);
    assert!(seen(MX, 0).is_empty());
    let reply = local(&query("X.example", A, &[]), &Local::Addresses(&all), &FORM);
    assert_eq!((reply.answers[0].name.to_string(), reply.answers[0].ttl), ("X.example.".into(), 45));
}

#[test]
fn local_addresses_beyond_the_limit_are_truncated() {
    let all: Vec<IpAddr> = (0..100).map(|last| IpAddr::from([192, 0, 2, last])).collect();
    let reply = local(&query("x.example", A, &[]), &Local::Addresses(&all), &Form { limit: 512, ..FORM });
    assert!(reply.metadata.truncation);
    assert_eq!(reply.answers.len(), (512 - query("x.example", A, &[]).len()) / 16);
}

#[test]
fn identity_is_a_text_of_the_class_asked() {
    let mut packet = query("id.server", TXT, &[]);
    let last = packet.len() - 1;
    packet[last] = 3;
    let reply = local(&packet, &Local::Text(b"pod-1"), &FORM);
    assert_eq!((reply.answers[0].record_type(), u16::from(reply.answers[0].dns_class)), (RecordType::TXT, 3));
    assert_eq!(rdata(&reply), ["pod-1"]);
}
