//! TLS for the connections of one group: settings that follow the file of authorities, sessions resumed, refusals told once.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::{CertificateError, ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::trust::{Trust, read_roots, verifier};
use super::{AuthName, FailureClass};

/// Servers whose sessions are remembered: as many as a group may have.
const SESSIONS: usize = 64;
/// Between two lines of the log about servers that are refused.
const QUIET: Duration = Duration::from_secs(30);

/// What the TLS connections of a group share.
pub(super) struct Secure {
    trust: Trust,
    /// RFC 7858 needs none; with it no server of another protocol can be taken for ours.
    alpn: &'static [u8],
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    settings: Option<Arc<ClientConfig>>,
    /// Of the file of authorities, when it was last looked into.
    seen: Option<Stamp>,
    /// Why the last handshake failed; `None`: it did not.
    refusal: Option<String>,
    told: Option<Instant>,
}

/// Tells one content of a file from another; a Secret's files are replaced, not written to.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    length: u64,
    modified: (i64, i64),
}

impl Secure {
    /// Reads nothing: the first connection does.
    pub(super) fn over_tcp(trust: Trust) -> Self {
        Self { trust, alpn: b"dot", state: Mutex::default() }
    }

    /// The same for QUIC, whose sessions are not to be resumed over TCP.
    pub(super) fn over_quic(trust: Trust) -> Self {
        Self { trust, alpn: b"doq", state: Mutex::default() }
    }

    /// Why the last handshake failed, for people; `None`: it did not.
    pub(super) fn refusal(&self) -> Option<String> {
        self.state.lock().refusal.clone()
    }

    /// One handshake; `stream` is connected.
    pub(super) async fn shake_hands(
        &self,
        stream: TcpStream,
        name: &AuthName,
        patience: Duration,
    ) -> Result<TlsStream<TcpStream>, FailureClass> {
        let server = stream.peer_addr().map_err(|error| FailureClass::of_io(&error, true))?;
        let settings = self.settings().map_err(|why| self.refuse(&server, why))?;
        let handshake = TlsConnector::from(settings).connect(name.as_server_name(), stream);
        match tokio::time::timeout(patience, handshake).await {
            Ok(Ok(stream)) => {
                self.accept();
                Ok(stream)
            }
            Ok(Err(error)) => match FailureClass::of_io(&error, true) {
                FailureClass::Tls => Err(self.refuse(&server, explain(&error))),
                class => Err(class),
            },
            Err(_) => Err(self.refuse(&server, format!("connected, but no TLS handshake within {patience:?}; is it a TLS server?"))),
        }
    }

    /// A handshake succeeded.
    pub(super) fn accept(&self) {
        self.state.lock().refusal = None;
    }

    /// A handshake with `server` failed: says so, not too often.
    pub(super) fn refuse(&self, server: &dyn std::fmt::Display, why: String) -> FailureClass {
        let mut state = self.state.lock();
        if state.may_tell(Instant::now()) {
            tracing::warn!(%server, kind = FailureClass::Tls.label(), "no TLS session with an upstream: {why}");
        }
        state.refusal = Some(why);
        FailureClass::Tls
    }

    /// What is in force now. The file of authorities is looked at for each connection; a bad one leaves the last good one in force.
    pub(super) fn settings(&self) -> Result<Arc<ClientConfig>, String> {
        let mut state = self.state.lock();
        let seen = self.trust.ca_file.as_deref().map(stamp).transpose();
        if let (Ok(seen), Some(settings)) = (&seen, &state.settings)
            && *seen == state.seen
        {
            return Ok(settings.clone());
        }
        let made = seen.and_then(|seen| {
            state.seen = seen;
            settings(&self.trust, self.alpn, self.trust.ca_file.as_deref().map(read_roots).transpose()?)
        });
        match (made, &state.settings) {
            (Ok(made), before) => {
                if let (Some(file), Some(_)) = (&self.trust.ca_file, before) {
                    tracing::info!(file = %file.display(), "authorities for upstreams read again");
                }
                let made = Arc::new(made);
                state.settings = Some(made.clone());
                Ok(made)
            }
            (Err(why), Some(before)) => {
                let before = before.clone();
                if state.may_tell(Instant::now()) {
                    tracing::warn!("the authorities of before stay in force: {why}");
                }
                Ok(before)
            }
            (Err(why), None) => {
                state.seen = None;
                Err(why)
            }
        }
    }
}

impl State {
    fn may_tell(&mut self, now: Instant) -> bool {
        let may = self.told.is_none_or(|told| now.saturating_duration_since(told) >= QUIET);
        if may {
            self.told = Some(now);
        }
        may
    }
}

fn stamp(path: &Path) -> Result<Stamp, String> {
    let metadata = std::fs::metadata(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    Ok(Stamp { inode: metadata.ino(), length: metadata.len(), modified: (metadata.mtime(), metadata.mtime_nsec()) })
}

fn settings(trust: &Trust, alpn: &[u8], roots: Option<RootCertStore>) -> Result<ClientConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let verifier = verifier(trust, roots, &provider)?;
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
    let mut settings = builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    settings.alpn_protocols = vec![alpn.to_vec()];
    settings.resumption = Resumption::in_memory_sessions(SESSIONS);
    Ok(settings)
}

/// The library's words, but where they are about our own checks.
fn explain(error: &io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(CertificateError::Other(ours))) => ours.to_string(),
        Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
            "its certificate is from no authority that is trusted here".to_owned()
        }
        Some(error) => error.to_string(),
        None if error.kind() == io::ErrorKind::UnexpectedEof => "it closed the connection during the handshake".to_owned(),
        None => error.to_string(),
    }
}
