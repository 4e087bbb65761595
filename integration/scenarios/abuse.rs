//! Clients that take more than their share cost the others nothing.

use std::net::{SocketAddr, TcpStream};

use socket2::{Domain, Socket, Type};

use crate::harness::{CoreDns, Doorstep, Rcode, Reply, Stage, Tcp, Udp, a, eventually, seconds};

const WEB: &str = "web.shop.svc.cluster.local.";
const HOT: usize = 500;
const UNIQUE: usize = 144_000;
const PARTS: usize = 12;
const BURST: usize = 100;
const MEGABYTE: u64 = 1 << 20;
/// Of the cache, in the file below.
const CAPACITY: u64 = 8 * MEGABYTE;
const CONNECTIONS: usize = 5_000;

/// Asks for all of these names from one socket, so many at a time; how many were answered.
fn ask_all(client: &Udp, names: impl Iterator<Item = String>) -> usize {
    let questions: Vec<_> = names.map(|name| a(&name).encode()).collect();
    let ask = |burst: &[Vec<u8>]| {
        burst.iter().for_each(|question| client.send(question));
        (0..burst.len()).map_while(|_| client.receive(seconds(2))).count()
    };
    questions.chunks(BURST).map(ask).sum()
}

fn hot() -> impl Iterator<Item = String> {
    (0..HOT).map(|number| format!("hot{number}.example."))
}

#[test]
fn a_flood_of_names_asked_once_leaves_hot_names_in_memory_and_memory_in_its_bound() {
    let stage = Stage::alone();
    // It has an address for whatever is asked, good for a minute.
    let coredns = CoreDns::start_other(&stage, "198.51.100.7");
    let file = stage.file("doorstep.yaml", "cache: { size: 8MiB }\n");
    let doorstep = Doorstep::with(&["--upstream", &coredns.udp(), "--config", file.to_str().unwrap()]).ready();
    let client = doorstep.udp();
    for _ in 0..4 {
        assert_eq!(ask_all(&client, hot()), HOT);
    }
    let start = doorstep.process.resident();
    let (mut asked, mut full) = (0, 0);
    for part in 0..PARTS {
        asked += ask_all(&client, (0..UNIQUE / PARTS).map(|number| format!("unique{part}-{number}.example.")));
        // Hot names are asked all the time: that is what makes them so.
        assert_eq!(ask_all(&client, hot()), HOT);
        if part == PARTS / 2 {
            full = doorstep.process.resident();
        }
    }
    assert!(asked * 100 >= UNIQUE * 99, "{asked} of {UNIQUE} were answered");
    let misses = || doorstep.metric("coredns_cache_misses_total");
    let missed = misses();
    assert_eq!(ask_all(&client, hot()), HOT);
    assert!(misses() - missed <= HOT as f64 / 100.0, "{} of {HOT} hot names were forgotten", misses() - missed);
    assert!(doorstep.metric("coredns_cache_evictions_total") > UNIQUE as f64 / 2.0, "the flood is several times what the cache holds");
    let (bytes, end) = (doorstep.metric("doorstep_cache_bytes"), doorstep.process.resident());
    assert!(bytes <= CAPACITY as f64, "{bytes} bytes");
    assert!(end <= full + CAPACITY * 15 / 100, "{full} bytes once the cache is full, {end} at the end of the flood");
    // What queries in flight leave between the cache's blocks is the allocator's.
    assert!(end <= start + 3 * CAPACITY, "{start} bytes before, {end} after");
}

/// A connection from this address of the loopback.
fn connect_from(client: [u8; 4], server: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((client, 0)).into()).unwrap();
    socket.connect(&server.into()).unwrap();
    socket.into()
}

#[test]
fn five_thousand_idle_connections_of_one_client_leave_others_theirs() {
    let stage = Stage::alone();
    let coredns = CoreDns::start(&stage);
    let doorstep = Doorstep::before(&coredns);
    let mut others: Vec<Tcp> = (0..8).map(|_| doorstep.tcp()).collect();
    let mut idle = Vec::with_capacity(CONNECTIONS);
    for number in 0..CONNECTIONS {
        idle.push(connect_from([127, 0, 0, 2], doorstep.address()));
        if number % 500 == 0 {
            others.iter_mut().for_each(|other| assert_eq!(other.ask(&a(WEB)).addresses().len(), 1));
            assert_eq!(doorstep.tcp().ask(&a(WEB)).addresses().len(), 1, "a new one");
            assert_eq!(doorstep.ask(&a(WEB)).addresses().len(), 1);
        }
    }
    others.iter_mut().for_each(|other| assert_eq!(other.ask(&a(WEB)).addresses().len(), 1));
    // One that yields is waited for, up to a second, to close its end as well.
    eventually("the rest is closed", seconds(5), || doorstep.metric("doorstep_tcp_connections") <= 64.0 + 8.0);
    assert!(doorstep.metric("doorstep_tcp_turned_away_total{how=\"yielded\"") >= (CONNECTIONS - 64) as f64);
}

#[test]
fn with_as_many_waiting_as_may_more_are_refused_and_what_is_known_is_answered() {
    let stage = Stage::alone();
    let coredns = CoreDns::start(&stage);
    let doorstep = Doorstep::configured(&stage, &coredns, "limits: { waiting: 40 }\n");
    doorstep.ask(&a(WEB));
    // Each for itself, so that it is not the limit of one client.
    let waiting: Vec<Udp> = (0..40).map(|_| doorstep.udp()).collect();
    for (number, client) in waiting.iter().enumerate() {
        client.send(&a(&format!("n{number}.slow.test.")).encode());
    }
    eventually("all of them wait", seconds(1), || doorstep.metric("doorstep_waiting") >= 40.0);
    for number in 0..10 {
        assert_eq!(doorstep.ask(&a(&format!("more{number}.slow.test."))).rcode(), Rcode::ServFail);
        assert_eq!(doorstep.ask(&a(WEB)).addresses().len(), 1, "a hit waits for nobody");
    }
    assert_eq!(doorstep.metric("doorstep_overload_total"), 10.0);
    for client in &waiting {
        let reply = Reply::read(client.receive(seconds(4)).expect("those who wait are answered in the end"));
        assert_eq!(reply.rcode(), Rcode::NoError);
    }
    assert_eq!(doorstep.ask(&a("again.slow.test.")).addresses().len(), 1, "there is room again");
}
