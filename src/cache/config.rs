//! What an operator may set.

/// What the cache may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Octets for everything the cache allocates. Default 32 MiB, at least 1 MiB, at most 4 GiB.
    pub capacity: usize,
}

impl Config {
    /// 1 MiB: with less, a large answer has no place.
    pub const MIN_CAPACITY: usize = 1 << 20;
    /// 4 GiB.
    pub const MAX_CAPACITY: usize = 4 << 30;
}

impl Default for Config {
    fn default() -> Self {
        Self { capacity: 32 << 20 }
    }
}
