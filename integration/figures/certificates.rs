//! The certificate that the upstream shows, of an authority made for one run.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

/// The name in it.
pub(crate) const NAME: &str = "dns.example";

/// PEM files.
pub(crate) struct Certificates {
    /// The authority, which the forwarders trust.
    pub(crate) authority: PathBuf,
    /// What the upstream shows.
    pub(crate) certificate: PathBuf,
    /// Its key.
    pub(crate) key: PathBuf,
}

/// Makes them below `state`.
///
/// # Errors
/// A file cannot be written.
pub(crate) fn issue(state: &Path) -> Result<Certificates, Box<dyn Error>> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "figures");
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(vec![NAME.to_owned()])?.signed_by(&key, &issuer)?;
    let file = |name: &str, pem: String| {
        let path = state.join(name);
        fs::write(&path, pem).map(|()| path)
    };
    Ok(Certificates {
        authority: file("ca.crt", issuer.pem())?,
        certificate: file("tls.crt", certificate.pem())?,
        key: file("tls.key", key.serialize_pem())?,
    })
}
