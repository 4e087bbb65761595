//! From the start of a process to its first answer.

use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::load::{self, read_clock};
use crate::server::{Program, Server};

/// Milliseconds until `program` has answered a query that takes the upstream. It is asked again and again, and stopped afterwards.
///
/// # Errors
/// It cannot be started, or does not answer within 15 s.
pub(crate) fn until_first_answer(program: &Program<'_>, state: &Path) -> io::Result<f64> {
    const PATIENCE: Duration = Duration::from_secs(15);
    /// How long to wait where nobody listens yet, which the kernel says at once.
    const PAUSE: Duration = Duration::from_micros(200);
    /// From one query to the next.
    const AGAIN: Duration = Duration::from_millis(1);
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.connect(program.address)?;
    socket.set_read_timeout(Some(AGAIN))?;
    let begin = read_clock();
    let _server = Server::spawn(program, state)?;
    while begin.elapsed() < PATIENCE {
        if load::ask_through(&socket, program.expect) {
            return Ok(begin.elapsed().as_secs_f64() * 1e3);
        }
        thread::sleep(PAUSE);
    }
    Err(io::Error::other(format!("{} does not answer within {PATIENCE:?}", program.name)))
}
