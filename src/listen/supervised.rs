//! A loop that a panic does not end: it is reported, and the loop runs again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use crate::lifecycle::{Beat, Next, Supervisor};

/// A loop under supervision, for as long as this lives.
pub(super) struct Watched {
    name: String,
    supervisor: Supervisor,
    pub(super) beat: Beat,
}

impl Watched {
    pub(super) fn new(supervisor: &Supervisor, name: String) -> Self {
        Self { beat: supervisor.beat(name.clone()), supervisor: supervisor.clone(), name }
    }

    /// Reports a panic, of the loop or of a part of it that went alone.
    pub(super) fn died(&self) -> Next {
        let next = self.supervisor.died(now());
        match next {
            Next::Restart => tracing::error!(name = self.name, "a loop panicked; it starts again on its socket"),
            Next::GiveUp => tracing::error!(name = self.name, "a loop panicked, and loops did so too often; giving up"),
        }
        next
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.supervisor.dismiss(&self.beat);
    }
}

/// Runs `body` until it returns, again after each panic, unless there were too many.
pub(super) fn run(watched: &Watched, mut body: impl FnMut()) {
    // What `body` shares with the next turn is made to be found mid-way.
    while catch_unwind(AssertUnwindSafe(&mut body)).is_err() {
        if watched.died() == Next::GiveUp {
            return;
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a thin edge: deaths happen when they happen")]
fn now() -> Instant {
    Instant::now()
}
