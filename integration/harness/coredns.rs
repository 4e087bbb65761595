//! The real CoreDNS, built from its module, in the place of the cluster's DNS.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::Duration;

use super::certificates::{Authority, NAME};
use super::ports::free_port;
use super::{Process, Stage, Udp, a, eventually, seconds};

/// The cluster's zone. Addresses of `many` need more than 512 octets, those of `crowd` more than 1,232.
const CLUSTER: &str = "\
$ORIGIN cluster.local.
@ 30 IN SOA ns.dns hostmaster 1 7200 1800 86400 5
@ 30 IN NS ns.dns
ns.dns 30 IN A 10.96.0.10
kubernetes.default.svc 30 IN A 10.96.0.1
web.shop.svc 30 IN A 10.96.1.1
web.shop.svc 30 IN AAAA 2001:db8::1:1
api.shop.svc 30 IN A 10.96.1.2
cart.shop.svc 30 IN A 10.96.1.3
brief.shop.svc 1 IN A 10.96.1.4
";

/// Everything else there is in the world.
const ROOT: &str = "\
$ORIGIN .
@ 300 IN SOA a.root.example. hostmaster.example. 1 7200 1800 86400 60
@ 300 IN NS a.root.example.
a.root.example. 300 IN A 192.0.2.53
www.outside.example. 300 IN A 192.0.2.80
away.outside.example. 300 IN A 192.0.2.81
brief.outside.example. 1 IN A 192.0.2.82
";

/// Runs until stopped or dropped; started again it has the same address.
pub(crate) struct CoreDns {
    process: Option<Process>,
    corefile: PathBuf,
    host: Ipv4Addr,
    port: u16,
    /// TLS over TCP, QUIC over UDP.
    encrypted: u16,
}

impl CoreDns {
    /// The name of the pods of [`CoreDns::start_with_pods`].
    pub(crate) const PODS: &str = "pods.kube-system.svc.cluster.local";

    /// Knows a small `cluster.local`, the root with a few names below, and answers every A question below `slow.test` after 2 s.
    pub(crate) fn start(stage: &Stage) -> Self {
        let mut cluster = CLUSTER.to_owned();
        for (name, count) in [("many", 40), ("crowd", 120)] {
            for host in 1..=count {
                writeln!(cluster, "{name}.shop.svc 30 IN A 10.1.2.{host}").unwrap();
            }
        }
        let zones = zones(stage, &cluster, ROOT);
        let mut coredns = Self::declare(stage, "Corefile", |port| {
            format!(
                ".:{port} {{\n    bind 127.0.0.1\n    log . \"asked {{name}} {{type}} {{proto}}\"\n    errors\n    {zones}\n}}\n\
                 slow.test:{port} {{\n    bind 127.0.0.1\n    log . \"asked {{name}} {{type}} {{proto}}\"\n    erratic {{\n        drop 0\n        truncate 0\n        delay 1 2s\n    }}\n}}\n"
            )
        });
        coredns.run();
        coredns
    }

    /// Knows these zones: the cluster's, and all else there is.
    pub(crate) fn start_knowing(stage: &Stage, cluster: &str, root: &str) -> Self {
        let zones = zones(stage, cluster, root);
        let mut coredns =
            Self::declare(stage, "Corefile", |port| format!(".:{port} {{\n    bind 127.0.0.1\n    errors\n    {zones}\n}}\n"));
        coredns.run();
        coredns
    }

    /// Knows these zones from its next start on.
    pub(crate) fn learn(&self, stage: &Stage, cluster: &str, root: &str) {
        zones(stage, cluster, root);
    }

    /// Another one, which answers `address` to every A question.
    pub(crate) fn start_other(stage: &Stage, address: &str) -> Self {
        let mut coredns = Self::declare(stage, "Corefile.other", |port| {
            format!(
                ".:{port} {{\n    bind 127.0.0.1\n    log . \"asked {{name}} {{type}} {{proto}}\"\n    template IN A . {{\n        \
                 answer \"{{{{ .Name }}}} 60 IN A {address}\"\n    }}\n}}\n"
            )
        });
        coredns.run();
        coredns
    }

    /// One in the place of a Service, and so many pods behind it, each at an address of the loopback and all at the same port. They know the
    /// pods, and answer the same address to every A question below `shop.svc.cluster.local`.
    pub(crate) fn start_with_pods(stage: &Stage, count: u8) -> (Self, Vec<Self>) {
        let hosts: Vec<Ipv4Addr> = (0..=count).map(|pod| Ipv4Addr::new(127, 0, 77, pod + 1)).collect();
        let pods: String = hosts[1..].iter().map(|host| format!("        {host} {}\n", Self::PODS)).collect();
        let port = free_port();
        let start = |host: &Ipv4Addr| {
            let text = format!(
                ".:{port} {{\n    bind {host}\n    log . \"asked {{name}} {{type}} {{proto}}\"\n    hosts {{\n{pods}        fallthrough\n    }}\n    \
                 template IN A shop.svc.cluster.local kubernetes.default.svc.cluster.local {{\n        answer \"{{{{ .Name }}}} 60 IN A 198.51.100.7\"\n    }}\n}}\n"
            );
            let corefile = stage.file(&format!("Corefile.{host}"), &text);
            let mut coredns = Self { process: None, corefile, host: *host, port, encrypted: 0 };
            coredns.run();
            coredns
        };
        (start(&hosts[0]), hosts[1..].iter().map(start).collect())
    }

    /// Knows the cluster's names, and asks `upstream` for all others, over the transport that it is asked over itself.
    pub(crate) fn start_before(stage: &Stage, upstream: SocketAddr) -> Self {
        let cluster = stage.file("cluster.zone", CLUSTER);
        let mut coredns = Self::declare(stage, "Corefile.before", |port| {
            format!(
                ".:{port} {{\n    bind 127.0.0.1\n    log . \"asked {{name}} {{type}} {{proto}}\"\n    file {} cluster.local\n    forward . {upstream}\n}}\n",
                cluster.display()
            )
        });
        coredns.run();
        coredns
    }

    /// A lame one: SERVFAIL below `servfail.test`, REFUSED to everything else.
    pub(crate) fn start_failing(stage: &Stage) -> Self {
        let mut coredns = Self::declare(stage, "Corefile.failing", |port| {
            format!("servfail.test:{port} {{\n    bind 127.0.0.1\n    template ANY ANY {{\n        rcode SERVFAIL\n    }}\n}}\n")
        });
        coredns.run();
        coredns
    }

    /// Knows the same names, and answers over TLS and QUIC too, with a certificate of `authority`.
    pub(crate) fn start_encrypted(stage: &Stage, authority: &Authority) -> Self {
        let zones = zones(stage, CLUSTER, ROOT);
        let shown = authority.certify(stage);
        let tls = format!("tls {} {}", shown.certificate.display(), shown.key.display());
        let encrypted = free_port();
        let mut coredns = Self::declare(stage, "Corefile", |port| {
            let block = |scheme: &str, port: u16, more: &str| {
                format!(
                    "{scheme}.:{port} {{\n    bind 127.0.0.1\n    log . \"asked {{name}} {{type}} {{proto}}\"\n    errors\n    {zones}\n    {more}\n}}\n"
                )
            };
            [block("", port, ""), block("tls://", encrypted, &tls), block("quic://", encrypted, &tls)].concat()
        });
        coredns.encrypted = encrypted;
        coredns.run();
        coredns
    }

    /// Shows a certificate of `authority` from now on: reads all anew and closes its connections, without being away.
    pub(crate) fn renew(&self, stage: &Stage, authority: &Authority) {
        authority.certify(stage);
        let process = self.process.as_ref().expect("it runs");
        let before = process.count("reloading complete");
        process.signal("USR1");
        eventually("CoreDNS has reloaded", seconds(20), || process.count("reloading complete") > before);
    }

    fn declare(stage: &Stage, name: &str, corefile: impl FnOnce(u16) -> String) -> Self {
        let port = free_port();
        Self { process: None, corefile: stage.file(name, &corefile(port)), host: Ipv4Addr::LOCALHOST, port, encrypted: 0 }
    }

    /// Starts it again, where it was stopped.
    pub(crate) fn run(&mut self) {
        self.process = Some(Process::start(Command::new(program()).arg("-conf").arg(&self.corefile)));
        let address = self.address();
        eventually("CoreDNS answers", seconds(20), || {
            let client = Udp::to(address);
            client.send(&a("kubernetes.default.svc.cluster.local.").encode());
            client.receive(Duration::from_millis(200)).is_some()
        });
    }

    /// Ends it on the spot.
    pub(crate) fn stop(&mut self) {
        self.process = None;
    }

    /// Takes what is sent to it and says nothing.
    pub(crate) fn freeze(&self) {
        self.process.as_ref().expect("it runs").signal("STOP");
    }

    /// Where it listens, UDP and TCP.
    pub(crate) fn address(&self) -> SocketAddr {
        (self.host, self.port).into()
    }

    /// As an upstream over TCP.
    pub(crate) fn tcp(&self) -> String {
        format!("tcp://{}", self.address())
    }

    /// As an upstream over UDP.
    pub(crate) fn udp(&self) -> String {
        format!("udp://{}", self.address())
    }

    /// As an upstream over TLS.
    pub(crate) fn tls(&self) -> String {
        format!("tls://{}:{}#{NAME}", Ipv4Addr::LOCALHOST, self.encrypted)
    }

    /// As an upstream over QUIC.
    pub(crate) fn quic(&self) -> String {
        format!("quic://{}:{}#{NAME}", Ipv4Addr::LOCALHOST, self.encrypted)
    }

    /// How often it was asked for `name`, of any type.
    pub(crate) fn asked(&self, name: &str) -> usize {
        self.counted(&format!("asked {name} "))
    }

    /// How often it was asked for names below `zone`.
    pub(crate) fn asked_below(&self, zone: &str) -> usize {
        self.counted(&format!(".{zone} "))
    }

    /// How often it was asked for `name` A over `transport`.
    pub(crate) fn asked_over(&self, transport: &str, name: &str) -> usize {
        self.counted(&format!("asked {name} A {transport}"))
    }

    /// It writes down a query after it has answered it: gives the last ones time.
    fn counted(&self, text: &str) -> usize {
        sleep(Duration::from_millis(100));
        self.process.as_ref().map_or(0, |process| process.count(text))
    }
}

fn zones(stage: &Stage, cluster: &str, root: &str) -> String {
    let (cluster, root) = (stage.file("cluster.zone", cluster), stage.file("root.zone", root));
    format!("file {} cluster.local\n    file {} .", cluster.display(), root.display())
}

/// The program; built where it is not at hand.
pub(crate) fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let build = Path::new(env!("CARGO_MANIFEST_DIR")).join("integration/coredns/build");
        let output = Command::new(&build).output().unwrap();
        assert!(output.status.success(), "{} failed:\n{}", build.display(), String::from_utf8_lossy(&output.stderr));
        PathBuf::from(String::from_utf8(output.stdout).unwrap().trim_end())
    })
}
