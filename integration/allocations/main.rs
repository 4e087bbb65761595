//! A hit over UDP allocates nothing: the whole process is counted, sockets, listeners and resolver included, while 100,000 hits are
//! asked and answered.

#![expect(clippy::unwrap_used, reason = "a harness that cannot go on fails its test")]

#[path = "../instructions/query.rs"]
mod query;

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use doorstep::cache::{Cache, Config as CacheConfig};
use doorstep::coalesce::Limits;
use doorstep::lifecycle::Supervisor;
use doorstep::listen::{self, Config as ListenConfig, Listeners, RateLimit};
use doorstep::resolve::{Identity, Resolver, Snapshot};
use doorstep::rules::{Config, Ruleset};
use doorstep::upstream::{Bounds, Group, GroupConfig, Metrics, Server, Timing, Trust};
use doorstep::wire::Name;
use query::query;

#[global_allocator]
static COUNTING: dhat::Alloc = dhat::Alloc;

const HITS: usize = 100_000;
const NAMES: usize = 50;
const PATIENCE: Duration = Duration::from_secs(5);

/// Everything a client may say, of names that outlive the test, that is answered from memory in one look-up, or for TXT in two.
fn questions() -> Vec<Vec<u8>> {
    let each = |number: usize| {
        [
            query(&format!("n{number}.example"), 1, None),
            query(&format!("N{number}.ExAmPlE"), 28, None),
            query(&format!("n{number}.eXample"), 1, Some(0)),
            query(&format!("n{number}.example"), 1, Some(0x80)),
            query(&format!("nx{number}.other.example"), 1, Some(0)),
            query(&format!("nx{number}.Other.example"), 28, None),
            query(&format!("nx{number}.other.example"), 16, None),
        ]
    };
    (0..NAMES).flat_map(each).collect()
}

/// Says NXDOMAIN of names that begin with `nx`, and of all others one record with 4 or 16 octets.
fn serve_upstream(socket: &UdpSocket) {
    let mut datagram = [0; 512];
    while let Ok((_, peer)) = socket.recv_from(&mut datagram) {
        let name_end = 12 + datagram[12..].iter().position(|octet| *octet == 0).unwrap() + 1;
        let missing = datagram[13..].starts_with(b"nx");
        let mut reply = datagram[..name_end + 4].to_vec();
        reply[2..12].copy_from_slice(&[0x81, if missing { 0x83 } else { 0x80 }, 0, 1, 0, u8::from(!missing), 0, u8::from(missing), 0, 0]);
        let (rtype, length) = if missing { (6, 22) } else { (datagram[name_end + 1], if datagram[name_end + 1] == 1 { 4 } else { 16 }) };
        reply.extend([0xC0, 12, 0, rtype, 0, 1, 0, 0, 14, 16, 0, length]);
        reply.extend(std::iter::repeat_n(0, usize::from(length) - 2).chain([14, 16]));
        socket.send_to(&reply, peer).unwrap();
    }
}

fn start() -> (Listeners, SocketAddr) {
    let upstream = UdpSocket::bind("127.0.0.1:0").unwrap();
    let servers = vec![Server::Udp(upstream.local_addr().unwrap())];
    thread::spawn(move || serve_upstream(&upstream));
    let config = GroupConfig { name: "default".to_owned(), servers, endpoints: None, trust: Trust::default(), timing: Timing::default() };
    let group = Group::new(config, Arc::new(Bounds::default()), Arc::new(Metrics::default()));
    let config = Config { zones: Vec::new(), rules: Vec::new(), cluster_domain: Name::parse("cluster.local").unwrap() };
    let snapshot = Snapshot { rules: Ruleset::new(&config, &["default"], &[], None), groups: vec![group] };
    let cache = Cache::new(CacheConfig::default().capacity, now());
    let resolver = Resolver::new(snapshot, cache, Limits::default(), Identity::new("pod-1", "1.2.3"), 1);
    let config = ListenConfig {
        addresses: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
        workers: 1,
        tcp_connections: 10,
        tcp_connections_per_client: 10,
        tcp_idle: PATIENCE,
        // Never reached, but every query is counted against it.
        rate: Some(RateLimit { per_second: 1_000_000, burst: 1_000_000, exempt: Vec::new() }),
    };
    let sockets = listen::bind(&config).unwrap();
    let address = sockets.addresses()[0];
    (sockets.serve(resolver, &Supervisor::default()).unwrap(), address)
}

#[expect(clippy::disallowed_methods, reason = "where the cache's time begins")]
fn now() -> Instant {
    Instant::now()
}

/// Asks one after the other, round and round; allocates nothing itself.
fn ask(client: &UdpSocket, questions: &[Vec<u8>], count: usize) {
    let mut reply = [0; 1232];
    for question in questions.iter().cycle().take(count) {
        client.send(question).unwrap();
        let length = client.recv(&mut reply).unwrap();
        assert!(length >= question.len() && matches!(reply[3] & 0x0F, 0 | 3), "no answer");
    }
}

#[test]
fn a_hundred_thousand_hits_over_udp_allocate_nothing() {
    let (listeners, address) = start();
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.connect(address).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    let questions = questions();
    ask(&client, &questions, questions.len());
    let profiler = dhat::Profiler::builder().testing().build();
    let (received, before) = (listeners.received(), dhat::HeapStats::get().total_blocks);
    ask(&client, &questions, HITS);
    let allocated = dhat::HeapStats::get().total_blocks - before;
    assert_eq!(allocated, 0, "blocks allocated by {HITS} hits");
    assert_eq!(listeners.received() - received, HITS as u64);
    let before = dhat::HeapStats::get().total_blocks;
    ask(&client, &[query("never-asked.example", 1, None)], 1);
    assert!(dhat::HeapStats::get().total_blocks > before, "a miss allocates, and is seen to");
    drop(profiler);
}
