//! Real sockets on the loopback, and a stand-in for the resolver that does what the query says.

mod batch;
mod binding;
mod late;
mod limits;
mod rates;
mod stand_in;
mod supervision;
mod tcp;
mod udp;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use super::{Config, Listeners, bind};
use crate::lifecycle::Supervisor;
use stand_in::StandIn;

/// Long enough that only a failure waits for it.
const PATIENCE: Duration = Duration::from_secs(10);

/// One worker on a free port of the loopback.
fn config() -> Config {
    Config {
        addresses: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
        workers: 1,
        tcp_connections: 100,
        tcp_connections_per_client: 100,
        tcp_idle: PATIENCE,
        rate: None,
    }
}

/// Running listeners and what stands behind them.
struct House {
    address: SocketAddr,
    stand_in: StandIn,
    supervisor: Supervisor,
    listeners: Listeners,
}

fn serve(config: &Config) -> House {
    let (stand_in, supervisor) = (StandIn::default(), Supervisor::default());
    let sockets = bind(config).unwrap();
    let address = sockets.addresses()[0];
    let listeners = sockets.serve(stand_in.clone(), &supervisor).unwrap();
    House { address, stand_in, supervisor, listeners }
}

impl House {
    fn udp(&self) -> UdpSocket {
        let socket = UdpSocket::bind((self.address.ip(), 0)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.connect(self.address).unwrap();
        socket
    }

    fn tcp(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }
}

/// A message with this id that tells the stand-in what to do.
fn query(id: u16, order: &str) -> Vec<u8> {
    let mut message = id.to_be_bytes().to_vec();
    message.extend([0; 10]);
    message.extend(order.as_bytes());
    message
}

fn framed(message: &[u8]) -> Vec<u8> {
    let mut frame = u16::try_from(message.len()).unwrap().to_be_bytes().to_vec();
    frame.extend(message);
    frame
}

/// The id of the next reply.
fn udp_reply(socket: &UdpSocket) -> u16 {
    let mut reply = [0; 2_048];
    let length = socket.recv(&mut reply).unwrap();
    assert!(length >= 12);
    u16::from_be_bytes([reply[0], reply[1]])
}

fn ask(stream: &mut TcpStream, id: u16, order: &str) {
    stream.write_all(&framed(&query(id, order))).unwrap();
}

/// The id of the next reply.
fn tcp_reply(stream: &mut TcpStream) -> u16 {
    let message = tcp_message(stream);
    u16::from_be_bytes([message[0], message[1]])
}

fn tcp_message(stream: &mut TcpStream) -> Vec<u8> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut message).unwrap();
    message
}

/// Whether the next thing to come is the server's FIN. A reset is an error.
fn is_at_end(stream: &mut TcpStream) -> bool {
    stream.read(&mut [0; 1]).unwrap() == 0
}

/// Waits until `condition` holds.
#[expect(clippy::disallowed_methods, reason = "a test must not wait for ever")]
fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
