//! The real program: its memory under names that nobody asks again, and what it pays for an answer.

use std::error::Error;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::memory::anonymous;
use crate::names::query;

/// In flight at a time.
const BURST: usize = 100;
const HOT: usize = 1_000;
/// Of a flood, so many parts, with all hot names asked after each.
const PARTS: usize = 200;

/// Runs until it is dropped, in front of an upstream that knows one address for every name.
pub(crate) struct Agent {
    child: Child,
    client: UdpSocket,
    admin: SocketAddr,
}

/// What a flood did.
pub(crate) struct Flooded {
    /// Octets resident once hot names are known, at most during the flood, and at its end.
    pub(crate) resident: [u64; 3],
    /// Hits of hot names by questions for them.
    pub(crate) hot: f64,
    /// Unique names answered.
    pub(crate) answered: usize,
}

impl Agent {
    /// With a cache of so many MiB.
    pub(crate) fn start(mebibytes: u64) -> Result<Self, Box<dyn Error>> {
        let upstream = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let upstream_address = upstream.local_addr()?;
        std::thread::spawn(move || answer(&upstream));
        let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        client.set_read_timeout(Some(Duration::from_secs(1)))?;
        let free = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr();
        let (dns, admin) = (free()?, free()?);
        let program = PathBuf::from(env!("CARGO_BIN_EXE_doorstep"));
        let file = program.with_file_name("cache-bench.yaml");
        fs::write(&file, format!("cache: {{ size: {mebibytes}MiB }}\n"))?;
        let child = Command::new(program)
            .args(["--listen", &dns.to_string(), "--admin", &admin.to_string(), "--kubernetes", "off", "--log-level", "error"])
            .args(["--upstream", &format!("udp://{upstream_address}"), "--config"])
            .arg(&file)
            .stdin(Stdio::null())
            .spawn()?;
        client.connect(dns)?;
        let agent = Self { child, client, admin };
        // A port that nobody has bound yet refuses: that is an error of the next call.
        for _ in 0..100 {
            if agent.ask("first", 0..1).is_ok_and(|answered| answered == 1) {
                return Ok(agent);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Err("doorstep does not answer".into())
    }

    /// Octets resident that are no file's.
    pub(crate) fn resident(&self) -> Result<u64, Box<dyn Error>> {
        Ok(anonymous(self.child.id())?)
    }

    /// Asks for these names of a kind; how many were answered.
    pub(crate) fn ask(&self, kind: &str, numbers: std::ops::Range<usize>) -> Result<usize, Box<dyn Error>> {
        let (mut answered, mut reply) = (0, [0; 1232]);
        for first in numbers.clone().step_by(BURST) {
            let burst = first..numbers.end.min(first + BURST);
            for number in burst.clone() {
                self.client.send(&query(&format!("{kind}-{number}.default.svc.cluster.local")))?;
            }
            answered += burst.map_while(|_| self.client.recv(&mut reply).ok()).count();
        }
        Ok(answered)
    }

    /// The sum of a metric over all its labels.
    pub(crate) fn metric(&self, name: &str) -> Result<f64, Box<dyn Error>> {
        let mut stream = TcpStream::connect(self.admin)?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: doorstep\r\nConnection: close\r\n\r\n")?;
        let mut page = String::new();
        stream.read_to_string(&mut page)?;
        let of_name = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{']));
        Ok(page.lines().filter(of_name).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum())
    }

    /// Asks for so many names, each once, and for hot names all the while.
    pub(crate) fn flood(&self, names: usize) -> Result<Flooded, Box<dyn Error>> {
        for _ in 0..4 {
            self.ask("hot", 0..HOT)?;
        }
        let start = self.resident()?;
        let (mut peak, mut answered, mut missed) = (start, 0, 0.0);
        let each = names / PARTS;
        for part in 0..PARTS {
            answered += self.ask("unique", part * each..(part + 1) * each)?;
            let before = self.metric("coredns_cache_misses_total")?;
            self.ask("hot", 0..HOT)?;
            missed += self.metric("coredns_cache_misses_total")? - before;
            peak = peak.max(self.resident()?);
        }
        Ok(Flooded { resident: [start, peak, self.resident()?], hot: 1.0 - missed / (PARTS * HOT) as f64, answered })
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The upstream: one address for every name.
fn answer(socket: &UdpSocket) {
    let mut message = [0; 512];
    while let Ok((length, client)) = socket.recv_from(&mut message) {
        let name = message[12..length].iter().position(|octet| *octet == 0).unwrap_or(0);
        let end = (12 + name + 5).min(length);
        let header = [message[0], message[1], 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0];
        let record = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x0e\x10\x00\x04\x0a\x60\x00\x01";
        // Whoever asked may be gone.
        socket.send_to(&[&header, &message[12..end], record].concat(), client).ok();
    }
}
