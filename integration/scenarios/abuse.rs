//! Clients that take more than their share cost the others nothing.

use std::io::Write;
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

use socket2::{Domain, Socket, Type};

use crate::harness::{CoreDns, Doorstep, Rcode, Reply, Stage, Tcp, Udp, a, eventually, free_port, seconds};

const WEB: &str = "web.shop.svc.cluster.local.";
const HOT: usize = 1_000;
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
    let misses = || doorstep.metric("coredns_cache_misses_total");
    let (mut asked, mut missed, mut most) = (0, 0.0, start);
    for part in 0..PARTS {
        asked += ask_all(&client, (0..UNIQUE / PARTS).map(|number| format!("unique{part}-{number}.example.")));
        // Hot names are asked all the time: that is what makes them so.
        let before = misses();
        assert_eq!(ask_all(&client, hot()), HOT);
        missed += misses() - before;
        most = most.max(doorstep.process.resident());
    }
    assert!(asked * 100 >= UNIQUE * 99, "{asked} of {UNIQUE} were answered");
    assert!(missed * 100.0 <= (PARTS * HOT) as f64, "{missed} of {} questions for hot names were misses", PARTS * HOT);
    assert!(doorstep.metric("coredns_cache_evictions_total") > UNIQUE as f64 / 2.0, "the flood is several times what the cache holds");
    let bytes = doorstep.metric("doorstep_cache_bytes");
    assert!(bytes <= CAPACITY as f64, "{bytes} bytes");
    assert!(most <= start + CAPACITY * 115 / 100, "{start} bytes before, {most} during the flood");
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

/// Eight pods with all the connections that each may have: were all of it kept, it would be 32 MiB.
#[test]
fn half_messages_on_hundreds_of_connections_take_no_more_than_their_room_and_others_are_answered() {
    let stage = Stage::alone();
    let coredns = CoreDns::start(&stage);
    let doorstep = Doorstep::before(&coredns);
    let (mut other, half) = (doorstep.tcp(), [&[0xff; 2][..], &[0; 60_000]].concat());
    let mut crowd = Vec::new();
    for number in 0..8 * 64_u32 {
        let mut stream = connect_from([127, 0, 1, (number / 64) as u8], doorstep.address());
        // One that is closed takes nothing more.
        drop(stream.write_all(&half));
        crowd.push(stream);
    }
    eventually("those that are too many are closed", seconds(5), || {
        doorstep.metric("doorstep_tcp_turned_away_total{how=\"crowded\"") >= f64::from(8 * 64 - 256)
    });
    assert_eq!(other.ask(&a(WEB)).addresses().len(), 1);
    assert_eq!(doorstep.tcp().ask(&a(WEB)).addresses().len(), 1, "a new one");
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

#[test]
fn out_of_descriptors_hits_go_on_and_connections_are_taken_again_once_there_are_some() {
    let stage = Stage::beside_others();
    let coredns = CoreDns::start(&stage);
    let mut doorstep = Doorstep::short_of_descriptors(64, &["--upstream", &coredns.tcp()]).ready();
    doorstep.says("too few file descriptors");
    assert_eq!(doorstep.status()["file_descriptors"]["limit"], 64);
    doorstep.ask(&a(WEB));
    let crowd: Vec<TcpStream> = (0..200).map(|number| connect_from([127, 0, 1, number], doorstep.address())).collect();
    for _ in 0..200 {
        assert_eq!(doorstep.ask(&a(WEB)).addresses().len(), 1);
    }
    drop(crowd);
    eventually("TCP is served again", seconds(10), || doorstep.tcp().try_ask(&a(WEB)).is_some());
    assert!(doorstep.metric("doorstep_tcp_turned_away_total{how=\"error\"") > 0.0);
    assert!(doorstep.process.runs());
}

/// An address of this machine that is not the loopback's. Nothing is sent.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.connect("192.0.2.1:53").ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|address| !address.is_loopback())
}

/// Sends so many at once from one socket; how many came back with each rcode.
fn flood(client: &UdpSocket, server: SocketAddr, count: usize) -> (usize, usize) {
    (0..count).for_each(|_| drop(client.send_to(&a(WEB).encode(), server)));
    client.set_read_timeout(Some(seconds(1))).unwrap();
    let mut octets = [0; 512];
    let rcodes: Vec<u8> = std::iter::from_fn(|| client.recv(&mut octets).ok().map(|_| octets[3] & 0x0F)).collect();
    let count = |rcode| rcodes.iter().filter(|other| **other == rcode).count();
    (count(0), count(5))
}

#[test]
#[expect(clippy::disallowed_macros, reason = "who runs the tests is to know what was not")]
fn a_client_that_floods_is_held_to_its_rate_and_named_while_others_are_served() {
    let stage = Stage::beside_others();
    let Some(own) = own_address() else {
        return println!("NOT PLAYED: this machine has no address but the loopback's, which has no limit");
    };
    let coredns = CoreDns::start(&stage);
    let file = stage.file("doorstep.yaml", "limits: { queries_per_second_per_client: 20 }\n");
    let port = free_port();
    let listen = SocketAddr::new(own, port).to_string();
    let flags = ["--listen", &listen, "--upstream", &coredns.tcp(), "--config", file.to_str().unwrap()];
    let doorstep = Doorstep::on(port, &flags).ready();
    doorstep.ask(&a(WEB));
    let greedy = UdpSocket::bind((own, 0)).unwrap();
    let begun = Instant::now();
    let (answered, refused) = flood(&greedy, SocketAddr::new(own, port), 2_000);
    let most = 20 + 20 * (begun.elapsed().as_secs() as usize + 1);
    assert!(
        (20..=most).contains(&answered) && (20..=most).contains(&refused),
        "{answered} answered, {refused} refused, of each {most} at most"
    );
    assert_eq!(ask_all(&doorstep.udp(), (0..500).map(|_| WEB.to_owned())), 500, "the machine itself has no limit");
    let limited = doorstep.metric("doorstep_rate_limited_total");
    assert!(limited >= (2_000 - most) as f64, "{limited}");
    assert_eq!(doorstep.metric("doorstep_rate_limited_total{answer=\"REFUSED\""), refused as f64);
    assert_eq!(doorstep.process.count(&format!("client={own}")), 1, "once a minute");
}

#[test]
fn misses_are_answered_while_the_only_worker_is_flooded_with_hits() {
    let stage = Stage::alone();
    let coredns = CoreDns::start_other(&stage, "198.51.100.7");
    let doorstep = Doorstep::with(&["--workers", "1", "--upstream", &coredns.udp()]).ready();
    doorstep.ask(&a("hot0.example."));
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let client = doorstep.udp();
            while !ended.load(Relaxed) {
                ask_all(&client, (0..BURST).map(|_| "hot0.example.".to_owned()));
            }
        });
        let longest = (0..500).map(|number| {
            let begun = Instant::now();
            assert_eq!(doorstep.ask(&a(&format!("cold{number}.example."))).addresses().len(), 1);
            begun.elapsed()
        });
        let longest = longest.max().unwrap();
        ended.store(true, Relaxed);
        assert!(longest < seconds(2), "a miss took {longest:?}");
    });
    assert!(doorstep.metric("coredns_cache_hits_total") > 500.0);
}
