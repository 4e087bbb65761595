//! What a server over TLS or QUIC shows.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// With the chain and the key of these PEM files, for clients that speak the protocol `alpn`, or do not say what they speak.
///
/// # Errors
/// A file cannot be read, or the key is not the certificate's.
pub(crate) fn server_config(certificate: &Path, key: &Path, alpn: &[u8]) -> Result<ServerConfig, Box<dyn Error>> {
    let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<Vec<_>, _>>()?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = builder.with_no_client_auth().with_single_cert(chain, PrivateKeyDer::from_pem_file(key)?)?;
    config.alpn_protocols = vec![alpn.to_vec()];
    Ok(config)
}
