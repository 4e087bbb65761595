//! How many octets the TCP connections of all clients may hold. Seats bound how many connections there are; but one may have half a message
//! read, replies that its client does not read, and behind them a hundred answers of 64 KiB each.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Octets of finished answers that one connection may have: 100 of 2 KiB may come together, or four of the largest.
const ANSWERS_OF_ONE: usize = 256 << 10;
/// The same of all connections: one client's do not take all of it.
const ANSWERS: usize = 32 << 20;
/// Octets read and to be written that any connection may have; only what has more is counted.
const SMALL: usize = 8 << 10;
/// Octets of all those that have more.
const BUFFERS: usize = 16 << 20;

/// What the connections of all workers share.
#[derive(Clone)]
pub(super) struct Room {
    answers: Arc<Semaphore>,
    buffers: Arc<Semaphore>,
}

/// Where one connection's answers wait for it to take them. A client that does not read lets none be taken.
#[derive(Clone)]
pub(super) struct AnswerRoom {
    own: Arc<Semaphore>,
    all: Arc<Semaphore>,
}

/// An answer, and its room among the others.
pub(super) struct Finished {
    pub(super) reply: Vec<u8>,
    _room: [OwnedSemaphorePermit; 2],
}

/// What one connection's buffers take; given back when dropped.
pub(super) struct Buffers {
    all: Arc<Semaphore>,
    taken: usize,
}

impl Room {
    pub(super) fn new() -> Self {
        Self { answers: Arc::new(Semaphore::new(ANSWERS)), buffers: Arc::new(Semaphore::new(BUFFERS)) }
    }

    pub(super) fn answer_room(&self) -> AnswerRoom {
        AnswerRoom { own: Arc::new(Semaphore::new(ANSWERS_OF_ONE)), all: self.answers.clone() }
    }

    pub(super) fn buffers(&self) -> Buffers {
        Buffers { all: self.buffers.clone(), taken: 0 }
    }
}

impl AnswerRoom {
    /// `None`: there is no room for it.
    pub(super) fn put(&self, reply: Vec<u8>) -> Option<Finished> {
        let octets = u32::try_from(reply.capacity()).ok()?;
        let take = |room: &Arc<Semaphore>| room.clone().try_acquire_many_owned(octets).ok();
        Some(Finished { _room: [take(&self.own)?, take(&self.all)?], reply })
    }
}

impl Buffers {
    /// They have so many octets now. Whether there is room for them.
    pub(super) fn have(&mut self, octets: usize) -> bool {
        let needed = if octets > SMALL { octets } else { 0 };
        if needed > self.taken {
            let more = u32::try_from(needed - self.taken).ok().and_then(|more| self.all.try_acquire_many(more).ok());
            let Some(more) = more else { return false };
            more.forget();
        } else {
            self.all.add_permits(self.taken - needed);
        }
        self.taken = needed;
        true
    }
}

impl Drop for Buffers {
    fn drop(&mut self) {
        self.all.add_permits(self.taken);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPLY: usize = 64 << 10;

    #[test]
    fn no_connections_answers_take_more_than_its_own_room_nor_all_together_more_than_there_is() {
        let room = Room::new();
        let fill = || {
            let answer_room = room.answer_room();
            let taken: Vec<_> = std::iter::from_fn(|| answer_room.put(vec![0; REPLY])).collect();
            (answer_room, taken)
        };
        let mut full: Vec<_> = (0..ANSWERS / ANSWERS_OF_ONE).map(|_| fill()).collect();
        assert!(full.iter().all(|(_, taken)| taken.len() == ANSWERS_OF_ONE / REPLY));
        assert!(fill().1.is_empty(), "nothing is left for another");
        full.pop();
        assert_eq!(fill().1.len(), ANSWERS_OF_ONE / REPLY, "what was taken is given back");
    }

    #[test]
    fn large_buffers_share_what_there_is_and_small_ones_need_none_of_it() {
        let room = Room::new();
        let (mut large, mut late, mut small) = (room.buffers(), room.buffers(), room.buffers());
        assert!(large.have(BUFFERS - SMALL) && !late.have(SMALL + 1) && small.have(SMALL));
        assert!(large.have(BUFFERS), "it grows by what it has not yet");
        assert!(large.have(SMALL) && late.have(BUFFERS), "small again, it has given back all");
        drop(late);
        assert!(large.have(BUFFERS));
    }
}
