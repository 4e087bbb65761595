//! What the cache tells of itself.

/// Sizes now, and counts since the start. Failures that stand alone count as negatives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Positive answers held, expired ones included.
    pub positive_entries: u64,
    /// Negative answers and failures held, expired ones included.
    pub negative_entries: u64,
    /// Octets allocated: answers' octets, slots, index, ghosts, the shards themselves. Never above `capacity`.
    pub bytes: u64,
    /// The limit of `bytes`.
    pub capacity: u64,
    /// Positive answers dropped to make room.
    pub evictions_positive: u64,
    /// Negative answers and failures dropped to make room.
    pub evictions_negative: u64,
    /// Answers too large for their shard's share, not stored.
    pub refused: u64,
}
