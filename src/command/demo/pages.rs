//! The health pages and metrics as a scraper sees them, over HTTP.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::sleep;
use std::time::Duration;

/// How often and how long readiness is awaited; it comes within milliseconds.
const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(50);

/// Waits until `/readyz` says so.
///
/// # Errors
/// What is still missing after 5 s.
pub(super) fn await_readiness(admin: SocketAddr) -> Result<(), String> {
    let mut pending = String::new();
    for _ in 0..TRIES {
        match fetch(admin, "/readyz") {
            Ok((true, _)) => return Ok(()),
            Ok((false, body)) => pending = body,
            Err(error) => pending = error,
        }
        sleep(PAUSE);
    }
    Err(format!("not ready: {}", pending.trim()))
}

/// The body of a page.
///
/// # Errors
/// No connection, or another status than 200.
pub(super) fn page(admin: SocketAddr, path: &str) -> Result<String, String> {
    match fetch(admin, path)? {
        (true, body) => Ok(body),
        (false, body) => Err(format!("http://{admin}{path}: {}", body.trim())),
    }
}

/// Whether the status is 200, and the body. HTTP/1.0: the reply ends with the connection and is not chunked.
fn fetch(admin: SocketAddr, path: &str) -> Result<(bool, String), String> {
    let exchange = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(admin)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n")?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply)?;
        Ok(reply)
    };
    let reply = exchange().map_err(|error| format!("http://{admin}{path}: {error}"))?;
    let (head, body) = reply.split_once("\r\n\r\n").unwrap_or((reply.as_str(), ""));
    Ok((head.split(' ').nth(1) == Some("200"), body.to_owned()))
}
