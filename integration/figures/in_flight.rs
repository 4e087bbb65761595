//! The queries of one socket that still wait: message id → scheduled time.

/// Message ids of a socket.
const IDS: usize = 1 << 16;

/// One query that waits.
#[derive(Clone, Copy)]
pub(crate) struct Waiting {
    /// When it was to be sent, in nanoseconds of the run. Late or not, latency counts from here.
    pub(crate) scheduled: u64,
    /// What it asks.
    pub(crate) name: u32,
}

/// All queries of one socket that wait. Ids are given in turn, so the oldest is found without a search.
pub(crate) struct InFlight {
    slots: Box<[Option<Waiting>]>,
    next: usize,
    oldest: usize,
    waiting: usize,
}

impl InFlight {
    /// Nothing waits.
    pub(crate) fn new() -> Self {
        Self { slots: vec![None; IDS].into_boxed_slice(), next: 0, oldest: 0, waiting: 0 }
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting
    }

    /// Takes a query in; returns its id and whether the query that had it before is given up for this one.
    pub(crate) fn ask(&mut self, query: Waiting) -> (u16, bool) {
        let id = self.next;
        self.next = (id + 1) % IDS;
        let lost = self.slots[id].replace(query).is_some();
        if lost {
            self.oldest = self.next;
        } else {
            self.waiting += 1;
        }
        (u16::try_from(id).unwrap_or(u16::MAX), lost)
    }

    /// Ends the wait of `id`; `None` when nothing waits under it.
    pub(crate) fn answer(&mut self, id: u16) -> Option<Waiting> {
        let query = self.slots[usize::from(id)].take()?;
        self.waiting -= 1;
        Some(query)
    }

    /// Gives up what was scheduled before `deadline`; returns how many.
    pub(crate) fn give_up(&mut self, deadline: u64) -> u64 {
        let mut lost = 0;
        while self.oldest != self.next {
            match self.slots[self.oldest] {
                Some(query) if query.scheduled >= deadline => break,
                Some(_) => {
                    self.slots[self.oldest] = None;
                    self.waiting -= 1;
                    lost += 1;
                }
                None => {}
            }
            self.oldest = (self.oldest + 1) % IDS;
        }
        lost
    }
}
