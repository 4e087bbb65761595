//! The real program.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use super::ports::free_port;
use super::{CoreDns, Process, Question, Reply, Stage, Tcp, Udp, eventually, seconds};

/// Runs until it ends or is dropped.
pub(crate) struct Doorstep {
    pub(crate) process: Process,
    dns: u16,
    admin: u16,
}

impl Doorstep {
    /// In front of `coredns` over TCP, ready to answer.
    pub(crate) fn before(coredns: &CoreDns) -> Self {
        Self::with(&["--upstream", &coredns.tcp()]).ready()
    }

    /// In front of `coredns`, with this configuration file, ready to answer.
    pub(crate) fn configured(stage: &Stage, coredns: &CoreDns, yaml: &str) -> Self {
        let file = stage.file("doorstep.yaml", yaml);
        Self::with(&["--upstream", &coredns.tcp(), "--config", file.to_str().unwrap()]).ready()
    }

    /// Started with these flags, besides those for its listeners, and a short drain.
    pub(crate) fn with(flags: &[&str]) -> Self {
        Self::on(free_port(), flags)
    }

    /// The same, on this port.
    pub(crate) fn on(dns: u16, flags: &[&str]) -> Self {
        Self::start(Command::new(env!("CARGO_BIN_EXE_doorstep")), dns, flags)
    }

    /// With no more than so many file descriptors to be had.
    pub(crate) fn short_of_descriptors(most: u32, flags: &[&str]) -> Self {
        let mut command = Command::new("prlimit");
        command.args([&format!("--nofile={most}:{most}"), env!("CARGO_BIN_EXE_doorstep")]);
        Self::start(command, free_port(), flags)
    }

    fn start(mut command: Command, dns: u16, flags: &[&str]) -> Self {
        let admin = free_port();
        command.args(["--listen", &format!("127.0.0.1:{dns}"), "--listen", &format!("[::1]:{dns}")]);
        command.args(["--admin", &format!("127.0.0.1:{admin}")]).args(flags);
        if !flags.contains(&"--drain") {
            command.args(["--drain", "1s"]);
        }
        command.env("POD_NAME", "doorstep-test").env("NO_COLOR", "1");
        Self { process: Process::start(&mut command), dns, admin }
    }

    /// Waits until it is ready.
    pub(crate) fn ready(self) -> Self {
        eventually("doorstep is ready", seconds(20), || self.page("/readyz").is_some_and(|(status, _)| status == 200));
        self
    }

    /// Where it listens over IPv4.
    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.dns).into()
    }

    /// Where it listens over IPv6.
    pub(crate) fn address6(&self) -> SocketAddr {
        (Ipv6Addr::LOCALHOST, self.dns).into()
    }

    /// A client over UDP.
    pub(crate) fn udp(&self) -> Udp {
        Udp::to(self.address())
    }

    /// A client over TCP.
    pub(crate) fn tcp(&self) -> Tcp {
        Tcp::to(self.address())
    }

    /// Asks once over UDP, from a socket of its own.
    pub(crate) fn ask(&self, question: &Question) -> Reply {
        self.udp().ask(question)
    }

    /// An admin page: HTTP status and body; `None`: nobody answers.
    pub(crate) fn page(&self, path: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.admin)).ok()?;
        stream.set_read_timeout(Some(seconds(5))).ok()?;
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: doorstep\r\nConnection: close\r\n\r\n").as_bytes()).ok()?;
        let mut response = String::new();
        stream.read_to_string(&mut response).ok()?;
        let (head, body) = response.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, body.to_owned()))
    }

    /// `/readyz`, which must answer.
    pub(crate) fn readiness(&self) -> (u16, String) {
        self.page("/readyz").expect("the admin page answers")
    }

    /// `/status`.
    pub(crate) fn status(&self) -> serde_json::Value {
        serde_json::from_str(&self.page("/status").expect("the admin page answers").1).unwrap()
    }

    /// The sum of a metric over all its labels; `name` may end in `{label="value"` to choose among them.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let page = self.page("/metrics").expect("the admin page answers").1;
        let of_name = |line: &&str| line.strip_prefix(name).is_some_and(|rest| name.contains('{') || rest.starts_with([' ', '{']));
        let values: Vec<f64> = page.lines().filter(of_name).filter_map(|line| line.rsplit(' ').next()?.parse().ok()).collect();
        assert!(!values.is_empty(), "no metric {name} in\n{page}");
        values.iter().sum()
    }

    /// Waits until its log has a line with `text`.
    pub(crate) fn says(&self, text: &str) {
        eventually(&format!("the log says {text:?}"), seconds(10), || self.process.count(text) > 0);
    }

    /// Waits for its end; the exit code, or `None` where a signal ended it.
    pub(crate) fn exit(&mut self, within: Duration) -> Option<i32> {
        self.process.exit(within).code()
    }
}
