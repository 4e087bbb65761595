//! An upstream a millisecond away that answers concurrently: what a forwarder does when one query does not wait for another.
//!
//! Every fourth answer overtakes others, so that a forwarder can see that a connection is not serial.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::load::read_clock;

/// From query to answer.
const DELAY: Duration = Duration::from_millis(1);
/// What every fourth answer is early by.
const EARLY: Duration = Duration::from_micros(100);
/// Octets of a DNS header.
const HEADER: usize = 12;
/// Octets of the largest query.
const QUERY: usize = 4_096;
/// A name that points at the question, A, IN, 3,600 s, 192.0.2.1.
const RECORD: [u8; 16] = [0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0x0e, 0x10, 0, 4, 192, 0, 2, 1];

/// Where an answer goes.
enum Client {
    Datagram(SocketAddr),
    Stream(Arc<TcpStream>),
}

/// An answer, and when it is due.
struct Answer {
    due: Instant,
    client: Client,
    octets: Vec<u8>,
}

/// Answers at `address` over UDP and TCP, until killed.
///
/// # Errors
/// What the operating system says against the sockets.
pub(crate) fn serve(address: SocketAddr) -> io::Result<Infallible> {
    let (listener, socket) = (TcpListener::bind(address)?, UdpSocket::bind(address)?);
    let (answers, due) = channel();
    let writer = socket.try_clone()?;
    thread::spawn(move || deliver(&due, &writer));
    let streams = answers.clone();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answers = streams.clone();
            thread::spawn(move || read_stream(stream, &answers));
        }
    });
    let mut query = [0; QUERY];
    for serial in 0.. {
        let (length, peer) = socket.recv_from(&mut query)?;
        answer(&query[..length], serial, Client::Datagram(peer), &answers);
    }
    unreachable!("the queries of one run can be counted")
}

/// Until the client closes, or sends what has no length.
fn read_stream(stream: TcpStream, answers: &Sender<Answer>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let stream = Arc::new(stream);
    let mut reader = io::BufReader::new(&*stream);
    let mut query = Vec::new();
    for serial in 0.. {
        let mut length = [0; 2];
        reader.read_exact(&mut length)?;
        query.resize(usize::from(u16::from_be_bytes(length)), 0);
        reader.read_exact(&mut query)?;
        answer(&query, serial, Client::Stream(Arc::clone(&stream)), answers);
    }
    Ok(())
}

/// Queues the answer to `query`; none to what is no query.
fn answer(query: &[u8], serial: u64, client: Client, answers: &Sender<Answer>) {
    let Some(question) = query.get(HEADER..).and_then(question) else { return };
    let is_address = question[question.len() - 4..] == [0, 1, 0, 1];
    let mut octets = Vec::with_capacity(HEADER + question.len() + RECORD.len());
    octets.extend_from_slice(&query[..2]);
    octets.extend_from_slice(&[0x80 | query[2] & 1, 0x80, 0, 1, 0, u8::from(is_address), 0, 0, 0, 0]);
    octets.extend_from_slice(question);
    if is_address {
        octets.extend_from_slice(&RECORD);
    }
    let early = if serial % 4 == 3 { EARLY } else { Duration::ZERO };
    // Fails only where the writer has ended, and the process with it.
    answers.send(Answer { due: read_clock() + DELAY - early, client, octets }).ok();
}

/// The question section at the beginning of `octets`: name, type, class.
fn question(octets: &[u8]) -> Option<&[u8]> {
    let mut at = 0;
    while *octets.get(at)? != 0 {
        at += 1 + usize::from(octets[at]);
    }
    octets.get(..at + 5)
}

/// Sends each answer when it is due.
fn deliver(answers: &Receiver<Answer>, socket: &UdpSocket) {
    let mut waiting = BTreeMap::new();
    for serial in 0_u64.. {
        while let Some(first) = waiting.first_entry() {
            let (due, _): (Instant, u64) = *first.key();
            if due > read_clock() {
                break;
            }
            send(first.remove(), socket);
        }
        let next = waiting.first_key_value().map_or(Duration::MAX, |((due, _), _)| due.saturating_duration_since(read_clock()));
        match answers.recv_timeout(next) {
            Ok(answer) => drop(waiting.insert((answer.due, serial), answer)),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// A client that has gone is no matter.
fn send(answer: Answer, socket: &UdpSocket) {
    match answer.client {
        Client::Datagram(peer) => drop(socket.send_to(&answer.octets, peer)),
        Client::Stream(stream) => {
            let mut frame = u16::try_from(answer.octets.len()).unwrap_or_default().to_be_bytes().to_vec();
            frame.extend_from_slice(&answer.octets);
            drop((&*stream).write_all(&frame));
        }
    }
}
