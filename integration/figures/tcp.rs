//! The load over TCP: a hundred connections of ten clients, each with sixteen queries on their way at a time.

use std::cell::Cell;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use futures_util::future::{join_all, try_join_all};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime;
use tokio::time::timeout;

use crate::load::{Expect, QUERY, is_right, read_clock, write_query};
use crate::questions::Questions;

/// Connections.
const CONNECTIONS: u32 = 100;
/// Addresses that they come from, so that no limit a client holds them up.
const CLIENTS: u32 = 10;
/// Queries written together, and waited for together.
const PIPELINE: usize = 16;
/// Octets of the largest frame.
const FRAME: usize = 2 + QUERY;
/// Answers without which a connection is given up after this long.
const PATIENCE: Duration = Duration::from_secs(1);

/// What came of a run.
#[derive(Default)]
pub(crate) struct Outcome {
    /// Right answers within the window.
    pub(crate) answered: Cell<u64>,
    /// Queries whose right answer never came.
    pub(crate) lost: Cell<u64>,
}

/// Asks `target` for `window` what is popular.
///
/// # Errors
/// A connection is refused.
pub(crate) fn run(target: SocketAddr, questions: &Questions, window: Duration) -> io::Result<Outcome> {
    runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let streams = try_join_all((0..CONNECTIONS).map(|number| connect(number, target))).await?;
        let (outcome, end) = (Outcome::default(), read_clock() + window);
        let talks = (0..CONNECTIONS).zip(streams).map(|(number, stream)| converse(number, stream, target, questions, end, &outcome));
        join_all(talks).await.into_iter().collect::<io::Result<()>>()?;
        Ok(outcome)
    })
}

async fn connect(number: u32, target: SocketAddr) -> io::Result<TcpStream> {
    let client = u8::try_from(number % CLIENTS).unwrap_or_default();
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind((Ipv4Addr::new(127, 0, 1, 1 + client), 0).into())?;
    let stream = socket.connect(target).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Asks until `end`, on another connection where the server closes one.
async fn converse(
    number: u32,
    mut stream: TcpStream,
    target: SocketAddr,
    questions: &Questions,
    end: Instant,
    outcome: &Outcome,
) -> io::Result<()> {
    let mut batch = Batch::new(questions, number);
    while read_clock() < end {
        let finished = matches!(timeout(PATIENCE, batch.exchange(&mut stream)).await, Ok(Ok(())));
        if read_clock() < end {
            outcome.answered.set(outcome.answered.get() + batch.right as u64);
        }
        outcome.lost.set(outcome.lost.get() + (PIPELINE - batch.right) as u64);
        if !finished {
            stream = connect(number, target).await?;
        }
    }
    Ok(())
}

/// Queries of one connection that wait together.
struct Batch<'q> {
    questions: &'q Questions,
    serial: u64,
    names: [u32; PIPELINE],
    queries: Vec<u8>,
    replies: Vec<u8>,
    /// Right answers to it.
    right: usize,
}

impl<'q> Batch<'q> {
    /// The connections begin at different places of the sequence.
    fn new(questions: &'q Questions, number: u32) -> Self {
        const APART: u64 = 641;
        let serial = u64::from(number) * APART;
        Self { questions, serial, names: [0; PIPELINE], queries: Vec::new(), replies: Vec::with_capacity(1 << 14), right: 0 }
    }

    /// Writes the next queries in one, and reads until as many answers have come.
    async fn exchange(&mut self, stream: &mut TcpStream) -> io::Result<()> {
        self.write();
        stream.write_all(&self.queries).await?;
        let mut came = 0;
        while came < PIPELINE {
            if stream.read_buf(&mut self.replies).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            came += self.take_replies();
        }
        Ok(())
    }

    fn write(&mut self) {
        self.queries.clear();
        self.replies.clear();
        self.right = 0;
        for id in 0..PIPELINE {
            self.names[id] = self.questions.pick(self.serial);
            self.serial += 1;
            let mut frame = [0; FRAME];
            let length = write_query(&mut frame[2..], id as u16, self.questions, self.names[id]);
            frame[..2].copy_from_slice(&(length as u16).to_be_bytes());
            self.queries.extend_from_slice(&frame[..2 + length]);
        }
    }

    /// Counts the whole replies that have come, in whatever order.
    fn take_replies(&mut self) -> usize {
        let (mut came, mut at) = (0, 0);
        while let Some((length, rest)) = self.replies[at..].split_first_chunk() {
            let Some(reply) = rest.get(..usize::from(u16::from_be_bytes(*length))) else { break };
            let id = reply.first_chunk().map_or(PIPELINE, |id| usize::from(u16::from_be_bytes(*id)));
            let right = self.names.get(id).is_some_and(|&name| is_right(reply, name, self.questions, Expect::Record));
            self.right += usize::from(right);
            came += 1;
            at += 2 + reply.len();
        }
        self.replies.drain(..at);
        came
    }
}
