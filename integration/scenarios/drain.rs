//! The end of a process loses nobody's query.

use std::thread::sleep;

use crate::harness::{CoreDns, Doorstep, Load, Stage, a, eventually, free_port, seconds};

#[test]
fn sigterm_under_load_loses_no_query_until_the_process_ends_well() {
    let stage = Stage::alone();
    let coredns = CoreDns::start(&stage);
    let mut doorstep = Doorstep::before(&coredns);
    let load = Load::on(&doorstep, 8, &[a("web.shop.svc.cluster.local."), a("brief.shop.svc.cluster.local."), a("nobody.example.")]);
    eventually("the load runs", seconds(10), || load.answered() > 300);
    doorstep.process.signal("TERM");
    eventually("not ready", seconds(1), || doorstep.readiness().0 == 503);
    // Clients come for a while still: the news has to travel. Then Cilium sends them elsewhere.
    sleep(seconds(2));
    assert!(doorstep.process.runs(), "it answers as long as somebody asks");
    let (answered, lost) = load.end();
    assert_eq!(lost, 0, "of {answered}");
    assert_eq!(doorstep.exit(seconds(10)), Some(0));
}

#[test]
fn a_connection_open_at_the_end_is_closed_in_order() {
    let stage = Stage::beside_others();
    let coredns = CoreDns::start(&stage);
    let mut doorstep = Doorstep::before(&coredns);
    let mut client = doorstep.tcp();
    client.ask(&a("web.shop.svc.cluster.local."));
    doorstep.process.signal("TERM");
    assert_eq!(client.end(), Ok(()), "a FIN, no reset");
    assert_eq!(doorstep.exit(seconds(10)), Some(0));
}

#[test]
fn one_that_never_became_ready_ends_as_soon() {
    let _stage = Stage::beside_others();
    let mut doorstep = Doorstep::with(&["--upstream", &format!("tcp://127.0.0.1:{}", free_port())]);
    eventually("the upstream is asked in vain", seconds(10), || {
        doorstep.page("/metrics").is_some() && doorstep.metric("doorstep_upstream_failures_total") >= 2.0
    });
    doorstep.process.signal("TERM");
    assert_eq!(doorstep.exit(seconds(10)), Some(0), "its own questions do not keep it");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let stage = Stage::beside_others();
    let coredns = CoreDns::start(&stage);
    let mut doorstep = Doorstep::with(&["--upstream", &coredns.tcp(), "--drain", "20s"]).ready();
    doorstep.process.signal("INT");
    eventually("not ready", seconds(1), || doorstep.readiness().0 == 503);
    assert!(doorstep.process.runs());
    doorstep.process.signal("TERM");
    doorstep.exit(seconds(5));
    doorstep.says("a second time");
}
