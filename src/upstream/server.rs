//! Where a server is, how it is asked, and by what it is known.

use std::fmt::{self, Display, Formatter};
use std::net::{IpAddr, SocketAddr};

use rustls::pki_types::ServerName;

/// Where and how a server is asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Server {
    /// `udp://ip:port`; TCP where an answer is truncated.
    Udp(SocketAddr),
    /// `tcp://ip:port`; UDP where the connections are used up.
    Tcp(SocketAddr),
    /// `tls://ip:port#name` (RFC 7858); never anything unencrypted.
    Tls(SocketAddr, AuthName),
    /// `quic://ip:port#name` (RFC 9250); never anything unencrypted.
    Quic(SocketAddr, AuthName),
}

impl Server {
    /// Whether it shows a certificate.
    pub fn is_encrypted(&self) -> bool {
        matches!(self, Self::Tls(..) | Self::Quic(..))
    }

    /// Another one that is asked the same way and shows the same certificate.
    pub(super) fn moved_to(&self, address: SocketAddr) -> Self {
        match self {
            Self::Udp(_) => Self::Udp(address),
            Self::Tcp(_) => Self::Tcp(address),
            Self::Tls(_, name) => Self::Tls(address, name.clone()),
            Self::Quic(_, name) => Self::Quic(address, name.clone()),
        }
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        match self {
            Self::Udp(address) | Self::Tcp(address) | Self::Tls(address, _) | Self::Quic(address, _) => *address,
        }
    }
}

impl Display for Server {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Udp(address) => write!(formatter, "udp://{address}"),
            Self::Tcp(address) => write!(formatter, "tcp://{address}"),
            Self::Quic(address, name) => write!(formatter, "quic://{address}{}", name.suffix(*address)),
            Self::Tls(address, name) => write!(formatter, "tls://{address}{}", name.suffix(*address)),
        }
    }
}

/// What a server's certificate must be for: the authentication domain name of RFC 8310 §3, or an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AuthName(ServerName<'static>);

impl AuthName {
    /// A host name or an address as text; `None`: it is neither.
    pub fn parse(text: &str) -> Option<Self> {
        // Of one dot at the end `ServerName` would take away another.
        let name = text.strip_suffix('.').unwrap_or(text);
        if name.ends_with('.') {
            return None;
        }
        ServerName::try_from(name.to_owned()).ok().map(Self)
    }

    pub(super) fn as_server_name(&self) -> ServerName<'static> {
        self.0.clone()
    }

    /// As in a URL: nothing where it is the server's address.
    fn suffix(&self, address: SocketAddr) -> String {
        if self.0 == ServerName::IpAddress(address.ip().into()) { String::new() } else { format!("#{}", self.0.to_str()) }
    }
}

impl From<IpAddr> for AuthName {
    /// A certificate for an address: what a server without a name must have.
    fn from(address: IpAddr) -> Self {
        Self(ServerName::IpAddress(address.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_shown_as_it_is_configured() {
        let address: SocketAddr = "192.0.2.1:853".parse().unwrap();
        let named = Server::Tls(address, AuthName::parse("dns.example.").unwrap());
        assert_eq!(named.to_string(), "tls://192.0.2.1:853#dns.example");
        assert_eq!(Server::Tls(address, address.ip().into()).to_string(), "tls://192.0.2.1:853");
        let other = AuthName::parse("192.0.2.2").unwrap();
        assert_eq!(Server::Tls(address, other).to_string(), "tls://192.0.2.1:853#192.0.2.2");
    }

    #[test]
    fn what_no_certificate_can_be_for_is_no_name() {
        for bad in ["", "a b", "-a.example", "a..b", "a.example..", "..", "über.example"] {
            assert_eq!(AuthName::parse(bad), None, "{bad:?}");
        }
    }
}
