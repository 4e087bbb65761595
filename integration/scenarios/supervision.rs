//! The process watches itself: real listeners and the real watchdog, with a stand-in for the resolver that fails on demand, in a
//! process of its own.

use std::env::{current_exe, var};
use std::io::{Write, stderr};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::panic::set_hook;
use std::process::Command;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use doorstep::app::watch;
use doorstep::cache::{Cache, Config as CacheConfig};
use doorstep::coalesce::Limits;
use doorstep::lifecycle::{Readiness, Supervisor};
use doorstep::listen::{self, Client, Respond, Verdict};
use doorstep::resolve::{Identity, Outcome, Resolver, Snapshot};
use doorstep::rules::{Config, Ruleset};
use doorstep::upstream::{Bounds, Group, GroupConfig, Metrics, Server, Timing, Trust};
use doorstep::wire::Name;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::harness::{CoreDns, Process, Reply, Stage, Tcp, Udp, a, eventually, free_port, seconds};

/// Tells the child which port to serve.
const PORT: &str = "DOORSTEP_TEST_PORT";

/// What dies in this child writes it down.
const DIED: &str = "a thread has panicked";

/// Sends each query back as its reply, at once or, at the word, from the runtime; dies or hangs at another, or lets descriptors be had.
#[derive(Clone)]
struct Fragile;

impl Respond for Fragile {
    type Pending = Vec<u8>;

    fn answer_now(&self, _worker: usize, message: &[u8], _client: Client, _now: Instant, out: &mut [u8]) -> Verdict<Vec<u8>> {
        let says = |word: &[u8]| message.windows(word.len()).any(|window| window == word);
        assert!(!says(b"panic"), "as it was asked to");
        while says(b"hang") {
            sleep(seconds(1));
        }
        if says(b"descriptors") {
            let most = getrlimit(Resource::Nofile).maximum;
            setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most }).unwrap();
        }
        let mut reply = message.to_vec();
        reply[2] |= 0x80;
        if says(b"later") {
            return Verdict::Later(reply);
        }
        out[..reply.len()].copy_from_slice(&reply);
        Verdict::Reply(reply.len())
    }

    fn refuse(&self, _message: &[u8], _client: Client, _out: &mut [u8]) -> Option<usize> {
        None
    }

    async fn answer_later(&self, _worker: usize, pending: Vec<u8>) -> Option<Vec<u8>> {
        Some(pending)
    }
}

/// Runs this very test in a child process, where this function serves and never returns.
fn fragile(test: &str, tcp_idle: Duration) -> (Process, SocketAddr) {
    if let Ok(port) = var(PORT) {
        serve(port.parse().unwrap(), tcp_idle);
    }
    let port = free_port();
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -c 0; exec \"$0\" \"$@\""]).arg(current_exe().unwrap());
    command.args(["--exact", &format!("{}::{test}", module_path!().split_once("::").unwrap().1), "--nocapture"]);
    let child = Process::start(command.env(PORT, port.to_string()).env("RUST_BACKTRACE", "0"));
    let address = (Ipv4Addr::LOCALHOST, port).into();
    eventually("the child answers", seconds(10), || {
        let client = Udp::to(address);
        client.send(&a("well.").encode());
        client.receive(Duration::from_millis(100)).is_some()
    });
    (child, address)
}

fn serve(port: u16, tcp_idle: Duration) -> ! {
    let supervisor = Supervisor::default();
    watch(&supervisor, Readiness::default().latch("workers", "")).unwrap();
    let config = listen::Config {
        addresses: vec![(Ipv4Addr::LOCALHOST, port).into()],
        workers: 1,
        tcp_connections: 8,
        tcp_connections_per_client: 8,
        tcp_idle,
        rate: None,
    };
    let _listeners = listen::bind(&config).unwrap().serve(Fragile, &supervisor).unwrap();
    loop {
        sleep(seconds(60));
    }
}

#[test]
fn a_loop_that_dies_is_started_again_on_its_socket() {
    let _stage = Stage::beside_others();
    let (mut child, address) = fragile("a_loop_that_dies_is_started_again_on_its_socket", seconds(10));
    let client = Udp::to(address);
    for transport in ["udp", "tcp"] {
        if transport == "udp" {
            client.send(&a("panic.").encode());
        } else {
            Tcp::to(address).send(&a("panic.").framed());
        }
        let question = a("well.");
        eventually("the same socket is answered", seconds(5), || {
            client.send(&question.encode());
            client.receive(Duration::from_millis(200)).is_some()
        });
        assert_eq!(Tcp::to(address).ask(&question).id(), question.id);
        client.forget();
    }
    assert!(child.runs());
    assert_eq!(child.count("as it was asked to"), 2);
}

#[test]
fn a_runtime_that_dies_leaves_memory_as_it_is_and_no_question_stuck() {
    let stage = Stage::beside_others();
    let coredns = CoreDns::start(&stage);
    let (resolver, supervisor) = (resolver(coredns.udp().trim_start_matches("udp://").parse().unwrap()), Supervisor::default());
    let config = listen::Config {
        addresses: vec![(Ipv4Addr::LOCALHOST, 0).into()],
        workers: 1,
        tcp_connections: 8,
        tcp_connections_per_client: 8,
        // No clock goes so far: whoever connects makes the acceptor panic, and with it the runtime.
        tcp_idle: Duration::MAX,
        rate: None,
    };
    let sockets = listen::bind(&config).unwrap();
    let address = sockets.addresses()[0];
    let _listeners = sockets.serve(resolver.clone(), &supervisor).unwrap();
    let (client, known, slow) = (Udp::to(address), a("web.shop.svc.cluster.local."), a("stuck.slow.test."));
    assert_eq!(client.ask(&known).addresses().len(), 1);
    client.send(&slow.encode());
    eventually("it waits", seconds(2), || resolver.waiting() == (1, 1));
    let _victim = TcpStream::connect(address).unwrap();
    eventually("the death is reported", seconds(5), || supervisor.deaths() == 1);
    eventually("nobody waits any more", seconds(1), || resolver.waiting() == (0, 0));
    assert_eq!(client.ask(&known).addresses().len(), 1);
    assert_eq!(resolver.counters().total(|outcome| outcome == Outcome::HitPositive), 1, "from memory");
    assert_eq!(client.ask(&slow).addresses().len(), 1, "asked anew");
}

#[test]
fn a_runtime_that_dies_while_there_are_no_descriptors_waits_for_some_and_hits_go_on() {
    let _stage = Stage::beside_others();
    if var(PORT).is_ok() {
        set_hook(Box::new(|_| {
            let most = getrlimit(Resource::Nofile).maximum;
            setrlimit(Resource::Nofile, Rlimit { current: Some(0), maximum: most }).unwrap();
            writeln!(stderr(), "{DIED}").unwrap();
        }));
    }
    // No clock goes so far: whoever connects makes the acceptor panic, and with it the runtime.
    let (mut child, address) = fragile("a_runtime_that_dies_while_there_are_no_descriptors_waits_for_some_and_hits_go_on", Duration::MAX);
    let client = Udp::to(address);
    let answers = |name: &str| {
        client.send(&a(name).encode());
        client.receive(Duration::from_millis(300)).is_some()
    };
    assert!(answers("later."));
    let _victim = TcpStream::connect(address).unwrap();
    eventually("the runtime dies", seconds(5), || child.count(DIED) == 1);
    assert!(!answers("later."), "there is no runtime");
    for _ in 0..20 {
        assert!(answers("well."), "a hit");
        sleep(Duration::from_millis(50));
    }
    assert!(answers("descriptors."));
    eventually("the runtime is there again", seconds(5), || answers("later."));
    assert!(child.runs());
    assert_eq!(child.count(DIED), 1, "it waited instead of dying again");
}

fn resolver(upstream: SocketAddr) -> Resolver {
    let config = GroupConfig {
        name: "default".to_owned(),
        servers: vec![Server::Udp(upstream)],
        endpoints: None,
        trust: Trust::default(),
        timing: Timing::default(),
    };
    let group = Group::new(config, Arc::new(Bounds::default()), Arc::new(Metrics::default()));
    let config = Config { zones: Vec::new(), rules: Vec::new(), cluster_domain: Name::parse("cluster.local").unwrap() };
    let snapshot = Snapshot { rules: Ruleset::new(&config, &["default"], &[], None), groups: vec![group] };
    let cache = Cache::new(CacheConfig::default().capacity, Instant::now());
    Resolver::new(snapshot, cache, Limits::default(), Identity::new("pod-1", "1.2.3"), 1)
}

#[test]
fn loops_that_die_too_often_end_the_process() {
    let _stage = Stage::beside_others();
    let (mut child, address) = fragile("loops_that_die_too_often_end_the_process", seconds(10));
    let client = Udp::to(address);
    // Two that come together may cost it one life.
    eventually("it ends", seconds(10), || {
        client.send(&a("panic.").encode());
        sleep(Duration::from_millis(100));
        !child.runs()
    });
    assert_eq!(child.exit(seconds(1)).code(), Some(1));
    assert!((3..6).contains(&child.count("as it was asked to")), "not at the first, and not much later than at the third");
}

#[test]
fn a_loop_that_hangs_aborts_the_process() {
    let _stage = Stage::beside_others();
    let (mut child, address) = fragile("a_loop_that_hangs_aborts_the_process", seconds(10));
    let client = Udp::to(address);
    client.send(&a("hang.").encode());
    client.send(&a("well.").encode());
    let reply = client.receive(seconds(1)).map(Reply::read);
    assert!(reply.is_none(), "the only loop of this socket hangs");
    const SIGABRT: i32 = 6;
    assert_eq!(child.exit(seconds(30)).signal(), Some(SIGABRT));
}
