//! The commands, one file each.

pub mod check;
pub mod demo;
pub mod preflight;
pub mod redirect;
pub mod render;
pub mod serve;
pub mod status;
mod terminal;
