//! dnsmasq: one process, and one more for each client over TCP. What comes over UDP it asks over UDP, whatever the others do.

use std::io;
use std::net::SocketAddr;

use super::contender::Site;

/// Given more it warns that they cost performance and are of no use.
pub(crate) const MOST: u32 = 10_000;

pub(super) fn command(site: &Site<'_>, address: SocketAddr) -> io::Result<Vec<String>> {
    let (ip, port, room) = (address.ip(), address.port(), site.room.answers().min(MOST));
    let (upstream_ip, upstream_port) = (site.forward.address.ip(), site.forward.address.port());
    let flags = format!(
        "dnsmasq --conf-file=/dev/null --keep-in-foreground --log-facility=- --pid-file= --user=root --no-hosts --no-resolv --no-poll \
         --listen-address={ip} --port={port} --bind-interfaces --cache-size={room} --dns-forward-max=10000 --max-tcp-connections=128 \
         --server={upstream_ip}#{upstream_port}"
    );
    Ok(flags.split(' ').map(str::to_owned).collect())
}
