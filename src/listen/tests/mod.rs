//! Real sockets on the loopback.

mod batch;
