//! An open loop: each query leaves when it is due, whatever has become of those before.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread::{JoinHandle, spawn};
use std::time::{Duration, Instant};

use tokio::net::UdpSocket;
use tokio::runtime::Builder;
use tokio::task::LocalSet;
use tokio::time::sleep;

use crate::account::Account;
use crate::harness::{Question, a, seconds};
use crate::names::{self, address};

/// A stub resolver gives up after 5 s.
const PATIENCE: Duration = seconds(5);
/// Clients at most, each with an address of its own, and queries a second that one of them asks.
const MOST_CLIENTS: u32 = 16;
const EACH: u32 = 50;
/// Between two looks at what is due.
const TICK: Duration = Duration::from_millis(2);
/// So much of the schedule is caught up with at most.
const BURST: Duration = Duration::from_millis(50);
const SERVFAIL: u8 = 2;

/// What is asked, and how often.
#[derive(Clone, Copy)]
pub(crate) struct Stream {
    pub(crate) zone: &'static str,
    /// Queries a second.
    pub(crate) rate: u32,
    /// Number of the first name; each next query asks for the next.
    pub(crate) first: u32,
    /// After so many names it begins again.
    pub(crate) names: u32,
}

impl Stream {
    /// Every name once.
    pub(crate) fn new(zone: &'static str, rate: u32) -> Self {
        Self { zone, rate, first: 0, names: 1 << 20 }
    }

    fn clients(&self) -> u32 {
        (self.rate / EACH).clamp(1, MOST_CLIENTS)
    }
}

/// Asks until it is ended.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Account>,
}

impl Load {
    pub(crate) fn start(target: SocketAddr, stream: Stream) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let stopped = Arc::clone(&stop);
        let thread = spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            LocalSet::new().block_on(&runtime, play(target, stream, &stopped))
        });
        Self { stop, thread }
    }

    /// Asks no more.
    pub(crate) fn stop(&self) {
        self.stop.store(true, SeqCst);
    }

    /// Asks no more, waits for what is still to come.
    pub(crate) fn end(self) -> Account {
        self.stop();
        self.thread.join().unwrap()
    }
}

/// Asks for this long.
pub(crate) fn play_for(target: SocketAddr, stream: Stream, time: Duration) -> Account {
    let load = Load::start(target, stream);
    std::thread::sleep(time);
    load.end()
}

struct Waiting {
    question: Question,
    number: u32,
    since: Instant,
}

#[derive(Default)]
struct Book {
    account: Account,
    /// By client and id.
    waiting: HashMap<(u8, u16), Waiting>,
}

async fn play(target: SocketAddr, stream: Stream, stop: &AtomicBool) -> Account {
    let book = Rc::<RefCell<Book>>::default();
    let mut sockets = Vec::new();
    let clients = stream.clients();
    for client in 0..clients as u8 {
        let socket = Rc::new(UdpSocket::bind((Ipv4Addr::new(127, 0, 0, client + 1), 0)).await.unwrap());
        socket.connect(target).await.unwrap();
        sockets.push(Rc::clone(&socket));
        let book = Rc::clone(&book);
        tokio::task::spawn_local(async move {
            let mut octets = [0; 1232];
            loop {
                // A listener that is started again refuses for a moment: those queries are lost by themselves.
                if let Ok(length) = socket.recv(&mut octets).await {
                    book.borrow_mut().take(client, &octets[..length]);
                }
            }
        });
    }
    let (mut sent, mut last) = (0_u32, Instant::now());
    let mut due = 1.0;
    while !stop.load(SeqCst) {
        // What a machine with other things to do has held up is not made up for in one burst: that would be another scenario.
        let held_up = last.elapsed();
        last = Instant::now();
        due += held_up.min(BURST).as_secs_f64() * f64::from(stream.rate);
        book.borrow_mut().account.held_up(held_up);
        for turn in sent..due as u32 {
            let client = (turn % clients) as u8;
            let message = book.borrow_mut().ask(client, &stream, turn);
            drop(sockets[usize::from(client)].send(&message).await);
        }
        sent = due as u32;
        sleep(TICK).await;
    }
    let end = Instant::now() + PATIENCE;
    while !book.borrow().waiting.is_empty() && Instant::now() < end {
        sleep(Duration::from_millis(5)).await;
    }
    let mut book = book.take();
    book.account.unanswered += book.waiting.len();
    book.account
}

impl Book {
    fn ask(&mut self, client: u8, stream: &Stream, turn: u32) -> Vec<u8> {
        let number = stream.first + turn % stream.names;
        let mut question = a(&names::name(number, stream.zone));
        question.id = (turn / stream.clients()) as u16;
        let message = question.encode();
        self.account.asked += 1;
        let waiting = Waiting { number, since: Instant::now(), question };
        // An id comes again after hours: who had it has waited long enough.
        if self.waiting.insert((client, waiting.question.id), waiting).is_some() {
            self.account.unanswered += 1;
        }
        message
    }

    fn take(&mut self, client: u8, octets: &[u8]) {
        let Some(id) = octets.first_chunk::<2>().map(|id| u16::from_be_bytes(*id)) else { return };
        let Some(waiting) = self.waiting.remove(&(client, id)) else { return };
        let wait = waiting.since.elapsed();
        if wait > PATIENCE {
            self.account.unanswered += 1;
            return;
        }
        match waiting.judge(octets) {
            ControlFlow::Continue(()) => self.account.waits.push(wait),
            ControlFlow::Break(SERVFAIL) => self.account.failed += 1,
            ControlFlow::Break(_) => self.account.wrong.push(format!("{}: {octets:?}", address(waiting.number))),
        }
    }
}

impl Waiting {
    /// Breaks with the rcode where it is not the one right answer.
    fn judge(&self, octets: &[u8]) -> ControlFlow<u8> {
        let section = self.question.section();
        let question = octets.get(12..12 + section.len());
        let rcode = octets.get(3).map_or(u8::MAX, |flags| flags & 0x0f);
        let one_answer = octets.get(6..8) == Some(&[0, 1]);
        let right = rcode == 0 && one_answer && octets.ends_with(&address(self.number).octets());
        match question == Some(&section) {
            true if right => ControlFlow::Continue(()),
            true => ControlFlow::Break(rcode),
            false => ControlFlow::Break(u8::MAX),
        }
    }
}
