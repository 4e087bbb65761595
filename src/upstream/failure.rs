//! Why an exchange failed, named once, where it happened.

use std::io;

use crate::wire::{AnswerError, Ede, Rcode};

/// The class of a failure: metric label, log field, EDE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureClass {
    /// No connection within the dial timeout: over TCP no SYN-ACK; over QUIC no handshake.
    DialTimeout,
    /// ECONNREFUSED: nothing listens there.
    DialRefused,
    /// EHOSTUNREACH, ENETUNREACH: no backend, no route.
    NoRoute,
    /// EPERM, EACCES: a policy on this node.
    Denied,
    /// The TLS handshake failed, or a certificate is not accepted.
    Tls,
    /// Asked, and not answered in time.
    QueryTimeout,
    /// ECONNRESET and the like while a query waited, twice.
    Reset,
    /// The server closed while a query waited, twice, or in the middle of an answer.
    ClosedMidAnswer,
    /// The answer does not parse.
    Malformed,
    /// The answer's question is not the one asked (RFC 5452 §9.1).
    Mismatch,
    /// SERVFAIL.
    ServFail,
    /// REFUSED.
    Refused,
    /// Any other rcode but NOERROR and NXDOMAIN.
    OtherRcode,
    /// Our own bounds are reached.
    Overload,
    /// The task that asked died.
    Abandoned,
    /// The query came back to us.
    Loop,
}

impl FailureClass {
    /// All classes, in the order of their discriminants.
    pub const ALL: [FailureClass; 16] = [
        Self::DialTimeout,
        Self::DialRefused,
        Self::NoRoute,
        Self::Denied,
        Self::Tls,
        Self::QueryTimeout,
        Self::Reset,
        Self::ClosedMidAnswer,
        Self::Malformed,
        Self::Mismatch,
        Self::ServFail,
        Self::Refused,
        Self::OtherRcode,
        Self::Overload,
        Self::Abandoned,
        Self::Loop,
    ];

    /// The metric label.
    pub fn label(self) -> &'static str {
        match self {
            Self::DialTimeout => "dial_timeout",
            Self::DialRefused => "dial_refused",
            Self::NoRoute => "no_route",
            Self::Denied => "denied",
            Self::Tls => "tls",
            Self::QueryTimeout => "query_timeout",
            Self::Reset => "reset",
            Self::ClosedMidAnswer => "closed_mid_answer",
            Self::Malformed => "malformed",
            Self::Mismatch => "mismatch",
            Self::ServFail => "servfail",
            Self::Refused => "refused",
            Self::OtherRcode => "other_rcode",
            Self::Overload => "overload",
            Self::Abandoned => "abandoned",
            Self::Loop => "loop",
        }
    }

    /// What it means, for people: whoever reads `dial_timeout` must not look for a slow server.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::DialTimeout => "no connection in time: nobody has that address, or packets are dropped on the way",
            Self::DialRefused => "nothing listens there, or the Service has no backend",
            Self::NoRoute => "no route to it, or the Service has no backend",
            Self::Denied => "a policy on this node denies it",
            Self::Tls => "no TLS session: its certificate is not accepted, or the handshake failed",
            Self::QueryTimeout => "it was asked and did not answer in time",
            Self::Reset => "it reset the connection while a query waited",
            Self::ClosedMidAnswer => "it closed the connection while a query waited",
            Self::Malformed => "its answer does not parse",
            Self::Mismatch => "its answer is to another question",
            Self::ServFail => "it answered SERVFAIL",
            Self::Refused => "it answered REFUSED",
            Self::OtherRcode => "it answered with an error",
            Self::Overload => "too much is in flight already",
            Self::Abandoned => "the task that asked died",
            Self::Loop => "the query came back to us",
        }
    }

    /// The extended error a client sees (RFC 8914 §4).
    pub fn ede(self) -> Ede {
        match self {
            Self::DialTimeout | Self::QueryTimeout => Ede::NoReachableAuthority,
            Self::DialRefused | Self::NoRoute | Self::Denied | Self::Tls | Self::Reset | Self::ClosedMidAnswer => Ede::NetworkError,
            Self::Malformed | Self::Mismatch => Ede::InvalidData,
            Self::ServFail | Self::Refused | Self::OtherRcode | Self::Overload | Self::Abandoned | Self::Loop => Ede::Other,
        }
    }

    /// A verdict of this node's own network: no route, refused, denied.
    pub fn is_local(self) -> bool {
        matches!(self, Self::NoRoute | Self::DialRefused | Self::Denied)
    }

    /// The server was not reached or did not answer: what makes an outage. An rcode or a garbled answer shows that it lives.
    pub fn is_connectivity(self) -> bool {
        matches!(
            self,
            Self::DialTimeout
                | Self::DialRefused
                | Self::NoRoute
                | Self::Denied
                | Self::Tls
                | Self::QueryTimeout
                | Self::Reset
                | Self::ClosedMidAnswer
        )
    }

    /// What an I/O error means. `dialling`: before the connection stood.
    pub(super) fn of_io(error: &io::Error, dialling: bool) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::DialRefused,
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable | io::ErrorKind::AddrNotAvailable => Self::NoRoute,
            io::ErrorKind::PermissionDenied => Self::Denied,
            io::ErrorKind::TimedOut if dialling => Self::DialTimeout,
            io::ErrorKind::TimedOut => Self::QueryTimeout,
            // Only TLS says so of its peer: what it sent is no TLS, or an alert.
            io::ErrorKind::InvalidData => Self::Tls,
            io::ErrorKind::UnexpectedEof if dialling => Self::Tls,
            _ => match error.raw_os_error() {
                // Descriptors, ports or buffers of this process or node ran out.
                Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) => Self::Overload,
                _ => Self::Reset,
            },
        }
    }
}

impl std::fmt::Display for FailureClass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.label())
    }
}

/// A failed exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{class}")]
pub struct Failure {
    /// Why.
    pub class: FailureClass,
    /// What the client gets: SERVFAIL, or the upstream's own REFUSED.
    pub rcode: Rcode,
}

impl From<FailureClass> for Failure {
    fn from(class: FailureClass) -> Self {
        Failure { class, rcode: Rcode::SERV_FAIL }
    }
}

impl From<Rcode> for Failure {
    fn from(rcode: Rcode) -> Self {
        match rcode {
            Rcode::REFUSED => Failure { class: FailureClass::Refused, rcode },
            Rcode::SERV_FAIL => FailureClass::ServFail.into(),
            // FORMERR and NOTIMP are about a query of ours: the client's own was well, or it would not have been asked.
            _ => FailureClass::OtherRcode.into(),
        }
    }
}

/// Why one attempt brought no answer: what `attempt` decides on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// The connection closed, or was never written to, before an answer octet came: send again (RFC 7766 §6.2.2).
    Closed,
    /// The same by RST.
    Reset,
    /// The connection was set aside by the silence rule. `head`: this query was its oldest.
    Silent {
        /// The oldest query is the likely culprit on a serial server.
        head: bool,
    },
    /// TC=1: ask over TCP.
    Truncated,
    /// The server's verdict.
    Rcode(Rcode),
    /// Everything else.
    Failed(FailureClass),
}

impl From<AnswerError> for Lost {
    fn from(error: AnswerError) -> Self {
        match error {
            AnswerError::Malformed => Lost::Failed(FailureClass::Malformed),
            AnswerError::Mismatch => Lost::Failed(FailureClass::Mismatch),
            AnswerError::Truncated => Lost::Truncated,
            AnswerError::Rcode(rcode) => Lost::Rcode(rcode),
        }
    }
}
