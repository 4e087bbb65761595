//! Threads for the sockets: for each worker one that answers datagrams per address, and one runtime.

use std::io;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::Instant;

use super::bind::{Pair, Sockets};
use super::counters::Counters;
use super::rates::Rates;
use super::room::Room;
use super::seats::Seats;
use super::supervised::Watched;
use super::tcp::{House, Shared};
use super::udp::{self, UdpLoop};
use super::worker::{WorkerLoop, WorkerRuntime};
use super::{Config, Respond};
use crate::lifecycle::Supervisor;

/// Running workers. Dropped without [`Listeners::close`] they end soon, but nobody waits for it.
pub struct Listeners {
    counters: Arc<Counters>,
    /// While it lives, TCP does.
    streams: watch::Sender<()>,
    /// While it lives, UDP does.
    datagrams: watch::Sender<()>,
    runtimes: Vec<JoinHandle<()>>,
    udp_loops: Vec<JoinHandle<()>>,
}

impl Sockets {
    /// Starts the workers' threads. Each loop ticks for `supervisor`, reports its deaths there and starts again on its own socket.
    ///
    /// # Errors
    /// What the operating system says against a thread or a runtime.
    pub fn serve<R: Respond + Clone>(self, respond: R, supervisor: &Supervisor) -> io::Result<Listeners> {
        let house = house(&self.config);
        let mut listeners = Listeners {
            counters: Arc::new(Counters::new(self.workers.len())),
            streams: watch::Sender::new(()),
            datagrams: watch::Sender::new(()),
            runtimes: Vec::new(),
            udp_loops: Vec::new(),
        };
        for (worker, pairs) in self.workers.into_iter().enumerate() {
            let shared = Shared::new(worker, respond.clone(), listeners.counters.clone(), &house);
            listeners.start(Arc::new(shared), pairs, supervisor)?;
        }
        Ok(listeners)
    }
}

fn house(config: &Config) -> House {
    let now = Instant::now().into_std();
    House {
        seats: Arc::new(Seats::new(config.tcp_connections, config.tcp_connections_per_client, now)),
        lingering: Arc::new(Semaphore::new(config.tcp_connections)),
        room: Room::new(),
        idle: config.tcp_idle,
        rates: config.rate.as_ref().map(|limit| Arc::new(Rates::new(limit, now))),
    }
}

impl Listeners {
    fn start<R: Respond + Clone>(&mut self, shared: Arc<Shared<R>>, pairs: Vec<Pair>, supervisor: &Supervisor) -> io::Result<()> {
        let worker = shared.worker;
        let (handover, handed_over) = mpsc::unbounded_channel();
        let mut listeners = Vec::new();
        for Pair { udp, tcp } in pairs {
            udp::prepare(&udp)?;
            let watched = Watched::new(supervisor, format!("udp {} of worker {worker}", udp.local_addr()?));
            let udp_loop =
                UdpLoop { shared: shared.clone(), socket: Arc::new(udp), handover: handover.clone(), serving: self.datagrams.subscribe() };
            self.udp_loops.push(Builder::new().name(format!("udp-{worker}")).spawn(move || udp_loop.run(&watched))?);
            listeners.push(tcp);
        }
        let watched = Arc::new(Watched::new(supervisor, format!("runtime of worker {worker}")));
        let worker_loop = WorkerLoop { shared, listeners, handover: handed_over, serving: self.streams.subscribe() };
        let first = WorkerRuntime::new(&worker_loop.listeners)?;
        self.runtimes.push(Builder::new().name(format!("worker-{worker}")).spawn(move || worker_loop.run(first, &watched))?);
        Ok(())
    }

    /// Messages received since the start, over all workers and transports: a drain looks whether it still grows.
    pub fn received(&self) -> u64 {
        self.counters.received()
    }

    /// What passed the sockets: a handle for whoever exports it.
    pub fn counters(&self) -> Arc<Counters> {
        self.counters.clone()
    }

    /// What passed the sockets until now.
    pub fn snapshot(&self) -> super::Snapshot {
        self.counters.snapshot()
    }

    /// Ends: no new TCP connections, those open are shut down cleanly (FIN, then read to EOF for at most 1 s), the sockets last. Blocks
    /// for about 2 s at most.
    pub fn close(self) {
        drop(self.streams);
        wait(self.runtimes);
        drop(self.datagrams);
        wait(self.udp_loops);
    }
}

fn wait(threads: Vec<JoinHandle<()>>) {
    for thread in threads {
        // A thread that ended in a panic has ended too, and was reported.
        drop(thread.join());
    }
}
