//! unbound: no validation, as many TCP connections upstream as the others open, room for a hundred clients over TCP.

use std::fs;
use std::io;
use std::net::SocketAddr;

use super::contender::{Site, text};
use crate::certificates::NAME;
use crate::transport::Transport;

/// Octets of cache for an answer: a message and the RRset that it points at take about this much each.
const ANSWER: u32 = 512;

pub(super) fn command(site: &Site<'_>, address: SocketAddr) -> io::Result<Vec<String>> {
    let file = site.file("unbound.conf", address);
    let cache = site.room.answers() * ANSWER;
    let configuration = format!(
        r#"server:
    do-daemonize: no
    use-syslog: no
    username: ""
    chroot: ""
    pidfile: ""
    directory: "{directory}"
    num-threads: 1
    interface: {ip}
    port: {port}
    do-ip6: no
    so-reuseport: yes
    so-rcvbuf: 4m
    access-control: 127.0.0.0/8 allow
    do-not-query-localhost: no
    module-config: "iterator"
    msg-cache-size: {cache}
    rrset-cache-size: {rrsets}
    outgoing-range: 4096
    num-queries-per-thread: 2048
    incoming-num-tcp: 256
    outgoing-num-tcp: 64
    local-zone: "cluster.local." nodefault
{more}remote-control:
    control-enable: no
forward-zone:
    name: "."
{forward}"#,
        directory = site.state.display(),
        ip = address.ip(),
        port = address.port(),
        rrsets = 2 * cache,
        more = authority(site),
        forward = forward(site),
    );
    fs::write(&file, configuration)?;
    Ok(vec!["unbound".to_owned(), "-d".to_owned(), "-c".to_owned(), text(&file)])
}

fn authority(site: &Site<'_>) -> String {
    if site.forward.transport.is_encrypted() {
        format!("    tls-cert-bundle: \"{}\"\n", site.forward.authority.display())
    } else {
        String::new()
    }
}

fn forward(site: &Site<'_>) -> String {
    let (ip, port) = (site.forward.address.ip(), site.forward.address.port());
    match site.forward.transport {
        Transport::Tls => format!("    forward-addr: {ip}@{port}#{NAME}\n    forward-tls-upstream: yes\n"),
        Transport::Tcp => format!("    forward-addr: {ip}@{port}\n    forward-tcp-upstream: yes\n"),
        Transport::Udp | Transport::Quic => format!("    forward-addr: {ip}@{port}\n"),
    }
}
