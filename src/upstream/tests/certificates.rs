//! Authorities and servers' certificates made on the spot.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::upstream::Pin;

/// The name that the tests' servers go by.
pub(super) const NAME: &str = "dns.example";

pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// What a server shows.
pub(super) struct Shown {
    chain: Vec<CertificateDer<'static>>,
    key: KeyPair,
}

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, format!("authority {:08x}", rand::random::<u32>()));
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(super) fn pem(&self) -> String {
        self.0.pem()
    }

    pub(super) fn certify(&self, name: &str) -> Shown {
        self.certify_until(name, 4_000)
    }

    /// Until the first day of that year.
    pub(super) fn certify_until(&self, name: &str, year: i32) -> Shown {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "server");
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let chain = vec![params.signed_by(&key, &self.0).unwrap().der().clone()];
        Shown { chain, key }
    }
}

impl Shown {
    pub(super) fn pin(&self) -> Pin {
        Pin::of(&self.chain[0]).unwrap()
    }

    pub(super) fn settings(&self, alpn: &[u8]) -> ServerConfig {
        let key = PrivateKeyDer::try_from(self.key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut settings = builder.with_no_client_auth().with_single_cert(self.chain.clone(), key).unwrap();
        settings.alpn_protocols = vec![alpn.to_vec()];
        settings
    }
}

/// A file that goes when the test does.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn with(text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("doorstep-{}-{:016x}.pem", std::process::id(), rand::random::<u64>()));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// As a Secret's files are: another file in its place.
    pub(super) fn replace(&self, text: &str) {
        let next = self.0.with_extension("next");
        std::fs::write(&next, text).unwrap();
        std::fs::rename(next, &self.0).unwrap();
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}
