//! Who is compared, and how each is configured: one core, one thread, the same upstream over TCP.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::load::Expect;
use crate::questions::OUTSIDE;
use crate::server::{Program, Server, free_address};

/// Core of the servers.
pub(crate) const SERVERS: usize = 0;
/// Core of the load generator and the upstream.
pub(crate) const LOAD: usize = 1;

/// Programs that are not built here.
pub(crate) struct Programs {
    /// doorstep itself, as released.
    pub(crate) doorstep: PathBuf,
    /// This benchmark, which is its own floor.
    pub(crate) figures: PathBuf,
    /// CoreDNS, as upstream and as contender.
    pub(crate) coredns: PathBuf,
    /// unbound.
    pub(crate) unbound: PathBuf,
}

/// One line of the table.
pub(crate) struct Contender {
    /// As the table calls it.
    pub(crate) name: &'static str,
    /// What its answers look like.
    pub(crate) expect: Expect,
    /// It runs.
    pub(crate) server: Server,
}

/// The CoreDNS that all forward to. It makes up an A record for every name of the two zones.
///
/// # Errors
/// It cannot be started.
pub(crate) fn start_upstream(programs: &Programs, state: &Path) -> io::Result<Server> {
    let address = free_address()?;
    let corefile = format!(
        r#".:{port} {{
    bind {ip}
    template IN A {OUTSIDE} cluster.local {{
        answer "{{{{ .Name }}}} 3600 IN A 192.0.2.1"
    }}
    template ANY ANY . {{
        rcode NXDOMAIN
        authority ". 3600 IN SOA ns.invalid. hostmaster.invalid. 1 7200 900 86400 30"
    }}
}}
"#,
        port = address.port(),
        ip = address.ip(),
    );
    let command = coredns(programs, state, "upstream", &corefile)?;
    Server::start(&Program { name: "upstream", core: LOAD, command, address, expect: Expect::Record }, state)
}

/// Starts everyone in front of `upstream`, the floor first.
///
/// # Errors
/// The first that cannot be started.
pub(crate) fn start_all(programs: &Programs, upstream: SocketAddr, state: &Path) -> io::Result<Vec<Contender>> {
    let start = |name: &'static str, expect, command: Vec<String>, address| {
        let server = Server::start(&Program { name, core: SERVERS, command, address, expect }, state)?;
        io::Result::Ok(Contender { name, expect, server })
    };
    let address = free_address()?;
    let floor = start("socket floor", Expect::Echo, floor_command(programs, address), address)?;
    let address = free_address()?;
    let doorstep = start("doorstep", Expect::Record, doorstep_command(programs, address, upstream)?, address)?;
    let address = free_address()?;
    let unbound = start("unbound", Expect::Record, unbound_command(programs, address, upstream, state)?, address)?;
    let address = free_address()?;
    let coredns = start("CoreDNS", Expect::Record, coredns_command(programs, address, upstream, state)?, address)?;
    Ok(vec![floor, doorstep, unbound, coredns])
}

fn floor_command(programs: &Programs, address: SocketAddr) -> Vec<String> {
    vec![path(&programs.figures), "floor".to_owned(), address.to_string()]
}

fn doorstep_command(programs: &Programs, address: SocketAddr, upstream: SocketAddr) -> io::Result<Vec<String>> {
    let admin = free_address()?;
    let flags = format!("serve --workers 1 --kubernetes off --listen {address} --admin {admin} --upstream tcp://{upstream}");
    Ok([path(&programs.doorstep)].into_iter().chain(flags.split(' ').map(str::to_owned)).collect())
}

/// No validation (nobody here validates), room for all names, as many TCP connections upstream as the others open.
fn unbound_command(programs: &Programs, address: SocketAddr, upstream: SocketAddr, state: &Path) -> io::Result<Vec<String>> {
    let file = state.join("unbound.conf");
    let text = format!(
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
    msg-cache-size: 32m
    rrset-cache-size: 64m
    outgoing-range: 4096
    num-queries-per-thread: 2048
    outgoing-num-tcp: 64
    local-zone: "cluster.local." nodefault
remote-control:
    control-enable: no
forward-zone:
    name: "."
    forward-addr: {upstream_ip}@{upstream_port}
    forward-tcp-upstream: yes
"#,
        directory = state.display(),
        ip = address.ip(),
        port = address.port(),
        upstream_ip = upstream.ip(),
        upstream_port = upstream.port(),
    );
    fs::write(&file, text)?;
    Ok(vec![path(&programs.unbound), "-d".to_owned(), "-c".to_owned(), path(&file)])
}

/// The plugins that node-cache's own Corefile has, with its size of cache.
fn coredns_command(programs: &Programs, address: SocketAddr, upstream: SocketAddr, state: &Path) -> io::Result<Vec<String>> {
    let corefile = format!(
        r#".:{port} {{
    bind {ip}
    errors
    cache {{
        success 9984 3600
        denial 9984 5
    }}
    loop
    forward . {upstream} {{
        force_tcp
    }}
    prometheus {metrics}
}}
"#,
        port = address.port(),
        ip = address.ip(),
        metrics = free_address()?,
    );
    coredns(programs, state, "coredns", &corefile)
}

fn coredns(programs: &Programs, state: &Path, name: &str, corefile: &str) -> io::Result<Vec<String>> {
    let file = state.join(format!("{name}.Corefile"));
    fs::write(&file, corefile)?;
    Ok(vec![path(&programs.coredns), "-quiet".to_owned(), "-conf".to_owned(), path(&file)])
}

fn path(path: &Path) -> String {
    path.display().to_string()
}
