//! The way into readiness: our listeners answer us, the upstream has answered once, nothing sends our queries back.
//!
//! Later slowness of the upstream changes nothing: serving stale beats handing the node's load to CoreDNS at its worst moment. Only where
//! it is this node alone that does not get through are its clients left to kube-dns.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::sleep;

use super::fallback::Fallback;
use super::probe::{self, Heard};
use crate::k8s::{Account, Config};
use crate::lifecycle::{Latch, Readiness};
use crate::resolve::Resolver;
use crate::wire::Rcode;

/// Between two attempts. Nothing is asked once all is well.
const PAUSE: Duration = Duration::from_secs(1);

/// What stands between the start and the first client.
pub(super) struct Latches {
    /// Released once UDP and TCP of every listener answer.
    pub(super) listeners: Latch,
    /// Released once a cluster name has come back through the upstream.
    pub(super) upstream: Latch,
}

impl Latches {
    /// Both latches held.
    pub(super) fn new(readiness: &Readiness) -> Self {
        Self { listeners: readiness.latch("listeners", "not asked yet"), upstream: readiness.latch("upstream", "not asked yet") }
    }
}

/// Asks until both latches are released, then watches over the second where there is a cluster to fall back to. `domain` is the
/// cluster's domain.
pub(super) async fn keep(
    latches: Latches,
    addresses: Vec<SocketAddr>,
    resolver: Resolver,
    domain: String,
    cluster: Option<(Config, Account)>,
) {
    pass(&latches, &addresses, &resolver, &domain).await;
    if let (Some((config, account)), Some(&listener)) = (cluster, addresses.first()) {
        Fallback { config, account, latch: latches.upstream, listener, resolver, domain }.run().await;
    }
}

async fn pass(latches: &Latches, addresses: &[SocketAddr], resolver: &Resolver, domain: &str) {
    while let Err(reason) = ask_listeners(addresses).await {
        latches.listeners.hold(&reason);
        sleep(PAUSE).await;
    }
    latches.listeners.release();
    let Some(&listener) = addresses.first() else { return };
    let mut said = String::new();
    while let Err(reason) = ask_upstream(listener, resolver, domain).await {
        if reason != said {
            tracing::warn!(%reason, "not ready: the upstream");
            said.clone_from(&reason);
        }
        latches.upstream.hold(&reason);
        sleep(PAUSE).await;
    }
    latches.upstream.release();
}

/// Whether each of our addresses answers us over UDP and TCP; else which does not.
pub(super) async fn ask_listeners(addresses: &[SocketAddr]) -> Result<(), String> {
    for address in addresses {
        probe::ask_listener(*address).await?;
    }
    Ok(())
}

async fn ask_upstream(listener: SocketAddr, resolver: &Resolver, domain: &str) -> Result<(), String> {
    // Both at once: where our queries come back to us, the cluster name waits for itself and is never answered.
    let label = resolver.loop_guard().begin(rand::random());
    let (loop_name, cluster_name) = (format!("{label}.{domain}"), format!("{}.{domain}", probe::KUBERNETES));
    let (_, heard) = tokio::join!(probe::ask_name(listener, &loop_name), probe::ask_name(listener, &cluster_name));
    if resolver.loop_guard().looping() {
        return Err(
            "forwarding loop: the upstream sends our own queries back; give the address of a Service that is not redirected".to_owned()
        );
    }
    if !heard.is_answer() {
        return Err(unanswered(resolver, &cluster_name));
    }
    external(listener, resolver).await;
    Ok(())
}

/// Which servers did not answer, and why.
fn unanswered(resolver: &Resolver, name: &str) -> String {
    let snapshot = resolver.snapshot();
    let Some(group) = snapshot.groups.first() else { return format!("no upstream to ask for {name}") };
    if group.servers().is_empty() {
        return "waiting for the Service kube-dns-upstream, which does not exist or has no address yet".to_owned();
    }
    let servers: Vec<String> = group.servers().iter().map(ToString::to_string).collect();
    let why = group.last_failure().map_or_else(|| "no answer yet".to_owned(), |class| format!("{class}, {}", class.meaning()));
    format!("no answer for {name} from {}: {why}", servers.join(", "))
}

/// An external name may fail for reasons of its own (a cluster without a way out); but where it fails over TCP and the same server answers it
/// over UDP, it is asked over UDP, so that turning clients to us takes no external name from them.
async fn external(listener: SocketAddr, resolver: &Resolver) {
    if probe::ask_external(listener).await != Heard::Rcode(Rcode::SERV_FAIL) {
        return;
    }
    let snapshot = resolver.snapshot();
    let Some(group) = snapshot.groups.first() else { return };
    if !group.weigh_external().await {
        tracing::warn!("external names fail upstream, over TCP and over UDP; ready all the same, for cluster names are answered");
    }
}
