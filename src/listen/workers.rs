//! The workers' threads: for each worker a runtime for streams and waits, and a datagram loop for each address.

use std::io;
use std::net::UdpSocket;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use socket2::SockRef;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::time::{Instant, interval, sleep};

use super::bind::{Sockets, WorkerSockets};
use super::counters::Counters;
use super::seats::Seats;
use super::tcp::{self, TcpWorker, keep_accepting};
use super::udp::{Later, UdpLoop};
use super::{Respond, now};
use crate::lifecycle::{Beat, Next, Supervisor};

/// A runtime's sign of life.
const TICK: Duration = Duration::from_secs(1);
/// How long those under way may hold up the end.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);
const CLOSE_LOOK: Duration = Duration::from_millis(10);

/// Running workers.
pub struct Listeners {
    counters: Arc<Counters>,
    seats: Arc<Seats>,
    stop_tcp: watch::Sender<bool>,
    stop_udp: Arc<AtomicBool>,
    runtimes: Vec<JoinHandle<()>>,
    udp: Vec<(Arc<UdpSocket>, JoinHandle<()>)>,
}

/// What all workers share.
struct Shared<R> {
    respond: R,
    supervisor: Supervisor,
    counters: Arc<Counters>,
    seats: Arc<Seats>,
    stop_tcp: watch::Receiver<bool>,
    stop_udp: Arc<AtomicBool>,
    idle: Duration,
}

impl Sockets {
    /// Starts the workers' threads. Each loop ticks for `supervisor`, reports its deaths there and starts again on its own socket.
    ///
    /// # Errors
    /// What the operating system says against a thread or a runtime.
    pub fn serve<R: Respond + Clone>(self, respond: R, supervisor: &Supervisor) -> io::Result<Listeners> {
        let (stop_tcp, told) = watch::channel(false);
        let shared = Arc::new(Shared {
            respond,
            supervisor: supervisor.clone(),
            counters: Arc::new(Counters::new(self.workers.len())),
            seats: Seats::new(self.config.tcp_connections, self.config.tcp_connections_per_client),
            stop_tcp: told,
            stop_udp: Arc::default(),
            idle: self.config.tcp_idle,
        });
        let mut listeners = Listeners {
            counters: Arc::clone(&shared.counters),
            seats: Arc::clone(&shared.seats),
            stop_tcp,
            stop_udp: Arc::clone(&shared.stop_udp),
            runtimes: Vec::new(),
            udp: Vec::new(),
        };
        for (worker, sockets) in self.workers.into_iter().enumerate() {
            listeners.start(worker, sockets, &shared)?;
        }
        Ok(listeners)
    }
}

impl Listeners {
    fn start<R: Respond + Clone>(&mut self, worker: usize, sockets: WorkerSockets, shared: &Arc<Shared<R>>) -> io::Result<()> {
        // A flood of replies to hand on must not keep the sockets from being looked at.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().event_interval(31).build()?;
        let mut laters = Vec::new();
        for (index, socket) in sockets.udp.into_iter().enumerate() {
            let name = format!("udp-{worker}-{index}");
            let (socket, later) = (Arc::new(socket), Later::new());
            laters.push(later.clone());
            let datagrams = UdpLoop {
                worker,
                respond: shared.respond.clone(),
                socket: Arc::clone(&socket),
                runtime: runtime.handle().clone(),
                later,
                counters: Arc::clone(&shared.counters),
                supervisor: shared.supervisor.clone(),
                beat: shared.supervisor.beat(name.clone()),
                stop: Arc::clone(&shared.stop_udp),
            };
            self.udp.push((socket, Builder::new().name(name).spawn(move || datagrams.run())?));
        }
        let name = format!("tcp-{worker}");
        let streams = Streams { worker, listeners: sockets.tcp, laters, beat: shared.supervisor.beat(name.clone()) };
        let shared = Arc::clone(shared);
        self.runtimes.push(Builder::new().name(name).spawn(move || streams.run(&runtime, &shared))?);
        Ok(())
    }

    /// Messages received since the start, over all workers and transports: a drain looks whether it still grows.
    pub fn received(&self) -> u64 {
        let snapshot = self.counters.snapshot();
        snapshot.received_udp + snapshot.received_tcp
    }

    /// The counts, for metrics.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// TCP connections open now.
    pub fn connections(&self) -> impl Fn() -> usize + Send + Sync + 'static {
        let seats = Arc::clone(&self.seats);
        move || seats.taken()
    }

    /// Ends: no new TCP connections, those open get what they are owed and are shut down cleanly (FIN, then read to EOF for at most 1 s),
    /// the datagram sockets last. Blocks for about 2 s at most.
    pub fn close(self) {
        self.stop_tcp.send(true).ok();
        for runtime in self.runtimes {
            drop(runtime.join());
        }
        self.stop_udp.store(true, Relaxed);
        for (socket, thread) in self.udp {
            // Wakes the receive; the kernel also says that the socket is not connected, which we know.
            SockRef::from(&*socket).shutdown(std::net::Shutdown::Both).ok();
            drop(thread.join());
        }
    }
}

/// One worker's runtime thread.
struct Streams {
    worker: usize,
    listeners: Vec<std::net::TcpListener>,
    laters: Vec<Later>,
    beat: Beat,
}

impl Streams {
    fn run<R: Respond + Clone>(self, runtime: &Runtime, shared: &Arc<Shared<R>>) {
        while catch_unwind(AssertUnwindSafe(|| runtime.block_on(self.serve(shared)))).is_err() {
            tracing::error!(worker = self.worker, "a runtime panicked; starting it again on its sockets");
            if shared.supervisor.died(now()) == Next::GiveUp {
                break;
            }
        }
        shared.supervisor.dismiss(&self.beat);
    }

    async fn serve<R: Respond + Clone>(&self, shared: &Arc<Shared<R>>) {
        let worker = Arc::new(TcpWorker {
            worker: self.worker,
            respond: shared.respond.clone(),
            seats: Arc::clone(&shared.seats),
            counters: Arc::clone(&shared.counters),
            supervisor: shared.supervisor.clone(),
            stop: shared.stop_tcp.clone(),
            idle: shared.idle,
            scratch: tcp::scratch(),
        });
        for listener in &self.listeners {
            let listener = listener.try_clone().and_then(TcpListener::from_std).expect("a bound, non-blocking listener registers");
            tokio::spawn(keep_accepting(Arc::clone(&worker), Arc::new(listener)));
        }
        let (mut stop, mut tick) = (shared.stop_tcp.clone(), interval(TICK));
        loop {
            tokio::select! {
                _ = tick.tick() => self.beat.tick(),
                _ = stop.wait_for(|stop| *stop) => break,
            }
        }
        let end = Instant::now() + CLOSE_PATIENCE;
        while Instant::now() < end && (shared.seats.taken() > 0 || self.laters.iter().any(|later| later.waiting() > 0)) {
            self.beat.tick();
            sleep(CLOSE_LOOK).await;
        }
    }
}
