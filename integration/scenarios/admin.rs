//! What probes and people are told.

use std::thread::sleep;
use std::time::Duration;

use crate::harness::{CoreDns, Doorstep, Rcode, Stage, a, eventually, free_port, seconds};

#[test]
fn it_is_alive_and_not_ready_while_the_upstream_is_down_and_ready_once_it_is_up() {
    let stage = Stage::beside_others();
    let mut coredns = CoreDns::start(&stage);
    coredns.stop();
    let doorstep = Doorstep::with(&["--upstream", &coredns.tcp()]);
    eventually("the upstream is named as what is missing", seconds(10), || {
        doorstep.page("/readyz").is_some_and(|(status, body)| status == 503 && body.contains(&format!("{}: dial_refused", coredns.tcp())))
    });
    assert_eq!(doorstep.page("/livez").unwrap().0, 200, "a restart cures nothing");
    coredns.run();
    assert_eq!(doorstep.ready().readiness().0, 200);
}

#[test]
fn the_status_page_tells_version_listeners_and_upstreams() {
    let stage = Stage::beside_others();
    let coredns = CoreDns::start(&stage);
    let doorstep = Doorstep::before(&coredns);
    let status = doorstep.status();
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"), "{status:#}");
    let listen: Vec<&str> = status["listen"].as_array().unwrap().iter().filter_map(|address| address.as_str()).collect();
    assert_eq!(listen, [doorstep.address().to_string(), doorstep.address6().to_string()]);
    assert!(status.to_string().contains(&coredns.address().to_string()), "{status:#}");
    assert_eq!(doorstep.page("/nowhere").unwrap().0, 404);
}

#[test]
fn an_upstream_that_sends_our_queries_back_is_found_out_and_never_made_ready() {
    let _stage = Stage::beside_others();
    let port = free_port();
    let doorstep = Doorstep::on(port, &["--upstream", &format!("udp://127.0.0.1:{port}")]);
    eventually("the loop is named", seconds(20), || {
        doorstep.page("/readyz").is_some_and(|(status, body)| status == 503 && body.contains("loop"))
    });
    doorstep.says("forwarding loop");
    sleep(Duration::from_secs(2));
    assert_eq!(doorstep.readiness().0, 503);
    assert_eq!(doorstep.ask(&a("web.shop.svc.cluster.local.")).rcode(), Rcode::ServFail, "broken, not circling");
}
