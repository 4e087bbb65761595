//! Packets that nobody in his right mind would send: nothing panics, and what is written can be read.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;

const PACKETS: usize = 200_000;

/// Sound messages to spoil, with what was asked.
fn seeds() -> Vec<(Key, Vec<u8>)> {
    let host = key("www.shop.example", A);
    let chain = record(QNAME, CNAME, 20, b"\x01b\xc0\x10");
    let end = |last| record(b"\x01b\xc0\x10", A, 400, &[192, 0, 2, last]);
    let service = key("_http._tcp.example", SRV);
    let target = record(QNAME, SRV, 60, &[&[0, 1, 0, 1, 0, 80][..], &wire("ns")].concat());
    let glue = record(&wire("ns"), A, 60, &[192, 0, 2, 9]);
    let signed = Key { dnssec_ok: true, ..key("example", MX) };
    let mail = record(QNAME, MX, 60, b"\x00\x05\x04mail\xc0\x0c");
    let proof = record(&wire("a.example"), NSEC, 3600, &[0, 0, 1, 0x40]);
    let text = key("example", TXT);
    vec![
        (host, message(&host, 0, [&[address(1, 60), address(2, 60), address(3, 60)], &[], &[]])),
        (host, message(&host, 0, [&[chain, end(1), end(2)], &[soa(60, 60)], &[opt(1232, 0, &[(15, b"\x00\x03")])]])),
        (host, message(&host, 3, [&[], &[soa(60, 60)], &[]])),
        (service, message(&service, 0, [&[target], &[], &[glue, opt(1232, 0, &[])]])),
        (signed, message(&signed, 0, [&[mail.clone(), mail], &[proof, soa(60, 60)], &[]])),
        (text, message(&text, 0, [&[record(QNAME, TXT, 60, b"\x05hello\x05world"), record(QNAME, 65_280, 60, QNAME)], &[], &[]])),
    ]
}

/// Overwrites, removes, repeats or inserts a few octets; sometimes all is noise.
fn spoil(random: &mut StdRng, packet: &mut Vec<u8>) {
    if random.random_ratio(1, 50) {
        *packet = (0..random.random_range(0..300)).map(|_| random.random()).collect();
        return;
    }
    for _ in 0..random.random_range(0..4) {
        let at = random.random_range(0..packet.len().max(1));
        match random.random_range(0..8) {
            0 => packet.truncate(at),
            1 => packet.insert(at.min(packet.len()), random.random()),
            2 if at < packet.len() => drop(packet.remove(at)),
            3 => packet.extend_from_within(at.min(packet.len())..),
            4 if at + 1 < packet.len() => packet[at..at + 2].copy_from_slice(&[0xC0, random.random_range(0..64)]),
            _ if at < packet.len() => packet[at] = *[random.random(), 0, 1, 0x3F, 0x40, 0xC0, 0xFF].get(random.random_range(0..7)).unwrap(),
            _ => {}
        }
    }
}

/// Something like what clients send: the question of the seed, sometimes with options.
fn asking(random: &mut StdRng, asked: &Key) -> Vec<u8> {
    let mut additional = Vec::new();
    if random.random() {
        let options: [(u16, &[u8]); 3] = [(3, b""), (11, b""), (8, b"\x00\x01\x18\x00\xc0\x00\x02")];
        additional.push(opt(random.random(), random.random(), &options[..random.random_range(0..4)]));
    }
    let mut packet = query("", asked.qtype, &additional);
    packet.splice(12..13, asked.name.as_wire().iter().map(|octet| if random.random() { octet.to_ascii_uppercase() } else { *octet }));
    packet
}

/// The structure of a reply, read by our own walk: all counts are there and the message ends with the last record.
fn check_reply(reply: &[u8], limit: usize) {
    assert!(reply.len() <= limit);
    let mut at = super::super::image::question_end(reply).unwrap();
    let records: usize = [6, 8, 10].iter().map(|count| usize::from(u16::from_be_bytes([reply[*count], reply[count + 1]]))).sum();
    for _ in 0..records {
        at = super::super::record::Record::read(reply, at).unwrap_or_else(|| panic!("unreadable: {reply:02x?}")).end;
    }
    assert_eq!(at, reply.len(), "{reply:02x?}");
}

#[test]
fn no_query_makes_us_panic() {
    let mut random = StdRng::seed_from_u64(1);
    let seeds = seeds();
    let mut out = vec![0; 1232];
    let (mut accepted, mut refused) = (0, 0);
    for number in 0..PACKETS {
        let mut packet = asking(&mut random, &seeds[number % seeds.len()].0);
        spoil(&mut random, &mut packet);
        let (echo, rcode) = match Query::parse(&packet) {
            Ok(query) => {
                accepted += 1;
                (query.echo, Rcode::SERV_FAIL)
            }
            Err(Rejection::Reply(echo, rcode, _)) => {
                refused += 1;
                (echo, rcode)
            }
            Err(Rejection::Silence) => continue,
        };
        let form = Form { limit: reply::udp_limit(&echo, 1232), ede: Some(Ede::Other), ..FORM };
        let written = reply::write_error(&mut out, &echo, rcode, &form);
        parse(&out[..written]);
    }
    assert!(accepted > PACKETS / 10 && refused > PACKETS / 10, "both ways were walked: {accepted}, {refused}");
}

#[test]
fn no_answer_makes_us_panic_and_what_we_take_we_can_send() {
    let mut random = StdRng::seed_from_u64(2);
    let seeds = seeds();
    let (mut taken, mut readable) = (0, 0);
    for number in 0..PACKETS {
        let (asked, sound) = &seeds[number % seeds.len()];
        let mut spoiled = sound.clone();
        spoil(&mut random, &mut spoiled);
        let Ok(answer) = Answer::from_upstream(&spoiled, ID, asked) else { continue };
        taken += 1;
        assert!(answer.chain().count() <= answer.image().counts()[0]);
        let packet = asking(&mut random, asked);
        let limit = *[65_535, 512, 1232, random.random_range(300..600)].get(random.random_range(0..4)).unwrap();
        let form = Form { limit, ede: Some(Ede::StaleAnswer), rotation: random.random_range(0..9), keepalive: Some(100), ..FORM };
        let reply = aged_reply_to(&packet, &answer, random.random(), &form);
        check_reply(&reply, limit);
        readable += usize::from(Message::from_vec(&reply).is_ok() || Message::from_vec(&spoiled).is_err());
    }
    assert!(taken > PACKETS / 10, "{taken} taken");
    assert_eq!(readable, taken, "what the library reads as it came, it reads as it leaves");
}

#[test]
fn no_stored_octets_make_us_panic() {
    let mut random = StdRng::seed_from_u64(3);
    let seeds = seeds();
    let mut out = vec![0; 65_535];
    for number in 0..PACKETS / 4 {
        let (asked, sound) = &seeds[number % seeds.len()];
        let mut stored = Answer::from_upstream(sound, ID, asked).unwrap().into_image().into_vec();
        spoil(&mut random, &mut stored);
        let packet = asking(&mut random, asked);
        let Ok(query) = Query::parse(&packet) else { continue };
        let limit = *[65_535, 512, random.random_range(0..400)].get(random.random_range(0..3)).unwrap();
        let form = Form { limit, rotation: number, ..FORM };
        assert!(reply::write_answer(&mut out, &query.echo, Image::new(&stored), 60, &form) <= limit);
    }
}
