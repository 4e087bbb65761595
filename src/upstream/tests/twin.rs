//! Pods behind a Service: a server that knows their addresses, and servers at those.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use super::servers::{answer, udp_on};
use super::*;
use crate::upstream::Twin;
use crate::wire::Name;

/// Answers as a Service or a pod behind it would: knows who stands behind the Service, and everything else too, unless it fails.
#[derive(Clone)]
struct Service {
    address: SocketAddr,
    pods: Arc<Mutex<Vec<Ipv4Addr>>>,
    fails: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    accepted: Arc<AtomicUsize>,
    open: Arc<AtomicUsize>,
}

impl Service {
    async fn start(pods: &[Ipv4Addr]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::serve(listener, Arc::new(Mutex::new(pods.to_vec())))
    }

    /// A pod behind it, at the port that all of them have.
    async fn pod(&self, ip: Ipv4Addr) -> Self {
        let listener = TcpListener::bind((ip, self.address.port())).await.unwrap();
        Self::serve(listener, self.pods.clone())
    }

    fn serve(listener: TcpListener, pods: Arc<Mutex<Vec<Ipv4Addr>>>) -> Self {
        let address = listener.local_addr().unwrap();
        let (fails, asked, accepted, open) = Default::default();
        let service = Service { address, pods, fails, asked, accepted, open };
        let serving = service.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let service = serving.clone();
                tokio::spawn(async move {
                    service.accepted.fetch_add(1, SeqCst);
                    service.open.fetch_add(1, SeqCst);
                    drop(service.answer_all(stream).await);
                    service.open.fetch_sub(1, SeqCst);
                });
            }
        });
        service
    }

    async fn answer_all(&self, mut stream: TcpStream) -> std::io::Result<()> {
        loop {
            let mut question = vec![0; usize::from(stream.read_u16().await?)];
            stream.read_exact(&mut question).await?;
            let message = self.say(&question);
            stream.write_all(&[&(message.len() as u16).to_be_bytes(), message.as_slice()].concat()).await?;
        }
    }

    fn say(&self, question: &[u8]) -> Vec<u8> {
        let mut message = answer(question);
        if self.fails.load(SeqCst) {
            message[3] |= 2;
        } else if question[13..].starts_with(b"twin") {
            let pods = self.pods.lock();
            message[7] = pods.len() as u8;
            for pod in pods.iter() {
                message.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 30, 0, 4]);
                message.extend(pod.octets());
            }
        } else {
            self.asked.fetch_add(1, SeqCst);
        }
        message
    }

    fn rig(&self) -> Rig {
        let metrics = Arc::new(Metrics::default());
        let config = GroupConfig {
            name: "test".into(),
            servers: vec![Server::Tcp(self.address)],
            endpoints: Some(twin()),
            trust: Trust::default(),
            // None falls idle where a busy machine lets the questions wait.
            timing: Timing { idle: MS(60_000), ..quick() },
        };
        Rig { group: Group::new(config, Arc::new(Bounds::default()), metrics.clone()), metrics }
    }
}

fn twin() -> Twin {
    Twin { name: Name::parse("twin.test").unwrap(), port: None, own: Vec::new() }
}

fn pod(host: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 0, host)
}

async fn ask_many(rig: &Rig) {
    for _ in 0..200 {
        for lane in Lane::ALL {
            assert_eq!(rig.ask("x", lane).await, Ok(()));
        }
    }
}

#[tokio::test]
async fn the_first_question_finds_the_pods_and_all_share_what_is_asked_then() {
    let service = Service::start(&[pod(2), pod(3)]).await;
    let (one, other) = (service.pod(pod(2)).await, service.pod(pod(3)).await);
    let rig = service.rig();
    assert!(rig.group.endpoints().is_empty());
    assert_eq!(rig.ask("x", Lane::Elastic).await, Ok(()));
    let found = async {
        while rig.group.endpoints().len() < 2 {
            tokio::time::sleep(MS(1)).await;
        }
    };
    tokio::time::timeout(MS(10_000), found).await.unwrap();
    ask_many(&rig).await;
    for asked in [&service.asked, &one.asked, &other.asked] {
        assert!(asked.load(SeqCst) > 0, "how much of it follows from what each takes");
    }
    assert_eq!(rig.group.servers().len(), 1, "what is configured stays what it is");
}

#[tokio::test]
async fn a_pod_that_stays_keeps_its_connections_and_one_that_goes_loses_them() {
    let service = Service::start(&[pod(2), pod(3)]).await;
    let (stays, goes) = (service.pod(pod(2)).await, service.pod(pod(3)).await);
    let rig = service.rig();
    rig.group.clone().look(twin()).await;
    ask_many(&rig).await;
    let (accepted, begun) = (stays.accepted.load(SeqCst), rig.group.asked());
    *service.pods.lock() = vec![pod(2)];
    rig.group.clone().look(twin()).await;
    assert_eq!(rig.group.endpoints(), [Server::Tcp((pod(2), service.address.port()).into())]);
    assert_eq!(begun.endpoints.len(), 3, "who has begun to ask goes on with whom there was");
    drop(begun);
    let asked = goes.asked.load(SeqCst);
    ask_many(&rig).await;
    assert_eq!((stays.accepted.load(SeqCst), goes.asked.load(SeqCst)), (accepted, asked));
    let closed = async {
        while goes.open.load(SeqCst) > 0 {
            tokio::time::sleep(MS(1)).await;
        }
    };
    tokio::time::timeout(MS(10_000), closed).await.unwrap();
}

#[tokio::test]
async fn the_service_answers_when_all_its_pods_have_moved() {
    let gone: Vec<Ipv4Addr> = (10..18).map(pod).collect();
    let service = Service::start(&gone).await;
    for lane in Lane::ALL {
        // Each time all of them are new: more tries than a question has would fail.
        for _ in 0..20 {
            let rig = service.rig();
            rig.group.clone().look(twin()).await;
            assert_eq!(rig.group.endpoints().len(), 8, "half of the connections that cluster names have");
            assert_eq!(rig.ask("x", lane).await, Ok(()));
            assert!(!rig.group.is_out());
        }
    }
}

#[tokio::test]
async fn without_an_answer_the_pods_stay_and_with_one_that_names_none_they_go() {
    let service = Service::start(&[pod(20)]).await;
    let rig = service.rig();
    rig.group.clone().look(twin()).await;
    service.fails.store(true, SeqCst);
    *service.pods.lock() = Vec::new();
    rig.group.clone().look(twin()).await;
    assert_eq!(rig.group.endpoints().len(), 1);
    service.fails.store(false, SeqCst);
    rig.group.clone().look(twin()).await;
    assert!(rig.group.endpoints().is_empty());
}

#[tokio::test]
async fn external_names_go_over_udp_while_they_fail_over_tcp_alone() {
    let service = Service::start(&[]).await;
    udp_on(UdpSocket::bind(service.address).await.unwrap(), |_, question| vec![answer(question)]);
    let rig = rig(&[Server::Tcp(service.address)]);
    let attempts = |transport: usize| rig.metrics.snapshot().attempts[2 * transport + 1].2;
    assert!(!rig.group.weigh_external().await, "TCP is well");
    service.fails.store(true, SeqCst);
    assert_eq!(rig.ask("x", Lane::Elastic).await, Err(FailureClass::ServFail));
    assert!(rig.group.weigh_external().await);
    assert_eq!(rig.ask("x", Lane::Elastic).await, Ok(()));
    assert_eq!((attempts(0), attempts(1)), (1, 1));
    assert_eq!(rig.ask("x", Lane::Cluster).await, Err(FailureClass::ServFail), "names of the cluster go over TCP");
    service.fails.store(false, SeqCst);
    assert!(!rig.group.weigh_external().await, "mended");
    assert_eq!(rig.ask("x", Lane::Elastic).await, Ok(()));
    assert_eq!((attempts(0), attempts(1)), (1, 2));
}

#[tokio::test]
async fn many_failures_in_a_row_raise_the_question_by_themselves() {
    let service = Service::start(&[]).await;
    udp_on(UdpSocket::bind(service.address).await.unwrap(), |_, question| vec![answer(question)]);
    service.fails.store(true, SeqCst);
    let rig = rig(&[Server::Tcp(service.address)]);
    for _ in 0..8 {
        assert_eq!(rig.ask("x", Lane::Elastic).await, Err(FailureClass::ServFail));
    }
    let changed = async {
        while !rig.group.external_over_udp() {
            tokio::time::sleep(MS(1)).await;
        }
    };
    tokio::time::timeout(MS(10_000), changed).await.unwrap();
    assert_eq!(rig.ask("x", Lane::Elastic).await, Ok(()));
}
