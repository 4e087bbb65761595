//! What upstreams send.

use super::*;

fn check(asked: &Key, message: &[u8]) -> Result<Answer, AnswerError> {
    Answer::from_upstream(message, ID, asked)
}

/// Records kept of answer, authority and additional.
fn kept(answer: &Answer) -> [usize; 3] {
    answer.image().counts()
}

#[test]
fn only_the_answer_to_what_was_asked_is_taken() {
    let asked = key("www.example", A);
    let right = message(&asked, 0, [&[address(1, 60)], &[], &[]]);
    assert!(check(&asked, &right).is_ok());
    let spoiled = |at: usize, octet: u8| {
        let mut message = right.clone();
        message[at] = octet;
        check(&asked, &message).unwrap_err()
    };
    assert_eq!(spoiled(0, 0), AnswerError::Mismatch, "id");
    assert_eq!(spoiled(2, 1), AnswerError::Mismatch, "QR");
    assert_eq!(spoiled(2, 0xA8), AnswerError::Mismatch, "OPCODE");
    assert_eq!(spoiled(13, b'x'), AnswerError::Mismatch, "qname");
    assert_eq!(spoiled(26, 28), AnswerError::Mismatch, "qtype");
    assert_eq!(spoiled(28, 3), AnswerError::Mismatch, "qclass");
    assert_eq!(spoiled(5, 2), AnswerError::Mismatch, "QDCOUNT");
    assert_eq!(check(&asked, &right[..11]).unwrap_err(), AnswerError::Malformed);
    let mut other_case = right.clone();
    other_case[13..16].copy_from_slice(b"WwW");
    assert!(check(&asked, &other_case).is_ok());
}

#[test]
fn an_error_may_come_without_the_question() {
    let asked = key("www.example", A);
    let bare = |rcode: u8| [&ID.to_be_bytes()[..], &[0x81, 0x80 | rcode, 0, 0, 0, 0, 0, 0, 0, 0]].concat();
    assert_eq!(check(&asked, &bare(1)).unwrap_err(), AnswerError::Rcode(Rcode::FORM_ERR));
    assert_eq!(check(&asked, &bare(0)).unwrap_err(), AnswerError::Mismatch);
    assert_eq!(check(&asked, &bare(3)).unwrap_err(), AnswerError::Mismatch);
}

#[test]
fn a_truncated_answer_is_none_wherever_it_was_cut() {
    let asked = key("www.example", A);
    let mut message = message(&asked, 0, [&[address(1, 60), address(2, 60)], &[], &[]]);
    message[2] |= 0x02;
    for length in 29..=message.len() {
        assert_eq!(check(&asked, &message[..length]).unwrap_err(), AnswerError::Truncated);
    }
}

#[test]
fn a_message_cut_off_anywhere_is_refused() {
    let asked = key("www.example", A);
    let whole = message(&asked, 0, [&[address(1, 60), address(2, 60)], &[soa(60, 60)], &[opt(1232, 0, &[])]]);
    for length in 0..whole.len() {
        assert!(check(&asked, &whole[..length]).is_err(), "{length} octets");
    }
}

#[test]
fn rcodes_are_read_with_the_bits_of_opt() {
    let asked = key("www.example", A);
    for rcode in [1, 2, 4, 5, 9] {
        assert_eq!(check(&asked, &message(&asked, rcode, [&[], &[], &[]])).unwrap_err(), AnswerError::Rcode(Rcode(rcode.into())));
    }
    let mut badvers = opt(1232, 0, &[]);
    badvers[5] = 1;
    assert_eq!(check(&asked, &message(&asked, 0, [&[], &[], &[badvers]])).unwrap_err(), AnswerError::Rcode(Rcode::BAD_VERS));
}

#[test]
fn pointers_may_chain_but_only_point_back() {
    let asked = key("www.example", CNAME);
    let first = record(QNAME, CNAME, 60, b"\x01a\xc0\x10");
    let at = |message: &[u8], octets: &[u8]| message.windows(octets.len()).rposition(|window| window == octets).unwrap() as u8;
    let one = message(&asked, 0, [std::slice::from_ref(&first), &[], &[]]);
    let target = at(&one, b"\x01a\xc0\x10");
    let chained = record(&[0xC0, target], CNAME, 60, &[1, b'b', 0xC0, target]);
    let good = message(&asked, 0, [&[first.clone(), chained], &[], &[]]);
    assert_eq!(chain_of(&check(&asked, &good).unwrap()), ["a.example.", "b.a.example."]);
    let owned_by = |owner: [u8; 2]| check(&asked, &message(&asked, 0, [&[first.clone(), record(&owner, CNAME, 60, &[0])], &[], &[]]));
    assert!(owned_by([0xC0, target + 2]).is_ok(), "a pointer to a pointer");
    // The last two lead into the header, and to the octets before the owner, which would run on into it.
    let forward = [[0xC0, one.len() as u8], [0xC0, one.len() as u8 + 2], [0xFF, 0xFF]];
    for owner in forward.into_iter().chain([[0xC0, 11], [0xC0, one.len() as u8 - 1]]) {
        assert_eq!(owned_by(owner).unwrap_err(), AnswerError::Malformed, "{owner:02x?}");
    }
}

#[test]
fn pointers_in_a_circle_are_refused() {
    let asked = key("www.example", CNAME);
    let base = message(&asked, 0, [&[], &[], &[]]).len() as u8;
    let rdata_at = base + 12;
    for rdata in [vec![0xC0, rdata_at], vec![1, b'a', 0xC0, rdata_at], vec![0xC0, rdata_at + 2, 0xC0, rdata_at]] {
        let looping = message(&asked, 0, [&[record(QNAME, CNAME, 60, &rdata)], &[], &[]]);
        assert_eq!(check(&asked, &looping).unwrap_err(), AnswerError::Malformed, "{rdata:02x?}");
    }
}

#[test]
fn a_name_that_borrows_a_ttl_is_refused_since_ttls_change() {
    let asked = key("www.example", CNAME);
    let base = message(&asked, 0, [&[], &[], &[]]).len() as u8;
    // The first record's TTL, read as a name, is the root.
    let borrowing = record(&[0xC0, base + 6], 65_280, 60, &[0]);
    let bad = message(&asked, 0, [&[record(QNAME, CNAME, 0, &[0]), borrowing], &[], &[]]);
    assert_eq!(check(&asked, &bad).unwrap_err(), AnswerError::Malformed);
    // A label of ten octets in the first record's data and owner would hold the second's TTL.
    let label = record(QNAME, 65_280, 60, b"\x0c");
    let data_at = base + 12;
    let spanning = record(QNAME, 65_280, 60, &[0; 4]);
    let borrowing = record(&[0xC0, data_at], 65_280, 60, &[0]);
    let bad = message(&asked, 0, [&[label, spanning, borrowing], &[], &[]]);
    assert_eq!(check(&asked, &bad).unwrap_err(), AnswerError::Malformed, "in the middle of a label");
}

#[test]
fn rdata_must_have_the_form_of_its_type() {
    let asked = key("www.example", A);
    for (rtype, rdata) in [
        (A, &b"\x01\x02\x03"[..]),
        (AAAA, &[0; 15]),
        (NS, b"\x01a\x00\x00"),
        (MX, b"\x00"),
        (SRV, b"\x00\x01\x00\x01\x00\x35"),
        (SOA, b"\x00\x00\x00\x00\x00\x01"),
        (CNAME, b""),
    ] {
        let bad = message(&asked, 0, [&[record(QNAME, rtype, 60, rdata)], &[], &[]]);
        assert_eq!(check(&asked, &bad).unwrap_err(), AnswerError::Malformed, "type {rtype}");
    }
}

#[test]
fn unknown_types_pass_whatever_they_hold() {
    let asked = key("www.example", 65_280);
    let answer = answer(&asked, 0, [&[record(QNAME, 65_280, 60, b"\xc0\x0c\xff\xff")], &[], &[]]);
    assert_eq!((answer.kind, kept(&answer)), (Kind::Positive, [1, 0, 0]));
}

#[test]
fn the_smallest_ttl_of_what_is_kept_counts() {
    let asked = key("www.example", A);
    let mixed = answer(&asked, 0, [&[address(1, 300), address(2, 5)], &[], &[]]);
    assert_eq!(mixed.ttl, 5);
    let dropped = answer(&asked, 0, [&[address(1, 300)], &[record(QNAME, NS, 7, &[0])], &[]]);
    assert_eq!(dropped.ttl, 300);
    assert_eq!(answer(&asked, 0, [&[address(1, 0x8000_0001)], &[], &[]]).ttl, 0x8000_0001, "unsigned: capped by the zone");
    assert_eq!(answer(&asked, 0, [&[address(1, 0)], &[], &[]]).ttl, 0);
}

#[test]
fn a_negative_answer_lives_as_long_as_its_soa_allows() {
    let asked = key("www.example", A);
    for (rcode, kind) in [(0, Kind::NoData), (3, Kind::NxDomain)] {
        for (ttl, minimum) in [(30, 900), (900, 30)] {
            let negative = answer(&asked, rcode, [&[], &[soa(ttl, minimum)], &[]]);
            assert_eq!((negative.kind, negative.ttl, negative.has_soa), (kind, 30, true));
        }
        let bare = answer(&asked, rcode, [&[], &[], &[]]);
        assert_eq!((bare.kind, bare.has_soa), (kind, false));
    }
}

#[test]
fn a_chain_is_as_positive_as_its_end() {
    let asked = key("www.example", A);
    let chain = record(QNAME, CNAME, 20, b"\x01b\xc0\x10");
    let end = record(b"\x01b\xc0\x10", A, 60, &[192, 0, 2, 1]);
    let positive = answer(&asked, 0, [&[chain.clone(), end], &[], &[]]);
    assert_eq!((positive.kind, positive.ttl), (Kind::Positive, 20));
    assert_eq!(chain_of(&positive), ["b.example."]);
    let dangling = answer(&asked, 0, [std::slice::from_ref(&chain), &[soa(60, 60)], &[]]);
    assert_eq!((dangling.kind, dangling.ttl, kept(&dangling)), (Kind::NoData, 20, [1, 1, 0]));
    let missing = answer(&asked, 3, [std::slice::from_ref(&chain), &[soa(60, 10)], &[]]);
    assert_eq!((missing.kind, missing.ttl, kept(&missing)), (Kind::NxDomain, 10, [1, 1, 0]));
    assert_eq!(chain_of(&answer(&asked, 0, [&[address(1, 60)], &[], &[]])), [""; 0]);
    let itself = answer(&key("www.example", CNAME), 0, [&[chain], &[], &[]]);
    assert_eq!(itself.kind, Kind::Positive);
}

#[test]
fn opt_and_what_no_client_needs_is_not_kept() {
    let asked = key("www.example", A);
    let host = record(&wire("ns"), A, 60, &[192, 0, 2, 9]);
    let name_servers = &[record(QNAME, NS, 60, &wire("ns"))][..];
    let full = answer(&asked, 0, [&[address(1, 60)], name_servers, &[host.clone(), opt(1232, 0, &[])]]);
    assert_eq!(kept(&full), [1, 0, 0]);
    let signed = Key { dnssec_ok: true, ..asked };
    assert_eq!(kept(&answer(&signed, 0, [&[address(1, 60)], name_servers, std::slice::from_ref(&host)])), [1, 1, 0]);
    let service = key("_http._tcp.example", SRV);
    let target = record(QNAME, SRV, 60, &[&[0, 1, 0, 1, 0, 80][..], &wire("ns")].concat());
    let with_hosts = answer(&service, 0, [std::slice::from_ref(&target), &[], &[host.clone(), opt(1232, 0, &[]), host.clone()]]);
    assert_eq!(kept(&with_hosts), [1, 0, 1], "what follows OPT goes with it");
    assert_eq!(kept(&answer(&service, 0, [&[target], name_servers, &[host]])), [1, 0, 0]);
    let misplaced = message(&asked, 0, [&[address(1, 60), opt(1232, 0, &[])], &[], &[]]);
    assert_eq!(check(&asked, &misplaced).unwrap_err(), AnswerError::Malformed);
}

#[test]
fn an_image_knows_the_question_it_answers() {
    let asked = key("www.example", A);
    let stored = answer(&asked, 0, [&[address(1, 60)], &[], &[]]).into_image();
    let image = Image::new(&stored);
    assert!(image.is_of_name(&asked) && image.is_of_name(&key("www.example", AAAA)));
    for other in [key("wwx.example", A), key("www.example.com", A), Key { qclass: 3, ..asked }] {
        assert!(!image.is_of_name(&other));
    }
    assert_eq!(image.question(), [wire("www.example"), vec![0, 1, 0, 1]].concat());
    assert_eq!(image.rcode(), Rcode::NO_ERROR);
}

#[test]
fn addresses_are_those_of_the_answer_section_whoever_owns_them() {
    let asked = key("pods.test", A);
    let target = wire("other.test");
    let records = [
        record(QNAME, CNAME, 30, &target),
        record(&target, A, 30, &[10, 0, 0, 1]),
        record(&target, A, 30, &[10, 0, 0, 2]),
        record(&target, TXT, 30, b"\x03abc"),
    ];
    let answer = answer(&asked, 0, [&records, &[], &[]]);
    let shown: Vec<String> = answer.addresses().iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["10.0.0.1", "10.0.0.2"]);
    let asked = key("pods.test", AAAA);
    let v6 = super::answer(&asked, 0, [&[record(QNAME, AAAA, 30, &[0xfd; 16])], &[], &[]]);
    assert_eq!(v6.addresses().len(), 1);
}
