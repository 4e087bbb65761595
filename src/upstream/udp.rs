//! One question over UDP: a connected socket of its own, with a port the kernel drew and an id of ours (RFC 5452 §9.2).

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep_until};

use super::failure::Lost;
use super::metrics::Metrics;
use super::pulse::Pulse;
use super::{FailureClass, Timing};
use crate::wire::{Answer, AnswerError, Key, SentOpt, encode_upstream_query};

/// No datagram that answers us is larger: we announce 1,232.
const LARGEST: usize = 4_096;

/// Times one question is sent to one server (RFC 9520 §3.1).
const MOST_SENT: u32 = 3;

/// Asks, asks up to twice more on the same socket, and waits until `until`. What does not match is ignored, and the wait goes on.
pub(super) async fn ask(
    address: SocketAddr,
    key: &Key,
    opt: SentOpt,
    until: Instant,
    timing: &Timing,
    (pulse, metrics): (&Pulse, &Metrics),
) -> Result<Answer, Lost> {
    let socket = connect(address).await.map_err(|error| Lost::Failed(FailureClass::of_io(&error, true)))?;
    let id = rand::random::<u16>();
    let message = encode_upstream_query(key, id, opt);
    let asked = Instant::now();
    pulse.asked(asked.into_std());
    let failed = |error| Lost::Failed(FailureClass::of_io(&error, false));
    socket.send(&message).await.map_err(failed)?;
    let (mut sent, mut resend_after) = (1, timing.udp_resend);
    // On the heap: one lives in every exchange's future otherwise.
    let mut datagram = vec![0; LARGEST];
    loop {
        let resend_at = asked + resend_after;
        let resends = sent < MOST_SENT && resend_at < until;
        tokio::select! {
            // What has come is read before any timer is heeded.
            biased;
            received = socket.recv(&mut datagram) => {
                let length = received.map_err(failed)?;
                match Answer::from_upstream(&datagram[..length], id, key) {
                    Err(AnswerError::Mismatch) => metrics.mismatched(),
                    // Garbage with the wrong id is no answer of ours either.
                    Err(AnswerError::Malformed) if datagram[..length].first_chunk() != Some(&id.to_be_bytes()) => metrics.mismatched(),
                    outcome => {
                        pulse.heard();
                        return outcome.map_err(Lost::from);
                    }
                }
            }
            () = sleep_until(if resends { resend_at } else { until }) => {
                if !resends {
                    return Err(Lost::Failed(FailureClass::QueryTimeout));
                }
                sent += 1;
                resend_after *= 3;
                socket.send(&message).await.map_err(failed)?;
            }
        }
    }
}

/// A connected socket hears only its peer, and sees ECONNREFUSED at once.
async fn connect(address: SocketAddr) -> std::io::Result<UdpSocket> {
    let any: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(address).await?;
    Ok(socket)
}
