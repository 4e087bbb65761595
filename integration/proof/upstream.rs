//! Sockets of the upstream that does wrong on purpose.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread::spawn;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::runtime::Builder;
use tokio::sync::{Notify, mpsc};
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;

use crate::fault::{Deed, Fault, deeds};
use crate::harness::certificates::Certificate;
use crate::harness::free_port;
use crate::shown::server_config;

/// Serves as long as the process lives.
pub(crate) struct Upstream {
    address: SocketAddr,
    state: Arc<State>,
}

struct State {
    fault: Option<Fault>,
    /// Of so many questions one meets the fault.
    every: usize,
    asked: AtomicUsize,
    resets: Notify,
    tls: Option<TlsAcceptor>,
}

impl Upstream {
    /// One of `every` questions meets `fault`; the others are answered. With a certificate its streams are TLS.
    pub(crate) fn start(fault: Option<Fault>, every: usize, shown: Option<&Certificate>) -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let tls = shown.map(acceptor);
        let state = Arc::new(State { fault, every, asked: AtomicUsize::new(0), resets: Notify::new(), tls });
        let shared = Arc::clone(&state);
        let (listening, listens) = std::sync::mpsc::channel();
        spawn(move || {
            Builder::new_current_thread().enable_all().build().unwrap().block_on(async move {
                let udp = UdpSocket::bind(address).await.unwrap();
                let tcp = TcpListener::bind(address).await.unwrap();
                listening.send(()).unwrap();
                tokio::join!(serve_datagrams(Arc::new(udp), Arc::clone(&shared)), serve_streams(tcp, shared));
            });
        });
        listens.recv().unwrap();
        Self { address, state }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends all connections at once, by RST.
    pub(crate) fn reset_all(&self) {
        self.state.resets.notify_waiters();
    }
}

impl State {
    fn deeds(&self, query: &[u8], stream: bool) -> Vec<(Duration, Deed)> {
        let number = self.asked.fetch_add(1, Relaxed);
        let fault = self.fault.filter(|_| number.is_multiple_of(self.every));
        deeds(fault, query, number / self.every, stream)
    }
}

fn acceptor(shown: &Certificate) -> TlsAcceptor {
    TlsAcceptor::from(Arc::new(server_config(&shown.certificate, &shown.key, b"dot").unwrap()))
}

async fn serve_datagrams(socket: Arc<UdpSocket>, state: Arc<State>) {
    let mut octets = [0; 1232];
    loop {
        // A client that has gone is told of by an error here.
        let Ok((length, client)) = socket.recv_from(&mut octets).await else { continue };
        for (after, deed) in state.deeds(&octets[..length], false) {
            let socket = Arc::clone(&socket);
            tokio::spawn(async move {
                sleep(after).await;
                match deed {
                    Deed::Say(message) | Deed::Dribble(message) => drop(socket.send_to(&message, client).await),
                    Deed::Half(message) => drop(socket.send_to(&message[..message.len() / 2], client).await),
                    Deed::End => {}
                }
            });
        }
    }
}

async fn serve_streams(listener: TcpListener, state: Arc<State>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        tokio::spawn(serve_stream(stream, Arc::clone(&state)));
    }
}

/// Whenever it ends, it ends by RST.
async fn serve_stream(stream: TcpStream, state: Arc<State>) {
    stream.set_nodelay(true).unwrap();
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    match &state.tls {
        None => converse(stream, &state).await,
        Some(tls) => {
            if let Ok(stream) = tls.accept(stream).await {
                converse(stream, &state).await;
            }
        }
    }
}

async fn converse(stream: impl AsyncRead + AsyncWrite, state: &Arc<State>) {
    let (mut reader, mut writer) = split(stream);
    let (say, mut said) = mpsc::unbounded_channel();
    let hear = async {
        while let Ok(length) = reader.read_u16().await {
            let mut query = vec![0; usize::from(length)];
            if reader.read_exact(&mut query).await.is_err() {
                return;
            }
            for (after, deed) in state.deeds(&query, true) {
                let say = say.clone();
                tokio::spawn(async move {
                    sleep(after).await;
                    drop(say.send(deed));
                });
            }
        }
    };
    let speak = async {
        while let Some(deed) = said.recv().await {
            if carry_out(deed, &mut writer).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = hear => {}
        () = speak => {}
        () = state.resets.notified() => {}
    }
}

/// Fails where the stream is to end.
async fn carry_out(deed: Deed, writer: &mut (impl AsyncWrite + Unpin)) -> std::io::Result<()> {
    let framed = |message: Vec<u8>| [&(message.len() as u16).to_be_bytes(), message.as_slice()].concat();
    match deed {
        Deed::Say(message) => writer.write_all(&framed(message)).await?,
        Deed::Dribble(message) => {
            for octet in framed(message) {
                writer.write_all(&[octet]).await?;
                writer.flush().await?;
                sleep(Duration::from_micros(200)).await;
            }
        }
        Deed::Half(message) => {
            let framed = framed(message);
            writer.write_all(&framed[..framed.len() / 2]).await?;
            writer.shutdown().await?;
            // The half must arrive before the stream ends.
            sleep(Duration::from_millis(50)).await;
            return Err(std::io::ErrorKind::ConnectionAborted.into());
        }
        Deed::End => return Err(std::io::ErrorKind::ConnectionReset.into()),
    }
    writer.flush().await
}
