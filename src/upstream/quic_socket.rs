//! The socket under a QUIC connection. It is connected, so that the kernel says what it knows against the way to the server; the library's
//! own is not, and passes over what it hears.

use std::future::pending;
use std::io::{self, ErrorKind, IoSliceMut};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use parking_lot::Mutex;
use quinn::udp::{RecvMeta, Transmit, UdpSocketState};
use quinn::{AsyncUdpSocket, UdpPoller};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::Notify;

use super::FailureClass;

/// One server's, for one connection.
#[derive(Debug)]
pub(super) struct Socket {
    io: UdpSocket,
    state: UdpSocketState,
    heard: Mutex<Option<FailureClass>>,
    told: Notify,
}

impl Socket {
    /// # Errors
    /// No descriptor or port is left, or there is no route.
    pub(super) fn connect(server: SocketAddr) -> io::Result<Arc<Self>> {
        let any: SocketAddr = match server {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = std::net::UdpSocket::bind(any)?;
        socket.connect(server)?;
        let state = UdpSocketState::new((&socket).into())?;
        Ok(Arc::new(Self { io: UdpSocket::from_std(socket)?, state, heard: Mutex::default(), told: Notify::new() }))
    }

    /// Ends when the kernel has said something against the way. Anybody on it can make that up (RFC 8085 §5.2): it is no more than a reason
    /// to connect again.
    pub(super) async fn refusal(&self) -> FailureClass {
        loop {
            if let Some(class) = *self.heard.lock() {
                return class;
            }
            tokio::select! {
                () = self.told.notified() => {}
                error = self.error() => self.heed(&error),
            }
        }
    }

    /// The next error that comes by itself, when nothing is sent nor received: that alone makes no socket readable.
    async fn error(&self) -> io::Error {
        let take = || self.io.take_error()?.ok_or_else(|| ErrorKind::WouldBlock.into());
        match self.io.async_io(Interest::ERROR, take).await {
            Ok(error) => error,
            // The runtime is about to end.
            Err(_) => pending().await,
        }
    }

    /// What is about one datagram alone, QUIC makes good.
    fn heed(&self, error: &io::Error) {
        if matches!(
            error.kind(),
            ErrorKind::ConnectionRefused
                | ErrorKind::ConnectionAborted
                | ErrorKind::HostUnreachable
                | ErrorKind::NetworkUnreachable
                | ErrorKind::PermissionDenied
        ) {
            *self.heard.lock() = Some(FailureClass::of_io(error, true));
            self.told.notify_one();
        }
    }
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Writable(self))
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        match self.io.try_io(Interest::WRITABLE, || self.state.try_send((&self.io).into(), transmit)) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => {
                self.heed(&error);
                Ok(())
            }
            outcome => outcome,
        }
    }

    fn poll_recv(&self, context: &mut Context<'_>, buffers: &mut [IoSliceMut<'_>], meta: &mut [RecvMeta]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.io.poll_recv_ready(context))?;
            match self.io.try_io(Interest::READABLE, || self.state.recv((&self.io).into(), buffers, meta)) {
                Ok(received) => return Poll::Ready(Ok(received)),
                Err(error) => self.heed(&error),
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.local_addr()
    }

    fn may_fragment(&self) -> bool {
        self.state.may_fragment()
    }

    fn max_transmit_segments(&self) -> usize {
        self.state.max_gso_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.state.gro_segments()
    }
}

/// Of the socket's one connection: there is nobody else to wake.
#[derive(Debug)]
struct Writable(Arc<Socket>);

impl UdpPoller for Writable {
    fn poll_writable(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.io.poll_send_ready(context)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn one_datagram_to_a_port_where_nothing_listens_is_enough_to_hear_of_it() {
        let nobody = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let socket = Socket::connect(nobody).unwrap();
        socket.io.send(&[0]).await.unwrap();
        for _ in 0..2 {
            assert_eq!(timeout(PATIENCE, socket.refusal()).await, Ok(FailureClass::DialRefused), "it is not forgotten");
        }
    }

    #[tokio::test]
    async fn a_datagram_that_is_too_long_says_nothing_of_the_way() {
        let somebody = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let server = somebody.local_addr().unwrap();
        let socket = Socket::connect(server).unwrap();
        socket.io.writable().await.unwrap();
        let contents = vec![0; 70_000];
        let transmit = Transmit { destination: server, ecn: None, contents: &contents, segment_size: None, src_ip: None };
        socket.try_send(&transmit).unwrap();
        assert_eq!(*socket.heard.lock(), None);
    }
}
