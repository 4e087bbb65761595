//! Several threads on the same keys.

use super::*;

#[test]
fn threads_on_the_same_keys_see_only_right_answers_and_the_books_balance() {
    let bench = Bench::with_capacity(Profile::EXTERNAL, 1 << 20);
    std::thread::scope(|scope| {
        for thread in 0..4_u32 {
            let bench = &bench;
            scope.spawn(move || {
                let mut random = 0x9e37_79b9_u32 ^ thread;
                for _ in 0..30_000 {
                    random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let number = (random >> 8) as usize % 12_000;
                    let name = numbered(number);
                    match random >> 28 {
                        0..4 => bench.insert(&name, positive_of(&name, u32::try_from(number).unwrap(), 300, 1)),
                        4..6 => bench.insert(&name, nxdomain(&name, 300)),
                        6 => bench.fail(&name),
                        _ => match bench.look(&name) {
                            Seen::Fresh { address, kind: Kind::Positive, .. } => assert_eq!(address as usize, number),
                            Seen::Fresh { .. } | Seen::Failed(..) | Seen::Absent => {}
                            Seen::Stale { .. } => panic!("nothing expires here"),
                        },
                    }
                }
            });
        }
    });
    bench.cache.audit();
    let stats = bench.cache.stats();
    assert!(stats.evictions_positive > 0 && stats.evictions_negative > 0, "{stats:?}");
}

#[test]
fn one_of_many_threads_is_told_to_prefetch() {
    let (mut bench, name) = (Bench::new(Profile::EXTERNAL), key("a.example"));
    for round in 0..200 {
        bench.at(round * 100_000).insert(&name, positive(&name, 9, 10));
        bench.at(round * 100_000 + 9_500);
        let told: usize = std::thread::scope(|scope| {
            let look = || (0..8).filter(|_| matches!(bench.look(&name), Seen::Fresh { prefetch: true, .. })).count();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(look)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(told, 1);
    }
}
