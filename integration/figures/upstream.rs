//! Whom all forwarders ask: the real CoreDNS, or a server that takes a millisecond over every answer.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;

use crate::certificates::Certificates;
use crate::contenders::{Forward, LOAD, Programs};
use crate::load::Expect;
use crate::questions::OUTSIDE;
use crate::server::{Program, Server, free_address};
use crate::transport::Transport;

/// A running upstream.
pub(crate) struct Upstream {
    /// It runs.
    pub(crate) server: Server,
    /// TLS over TCP, QUIC over UDP.
    encrypted: SocketAddr,
}

impl Upstream {
    /// A CoreDNS that makes up an A record for every name of the two zones.
    ///
    /// # Errors
    /// It cannot be started.
    pub(crate) fn coredns(programs: &Programs, certificates: &Certificates, state: &Path) -> io::Result<Self> {
        Self::coredns_by(&[], programs, certificates, state)
    }

    /// The same where it need not wait for the load, with which it has its core: it runs as soon as it is asked.
    ///
    /// # Errors
    /// It cannot be started, or not by a real-time policy, which takes root.
    pub(crate) fn prompt_coredns(programs: &Programs, certificates: &Certificates, state: &Path) -> io::Result<Self> {
        Self::coredns_by(&["chrt", "--fifo", "1"], programs, certificates, state)
    }

    fn coredns_by(prefix: &[&str], programs: &Programs, certificates: &Certificates, state: &Path) -> io::Result<Self> {
        let (address, encrypted) = (free_address()?, free_address()?);
        let tls = format!("    tls {} {}\n", certificates.certificate.display(), certificates.key.display());
        let corefile = [block("", address, ""), block("tls://", encrypted, &tls), block("quic://", encrypted, &tls)].concat();
        let server = run_coredns(prefix, programs, "upstream", &corefile, address, state)?;
        Ok(Self { server, encrypted })
    }

    /// A server of our own that answers every query a millisecond after it came, however many wait.
    ///
    /// # Errors
    /// It cannot be started.
    pub(crate) fn concurrent(programs: &Programs, certificates: &Certificates, state: &Path) -> io::Result<Self> {
        let (address, encrypted) = (free_address()?, free_address()?);
        let (figures, shown, key) = (&programs.figures, &certificates.certificate, &certificates.key);
        let mut command = vec![figures.display().to_string(), "concurrent".to_owned(), address.to_string(), encrypted.to_string()];
        command.extend([shown, key].map(|file| file.display().to_string()));
        let program = Program { name: "concurrent", core: LOAD, command, address, expect: Expect::Record };
        Ok(Self { server: Server::start(&program, state)?, encrypted })
    }

    /// How to ask it over `transport`.
    pub(crate) fn over(&self, transport: Transport, certificates: &Certificates) -> Forward {
        let address = if transport.is_encrypted() { self.encrypted } else { self.server.address };
        Forward { address, transport, authority: certificates.authority.clone() }
    }
}

/// Starts a CoreDNS that answers at `address`; `prefix` is a command that becomes it.
///
/// # Errors
/// It cannot be started.
pub(crate) fn run_coredns(
    prefix: &[&str],
    programs: &Programs,
    name: &str,
    corefile: &str,
    address: SocketAddr,
    state: &Path,
) -> io::Result<Server> {
    let file = state.join(format!("{name}.Corefile"));
    fs::write(&file, corefile)?;
    let mut command: Vec<String> = prefix.iter().map(|&word| word.to_owned()).collect();
    command.extend([programs.coredns.display().to_string(), "-quiet".to_owned(), "-conf".to_owned(), file.display().to_string()]);
    Server::start(&Program { name, core: LOAD, command, address, expect: Expect::Record }, state)
}

fn block(scheme: &str, address: SocketAddr, more: &str) -> String {
    format!(
        r#"{scheme}.:{port} {{
    bind {ip}
{more}    template IN A {OUTSIDE} cluster.local {{
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
    )
}
