//! The task that owns one QUIC connection (RFC 9250): a stream a question, so that none waits for another.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use futures_util::FutureExt;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{
    ClientConfig, Connection, ConnectionError, Endpoint, EndpointConfig, IdleTimeout, ReadError, ReadExactError, RecvStream, TokioRuntime,
    TransportConfig, VarInt, WriteError,
};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::connection::{Open, Request};
use super::failure::Lost;
use super::metrics::Metrics;
use super::pulse::Pulse;
use super::quic_socket::Socket;
use super::secure::Secure;
use super::stream::answer;
use super::{AuthName, FailureClass, Timing};
use crate::wire::{Answer, AnswerError, Key, encode_upstream_query};

/// RFC 9250 §8.4.
const NO_ERROR: VarInt = VarInt::from_u32(0);
const PROTOCOL_ERROR: VarInt = VarInt::from_u32(2);
const REQUEST_CANCELLED: VarInt = VarInt::from_u32(3);
/// The server has nothing to ask of us (RFC 9250 §4.2).
const NO_STREAMS: VarInt = VarInt::from_u32(0);
/// RFC 9250 §4.2.1: on QUIC the message id is 0.
const ID: u16 = 0;
/// TLS alerts as error codes of QUIC (RFC 9001 §4.8).
const CRYPTO_ERRORS: std::ops::Range<u64> = 0x100..0x200;
/// Before the first round trip is measured: the usual 333 ms would let a lost first packet cost the whole dial.
const FIRST_RTT: Duration = Duration::from_millis(100);
/// Octets of answers that may be on their way, all streams together.
const WINDOW: u32 = 1 << 20;
/// Long enough to take in what waits in the socket's buffer.
const TO_READ: Duration = Duration::from_millis(20);
/// Between two looks whether a retired connection is done.
const LOOK: Duration = Duration::from_secs(1);

/// Where a connection leads, and whom to expect there.
pub(super) struct Target {
    pub(super) address: SocketAddr,
    pub(super) secure: Arc<Secure>,
    pub(super) name: AuthName,
}

/// What it takes to ask one server over QUIC.
pub(super) struct Task {
    pub(super) target: Target,
    pub(super) timing: Arc<Timing>,
    pub(super) pulse: Arc<Pulse>,
    pub(super) open: Open,
    pub(super) incoming: mpsc::UnboundedReceiver<Request>,
    pub(super) retire_at: Instant,
}

impl Task {
    pub(super) async fn run(mut self) {
        let lost = match self.target.dial(&self.timing).await {
            Err(class) => Lost::Failed(class),
            Ok((connection, socket)) => {
                self.open.shown.established.store(true, Relaxed);
                self.serve(&connection, &socket).await;
                connection.close(NO_ERROR, b"");
                Lost::Closed
            }
        };
        self.open.shown.closing.store(true, Relaxed);
        self.incoming.close();
        while let Ok(request) = self.incoming.try_recv() {
            answer(request.reply, Err(lost));
        }
    }

    fn exchange(&self, connection: &Connection) -> Exchange {
        Exchange {
            connection: connection.clone(),
            timing: self.timing.clone(),
            pulse: self.pulse.clone(),
            metrics: self.open.metrics.clone(),
        }
    }

    /// Until nobody needs it any more, the server closes it, or is gone as far as the kernel hears.
    async fn serve(&mut self, connection: &Connection, socket: &Socket) {
        let mut refusal = pin!(socket.refusal());
        let mut used_at = Instant::now();
        let mut orphaned = false;
        loop {
            let retired = self.open.shown.closing.load(Relaxed);
            let wake = if retired { Instant::now() + LOOK } else { used_at + self.timing.idle };
            tokio::select! {
                request = self.incoming.recv(), if !orphaned => match request {
                    Some(request) => {
                        used_at = Instant::now();
                        self.pulse.asked(used_at.into_std());
                        if used_at >= self.retire_at {
                            self.open.shown.closing.store(true, Relaxed);
                        }
                        tokio::spawn(self.exchange(connection).run(request));
                    }
                    // The pool is gone: those who still wait get their answers, nobody else comes.
                    None => {
                        orphaned = true;
                        self.open.shown.closing.store(true, Relaxed);
                    }
                },
                _ = connection.closed() => return,
                _ = &mut refusal => return,
                () = sleep_until(wake) => {
                    if self.open.shown.is_settled() {
                        return;
                    }
                    used_at = Instant::now();
                }
            }
        }
    }
}

impl Target {
    async fn dial(&self, timing: &Timing) -> Result<(Connection, Arc<Socket>), FailureClass> {
        let settings = self.secure.settings().map_err(|why| self.secure.refuse(&self.address, why))?;
        let settings = QuicClientConfig::try_from(settings).map_err(|error| self.secure.refuse(&self.address, error.to_string()))?;
        let mut config = ClientConfig::new(Arc::new(settings));
        config.transport_config(Arc::new(transport(timing)));
        let failed = |error| FailureClass::of_io(&error, true);
        let socket = Socket::connect(self.address).map_err(failed)?;
        let runtime = Arc::new(TokioRuntime);
        let endpoint = Endpoint::new_with_abstract_socket(EndpointConfig::default(), None, socket.clone(), runtime).map_err(failed)?;
        let name = self.name.as_server_name();
        let connecting = endpoint.connect_with(config, self.address, &name.to_str()).map_err(|_| FailureClass::NoRoute)?;
        let connected = tokio::select! {
            connected = timeout(timing.dial, connecting) => connected.map_err(|_| FailureClass::DialTimeout)?,
            class = socket.refusal() => return Err(class),
        };
        let connection = connected.map_err(|error| self.explain(&error))?;
        self.secure.accept();
        Ok((connection, socket))
    }

    fn explain(&self, error: &ConnectionError) -> FailureClass {
        match error {
            ConnectionError::TransportError(ours) if CRYPTO_ERRORS.contains(&ours.code.into()) => {
                self.secure.refuse(&self.address, ours.reason.clone())
            }
            ConnectionError::ConnectionClosed(theirs) if CRYPTO_ERRORS.contains(&theirs.error_code.into()) => {
                self.secure.refuse(&self.address, theirs.to_string())
            }
            ConnectionError::VersionMismatch => self.secure.refuse(&self.address, "it speaks another version of QUIC".to_owned()),
            ConnectionError::TimedOut => FailureClass::DialTimeout,
            ConnectionError::CidsExhausted => FailureClass::Overload,
            _ => FailureClass::Reset,
        }
    }
}

/// One question on one stream.
struct Exchange {
    connection: Connection,
    timing: Arc<Timing>,
    pulse: Arc<Pulse>,
    metrics: Arc<Metrics>,
}

impl Exchange {
    async fn run(self, request: Request) {
        let Request { key, opt, silence, expires, mut reply, slot } = request;
        let message = encode_upstream_query(&key, ID, opt);
        let outcome = tokio::select! {
            message = self.ask(&message) => message.and_then(|message| self.read(&message, &key)),
            lost = self.unheard(silence.unwrap_or(self.timing.vanished)) => Err(lost),
            () = sleep_until(expires) => Err(Lost::Failed(FailureClass::QueryTimeout)),
            () = reply.closed() => return,
        };
        drop(slot);
        answer(reply, outcome);
    }

    async fn ask(&self, message: &[u8]) -> Result<Vec<u8>, Lost> {
        let (mut sender, receiver) = self.connection.open_bi().await.map_err(|error| lost(&error))?;
        let mut receiver = Receiver(Some(receiver));
        let length = u16::try_from(message.len()).expect("a query has at most 384 octets");
        sender.write_all(&[&length.to_be_bytes(), message].concat()).await.map_err(|error| match error {
            WriteError::ConnectionLost(error) => lost(&error),
            _ => Lost::Reset,
        })?;
        // RFC 9250 §4.2: FIN says that there will be no other query on this stream. It fails only where the server has stopped it.
        drop(sender.finish());
        receiver.message().await
    }

    fn read(&self, message: &[u8], key: &Key) -> Result<Answer, Lost> {
        let outcome = Answer::from_upstream(message, ID, key);
        self.pulse.heard();
        if let Err(error @ (AnswerError::Malformed | AnswerError::Mismatch)) = &outcome {
            if *error == AnswerError::Mismatch {
                self.metrics.mismatched();
            }
            // RFC 9250 §4.3.3: who sends another id or another question is not to be talked to any longer.
            self.connection.close(PROTOCOL_ERROR, b"");
        }
        outcome.map_err(Lost::from)
    }

    /// Ends when nothing at all was heard of the server for `silence` after the question, or for [`Timing::vanished`] later on: unlike a slow
    /// answer, acknowledgements of questions and of keepalives are due at once.
    async fn unheard(&self, silence: Duration) -> Lost {
        let mut patience = silence;
        loop {
            let before = self.connection.stats().udp_rx.datagrams;
            sleep(patience).await;
            // Where this process was held up itself, what has come meanwhile is still to be read.
            sleep(TO_READ).await;
            if self.connection.stats().udp_rx.datagrams == before && self.connection.close_reason().is_none() {
                self.connection.close(NO_ERROR, b"");
                return Lost::Silent { head: false };
            }
            patience = self.timing.vanished;
        }
    }
}

/// A stream's other half; dropped before the answer is whole, it tells the server not to go on.
struct Receiver(Option<RecvStream>);

impl Receiver {
    async fn message(&mut self) -> Result<Vec<u8>, Lost> {
        let Some(stream) = &mut self.0 else { return Err(Lost::Closed) };
        let mut length = [0; 2];
        read(stream, &mut length, Lost::Reset).await?;
        let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
        read(stream, &mut message, Lost::Failed(FailureClass::ClosedMidAnswer)).await?;
        // FIN has come with the answer: taken in, it needs no reply.
        drop(stream.read(&mut [0]).now_or_never());
        self.0 = None;
        Ok(message)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if let Some(stream) = &mut self.0 {
            // Fails only where the stream is over already.
            drop(stream.stop(REQUEST_CANCELLED));
        }
    }
}

/// `early`: what it means that the stream ends before.
async fn read(stream: &mut RecvStream, octets: &mut [u8], early: Lost) -> Result<(), Lost> {
    stream.read_exact(octets).await.map_err(|error| match error {
        ReadExactError::ReadError(ReadError::ConnectionLost(error)) => lost(&error),
        ReadExactError::FinishedEarly(_) | ReadExactError::ReadError(_) => early,
    })
}

/// What the end of a connection means for a question on it.
fn lost(error: &ConnectionError) -> Lost {
    match error {
        ConnectionError::Reset => Lost::Reset,
        // The server forgot the connection, or is gone.
        ConnectionError::TimedOut => Lost::Failed(FailureClass::QueryTimeout),
        _ => Lost::Closed,
    }
}

fn transport(timing: &Timing) -> TransportConfig {
    let mut transport = TransportConfig::default();
    // We close first.
    let idle = IdleTimeout::try_from(timing.idle * 2).unwrap_or_else(|_| VarInt::MAX.into());
    transport
        .max_idle_timeout(Some(idle))
        // Like TCP's: a peer that is gone is found while a slow answer is awaited; an idle connection lives for seconds only.
        .keep_alive_interval(Some(timing.vanished * 2 / 3))
        .initial_rtt(FIRST_RTT)
        .receive_window(WINDOW.into())
        .max_concurrent_bidi_streams(NO_STREAMS)
        .max_concurrent_uni_streams(NO_STREAMS)
        .datagram_receive_buffer_size(None)
        // Queries fit into the least datagram; probing for more would cost more than it saves.
        .mtu_discovery_config(None);
    transport
}
