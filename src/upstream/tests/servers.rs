//! Servers that misbehave in one way each.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Mutex;
use tokio::time::sleep;

/// How a TCP server answers.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Manner {
    /// One at a time, in order, as CoreDNS does; `slow…` takes a while.
    Serial,
    /// Concurrently.
    Concurrent,
    /// Closes after so many answers on a connection.
    CloseAfter(usize),
    /// One octet at a time.
    Dribble,
    /// Accepts and reads, and never answers.
    Mute,
    /// Never answers `slow…`, and everything else at once.
    Mixed,
    /// RST to every question.
    Reset,
    /// Half an answer, then FIN.
    Half,
    /// First an unknown id, then the answer.
    WrongIdFirst,
    /// The answer to another question.
    WrongQuestion,
    /// SERVFAIL.
    ServFail,
    /// REFUSED: a lame server.
    Lame,
    /// An rcode that nobody has defined.
    Odd,
    /// FORMERR to whatever is asked.
    FormErr,
    /// An answer that promises more records than it has.
    Garbage,
    /// The same to its first question, and then answers.
    GarbageFirst,
    /// FORMERR to any question with OPT.
    NoOpt,
}

/// Longer than the silence a pipelined stream may keep here, shorter than what a question alone is given.
pub(super) const SLOW: Duration = Duration::from_millis(300);

pub(super) struct TcpServer {
    pub(super) address: SocketAddr,
    pub(super) accepted: Arc<AtomicUsize>,
    pub(super) open: Arc<AtomicUsize>,
    pub(super) asked: Arc<AtomicUsize>,
}

/// The question turned into an answer without records.
pub(super) fn answer(question: &[u8]) -> Vec<u8> {
    let mut message = question.to_vec();
    message[2] |= 0x80;
    message
}

fn said(manner: Manner, question: &[u8]) -> Vec<u8> {
    let mut message = answer(question);
    match manner {
        Manner::WrongQuestion => message[13] ^= 1,
        Manner::ServFail => message[3] |= 2,
        Manner::Lame => message[3] |= 5,
        Manner::Odd => message[3] |= 12,
        Manner::FormErr => message[3] |= 1,
        Manner::Garbage => message[7] = 9,
        Manner::NoOpt if question[11] == 1 => message[3] |= 1,
        _ => {}
    }
    message
}

pub(super) fn is_slow(question: &[u8]) -> bool {
    question[13..].starts_with(b"slow")
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u16).to_be_bytes()[..], message].concat()
}

pub(super) async fn tcp(manner: Manner) -> TcpServer {
    tcp_on(TcpListener::bind("127.0.0.1:0").await.unwrap(), manner)
}

pub(super) fn tcp_on(listener: TcpListener, manner: Manner) -> TcpServer {
    let server =
        TcpServer { address: listener.local_addr().unwrap(), accepted: Arc::default(), open: Arc::default(), asked: Arc::default() };
    let (accepted, open, asked) = (server.accepted.clone(), server.open.clone(), server.asked.clone());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            accepted.fetch_add(1, SeqCst);
            open.fetch_add(1, SeqCst);
            let (open, asked) = (open.clone(), asked.clone());
            tokio::spawn(async move {
                serve(stream, manner, &asked).await;
                open.fetch_sub(1, SeqCst);
            });
        }
    });
    server
}

async fn serve(stream: TcpStream, manner: Manner, asked: &AtomicUsize) -> Option<()> {
    let (mut reader, writer) = stream.into_split();
    let writer = Arc::new(Mutex::new(writer));
    for count in 1.. {
        let length = reader.read_u16().await.ok()?;
        let mut question = vec![0; usize::from(length)];
        reader.read_exact(&mut question).await.ok()?;
        let manner = match (manner, asked.fetch_add(1, SeqCst)) {
            (Manner::GarbageFirst, 0) => Manner::Garbage,
            _ => manner,
        };
        let slow = is_slow(&question);
        let message = said(manner, &question);
        match manner {
            Manner::Mute => continue,
            Manner::Mixed if slow => continue,
            Manner::Concurrent => {
                let writer = writer.clone();
                tokio::spawn(async move {
                    sleep(if slow { SLOW } else { Duration::ZERO }).await;
                    drop(writer.lock().await.write_all(&framed(&message)).await);
                });
                continue;
            }
            Manner::Dribble => {
                for octet in framed(&message) {
                    writer.lock().await.write_all(&[octet]).await.ok()?;
                    sleep(Duration::from_millis(1)).await;
                }
                continue;
            }
            Manner::Reset => return reset(&reader, writer),
            Manner::Half => {
                return writer.lock().await.write_all(&framed(&message)[..9]).await.ok();
            }
            Manner::WrongIdFirst => {
                let mut wrong = message.clone();
                wrong[0] ^= 0x55;
                writer.lock().await.write_all(&framed(&wrong)).await.ok()?;
            }
            Manner::Serial if slow => sleep(SLOW).await,
            _ => {}
        }
        writer.lock().await.write_all(&framed(&message)).await.ok()?;
        if manner == Manner::CloseAfter(count) {
            return None;
        }
    }
    None
}

fn reset(reader: &OwnedReadHalf, writer: Arc<Mutex<OwnedWriteHalf>>) -> Option<()> {
    socket2::SockRef::from(reader.as_ref()).set_linger(Some(Duration::ZERO)).ok()?;
    // Dropped, it would send FIN first.
    Arc::into_inner(writer)?.into_inner().forget();
    None
}

/// Answers datagram `number` (from 0) with what `reply` makes of it.
pub(super) async fn udp(reply: impl Fn(usize, &[u8]) -> Vec<Vec<u8>> + Send + 'static) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    udp_on(socket, reply);
    address
}

pub(super) fn udp_on(socket: UdpSocket, reply: impl Fn(usize, &[u8]) -> Vec<Vec<u8>> + Send + 'static) {
    tokio::spawn(async move {
        let mut datagram = [0; 2_048];
        for number in 0.. {
            let Ok((length, peer)) = socket.recv_from(&mut datagram).await else { return };
            for message in reply(number, &datagram[..length]) {
                drop(socket.send_to(&message, peer).await);
            }
        }
    });
}
