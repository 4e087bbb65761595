//! The replay: several doorsteps side by side, each asked its own trace at the same pace, all before one CoreDNS.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::thread;
use std::time::Duration;

use socket2::SockRef;

use super::queries::{Asked, OUTSIDE, SEARCH, draw};
use super::zones::{self, TTL};
use crate::contenders::{DOORSTEP, Forward, Room, Site};
use crate::load::read_clock;
use crate::metrics;
use crate::server::{Server, free_address};
use crate::table::{grouped, markdown, number};
use crate::transport::Transport;
use crate::transports::Setting;

/// How many names each trace has.
const NAMES: [u32; 5] = [50, 100, 200, 500, 2_000];
/// What each is replayed against: words for the table, and the line that the zone `cluster.local` has in the configuration file.
const CAPS: [(&str, &str); 2] =
    [("as installed", ""), ("`max_negative_ttl: 30s`", "zones:\n  - { name: cluster.local, profile: cluster, max_negative_ttl: 30s }\n")];
/// Queries a second of one node.
const PER_SECOND: u32 = 1_000;
/// Receive buffer asked for, in octets; the kernel gives what rmem_max allows.
const BUFFER: usize = 4 << 20;
/// A and AAAA, which share a message id.
const TYPES: [u8; 2] = [1, 28];

/// One replay.
struct Node {
    names: u32,
    caps: usize,
    /// It runs as long as this.
    _doorstep: Server,
    upstream: SocketAddr,
    socket: UdpSocket,
    trace: Vec<Asked>,
    /// Queries that CoreDNS had answered before.
    before: f64,
    right: u64,
    wrong: u64,
}

/// Replays all traces for `setting.effort.trace`; returns the table and a paragraph that says what was asked.
///
/// # Errors
/// Something cannot be started, or is gone.
pub(crate) fn replay(setting: &Setting<'_>, tell: impl Fn(&str) -> io::Result<()>) -> io::Result<String> {
    let queries = PER_SECOND * setting.effort.trace.as_secs() as u32;
    tell(&format!("traces, {} replays of {queries} queries side by side", NAMES.len() * CAPS.len()))?;
    let addresses = (0..NAMES.len() * CAPS.len()).map(|_| free_address()).collect::<io::Result<Vec<_>>>()?;
    let central = zones::serve(NAMES[NAMES.len() - 1], &addresses, setting)?;
    let mut nodes = Vec::new();
    for (at, &upstream) in addresses.iter().enumerate() {
        nodes.push(Node::start(NAMES[at / CAPS.len()], at % CAPS.len(), upstream, queries, setting)?);
    }
    for node in &mut nodes {
        node.before = asked_of(&central, node.upstream);
    }
    play(&mut nodes)?;
    let rows: Vec<Vec<String>> = NAMES.iter().map(|&names| cells(names, &nodes, &central)).collect();
    let (right, wrong) = nodes.iter().fold((0, 0), |(right, wrong), node| (right + node.right, wrong + node.wrong));
    let lost = u64::from(queries) * nodes.len() as u64 - right - wrong;
    Ok(format!(
        "{table}\nThe trace: {queries} queries of one node at {pace} a second; names by Zipf's law (exponent 1), one in {OUTSIDE} \
         outside the cluster, one in {OUTSIDE} a Service asked for as `NAME.NAMESPACE`, the others Services of the pod's own namespace; \
         `ndots:5` with the search list `{search}`; A and AAAA of each at once; TTL {TTL} s, of denials too. Without doorstep every query \
         leaves the node. Of all replays together {wrong} answers were wrong and {lost} lost.\n",
        table = markdown(&headings(), &rows),
        queries = grouped(f64::from(queries), 0),
        pace = grouped(f64::from(PER_SECOND), 0),
        search = SEARCH.join(" "),
    ))
}

impl Node {
    fn start(names: u32, caps: usize, upstream: SocketAddr, queries: u32, setting: &Setting<'_>) -> io::Result<Self> {
        let forward = Forward { address: upstream, transport: Transport::Tcp, authority: setting.certificates.authority.clone() };
        let site = Site { programs: setting.programs, forward: &forward, room: Room::Ample, state: setting.state };
        let program = DOORSTEP.program(&site)?;
        let file = site.file("doorstep.yaml", program.address);
        OpenOptions::new().append(true).open(file)?.write_all(CAPS[caps].1.as_bytes())?;
        let server = Server::start(&program, setting.state)?;
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.connect(server.address)?;
        socket.set_nonblocking(true)?;
        SockRef::from(&socket).set_recv_buffer_size(BUFFER)?;
        let trace = draw(names, queries as usize / TYPES.len());
        Ok(Self { names, caps, _doorstep: server, upstream, socket, trace, before: f64::NAN, right: 0, wrong: 0 })
    }

    /// Asks the pair `at`; its place in the trace is the message id.
    fn ask(&self, at: usize) -> io::Result<()> {
        for kind in TYPES {
            let mut query = vec![(at >> 8) as u8, at as u8, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
            for label in self.trace[at].qname.split('.') {
                query.push(label.len() as u8);
                query.extend_from_slice(label.as_bytes());
            }
            query.extend_from_slice(&[0, 0, kind, 0, 1]);
            self.socket.send(&query)?;
        }
        Ok(())
    }

    /// Takes the answers that are there.
    fn receive(&mut self) -> io::Result<()> {
        const NXDOMAIN: u8 = 3;
        let mut reply = [0; 1_232];
        loop {
            let length = match self.socket.recv(&mut reply) {
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            let id = usize::from(u16::from_be_bytes([reply[0], reply[1]]));
            let Some(asked) = self.trace.get(id) else { continue };
            let rcode = if asked.exists { 0 } else { NXDOMAIN };
            let right = length > 12 && reply[3] & 0x0f == rcode;
            *(if right { &mut self.right } else { &mut self.wrong }) += 1;
        }
    }
}

/// Pair by pair at its time, all nodes alike.
fn play(nodes: &mut [Node]) -> io::Result<()> {
    const BREATH: Duration = Duration::from_micros(200);
    const PATIENCE: Duration = Duration::from_secs(5);
    let pairs = nodes.first().map_or(0, |node| node.trace.len());
    let (begin, mut asked) = (read_clock(), 0);
    let last = Duration::from_secs_f64(pairs as f64 * TYPES.len() as f64 / f64::from(PER_SECOND));
    while begin.elapsed() < last + PATIENCE {
        let due = (begin.elapsed().as_secs_f64() * f64::from(PER_SECOND)) as usize / TYPES.len();
        for at in asked..due.min(pairs) {
            nodes.iter().try_for_each(|node| node.ask(at))?;
        }
        asked = due.min(pairs);
        nodes.iter_mut().try_for_each(Node::receive)?;
        if asked == pairs && nodes.iter().all(|node| node.right + node.wrong >= (pairs * TYPES.len()) as u64) {
            return Ok(());
        }
        thread::sleep(BREATH);
    }
    Ok(())
}

/// Queries that `central` has had on the port of `upstream`.
fn asked_of(central: &Server, upstream: SocketAddr) -> f64 {
    let asked = metrics::sum(central.address, "coredns_dns_requests_total", &format!("dns://{upstream}\""));
    if asked.is_nan() { 0.0 } else { asked }
}

fn headings() -> Vec<String> {
    let caps = CAPS.iter().flat_map(|(words, _)| [format!("queries that left, {words}"), "stayed".to_owned()]);
    std::iter::once("names".to_owned()).chain(caps).collect()
}

fn cells(names: u32, nodes: &[Node], central: &Server) -> Vec<String> {
    let mut cells = vec![grouped(f64::from(names), 0)];
    for caps in 0..CAPS.len() {
        for node in nodes.iter().filter(|node| node.names == names && node.caps == caps) {
            let left = asked_of(central, node.upstream) - node.before;
            // What was lost on the way to doorstep, or refused by it, could not leave the node either.
            let answered = node.right as f64;
            cells.push(number(left, 0));
            cells.push(format!("{:.1} %", 100.0 * (1.0 - left / answered)));
        }
    }
    cells
}
