//! DNS over TLS (RFC 7858): whose certificates are accepted, and what a stream inside TLS has in common with a bare one.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use parking_lot::Mutex;
use rustls::{HandshakeKind, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt, split};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};
use tokio_rustls::TlsAcceptor;

use super::certificates::{Authority, NAME, Scratch, Shown};
use super::servers::{self, SLOW};
use super::*;
use crate::upstream::{AuthName, Pin, Transport};

/// A handshake on a busy machine must not count as none.
const DIAL: Duration = Duration::from_secs(2);

/// Answers each question as soon as it can, `slow…` after a while.
struct TlsServer {
    address: SocketAddr,
    settings: Arc<Mutex<Arc<ServerConfig>>>,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    full: AtomicUsize,
    resumed: AtomicUsize,
    closed_well: AtomicUsize,
    lengths: Mutex<Vec<usize>>,
}

impl TlsServer {
    async fn with(shown: &Shown) -> Self {
        Self::with_at_most(shown, usize::MAX).await
    }

    /// Further connections are accepted, and nothing is said on them.
    async fn with_at_most(shown: &Shown, connections: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let settings = Arc::new(Mutex::new(Arc::new(shown.settings(b"dot"))));
        let server = Self { address: listener.local_addr().unwrap(), settings: settings.clone(), seen: Arc::default() };
        let seen = server.seen.clone();
        tokio::spawn(async move {
            let mut ignored = Vec::new();
            for taken in 0.. {
                let Ok((stream, _)) = listener.accept().await else { return };
                if taken >= connections {
                    ignored.push(stream);
                    continue;
                }
                let acceptor = TlsAcceptor::from(settings.lock().clone());
                tokio::spawn(serve(acceptor, stream, seen.clone()));
            }
        });
        server
    }

    fn show(&self, shown: &Shown) {
        *self.settings.lock() = Arc::new(shown.settings(b"dot"));
    }

    fn named(&self, name: &str) -> Server {
        Server::Tls(self.address, AuthName::parse(name).unwrap())
    }
}

async fn serve(acceptor: TlsAcceptor, stream: TcpStream, seen: Arc<Seen>) -> Option<()> {
    let stream = acceptor.accept(stream).await.ok()?;
    let resumed = stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed);
    if resumed { &seen.resumed } else { &seen.full }.fetch_add(1, SeqCst);
    let (mut reader, writer) = split(stream);
    let writer = Arc::new(tokio::sync::Mutex::new(writer));
    loop {
        let mut head = [0; 2];
        if reader.read(&mut head[..1]).await.ok()? == 0 {
            seen.closed_well.fetch_add(1, SeqCst);
            return None;
        }
        reader.read_exact(&mut head[1..]).await.ok()?;
        let mut question = vec![0; usize::from(u16::from_be_bytes(head))];
        reader.read_exact(&mut question).await.ok()?;
        seen.lengths.lock().push(question.len());
        let writer = writer.clone();
        tokio::spawn(async move {
            sleep(if servers::is_slow(&question) { SLOW } else { MS(0) }).await;
            let message = servers::answer(&question);
            let framed = [&(message.len() as u16).to_be_bytes()[..], &message].concat();
            let mut writer = writer.lock().await;
            drop(writer.write_all(&framed).await);
            drop(writer.flush().await);
        });
    }
}

fn trusting(servers: &[Server], trust: Trust) -> Rig {
    let metrics = Arc::new(Metrics::default());
    let timing = Timing { dial: DIAL, exchange: DIAL * 2, ..quick() };
    let config = GroupConfig { name: "test".into(), servers: servers.to_vec(), endpoints: None, trust, timing };
    Rig { group: Group::new(config, Arc::new(Bounds::default()), metrics.clone()), metrics }
}

fn file(scratch: &Scratch) -> Trust {
    Trust { ca_file: Some(scratch.path().to_owned()), pins: vec![] }
}

fn pinned(pins: &[Pin]) -> Trust {
    Trust { ca_file: None, pins: pins.to_vec() }
}

/// Why the group refuses the server.
async fn refusal(rig: &Rig) -> String {
    assert_eq!(rig.ask("x", Lane::Elastic).await, Err(FailureClass::Tls));
    rig.group.tls_refusal().expect("a refusal is explained")
}

async fn nothing_is_kept_open(rig: &Rig) {
    let closed = async {
        while rig.metrics.snapshot().connections > 0 {
            sleep(MS(5)).await;
        }
    };
    tokio::time::timeout(MS(10_000), closed).await.expect("no connection is held when nobody asks");
}

#[tokio::test]
async fn a_certificate_of_the_files_authority_for_the_servers_name_is_accepted() {
    let authority = Authority::new();
    let (named, numbered) = (authority.certify(NAME), authority.certify("127.0.0.1"));
    let ca = Scratch::with(&authority.pem());
    let server = TlsServer::with(&named).await;
    let rig = trusting(&[server.named(NAME)], file(&ca));
    for lane in Lane::ALL {
        assert_eq!(rig.ask("x", lane).await, Ok(()));
    }
    let snapshot = rig.metrics.snapshot();
    let over_tls: u64 = snapshot.attempts.iter().filter(|(transport, ..)| *transport == Transport::Tls).map(|(.., count)| count).sum();
    assert_eq!((over_tls, snapshot.connections, rig.group.tls_refusal()), (2, 2, None));

    let server = TlsServer::with(&numbered).await;
    let by_address = Server::Tls(server.address, server.address.ip().into());
    assert_eq!(trusting(&[by_address], file(&ca)).ask("x", Lane::Cluster).await, Ok(()));
}

#[tokio::test]
async fn a_wrong_certificate_is_of_the_kind_tls_and_says_what_is_wrong_with_it() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let ca = Scratch::with(&ours.pem());
    for (shown, reason) in [
        (theirs.certify(NAME), "no authority that is trusted here"),
        (ours.certify("other.example"), "not valid for name"),
        (ours.certify_until(NAME, 2_001), "expired"),
    ] {
        let server = TlsServer::with(&shown).await;
        let why = refusal(&trusting(&[server.named(NAME)], file(&ca))).await;
        assert!(why.contains(reason), "{why}");
    }
    let server = TlsServer::with(&ours.certify(NAME)).await;
    let why = refusal(&trusting(&[server.named(NAME)], Trust::default())).await;
    assert!(why.contains("no authority"), "a private authority is none of the public ones: {why}");
}

#[tokio::test]
async fn a_pinned_key_is_enough_and_another_is_refused_by_its_hash() {
    let shown = Authority::new().certify_until("other.example", 2_001);
    let server = TlsServer::with(&shown).await;
    let spare = Authority::new().certify(NAME);
    let rig = trusting(&[server.named(NAME)], pinned(&[spare.pin(), shown.pin()]));
    assert_eq!(rig.ask("x", Lane::Elastic).await, Ok(()), "neither name nor dates are looked at (RFC 7858 section 4.2)");
    let why = refusal(&trusting(&[server.named(NAME)], pinned(&[spare.pin()]))).await;
    assert!(why.contains(&shown.pin().to_string()), "{why}");
}

#[tokio::test]
async fn with_a_file_and_a_pin_both_must_hold() {
    let authority = Authority::new();
    let (ca, other) = (Scratch::with(&authority.pem()), Scratch::with(&Authority::new().pem()));
    let shown = authority.certify(NAME);
    let server = TlsServer::with(&shown).await;
    let both = |ca: &Scratch, pin| Trust { pins: vec![pin], ..file(ca) };
    assert_eq!(trusting(&[server.named(NAME)], both(&ca, shown.pin())).ask("x", Lane::Elastic).await, Ok(()));
    refusal(&trusting(&[server.named(NAME)], both(&other, shown.pin()))).await;
    refusal(&trusting(&[server.named(NAME)], both(&ca, authority.certify(NAME).pin()))).await;
}

#[tokio::test]
async fn a_replaced_file_of_authorities_holds_for_the_next_connection_and_a_bad_one_changes_nothing() {
    let (before, after) = (Authority::new(), Authority::new());
    let ca = Scratch::with(&before.pem());
    let server = TlsServer::with(&before.certify(NAME)).await;
    let rig = trusting(&[server.named(NAME)], file(&ca));
    assert_eq!(rig.ask("x", Lane::Elastic).await, Ok(()));
    server.show(&after.certify(NAME));
    nothing_is_kept_open(&rig).await;
    assert_eq!(rig.ask("x", Lane::Elastic).await, Err(FailureClass::Tls));
    ca.replace(&after.pem());
    assert_eq!(rig.ask("x", Lane::Elastic).await, Ok(()));
    for bad in ["", "-----BEGIN CERTIFICATE-----\n", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        nothing_is_kept_open(&rig).await;
        ca.replace(bad);
        assert_eq!(rig.ask("x", Lane::Elastic).await, Ok(()), "{bad:?}");
    }
    nothing_is_kept_open(&rig).await;
    std::fs::remove_file(ca.path()).unwrap();
    assert_eq!(rig.ask("x", Lane::Elastic).await, Ok(()));
}

#[tokio::test]
async fn without_a_readable_file_nobody_is_trusted_and_it_is_named() {
    let authority = Authority::new();
    let ca = Scratch::with("");
    let server = TlsServer::with(&authority.certify(NAME)).await;
    let rig = trusting(&[server.named(NAME)], file(&ca));
    let why = refusal(&rig).await;
    assert!(why.contains(ca.path().to_str().unwrap()) && why.contains("no certificate"), "{why}");
    ca.replace(&authority.pem());
    assert_eq!(rig.ask("x", Lane::Elastic).await, Ok(()), "mended without a restart");
    assert_eq!(rig.group.tls_refusal(), None);
}

#[tokio::test]
async fn a_server_without_tls_is_of_the_kind_tls_and_not_a_dial_that_timed_out() {
    let mute = servers::tcp(servers::Manner::Mute).await;
    let closing = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = closing.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = closing.accept().await {
            let mut hello = [0; 4_096];
            drop(stream.read(&mut hello).await);
        }
    });
    for (address, reason) in [(mute.address, "no TLS handshake"), (address, "closed the connection")] {
        let rig = rig_with(&[Server::Tls(address, address.ip().into())], Timing { exchange: MS(4_000), ..quick() }, Bounds::default());
        let why = refusal(&rig).await;
        assert!(why.contains(reason), "{why}");
    }
}

#[tokio::test]
async fn lanes_are_inside_tls_what_they_are_without() {
    let authority = Authority::new();
    let ca = Scratch::with(&authority.pem());
    let server = TlsServer::with(&authority.certify(NAME)).await;
    let rig = trusting(&[server.named(NAME)], file(&ca));
    assert!(rig.ask_all(&labels(150), Lane::Cluster).await.iter().all(Result::is_ok));
    let connections = server.seen.full.load(SeqCst) + server.seen.resumed.load(SeqCst);
    assert!(connections <= 2, "pipelined: {connections}");
    assert!(rig.ask_all(&labels(40), Lane::Elastic).await.iter().all(Result::is_ok));
    assert_eq!(rig.ask("slow", Lane::Elastic).await, Ok(()));
    assert_eq!(rig.metrics.snapshot().resent, 0);
}

#[tokio::test]
async fn queries_inside_tls_are_padded() {
    let authority = Authority::new();
    let ca = Scratch::with(&authority.pem());
    let server = TlsServer::with(&authority.certify(NAME)).await;
    let rig = trusting(&[server.named(NAME)], file(&ca));
    for label in ["a", "a-name-that-is-a-good-deal-longer"] {
        assert_eq!(rig.ask(label, Lane::Elastic).await, Ok(()));
    }
    assert_eq!(*server.seen.lengths.lock(), [128, 128], "RFC 8467 section 4.1");
}

#[tokio::test]
async fn an_idle_connection_says_goodbye_and_the_next_one_resumes_its_session() {
    let authority = Authority::new();
    let ca = Scratch::with(&authority.pem());
    let server = TlsServer::with(&authority.certify(NAME)).await;
    let rig = trusting(&[server.named(NAME)], file(&ca));
    for _ in 0..2 {
        assert_eq!(rig.ask("x", Lane::Elastic).await, Ok(()));
        nothing_is_kept_open(&rig).await;
    }
    let goodbyes = async {
        while server.seen.closed_well.load(SeqCst) < 2 {
            sleep(MS(5)).await;
        }
    };
    tokio::time::timeout(MS(10_000), goodbyes).await.expect("close_notify, both times");
    assert_eq!((server.seen.full.load(SeqCst), server.seen.resumed.load(SeqCst)), (1, 1));
}

#[tokio::test]
async fn nobody_waits_for_further_connections_that_the_server_does_not_take() {
    let shown = Authority::new().certify(NAME);
    for lane in Lane::ALL {
        let server = TlsServer::with_at_most(&shown, 1).await;
        let rig = trusting(&[server.named(NAME)], pinned(&[shown.pin()]));
        assert_eq!(rig.ask("warm", lane).await, Ok(()));
        let start = Instant::now();
        assert!(rig.ask_all(&labels(50), lane).await.iter().all(Result::is_ok));
        assert!(start.elapsed() < DIAL, "{lane:?}: {:?}", start.elapsed());
    }
}
