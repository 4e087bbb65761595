//! Replies that wait to be written, each behind its length, so that those ready together leave in one segment (RFC 7766 §8).

/// Octets that a quiet connection keeps.
const KEPT: usize = 2_048;

/// The queue of one connection.
pub(super) struct Outgoing {
    octets: Vec<u8>,
    written: usize,
}

impl Outgoing {
    pub(super) fn new() -> Self {
        Self { octets: Vec::new(), written: 0 }
    }

    /// Queues one reply. One that is longer than its length can say is left out. Returns how many were queued.
    pub(super) fn push(&mut self, reply: &[u8]) -> usize {
        let Ok(length) = u16::try_from(reply.len()) else { return 0 };
        self.octets.extend_from_slice(&length.to_be_bytes());
        self.octets.extend_from_slice(reply);
        1
    }

    /// What is to be written.
    pub(super) fn waiting(&self) -> &[u8] {
        &self.octets[self.written..]
    }

    /// Octets that it takes.
    pub(super) fn held(&self) -> usize {
        self.octets.capacity()
    }

    /// The first `octets` of it were written.
    pub(super) fn advance(&mut self, octets: usize) {
        self.written += octets;
        if self.written >= self.octets.len() {
            self.octets.clear();
            self.octets.shrink_to(KEPT);
            self.written = 0;
        } else if self.written >= self.octets.len() / 2 {
            // Moves no more than it frees, so that what a slow reader has taken does not pile up.
            self.octets.drain(..self.written);
            self.written = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_ready_together_lie_side_by_side_behind_their_lengths() {
        let mut outgoing = Outgoing::new();
        assert_eq!(outgoing.push(b"abc") + outgoing.push(b"d"), 2);
        assert_eq!(outgoing.waiting(), b"\0\x03abc\0\x01d");
        outgoing.advance(4);
        assert_eq!(outgoing.waiting(), b"c\0\x01d");
        outgoing.advance(4);
        assert!(outgoing.waiting().is_empty());
    }

    #[test]
    fn a_reply_too_long_for_its_length_is_left_out() {
        let mut outgoing = Outgoing::new();
        assert_eq!(outgoing.push(&vec![0; 65_536]), 0);
        assert!(outgoing.waiting().is_empty());
    }

    #[test]
    fn what_was_written_is_given_back_even_when_the_queue_is_never_empty() {
        let mut outgoing = Outgoing::new();
        outgoing.push(&[0; 100]);
        for _ in 0..10_000 {
            outgoing.push(&[0; 100]);
            outgoing.advance(102);
        }
        assert!(outgoing.octets.capacity() < 1_024);
        outgoing.push(&[0; 60_000]);
        outgoing.advance(outgoing.waiting().len());
        assert!(outgoing.octets.capacity() <= KEPT);
    }
}
