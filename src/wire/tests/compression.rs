//! Answers that come spelled out, as CoreDNS sends them over TCP.

use hickory_proto::rr::Record;

use super::*;

/// What was asked and the message, as it came.
fn stored(asked: &Key, rcode: u8, sections: [&[Vec<u8>]; 3]) -> (Answer, usize) {
    let octets = message(asked, rcode, sections);
    (Answer::from_upstream(&octets, ID, asked).unwrap(), octets.len())
}

/// What a client reads.
fn read(answer: &Answer, name: &str, qtype: u16) -> Message {
    parse(&reply_to(&query(name, qtype, &[]), answer, &FORM))
}

fn owners(records: &[Record]) -> Vec<String> {
    records.iter().map(|record| record.name.to_string()).collect()
}

#[test]
fn address_records_share_their_owner_with_the_question() {
    let asked = key("www.example", A);
    let spelled = |last: u8| record(&wire("WWW.example"), A, 60, &[192, 0, 2, last]);
    let shared = answer(&asked, 0, [&[address(1, 60), address(2, 60)], &[], &[]]);
    let made = answer(&asked, 0, [&[spelled(1), spelled(2)], &[soa(60, 60)], &[opt(1232, 0, &[])]]);
    assert_eq!(made.image().octets(), shared.image().octets());
    assert_eq!((made.ttl, made.image().counts()), (60, [2, 0, 0]));
}

#[test]
fn a_chain_is_compressed_and_says_the_same() {
    let asked = key("www.shop.example", A);
    let cname = |owner: &str, target: &str| record(&wire(owner), CNAME, 60, &wire(target));
    let end = |last: u8| record(&wire("eu.cdn.example"), A, 60, &[192, 0, 2, last]);
    let chain = [cname("www.shop.example", "cdn.Example"), cname("cdn.Example", "eu.cdn.example"), end(1), end(2), end(3)];
    let (answer, came) = stored(&asked, 0, [&chain, &[], &[]]);
    // Each owner and each end of a name that stands in the message already costs two octets; `cdn.Example` differs in case.
    assert!(answer.image().message().len() <= came - 70, "{} of {came} octets", answer.image().message().len());
    assert_eq!(chain_of(&answer), ["cdn.example.", "eu.cdn.example."]);
    let reply = read(&answer, "www.shop.example", A);
    assert_eq!(rdata(&reply), ["cdn.Example.", "eu.cdn.example.", "192.0.2.1", "192.0.2.2", "192.0.2.3"]);
    assert_eq!(owners(&reply.answers)[..2], ["www.shop.example.", "cdn.Example."]);
    assert_eq!(owners(&reply.answers)[2..], ["eu.cdn.example."; 3]);
    let turned = parse(&reply_to(&query("www.shop.example", A, &[]), &answer, &Form { rotation: 1, ..FORM }));
    assert_eq!(rdata(&turned)[2..], ["192.0.2.2", "192.0.2.3", "192.0.2.1"], "the addresses at its end still take turns");
}

#[test]
fn what_is_short_already_stays_as_it_came() {
    let asked = key("www.example", A);
    let chain = record(QNAME, CNAME, 300, b"\x01b\xc0\x10");
    let target = (12 + wire("www.example").len() + 4 + 12) as u8;
    let octets = message(&asked, 0, [&[chain, record(&[0xC0, target], A, 300, &[192, 0, 2, 1])], &[], &[]]);
    let answer = Answer::from_upstream(&octets, ID, &asked).unwrap();
    assert_eq!(answer.image().message()[29..33], octets[29..33]);
    assert_eq!(answer.image().message().len(), octets.len());
}

#[test]
fn an_nxdomain_costs_little_more_than_its_name() {
    let asked = key("www.example.shop.svc.cluster.local", A);
    let numbers = [1, 7200, 1800, 86400, 5].map(u32::to_be_bytes).concat();
    let data = [&wire("ns.dns.cluster.local")[..], &wire("hostmaster.cluster.local"), &numbers].concat();
    let (answer, came) = stored(&asked, 3, [&[], &[record(&wire("cluster.local"), SOA, 30, &data)], &[]]);
    assert!(answer.image().message().len() <= came - 39, "{} of {came} octets", answer.image().message().len());
    let soa = &read(&answer, "www.example.shop.svc.cluster.local", A).authorities[0];
    assert_eq!(
        (soa.name.to_string(), soa.data.to_string()),
        ("cluster.local.".into(), "ns.dns.cluster.local. hostmaster.cluster.local. 1 7200 1800 86400 5".into())
    );
}

#[test]
fn the_target_of_an_srv_is_spelled_out_however_it_came() {
    let asked = key("_http._tcp.web.example", SRV);
    let owner = wire("_http._tcp.web.example");
    let target = |tail: &[u8]| [&[0, 1, 0, 1, 0, 80, 1, b'h'][..], tail].concat();
    // RFC 2782 forbids the pointer; it is understood all the same.
    let records =
        [record(&owner, SRV, 60, &target(b"\x07example\x00")), record(&owner, SRV, 60, &target(&[0xC0, (12 + owner.len() - 9) as u8]))];
    let (answer, came) = stored(&asked, 0, [&records, &[], &[record(&wire("h.example"), A, 60, &[192, 0, 2, 1])]]);
    assert!(answer.image().message().len() < came);
    let reply = read(&answer, "_http._tcp.web.example", SRV);
    assert_eq!(rdata(&reply), ["1 1 80 h.example."; 2]);
    assert_eq!(owners(&reply.additionals), ["h.example."]);
    assert!(answer.image().message().windows(11).filter(|window| *window == b"\x01h\x07example\x00").count() >= 2);
}

#[test]
fn the_target_of_a_dname_is_spelled_out_and_what_stands_beside_it_is_compressed() {
    let asked = key("www.old.example", A);
    let dname = record(&wire("old.example"), DNAME, 60, &wire("new.example"));
    let cname = record(&wire("www.old.example"), CNAME, 60, &wire("www.new.example"));
    let (answer, came) = stored(&asked, 0, [&[dname, cname, record(&wire("www.new.example"), A, 60, &[192, 0, 2, 1])], &[], &[]]);
    assert!(answer.image().message().len() < came);
    let reply = read(&answer, "www.old.example", A);
    assert_eq!(rdata(&reply)[1..], ["www.new.example.", "192.0.2.1"]);
    assert_eq!(owners(&reply.answers), ["old.example.", "www.old.example.", "www.new.example."]);
    assert!(answer.image().message().windows(13).any(|window| window == b"\x03new\x07example\x00"));
}

#[test]
fn a_type_that_is_not_known_leaves_everything_as_it_came() {
    for foreign in [record(&wire("www.example"), 65_280, 60, &[0xC0, 12]), record_of_class(&wire("www.example"), A, 4, 60, &[1])] {
        let asked = key("www.example", A);
        let octets = message(&asked, 0, [&[record(&wire("www.example"), A, 60, &[192, 0, 2, 1]), foreign], &[], &[]]);
        let answer = Answer::from_upstream(&octets, ID, &asked).unwrap();
        assert_eq!(answer.image().message().len(), octets.len());
    }
}

#[test]
fn hundreds_of_different_names_are_not_looked_for_among_each_other() {
    let asked = key("example", NS);
    let records: Vec<Vec<u8>> = (0..400).map(|number| record(QNAME, NS, 60, &wire(&format!("ns{number}.example")))).collect();
    let (answer, came) = stored(&asked, 0, [&records, &[], &[]]);
    assert_eq!(answer.image().message().len(), came);
    assert_eq!(read(&answer, "example", NS).answers.len(), 400);
}

#[test]
fn the_root_is_a_name_like_any_other() {
    let asked = key("", NS);
    let (answer, _) = stored(&asked, 0, [&[record(&[0], NS, 60, &wire("a.root")), record(&[0], NS, 60, &wire("b.root"))], &[], &[]]);
    assert_eq!(rdata(&read(&answer, "", NS)), ["a.root.", "b.root."]);
}
