//! Failures: by themselves, and as marks on answers.

use super::*;

const FAILED: Seen = Seen::Failed(Rcode::SERV_FAIL, 22);

fn stale(retry: bool) -> Seen {
    Seen::Stale { address: 9, kind: Kind::Positive, retry }
}

#[test]
fn a_failure_is_remembered_one_second_then_twice_as_long_up_to_five() {
    let (mut bench, name) = (Bench::new(Profile::CLUSTER), key("a.example"));
    let mut start = 0;
    for length in [1000, 2000, 4000, 5000, 5000] {
        assert_eq!(bench.at(start).look(&name), Seen::Absent);
        bench.fail(&name);
        assert_eq!(bench.at(start + length - 100).look(&name), FAILED);
        start += length;
    }
    bench.at(start + 5000).fail(&name);
    assert_eq!(bench.at(start + 6000).look(&name), Seen::Absent, "after a pause the count begins anew");
}

#[test]
fn a_failure_still_in_force_is_not_counted_twice() {
    let (mut bench, name) = (Bench::new(Profile::CLUSTER), key("a.example"));
    bench.fail(&name);
    bench.at(500).fail(&name);
    assert_eq!(bench.at(1000).look(&name), Seen::Absent);
}

#[test]
fn a_failure_marks_a_stale_answer_and_does_not_displace_it() {
    let (mut bench, name) = (Bench::new(Profile::CLUSTER), key("a.example"));
    bench.insert(&name, positive(&name, 9, 5));
    assert_eq!(bench.at(6000).look(&name), stale(true));
    bench.fail(&name);
    assert_eq!(bench.at(6900).look(&name), stale(false));
    assert_eq!(bench.at(7000).look(&name), stale(true));
    bench.fail(&name);
    assert_eq!(bench.at(8900).look(&name), stale(false));
    bench.insert(&name, positive(&name, 9, 5));
    assert_eq!(bench.look(&name), fresh(9, 5));
    assert_eq!(bench.at(13_900).look(&name), stale(true), "an answer ends the failure");
}

#[test]
fn a_failed_prefetch_leaves_the_answer_fresh_and_marks_it() {
    let (mut bench, name) = (Bench::new(Profile::CLUSTER), key("a.example"));
    bench.insert(&name, positive(&name, 9, 5));
    bench.at(4800).fail(&name);
    assert_eq!(bench.look(&name), fresh(9, 1));
    assert_eq!(bench.at(5100).look(&name), stale(false));
}

#[test]
fn past_its_stale_window_an_answer_gives_way_to_the_failure() {
    let (mut bench, name) = (Bench::new(Profile::CLUSTER), key("a.example"));
    bench.insert(&name, positive(&name, 9, 5));
    bench.at(304_900).fail(&name);
    assert_eq!(bench.at(305_100).look(&name), FAILED, "the mark outlives the answer");
    bench.at(400_000).fail(&name);
    assert_eq!(bench.look(&name), FAILED);
    assert_eq!(bench.cache.stats().negative_entries, 1);
}

#[test]
fn the_first_success_after_an_outage_voids_failures_and_marks_but_not_answers() {
    let (mut bench, name, failed) = (Bench::new(Profile::CLUSTER), key("a.example"), key("b.example"));
    bench.insert(&name, positive(&name, 9, 5));
    bench.at(6000).fail(&name);
    bench.fail(&failed);
    assert_eq!((bench.look(&name), bench.look(&failed)), (stale(false), FAILED));
    bench.epochs.outage = 2;
    assert_eq!((bench.look(&name), bench.look(&failed)), (stale(true), Seen::Absent));
    bench.fail(&failed);
    assert_eq!(bench.look(&failed), FAILED);
    assert_eq!(bench.at(7000).look(&failed), Seen::Absent, "the count began anew");
}

#[test]
fn an_answer_replaces_a_failure() {
    let (bench, name) = (Bench::new(Profile::CLUSTER), key("a.example"));
    bench.fail(&name);
    bench.insert(&name, positive(&name, 9, 5));
    assert_eq!(bench.look(&name), fresh(9, 5));
    let stats = bench.cache.stats();
    assert_eq!((stats.positive_entries, stats.negative_entries), (1, 0));
}
