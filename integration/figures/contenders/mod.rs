//! Who is compared, and how each is configured: one core, one thread, the same upstream, a cache with room for all names, no validation,
//! no log of queries.

mod contender;
mod coredns;
mod dnsdist;
mod dnsmasq;
mod doorstep;
mod floor;
mod knot;
mod unbound;

use contender::AMPLE;

use crate::load::Expect;

pub(crate) use contender::{Contender, Forward, Kind, LOAD, Programs, Room, Site, start_all};
pub(crate) use dnsmasq::MOST as DNSMASQ_MOST;

/// The rows of the tables, the floor first.
pub(crate) const KINDS: [Kind; 8] = [
    FLOOR,
    Kind { name: "echo by epoll", expect: Expect::Echo, most: AMPLE, command: floor::epoll },
    DOORSTEP,
    UNBOUND,
    Kind { name: "dnsdist", expect: Expect::Record, most: AMPLE, command: dnsdist::command },
    Kind { name: "dnsmasq", expect: Expect::Record, most: dnsmasq::MOST, command: dnsmasq::command },
    Kind { name: "Knot Resolver", expect: Expect::Record, most: AMPLE, command: knot::command },
    COREDNS,
];

/// What system calls cost.
pub(crate) const FLOOR: Kind = Kind { name: "socket floor", expect: Expect::Echo, most: AMPLE, command: floor::blocking };
/// doorstep, as released.
pub(crate) const DOORSTEP: Kind = Kind { name: "doorstep", expect: Expect::Record, most: AMPLE, command: doorstep::one_worker };
/// The same with a second worker.
pub(crate) const DOORSTEP_TWO: Kind =
    Kind { name: "doorstep, 2 workers", expect: Expect::Record, most: AMPLE, command: doorstep::two_workers };
/// unbound, Debian's.
pub(crate) const UNBOUND: Kind = Kind { name: "unbound", expect: Expect::Record, most: AMPLE, command: unbound::command };
/// CoreDNS, built here.
pub(crate) const COREDNS: Kind = Kind { name: "CoreDNS", expect: Expect::Record, most: AMPLE, command: coredns::command };
