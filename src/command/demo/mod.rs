//! demo
mod ask;
mod upstream;
