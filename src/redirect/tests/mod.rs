mod fleet;
mod gates;
mod load;
mod load_of_reviews;
mod model;
mod reports;
mod reviews;
mod table;
mod verify;
mod world;

use std::time::Instant;

/// Some moment; only differences count.
#[expect(clippy::disallowed_methods, reason = "a moment to begin at; the tests add to it")]
pub(super) fn start() -> Instant {
    Instant::now()
}
