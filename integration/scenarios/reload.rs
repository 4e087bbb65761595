//! A configuration that changes under a running process.

use crate::harness::{CoreDns, Doorstep, Rcode, Stage, a, eventually, seconds};

const NAME: &str = "new.example.";

fn rule(answer: &str) -> String {
    format!("rules:\n  - {{ suffix: new.example, answer: {answer} }}\n")
}

fn answers(doorstep: &Doorstep, address: &str) -> bool {
    doorstep.ask(&a(NAME)).addresses().first().is_some_and(|found| found.to_string() == address)
}

#[test]
fn a_good_file_takes_effect_in_place_and_a_bad_one_leaves_the_old_in_force() {
    let stage = Stage::beside_others();
    let coredns = CoreDns::start(&stage);
    let mut doorstep = Doorstep::configured(&stage, &coredns, &rule("nxdomain"));
    assert_eq!(doorstep.ask(&a(NAME)).rcode(), Rcode::NXDomain);
    doorstep.ask(&a("web.shop.svc.cluster.local."));

    stage.file("doorstep.yaml", &rule("{ a: [\"192.0.2.9\"] }"));
    eventually("the new rule answers", seconds(10), || answers(&doorstep, "192.0.2.9"));
    doorstep.ask(&a("web.shop.svc.cluster.local."));
    assert_eq!(coredns.asked("web.shop.svc.cluster.local."), 1, "the cache lives on");

    stage.file("doorstep.yaml", &rule("nxdomian"));
    doorstep.says("doorstep.yaml:2:");
    doorstep.says("nxdomain");
    assert!(answers(&doorstep, "192.0.2.9"), "the old one serves on");
    assert_eq!(doorstep.metric("doorstep_config_reloads_total{result=\"bad\""), 1.0);
    assert_eq!(doorstep.metric("doorstep_config_in_error"), 1.0);
    assert!(doorstep.process.runs());
}

#[test]
fn sighup_reads_the_file_at_once_and_flags_still_win() {
    let stage = Stage::beside_others();
    let coredns = CoreDns::start(&stage);
    let doorstep = Doorstep::configured(&stage, &coredns, "log: { level: info }\n");
    let elsewhere = "upstreams:\n  default: { servers: [\"tcp://127.0.0.1:1\"] }\n";
    stage.file("doorstep.yaml", &format!("{elsewhere}{}", rule("{ a: [\"192.0.2.10\"] }")));
    doorstep.process.signal("HUP");
    eventually("the new rule answers", seconds(10), || answers(&doorstep, "192.0.2.10"));
    assert_eq!(doorstep.ask(&a("web.shop.svc.cluster.local.")).rcode(), Rcode::NoError, "--upstream overrides the file");
}
