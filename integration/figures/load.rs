//! The load generator: open loop, one thread, a few connected sockets, never asleep while it has a schedule to keep.
//!
//! A query goes out at its scheduled time whether or not earlier ones were answered, and its latency counts from that time: a server
//! that stalls is charged for every query it made wait (no coordinated omission). An answer counts only if id, question and rcode are
//! right and it brings a record.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use doorstep::listen::batch::{Inbox, Outbox};
use socket2::SockRef;

use crate::in_flight::{InFlight, Waiting};
use crate::questions::{QUESTION, Questions};

/// Sockets as a rule, so that the kernel and the servers see several clients.
pub(crate) const SOCKETS: usize = 8;
/// Datagrams handed to the kernel together.
const BATCH: usize = 32;
/// Octets of the largest answer looked at.
const ANSWER: usize = 512;
/// Octets of a DNS header.
const HEADER: usize = 12;
/// Octets of the largest query.
pub(crate) const QUERY: usize = HEADER + QUESTION;
/// RD, one question.
const FLAGS_AND_COUNTS: [u8; HEADER - 2] = [1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
/// A query without an answer for this long is lost.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long to leave the core to others when nothing came.
const BREATH: Duration = Duration::from_micros(20);
/// Receive buffer asked for, in octets; the kernel gives what rmem_max allows.
const BUFFER: usize = 4 << 20;

/// When queries are sent.
#[derive(Clone, Copy)]
pub(crate) enum Pace {
    /// Evenly spaced, whatever comes back.
    PerSecond(f64),
    /// As many as keep this number waiting, with the core left to the upstream in between.
    Waiting(u64),
}

/// What a reply must be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expect {
    /// NOERROR with at least one record.
    Record,
    /// The query with QR set: the floor knows no records.
    Echo,
}

/// What came of a run. Lost and wrong together are the failures.
pub(crate) struct Outcome {
    /// Queries sent.
    pub(crate) sent: u64,
    /// Right answers within the window.
    pub(crate) answered: u64,
    /// Queries whose answer never came.
    pub(crate) lost: u64,
    /// Answers with another question, a failure, or no record.
    pub(crate) wrong: u64,
    /// How long queries were sent, in seconds.
    pub(crate) seconds: f64,
    /// Nanoseconds from scheduled time to right answer, unsorted.
    pub(crate) latencies: Vec<u64>,
}

impl Outcome {
    /// Right answers a second.
    pub(crate) fn rate(&self) -> f64 {
        self.answered as f64 / self.seconds
    }

    /// The latency that the share `quantile` stays below, in microseconds; NaN without answers.
    pub(crate) fn latency(&mut self, quantile: f64) -> f64 {
        self.latencies.sort_unstable();
        let at = (self.latencies.len() as f64 * quantile) as usize;
        self.latencies.get(at).map_or(f64::NAN, |&nanos| nanos as f64 / 1_000.0)
    }
}

struct Lane {
    socket: UdpSocket,
    in_flight: InFlight,
}

/// A sequence of queries to one server.
pub(crate) struct Stream<'q> {
    /// Whom to ask.
    pub(crate) target: SocketAddr,
    /// What to ask.
    pub(crate) questions: &'q Questions,
    /// What its replies must be.
    pub(crate) expect: Expect,
    /// When to ask.
    pub(crate) pace: Pace,
    /// Sockets to ask from.
    pub(crate) sockets: usize,
}

struct Generator<'q> {
    pace: Pace,
    /// Queries to send at most.
    limit: u64,
    lanes: Vec<Lane>,
    turn: usize,
    inbox: Inbox,
    outbox: Outbox,
    questions: &'q Questions,
    expect: Expect,
    started: Instant,
    outcome: Outcome,
}

/// Asks `target` for `duration`, then waits for the rest.
///
/// # Errors
/// What the operating system says against the sockets.
pub(crate) fn run(target: SocketAddr, questions: &Questions, expect: Expect, pace: Pace, duration: Duration) -> io::Result<Outcome> {
    Stream { target, questions, expect, pace, sockets: SOCKETS }.run(duration)
}

/// Asks `target` the first `count` questions, `waiting` of them at once.
///
/// # Errors
/// What the operating system says against the sockets.
pub(crate) fn ask_all(target: SocketAddr, questions: &Questions, expect: Expect, waiting: u64, count: u32) -> io::Result<Outcome> {
    let stream = Stream { target, questions, expect, pace: Pace::Waiting(waiting), sockets: SOCKETS };
    Generator::connect(&stream, u64::from(count))?.run(u64::MAX)
}

/// Asks all `streams` side by side for `duration`, then waits for the rest. The core is left to the upstream whenever nothing comes, so
/// that a query may go out some ten microseconds late.
///
/// # Errors
/// What the operating system says against the sockets.
pub(crate) fn run_together(streams: &[Stream<'_>], duration: Duration) -> io::Result<Vec<Outcome>> {
    let mut generators = streams.iter().map(|stream| Generator::connect(stream, u64::MAX)).collect::<io::Result<Vec<_>>>()?;
    let begin = read_clock();
    while begin.elapsed() < duration {
        let mut received = 0;
        for generator in &mut generators {
            received += generator.step(generator.now())?;
        }
        if received == 0 {
            thread::sleep(BREATH);
        }
    }
    generators.into_iter().map(Generator::finish).collect()
}

/// Asks each of the `names` popular names, until all are answered in one go.
///
/// # Errors
/// What the operating system says, or that some stay without an answer.
pub(crate) fn warm(target: SocketAddr, names: u32, expect: Expect) -> io::Result<()> {
    const ROUNDS: u32 = 20;
    const AT_ONCE: u64 = 32;
    let questions = Questions::each_once(names);
    for _ in 0..ROUNDS {
        let outcome = ask_all(target, &questions, expect, AT_ONCE, names)?;
        if outcome.lost + outcome.wrong == 0 {
            return Ok(());
        }
    }
    Err(io::Error::other(format!("{target} does not answer all of {names} names after {ROUNDS} rounds")))
}

/// Whether `target` answers one question within `patience`.
pub(crate) fn ask_once(target: SocketAddr, expect: Expect, patience: Duration) -> bool {
    let connect = || {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.connect(target)?;
        socket.set_read_timeout(Some(patience))?;
        io::Result::Ok(socket)
    };
    connect().is_ok_and(|socket| ask_through(&socket, expect))
}

/// Whether one question is answered through a connected `socket` within its read timeout.
pub(crate) fn ask_through(socket: &UdpSocket, expect: Expect) -> bool {
    let questions = Questions::each_once(1);
    let (mut query, mut reply) = ([0; QUERY], [0; ANSWER]);
    let length = write_query(&mut query, 0, &questions, 0);
    let answered = socket.send(&query[..length]).and_then(|_| socket.recv(&mut reply));
    answered.is_ok_and(|length| is_right(&reply[..length], 0, &questions, expect))
}

/// Writes the query `id` for `name` to `out`, which holds at least [`QUERY`]; returns its octets.
pub(crate) fn write_query(out: &mut [u8], id: u16, questions: &Questions, name: u32) -> usize {
    out[..2].copy_from_slice(&id.to_be_bytes());
    out[2..HEADER].copy_from_slice(&FLAGS_AND_COUNTS);
    HEADER + questions.write(name, &mut out[HEADER..])
}

impl Stream<'_> {
    /// Asks for `duration`, then waits for the rest.
    ///
    /// # Errors
    /// What the operating system says against the sockets.
    pub(crate) fn run(&self, duration: Duration) -> io::Result<Outcome> {
        Generator::connect(self, u64::MAX)?.run(nanos(duration))
    }
}

impl<'q> Generator<'q> {
    fn connect(stream: &Stream<'q>, limit: u64) -> io::Result<Self> {
        let &Stream { target, questions, expect, pace, sockets } = stream;
        let lanes = (0..sockets).map(|_| Lane::connect(target)).collect::<io::Result<_>>()?;
        let outcome = Outcome { sent: 0, answered: 0, lost: 0, wrong: 0, seconds: 0.0, latencies: Vec::with_capacity(1 << 20) };
        let (inbox, outbox) = (Inbox::new(BATCH, ANSWER), Outbox::new(BATCH, QUERY));
        Ok(Self { pace, limit, lanes, turn: 0, inbox, outbox, questions, expect, started: read_clock(), outcome })
    }

    /// Until `window` nanoseconds are over or the limit is asked, and its answers are in or given up.
    fn run(mut self, window: u64) -> io::Result<Outcome> {
        let mut now = 0;
        while now < window && self.outcome.ended() < self.limit {
            let received = self.step(now)?;
            if received == 0 && matches!(self.pace, Pace::Waiting(_)) {
                // The upstream shares this core, and there is no schedule to miss.
                thread::sleep(BREATH);
            }
            now = self.now();
        }
        self.finish()
    }

    /// Sends what is due and takes what has come; returns how much has.
    fn step(&mut self, now: u64) -> io::Result<usize> {
        self.send_due(now)?;
        self.receive()
    }

    /// The window is over. What comes now has a latency, but counts not as answered within.
    fn finish(mut self) -> io::Result<Outcome> {
        self.outcome.seconds = self.now() as f64 / 1e9;
        let answered = self.outcome.answered;
        while self.lanes.iter().any(|lane| lane.in_flight.len() > 0) {
            self.receive()?;
        }
        self.outcome.answered = answered;
        Ok(self.outcome)
    }

    /// Nanoseconds of the run.
    fn now(&self) -> u64 {
        nanos(read_clock().duration_since(self.started))
    }

    /// Sends what is due, one batch at most, from the socket whose turn it is.
    fn send_due(&mut self, now: u64) -> io::Result<()> {
        let sent = self.outcome.sent;
        let due = match self.pace {
            Pace::PerSecond(rate) => (now as f64 * rate / 1e9) as u64 + 1,
            Pace::Waiting(bound) => self.outcome.ended() + bound,
        };
        let count = due.min(self.limit).saturating_sub(sent).min(BATCH as u64);
        if count == 0 {
            return Ok(());
        }
        self.turn = (self.turn + 1) % self.lanes.len();
        for serial in sent..sent + count {
            let scheduled = match self.pace {
                Pace::PerSecond(rate) => (serial as f64 * 1e9 / rate) as u64,
                Pace::Waiting(_) => now,
            };
            self.push(serial, scheduled);
        }
        self.outcome.sent += count;
        let (_, refused) = self.outbox.send(&self.lanes[self.turn].socket);
        if refused == 0 { Ok(()) } else { Err(io::Error::other(format!("the kernel took {refused} queries not"))) }
    }

    fn push(&mut self, serial: u64, scheduled: u64) {
        let name = self.questions.pick(serial);
        let (id, lost) = self.lanes[self.turn].in_flight.ask(Waiting { scheduled, name });
        self.outcome.lost += u64::from(lost);
        let Some(query) = self.outbox.buffer() else { return };
        let length = write_query(query, id, self.questions, name);
        self.outbox.push(length, None, None);
    }

    /// Takes one batch from every socket that waits for something; returns how many came.
    fn receive(&mut self) -> io::Result<usize> {
        let mut received = 0;
        for lane in &mut self.lanes {
            if lane.in_flight.len() == 0 {
                continue;
            }
            let count = match self.inbox.receive(&lane.socket) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                Err(error) => return Err(error),
            };
            received += count;
            let now = nanos(read_clock().duration_since(self.started));
            for index in 0..count {
                let octets = self.inbox.datagram(index).octets;
                self.outcome.count(octets, &mut lane.in_flight, self.questions, self.expect, now);
            }
            self.outcome.lost += lane.in_flight.give_up(now.saturating_sub(nanos(PATIENCE)));
        }
        Ok(received)
    }
}

impl Outcome {
    /// Queries that wait no longer.
    fn ended(&self) -> u64 {
        self.answered + self.lost + self.wrong
    }

    fn count(&mut self, reply: &[u8], in_flight: &mut InFlight, questions: &Questions, expect: Expect, now: u64) {
        let Some(query) = reply.first_chunk().and_then(|id| in_flight.answer(u16::from_be_bytes(*id))) else { return };
        if is_right(reply, query.name, questions, expect) {
            self.answered += 1;
            self.latencies.push(now.saturating_sub(query.scheduled));
        } else {
            self.wrong += 1;
        }
    }
}

/// Whether `reply` is a right answer to `name`.
pub(crate) fn is_right(reply: &[u8], name: u32, questions: &Questions, expect: Expect) -> bool {
    let mut question = [0; QUESTION];
    let length = questions.write(name, &mut question);
    let Some((header, rest)) = reply.split_first_chunk::<HEADER>() else { return false };
    let is_reply = header[2] & 0x80 != 0 && header[3] & 0x0f == 0;
    let has_record = header[6..8] != [0, 0];
    is_reply && (has_record || expect == Expect::Echo) && rest.starts_with(&question[..length])
}

impl Lane {
    fn connect(target: SocketAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        SockRef::from(&socket).set_recv_buffer_size(BUFFER)?;
        socket.connect(target)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, in_flight: InFlight::new() })
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The time now.
#[expect(clippy::disallowed_methods, reason = "the generator lives by the clock")]
pub(crate) fn read_clock() -> Instant {
    Instant::now()
}
