//! DNS over QUIC (RFC 9250).

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use parking_lot::Mutex;
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{ConnectionError, Endpoint, Incoming, RecvStream, SendStream, ServerConfig};
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::certificates::{Authority, NAME, Scratch};
use super::servers::{self, SLOW};
use super::*;
use crate::upstream::AuthName;

/// What a server does with a question; its label says which.
const MUTE: &str = "mute";
const RESET: &str = "reset";
const HALF: &str = "half";
const WRONG_ID: &str = "wrong";

struct QuicServer {
    endpoint: Endpoint,
    address: SocketAddr,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    /// Error codes with which we closed connections, and stopped streams.
    closed: Mutex<Vec<u64>>,
    stopped: Mutex<Vec<u64>>,
    questions: Mutex<Vec<Vec<u8>>>,
}

impl QuicServer {
    fn with(settings: rustls::ServerConfig) -> Self {
        let config = server_config(settings);
        let endpoint = Endpoint::server(config, "127.0.0.1:0".parse().unwrap()).unwrap();
        let server = Self { address: endpoint.local_addr().unwrap(), endpoint: endpoint.clone(), seen: Arc::default() };
        let seen = server.seen.clone();
        tokio::spawn(async move {
            while let Some(incoming) = endpoint.accept().await {
                tokio::spawn(serve(incoming, seen.clone()));
            }
        });
        server
    }

    fn at(&self, address: SocketAddr) -> Server {
        Server::Quic(address, AuthName::parse(NAME).unwrap())
    }
}

fn server_config(settings: rustls::ServerConfig) -> ServerConfig {
    ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(settings).unwrap()))
}

async fn serve(incoming: Incoming, seen: Arc<Seen>) {
    let Ok(connection) = incoming.await else { return };
    seen.connections.fetch_add(1, SeqCst);
    loop {
        match connection.accept_bi().await {
            Ok(streams) => drop(tokio::spawn(answer(streams, seen.clone()))),
            Err(ConnectionError::ApplicationClosed(close)) => return seen.closed.lock().push(close.error_code.into_inner()),
            Err(_) => return,
        }
    }
}

async fn answer((mut sender, mut receiver): (SendStream, RecvStream), seen: Arc<Seen>) {
    // Ends at FIN, which must follow the query.
    let framed = receiver.read_to_end(1_024).await.unwrap();
    let question = framed[2..].to_vec();
    seen.questions.lock().push(question.clone());
    let mut message = servers::answer(&question);
    let says = |label: &str| question[13..].starts_with(label.as_bytes());
    if servers::is_slow(&question) {
        sleep(SLOW).await;
    }
    if says(MUTE) {
        let code = sender.stopped().await.unwrap().unwrap();
        return seen.stopped.lock().push(code.into_inner());
    }
    if says(RESET) {
        return sender.reset(1_u32.into()).unwrap();
    }
    if says(WRONG_ID) {
        message[1] = 7;
    }
    let framed = [&(message.len() as u16).to_be_bytes()[..], &message].concat();
    let end = if says(HALF) { 9 } else { framed.len() };
    sender.write_all(&framed[..end]).await.unwrap();
    sender.finish().unwrap();
    drop(sender.stopped().await);
}

/// The file lives as long as the rig does.
struct Behind {
    rig: Rig,
    server: QuicServer,
    _ca: Scratch,
}

fn behind() -> Behind {
    let authority = Authority::new();
    let server = QuicServer::with(authority.certify(NAME).settings(b"doq"));
    let address = server.address;
    behind_at(&authority, server, address)
}

fn behind_at(authority: &Authority, server: QuicServer, address: SocketAddr) -> Behind {
    let timing = Timing { dial: MS(1_000), exchange: MS(3_000), vanished: MS(300), silence: MS(250), ..quick() };
    behind_in(timing, authority, server, address)
}

fn behind_in(timing: Timing, authority: &Authority, server: QuicServer, address: SocketAddr) -> Behind {
    let ca = Scratch::with(&authority.pem());
    let metrics = Arc::new(Metrics::default());
    let trust = Trust { ca_file: Some(ca.path().to_owned()), pins: vec![] };
    let config = GroupConfig { name: "test".into(), servers: vec![server.at(address)], endpoints: None, trust, timing };
    Behind { rig: Rig { group: Group::new(config, Arc::new(Bounds::default()), metrics.clone()), metrics }, server, _ca: ca }
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let holds = async {
        while !condition() {
            sleep(MS(5)).await;
        }
    };
    timeout(MS(10_000), holds).await.unwrap_or_else(|_| panic!("never: {what}"));
}

#[tokio::test]
async fn all_questions_of_both_lanes_go_over_one_connection_and_none_waits_for_a_slow_one() {
    let Behind { rig, server, .. } = &behind();
    let slow = async { rig.ask_all(&["slow1".to_owned(), "slow2".to_owned()], Lane::Cluster).await };
    let fast = async {
        assert_eq!(rig.ask("warm", Lane::Cluster).await, Ok(()));
        let start = Instant::now();
        for lane in Lane::ALL {
            assert!(rig.ask_all(&labels(30), lane).await.iter().all(Result::is_ok));
        }
        assert!(start.elapsed() < SLOW, "{:?}", start.elapsed());
    };
    let (slow, ()) = tokio::join!(slow, fast);
    assert!(slow.iter().all(Result::is_ok), "{slow:?}");
    assert_eq!((server.seen.connections.load(SeqCst), rig.metrics.snapshot().connections), (1, 1));
    assert_eq!(server.seen.questions.lock().len(), 63, "each asked once");
}

#[tokio::test]
async fn queries_over_quic_have_the_id_0_and_are_padded() {
    let Behind { rig, server, .. } = &behind();
    for label in ["a", "a-name-that-is-a-good-deal-longer"] {
        assert_eq!(rig.ask(label, Lane::Elastic).await, Ok(()));
    }
    for question in server.seen.questions.lock().iter() {
        assert_eq!((question.len(), &question[..2]), (128, &[0, 0][..]), "RFC 9250 section 4.2.1, RFC 8467 section 4.1");
    }
}

#[tokio::test]
async fn a_wrong_certificate_over_quic_is_of_the_kind_tls_too() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    for (shown, reason) in [(theirs.certify(NAME), "UnknownIssuer"), (ours.certify("other.example"), "not valid for name")] {
        let server = QuicServer::with(shown.settings(b"doq"));
        let address = server.address;
        let Behind { rig, .. } = &behind_at(&ours, server, address);
        assert_eq!(rig.ask("x", Lane::Elastic).await, Err(FailureClass::Tls));
        let why = rig.group.tls_refusal().unwrap();
        assert!(why.contains(reason), "{why}");
    }
}

#[tokio::test]
async fn a_server_of_another_protocol_is_refused() {
    let authority = Authority::new();
    let server = QuicServer::with(authority.certify(NAME).settings(b"h3"));
    let address = server.address;
    let Behind { rig, .. } = &behind_at(&authority, server, address);
    assert_eq!(rig.ask("x", Lane::Elastic).await, Err(FailureClass::Tls));
}

#[tokio::test]
async fn nobody_there_is_a_dial_that_timed_out() {
    let authority = Authority::new();
    let server = QuicServer::with(authority.certify(NAME).settings(b"doq"));
    let nobody = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let Behind { rig, .. } = &behind_at(&authority, server, nobody.local_addr().unwrap());
    assert_eq!(rig.ask("x", Lane::Elastic).await, Err(FailureClass::DialTimeout));
}

#[tokio::test]
async fn a_port_where_nothing_listens_is_refused_over_quic_too() {
    let authority = Authority::new();
    let server = QuicServer::with(authority.certify(NAME).settings(b"doq"));
    let nobody = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let Behind { rig, .. } = &behind_at(&authority, server, nobody);
    assert_eq!(rig.ask("x", Lane::Elastic).await, Err(FailureClass::DialRefused));
}

#[tokio::test]
async fn an_idle_connection_is_closed_without_error_and_the_next_one_resumes_its_session() {
    let authority = Authority::new();
    let settings = authority.certify(NAME).settings(b"doq");
    // Nobody would accept it: only a session that is resumed gets past it.
    let mut unacceptable = Authority::new().certify(NAME).settings(b"doq");
    unacceptable.session_storage = settings.session_storage.clone();
    let server = QuicServer::with(settings);
    let address = server.address;
    let Behind { rig, server, .. } = &behind_at(&authority, server, address);
    assert_eq!(rig.ask("x", Lane::Elastic).await, Ok(()));
    until("no connection is held when nobody asks", || rig.metrics.snapshot().connections == 0).await;
    until("the server is told", || *server.seen.closed.lock() == [0]).await;
    server.endpoint.set_server_config(Some(server_config(unacceptable)));
    assert_eq!(rig.ask("x", Lane::Elastic).await, Ok(()));
}

#[tokio::test]
async fn what_a_stream_ends_with_is_named() {
    let Behind { rig, server, .. } = &behind();
    assert_eq!(rig.ask(RESET, Lane::Elastic).await, Err(FailureClass::Reset));
    assert_eq!(rig.ask(HALF, Lane::Elastic).await, Err(FailureClass::ClosedMidAnswer));
    assert_eq!(server.seen.connections.load(SeqCst), 1, "a stream's end is no connection's");
    assert_eq!(rig.ask(WRONG_ID, Lane::Elastic).await, Err(FailureClass::Mismatch));
    until("a server that breaks the protocol is told", || *server.seen.closed.lock() == [2]).await;
    assert_eq!(rig.ask("x", Lane::Elastic).await, Ok(()));
}

#[tokio::test]
async fn a_question_that_nobody_waits_for_is_cancelled() {
    let Behind { rig, server, .. } = &behind();
    assert_eq!(rig.ask("warm", Lane::Elastic).await, Ok(()));
    assert!(timeout(MS(100), rig.ask(MUTE, Lane::Elastic)).await.is_err());
    until("DOQ_REQUEST_CANCELLED", || *server.seen.stopped.lock() == [3]).await;
    assert_eq!(rig.ask("x", Lane::Elastic).await, Ok(()));
    assert_eq!(server.seen.connections.load(SeqCst), 1);
}

#[tokio::test]
async fn slowness_is_no_fault_but_a_path_that_carries_nothing_back_is_left() {
    let authority = Authority::new();
    let server = QuicServer::with(authority.certify(NAME).settings(b"doq"));
    let Path { address: path, cut, .. } = path_to(server.address).await;
    let Behind { rig, server, .. } = &behind_at(&authority, server, path);
    for lane in Lane::ALL {
        assert!(timeout(MS(1_000), rig.ask(MUTE, lane)).await.is_err(), "it is still waited for");
        assert_eq!(rig.ask("x", lane).await, Ok(()));
    }
    assert_eq!(server.seen.connections.load(SeqCst), 1);

    cut.store(true, SeqCst);
    let start = Instant::now();
    let healed = async {
        until("the connection is left", || rig.metrics.snapshot().resent > 0).await;
        cut.store(false, SeqCst);
    };
    assert_eq!(tokio::join!(rig.ask("x", Lane::Elastic), healed).0, Ok(()), "asked again over another connection");
    assert!(start.elapsed() < MS(3_000), "{:?}", start.elapsed());
    assert_eq!(server.seen.connections.load(SeqCst), 2);
}

/// As if the server were killed: nobody says goodbye, and the address lives on. Each rule that goes by time would take longer.
#[tokio::test]
async fn a_server_that_is_gone_is_noticed_with_the_next_datagram() {
    let authority = Authority::new();
    let server = QuicServer::with(authority.certify(NAME).settings(b"doq"));
    let Path { address: path, front, .. } = path_to(server.address).await;
    let timing = Timing { dial: MS(8_000), exchange: MS(9_000), vanished: MS(8_000), silence: MS(8_000), patience: MS(8_000), ..quick() };
    let Behind { rig, .. } = &behind_in(timing, &authority, server, path);
    for lane in Lane::ALL {
        assert_eq!(rig.ask("x", lane).await, Ok(()));
    }
    front.abort();
    assert!(front.await.is_err());
    for lane in Lane::ALL {
        let start = Instant::now();
        let outcomes = rig.ask_all(&labels(20), lane).await;
        assert!(outcomes.iter().all(|outcome| *outcome == Err(FailureClass::DialRefused)), "{outcomes:?}");
        assert!(start.elapsed() < MS(4_000), "{:?}", start.elapsed());
    }
    assert_eq!(rig.metrics.snapshot().resent, 20, "those that met the connection were asked again");
}

/// A relay that carries nothing back to its clients while it is cut, and of whose front nothing is left once that is aborted.
struct Path {
    address: SocketAddr,
    cut: Arc<AtomicBool>,
    front: JoinHandle<()>,
}

async fn path_to(server: SocketAddr) -> Path {
    let front = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let (address, cut) = (front.local_addr().unwrap(), Arc::new(AtomicBool::new(false)));
    let is_cut = cut.clone();
    let front = tokio::spawn(async move {
        let mut backs: std::collections::HashMap<SocketAddr, Arc<UdpSocket>> = Default::default();
        let mut datagram = vec![0; 2_048];
        while let Ok((length, client)) = front.recv_from(&mut datagram).await {
            if let std::collections::hash_map::Entry::Vacant(entry) = backs.entry(client) {
                let back = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
                entry.insert(back.clone());
                let (front, is_cut) = (Arc::downgrade(&front), is_cut.clone());
                tokio::spawn(async move {
                    let mut datagram = vec![0; 2_048];
                    while let Ok(length) = back.recv(&mut datagram).await {
                        if let (false, Some(front)) = (is_cut.load(SeqCst), front.upgrade()) {
                            drop(front.send_to(&datagram[..length], client).await);
                        }
                    }
                });
            }
            drop(backs[&client].send_to(&datagram[..length], server).await);
        }
    });
    Path { address, cut, front }
}
