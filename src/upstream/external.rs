//! Over what a TCP server is asked for external names: over UDP where they fail over TCP alone.
//!
//! A query over TCP makes CoreDNS ask its own upstream over TCP too, unless its `forward` block has `prefer_udp`. Where that one takes no TCP,
//! every external name fails although CoreDNS is well. Cluster names come from its memory and are asked over TCP all the same.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::dial::{Stream, Target};
use super::failure::Lost;
use super::group::Shared;
use super::{FailureClass, Server, Timing, udp};
use crate::wire::{Answer, FoldedName, Key, Rcode, SentOpt, encode_upstream_query};

/// External names that failed in a row before it is asked why: many of the world's fail by themselves.
const ENOUGH: u32 = 8;
/// Between two such questions.
const PAUSE: Duration = Duration::from_secs(60);
/// While UDP is in use, TCP is tried again after so long: somebody may have mended it.
const RETRY: Duration = Duration::from_secs(180);

/// The root's name servers, which every resolver knows.
const ROOT_SERVERS: Key = Key { name: FoldedName::ROOT, qtype: 2, qclass: 1, dnssec_ok: false, checking_disabled: false };

/// A group's choice, and what it rests on.
#[derive(Debug, Default)]
pub(super) struct External {
    over_udp: AtomicBool,
    course: Mutex<Course>,
}

/// When to ask again.
#[derive(Debug, Default)]
struct Course {
    /// External names that failed in a row.
    failures: u32,
    weighed_at: Option<Instant>,
}

/// What one transport brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// The server knows how the name stands.
    Answer,
    /// The server was reached and does not.
    Failure,
    /// The server was not reached.
    Nothing,
}

impl Course {
    /// An external name was answered, or failed. Whether it is time to ask over both transports.
    fn note(&mut self, failed: bool, over_udp: bool, now: Instant) -> bool {
        self.failures = if failed { self.failures.saturating_add(1) } else { 0 };
        let age = self.weighed_at.map(|at| now.saturating_duration_since(at));
        let due = match over_udp {
            true => age.is_none_or(|age| age >= RETRY),
            false => self.failures >= ENOUGH && age.is_none_or(|age| age >= PAUSE),
        };
        if due {
            self.weighed_at = Some(now);
        }
        due
    }
}

/// Whether UDP is the one to use; `None`: these do not tell.
fn judge(tcp: Told, udp: Told) -> Option<bool> {
    match (tcp, udp) {
        (Told::Answer, _) => Some(false),
        (Told::Failure, Told::Answer) => Some(true),
        _ => None,
    }
}

impl External {
    /// Whether external names go to TCP servers over UDP.
    pub(super) fn over_udp(&self) -> bool {
        self.over_udp.load(Relaxed)
    }

    /// An external name was answered, or failed for this reason. Whether it is time to [`External::weigh`].
    pub(super) fn note(&self, failure: Option<FailureClass>, now: Instant) -> bool {
        let failed = matches!(failure, Some(FailureClass::ServFail | FailureClass::QueryTimeout));
        self.course.lock().note(failed, self.over_udp(), now)
    }

    /// Asks the TCP servers among `servers` over both transports, the second where the first fails. Whether the choice changed.
    pub(super) async fn weigh(&self, servers: &[Server], shared: &Shared, now: Instant) -> bool {
        self.course.lock().weighed_at = Some(now);
        for server in servers {
            let Server::Tcp(address) = server else { continue };
            let tcp = over_tcp(*address, &shared.timing).await;
            let udp = if tcp == Told::Failure { over_udp(*address, shared).await } else { Told::Nothing };
            if let Some(choice) = judge(tcp, udp) {
                return self.over_udp.swap(choice, Relaxed) != choice;
            }
        }
        false
    }
}

/// Over a connection of its own, which no other question waits on.
async fn over_tcp(address: SocketAddr, timing: &Timing) -> Told {
    let Ok(Stream::Plain(mut stream)) = (Target { address, tls: None }).dial(timing).await else { return Told::Nothing };
    let id = rand::random();
    let query = encode_upstream_query(&ROOT_SERVERS, id, SentOpt::Absent);
    let exchange = async {
        stream.write_all(&[&(query.len() as u16).to_be_bytes(), query.as_slice()].concat()).await?;
        let mut message = vec![0; usize::from(stream.read_u16().await?)];
        stream.read_exact(&mut message).await.map(|_| message)
    };
    match timeout(timing.exchange, exchange).await {
        Ok(Ok(message)) => told(Answer::from_upstream(&message, id, &ROOT_SERVERS).map_err(Lost::from)),
        Ok(Err(_)) | Err(_) => Told::Failure,
    }
}

async fn over_udp(address: SocketAddr, shared: &Shared) -> Told {
    let until = tokio::time::Instant::now() + shared.timing.exchange;
    let counts = (&*shared.pulse, &*shared.metrics);
    told(udp::ask(address, &ROOT_SERVERS, SentOpt::Bare, until, &shared.timing, counts).await)
}

fn told(outcome: Result<Answer, Lost>) -> Told {
    match outcome {
        // Whoever wants the rest of a truncated answer comes again over TCP.
        Ok(_) | Err(Lost::Truncated) => Told::Answer,
        Err(Lost::Rcode(rcode)) if rcode != Rcode::SERV_FAIL => Told::Answer,
        Err(_) => Told::Failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::tests::{S, base};

    #[test]
    fn only_failures_in_a_row_raise_the_question_and_once_a_minute() {
        let (start, mut course) = (base(), Course::default());
        assert!((0..7).all(|_| !course.note(true, false, start)));
        assert!(!course.note(false, false, start), "one was answered");
        assert!((0..7).all(|_| !course.note(true, false, start)));
        assert!(course.note(true, false, start));
        assert!(!course.note(true, false, start + S(59)));
        assert!(course.note(true, false, start + S(60)));
    }

    #[test]
    fn while_udp_is_in_use_tcp_is_tried_every_three_minutes_if_anybody_asks() {
        let (start, mut course) = (base(), Course { weighed_at: Some(base()), failures: 0 });
        assert!(!course.note(false, true, start + S(100)));
        assert!(course.note(false, true, start + S(181)));
        assert!(!course.note(false, true, start + S(182)));
    }

    #[test]
    fn udp_is_used_only_where_it_brings_what_tcp_does_not() {
        assert_eq!(judge(Told::Answer, Told::Nothing), Some(false));
        assert_eq!(judge(Told::Failure, Told::Answer), Some(true));
        assert_eq!(judge(Told::Failure, Told::Failure), None, "a cluster without a way out");
        assert_eq!(judge(Told::Nothing, Told::Nothing), None, "an outage");
    }
}
