//! Who is to be asked changes, again and again. What a certificate in a new guise costs is a scenario of `integration/scenarios`.

use std::thread::sleep;

use crate::Proof;
use crate::harness::{Stage, eventually, seconds};
use crate::load::{Load, Stream};
use crate::names::{CLUSTER, OUTSIDE};
use crate::servers::{Server, Transport, Trust, configure, doorstep_before};

pub(super) fn play(proof: &Proof) {
    for transport in [Transport::Tcp, Transport::Udp] {
        let stage = Stage::beside_others();
        let trust = Trust::new(&stage);
        let servers = ["one", "two", "three"].map(|label| Server::coredns(&stage, label, &trust.shown, None));
        let urls = servers.each_ref().map(|server| server.url(transport));
        let doorstep = doorstep_before(&stage, &trust, &urls, "");
        let start = |zone, rate| Load::start(doorstep.address(), Stream::new(zone, rate));
        let loads = [("cluster", start(CLUSTER, proof.choose(500, 5_000))), ("other", start(OUTSIDE, proof.choose(100, 500)))];
        let rounds = proof.choose(4, 30);
        for round in 0..rounds {
            sleep(seconds(1));
            configure(&stage, &trust, &urls[round % 3..round % 3 + 1], "");
            doorstep.process.signal("HUP");
        }
        let reloads = || doorstep.metric("doorstep_config_reloads_total{result=\"good\"");
        eventually("every change has taken effect", seconds(5), || reloads() >= rounds as f64);
        loads.iter().for_each(|(_, load)| load.stop());
        for (kind, load) in loads {
            let account = load.end();
            let scenario = format!("other servers every second: {kind} names");
            proof.keep(account.row(&scenario, transport.label()));
            account.check(&scenario, 0);
        }
    }
}
