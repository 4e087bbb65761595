//! Over QUIC (RFC 9250): a stream a query. A runtime reads and writes; when an answer is due it is told by the thread that delivers, for
//! its own timers count in milliseconds.

use std::error::Error;
use std::sync::Arc;
use std::thread;

use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Endpoint, Incoming, RecvStream, SendStream, ServerConfig, TransportConfig};
use tokio::runtime::Builder;
use tokio::sync::oneshot;

use super::Listen;
use super::answers::{QUERY, Queue, framed};
use crate::shown::server_config;

/// Queries of one connection that may wait at once, as CoreDNS has it.
const STREAMS: u32 = 256;

/// Answers, until the process ends.
///
/// # Errors
/// What the operating system says against the socket, or rustls against the certificate.
pub(super) fn serve(listen: &Listen, queue: &Queue) -> Result<(), Box<dyn Error>> {
    let crypto = QuicServerConfig::try_from(server_config(&listen.certificate, &listen.key, b"doq")?)?;
    let mut transport = TransportConfig::default();
    transport.max_concurrent_bidi_streams(STREAMS.into());
    let mut config = ServerConfig::with_crypto(Arc::new(crypto));
    config.transport_config(Arc::new(transport));
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let endpoint = {
        let _inside = runtime.enter();
        Endpoint::server(config, listen.encrypted)?
    };
    let queue = queue.clone();
    thread::spawn(move || {
        runtime.block_on(async {
            while let Some(incoming) = endpoint.accept().await {
                tokio::spawn(converse(incoming, queue.clone()));
            }
        });
    });
    Ok(())
}

/// Until the client closes.
async fn converse(incoming: Incoming, queue: Queue) {
    let Ok(connection) = incoming.await else { return };
    while let Ok(streams) = connection.accept_bi().await {
        tokio::spawn(answer(streams, queue.clone()));
    }
}

/// A client that has gone is no matter.
async fn answer((mut sender, mut receiver): (SendStream, RecvStream), queue: Queue) -> Option<()> {
    let query = receiver.read_to_end(QUERY).await.ok()?;
    let (deliver, delivered) = oneshot::channel();
    // Streams have no order, so that none can be overtaken.
    queue.answer(query.get(2..)?, 0, move |reply| drop(deliver.send(framed(reply))));
    sender.write_all(&delivered.await.ok()?).await.ok()?;
    sender.finish().ok()
}
