//! TTLs, caps, serve-stale, epochs, prefetch.

use super::*;

#[test]
fn what_was_never_stored_is_absent() {
    assert_eq!(Bench::new(Profile::CLUSTER).look(&key("a.example")), Seen::Absent);
}

#[test]
fn a_ttl_ages_by_whole_seconds_down_to_one() {
    let (mut bench, name) = (Bench::new(Profile::CLUSTER), key("a.example"));
    bench.insert(&name, positive(&name, 9, 5));
    assert_eq!(bench.look(&name), fresh(9, 5));
    assert_eq!(bench.at(1100).look(&name), fresh(9, 3));
    assert_eq!(bench.at(4400).look(&name), fresh(9, 1));
    assert_eq!(bench.at(5000).look(&name), Seen::Stale { address: 9, kind: Kind::Positive, retry: true });
}

#[test]
fn profiles_cap_ttls_of_positives_and_negatives() {
    for (profile, most, most_negative) in [(Profile::CLUSTER, 30, 5), (Profile::EXTERNAL, 3600, 300)] {
        let (bench, name, missing) = (Bench::new(profile), key("a.example"), key("b.example"));
        bench.insert(&name, positive(&name, 9, 1_000_000));
        bench.insert(&missing, nxdomain(&missing, 1_000_000));
        assert_eq!(bench.look(&name), fresh(9, most));
        assert_eq!(bench.look(&missing), Seen::Fresh { address: 0, kind: Kind::NxDomain, ttl: most_negative, prefetch: false });
    }
}

#[test]
fn ttl_zero_is_not_stored_and_ends_what_was_known() {
    let (bench, name) = (Bench::new(Profile::EXTERNAL), key("a.example"));
    bench.insert(&name, positive(&name, 9, 0));
    assert_eq!(bench.look(&name), Seen::Absent);
    bench.insert(&name, positive(&name, 9, 60));
    bench.insert(&name, positive(&name, 8, 0));
    assert_eq!(bench.look(&name), Seen::Absent);
    assert_eq!(bench.cache.stats().positive_entries, 0);
}

#[test]
fn expired_answers_negatives_too_are_stale_for_as_long_as_the_profile_says() {
    let (mut bench, name, missing) = (Bench::new(Profile::CLUSTER), key("a.example"), key("b.example"));
    bench.insert(&name, positive(&name, 9, 30));
    bench.insert(&missing, nodata(&missing, 5));
    let stale = |address, kind| Seen::Stale { address, kind, retry: true };
    bench.at(304_900);
    assert_eq!(bench.look(&name), stale(9, Kind::Positive));
    assert_eq!(bench.look(&missing), stale(0, Kind::NoData));
    bench.at(305_000);
    assert_eq!(bench.look(&missing), Seen::Absent);
    assert_eq!(bench.at(329_900).look(&name), stale(9, Kind::Positive));
    assert_eq!(bench.at(330_000).look(&name), Seen::Absent);
}

#[test]
fn the_stricter_of_the_profiles_at_insert_and_lookup_ends_staleness() {
    let (mut bench, name) = (Bench::new(Profile::CLUSTER), key("external.example"));
    bench.insert(&name, positive(&name, 9, 30));
    bench.at(331_000).profile = Profile::EXTERNAL;
    assert_eq!(bench.look(&name), Seen::Absent);
    bench.insert(&name, positive(&name, 9, 30));
    bench.at(331_000 + 331_000).profile = Profile::CLUSTER;
    assert_eq!(bench.look(&name), Seen::Absent);
}

#[test]
fn a_negative_without_soa_guards_for_a_second_and_is_never_stale() {
    let (mut bench, name) = (Bench::new(Profile::EXTERNAL), key("a.example"));
    bench.insert(&name, nxdomain_without_soa(&name));
    bench.at(900);
    assert!(matches!(bench.look(&name), Seen::Fresh { kind: Kind::NxDomain, ttl: 1, .. }));
    assert_eq!(bench.at(1000).look(&name), Seen::Absent);
}

#[test]
fn a_fresh_negative_replaces_a_positive_and_the_other_way_round() {
    let (bench, name) = (Bench::new(Profile::CLUSTER), key("a.example"));
    bench.insert(&name, positive(&name, 9, 30));
    bench.insert(&name, nxdomain(&name, 5));
    assert!(matches!(bench.look(&name), Seen::Fresh { kind: Kind::NxDomain, .. }));
    let stats = bench.cache.stats();
    assert_eq!((stats.positive_entries, stats.negative_entries), (0, 1));
    bench.insert(&name, positive(&name, 8, 30));
    assert_eq!(bench.look(&name), fresh(8, 30));
    let stats = bench.cache.stats();
    assert_eq!((stats.positive_entries, stats.negative_entries), (1, 0));
}

#[test]
fn every_part_of_the_key_tells_answers_apart() {
    let (bench, name) = (Bench::new(Profile::CLUSTER), key("a.example"));
    let others = [
        Key { qtype: 65_280, ..name },
        Key { qclass: 3, ..name },
        Key { dnssec_ok: true, ..name },
        Key { checking_disabled: true, ..name },
        key("b.example"),
    ];
    bench.insert(&name, positive(&name, 9, 30));
    bench.fail(&others[4]);
    for (number, other) in (0..).zip(&others[..4]) {
        assert_eq!(bench.look(other), Seen::Absent);
        bench.insert(other, positive(other, 100 + number, 30));
    }
    assert_eq!(bench.look(&name), fresh(9, 30));
    for (number, other) in (0..).zip(&others[..4]) {
        assert_eq!(bench.look(other), fresh(100 + number, 30));
    }
    assert_eq!(bench.look(&Key { dnssec_ok: true, ..others[4] }), Seen::Absent);
}

#[test]
fn another_zone_epoch_voids_answers_and_failures() {
    let (mut bench, name, failed) = (Bench::new(Profile::CLUSTER), key("a.example"), key("b.example"));
    bench.insert(&name, positive(&name, 9, 30));
    bench.fail(&failed);
    bench.epochs.zone = 2;
    assert_eq!((bench.look(&name), bench.look(&failed)), (Seen::Absent, Seen::Absent));
    bench.insert(&name, positive(&name, 8, 30));
    assert_eq!(bench.look(&name), fresh(8, 30));
    bench.epochs.zone = 1;
    assert_eq!(bench.look(&name), Seen::Absent);
}

#[test]
fn a_popular_answer_is_prefetched_once_in_the_last_tenth_of_its_life() {
    let (mut bench, name) = (Bench::new(Profile::CLUSTER), key("a.example"));
    let told = Seen::Fresh { address: 9, kind: Kind::Positive, ttl: 1, prefetch: true };
    for life in [0, 4800] {
        bench.at(life).insert(&name, positive(&name, 9, 5));
        assert_eq!(bench.at(life + 4300).look(&name), fresh(9, 1));
        assert_eq!(bench.at(life + 4400).look(&name), fresh(9, 1));
        assert_eq!(bench.at(life + 4600).look(&name), told);
        assert_eq!(bench.at(life + 4700).look(&name), fresh(9, 1));
    }
}

#[test]
fn an_answer_nobody_asks_for_again_is_not_prefetched() {
    let (mut bench, name) = (Bench::new(Profile::CLUSTER), key("a.example"));
    bench.insert(&name, positive(&name, 9, 30));
    assert_eq!(bench.at(29_000).look(&name), fresh(9, 1));
}

#[test]
fn past_the_clocks_end_everything_has_expired() {
    let (mut bench, name) = (Bench::new(Profile::EXTERNAL), key("a.example"));
    bench.at(20 * 365 * 86_400_000).insert(&name, positive(&name, 9, 60));
    assert_eq!(bench.look(&name), Seen::Absent);
}
