//! What a server over TLS shows, and by what it is known.

use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use super::Stage;

/// The name in every certificate.
pub(crate) const NAME: &str = "dns.example";

/// An authority of the scenario's own.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// Files of a certificate and its key.
pub(crate) struct Certificate {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Authority {
    /// `name` tells it from others.
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// In PEM.
    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A new key and a certificate for [`NAME`], in the place of those of before.
    pub(crate) fn certify(&self, stage: &Stage) -> Certificate {
        let mut params = CertificateParams::new(vec![NAME.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "server");
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Certificate { certificate: stage.file("tls.crt", &certificate.pem()), key: stage.file("tls.key", &key.serialize_pem()) }
    }
}
