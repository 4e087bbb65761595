//! One of two servers fails, in each way a server can; or all its connections do.

use std::thread::sleep;
use std::time::Duration;

use crate::Proof;
use crate::account::Account;
use crate::harness::{Doorstep, Stage, seconds};
use crate::load::{Load, Stream};
use crate::names::{CLUSTER, OUTSIDE};
use crate::servers::{Server, Transport, Trust, doorstep_before, failures};
use crate::upstream::Upstream;

/// Among queries for names of the cluster so many are for others.
const ONE_OUTSIDE_IN: u32 = 10;
/// Longer than this no client is to wait when a server fails: below a stub resolver's patience.
const LONGEST: Duration = Duration::from_millis(4_500);

/// Both lanes under load; the names are new each time.
struct Both {
    cluster: Load,
    outside: Load,
}

impl Both {
    fn start(doorstep: &Doorstep, rate: u32, first: u32) -> Self {
        let start = |zone, rate| Load::start(doorstep.address(), Stream { first, ..Stream::new(zone, rate) });
        Self { cluster: start(CLUSTER, rate), outside: start(OUTSIDE, rate / ONE_OUTSIDE_IN) }
    }

    fn end(self, proof: &Proof, doorstep: &Doorstep, scenario: &str, transport: Transport) {
        [&self.cluster, &self.outside].into_iter().for_each(Load::stop);
        for (kind, load) in [("cluster", self.cluster), ("other", self.outside)] {
            let account: Account = load.end();
            let scenario = format!("{scenario}: {kind} names");
            proof.keep(account.row(&scenario, transport.label()));
            let what = format!("{scenario} over {}{}", transport.label(), failures(doorstep));
            account.check(&what, 0);
            assert!(account.longest() < LONGEST, "{what}: {:?}", account.longest());
        }
    }
}

pub(super) fn play(proof: &Proof, transport: Transport) {
    let stage = Stage::beside_others();
    let trust = Trust::new(&stage);
    let mut one = Server::coredns(&stage, "one", &trust.shown, None);
    let mut two = Server::coredns(&stage, "two", &trust.shown, None);
    let doorstep = doorstep_before(&stage, &trust, &[one.url(transport), two.url(transport)], "");
    let rate = proof.choose(1_000, 5_000);
    let pause = proof.choose(seconds(1), seconds(5));

    let load = Both::start(&doorstep, rate, 0);
    sleep(pause);
    one.kill();
    sleep(pause * 2);
    load.end(proof, &doorstep, "one of two servers is killed", transport);

    one.run();
    let load = Both::start(&doorstep, rate, 1 << 20);
    for server in [&mut one, &mut two] {
        sleep(pause / 2);
        server.kill();
        sleep(pause);
        server.run();
    }
    sleep(pause / 2);
    load.end(proof, &doorstep, "both servers are rolled, one after the other", transport);

    let load = Both::start(&doorstep, rate, 2 << 20);
    sleep(pause / 2);
    one.freeze();
    sleep(pause * 2);
    load.end(proof, &doorstep, "one of two servers falls silent", transport);
}

pub(super) fn reset(proof: &Proof) {
    for transport in [Transport::Tcp, Transport::Tls] {
        let stage = Stage::beside_others();
        let trust = Trust::new(&stage);
        let shown = (transport == Transport::Tls).then_some(&trust.shown);
        let upstream = Upstream::start(None, 1, shown);
        let doorstep = doorstep_before(&stage, &trust, &[transport.url(upstream.address())], "");
        let load = Both::start(&doorstep, proof.choose(1_000, 5_000), 0);
        for _ in 0..proof.choose(4, 30) {
            sleep(Duration::from_millis(500));
            upstream.reset_all();
        }
        sleep(Duration::from_millis(500));
        load.end(proof, &doorstep, "all connections are reset, every half second", transport);
    }
}
