//! Whose certificates are accepted.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme};

/// A bundle of every public authority is a quarter of that.
const MOST_OCTETS: u64 = 1 << 20;

/// By what the servers of a group are known. By nothing: by the public authorities that this release carries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// Authorities in PEM, in the place of the public ones; read again when it changes.
    pub ca_file: Option<PathBuf>,
    /// Keys, one of which the server must have. Without a `ca_file` they are all that is checked: neither name nor dates are
    /// (RFC 7858 §4.2).
    pub pins: Vec<Pin>,
}

/// SHA-256 of a server's SubjectPublicKeyInfo (RFC 7858 §4.2, RFC 7469 §2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pin([u8; 32]);

impl Pin {
    /// From base64; `None`: not the 32 octets of a SHA-256.
    pub fn parse(text: &str) -> Option<Self> {
        STANDARD.decode(text).ok()?.try_into().ok().map(Self)
    }

    /// Of the key that a certificate is for.
    pub(super) fn of(certificate: &CertificateDer<'_>) -> Result<Self, Error> {
        let key = ParsedCertificate::try_from(certificate)?.subject_public_key_info();
        let hash = digest(&SHA256, &key).as_ref().try_into().expect("SHA-256 has 32 octets");
        Ok(Self(hash))
    }
}

impl std::fmt::Display for Pin {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&STANDARD.encode(self.0))
    }
}

/// The key that was shown, for whoever wants to pin it.
#[derive(Debug, thiserror::Error)]
#[error("its key is {0}, which is not pinned")]
struct NotPinned(Pin);

/// What the file of authorities holds.
pub(super) fn read_roots(path: &Path) -> Result<RootCertStore, String> {
    let unreadable = |error: io::Error| format!("{} cannot be read: {error}", path.display());
    let mut pem = Vec::new();
    std::fs::File::open(path).and_then(|file| file.take(MOST_OCTETS).read_to_end(&mut pem)).map_err(unreadable)?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let added = certificate.map_err(|error| error.to_string()).and_then(|der| roots.add(der).map_err(|error| error.to_string()));
        added.map_err(|error| format!("{} holds what is no certificate: {error}", path.display()))?;
    }
    if roots.is_empty() {
        return Err(format!("{} holds no certificate", path.display()));
    }
    Ok(roots)
}

/// An empty image has no authorities of its own, and every node must come to the same verdict: the public ones are compiled in.
fn public_roots() -> RootCertStore {
    RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }
}

/// What checks certificates as `trust` says, with the authorities of its file, if there is one.
pub(super) fn verifier(
    trust: &Trust,
    roots: Option<RootCertStore>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, String> {
    let pinned_alone = roots.is_none() && !trust.pins.is_empty();
    let chain = if pinned_alone {
        None
    } else {
        let roots = Arc::new(roots.unwrap_or_else(public_roots));
        Some(WebPkiServerVerifier::builder_with_provider(roots, provider.clone()).build().map_err(|error| error.to_string())?)
    };
    Ok(Arc::new(Verifier { chain, pins: trust.pins.clone(), algorithms: provider.signature_verification_algorithms }))
}

#[derive(Debug)]
struct Verifier {
    /// `None`: the pins say it all.
    chain: Option<Arc<WebPkiServerVerifier>>,
    pins: Vec<Pin>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let key = Pin::of(end_entity)?;
        if !self.pins.is_empty() && !self.pins.contains(&key) {
            return Err(CertificateError::Other(OtherError(Arc::new(NotPinned(key)))).into());
        }
        match &self.chain {
            Some(chain) => chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now),
            None => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
