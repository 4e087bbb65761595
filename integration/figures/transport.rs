//! By what a forwarder asks its upstream.

/// Transport of the misses.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    /// Plain TCP.
    Tcp,
    /// Plain UDP.
    Udp,
    /// DNS over TLS.
    Tls,
    /// DNS over QUIC.
    Quic,
}

impl Transport {
    /// As URLs and tables call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Tls => "tls",
            Self::Quic => "quic",
        }
    }

    /// Whether it takes a certificate.
    pub(crate) fn is_encrypted(self) -> bool {
        matches!(self, Self::Tls | Self::Quic)
    }

    /// Whether it is made of TCP segments.
    pub(crate) fn is_stream(self) -> bool {
        matches!(self, Self::Tcp | Self::Tls)
    }
}
