//! Bytes to meaning and back: no I/O, no clock, no async.
//!
//! A query is parsed in place ([`Query`]), an upstream's message is checked and made compact ([`Answer`]), and a reply is written
//! into the caller's buffer ([`reply`]). With the demo this is the only room that names the DNS crate.

mod answer;
pub mod class;
mod compress;
mod edns;
mod framing;
mod header;
mod image;
mod name;
mod nsid;
mod query;
mod question;
mod record;
pub mod reply;
pub mod rtype;
#[cfg(test)]
mod tests;

pub use answer::{Answer, AnswerError, Kind};
pub use edns::{Ede, Edns};
pub use framing::Frames;
pub use header::Rcode;
pub use image::Image;
pub use name::{FoldedName, Name, NameError};
pub use nsid::{encode_nsid_query, nsid};
pub use query::{Echo, OwnedQuery, Query, Rejection};
pub use question::{Key, SentOpt, encode_upstream_query, qtype_text};
