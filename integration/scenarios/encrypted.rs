//! Upstreams over TLS and QUIC.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use crate::harness::{Authority, CoreDns, Doorstep, Rcode, Stage, a, eventually, seconds};

const WEB: &str = "web.shop.svc.cluster.local.";
const NETWORK_ERROR: u16 = 23;

/// Its `default` group is `server`, known by the file `ca.crt` of the stage.
fn before(stage: &Stage, server: &str, authority: &str) -> Doorstep {
    let ca = stage.file("ca.crt", authority);
    let yaml = format!("upstreams:\n  default:\n    servers: [\"{server}\"]\n    tls: {{ ca_file: {} }}\n", ca.display());
    let file = stage.file("doorstep.yaml", &yaml);
    Doorstep::with(&["--config", file.to_str().unwrap()])
}

/// Asks for names that nobody has asked for before until told to stop: how many, the replies that were no NXDOMAIN, the longest wait.
fn ask_new_names(doorstep: &Doorstep, stop: &AtomicBool) -> (usize, Vec<String>, Duration) {
    let client = doorstep.udp();
    let (mut asked, mut failed, mut longest) = (0, Vec::new(), Duration::ZERO);
    while !stop.load(SeqCst) {
        let begun = Instant::now();
        let reply = client.try_ask(&a(&format!("new-{asked}.shop.svc.cluster.local.")).edns(1232));
        longest = longest.max(begun.elapsed());
        if reply.as_ref().is_none_or(|reply| reply.rcode() != Rcode::NXDomain) {
            failed.push(format!("{reply:?}"));
        }
        asked += 1;
        sleep(Duration::from_millis(2));
    }
    (asked, failed, longest)
}

#[test]
fn a_server_over_tls_or_quic_is_asked_once_and_cached_like_any_other() {
    for transport in ["tls", "quic"] {
        ask_over(transport);
    }
}

fn ask_over(transport: &str) {
    let stage = Stage::beside_others();
    let authority = Authority::new("one");
    let coredns = CoreDns::start_encrypted(&stage, &authority);
    let server = if transport == "tls" { coredns.tls() } else { coredns.quic() };
    let doorstep = before(&stage, &server, &authority.pem()).ready();
    for _ in 0..3 {
        assert_eq!(doorstep.ask(&a(WEB)).addresses().len(), 1);
    }
    assert_eq!(coredns.asked(WEB), 1);
    let attempts = |over: &str| doorstep.metric(&format!("doorstep_upstream_attempts_total{{upstream=\"default\",transport=\"{over}\""));
    assert!(attempts(transport) >= 1.0);
    assert_eq!((attempts("udp"), attempts("tcp")), (0.0, 0.0), "nothing in the clear");
    eventually("no connection is kept when nobody asks", seconds(20), || doorstep.metric("doorstep_upstream_connections") == 0.0);
}

#[test]
fn a_certificate_that_is_not_accepted_is_named_everywhere_and_the_cure_needs_no_restart() {
    let stage = Stage::beside_others();
    let authority = Authority::new("one");
    let coredns = CoreDns::start_encrypted(&stage, &authority);
    let doorstep = before(&stage, &coredns.tls(), &Authority::new("another").pem());
    doorstep.says("no TLS session with an upstream: its certificate is from no authority that is trusted here");
    let reply = doorstep.ask(&a(WEB).edns(1232));
    assert_eq!((reply.rcode(), reply.ede()), (Rcode::ServFail, Some(NETWORK_ERROR)));
    assert!(doorstep.metric("doorstep_upstream_failures_total{upstream=\"default\",kind=\"tls\"") >= 1.0);
    let upstream = &doorstep.status()["upstreams"][0];
    assert_eq!(upstream["last_failure"]["kind"], "tls");
    assert!(upstream["tls_refusal"].as_str().unwrap().contains("authority"), "{upstream}");
    eventually("/readyz names the kind of failure", seconds(10), || {
        let (code, pending) = doorstep.readiness();
        code == 503 && pending.contains("tls")
    });

    stage.file("ca.crt", &authority.pem());
    let doorstep = doorstep.ready();
    assert_eq!(doorstep.ask(&a("api.shop.svc.cluster.local.")).addresses().len(), 1);
}

#[test]
fn an_authority_and_a_certificate_replaced_under_load_cost_no_query() {
    for transport in ["tls", "quic"] {
        replace_under_load(transport);
    }
}

fn replace_under_load(transport: &str) {
    let stage = Stage::alone();
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let coredns = CoreDns::start_encrypted(&stage, &old);
    let server = if transport == "tls" { coredns.tls() } else { coredns.quic() };
    let doorstep = before(&stage, &server, &old.pem()).ready();
    let stop = AtomicBool::new(false);
    scope(|scope| {
        let clients: Vec<_> = (0..2).map(|_| scope.spawn(|| ask_new_names(&doorstep, &stop))).collect();
        sleep(Duration::from_millis(500));
        // First both are trusted, then the new one is shown, then the old one is trusted no more.
        stage.file("ca.crt", &format!("{}{}", old.pem(), new.pem()));
        coredns.renew(&stage, &new);
        sleep(Duration::from_millis(500));
        stage.file("ca.crt", &new.pem());
        coredns.renew(&stage, &new);
        sleep(Duration::from_millis(500));
        stop.store(true, SeqCst);
        for client in clients {
            let (asked, failed, longest) = client.join().unwrap();
            assert!(asked > 100, "{asked}");
            assert!(failed.is_empty(), "{transport}: {} of {asked}: {failed:?}", failed.len());
            assert!(longest < seconds(2), "{transport}: {longest:?}");
        }
    });
    // CoreDNS lets go of connections over TLS when it reloads, those over QUIC live on; the next one meets the new authority alone.
    eventually("no connection is kept when nobody asks", seconds(20), || doorstep.metric("doorstep_upstream_connections") == 0.0);
    assert_eq!(doorstep.ask(&a("last.shop.svc.cluster.local.")).rcode(), Rcode::NXDomain);
    doorstep.says("authorities for upstreams read again");
}
