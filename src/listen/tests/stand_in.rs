use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::listen::{Client, Respond, Transport, Verdict};

/// Octets of the reply to `large`.
pub(super) const LARGE: usize = 60_000;

/// What stands in a refusal's fourth octet (RFC 1035 §4.1.1).
pub(super) const REFUSED: u8 = 5;

/// Does what the query says after its header: `hit`, `large`, `worker` (a hit that tells the worker's number), `later` (waits for the
/// test's leave), `large later`, `renew` (a hit, and `later`), `silence`, `panic`, `panic later`, `hang` (as long as the test holds the lock).
#[derive(Clone)]
pub(super) struct StandIn {
    pub(super) leave: Arc<Semaphore>,
    pub(super) lock: Arc<Mutex<()>>,
    /// Queries that began to wait, in that order.
    pub(super) begun: Arc<Mutex<Vec<u16>>>,
    /// Queries that waited, in the order in which they ended.
    pub(super) done: Arc<Mutex<Vec<u16>>>,
}

impl Default for StandIn {
    fn default() -> Self {
        Self { leave: Arc::new(Semaphore::new(0)), lock: Arc::default(), begun: Arc::default(), done: Arc::default() }
    }
}

pub(super) struct Pending {
    message: Vec<u8>,
}

impl Respond for StandIn {
    type Pending = Pending;

    fn answer_now(&self, worker: usize, message: &[u8], client: Client, _now: Instant, out: &mut [u8]) -> Verdict<Pending> {
        assert_ne!(client.address.port(), 0);
        assert!(out.len() >= if client.transport == Transport::Tcp { 65_535 } else { 1_232 });
        let pending = || Pending { message: message.to_vec() };
        out[..message.len()].copy_from_slice(message);
        match message.get(12..).unwrap_or_default() {
            b"large" => Verdict::Reply(LARGE),
            b"worker" => {
                out[2] = u8::try_from(worker).unwrap();
                Verdict::Reply(message.len())
            }
            b"renew" => Verdict::ReplyThenLater(message.len(), pending()),
            b"later" | b"large later" | b"panic later" => Verdict::Later(pending()),
            b"panic" => panic!("as the test wished"),
            b"hang" => {
                drop(self.lock.lock());
                Verdict::Silence
            }
            b"hit" => Verdict::Reply(message.len()),
            _ => Verdict::Silence,
        }
    }

    fn refuse(&self, message: &[u8], _client: Client, out: &mut [u8]) -> Option<usize> {
        out[..12].copy_from_slice(&message[..12]);
        out[3] = REFUSED;
        Some(12)
    }

    async fn answer_later(&self, _worker: usize, pending: Pending) -> Option<Vec<u8>> {
        assert_ne!(&pending.message[12..], b"panic later", "as the test wished");
        let id = u16::from_be_bytes([pending.message[0], pending.message[1]]);
        self.begun.lock().push(id);
        self.leave.acquire().await.unwrap().forget();
        self.done.lock().push(id);
        let mut reply = pending.message;
        if reply.ends_with(b"large later") {
            reply.resize(LARGE, 0);
        }
        Some(reply)
    }
}
