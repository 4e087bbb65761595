//! Keys whose hashes collide: only the whole question, DO and CD included, decides.

use super::super::entry::{Entry, Failure};
use super::super::shard::Shard;
use super::super::ttl::Life;
use super::*;

#[test]
fn colliding_hashes_never_answer_for_each_other() {
    const HASH: u32 = 7;
    let name = key("a.example");
    let keys = [
        name,
        Key { qtype: 65_280, ..name },
        Key { qclass: 3, ..name },
        Key { dnssec_ok: true, ..name },
        Key { checking_disabled: true, ..name },
        key("b.example"),
        key("a.b.example"),
    ];
    let life = Life { ttl: 1600, expires: 1600, stale_until: 1600 };
    let failure = Failure { rcode: Rcode::SERV_FAIL, reason: 22, epochs: EPOCHS, spans: Profile::CLUSTER.failure };
    for failed in [false, true] {
        let mut shard = Shard::new(1 << 20);
        for (number, key) in (0..).zip(&keys) {
            assert!(shard.find(HASH, key).is_none(), "{number}");
            let octets = positive(key, number, 60).into_image();
            if failed {
                shard.fail(HASH, key, &failure, 0);
            } else {
                shard.store(key, Entry::answer(HASH, key, octets, Kind::Positive, life, EPOCHS.zone), 0);
            }
            assert!(shard.find(HASH, key).is_some_and(|(entry, octets)| entry.is_for(octets, key)), "{number}");
        }
        let mut stats = Stats::default();
        shard.count(&mut stats);
        assert_eq!(stats.positive_entries + stats.negative_entries, keys.len() as u64);
        shard.audit();
    }
}
