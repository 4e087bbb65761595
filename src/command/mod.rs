//! The commands, one file each.

pub mod check;
pub mod demo;
pub mod render;
pub mod serve;
mod terminal;
