//! Networks that lose and delay.

use std::process::Command;
use std::thread::scope;
use std::time::Duration;

use crate::Proof;
use crate::account::Row;
use crate::fault::Fault;
use crate::harness::{Stage, seconds};
use crate::load::{Stream, play_for};
use crate::names::{CLUSTER, OUTSIDE};
use crate::servers::{Server, Transport, Trust, doorstep_before};
use crate::upstream::Upstream;

/// The argument that makes this program play [`play_inside`].
pub(crate) const INSIDE: &str = "inside-a-network-of-its-own";
/// Of a hundred packets so many are lost, each way.
const LOST: u32 = 5;
/// Three datagrams in a row are lost, or their answers: 0.1 % of all; a stream is repaired by the kernel.
const MOST_LOST_OF: usize = 100;

/// In a network namespace of its own, which ends with its last process.
pub(super) fn play(proof: &Proof) {
    let program = std::env::current_exe().unwrap();
    let script = format!("ip link set lo up && nft list ruleset >/dev/null && exec \"$0\" {INSIDE} {}", proof.choose("", "--long"));
    let output = Command::new("unshare").args(["--net", "sh", "-c", &script]).arg(program).output();
    let Some(output) = output.ok().filter(|output| output.status.success() || !output.stdout.is_empty()) else {
        println!("NOT PLAYED: lost packets, which take root, unshare, ip and nft");
        return;
    };
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let rows: Vec<Row> = said.lines().filter_map(Row::read).collect();
    assert!(output.status.success() && !rows.is_empty(), "{said}{complained}");
    rows.into_iter().for_each(|row| proof.keep(row));
}

/// Packets are dropped at random on their way to CoreDNS and back; those between clients and doorstep are not.
pub(crate) fn play_inside(proof: &Proof) {
    let stage = Stage::beside_others();
    let trust = Trust::new(&stage);
    let coredns = Server::coredns(&stage, "lossy", &trust.shown, None);
    let doorsteps = Transport::ALL.map(|transport| {
        let directory = Stage::beside_others();
        let doorstep = doorstep_before(&directory, &trust, &[coredns.url(transport)], "");
        (transport, directory, doorstep)
    });
    lose(&[coredns.at(Transport::Udp).port(), coredns.at(Transport::Tls).port()]);
    scope(|scope| {
        for (transport, _, doorstep) in &doorsteps {
            for (kind, zone, rate) in [("cluster", CLUSTER, proof.choose(100, 500)), ("other", OUTSIDE, proof.choose(25, 100))] {
                scope.spawn(move || {
                    let account = play_for(doorstep.address(), Stream::new(zone, rate), proof.choose(seconds(6), seconds(60)));
                    let scenario = format!("{LOST} % of packets are lost each way: {kind} names");
                    proof.keep(account.row(&scenario, transport.label()));
                    account.check(&format!("{scenario} over {}", transport.label()), account.asked / MOST_LOST_OF);
                });
            }
        }
    });
}

fn lose(ports: &[u16]) {
    let mut rules = "add table inet proof; add chain inet proof in { type filter hook input priority 0; }".to_owned();
    for port in ports {
        for (protocol, end) in [("udp", "dport"), ("udp", "sport"), ("tcp", "dport"), ("tcp", "sport")] {
            rules += &format!("; add rule inet proof in {protocol} {end} {port} numgen random mod 100 < {LOST} drop");
        }
    }
    let status = Command::new("nft").arg(rules).status();
    assert!(status.is_ok_and(|status| status.success()), "nft takes the rules");
}

/// Far away: an upstream of ours answers 200 ms late.
pub(super) fn delay(proof: &Proof) {
    for transport in [Transport::Udp, Transport::Tcp, Transport::Tls] {
        let stage = Stage::beside_others();
        let trust = Trust::new(&stage);
        let late = Some(Fault::Delay(Duration::from_millis(200)));
        let upstream = Upstream::start(late, 1, (transport == Transport::Tls).then_some(&trust.shown));
        let doorstep = doorstep_before(&stage, &trust, &[transport.url(upstream.address())], "");
        scope(|scope| {
            for (kind, zone, rate) in [("cluster", CLUSTER, proof.choose(200, 1_000)), ("other", OUTSIDE, proof.choose(40, 200))] {
                let doorstep = &doorstep;
                scope.spawn(move || {
                    let account = play_for(doorstep.address(), Stream::new(zone, rate), proof.choose(seconds(2), seconds(20)));
                    let scenario = format!("every answer takes 200 ms: {kind} names");
                    proof.keep(account.row(&scenario, transport.label()));
                    account.check(&scenario, 0);
                });
            }
        });
    }
}
