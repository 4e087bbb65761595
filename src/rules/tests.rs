//! Suffixes, built-in names, and epochs over reloads.

use std::net::IpAddr;

use super::{Config, Decision, LocalContent, RuleAnswer, RuleConfig, Ruleset, ZoneConfig};
use crate::cache::Profile;
use crate::wire::class::{CHAOS, IN};
use crate::wire::rtype::{A, AAAA, ANY, MX};
use crate::wire::{FoldedName, Name};

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn folded(text: &str) -> FoldedName {
    FoldedName::from(&name(text))
}

fn zone(apex: &str, group: &str) -> ZoneConfig {
    ZoneConfig { name: name(apex), group: group.to_owned(), cluster: false, profile: Profile::EXTERNAL }
}

fn rule(suffix: &str, answer: RuleAnswer) -> RuleConfig {
    RuleConfig { suffix: name(suffix), answer }
}

fn addresses(texts: &[&str]) -> RuleAnswer {
    RuleAnswer::Addresses { addresses: texts.iter().map(|text| text.parse().unwrap()).collect(), ttl: 77 }
}

fn config(zones: Vec<ZoneConfig>, rules: Vec<RuleConfig>) -> Config {
    Config { zones, rules, cluster_domain: name("cluster.local") }
}

const GROUPS: [&str; 3] = ["default", "corp", "lab"];

fn first(zones: Vec<ZoneConfig>, rules: Vec<RuleConfig>) -> Ruleset {
    Ruleset::new(&config(zones, rules), &GROUPS, &[], None)
}

fn reloaded(zones: Vec<ZoneConfig>, changed: &[&str], previous: &Ruleset) -> Ruleset {
    Ruleset::new(&config(zones, vec![]), &GROUPS, changed, Some(previous))
}

/// What becomes of a question of class IN, in words.
fn decide(ruleset: &Ruleset, qname: &str, qtype: u16) -> String {
    match ruleset.decide(&folded(qname), qtype, IN) {
        Decision::Forward(zone) => format!("forward {}", zone.name),
        Decision::Local { content: LocalContent::NxDomain { zone }, .. } => format!("NXDOMAIN {zone}"),
        Decision::Local { content: LocalContent::NoData { zone }, .. } => format!("NODATA {zone}"),
        Decision::Local { content: LocalContent::Addresses { all }, ttl } => {
            let all: Vec<String> = all.iter().map(IpAddr::to_string).collect();
            format!("{} for {ttl} s", all.join(" "))
        }
    }
}

fn epoch(ruleset: &Ruleset, qname: &str) -> u32 {
    ruleset.zone(&folded(qname)).epoch
}

#[test]
fn cluster_zones_are_built_in_and_everything_else_is_external() {
    let ruleset = first(vec![], vec![]);
    for (qname, apex) in [
        ("web.shop.svc.cluster.local", "cluster.local."),
        ("cluster.local", "cluster.local."),
        ("web.shop.svc.clusterset.local", "clusterset.local."),
        ("1.0.0.10.in-addr.arpa", "in-addr.arpa."),
        ("8.b.d.0.1.0.0.2.ip6.arpa", "ip6.arpa."),
    ] {
        let zone = ruleset.zone(&folded(qname));
        assert_eq!((zone.name.to_string().as_str(), zone.cluster, zone.group), (apex, true, 0), "{qname}");
        assert_eq!(zone.profile, Profile::CLUSTER);
    }
    for qname in [".", "example.com", "local", "mycluster.local", "arpa", "e164.arpa"] {
        let zone = ruleset.zone(&folded(qname));
        assert_eq!((zone.name.to_string().as_str(), zone.cluster, zone.group), (".", false, 0), "{qname}");
        assert_eq!(zone.profile, Profile::EXTERNAL);
    }
}

#[test]
fn a_configured_zone_takes_the_place_of_a_built_in_one() {
    let root = ZoneConfig { profile: Profile::CLUSTER, ..zone(".", "lab") };
    let ruleset = first(vec![zone("in-addr.arpa", "corp"), root], vec![]);
    let reverse = ruleset.zone(&folded("1.0.0.10.in-addr.arpa"));
    assert_eq!((reverse.group, reverse.cluster, reverse.profile), (1, false, Profile::EXTERNAL));
    let root = ruleset.zone(&folded("example.com"));
    assert_eq!((root.group, root.profile), (2, Profile::CLUSTER));
    assert_eq!(ruleset.zones().len(), 5);
}

#[test]
fn the_longest_zone_wins() {
    let ruleset = first(vec![zone("corp.example", "corp"), zone("lab.corp.example", "lab")], vec![]);
    assert_eq!(decide(&ruleset, "example", A), "forward .");
    assert_eq!(decide(&ruleset, "xcorp.example", A), "forward .");
    assert_eq!(decide(&ruleset, "corp.example", A), "forward corp.example.");
    assert_eq!(decide(&ruleset, "a.b.corp.example", A), "forward corp.example.");
    assert_eq!(decide(&ruleset, "a.lab.corp.example", A), "forward lab.corp.example.");
}

#[test]
fn a_rule_reaches_down_to_the_next_rule_or_zone() {
    let zones = vec![zone("ok.ads.example", "corp"), zone("ads.example", "lab")];
    let rules = vec![
        rule("ads.example", RuleAnswer::NxDomain),
        rule("quiet.ads.example", RuleAnswer::NoData),
        rule("bad.ok.ads.example", RuleAnswer::NxDomain),
    ];
    let ruleset = first(zones, rules);
    assert_eq!(decide(&ruleset, "ads.example", A), "NXDOMAIN 13", "a rule goes before a zone of the same name");
    assert_eq!(decide(&ruleset, "x.y.ads.example", A), "NXDOMAIN 13");
    assert_eq!(decide(&ruleset, "x.quiet.ads.example", A), "NODATA 19");
    assert_eq!(decide(&ruleset, "x.ok.ads.example", A), "forward ok.ads.example.");
    assert_eq!(decide(&ruleset, "x.bad.ok.ads.example", A), "NXDOMAIN 20");
    assert_eq!(decide(&ruleset, "example", A), "forward .");
    assert_eq!(ruleset.zone(&folded("x.ads.example")).name, name("ads.example"), "a zone is a zone whatever the rules say");
}

#[test]
fn a_rule_may_stand_at_the_root() {
    let ruleset = first(vec![zone("corp.example", "corp")], vec![rule(".", RuleAnswer::NxDomain)]);
    assert_eq!(decide(&ruleset, "example.com", A), "NXDOMAIN 1");
    assert_eq!(decide(&ruleset, ".", A), "NXDOMAIN 1");
    assert_eq!(decide(&ruleset, "www.corp.example", A), "forward corp.example.");
    assert_eq!(decide(&ruleset, "web.cluster.local", A), "forward cluster.local.");
}

#[test]
fn an_address_rule_answers_the_families_it_has_and_nodata_for_all_else() {
    let rules =
        vec![rule("v4.example", addresses(&["192.0.2.1", "192.0.2.2"])), rule("both.example", addresses(&["192.0.2.1", "2001:db8::1"]))];
    let ruleset = first(vec![], rules);
    assert_eq!(decide(&ruleset, "v4.example", A), "192.0.2.1 192.0.2.2 for 77 s");
    assert_eq!(decide(&ruleset, "v4.example", AAAA), "NODATA 12");
    assert_eq!(decide(&ruleset, "v4.example", MX), "NODATA 12");
    assert_eq!(decide(&ruleset, "both.example", AAAA), "192.0.2.1 2001:db8::1 for 77 s");
    assert_eq!(decide(&ruleset, "both.example", ANY), "192.0.2.1 2001:db8::1 for 77 s");
}

#[test]
fn special_names_stay_at_the_node() {
    let ruleset = first(vec![], vec![]);
    assert_eq!(decide(&ruleset, "localhost", A), "127.0.0.1 ::1 for 30 s");
    assert_eq!(decide(&ruleset, "a.b.localhost", AAAA), "127.0.0.1 ::1 for 30 s");
    assert_eq!(decide(&ruleset, "localhost", MX), "NODATA 11");
    assert_eq!(decide(&ruleset, "x.invalid", A), "NXDOMAIN 9");
    assert_eq!(decide(&ruleset, "expyuzz4wqqyqhjn.onion", A), "NXDOMAIN 7");
    assert_eq!(decide(&ruleset, "gnu.alt", A), "NXDOMAIN 5");
    assert_eq!(decide(&ruleset, "localhost.example", A), "forward .");
}

#[test]
fn whoever_claims_a_special_name_gets_it() {
    let zones = vec![zone("alt", "corp"), zone("x.onion", "lab")];
    let rules = vec![rule("localhost", addresses(&["192.0.2.1"])), rule("y.invalid", RuleAnswer::NoData)];
    let ruleset = first(zones, rules);
    assert_eq!(decide(&ruleset, "gnu.alt", A), "forward alt.");
    assert_eq!(decide(&ruleset, "a.x.onion", A), "forward x.onion.");
    assert_eq!(decide(&ruleset, "y.onion", A), "NXDOMAIN 7");
    assert_eq!(decide(&ruleset, "localhost", A), "192.0.2.1 for 77 s");
    assert_eq!(decide(&ruleset, "y.invalid", A), "NODATA 11");
}

#[test]
fn rules_are_for_class_in_alone() {
    let ruleset = first(vec![zone("ads.example", "corp")], vec![rule("ads.example", RuleAnswer::NxDomain)]);
    let Decision::Forward(zone) = ruleset.decide(&folded("ads.example"), A, CHAOS) else { panic!("answered by rule") };
    assert_eq!(zone.name, name("ads.example"));
    assert!(matches!(ruleset.decide(&folded("localhost"), A, CHAOS), Decision::Forward(_)));
}

#[test]
fn the_longest_names_find_their_suffix() {
    let deepest = "a.".repeat(127);
    let long = format!("{0}.{0}.{0}.{1}", "x".repeat(63), "y".repeat(61));
    let ruleset = first(vec![zone(&deepest, "corp"), zone(&long, "lab")], vec![rule("a", RuleAnswer::NxDomain)]);
    assert_eq!(ruleset.zone(&folded(&deepest)).name, name(&deepest));
    assert_eq!(ruleset.zone(&folded(&long)).name, name(&long));
    assert_eq!(decide(&ruleset, &"a.".repeat(126), A), "NXDOMAIN 3");
}

#[test]
fn names_that_were_never_checked_do_no_harm() {
    let ruleset = first(vec![zone("b.c", "corp")], vec![]);
    for wire in [&b""[..], b"\x3f", b"\x01", b"\xff\xff\xff", b"\x01a\x3fb\x00", &[1; 255], &[0; 255], &[0xC0; 255]] {
        ruleset.decide(&FoldedName::fold(wire), A, IN);
        ruleset.zone(&FoldedName::fold(wire));
    }
}

#[test]
fn no_two_zones_share_an_epoch() {
    let ruleset = first(vec![zone("corp.example", "corp"), zone("lab.example", "default")], vec![]);
    let mut epochs: Vec<u32> = ruleset.zones().iter().map(|zone| zone.epoch).collect();
    epochs.sort_unstable();
    epochs.dedup();
    assert_eq!(epochs.len(), ruleset.zones().len());
}

#[test]
fn a_zone_left_as_it_was_keeps_its_epoch() {
    let before = first(vec![zone("corp.example", "corp"), zone("lab.example", "lab")], vec![]);
    // The groups' order is no setting of a zone.
    let config = config(vec![zone("lab.example", "lab"), zone("corp.example", "corp")], vec![rule("x.example", RuleAnswer::NxDomain)]);
    let after = Ruleset::new(&config, &["default", "new", "lab", "corp"], &["new"], Some(&before));
    for qname in ["corp.example", "lab.example", "example.com", "cluster.local", "ip6.arpa"] {
        assert_eq!(epoch(&after, qname), epoch(&before, qname), "{qname}");
    }
    assert_eq!(after.zone(&folded("corp.example")).group, 3);
}

#[test]
fn each_setting_that_changes_a_zone_gives_it_a_new_epoch() {
    let was = zone("corp.example", "corp");
    let before = first(vec![was.clone()], vec![]);
    let old = epoch(&before, "corp.example");
    let profile = Profile { max_ttl: std::time::Duration::from_secs(7), ..Profile::EXTERNAL };
    for now in [ZoneConfig { profile, ..was.clone() }, ZoneConfig { cluster: true, ..was.clone() }, zone("corp.example", "lab")] {
        let after = reloaded(vec![now], &[], &before);
        assert!(epoch(&after, "corp.example") > old);
        assert_eq!(epoch(&after, "example.com"), epoch(&before, "example.com"));
    }
    let after = reloaded(vec![was], &["corp"], &before);
    assert!(epoch(&after, "corp.example") > old, "the group's servers changed");
    let after = reloaded(vec![], &["default"], &before);
    for qname in ["example.com", "cluster.local", "in-addr.arpa"] {
        assert!(epoch(&after, qname) > epoch(&before, qname), "{qname}");
    }
}

#[test]
fn what_a_removed_zone_fetched_is_not_its_parents_nor_its_own_when_it_returns() {
    let with = first(vec![zone("corp.example", "corp")], vec![]);
    let fetched = epoch(&with, "www.corp.example");
    let without = reloaded(vec![], &[], &with);
    assert_eq!(epoch(&without, "www.corp.example"), epoch(&with, "example.com"), "the parent, unchanged");
    assert_ne!(epoch(&without, "www.corp.example"), fetched);
    // Another zone comes first, so that an epoch counted from those still in use would be given again.
    let other = reloaded(vec![zone("lab.example", "lab")], &[], &without);
    assert!(other.zones().iter().all(|zone| zone.epoch != fetched));
    let again = reloaded(vec![zone("corp.example", "corp")], &[], &other);
    assert!(again.zones().iter().all(|zone| zone.epoch != fetched), "nobody knows what corp answered meanwhile");
}

#[test]
fn what_the_parent_fetched_is_not_for_a_zone_cut_out_of_it() {
    let before = first(vec![], vec![]);
    let after = reloaded(vec![zone("corp.example", "corp")], &[], &before);
    assert_ne!(epoch(&after, "www.corp.example"), epoch(&before, "www.corp.example"));
    assert_eq!(epoch(&after, "example.com"), epoch(&before, "example.com"));
}

#[test]
fn a_zone_whose_group_is_not_there_asks_nobody() {
    let ruleset = first(vec![zone("corp.example", "gone")], vec![]);
    assert!(ruleset.zone(&folded("corp.example")).group >= GROUPS.len());
}
