//! Replies to datagrams that had to wait. Those that are due in the same turn of the runtime leave in one system call: answers of one
//! upstream connection come together, and so do answers of several.

use std::future::poll_fn;
use std::net::UdpSocket;
use std::sync::Arc;
use std::task::Poll;

use parking_lot::Mutex;

use super::batch::Outbox;
use super::counters::Worker;
use super::udp::{BATCH, LONGEST_REPLY, ReplyTo};

/// One worker's.
pub(super) struct Late(Mutex<Queue>);

struct Queue {
    outbox: Outbox,
    /// From which all that is queued leaves; `None`: nothing is.
    socket: Option<Arc<UdpSocket>>,
}

impl Late {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Queue { outbox: Outbox::new(BATCH, LONGEST_REPLY), socket: None }))
    }

    /// Sends the reply, and with it those of all who call before the runtime has run what is ready now.
    pub(super) async fn send(&self, reply: &[u8], to: ReplyTo, counters: &Worker) {
        if self.0.lock().push(reply, to, counters) {
            next_turn().await;
            self.0.lock().flush(counters);
        }
    }
}

impl Queue {
    /// Whether it is the first, who sends for the others.
    fn push(&mut self, reply: &[u8], to: ReplyTo, counters: &Worker) -> bool {
        let ReplyTo { socket, peer, local } = to;
        if self.socket.as_ref().is_some_and(|other| !Arc::ptr_eq(other, &socket)) || self.outbox.buffer().is_none() {
            self.flush(counters);
        }
        let Some(room) = self.outbox.buffer().and_then(|room| room.get_mut(..reply.len())) else {
            counters.send_failures.add(1);
            return false;
        };
        room.copy_from_slice(reply);
        self.outbox.push(reply.len(), Some(peer), local);
        self.socket.replace(socket).is_none()
    }

    fn flush(&mut self, counters: &Worker) {
        let Some(socket) = self.socket.take() else { return };
        let (sent, failed) = self.outbox.send(&socket);
        counters.sent_udp.add(sent);
        counters.send_failures.add(failed);
    }
}

/// Lets all run that are ready, and asks the kernel for nothing meanwhile.
async fn next_turn() {
    let mut waited = false;
    poll_fn(|context| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
