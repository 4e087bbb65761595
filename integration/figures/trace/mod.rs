//! How many of a node's queries reach the central DNS: a trace as pods ask, replayed through doorstep before the real CoreDNS.

mod queries;
mod replay;
mod zones;

pub(crate) use replay::replay;
