//! Other people's resolvers in the upstream's place.

use std::path::{Path, PathBuf};
use std::thread::sleep;

use crate::Proof;
use crate::harness::{Stage, seconds};
use crate::load::{Load, Stream};
use crate::names::{CLUSTER, OUTSIDE};
use crate::servers::{Server, Transport, Trust, doorstep_before, failures};

/// Where Debian puts them.
const PLACES: [&str; 2] = ["/usr/sbin", "/usr/bin"];

pub(super) fn play(proof: &Proof, program: &str) {
    let Some(path) = find(program) else {
        println!("NOT PLAYED: no {program} here");
        return;
    };
    let stage = Stage::beside_others();
    let trust = Trust::new(&stage);
    let behind = Server::coredns(&stage, "behind", &trust.shown, None);
    let plain = behind.at(Transport::Udp);
    let server = match program {
        "unbound" => Server::unbound(&stage, &path, &trust.shown, plain),
        _ => Server::knot(&stage, &path, &trust.shown, plain),
    };
    let (rate, time) = proof.choose((1_000, seconds(2)), (2_000, seconds(6)));
    for (number, transport) in [Transport::Udp, Transport::Tcp, Transport::Tls].into_iter().enumerate() {
        let doorstep = doorstep_before(&stage, &trust, &[server.url(transport)], "");
        // Names that the resolver has not asked for yet.
        let start = |zone, rate| Load::start(doorstep.address(), Stream { first: (number as u32) << 20, ..Stream::new(zone, rate) });
        let loads = [("cluster", start(CLUSTER, rate)), ("other", start(OUTSIDE, rate / 10))];
        sleep(time);
        loads.iter().for_each(|(_, load)| load.stop());
        for (kind, load) in loads {
            let account = load.end();
            let scenario = format!("{program} is the upstream: {kind} names");
            proof.keep(account.row(&scenario, transport.label()));
            account.check(&format!("{scenario} over {}{}", transport.label(), failures(&doorstep)), 0);
        }
    }
}

fn find(program: &str) -> Option<PathBuf> {
    PLACES.iter().map(|place| Path::new(place).join(program)).find(|path| path.exists())
}
