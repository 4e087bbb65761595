//! CoreDNS: the plugins that node-cache's own Corefile has.

use std::fs;
use std::io;
use std::net::SocketAddr;

use super::contender::{Site, text};
use crate::certificates::NAME;
use crate::server::admin_of;
use crate::transport::Transport;

pub(super) fn command(site: &Site<'_>, address: SocketAddr) -> io::Result<Vec<String>> {
    let file = site.file("Corefile", address);
    let corefile = format!(
        r#".:{port} {{
    bind {ip}
    errors
    cache {{
        success {room} 3600
        denial {room} 5
    }}
    loop
    {forward}
    prometheus {admin}
}}
"#,
        port = address.port(),
        ip = address.ip(),
        room = site.room.answers(),
        forward = forward(site),
        admin = admin_of(address),
    );
    fs::write(&file, corefile)?;
    Ok(vec![text(&site.programs.coredns), "-quiet".to_owned(), "-conf".to_owned(), text(&file)])
}

fn forward(site: &Site<'_>) -> String {
    let (address, authority) = (site.forward.address, site.forward.authority.display());
    match site.forward.transport {
        Transport::Tls => format!("forward . tls://{address} {{\n        tls_servername {NAME}\n        tls {authority}\n    }}"),
        Transport::Tcp => format!("forward . {address} {{\n        force_tcp\n    }}"),
        Transport::Udp | Transport::Quic => format!("forward . {address}"),
    }
}
