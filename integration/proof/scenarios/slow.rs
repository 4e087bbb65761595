//! Slow names are nobody else's trouble.

use std::time::Duration;

use crate::Proof;
use crate::fault::Fault;
use crate::harness::{Stage, seconds};
use crate::load::{Load, Stream, play_for};
use crate::names::{CLUSTER, NEVER, SLOW};
use crate::servers::{Server, Transport, Trust, doorstep_before};
use crate::upstream::Upstream;

/// Below 10 ms on a quiet machine. This one may be busy; behind a slow name it would be 2 s.
const P99: Duration = seconds(1);

pub(super) fn play(proof: &Proof) {
    let stage = Stage::alone();
    let trust = Trust::new(&stage);
    let slow = Upstream::start(Some(Fault::Delay(seconds(2))), 1, None);
    let never = Upstream::start(Some(Fault::Drop), 1, None);
    let coredns = Server::coredns(&stage, "slow", &trust.shown, Some((slow.address(), never.address())));
    let time = proof.choose(seconds(4), seconds(20));
    for (scenario, zone, cluster, others, most_lost) in [
        ("of ten names one never answers", NEVER, proof.choose(450, 1_800), proof.choose(50, 200), usize::MAX),
        ("40 names a second take 2 s each", SLOW, 500, 40, 0),
    ] {
        let doorstep = doorstep_before(&stage, &trust, &[coredns.url(Transport::Tcp)], "");
        let aside = Load::start(doorstep.address(), Stream::new(zone, others));
        let account = play_for(doorstep.address(), Stream::new(CLUSTER, cluster), time);
        proof.keep(account.row(&format!("{scenario}: cluster names"), "TCP"));
        account.check(&format!("{scenario}: cluster names"), 0);
        assert!(account.p99() < P99, "{scenario}: {:?}", account.p99());
        let aside = aside.end();
        proof.keep(aside.row(&format!("{scenario}: those names"), "TCP"));
        aside.check(&format!("{scenario}: those names"), most_lost);
    }
}
