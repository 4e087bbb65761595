//! Whatever the network sends, good queries are answered.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::harness::{CoreDns, Doorstep, Rcode, Reply, Stage, Udp, a, aaaa, seconds, txt};

const SEED: u64 = 0x5eed;
/// Malformed messages over UDP, and between two good queries.
const MALFORMED: usize = 100_000;
const BURST: usize = 100;
const MEGABYTE: u64 = 1 << 20;

/// A real query with a few octets changed, cut or added; or noise.
fn malformed(random: &mut StdRng) -> Vec<u8> {
    if random.random_ratio(1, 4) {
        return (0..random.random_range(0..600)).map(|_| random.random()).collect();
    }
    let name = format!("n{}.shop.svc.cluster.local.", random.random::<u16>());
    let question = match random.random_range(0..3) {
        0 => a(&name),
        1 => aaaa(&name).edns(random.random()).nsid(),
        _ => txt(&name).edns(4096).dnssec_ok(),
    };
    let mut message = question.encode();
    for _ in 0..random.random_range(1..6) {
        let at = random.random_range(0..message.len());
        message[at] = random.random();
    }
    match random.random_range(0..4) {
        0 => message.truncate(random.random_range(0..message.len())),
        1 => message.extend((0..random.random_range(1..64)).map(|_| random.random::<u8>())),
        _ => {}
    }
    message
}

#[test]
fn a_hundred_thousand_malformed_messages_cost_no_good_query_its_answer() {
    let stage = Stage::alone();
    let coredns = CoreDns::start(&stage);
    let mut doorstep = Doorstep::configured(&stage, &coredns, "cache: { size: 8MiB }\n");
    let mut random = StdRng::seed_from_u64(SEED);
    let (bad, good) = (doorstep.udp(), doorstep.udp());
    let before = doorstep.process.resident();
    for burst in 0..MALFORMED / BURST {
        for _ in 0..BURST {
            bad.send(&malformed(&mut random));
        }
        assert!(good.try_ask(&a("web.shop.svc.cluster.local.")).is_some(), "no answer after burst {burst} (seed {SEED:#x})");
        bad.forget();
    }
    assert!(doorstep.process.runs());
    let grown = doorstep.process.resident().saturating_sub(before) / MEGABYTE;
    assert!(grown < 96, "{grown} MiB more than before");
    assert_eq!(doorstep.readiness().0, 200);
}

#[test]
fn malformed_messages_over_tcp_end_at_most_their_own_connection() {
    let stage = Stage::alone();
    let coredns = CoreDns::start(&stage);
    let mut doorstep = Doorstep::before(&coredns);
    let mut random = StdRng::seed_from_u64(SEED);
    let mut good = doorstep.tcp();
    for _ in 0..500 {
        let mut bad = doorstep.tcp();
        let message = malformed(&mut random);
        // Half of them lie about their length.
        let length = if random.random() { message.len() as u16 } else { random.random() };
        bad.send(&[&length.to_be_bytes(), message.as_slice()].concat());
        drop(bad);
        assert!(good.try_ask(&a("web.shop.svc.cluster.local.")).is_some());
    }
    assert!(doorstep.process.runs());
}

#[test]
fn one_client_that_leaves_its_queries_waiting_does_not_starve_another() {
    let stage = Stage::alone();
    let coredns = CoreDns::start(&stage);
    let doorstep = Doorstep::configured(&stage, &coredns, "limits: { waiting_per_client: 50 }\n");
    // It asks from ::1, everybody else from 127.0.0.1.
    let greedy = Udp::to(doorstep.address6());
    for number in 0..200 {
        greedy.send(&a(&format!("greedy{number}.slow.test.")).encode());
    }
    for _ in 0..150 {
        let refused = Reply::read(greedy.receive(seconds(1)).expect("what is beyond the limit is refused at once"));
        assert_eq!(refused.rcode(), Rcode::ServFail);
    }
    for name in ["web.shop.svc.cluster.local.", "www.outside.example.", "patient.slow.test."] {
        assert_eq!(doorstep.ask(&a(name)).addresses().len(), 1, "{name}");
    }
    assert_eq!(doorstep.metric("doorstep_overload_total"), 150.0);
}
