//! With real sockets.
