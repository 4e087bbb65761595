//! doorstep with its defaults, but one worker, as the others have one thread; or two, to see what the second gives.

use std::fs;
use std::io;
use std::net::SocketAddr;

use super::contender::{Site, text};
use crate::certificates::NAME;
use crate::server::admin_of;

pub(super) fn one_worker(site: &Site<'_>, address: SocketAddr) -> io::Result<Vec<String>> {
    command(site, address, 1)
}

pub(super) fn two_workers(site: &Site<'_>, address: SocketAddr) -> io::Result<Vec<String>> {
    command(site, address, 2)
}

fn command(site: &Site<'_>, address: SocketAddr, workers: u32) -> io::Result<Vec<String>> {
    let (file, forward) = (site.file("doorstep.yaml", address), site.forward);
    let (scheme, upstream) = (forward.transport.name(), forward.address);
    let group = if forward.transport.is_encrypted() {
        format!("{{ servers: [\"{scheme}://{upstream}#{NAME}\"], tls: {{ ca_file: {} }} }}", forward.authority.display())
    } else {
        format!("{{ servers: [\"{scheme}://{upstream}\"] }}")
    };
    fs::write(&file, format!("upstreams:\n  default: {group}\n"))?;
    let admin = admin_of(address);
    let flags = format!("serve --workers {workers} --kubernetes off --listen {address} --admin {admin} --config");
    let mut command = vec![text(&site.programs.doorstep)];
    command.extend(flags.split(' ').map(str::to_owned));
    command.push(text(&file));
    Ok(command)
}
