//! A bound on connections: whoever can reach the pages, any pod of the cluster, could hold memory by sending half a request after another.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// Connections at a time: probes, two scrapers and a few people. Each may hold some 400 KiB of a request's head.
pub(super) const MOST_CONNECTIONS: usize = 16;

/// Takes connections, and closes the oldest for one too many: whoever holds them keeps neither the kubelet nor a scraper out.
pub(super) struct Bounded {
    listener: TcpListener,
    /// The oldest first; one that is dropped closes its connection.
    open: VecDeque<oneshot::Sender<()>>,
}

impl Bounded {
    pub(super) fn new(listener: TcpListener) -> Self {
        Self { listener, open: VecDeque::with_capacity(MOST_CONNECTIONS) }
    }
}

impl Listener for Bounded {
    type Io = Closable;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Closable, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.listener).await;
        self.open.retain(|connection| !connection.is_closed());
        if self.open.len() >= MOST_CONNECTIONS {
            self.open.pop_front();
        }
        let (keep, open) = oneshot::channel();
        self.open.push_back(keep);
        (Closable { stream, open: Some(open) }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that ends when it is told to, whatever its other end does.
pub(super) struct Closable {
    stream: TcpStream,
    /// `None` once it is told.
    open: Option<oneshot::Receiver<()>>,
}

impl Closable {
    /// The stream, as long as it is to be used.
    fn stream(self: Pin<&mut Self>, context: &mut Context<'_>) -> io::Result<Pin<&mut TcpStream>> {
        let this = self.get_mut();
        if this.open.as_mut().is_some_and(|open| Pin::new(open).poll(context).is_pending()) {
            return Ok(Pin::new(&mut this.stream));
        }
        this.open = None;
        Err(io::ErrorKind::ConnectionAborted.into())
    }
}

impl AsyncRead for Closable {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.stream(context) {
            Ok(stream) => stream.poll_read(context, buffer),
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

impl AsyncWrite for Closable {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        match self.stream(context) {
            Ok(stream) => stream.poll_write(context, octets),
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.stream(context) {
            Ok(stream) => stream.poll_flush(context),
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
