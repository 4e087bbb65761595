//! Our own questions to the DNS Service: whether what a node's clients ask comes to us. The redirect side says where to ask and what
//! policy stands; what is heard goes back to it, and into readiness.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::probe;
use super::proof::Proof;
use super::readiness::ask_listeners;
use crate::lifecycle::{Latch, Readiness};
use crate::redirect::{Blackhole, Family, Frontend, Heard, PATIENCE, Path, Protocol, Round, Verdict, Verification};
use crate::wire::{AnswerError, Key, encode_nsid_query, nsid};

/// Asks the DNS Service who answers, for as long as queries may be redirected to us.
pub(super) struct Verifier {
    pub(super) frontend: watch::Receiver<Frontend>,
    pub(super) readiness: Readiness,
    /// Held while this agent is aside.
    pub(super) latch: Latch,
    /// A blackhole that the other agents are to know of.
    pub(super) found: watch::Sender<Option<Blackhole>>,
    pub(super) proof: Proof,
    /// What we call ourselves.
    pub(super) identity: String,
    /// The cluster's domain.
    pub(super) domain: String,
    /// Where we answer.
    pub(super) listeners: Vec<SocketAddr>,
}

impl Verifier {
    /// Asks until the redirect side has ended.
    pub(super) async fn run(mut self) {
        let question = probe::address_of(&format!("{}.{}", probe::KUBERNETES, self.domain));
        let mut verification = Verification::begin(now());
        let mut frontend = Frontend::default();
        loop {
            tokio::select! {
                changed = self.frontend.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let before = std::mem::replace(&mut frontend, self.frontend.borrow_and_update().clone());
                    if before.policy != frontend.policy {
                        verification.renewed(now());
                    }
                }
                () = sleep(verification.until_round(now(), rand::random())) => {
                    let verdict = self.round(&mut verification, &frontend, &question).await;
                    self.proof.heard(verification.live().collect());
                    match verdict {
                        Verdict::Stay => {}
                        Verdict::StepAside(stay) => self.step_aside(&verification, &frontend, stay, wall_clock()),
                        Verdict::StillSilent => tracing::error!(
                            "stepping aside brought no answer: this Cilium does not fall back; the way out is kubectl delete clrp doorstep"
                        ),
                        Verdict::Return => self.come_back(),
                    }
                }
            }
        }
    }

    /// Asks over every path at once. Without a policy nobody is asked: there is nothing to prove.
    async fn round(&self, verification: &mut Verification, frontend: &Frontend, question: &Key) -> Verdict {
        let expected = frontend.policy.is_some() && (verification.is_aside() || self.readiness.is_ready());
        let servers = if frontend.policy.is_some() { frontend.addresses.as_slice() } else { &[] };
        let paths = servers.iter().flat_map(|server| [(Protocol::Udp, *server), (Protocol::Tcp, *server)]);
        let heard = join_all(paths.map(async |(protocol, server)| {
            let family = if server.is_ipv4() { Family::V4 } else { Family::V6 };
            (Path { protocol, family }, ask(protocol, server, question, self.identity.as_bytes(), PATIENCE).await)
        }))
        .await;
        let silent = heard.iter().any(|(_, heard)| *heard == Heard::Silence);
        let listening = !silent || ask_listeners(&self.listeners).await.is_ok();
        let round = Round { heard: &heard, expected, listening, hairpin: frontend.hairpin };
        verification.judge(&round, now(), rand::random())
    }

    /// While the policy is new the other agents are told too: it may be the policy that is at fault.
    fn step_aside(&self, verification: &Verification, frontend: &Frontend, stay: Duration, at: Duration) {
        let paths: Vec<String> = verification.silent().map(|path| format!("{} {}", path.family.label(), path.protocol)).collect();
        let reason = format!(
            "the DNS Service does not answer on this node over {}: kube-dns is to answer its clients for {} s",
            paths.join(", "),
            stay.as_secs()
        );
        tracing::error!(%reason, "stepping aside: queries are redirected, and do not arrive");
        self.latch.hold(&reason);
        self.proof.stepped_aside(now() + stay);
        let policy = frontend.policy.clone();
        self.found.send_replace(policy.map(|policy| Blackhole { agent: self.identity.clone(), policy, at: at.as_secs() }));
    }

    fn come_back(&self) {
        tracing::info!("no longer aside: ready for redirected queries");
        self.found.send_replace(None);
        self.latch.release();
        self.proof.returned();
    }
}

/// Asks `server` who answers.
async fn ask(protocol: Protocol, server: SocketAddr, question: &Key, own: &[u8], patience: Duration) -> Heard {
    let id = rand::random();
    let query = encode_nsid_query(question, id);
    let exchange = async {
        match protocol {
            Protocol::Udp => probe::udp(server, &query).await,
            Protocol::Tcp => probe::tcp(server, &query).await,
        }
    };
    let Ok(reply) = timeout(patience, exchange).await else { return Heard::Silence };
    match reply {
        Ok(message) => match nsid(&message, id, question) {
            Ok(Some(name)) if name == own => Heard::Own,
            Ok(_) | Err(AnswerError::Rcode(_) | AnswerError::Truncated) => Heard::Other,
            Err(AnswerError::Malformed | AnswerError::Mismatch) => Heard::Silence,
        },
        Err(error) => unanswered(&error),
    }
}

/// A redirect without a backend is refused by Cilium with one of several errors; without an address of the family, or without sockets,
/// nothing was asked.
fn unanswered(error: &io::Error) -> Heard {
    match error.kind() {
        ErrorKind::ConnectionRefused
        | ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::HostUnreachable
        | ErrorKind::PermissionDenied
        | ErrorKind::TimedOut
        | ErrorKind::UnexpectedEof
        | ErrorKind::BrokenPipe => Heard::Silence,
        _ => Heard::Unsent,
    }
}

#[expect(clippy::disallowed_methods, reason = "the edge reads the clock for the verdicts")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "other agents compare when a blackhole was found")]
fn wall_clock() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, UdpSocket};

    use super::*;

    const ANY_PORT: (&str, u16) = ("127.0.0.1", 0);

    fn question() -> Key {
        probe::address_of("kubernetes.default.svc.cluster.local")
    }

    /// The query as a reply of a server with this name.
    fn reply(query: &[u8], name: &[u8]) -> Vec<u8> {
        let mut reply = query[..query.len() - 6].to_vec();
        reply[2] |= 0x80;
        let length = name.len() as u8;
        reply.extend_from_slice(&[0, length + 4, 0, 3, 0, length]);
        reply.extend_from_slice(name);
        reply
    }

    /// Answers every query over UDP and TCP as `name`.
    async fn server(name: &'static [u8]) -> SocketAddr {
        let tcp = TcpListener::bind(ANY_PORT).await.unwrap();
        let address = tcp.local_addr().unwrap();
        let udp = UdpSocket::bind(address).await.unwrap();
        tokio::spawn(async move {
            let mut query = [0; 512];
            while let Ok((length, client)) = udp.recv_from(&mut query).await {
                udp.send_to(&reply(&query[..length], name), client).await.unwrap();
            }
        });
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = tcp.accept().await {
                let mut query = vec![0; usize::from(stream.read_u16().await.unwrap())];
                stream.read_exact(&mut query).await.unwrap();
                let reply = reply(&query, name);
                stream.write_u16(reply.len() as u16).await.unwrap();
                stream.write_all(&reply).await.unwrap();
            }
        });
        address
    }

    fn verifier(readiness: &Readiness) -> Verifier {
        let latch = readiness.latch("aside", "");
        latch.release();
        Verifier {
            frontend: watch::channel(Frontend::default()).1,
            readiness: readiness.clone(),
            latch,
            found: watch::channel(None).0,
            proof: Proof::default(),
            identity: "doorstep-x".to_owned(),
            domain: "cluster.local".to_owned(),
            listeners: Vec::new(),
        }
    }

    async fn ask_both(server: SocketAddr, patience: Duration) -> [Heard; 2] {
        let (own, question) = (b"doorstep-x", question());
        [ask(Protocol::Udp, server, &question, own, patience).await, ask(Protocol::Tcp, server, &question, own, patience).await]
    }

    #[tokio::test]
    async fn our_own_name_is_told_from_anothers_over_udp_and_tcp() {
        assert_eq!(ask_both(server(b"doorstep-x").await, PATIENCE).await, [Heard::Own; 2]);
        assert_eq!(ask_both(server(b"doorstep-y").await, PATIENCE).await, [Heard::Other; 2]);
        assert_eq!(ask_both(server(b"").await, PATIENCE).await, [Heard::Other; 2]);
    }

    #[tokio::test]
    async fn a_server_that_does_not_answer_and_one_that_is_not_there_are_silent() {
        let tcp = TcpListener::bind(ANY_PORT).await.unwrap();
        let address = tcp.local_addr().unwrap();
        let udp = UdpSocket::bind(address).await.unwrap();
        assert_eq!(ask_both(address, Duration::from_millis(50)).await, [Heard::Silence; 2]);
        drop((tcp, udp));
        assert_eq!(ask_both(address, PATIENCE).await, [Heard::Silence; 2], "refused");
    }

    #[test]
    fn a_family_that_this_pod_has_not_was_not_asked_and_what_cilium_says_of_an_empty_redirect_is_silence() {
        for kind in [ErrorKind::NetworkUnreachable, ErrorKind::AddrNotAvailable, ErrorKind::Unsupported] {
            assert_eq!(unanswered(&kind.into()), Heard::Unsent, "{kind}");
        }
        for kind in [ErrorKind::PermissionDenied, ErrorKind::HostUnreachable] {
            assert_eq!(unanswered(&kind.into()), Heard::Silence, "{kind}");
        }
    }

    #[tokio::test]
    async fn without_a_policy_nobody_is_asked_and_with_one_each_path_is() {
        let verifier = verifier(&Readiness::default());
        let mut frontend = Frontend { addresses: vec![server(b"doorstep-x").await], ..Frontend::default() };
        let mut verification = Verification::begin(now());
        verifier.round(&mut verification, &frontend, &question()).await;
        assert_eq!(verification.live().count(), 0);
        frontend.policy = Some("u1".to_owned());
        verifier.round(&mut verification, &frontend, &question()).await;
        let path = |protocol| (Path { protocol, family: Family::V4 }, true);
        assert_eq!(verification.live().collect::<Vec<_>>(), [path(Protocol::Udp), path(Protocol::Tcp)]);
    }

    #[test]
    fn an_agent_aside_is_not_ready_says_why_tells_and_comes_back() {
        let readiness = Readiness::default();
        let verifier = verifier(&readiness);
        let mut verification = Verification::begin(now());
        let heard = [(Path { protocol: Protocol::Udp, family: Family::V4 }, Heard::Silence)];
        verification.judge(&Round { heard: &heard, expected: true, listening: true, hairpin: true }, now(), 0.0);
        assert!(readiness.is_ready());
        let frontend = Frontend { policy: Some("u1".to_owned()), ..Frontend::default() };
        let told = verifier.found.subscribe();
        verifier.step_aside(&verification, &frontend, Duration::from_secs(60), Duration::from_secs(7));
        let why = "aside: the DNS Service does not answer on this node over ipv4 UDP: kube-dns is to answer its clients for 60 s";
        assert_eq!(readiness.pending(), [why]);
        assert_eq!(verifier.proof.page(now())["step_asides"], 1);
        let found = Blackhole { agent: "doorstep-x".to_owned(), policy: "u1".to_owned(), at: 7 };
        assert_eq!(*told.borrow(), Some(found));
        verifier.come_back();
        assert!(readiness.is_ready() && told.borrow().is_none());
        assert!(verifier.proof.page(now())["aside_seconds"].is_null());
    }
}
