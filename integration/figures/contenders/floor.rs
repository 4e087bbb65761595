//! The socket floor and the same by epoll: this program, by its other names.

use std::io;
use std::net::SocketAddr;

use super::contender::{Site, text};

pub(super) fn blocking(site: &Site<'_>, address: SocketAddr) -> io::Result<Vec<String>> {
    Ok(echo(site, "floor", address))
}

pub(super) fn epoll(site: &Site<'_>, address: SocketAddr) -> io::Result<Vec<String>> {
    Ok(echo(site, "floor-epoll", address))
}

fn echo(site: &Site<'_>, way: &str, address: SocketAddr) -> Vec<String> {
    vec![text(&site.programs.figures), way.to_owned(), address.to_string()]
}
