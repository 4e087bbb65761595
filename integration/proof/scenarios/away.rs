//! The only upstream is gone for a while.

use std::thread::sleep;

use crate::Proof;
use crate::harness::{Stage, a, seconds};
use crate::load::{Load, Stream};
use crate::names::{BRIEF, BRIEF_OUTSIDE, CLUSTER, name};
use crate::servers::{Server, Transport, Trust, doorstep_before};

/// Names that are asked over and over; their TTL is 1 s.
const NAMES: u32 = 50;
const STALE_ANSWER: u16 = 3;

pub(super) fn play(proof: &Proof) {
    let stage = Stage::beside_others();
    let trust = Trust::new(&stage);
    let mut coredns = Server::coredns(&stage, "away", &trust.shown, None);
    let doorstep = doorstep_before(&stage, &trust, &[coredns.url(Transport::Tcp)], "");
    let time = proof.choose(seconds(5), seconds(30));
    let load = |zone| Load::start(doorstep.address(), Stream { names: NAMES, ..Stream::new(zone, 200) });
    let loads = [("cluster", load(BRIEF)), ("other", load(BRIEF_OUTSIDE))];
    sleep(seconds(2));
    coredns.kill();
    sleep(time);
    coredns.run();
    let first = doorstep.ask(&a(&name(1, CLUSTER)));
    assert_eq!(first.addresses().len(), 1, "the first question after the outage");
    for zone in [BRIEF, BRIEF_OUTSIDE] {
        let stale = (0..NAMES).filter(|number| doorstep.ask(&a(&name(*number, zone)).edns(1232)).ede() == Some(STALE_ANSWER)).count();
        assert_eq!(stale, 0, "after the outage answers are fresh at once");
    }
    for (kind, load) in loads {
        let account = load.end();
        let scenario = format!("the upstream is away for {} s: {kind} names that were used before", time.as_secs());
        proof.keep(account.row(&scenario, "TCP"));
        account.check(&scenario, 0);
    }
}
