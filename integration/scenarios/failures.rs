//! Each way in which an upstream fails, by one name everywhere: in the client's reply, in the metric, in `/status`, in the log.

use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread::{scope, spawn};

use socket2::{Domain, Socket, Type};

use crate::harness::{CoreDns, Doorstep, Rcode, Stage, a, free_port};

const OTHER: u16 = 0;
const NO_REACHABLE_AUTHORITY: u16 = 22;
const NETWORK_ERROR: u16 = 23;
const INVALID_DATA: u16 = 24;

/// An upstream and what is said of it.
struct Case {
    kind: &'static str,
    server: String,
    rcode: Rcode,
    ede: u16,
    /// Whether an operator reads of it in the log: names that fail by themselves are no news.
    logged: bool,
}

fn case(kind: &'static str, server: String, rcode: Rcode, ede: u16, logged: bool) -> Case {
    Case { kind, server, rcode, ede, logged }
}

/// Takes connections into its queue until that is full: further SYNs are dropped, as by a firewall.
fn full_queue() -> (Socket, TcpStream, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let first = TcpStream::connect(address).unwrap();
    (socket, first, address)
}

/// Answers with fewer records than it promises, as long as the test runs.
fn garbage() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    spawn(move || {
        let mut query = [0; 512];
        while let Ok((length, client)) = socket.recv_from(&mut query) {
            query[2] |= 0x80;
            query[7] = 9;
            drop(socket.send_to(&query[..length], client));
        }
    });
    address
}

#[test]
fn every_failure_has_one_name_in_reply_metric_status_and_log() {
    let stage = Stage::beside_others();
    let (well, failing) = (CoreDns::start(&stage), CoreDns::start_failing(&stage));
    let (_socket, _first, firewalled) = full_queue();
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let cases = [
        case("dial_refused", format!("tcp://127.0.0.1:{}", free_port()), Rcode::ServFail, NETWORK_ERROR, true),
        case("dial_timeout", format!("tcp://{firewalled}"), Rcode::ServFail, NO_REACHABLE_AUTHORITY, true),
        // Of a broadcast address Linux says ENETUNREACH to TCP, and EACCES to UDP.
        case("no_route", "tcp://127.255.255.255:53".to_owned(), Rcode::ServFail, NETWORK_ERROR, true),
        case("denied", "udp://127.255.255.255:53".to_owned(), Rcode::ServFail, NETWORK_ERROR, true),
        case("query_timeout", format!("tcp://{}", mute.local_addr().unwrap()), Rcode::ServFail, NO_REACHABLE_AUTHORITY, true),
        case("malformed", format!("udp://{}", garbage()), Rcode::ServFail, INVALID_DATA, true),
        case("refused", failing.tcp(), Rcode::Refused, OTHER, false),
        case("servfail", failing.tcp(), Rcode::ServFail, OTHER, false),
    ];
    let group = |case: &Case| format!("  {0}: {{ servers: [\"{1}\"] }}\n", case.kind, case.server);
    let zone = |case: &Case| format!("  - {{ name: {0}.test, upstream: {0} }}\n", case.kind);
    let groups: String = cases.iter().map(group).collect();
    let zones: String = cases.iter().map(zone).collect();
    let doorstep = Doorstep::configured(&stage, &well, &format!("upstreams:\n{groups}zones:\n{zones}"));

    scope(|scope| {
        for case in &cases {
            scope.spawn(|| {
                let reply = doorstep.ask(&a(&format!("x.{}.test.", case.kind)).edns(1232));
                assert_eq!((reply.rcode(), reply.ede()), (case.rcode, Some(case.ede)), "{}", case.kind);
                assert_eq!(reply.ede_text().as_deref(), Some(case.kind));
            });
        }
    });

    let status = doorstep.status();
    for Case { kind, logged, .. } in cases {
        assert_eq!(doorstep.metric(&format!("doorstep_upstream_failures_total{{upstream=\"{kind}\",kind=\"{kind}\"")), 1.0, "{kind}");
        let upstreams = status["upstreams"].as_array().unwrap();
        let upstream = upstreams.iter().find(|upstream| upstream["name"] == kind).unwrap();
        assert_eq!(upstream["last_failure"]["kind"], kind);
        assert_eq!(doorstep.process.count(&format!("kind=\"{kind}\"")), usize::from(logged), "{kind}");
    }
    assert_eq!(doorstep.readiness().0, 200);
}
