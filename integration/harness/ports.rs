//! Ports nobody has.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};

/// Below the range from which the kernel takes the ports of clients, so that none of them takes ours between choice and use.
const FIRST: u16 = 20_000;
const COUNT: u16 = 10_000;

/// A port that is free over UDP and TCP, IPv4 and IPv6, and that this process gives out once.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = (std::process::id() % u32::from(COUNT)) as u16;
    for _ in 0..COUNT {
        let port = FIRST + (start + NEXT.fetch_add(1, Relaxed)) % COUNT;
        let free = |address: SocketAddr| TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok();
        if free((Ipv4Addr::LOCALHOST, port).into()) && free((Ipv6Addr::LOCALHOST, port).into()) {
            return port;
        }
    }
    panic!("no free port from {FIRST} on");
}
