//! Other people's resolvers in the upstream's place.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Proof;
use crate::harness::Stage;
use crate::load::{Stream, play_for};
use crate::names::{CLUSTER, OUTSIDE};
use crate::servers::{Server, Transport, Trust, doorstep_before};

/// Where Debian puts them.
const PLACES: [&str; 2] = ["/usr/sbin", "/usr/bin"];

pub(super) fn play(proof: &Proof) {
    let stage = Stage::beside_others();
    let trust = Trust::new(&stage);
    let behind = Server::coredns(&stage, "behind", &trust.shown, None);
    for (name, program) in [("unbound", "unbound"), ("Knot Resolver", "kresd")] {
        let Some(program) = find(program) else {
            println!("NOT PLAYED: no {program} here");
            continue;
        };
        let plain = behind.at(Transport::Udp);
        let server = if name == "unbound" {
            Server::unbound(&stage, &program, &trust.shown, plain)
        } else {
            Server::knot(&stage, &program, &trust.shown, plain)
        };
        let (rate, time) = proof.choose((1_000, Duration::from_secs(2)), (2_000, Duration::from_millis(5_000)));
        for (number, transport) in [Transport::Udp, Transport::Tcp, Transport::Tls].into_iter().enumerate() {
            for (kind, zone, rate) in [("cluster", CLUSTER, rate), ("other", OUTSIDE, rate / 4)] {
                let doorstep = doorstep_before(&stage, &trust, &[server.url(transport)], "");
                // Names that the resolver has not asked for yet.
                let stream = Stream { first: (number as u32) << 20, ..Stream::new(zone, rate) };
                let account = play_for(doorstep.address(), stream, time);
                let scenario = format!("{name} is the upstream: {kind} names");
                proof.keep(account.row(&scenario, transport.label()));
                account.check(&scenario, 0);
            }
        }
    }
}

fn find(program: &str) -> Option<PathBuf> {
    PLACES.iter().map(|place| Path::new(place).join(program)).find(|path| path.exists())
}
