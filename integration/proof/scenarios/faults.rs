//! Everything an upstream can do wrong, all at once, each to a zone of its own: a name's right answer or SERVFAIL, and never a wrong one.

use std::thread::sleep;
use std::time::Duration;

use crate::Proof;
use crate::fault::Fault;
use crate::harness::{Stage, seconds};
use crate::load::{Load, Stream};
use crate::names::CLUSTER;
use crate::servers::{Server, Transport, Trust, doorstep_before};
use crate::upstream::Upstream;

/// Of so many questions one meets the fault.
const EVERY: usize = 5;

/// What is done, and whether a client may lose by it.
const FAULTS: [(&str, Fault, bool); 12] = [
    ("answers 300 ms late", Fault::Delay(Duration::from_millis(300)), false),
    ("does not answer", Fault::Drop, true),
    ("answers out of order", Fault::Reorder, false),
    ("truncates over UDP", Fault::Truncate, false),
    ("sends octet by octet", Fault::Split, false),
    ("answers twice, the second time wrong", Fault::Twice, false),
    ("answers another id first", Fault::WrongId, false),
    ("answers another question first", Fault::WrongQuestion, true),
    ("changes the case of the question", Fault::WrongCase, false),
    ("closes in the midst of an answer", Fault::CloseAmid, true),
    ("resets the connection", Fault::Reset, true),
    ("sends garbage", Fault::Garbage, true),
];

pub(super) fn play(proof: &Proof, profile: &'static str) {
    let stage = Stage::beside_others();
    let trust = Trust::new(&stage);
    let coredns = Server::coredns(&stage, "well", &trust.shown, None);
    let ca = stage.file("ca.crt", &trust.authority.pem());
    let (mut groups, mut zones, mut cases) = (String::new(), String::from("zones:\n"), Vec::new());
    for (index, (what, fault, loses)) in FAULTS.into_iter().enumerate() {
        for transport in [Transport::Udp, Transport::Tcp, Transport::Tls] {
            let upstream = Upstream::start(Some(fault), EVERY, (transport == Transport::Tls).then_some(&trust.shown));
            let group = format!("{transport:?}{index}").to_lowercase();
            let url = transport.url(upstream.address());
            groups += &format!("  {group}:\n    servers: [\"{url}\"]\n");
            if transport == Transport::Tls {
                groups += &format!("    tls: {{ ca_file: {} }}\n", ca.display());
            }
            zones += &format!("  - {{ name: {group}.example, upstream: {group}, profile: {profile} }}\n");
            cases.push((what, transport, loses, group));
        }
    }
    let more = format!("{groups}{zones}limits: {{ upstream_connections: 512 }}\n");
    let doorstep = doorstep_before(&stage, &trust, &[coredns.url(Transport::Tcp)], &more);
    let well = Load::start(doorstep.address(), Stream::new(CLUSTER, proof.choose(200, 1_000)));
    let rate = proof.choose(10, 50);
    let loads: Vec<_> = cases
        .into_iter()
        .map(|(what, transport, loses, group)| {
            let zone: &'static str = String::leak(format!("{group}.example."));
            (what, transport, loses, Load::start(doorstep.address(), Stream::new(zone, rate)))
        })
        .collect();
    sleep(proof.choose(seconds(4), seconds(30)));
    let lane = if profile == "cluster" { "cluster names" } else { "other names" };
    loads.iter().for_each(|(_, _, _, load)| load.stop());
    let ended: Vec<_> = loads.into_iter().map(|(what, transport, loses, load)| (what, transport, loses, load.end())).collect();
    let well = well.end();
    proof.keep(well.row(&format!("beside all faults of {lane}: a well server"), "TCP"));
    for (what, transport, _, account) in &ended {
        proof.keep(account.row(&format!("one question of {EVERY}, {lane}: the server {what}"), transport.label()));
    }
    well.check("a server that is well beside others that are not", 0);
    for (what, transport, loses, account) in ended {
        // A question may meet the fault again when it is asked again, and its neighbours wait with it: twice its share is far from usual.
        let most = if loses { account.asked * 2 / EVERY } else { 0 };
        account.check(&format!("{lane}: the server {what} over {}", transport.label()), most);
    }
}
