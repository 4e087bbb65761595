//! From a configuration to a running doorstep.

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use super::control::{Control, Signals};
use super::descriptors::Descriptors;
use super::groups::Groups;
use super::readiness::Latches;
use super::redirect::Redirect;
use super::reload::Reloads;
use super::status::Status;
use super::{metrics, watchdog};
use crate::admin::Sources;
use crate::cache::Cache;
use crate::config::{Config, Reload};
use crate::lifecycle::{Readiness, Supervisor};
use crate::listen::{self, BindError};
use crate::resolve::{Identity, Resolver};
use crate::upstream::Bounds;

/// A doorstep that serves.
pub struct App {
    addresses: Vec<SocketAddr>,
    admin: SocketAddr,
    control: JoinHandle<ExitCode>,
}

/// Why doorstep did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A DNS address.
    #[error(transparent)]
    Listen(#[from] BindError),
    /// The address of the health pages.
    #[error("cannot serve health pages and metrics on {0}: {1}; choose another address with --admin")]
    Admin(SocketAddr, io::Error),
    /// Threads, runtimes, signals.
    #[error("the operating system refuses: {0}")]
    System(#[from] io::Error),
}

/// Binds, starts the workers and the control thread, and returns; queries are answered from now on. `reload`: the file to follow.
///
/// # Errors
/// An address that cannot be had, or an operating system without threads.
pub fn start(config: Config, reload: Option<Reload>) -> Result<App, StartError> {
    let descriptors = Descriptors::raise(&config);
    let sockets = listen::bind(&config.listen)?;
    let addresses = sockets.addresses().to_vec();
    let (admin, admin_address) = bind_admin(config.admin).map_err(|error| StartError::Admin(config.admin, error))?;
    let groups = Groups::new(Bounds::new(config.limits.upstream_connections, Bounds::UDP_IN_FLIGHT));
    let started = now();
    let resolver = resolver(&config, &groups, started);
    let (readiness, supervisor) = (Readiness::default(), Supervisor::default());
    let latches = Latches::new(&readiness);
    watchdog::watch(&supervisor, readiness.latch("workers", "no sign of life yet"))?;
    let serving = readiness.latch("serving", "");
    serving.release();
    let redirect = Redirect::new(config.kubernetes, &readiness, &config.identity, &config.cluster_domain.to_string(), &addresses);
    let listeners = sockets.serve(resolver.clone(), &supervisor)?;
    let reloads = Reloads::new(config.source.as_ref().map(|file| file.display().to_string()), config.hash);
    let status = Status {
        descriptors,
        identity: config.identity,
        domain: config.cluster_domain.to_string(),
        addresses: addresses.clone(),
        workers: config.listen.workers,
        started,
        readiness: readiness.clone(),
        supervisor: supervisor.clone(),
        resolver: resolver.clone(),
        reloads: reloads.clone(),
        redirect: redirect.pages().clone(),
    };
    let registry = metrics::registry(&resolver, listeners.counters(), &groups, &readiness, &supervisor, &reloads, redirect.pages());
    let sources = Sources { pending: Box::new(move || readiness.pending()), status: Box::new(move || status.page(now())), registry };
    let control = Control {
        admin,
        sources,
        latches,
        addresses: addresses.clone(),
        domain: config.cluster_domain.to_string(),
        resolver,
        listeners,
        groups,
        reload: reload.map(|file| (file, reloads)),
        redirect,
        drain: config.drain,
        serving,
    };
    announce(&addresses, admin_address);
    Ok(App { addresses, admin: admin_address, control: spawn(control)? })
}

fn resolver(config: &Config, groups: &Groups, now: Instant) -> Resolver {
    let resolver = Resolver::new(
        groups.snapshot(&config.queries, None),
        Cache::new(config.cache.capacity, now),
        config.limits.waiting,
        Identity::new(&config.identity, concat!("doorstep ", env!("CARGO_PKG_VERSION"))),
        config.listen.workers,
    );
    resolver.rotate(config.queries.rotate);
    resolver
}

impl App {
    /// Where DNS is answered.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Where the health pages and metrics are.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Waits until a signal has stopped it.
    pub fn wait(self) -> ExitCode {
        self.control.join().unwrap_or(ExitCode::FAILURE)
    }
}

fn announce(addresses: &[SocketAddr], admin: SocketAddr) {
    for address in addresses {
        tracing::info!(%address, "answering DNS over UDP and TCP");
    }
    tracing::info!(address = %admin, "serving /livez /readyz /status /metrics");
}

fn bind_admin(address: SocketAddr) -> io::Result<(std::net::TcpListener, SocketAddr)> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Returns when signals are caught: from then on none of them kills.
fn spawn(control: Control) -> io::Result<JoinHandle<ExitCode>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (caught, report) = mpsc::channel();
    let thread = thread::Builder::new().name("control".to_owned()).spawn(move || {
        runtime.block_on(async {
            let signals = match Signals::catch() {
                Ok(signals) => signals,
                Err(error) => {
                    drop(caught.send(Err(error)));
                    return ExitCode::FAILURE;
                }
            };
            drop(caught.send(Ok(())));
            control.run(signals).await
        })
    })?;
    report.recv().map_err(|_| io::Error::other("the control thread died"))??;
    Ok(thread)
}

#[expect(clippy::disallowed_methods, reason = "the composition root reads the clock for the rooms that are given it")]
fn now() -> Instant {
    Instant::now()
}
