//! Real servers in the upstream's place, and doorstep before them.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::harness::certificates::{Certificate, NAME};
use crate::harness::coredns::program as coredns_program;
use crate::harness::{Authority, Doorstep, Process, Stage, Udp, a, eventually, free_port, seconds};
use crate::names::{BRIEF, BRIEF_OUTSIDE, NEVER, OUTSIDE, SLOW, name};

/// How a server is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Udp,
    Tcp,
    Tls,
    Quic,
}

impl Transport {
    pub(crate) const ALL: [Self; 4] = [Self::Udp, Self::Tcp, Self::Tls, Self::Quic];

    /// As in the table.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Quic => "QUIC",
        }
    }

    /// As an upstream of doorstep.
    pub(crate) fn url(self, address: SocketAddr) -> String {
        match self {
            Self::Udp => format!("udp://{address}"),
            Self::Tcp => format!("tcp://{address}"),
            Self::Tls => format!("tls://{address}#{NAME}"),
            Self::Quic => format!("quic://{address}#{NAME}"),
        }
    }
}

/// A program that answers; ended, frozen and started again at will.
pub(crate) struct Server {
    command: Vec<String>,
    process: Option<Process>,
    plain: SocketAddr,
    encrypted: SocketAddr,
}

impl Server {
    /// CoreDNS, which makes up every name of the proof. `slow` and `never`: whom it asks for those names.
    pub(crate) fn coredns(stage: &Stage, label: &str, shown: &Certificate, slow: Option<(SocketAddr, SocketAddr)>) -> Self {
        let (plain, encrypted) = (free_port(), free_port());
        let made_up = |zone: &str, ttl: u32| {
            let zone = zone.replace('.', "[.]");
            format!(
                "    template IN A . {{\n        match \"^q-(?P<a>[0-9]+)-(?P<b>[0-9]+)-(?P<c>[0-9]+)[.]{zone}$\"\n        \
                 answer \"{{{{ .Name }}}} {ttl} IN A 10.{{{{ .Group.a }}}}.{{{{ .Group.b }}}}.{{{{ .Group.c }}}}\"\n        fallthrough\n    }}\n"
            )
        };
        let rest = "    template ANY ANY . {\n        rcode NXDOMAIN\n        authority \". 30 IN SOA ns.example. hostmaster.example. 1 7200 900 86400 5\"\n    }\n";
        let zones = [made_up(BRIEF, 1), made_up(BRIEF_OUTSIDE, 1), made_up("", 30).replace("[.]$", "[.]"), rest.to_owned()].concat();
        let tls = format!("    tls {} {}\n", shown.certificate.display(), shown.key.display());
        let mut corefile = String::new();
        for (scheme, port, more) in [("", plain, ""), ("tls://", encrypted, &tls), ("quic://", encrypted, &tls)] {
            writeln!(corefile, "{scheme}.:{port} {{\n    bind 127.0.0.1\n    errors\n{more}{zones}}}").unwrap();
            for (zone, upstream) in slow.iter().flat_map(|(slow, never)| [(SLOW, slow), (NEVER, never)]) {
                let forward =
                    format!("    forward . {upstream} {{\n        prefer_udp\n        max_fails 0\n        read_timeout 10s\n    }}\n");
                writeln!(corefile, "{scheme}{zone}:{port} {{\n    bind 127.0.0.1\n{more}{forward}}}").unwrap();
            }
        }
        let file = stage.file(&format!("Corefile.{label}"), &corefile);
        Self::run_new([coredns_program(), Path::new("-conf"), &file], plain, encrypted)
    }

    /// unbound, which asks the server at `behind`.
    pub(crate) fn unbound(stage: &Stage, program: &Path, shown: &Certificate, behind: SocketAddr) -> Self {
        let (plain, encrypted) = (free_port(), free_port());
        let (certificate, key) = (shown.certificate.display(), shown.key.display());
        let text = format!(
            "server:\n  do-daemonize: no\n  use-syslog: no\n  username: \"\"\n  chroot: \"\"\n  pidfile: \"\"\n  interface: 127.0.0.1@{plain}\n  \
             interface: 127.0.0.1@{encrypted}\n  tls-port: {encrypted}\n  tls-service-key: {key}\n  tls-service-pem: {certificate}\n  \
             do-ip6: no\n  do-not-query-localhost: no\n  module-config: \"iterator\"\n  outgoing-range: 1024\n  num-queries-per-thread: 1024\n\
             remote-control:\n  control-enable: no\nforward-zone:\n  name: \".\"\n  forward-addr: {}@{}\n",
            behind.ip(),
            behind.port()
        );
        let file = stage.file("unbound.conf", &text);
        Self::run_new([program, Path::new("-d"), Path::new("-c"), &file], plain, encrypted)
    }

    /// Knot Resolver, which asks the server at `behind`.
    pub(crate) fn knot(stage: &Stage, program: &Path, shown: &Certificate, behind: SocketAddr) -> Self {
        let (plain, encrypted) = (free_port(), free_port());
        let text = format!(
            "net.listen('127.0.0.1', {plain}, {{ kind = 'dns' }})\nnet.listen('127.0.0.1', {encrypted}, {{ kind = 'tls' }})\n\
             net.tls('{}', '{}')\nnet.ipv6 = false\ntrust_anchors.remove('.')\ncache.size = 32 * MB\n\
             policy.add(policy.all(policy.STUB('{}@{}')))\n",
            shown.certificate.display(),
            shown.key.display(),
            behind.ip(),
            behind.port()
        );
        let file = stage.file("kresd.conf", &text);
        let directory = file.parent().unwrap();
        Self::run_new([program, Path::new("-n"), Path::new("-c"), &file, directory], plain, encrypted)
    }

    fn run_new<const N: usize>(command: [&Path; N], plain: u16, encrypted: u16) -> Self {
        let command = command.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
        let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut server = Self { command, process: None, plain: local(plain), encrypted: local(encrypted) };
        server.run();
        server
    }

    /// Starts it again, where it was ended.
    pub(crate) fn run(&mut self) {
        self.process = Some(Process::start(Command::new(&self.command[0]).args(&self.command[1..])));
        eventually(&format!("{} answers", self.command[0]), seconds(20), || {
            let client = Udp::to(self.plain);
            client.send(&a(&name(0, OUTSIDE)).encode());
            client.receive(Duration::from_millis(200)).is_some()
        });
    }

    /// Ends it on the spot.
    pub(crate) fn kill(&mut self) {
        self.process = None;
    }

    /// It lives on and does nothing: the kernel takes what is sent to it.
    pub(crate) fn freeze(&self) {
        self.process.as_ref().expect("it runs").signal("STOP");
    }

    /// Where it answers over this transport.
    pub(crate) fn at(&self, transport: Transport) -> SocketAddr {
        if matches!(transport, Transport::Tls | Transport::Quic) { self.encrypted } else { self.plain }
    }

    /// As an upstream of doorstep.
    pub(crate) fn url(&self, transport: Transport) -> String {
        transport.url(self.at(transport))
    }
}

/// An authority and what servers show that it has certified.
pub(crate) struct Trust {
    pub(crate) authority: Authority,
    pub(crate) shown: Certificate,
}

impl Trust {
    pub(crate) fn new(stage: &Stage) -> Self {
        let authority = Authority::new("proof");
        let shown = authority.certify(stage);
        Self { authority, shown }
    }
}

/// The configuration of doorstep before `servers`; `more` follows.
pub(crate) fn configure(stage: &Stage, trust: &Trust, servers: &[String], more: &str) -> std::path::PathBuf {
    let ca = stage.file("ca.crt", &trust.authority.pem());
    let encrypted = servers.iter().any(|server| server.starts_with("tls") || server.starts_with("quic"));
    let tls = if encrypted { format!("    tls: {{ ca_file: {} }}\n", ca.display()) } else { String::new() };
    stage.file("doorstep.yaml", &format!("upstreams:\n  default:\n    servers: {servers:?}\n{tls}{more}"))
}

/// doorstep before `servers`, ready.
pub(crate) fn doorstep_before(stage: &Stage, trust: &Trust, servers: &[String], more: &str) -> Doorstep {
    let file = configure(stage, trust, servers, more);
    Doorstep::with(&["--config", file.to_str().unwrap()]).ready()
}

/// What doorstep says of its upstreams' failures, for whoever reads why a scenario failed.
pub(crate) fn failures(doorstep: &Doorstep) -> String {
    let page = doorstep.page("/metrics").map_or_else(String::new, |page| page.1);
    let failed = |line: &&str| line.starts_with("doorstep_upstream_failures_total") && !line.ends_with(" 0");
    page.lines().filter(failed).map(|line| format!("\n  {line}\n")).collect()
}
