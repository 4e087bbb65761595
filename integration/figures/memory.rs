//! What a cached answer takes: how much more of a process is resident with ample room and a full cache than with scant room and few
//! answers.

use std::io;

use crate::contenders::{Contender, Kind, Room, Site};
use crate::{load, metrics};

/// Answers cached; by who has less room, as many as it has room for.
const NAMES: u32 = 100_000;

/// What [`NAMES`] cached A answers take; NaN before they are weighed.
pub(crate) struct Weight {
    /// Octets of an answer, as the process has grown.
    pub(crate) resident: f64,
    /// Octets of an answer by its own account; NaN where it keeps none.
    pub(crate) accounted: f64,
    /// Resident MiB of the process with all of them; NaN where it has no room for them.
    pub(crate) full: f64,
}

impl Default for Weight {
    fn default() -> Self {
        Self { resident: f64::NAN, accounted: f64::NAN, full: f64::NAN }
    }
}

/// Weighs a cached answer of `kind`. What a cache sets aside at its start counts, for all the same, since the lighter process has next to
/// none; what the first misses take once does not, since both have had them.
///
/// # Errors
/// It cannot be started, or does not answer.
pub(crate) fn weigh(kind: &Kind, site: &Site<'_>) -> io::Result<Weight> {
    const MIB: f64 = 1_048_576.0;
    let (few, names) = (Room::Scant.answers(), NAMES.min(kind.most));
    let light = fill(kind, &Site { room: Room::Scant, ..*site }, few)?.server.resident()?;
    let contender = fill(kind, site, names)?;
    let grown = contender.server.resident()?;
    let resident = (grown - light) * MIB / f64::from(names - few);
    let full = if names == NAMES { grown } else { f64::NAN };
    let bytes = metrics::sum(contender.server.address, "doorstep_cache_bytes", "");
    let entries = metrics::sum(contender.server.address, "coredns_cache_entries", "");
    Ok(Weight { resident, accounted: bytes / entries, full })
}

/// Starts it and has it cache `names` answers.
fn fill(kind: &Kind, site: &Site<'_>, names: u32) -> io::Result<Contender> {
    let contender = kind.start(site)?;
    load::warm(contender.server.address, names, contender.expect)?;
    Ok(contender)
}
