//! Over TCP, bare or with TLS: a thread reads each connection, and the one that delivers writes to all.

use std::error::Error;
use std::io::{self, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use parking_lot::Mutex;
use rustls::ServerConnection;

use super::Listen;
use super::answers::{Queue, framed};
use crate::shown::server_config;

/// Octets read from a socket at a time: as many as rustls takes at once.
const READ: usize = 4_096;

/// A connection with TLS, read by one thread and written by another.
struct Secured {
    stream: TcpStream,
    connection: Mutex<ServerConnection>,
}

/// Answers at `address`, until the process ends.
///
/// # Errors
/// What the operating system says against the socket.
pub(super) fn serve_plain(address: SocketAddr, queue: &Queue) -> io::Result<()> {
    accept(address, queue, |stream, queue| {
        let stream = Arc::new(stream);
        let writer = Arc::clone(&stream);
        converse(&*stream, queue, move |frame| drop((&*writer).write_all(frame)))
    })
}

/// Likewise with TLS.
///
/// # Errors
/// What the operating system says against the socket, or rustls against the certificate.
pub(super) fn serve_tls(listen: &Listen, queue: &Queue) -> Result<(), Box<dyn Error>> {
    let config = Arc::new(server_config(&listen.certificate, &listen.key, b"dot")?);
    let each = move |stream, queue: &Queue| {
        let connection = ServerConnection::new(Arc::clone(&config)).map_err(io::Error::other)?;
        let secured = Arc::new(Secured { stream, connection: Mutex::new(connection) });
        let writer = Arc::clone(&secured);
        converse(&*secured, queue, move |frame| drop(writer.send(frame)))
    };
    Ok(accept(listen.encrypted, queue, each)?)
}

fn accept(
    address: SocketAddr,
    queue: &Queue,
    each: impl Fn(TcpStream, &Queue) -> io::Result<()> + Clone + Send + 'static,
) -> io::Result<()> {
    let listener = TcpListener::bind(address)?;
    let queue = queue.clone();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (each, queue) = (each.clone(), queue.clone());
            thread::spawn(move || stream.set_nodelay(true).and_then(|()| each(stream, &queue)));
        }
    });
    Ok(())
}

/// Until the client closes, or sends what has no length.
fn converse(stream: impl Read, queue: &Queue, write: impl Fn(&[u8]) + Clone + Send + 'static) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut query = Vec::new();
    for serial in 0.. {
        let mut length = [0; 2];
        reader.read_exact(&mut length)?;
        query.resize(usize::from(u16::from_be_bytes(length)), 0);
        reader.read_exact(&mut query)?;
        let write = write.clone();
        queue.answer(&query, serial, move |reply| write(&framed(reply)));
    }
    Ok(())
}

impl Secured {
    /// Takes what comes next, and says what TLS itself has to say to it.
    fn receive(&self) -> io::Result<()> {
        let mut octets = [0; READ];
        let length = (&self.stream).read(&mut octets)?;
        let mut connection = self.connection.lock();
        connection.read_tls(&mut &octets[..length])?;
        connection.process_new_packets().map_err(io::Error::other)?;
        self.flush(&mut connection)
    }

    fn send(&self, frame: &[u8]) -> io::Result<()> {
        let mut connection = self.connection.lock();
        connection.writer().write_all(frame)?;
        self.flush(&mut connection)
    }

    fn flush(&self, connection: &mut ServerConnection) -> io::Result<()> {
        while connection.wants_write() {
            connection.write_tls(&mut &self.stream)?;
        }
        Ok(())
    }
}

impl Read for &Secured {
    fn read(&mut self, plain: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.connection.lock().reader().read(plain);
            match read {
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.receive()?,
                done => return done,
            }
        }
    }
}
