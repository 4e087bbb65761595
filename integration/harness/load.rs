//! Clients that ask without pause, and what became of each query.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::Duration;

use super::{Doorstep, Question};

/// Between two queries of one client: a few hundred queries a second over all of them.
const PAUSE: Duration = Duration::from_millis(10);

/// Several clients, half over UDP, half over one TCP connection each.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    lost: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    /// Each client asks the questions of `questions`, over and over.
    pub(crate) fn on(doorstep: &Doorstep, clients: usize, questions: &[Question]) -> Self {
        let mut load = Self { stop: Arc::default(), answered: Arc::default(), lost: Arc::default(), clients: Vec::new() };
        for client in 0..clients {
            let (stop, answered, lost) = (Arc::clone(&load.stop), Arc::clone(&load.answered), Arc::clone(&load.lost));
            let (mut udp, mut tcp) = (None, None);
            if client % 2 == 0 {
                udp = Some(doorstep.udp())
            } else {
                tcp = Some(doorstep.tcp())
            }
            let questions = questions.to_vec();
            let ask = move |question: &Question| match (&udp, &mut tcp) {
                (Some(udp), _) => udp.try_ask(question),
                (None, Some(tcp)) => tcp.try_ask(question),
                (None, None) => None,
            };
            load.clients.push(spawn(move || run(&questions, ask, &stop, &answered, &lost)));
        }
        load
    }

    /// Queries answered up to now.
    pub(crate) fn answered(&self) -> usize {
        self.answered.load(SeqCst)
    }

    /// Lets the clients finish; answered, lost.
    pub(crate) fn end(self) -> (usize, usize) {
        self.stop.store(true, SeqCst);
        self.clients.into_iter().for_each(|client| client.join().unwrap());
        (self.answered.load(SeqCst), self.lost.load(SeqCst))
    }
}

fn run(
    questions: &[Question],
    mut ask: impl FnMut(&Question) -> Option<super::Reply>,
    stop: &AtomicBool,
    answered: &AtomicUsize,
    lost: &AtomicUsize,
) {
    for question in questions.iter().cycle() {
        if stop.load(SeqCst) {
            return;
        }
        let counter = if ask(question).is_some() { answered } else { lost };
        counter.fetch_add(1, SeqCst);
        sleep(PAUSE);
    }
}

/// The time below which 99 of 100 lie.
pub(crate) fn p99(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() * 99 / 100]
}
