//! NXDOMAIN is for the name (RFC 2308 §5), as long as nothing says that the name exists.

use super::*;

const TXT: u16 = 16;
const AAAA: u16 = 28;
const SRV: u16 = 33;

fn of_type(key: &Key, qtype: u16) -> Key {
    Key { qtype, ..*key }
}

fn denied(ttl: u32) -> Seen {
    Seen::Fresh { address: 0, kind: Kind::NxDomain, ttl, prefetch: false }
}

fn entries(bench: &Bench) -> u64 {
    let stats = bench.cache.stats();
    stats.positive_entries + stats.negative_entries
}

#[test]
fn an_nxdomain_answers_every_type_of_its_name_whatever_type_was_asked_and_is_kept_once() {
    // In two shards: both places of some of these names are in one of them.
    for (asked, number) in [1, AAAA, TXT, SRV].into_iter().flat_map(|asked| (0..8).map(move |number| (asked, number))) {
        let (bench, name) = (Bench::with_capacity(Profile::CLUSTER, 1 << 20), of_type(&numbered(number), asked));
        bench.insert(&name, nxdomain(&name, 5));
        for qtype in [1, AAAA, TXT, SRV, 65_280] {
            assert_eq!(bench.look(&of_type(&name, qtype)), denied(5), "{qtype} after {asked}");
        }
        assert_eq!(bench.look(&of_type(&numbered(99), asked)), Seen::Absent, "another name");
        bench.insert(&of_type(&name, AAAA), nxdomain(&of_type(&name, AAAA), 5));
        assert_eq!(entries(&bench), 1);
        bench.cache.audit();
    }
}

#[test]
fn do_cd_and_class_keep_nxdomains_apart() {
    let (bench, name) = (Bench::new(Profile::CLUSTER), key("a.example"));
    bench.insert(&name, nxdomain(&name, 5));
    let aaaa = of_type(&name, AAAA);
    for other in [Key { dnssec_ok: true, ..aaaa }, Key { checking_disabled: true, ..aaaa }, Key { qclass: 3, ..aaaa }] {
        assert_eq!(bench.look(&other), Seen::Absent);
    }
}

#[test]
fn a_name_that_has_another_type_is_denied_for_the_type_asked_alone() {
    for other in [positive, nodata_with as fn(&Key, u32, u32) -> Answer] {
        let (mut bench, name) = (Bench::new(Profile::CLUSTER), key("a.example"));
        let aaaa = of_type(&name, AAAA);
        bench.insert(&name, other(&name, 9, 5));
        let known = bench.look(&name);
        bench.insert(&aaaa, nxdomain(&aaaa, 5));
        assert_eq!((bench.look(&name), bench.look(&aaaa), bench.look(&of_type(&name, TXT))), (known, denied(5), Seen::Absent));
        // Expired, it still says that the name was there a moment ago.
        bench.at(6000).insert(&aaaa, nxdomain(&aaaa, 5));
        assert!(matches!(bench.look(&name), Seen::Stale { .. }));
        assert_eq!(bench.look(&aaaa), denied(5));
        bench.insert(&name, nxdomain(&name, 5));
        assert_eq!((bench.look(&name), bench.look(&of_type(&name, TXT)), entries(&bench)), (denied(5), denied(5), 1));
    }
}

fn nodata_with(key: &Key, _: u32, ttl: u32) -> Answer {
    nodata(key, ttl)
}

#[test]
fn an_answer_of_any_type_ends_the_denial_of_its_name() {
    for (first, second) in [(1, AAAA), (AAAA, 1), (1, TXT), (TXT, 1), (TXT, SRV), (1, 1)] {
        let (bench, name) = (Bench::new(Profile::CLUSTER), key("a.example"));
        let (denied, answered) = (of_type(&name, first), of_type(&name, second));
        bench.insert(&denied, nxdomain(&denied, 5));
        bench.insert(&answered, nodata(&answered, 5));
        assert_eq!(bench.look(&answered), Seen::Fresh { address: 0, kind: Kind::NoData, ttl: 5, prefetch: false });
        for qtype in [1, AAAA, TXT, SRV].into_iter().filter(|qtype| *qtype != second) {
            assert_eq!(bench.look(&of_type(&name, qtype)), Seen::Absent, "{qtype} after {first} and {second}");
        }
        assert_eq!(entries(&bench), 1);
        bench.cache.audit();
    }
}

#[test]
fn an_answer_for_its_own_transaction_ends_the_denial_too() {
    for qtype in [AAAA, TXT] {
        let (bench, name) = (Bench::new(Profile::CLUSTER), key("a.example"));
        bench.insert(&name, nxdomain(&name, 5));
        bench.insert(&of_type(&name, qtype), nodata(&of_type(&name, qtype), 0));
        assert_eq!((bench.look(&name), entries(&bench)), (Seen::Absent, 0));
    }
}

#[test]
fn an_nxdomain_takes_the_place_of_all_that_was_known_and_is_over() {
    let (mut bench, name) = (Bench::new(Profile::CLUSTER), key("a.example"));
    let [aaaa, txt] = [AAAA, TXT].map(|qtype| of_type(&name, qtype));
    bench.insert(&name, positive(&name, 9, 5));
    bench.insert(&txt, nodata(&txt, 5));
    bench.at(400_000).fail(&aaaa);
    bench.insert(&txt, nxdomain(&txt, 5));
    for key in [&name, &aaaa, &txt] {
        assert_eq!(bench.look(key), denied(5));
    }
    assert_eq!(entries(&bench), 1);
    bench.cache.audit();
}

#[test]
fn what_another_configuration_of_the_zone_said_does_not_speak_for_the_name() {
    let (mut bench, name) = (Bench::new(Profile::CLUSTER), key("a.example"));
    let aaaa = of_type(&name, AAAA);
    bench.insert(&name, positive(&name, 9, 30));
    bench.epochs.zone = 2;
    bench.insert(&aaaa, nxdomain(&aaaa, 5));
    assert_eq!(bench.look(&name), denied(5));
}

#[test]
fn expired_it_is_stale_for_every_type_and_failures_of_any_mark_it() {
    for failing in [1, AAAA, TXT] {
        let (mut bench, name) = (Bench::new(Profile::CLUSTER), key("a.example"));
        bench.insert(&name, nxdomain(&name, 5));
        bench.at(6000);
        let stale = |retry| Seen::Stale { address: 0, kind: Kind::NxDomain, retry };
        assert_eq!(bench.look(&of_type(&name, failing)), stale(true));
        bench.fail(&of_type(&name, failing));
        for qtype in [1, AAAA, TXT] {
            assert_eq!(bench.look(&of_type(&name, qtype)), stale(false), "{qtype}, not to be asked again while {failing} fails");
        }
        assert_eq!(entries(&bench), 1);
    }
}

#[test]
fn past_its_stale_window_a_failure_takes_its_place() {
    for failing in [AAAA, TXT] {
        let (mut bench, name) = (Bench::new(Profile::CLUSTER), key("a.example"));
        bench.insert(&name, nxdomain(&name, 5));
        bench.at(400_000).fail(&of_type(&name, failing));
        assert_eq!(bench.look(&of_type(&name, failing)), Seen::Failed(Rcode::SERV_FAIL, 22));
        assert_eq!(bench.look(&name), Seen::Absent);
        bench.cache.audit();
    }
}

#[test]
fn without_soa_or_behind_a_chain_it_is_for_the_type_asked_alone() {
    let (bench, name, chained) = (Bench::new(Profile::CLUSTER), key("a.example"), key("b.example"));
    bench.insert(&name, nxdomain_without_soa(&name));
    let chain = vec![0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 30, 0, 3, 1, b'c', 0];
    bench.insert(&chained, message(&chained, 3, [1, 1], &[chain, soa(5)].concat()));
    for denied in [&name, &chained] {
        assert!(matches!(bench.look(denied), Seen::Fresh { kind: Kind::NxDomain, .. }));
        assert_eq!(bench.look(&of_type(denied, AAAA)), Seen::Absent);
    }
}

#[test]
fn a_zone_may_have_it_for_the_type_alone() {
    let profile = Profile { nxdomain_for_name: false, ..Profile::CLUSTER };
    let (bench, name) = (Bench::new(profile), key("a.example"));
    bench.insert(&name, nxdomain(&name, 5));
    assert_eq!((bench.look(&name), bench.look(&of_type(&name, AAAA))), (denied(5), Seen::Absent));
}

#[test]
fn many_types_of_one_name_do_not_crowd_one_place() {
    let (bench, name) = (Bench::with_capacity(Profile::EXTERNAL, 8 << 20), key("a.example"));
    for qtype in 256..8256 {
        let other = of_type(&name, qtype);
        bench.insert(&other, positive_of(&other, u32::from(qtype), 300, 1));
    }
    let places: std::collections::HashSet<u32> = (256..8256).map(|qtype| bench.cache.place(&of_type(&name, qtype)).0).collect();
    assert!(places.len() > 7_900, "{} hashes for 8,000 types", places.len());
    assert_eq!(bench.cache.place(&name).0, bench.cache.place(&of_type(&name, AAAA)).0, "the two that are asked together share one");
    assert_eq!(bench.look(&of_type(&name, 300)), fresh(300, 300));
}

#[test]
fn what_is_over_for_one_type_does_not_hide_what_is_known_of_the_name() {
    let (mut bench, name) = (Bench::new(Profile::CLUSTER), key("a.example"));
    let txt = of_type(&name, TXT);
    let stale = |retry| Seen::Stale { address: 0, kind: Kind::NxDomain, retry };
    bench.insert(&txt, nodata(&txt, 5));
    bench.at(400_000).insert(&name, nxdomain(&name, 5));
    assert_eq!(bench.look(&txt), denied(5), "its own answer is past its stale window");
    bench.at(406_000);
    assert_eq!(bench.look(&txt), stale(true));
    bench.fail(&txt);
    assert_eq!((bench.look(&txt), bench.look(&name)), (stale(false), stale(false)));
    bench.cache.audit();
}

#[test]
fn what_another_configuration_of_the_zone_said_of_one_type_does_not_hide_a_denial() {
    let (mut bench, name) = (Bench::new(Profile::CLUSTER), key("a.example"));
    let txt = of_type(&name, TXT);
    bench.insert(&txt, positive(&txt, 9, 30));
    bench.epochs.zone = 2;
    bench.insert(&name, nxdomain(&name, 5));
    assert_eq!(bench.look(&txt), denied(5));
}

#[test]
fn a_denial_goes_before_an_older_failure_of_another_type_and_expired_is_stale_while_that_is_remembered() {
    let (mut bench, name) = (Bench::new(Profile::CLUSTER), key("a.example"));
    let txt = of_type(&name, TXT);
    let failed = Seen::Failed(Rcode::SERV_FAIL, 22);
    // The count of failures is at four: the last is remembered for 5 s.
    for start in [0, 1000, 3000, 7000] {
        bench.at(start).fail(&txt);
    }
    assert_eq!(bench.at(7500).look(&txt), failed);
    bench.insert(&name, nxdomain(&name, 2));
    assert_eq!((bench.look(&txt), bench.look(&of_type(&name, SRV))), (denied(2), denied(2)));
    let stale = |retry| Seen::Stale { address: 0, kind: Kind::NxDomain, retry };
    assert_eq!((bench.at(11_000).look(&txt), bench.look(&name)), (stale(false), stale(true)), "TXT alone is not to be asked again");
    assert_eq!(bench.at(12_000).look(&txt), stale(true), "the failure is over");
    bench.at(400_000).fail(&txt);
    assert_eq!(bench.look(&txt), failed, "the denial is past its stale window");
    bench.cache.audit();
}
