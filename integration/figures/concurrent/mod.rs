//! An upstream a millisecond away that answers concurrently: what a forwarder does when one query does not wait for another.

mod answers;
mod datagrams;
mod quic;
mod streams;

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;

use answers::Queue;

/// Where it listens, and what it shows.
pub(crate) struct Listen {
    /// UDP and TCP.
    pub(crate) plain: SocketAddr,
    /// QUIC and TLS.
    pub(crate) encrypted: SocketAddr,
    /// PEM file of its certificate.
    pub(crate) certificate: PathBuf,
    /// PEM file of the certificate's key.
    pub(crate) key: PathBuf,
}

/// Answers over UDP, TCP, TLS and QUIC, until killed.
///
/// # Errors
/// What the operating system says against the sockets, or rustls against the certificate.
pub(crate) fn serve(listen: &Listen) -> Result<Infallible, Box<dyn Error>> {
    let queue = Queue::start();
    streams::serve_plain(listen.plain, &queue)?;
    streams::serve_tls(listen, &queue)?;
    quic::serve(listen, &queue)?;
    Ok(datagrams::serve(listen.plain, &queue)?)
}
