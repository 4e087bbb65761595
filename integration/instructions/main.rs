//! What a query costs in instructions, parse to reply, without sockets: one case a run, counted by callgrind. `integration/count`
//! starts it.

mod query;

use std::hint::black_box;
use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Instant;

use doorstep::cache::{Cache, Config as CacheConfig, Epochs, Profile};
use doorstep::coalesce::Limits;
use doorstep::resolve::{Client, Identity, Resolver, Snapshot, Walk};
use doorstep::rules::{Config, Ruleset};
use doorstep::wire::{Answer, Name, Query, SentOpt, encode_upstream_query};
use query::query;

/// Queries of one run; `integration/count` divides by it.
const QUERIES: usize = 10_000;
/// Names that are known, asked in turn.
const NAMES: usize = 1_000;

/// A query, and how it is answered.
struct Case {
    name: &'static str,
    query: fn(usize) -> Vec<u8>,
}

const CASES: [Case; 7] = [
    Case { name: "hit", query: |number| query(&known(number), 1, None) },
    Case { name: "hit-edns", query: |number| query(&known(number), 28, Some(0)) },
    Case { name: "hit-dnssec-ok", query: |number| query(&known(number), 1, Some(0x80)) },
    Case { name: "hit-mixed-case", query: |number| query(&known(number).to_uppercase(), 1, Some(0)) },
    Case { name: "nxdomain", query: |number| query(&missing(number), 28, None) },
    Case { name: "nxdomain-other-type", query: |number| query(&missing(number), 16, None) },
    Case { name: "miss", query: |number| query(&format!("unknown{number}.example"), 1, Some(0)) },
];

fn known(number: usize) -> String {
    format!("service-{number}.shop.svc.cluster.local")
}

fn missing(number: usize) -> String {
    format!("www{number}.example.shop.svc.cluster.local")
}

/// What is known: both addresses of each name, with and without DO, and that others do not exist.
fn fill(cache: &Cache, epochs: Epochs, now: Instant) {
    for number in 0..NAMES {
        for (packet, records) in [
            (query(&known(number), 1, None), &b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x1e\x00\x04\x0a\x60\x00\x01"[..]),
            (query(&known(number), 28, None), b"\xc0\x0c\x00\x1c\x00\x01\x00\x00\x00\x1e\x00\x10\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01"),
            (query(&known(number), 1, Some(0x80)), b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x1e\x00\x04\x0a\x60\x00\x01"),
            (
                query(&missing(number), 1, None),
                b"\xc0\x0c\x00\x06\x00\x01\x00\x00\x00\x1e\x00\x16\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x00\x1e",
            ),
        ] {
            let Ok(asked) = Query::parse(&packet) else { continue };
            let mut message = encode_upstream_query(&asked.key, 7, SentOpt::Absent);
            let is_denial = records[3] == 6;
            message[2..12].copy_from_slice(&[
                0x81,
                0x80 | if is_denial { 3 } else { 0 },
                0,
                1,
                0,
                u8::from(!is_denial),
                0,
                u8::from(is_denial),
                0,
                0,
            ]);
            message.extend_from_slice(records);
            if let Ok(answer) = Answer::from_upstream(&message, 7, &asked.key) {
                cache.insert(&asked.key, answer, &Profile::CLUSTER, epochs, now);
            }
        }
    }
}

/// Named in the command line of callgrind: what happens within is counted.
#[inline(never)]
fn measured(resolver: &Resolver, queries: &[Vec<u8>], client: Client, now: Instant, out: &mut [u8]) -> usize {
    let mut replies = 0;
    for query in queries.iter().cycle().take(QUERIES) {
        replies += usize::from(matches!(black_box(resolver.answer(0, black_box(query), client, now, out)), Walk::Reply(_)));
    }
    replies
}

#[expect(clippy::disallowed_methods, reason = "a program of its own, with its own argv and its own time")]
fn main() -> ExitCode {
    let (wanted, now) = (std::env::args().nth(1).unwrap_or_default(), Instant::now());
    let Some(case) = CASES.iter().find(|case| case.name == wanted) else {
        let names: Vec<&str> = CASES.iter().map(|case| case.name).collect();
        writeln!(anstream::stdout(), "{QUERIES} {}", names.join(" ")).ok();
        return ExitCode::SUCCESS;
    };
    let Ok(cluster_domain) = Name::parse("cluster.local") else { return ExitCode::FAILURE };
    let rules = Ruleset::new(&Config { zones: Vec::new(), rules: Vec::new(), cluster_domain }, &["default"], &[], None);
    let Some(zone) = rules.zones().iter().find(|zone| zone.name.to_string() == "cluster.local.").map(|zone| zone.epoch) else {
        return ExitCode::FAILURE;
    };
    let cache = Cache::new(CacheConfig::default().capacity, now);
    fill(&cache, Epochs { zone, outage: 0 }, now);
    let resolver = Resolver::new(Snapshot { rules, groups: Vec::new() }, cache, Limits::default(), Identity::new("pod-1", "1"), 1);
    let queries: Vec<Vec<u8>> = (0..NAMES).map(case.query).collect();
    let client = Client { address: SocketAddr::from(([10, 0, 0, 1], 40_000)), tcp: false };
    let replies = measured(&resolver, &queries, client, now, &mut [0; 1232]);
    let expected = if case.name == "miss" { 0 } else { QUERIES };
    if replies == expected { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
