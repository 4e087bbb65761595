//! Clients: one socket each.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use super::{Question, Reply, seconds};

/// A stub resolver gives up after 5 s.
const PATIENCE: Duration = seconds(5);

/// Asks by datagrams.
pub(crate) struct Udp(UdpSocket);

impl Udp {
    pub(crate) fn to(server: SocketAddr) -> Self {
        let any: SocketAddr = if server.is_ipv4() { ([127, 0, 0, 1], 0).into() } else { ([0, 0, 0, 0, 0, 0, 0, 1], 0).into() };
        let socket = UdpSocket::bind(any).unwrap();
        socket.connect(server).unwrap();
        Self(socket)
    }

    /// Asks and waits for the reply.
    pub(crate) fn ask(&self, question: &Question) -> Reply {
        self.try_ask(question).expect("no reply within 5 s")
    }

    /// The same; `None`: no reply within 5 s.
    pub(crate) fn try_ask(&self, question: &Question) -> Option<Reply> {
        self.send(&question.encode());
        self.receive(PATIENCE).map(|octets| Reply::to(question, octets))
    }

    pub(crate) fn send(&self, octets: &[u8]) {
        // A port where nobody listens yet answers the datagram before with an error that this one gets.
        if self.0.send(octets).is_err() {
            drop(self.0.send(octets));
        }
    }

    /// The next datagram, if one comes in time.
    pub(crate) fn receive(&self, within: Duration) -> Option<Vec<u8>> {
        self.0.set_read_timeout(Some(within)).unwrap();
        let mut octets = vec![0; 65_535];
        let length = self.0.recv(&mut octets).ok()?;
        octets.truncate(length);
        Some(octets)
    }

    /// Throws away what has come.
    pub(crate) fn forget(&self) {
        while self.receive(Duration::from_millis(1)).is_some() {}
    }
}

/// Asks over a connection.
pub(crate) struct Tcp(TcpStream);

impl Tcp {
    pub(crate) fn to(server: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&server, PATIENCE).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(stream)
    }

    /// Asks and waits for the reply.
    pub(crate) fn ask(&mut self, question: &Question) -> Reply {
        self.try_ask(question).expect("no reply within 5 s")
    }

    /// The same; `None`: the connection ended or nothing came within 5 s.
    pub(crate) fn try_ask(&mut self, question: &Question) -> Option<Reply> {
        self.0.write_all(&question.framed()).ok()?;
        self.message().map(|octets| Reply::to(question, octets))
    }

    pub(crate) fn send(&mut self, octets: &[u8]) {
        self.0.write_all(octets).unwrap();
    }

    /// Says that nothing more will be asked.
    pub(crate) fn finish(&self) {
        self.0.shutdown(Shutdown::Write).unwrap();
    }

    /// The next reply, whatever it answers.
    pub(crate) fn receive(&mut self) -> Reply {
        Reply::read(self.message().expect("no reply within 5 s"))
    }

    /// How the server ends a connection on which nothing was left to say.
    pub(crate) fn end(&mut self) -> Result<(), ErrorKind> {
        match self.0.read(&mut [0; 1]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(ErrorKind::InvalidData),
            Err(error) => Err(error.kind()),
        }
    }

    fn message(&mut self) -> Option<Vec<u8>> {
        let mut length = [0; 2];
        self.0.read_exact(&mut length).ok()?;
        let mut octets = vec![0; usize::from(u16::from_be_bytes(length))];
        self.0.read_exact(&mut octets).ok()?;
        Some(octets)
    }
}
