//! Binding: every address, for every worker, without taking a share of somebody else's port.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use super::{Config, batch};

/// What a UDP socket asks to hold while its loop is busy; the kernel gives at most `net.core.rmem_max`.
const RECEIVE_BUFFER: usize = 4 << 20;
/// Connections that wait to be accepted; the kernel gives at most `net.core.somaxconn`.
const BACKLOG: i32 = 1024;
/// A receive returns after this long without a datagram, so that its loop gives a sign of life.
const RECEIVE_TIMEOUT: Duration = Duration::from_millis(900);
/// Tries to find one port that is free for both transports.
const PORT_TRIES: u32 = 20;

/// Sockets bound and not yet served.
pub struct Sockets {
    pub(super) config: Config,
    pub(super) addresses: Vec<SocketAddr>,
    /// By worker.
    pub(super) workers: Vec<WorkerSockets>,
}

/// One worker's own: of each address one of each kind.
#[derive(Default)]
pub(super) struct WorkerSockets {
    pub(super) udp: Vec<UdpSocket>,
    pub(super) tcp: Vec<TcpListener>,
}

/// An address could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} ({transport}): {source}; {}", cure(.address, .source))]
pub struct BindError {
    /// Which.
    pub address: SocketAddr,
    /// `UDP` or `TCP`.
    pub transport: &'static str,
    /// Why.
    pub source: io::Error,
}

fn cure(address: &SocketAddr, source: &io::Error) -> String {
    let port = address.port();
    match source.kind() {
        io::ErrorKind::AddrInUse => {
            format!("another process holds port {port} (`ss -lnp 'sport = :{port}'` names it); choose another with --listen")
        }
        io::ErrorKind::PermissionDenied => format!(
            "port {port} is privileged here: set the sysctl net.ipv4.ip_unprivileged_port_start=0 for the pod, or choose a port from 1024 on with --listen"
        ),
        io::ErrorKind::AddrNotAvailable => format!("{} is no address of this machine; choose another with --listen", address.ip()),
        _ => "choose another with --listen".to_owned(),
    }
}

/// Binds every address, for every worker.
///
/// # Errors
/// The first address that cannot be had.
pub fn bind(config: &Config) -> Result<Sockets, BindError> {
    let workers = config.workers.max(1);
    let mut sockets = Sockets {
        config: Config { workers, ..config.clone() },
        addresses: Vec::new(),
        workers: (0..workers).map(|_| WorkerSockets::default()).collect(),
    };
    for address in &config.addresses {
        let address = if address.port() == 0 { free_port(*address)? } else { claim(*address)? };
        sockets.addresses.push(address);
        for worker in &mut sockets.workers {
            worker.udp.push(udp(address).map_err(|source| BindError { address, transport: "UDP", source })?);
            worker.tcp.push(tcp(address).map_err(|source| BindError { address, transport: "TCP", source })?);
        }
    }
    Ok(sockets)
}

impl Sockets {
    /// The addresses, with the ports that were given for port 0.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }
}

/// Makes sure that nobody holds the address: with SO_REUSEPORT another process of this user would share it unnoticed, and each would get
/// some of the queries.
fn claim(address: SocketAddr) -> Result<SocketAddr, BindError> {
    let failed = |transport| move |source| BindError { address, transport, source };
    let alone = |kind, protocol| {
        let socket = open(address, kind, protocol)?;
        // As with any server: connections of a former life that linger do not count.
        socket.set_reuse_address(kind == Type::STREAM)?;
        socket.bind(&address.into())?;
        if kind == Type::STREAM {
            socket.listen(1)?;
        }
        io::Result::Ok(())
    };
    alone(Type::DGRAM, Protocol::UDP).map_err(failed("UDP"))?;
    alone(Type::STREAM, Protocol::TCP).map_err(failed("TCP"))?;
    Ok(address)
}

fn free_port(address: SocketAddr) -> Result<SocketAddr, BindError> {
    let mut tries = 0;
    loop {
        tries += 1;
        let failed = |source| BindError { address, transport: "UDP", source };
        let chosen = UdpSocket::bind(address).and_then(|socket| socket.local_addr()).map_err(failed)?;
        match claim(chosen) {
            Err(error) if tries < PORT_TRIES && error.source.kind() == io::ErrorKind::AddrInUse => {}
            outcome => return outcome,
        }
    }
}

fn open(address: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() {
        // [::] beside 0.0.0.0, each for itself.
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}

fn udp(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = open(address, Type::DGRAM, Protocol::UDP)?;
    socket.set_reuse_port(true)?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.set_read_timeout(Some(RECEIVE_TIMEOUT))?;
    socket.bind(&address.into())?;
    let socket = UdpSocket::from(socket);
    batch::ignore_path_mtu(&socket, address.is_ipv6())?;
    if address.ip().is_unspecified() {
        batch::tell_destination(&socket, address.is_ipv6())?;
    }
    Ok(socket)
}

fn tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = open(address, Type::STREAM, Protocol::TCP)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}
