use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, UdpSocket};

use socket2::{Domain, Socket, Type};

use super::config;
use crate::listen::{BindError, Config, bind};

fn on(address: SocketAddr) -> Config {
    Config { addresses: vec![address], workers: 2, ..config() }
}

#[test]
fn port_0_becomes_one_free_port_for_both_transports_and_all_workers() {
    let sockets = bind(&on("127.0.0.1:0".parse().unwrap())).unwrap();
    let address = sockets.addresses()[0];
    assert_ne!(address.port(), 0);
    for pair in sockets.workers.iter().flatten() {
        assert_eq!((pair.udp.local_addr().unwrap(), pair.tcp.local_addr().unwrap()), (address, address));
    }
    assert_eq!(sockets.workers.len(), 2);
}

#[test]
fn both_wildcards_can_be_had_side_by_side() {
    let v4 = bind(&on("0.0.0.0:0".parse().unwrap())).unwrap();
    let port = v4.addresses()[0].port();
    bind(&on(format!("[::]:{port}").parse().unwrap())).unwrap();
}

#[test]
fn a_port_that_another_holds_is_not_shared_even_where_he_shares_it() {
    let theirs = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
    theirs.set_reuse_port(true).unwrap();
    theirs.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let theirs = UdpSocket::from(theirs);
    let error = bind(&on(theirs.local_addr().unwrap())).err().unwrap();
    assert_eq!((error.transport, error.source.kind()), ("UDP", ErrorKind::AddrInUse));
}

#[test]
fn a_second_of_our_own_kind_is_turned_away_until_the_first_is_gone() {
    let first = bind(&on("127.0.0.1:0".parse().unwrap())).unwrap();
    let address = first.addresses()[0];
    let error = bind(&on(address)).err().unwrap();
    assert_eq!((error.address, error.transport, error.source.kind()), (address, "UDP", ErrorKind::AddrInUse));
    drop(first);
    bind(&on(address)).unwrap();
}

#[test]
fn a_port_taken_for_tcp_alone_is_said_to_be_taken_for_tcp() {
    let theirs = TcpListener::bind("127.0.0.1:0").unwrap();
    let error = bind(&on(theirs.local_addr().unwrap())).err().unwrap();
    assert_eq!((error.transport, error.source.kind()), ("TCP", ErrorKind::AddrInUse));
}

#[test]
fn an_error_names_the_cure() {
    let text = |kind: ErrorKind, transport| {
        BindError { address: "192.0.2.1:53".parse().unwrap(), transport, source: io::Error::from(kind) }.to_string()
    };
    for (kind, transport, words) in [
        (ErrorKind::AddrInUse, "UDP", ["UDP port 53 is already in use", "ss -lunp 'sport = :53'", "--listen"]),
        (ErrorKind::AddrInUse, "TCP", ["TCP port 53 is already in use", "ss -ltnp 'sport = :53'", "--listen"]),
        (ErrorKind::PermissionDenied, "UDP", ["port 53", "net.ipv4.ip_unprivileged_port_start", "NET_BIND_SERVICE"]),
        (ErrorKind::AddrNotAvailable, "UDP", ["192.0.2.1", "ip address", "--listen"]),
    ] {
        let text = text(kind, transport);
        assert!(text.starts_with(&format!("cannot listen on 192.0.2.1:53 ({transport}): ")), "{text}");
        for word in words {
            assert!(text.contains(word), "{word} is missing in: {text}");
        }
    }
}

#[test]
fn an_address_that_is_not_ours_is_said_to_be_not_available() {
    // Set aside for documentation (RFC 5737): no interface has it.
    let error = bind(&on("192.0.2.1:0".parse().unwrap())).err().unwrap();
    assert_eq!(error.source.kind(), ErrorKind::AddrNotAvailable);
}
