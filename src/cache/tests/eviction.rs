//! Bytes, shares, floods.

use super::super::size;
use super::*;

#[test]
fn an_a_answer_of_a_cluster_name_costs_at_most_300_octets() {
    let name = key("kubernetes.default.svc.cluster.local");
    let compressed = positive(&name, 1, 30).into_image().len();
    let uncompressed = compressed - 2 + name.name.as_wire().len();
    assert!(size::charge(compressed) <= 200, "{}", size::charge(compressed));
    assert!(size::charge(uncompressed) <= 300, "{}", size::charge(uncompressed));
}

#[test]
fn the_sum_of_bytes_covers_the_charge_of_an_entry_in_a_full_cache() {
    let bench = Bench::with_capacity(Profile::EXTERNAL, 4 << 20);
    (0..100_000).map(numbered).for_each(|name| bench.insert(&name, positive(&name, 1, 300)));
    let stats = bench.cache.stats();
    assert!(stats.bytes <= stats.capacity && stats.bytes * 10 >= stats.capacity * 6, "{stats:?}");
    let each = stats.bytes / stats.positive_entries;
    assert!((140..=300).contains(&each), "{each}");
}

#[test]
fn an_empty_cache_takes_next_to_nothing() {
    for capacity in [Config::MIN_CAPACITY, Config::default().capacity, Config::MAX_CAPACITY] {
        let stats = Cache::new(capacity, base()).stats();
        assert!(stats.bytes < 32 << 10, "{stats:?}");
        assert_eq!(stats.capacity, capacity as u64);
    }
}

#[test]
fn capacities_out_of_bounds_are_brought_into_them() {
    assert_eq!(Cache::new(0, base()).stats().capacity, Config::MIN_CAPACITY as u64);
    assert_eq!(Cache::new(usize::MAX, base()).stats().capacity, Config::MAX_CAPACITY as u64);
}

#[test]
fn hot_names_stay_while_a_flood_of_unique_names_passes() {
    let bench = Bench::with_capacity(Profile::EXTERNAL, 2 << 20);
    let hot: Vec<Key> = (0..1000).map(numbered).collect();
    hot.iter().for_each(|name| bench.insert(name, positive(name, 1, 3600)));
    for _ in 0..3 {
        hot.iter().for_each(|name| assert_ne!(bench.look(name), Seen::Absent));
    }
    for number in 0..200_000 {
        let unique = numbered(10_000 + number);
        bench.insert(&unique, positive(&unique, 2, 3600));
        if number % 20 == 0 {
            bench.look(&hot[number / 20 % hot.len()]);
        }
    }
    let resident = hot.iter().filter(|name| bench.look(name) != Seen::Absent).count();
    assert!(resident >= 990, "{resident} of 1000");
    assert!(bench.cache.stats().evictions_positive > 180_000);
}

#[test]
fn a_storm_of_negatives_and_failures_evicts_no_positive() {
    let bench = Bench::with_capacity(Profile::EXTERNAL, 2 << 20);
    (0..20_000).map(numbered).for_each(|name| bench.insert(&name, positive(&name, 1, 3600)));
    let before = bench.cache.stats();
    for number in 0..100_000 {
        let missing = key(&format!("missing-{number}.example"));
        if number % 2 == 0 { bench.insert(&missing, nxdomain(&missing, 300)) } else { bench.fail(&missing) }
    }
    let after = bench.cache.stats();
    assert!(before.evictions_positive > 0, "the positives fill their share: {before:?}");
    assert_eq!(after.positive_entries, before.positive_entries);
    assert_eq!(after.evictions_positive, before.evictions_positive);
    assert!(after.evictions_negative > 0 && after.bytes <= after.capacity);
}

#[test]
fn a_storm_of_positives_evicts_no_negative() {
    let bench = Bench::with_capacity(Profile::EXTERNAL, 2 << 20);
    let missing: Vec<Key> = (0..200).map(|number| key(&format!("missing-{number}.example"))).collect();
    missing.iter().for_each(|name| bench.insert(name, nxdomain(name, 300)));
    (0..50_000).map(numbered).for_each(|name| bench.insert(&name, positive(&name, 1, 3600)));
    assert!(missing.iter().all(|name| bench.look(name) != Seen::Absent));
}

#[test]
fn room_is_made_for_large_answers_after_many_small_ones() {
    let bench = Bench::with_capacity(Profile::EXTERNAL, 1 << 20);
    (0..20_000).map(numbered).for_each(|name| bench.insert(&name, positive(&name, 1, 3600)));
    for number in 0..2000 {
        let name = numbered(100_000 + number);
        bench.insert(&name, positive_of(&name, 2, 3600, 200));
        let stats = bench.cache.stats();
        assert!(stats.bytes <= stats.capacity, "{stats:?}");
        assert!(stats.positive_entries > 0);
    }
    assert_ne!(bench.look(&numbered(101_999)), Seen::Absent);
}

#[test]
fn an_answer_too_large_for_its_share_is_refused_and_ends_what_was_known() {
    let (bench, name) = (Bench::with_capacity(Profile::EXTERNAL, 1 << 20), key("large.example"));
    bench.insert(&name, positive(&name, 9, 300));
    let address = [0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 192, 0, 2, 1];
    let text = [&[0xc0, 12, 0, 16, 0, 1, 0, 0, 1, 44, 0xea, 0x60][..], &[0; 60_000]].concat();
    bench.insert(&name, message(&name, 0, [2, 0], &[&address[..], &text].concat()));
    assert_eq!(bench.look(&name), Seen::Absent);
    let stats = bench.cache.stats();
    assert_eq!((stats.refused, stats.positive_entries), (1, 0));
}

#[test]
fn entries_past_their_stale_window_go_first_whatever_their_standing() {
    let mut bench = Bench::with_capacity(Profile::CLUSTER, 1 << 20);
    let old: Vec<Key> = (0..500).map(numbered).collect();
    old.iter().for_each(|name| bench.insert(name, positive(name, 1, 30)));
    for _ in 0..4 {
        old.iter().for_each(|name| assert_ne!(bench.look(name), Seen::Absent));
    }
    bench.at(400_000);
    let mut next = 1000;
    while bench.cache.stats().evictions_positive < 500 {
        let name = numbered(next);
        bench.insert(&name, positive(&name, 2, 30));
        next += 1;
    }
    let kept = (1000..next).filter(|&number| bench.look(&numbered(number)) != Seen::Absent).count();
    assert!(kept * 100 >= (next - 1000) * 98, "{kept} of {}", next - 1000);
}

#[test]
fn who_comes_back_soon_after_its_eviction_is_proven() {
    let bench = Bench::with_capacity(Profile::EXTERNAL, 1 << 20);
    let insert = |number| bench.insert(&numbered(number), positive(&numbered(number), 1, 3600));
    (0..20_000).for_each(insert);
    let evicted: Vec<usize> = (14_000..15_000).filter(|&number| bench.look(&numbered(number)) == Seen::Absent).collect();
    assert!(!evicted.is_empty());
    evicted.iter().copied().for_each(insert);
    (30_000..50_000).for_each(insert);
    let kept = evicted.iter().filter(|&&number| bench.look(&numbered(number)) != Seen::Absent).count();
    assert!(kept * 10 >= evicted.len() * 9, "{kept} of {}", evicted.len());
}

#[test]
fn a_small_working_set_stays_small_however_often_its_answers_change_their_size() {
    let bench = Bench::with_capacity(Profile::CLUSTER, 8 << 20);
    let count = |number: usize, round: usize| u8::try_from(1 + (number + round) % 9).unwrap();
    let fill = |round: usize| {
        for number in 0..2000 {
            bench.insert(&numbered(number), positive_of(&numbered(number), 0, 30, count(number, round)));
        }
        bench.cache.stats().bytes
    };
    let first = fill(0);
    for round in 1..200 {
        let bytes = fill(round);
        assert!(bytes <= first * 3 / 2, "{first} bytes at first, {bytes} after {round} rounds");
    }
    bench.cache.audit();
    assert!((0..2000).all(|number| bench.look(&numbered(number)) == fresh(u32::from(count(number, 199)) - 1, 30)));
}

#[test]
fn answers_of_all_sizes_are_read_as_they_were_stored_while_others_come_and_go() {
    let bench = Bench::with_capacity(Profile::EXTERNAL, 1 << 20);
    let count = |number: usize| u8::try_from(1 + number * number % 250).unwrap();
    let mut kept = 0;
    for number in 0..30_000 {
        let name = numbered(number);
        bench.insert(&name, positive_of(&name, u32::try_from(number).unwrap(), 300, count(number)));
        let older = number.saturating_sub(number % 1500);
        match bench.look(&numbered(older)) {
            Seen::Absent => {}
            seen => {
                assert_eq!(seen, fresh(u32::try_from(older).unwrap() + u32::from(count(older)) - 1, 300));
                kept += 1;
            }
        }
    }
    bench.cache.audit();
    assert!(kept > 10_000, "{kept}");
}
