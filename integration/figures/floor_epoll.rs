//! The other way to read datagrams, beside the floor: the same echo, woken by a runtime's epoll instead of a call that waits.

use std::convert::Infallible;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::runtime::Builder;

use crate::floor::Echo;

/// Turns every query round, with QR set, until killed.
///
/// # Errors
/// What the operating system says against the socket.
pub(crate) fn serve(address: SocketAddr) -> io::Result<Infallible> {
    Builder::new_current_thread().enable_io().build()?.block_on(echo(Echo::bind(address)?))
}

async fn echo(mut echo: Echo) -> io::Result<Infallible> {
    echo.socket.set_nonblocking(true)?;
    let socket = UdpSocket::from_std(echo.socket.try_clone()?)?;
    loop {
        socket.readable().await?;
        let turned = socket.try_io(Interest::READABLE, || match echo.turn_round()? {
            true => Ok(()),
            // A short batch was all there is: told so, the runtime waits without a call that finds nothing.
            false => Err(ErrorKind::WouldBlock.into()),
        });
        match turned {
            Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
            _ => {}
        }
    }
}
