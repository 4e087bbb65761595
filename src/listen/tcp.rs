//! Streams: an acceptor for each worker and address. The life of one connection is in `connection`.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;

use super::connection::Connection;
use super::counters::{Counters, count};
use super::seats::Seats;
use super::{Respond, now};
use crate::lifecycle::{Next, Supervisor};

/// After an accept that failed for want of descriptors or memory: no spinning.
const ERROR_PAUSE: Duration = Duration::from_millis(100);
/// The longest message over TCP (RFC 1035 §4.2.2).
const MESSAGE: usize = 65_535;

/// What the acceptors and connections of one worker share.
pub(super) struct TcpWorker<R> {
    pub(super) worker: usize,
    pub(super) respond: R,
    pub(super) seats: Arc<Seats>,
    pub(super) counters: Arc<Counters>,
    pub(super) supervisor: Supervisor,
    /// True: no new connections, no new messages.
    pub(super) stop: watch::Receiver<bool>,
    /// A connection with nothing to do is closed after this long.
    pub(super) idle: Duration,
    /// Where replies from memory are written before they are queued: one for all connections, used without awaiting.
    pub(super) scratch: Mutex<Box<[u8]>>,
}

/// Room for one reply of any length.
pub(super) fn scratch() -> Mutex<Box<[u8]>> {
    Mutex::new(vec![0; MESSAGE].into())
}

/// Accepts until told to stop. A panic starts the acceptor again on the same socket.
pub(super) async fn keep_accepting<R: Respond + Clone>(shared: Arc<TcpWorker<R>>, listener: Arc<TcpListener>) {
    while let Err(error) = tokio::spawn(accept(Arc::clone(&shared), Arc::clone(&listener))).await {
        if !error.is_panic() {
            return;
        }
        tracing::error!(worker = shared.worker, "a TCP acceptor panicked; starting it again on its socket");
        if shared.supervisor.died(now()) == Next::GiveUp {
            return;
        }
    }
}

async fn accept<R: Respond + Clone>(shared: Arc<TcpWorker<R>>, listener: Arc<TcpListener>) {
    let mut stop = shared.stop.clone();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        match accepted {
            Ok((stream, peer)) => admit(&shared, stream, peer),
            // The client's own end came first.
            Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) => {}
            Err(error) => {
                tracing::debug!(%error, "cannot accept");
                sleep(ERROR_PAUSE).await;
            }
        }
    }
}

fn admit<R: Respond + Clone>(shared: &Arc<TcpWorker<R>>, stream: TcpStream, peer: SocketAddr) {
    let counters = shared.counters.worker(shared.worker);
    let Some((seat, yielded)) = shared.seats.take(peer.ip()) else {
        return count(&counters.refused, 1);
    };
    count(&counters.accepted, 1);
    count(&counters.yielded, usize::from(yielded));
    // Without it only small replies would be late; nobody is hurt.
    stream.set_nodelay(true).ok();
    tokio::spawn(Connection::new(Arc::clone(shared), peer, seat).run(stream));
}
