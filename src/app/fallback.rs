//! This node's clients are left to kube-dns where its own way to the upstream is cut: the questions behind the verdict, and the latch.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use rand::seq::SliceRandom;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::probe;
use crate::k8s::{Account, Config, Endpoints};
use crate::lifecycle::{Latch, LocalVerdict, Step};
use crate::redirect::Protocol;
use crate::resolve::Resolver;
use crate::upstream::{Group, Server};

/// Between two glances at the group, and between two questions while out.
const PAUSE: Duration = Duration::from_secs(1);
/// Endpoints of kube-dns that a look asks; more than half of them must answer.
const MOST_ASKED: usize = 3;

/// Watches over the way from this node to the upstream.
pub(super) struct Fallback {
    pub(super) config: Config,
    pub(super) account: Account,
    /// Held while out.
    pub(super) latch: Latch,
    /// One of our own.
    pub(super) listener: SocketAddr,
    pub(super) resolver: Resolver,
    /// The cluster's domain.
    pub(super) domain: String,
}

/// What has been found so far.
#[derive(Default)]
struct Course {
    verdict: LocalVerdict,
    /// kube-dns' own, as the last look found them.
    endpoints: Vec<SocketAddr>,
    /// While out: follows the upstream's Service.
    following: JoinSet<()>,
}

impl Fallback {
    /// Watches until dropped. To begin once the upstream has answered.
    pub(super) async fn run(self) {
        let mut course = Course::default();
        loop {
            sleep(PAUSE).await;
            if course.verdict.is_out() && self.upstream_answers().await {
                course.verdict.answered();
                self.come_back(&mut course, "the upstream answers again");
                continue;
            }
            let since = self.group().and_then(|group| group.unreached_since());
            if course.verdict.is_look_due(since, now(), rand::random()) {
                self.look(&mut course).await;
            }
        }
    }

    async fn look(&self, course: &mut Course) {
        let Some(group) = self.group() else { return };
        let Some(server) = group.servers().first() else { return };
        let protocol = if matches!(server, Server::Udp(_)) { Protocol::Udp } else { Protocol::Tcp };
        // The API server first: where it tells of an upstream that was made anew, the question goes there.
        match self.find(protocol).await {
            Some(endpoints) => course.endpoints = endpoints,
            // Who is out does not come back because the API server is away.
            None if course.verdict.is_out() => {}
            None => course.endpoints.clear(),
        }
        let family = server.address().is_ipv4();
        let endpoints: Vec<SocketAddr> = course.endpoints.iter().copied().filter(|endpoint| endpoint.is_ipv4() == family).collect();
        let alone = !self.upstream_answers().await && most_answer(endpoints, protocol, &self.cluster_name()).await;
        match course.verdict.looked(alone, now(), rand::random()) {
            Step::Stay if alone || course.verdict.is_out() || group.unreached_since().is_none() => {}
            Step::Stay => tracing::warn!("the upstream is not reached, and kube-dns' own endpoints do not answer either: still ready"),
            Step::Leave => self.leave(course, &group),
            Step::Return => self.come_back(course, "kube-dns' own endpoints do not answer either"),
        }
    }

    async fn find(&self, protocol: Protocol) -> Option<Vec<SocketAddr>> {
        Endpoints::connect(&self.config, &self.account).await?.find(protocol).await
    }

    /// Asks through our own listener, as clients do, for a name that nobody has asked for: no cache knows it.
    async fn upstream_answers(&self) -> bool {
        let name = format!("{}.{}", probe::path_label(rand::random()), self.domain);
        probe::ask_name(self.listener, &name).await.is_answer()
    }

    fn leave(&self, course: &mut Course, group: &Group) {
        let servers: Vec<String> = group.servers().iter().map(ToString::to_string).collect();
        let why = group.last_failure().map_or_else(String::new, |class| format!(" ({class}, {})", class.meaning()));
        let reason = format!(
            "this node does not get through to {}{why}, while kube-dns' own endpoints answer it: kube-dns is to answer its clients",
            servers.join(", ")
        );
        tracing::error!(%reason, "not ready: the upstream");
        self.latch.hold(&reason);
        let (config, account) = (self.config.clone(), self.account.clone());
        course.following.spawn(async move {
            if let Some(endpoints) = Endpoints::connect(&config, &account).await {
                endpoints.follow_upstream().await;
            }
        });
    }

    fn come_back(&self, course: &mut Course, why: &str) {
        tracing::info!("ready again: {why}");
        self.latch.release();
        course.following = JoinSet::new();
    }

    fn group(&self) -> Option<Arc<Group>> {
        self.resolver.snapshot().groups.first().map(Arc::clone)
    }

    fn cluster_name(&self) -> String {
        format!("{}.{}", probe::KUBERNETES, self.domain)
    }
}

/// Whether more than half of a few of them answer: one that is gone and still listed decides nothing.
async fn most_answer(mut endpoints: Vec<SocketAddr>, protocol: Protocol, name: &str) -> bool {
    endpoints.shuffle(&mut rand::rng());
    endpoints.truncate(MOST_ASKED);
    let heard = join_all(endpoints.iter().map(|endpoint| probe::ask_server(*endpoint, protocol, name))).await;
    heard.iter().filter(|heard| heard.is_answer()).count() * 2 > heard.len()
}

#[expect(clippy::disallowed_methods, reason = "the edge reads the clock for the verdict")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use tokio::net::UdpSocket;

    use super::*;

    /// Answers every query with this rcode.
    async fn server(rcode: u8) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        tokio::spawn(async move {
            let mut message = [0; 512];
            while let Ok((length, client)) = socket.recv_from(&mut message).await {
                message[2] |= 0x80;
                message[3] = rcode;
                socket.send_to(&message[..length], client).await.unwrap();
            }
        });
        address
    }

    #[tokio::test]
    async fn kube_dns_is_well_where_more_than_half_of_its_endpoints_answer() {
        let (well, failing, closed) = (server(0).await, server(2).await, "127.0.0.1:1".parse().unwrap());
        for (endpoints, expected) in [
            (vec![], false),
            (vec![well], true),
            (vec![closed], false),
            (vec![failing], false),
            (vec![well, closed], false),
            (vec![well, closed, well], true),
        ] {
            let said = format!("{endpoints:?}");
            assert_eq!(most_answer(endpoints, Protocol::Udp, "kubernetes.default.svc.cluster.local").await, expected, "{said}");
        }
    }
}
