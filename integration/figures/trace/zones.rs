//! The central DNS of the trace: a CoreDNS that knows the names, and answers each replay on a port of its own, so that its metrics tell
//! them apart.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::net::SocketAddr;

use super::queries::{DOMAIN, NEIGHBOUR, Name, SEARCH};
use crate::contenders::Programs;
use crate::server::{Server, admin_of};
use crate::transports::Setting;
use crate::upstream::run_coredns;

/// TTL of everything, of denials too, in seconds.
pub(super) const TTL: u32 = 30;

/// Starts it; it answers on all `addresses`, and shows its metrics where a server at the first would.
///
/// # Errors
/// It cannot be started.
pub(super) fn serve(names: u32, addresses: &[SocketAddr], setting: &Setting<'_>) -> io::Result<Server> {
    let soa = format!("$TTL {TTL}\n@ IN SOA ns hostmaster 1 7200 1800 86400 {TTL}\n@ IN NS ns\nns IN A 192.0.2.53\n");
    let mut cluster = format!("$ORIGIN cluster.local.\n{soa}");
    // The name by which a server is seen to run.
    let mut outside = format!("$ORIGIN .\n{soa}host-0000.bench.example. IN A 192.0.2.1\n");
    for rank in 0..names {
        // A formatted String takes all that is written.
        match Name::of_rank(rank) {
            Name::Sibling(_) => writeln!(cluster, "svc-{rank:04}.{}. IN A 10.96.0.1", SEARCH[0]),
            Name::Neighbour(_) => writeln!(cluster, "svc-{rank:04}.{NEIGHBOUR}.{}. IN A 10.96.0.1", SEARCH[1]),
            Name::Outside(_) => {
                writeln!(outside, "api-{rank:04}.{DOMAIN}. IN A 192.0.2.1\napi-{rank:04}.{DOMAIN}. IN AAAA 2001:db8::1")
            }
        }
        .ok();
    }
    let files = [("cluster.zone", cluster), ("root.zone", outside)].map(|(name, text)| (setting.state.join(name), text));
    for (file, text) in &files {
        fs::write(file, text)?;
    }
    let plugins = format!("file {} cluster.local\n    file {} .", files[0].0.display(), files[1].0.display());
    let admin = admin_of(addresses[0]);
    let block = |address: &SocketAddr| {
        let (ip, port) = (address.ip(), address.port());
        format!(".:{port} {{\n    bind {ip}\n    {plugins}\n    prometheus {admin}\n}}\n")
    };
    let corefile: String = addresses.iter().map(block).collect();
    let programs: &Programs = setting.programs;
    run_coredns(&[], programs, "central", &corefile, addresses[0], setting.state)
}
