//! From addresses to sockets: UDP and TCP on the same port, one of each for every worker.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, UdpSocket};

use socket2::{Domain, Protocol, Socket, Type};

use super::Config;
use super::batch::{ignore_path_mtu, report_destination};

/// Octets of receive buffer asked for; the kernel grants at most net.core.rmem_max. The default holds about 280 small datagrams.
const RECEIVE_BUFFER: usize = 4 << 20;
/// Connections that wait to be accepted.
const BACKLOG: i32 = 1_024;
/// Ports tried for port 0 until one is free for both transports.
const PORTS_TRIED: usize = 16;

/// Sockets bound and not yet served.
pub struct Sockets {
    pub(super) config: Config,
    pub(super) addresses: Vec<SocketAddr>,
    /// By worker, then as `addresses`.
    pub(super) workers: Vec<Vec<Pair>>,
}

/// One worker's sockets on one address.
pub(super) struct Pair {
    pub(super) udp: UdpSocket,
    pub(super) tcp: TcpListener,
}

/// An address could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} ({transport}): {}", Cure(self))]
pub struct BindError {
    /// Which.
    pub address: SocketAddr,
    /// `UDP` or `TCP`.
    pub transport: &'static str,
    /// Why.
    pub source: io::Error,
}

/// What the operating system said, and what to do about it.
struct Cure<'a>(&'a BindError);

impl fmt::Display for Cure<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BindError { address, transport, source } = self.0;
        let (port, list) = (address.port(), if *transport == "UDP" { "ss -lunp" } else { "ss -ltnp" });
        match source.kind() {
            ErrorKind::AddrInUse => write!(
                formatter,
                "{transport} port {port} is already in use; `{list} 'sport = :{port}'` shows by whom: stop that, or choose another with --listen"
            ),
            ErrorKind::PermissionDenied => write!(
                formatter,
                "no permission for port {port}; set the pod's safe sysctl net.ipv4.ip_unprivileged_port_start to 0, add the capability \
                 NET_BIND_SERVICE, or choose a port from 1024 up with --listen"
            ),
            ErrorKind::AddrNotAvailable => write!(
                formatter,
                "no interface here has the address {}; `ip address` shows those there are: choose one of them, 0.0.0.0 or [::] with --listen",
                address.ip()
            ),
            _ => write!(formatter, "{source}"),
        }
    }
}

/// Binds every address, for every worker.
///
/// The first socket of an address is bound alone and shared only afterwards, so that a port is never taken together with another process
/// that shares its own.
///
/// # Errors
/// The first address that cannot be had.
pub fn bind(config: &Config) -> Result<Sockets, BindError> {
    let mut addresses = Vec::new();
    let mut workers: Vec<Vec<Pair>> = (0..config.workers.max(1)).map(|_| Vec::new()).collect();
    for asked in &config.addresses {
        let (address, first) = bind_first(*asked)?;
        addresses.push(address);
        for pairs in workers.iter_mut().skip(1) {
            pairs.push(bind_pair(address, Sharing::Shared)?);
        }
        workers[0].push(first);
    }
    Ok(Sockets { config: config.clone(), addresses, workers })
}

impl Sockets {
    /// The addresses, with the ports that were given for port 0.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sharing {
    /// Fails where anybody has the port.
    AloneThenShared,
    /// Joins our own sockets.
    Shared,
}

fn bind_first(asked: SocketAddr) -> Result<(SocketAddr, Pair), BindError> {
    if asked.port() != 0 {
        return Ok((asked, bind_pair(asked, Sharing::AloneThenShared)?));
    }
    let mut tries = 0;
    loop {
        tries += 1;
        let udp = bind_udp(asked, Sharing::AloneThenShared).map_err(|source| BindError { address: asked, transport: "UDP", source })?;
        let address = udp.local_addr().map_err(|source| BindError { address: asked, transport: "UDP", source })?;
        match bind_tcp(address, Sharing::AloneThenShared) {
            Ok(tcp) => return Ok((address, Pair { udp, tcp })),
            Err(source) if source.kind() == ErrorKind::AddrInUse && tries < PORTS_TRIED => {}
            Err(source) => return Err(BindError { address, transport: "TCP", source }),
        }
    }
}

fn bind_pair(address: SocketAddr, sharing: Sharing) -> Result<Pair, BindError> {
    let udp = bind_udp(address, sharing).map_err(|source| BindError { address, transport: "UDP", source })?;
    let tcp = bind_tcp(address, sharing).map_err(|source| BindError { address, transport: "TCP", source })?;
    Ok(Pair { udp, tcp })
}

fn bind_udp(address: SocketAddr, sharing: Sharing) -> io::Result<UdpSocket> {
    let socket = bind_socket(address, Type::DGRAM, Protocol::UDP, sharing)?;
    // Without UDP_GRO: clients' queries come one by one, from many ports. Of 700,000 from 64 sockets none were merged, each cost no less,
    // and every slot of a batch would need 64 KiB.
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    let socket = UdpSocket::from(socket);
    ignore_path_mtu(&socket)?;
    if address.ip().is_unspecified() {
        report_destination(&socket)?;
    }
    Ok(socket)
}

fn bind_tcp(address: SocketAddr, sharing: Sharing) -> io::Result<TcpListener> {
    let socket = bind_socket(address, Type::STREAM, Protocol::TCP, sharing)?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

fn bind_socket(address: SocketAddr, kind: Type, protocol: Protocol, sharing: Sharing) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() {
        // So that [::] and 0.0.0.0 can be had side by side.
        socket.set_only_v6(true)?;
    }
    if kind == Type::STREAM {
        // Connections of a process before us may still be in TIME-WAIT.
        socket.set_reuse_address(true)?;
    }
    socket.set_reuse_port(sharing == Sharing::Shared)?;
    socket.bind(&address.into())?;
    socket.set_reuse_port(true)?;
    Ok(socket)
}
