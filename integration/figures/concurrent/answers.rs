//! What is answered, and when.
//!
//! Every fourth answer overtakes others, so that a forwarder can see that a connection is not serial.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::load::read_clock;

/// From query to answer.
const DELAY: Duration = Duration::from_millis(1);
/// What every fourth answer is early by.
const EARLY: Duration = Duration::from_micros(100);
/// Octets of a DNS header.
const HEADER: usize = 12;
/// Octets of the largest query.
pub(super) const QUERY: usize = 4_096;
/// A name that points at the question, A, IN, 3,600 s, 192.0.2.1.
const RECORD: [u8; 16] = [0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0x0e, 0x10, 0, 4, 192, 0, 2, 1];

/// Sends an answer to its client. One that has gone is no matter.
type Delivery = Box<dyn FnOnce(&[u8]) + Send>;

/// An answer, and when it is due.
struct Answer {
    due: Instant,
    octets: Vec<u8>,
    delivery: Delivery,
}

/// Answers that are not due yet.
#[derive(Clone)]
pub(super) struct Queue(Sender<Answer>);

impl Queue {
    /// Of all transports one, delivered by a thread of its own.
    pub(super) fn start() -> Self {
        let (answers, due) = channel();
        thread::spawn(move || deliver(&due));
        Self(answers)
    }

    /// Has `send` called with the answer to `query`, the `serial`-th of its connection, when it is due; never for what is no query.
    pub(super) fn answer(&self, query: &[u8], serial: u64, send: impl FnOnce(&[u8]) + Send + 'static) {
        let Some(octets) = reply(query) else { return };
        let early = if serial % 4 == 3 { EARLY } else { Duration::ZERO };
        // Fails only where the thread that delivers has ended, and the process with it.
        self.0.send(Answer { due: read_clock() + DELAY - early, octets, delivery: Box::new(send) }).ok();
    }
}

/// The reply as a stream carries it, its length first (RFC 1035 §4.2.2).
pub(super) fn framed(reply: &[u8]) -> Vec<u8> {
    let mut frame = u16::try_from(reply.len()).unwrap_or_default().to_be_bytes().to_vec();
    frame.extend_from_slice(reply);
    frame
}

fn reply(query: &[u8]) -> Option<Vec<u8>> {
    let question = query.get(HEADER..).and_then(question)?;
    let is_address = question[question.len() - 4..] == [0, 1, 0, 1];
    let mut octets = Vec::with_capacity(HEADER + question.len() + RECORD.len());
    octets.extend_from_slice(&query[..2]);
    octets.extend_from_slice(&[0x80 | query[2] & 1, 0x80, 0, 1, 0, u8::from(is_address), 0, 0, 0, 0]);
    octets.extend_from_slice(question);
    if is_address {
        octets.extend_from_slice(&RECORD);
    }
    Some(octets)
}

/// The question section at the beginning of `octets`: name, type, class.
fn question(octets: &[u8]) -> Option<&[u8]> {
    let mut at = 0;
    while *octets.get(at)? != 0 {
        at += 1 + usize::from(octets[at]);
    }
    octets.get(..at + 5)
}

/// Sends each answer when it is due.
fn deliver(answers: &Receiver<Answer>) {
    let mut waiting = BTreeMap::new();
    for serial in 0_u64.. {
        while let Some(first) = waiting.first_entry() {
            let (due, _): (Instant, u64) = *first.key();
            if due > read_clock() {
                break;
            }
            let Answer { octets, delivery, .. } = first.remove();
            delivery(&octets);
        }
        let next = waiting.first_key_value().map_or(Duration::MAX, |((due, _), _)| due.saturating_duration_since(read_clock()));
        match answers.recv_timeout(next) {
            Ok(answer) => drop(waiting.insert((answer.due, serial), answer)),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}
