//! From an address to a stream: the connection and, where there is one, the TLS session on it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use super::secure::Secure;
use super::{AuthName, FailureClass, Timing};

/// Where a stream leads, and what it is wrapped in.
pub(super) struct Target {
    pub(super) address: SocketAddr,
    /// `None`: plain TCP.
    pub(super) tls: Option<(Arc<Secure>, AuthName)>,
}

/// A stream that is ready for questions.
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Target {
    /// Connection and handshake have [`Timing::dial`] each: which of the two took too long is a different failure.
    pub(super) async fn dial(&self, timing: &Timing) -> Result<Stream, FailureClass> {
        let failed = |error| FailureClass::of_io(&error, true);
        let stream = match timeout(timing.dial, TcpStream::connect(self.address)).await {
            Err(_) => return Err(FailureClass::DialTimeout),
            Ok(connected) => connected.map_err(failed)?,
        };
        set_up(&stream, timing.vanished).map_err(failed)?;
        match &self.tls {
            None => Ok(Stream::Plain(stream)),
            Some((secure, name)) => secure.shake_hands(stream, name, timing.dial).await.map(|stream| Stream::Tls(Box::new(stream))),
        }
    }
}

fn set_up(stream: &TcpStream, vanished: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_tcp_user_timeout(Some(vanished))?;
    // A peer that is gone is found while a slow answer is awaited; an idle connection lives for seconds only.
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(Duration::from_secs(1)).with_interval(Duration::from_secs(1)))
}
