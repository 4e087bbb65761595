//! What a contender is, and how it is started.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::load::Expect;
use crate::server::{Program, Server, free_address};
use crate::transport::Transport;

/// Core of the servers.
pub(super) const SERVERS: usize = 0;
/// Core of the load generator and the upstream.
pub(crate) const LOAD: usize = 1;

/// Answers that a cache is configured for, unless it is made for fewer.
pub(super) const AMPLE: u32 = 1 << 17;

/// Programs built from the sources at hand. The others are Debian's, found in PATH.
pub(crate) struct Programs {
    /// doorstep itself, as released.
    pub(crate) doorstep: PathBuf,
    /// This benchmark, which is its own floor and its own slow upstream.
    pub(crate) figures: PathBuf,
    /// CoreDNS, as upstream and as contender.
    pub(crate) coredns: PathBuf,
}

/// The server that a contender asks.
pub(crate) struct Forward {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// By what it is asked.
    pub(crate) transport: Transport,
    /// PEM file of the authority behind its certificate.
    pub(crate) authority: PathBuf,
}

/// How many answers a cache is configured for. doorstep's has its default of 32 MiB in either case.
#[derive(Clone, Copy)]
pub(crate) enum Room {
    /// All that is asked here.
    Ample,
    /// So few that what is set aside at the start does not count.
    Scant,
}

/// Where a contender runs.
#[derive(Clone, Copy)]
pub(crate) struct Site<'s> {
    /// What to run.
    pub(crate) programs: &'s Programs,
    /// Whom to ask.
    pub(crate) forward: &'s Forward,
    /// The cache.
    pub(crate) room: Room,
    /// Where configurations and logs go.
    pub(crate) state: &'s Path,
}

/// A contender that does not run yet.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    /// As the tables call it.
    pub(crate) name: &'static str,
    /// What its answers look like.
    pub(crate) expect: Expect,
    /// Answers that its cache is given room for at most.
    pub(crate) most: u32,
    /// Writes its configuration; returns program and arguments that answer at the address.
    pub(crate) command: fn(&Site<'_>, SocketAddr) -> io::Result<Vec<String>>,
}

/// One line of a table.
pub(crate) struct Contender {
    /// As the table calls it.
    pub(crate) name: &'static str,
    /// What its answers look like.
    pub(crate) expect: Expect,
    /// It runs.
    pub(crate) server: Server,
}

impl Room {
    /// Answers.
    pub(crate) fn answers(self) -> u32 {
        match self {
            Self::Ample => AMPLE,
            Self::Scant => 1_000,
        }
    }
}

impl Site<'_> {
    /// A file of the contender that answers at `address`.
    pub(crate) fn file(&self, name: &str, address: SocketAddr) -> PathBuf {
        self.state.join(format!("{}-{name}", address.port()))
    }
}

impl Kind {
    /// Starts it and waits until it answers.
    ///
    /// # Errors
    /// It cannot be started, or does not answer.
    pub(crate) fn start(&self, site: &Site<'_>) -> io::Result<Contender> {
        let server = Server::start(&self.program(site)?, site.state)?;
        Ok(Contender { name: self.name, expect: self.expect, server })
    }

    /// What to start, with its configuration written.
    ///
    /// # Errors
    /// A file cannot be written, or no port is free.
    pub(crate) fn program(&self, site: &Site<'_>) -> io::Result<Program<'static>> {
        let address = free_address()?;
        let command = (self.command)(site, address)?;
        Ok(Program { name: self.name, core: SERVERS, command, address, expect: self.expect })
    }
}

/// Starts all `kinds`. Who cannot be started is left out, and `tell` hears why.
///
/// # Errors
/// What `tell` says.
pub(crate) fn start_all(kinds: &[Kind], site: &Site<'_>, tell: impl Fn(&str) -> io::Result<()>) -> io::Result<Vec<Contender>> {
    let mut contenders = Vec::new();
    for kind in kinds {
        match kind.start(site) {
            Ok(contender) => contenders.push(contender),
            Err(error) => tell(&format!("left out: {error}"))?,
        }
    }
    Ok(contenders)
}

/// A path as an argument.
pub(super) fn text(path: &Path) -> String {
    path.display().to_string()
}
