//! A server under measurement: started on one core, watched, stopped.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::load::{self, Expect};
use crate::process::{self, Scheduled};

/// A running server; stopped when dropped, and by the kernel should this process die without a word (`setpriv --pdeathsig`).
pub(crate) struct Server {
    child: Child,
    /// Where it answers.
    pub(crate) address: SocketAddr,
}

/// What to start.
pub(crate) struct Program<'p> {
    /// Name of its log below the state directory.
    pub(crate) name: &'p str,
    /// The core it is bound to.
    pub(crate) core: usize,
    /// Program and arguments.
    pub(crate) command: Vec<String>,
    /// Where it will answer.
    pub(crate) address: SocketAddr,
    /// What its answers look like.
    pub(crate) expect: Expect,
}

impl Server {
    /// Starts `program` and waits until it answers.
    ///
    /// # Errors
    /// It cannot be started, ends at once, or does not answer within 15 s; the message names its log.
    pub(crate) fn start(program: &Program<'_>, state: &Path) -> io::Result<Self> {
        let mut server = Self::spawn(program, state)?;
        if server.answers(program.expect)? {
            return Ok(server);
        }
        let log = program.log(state);
        Err(io::Error::other(format!("{} does not answer on {}: see {}", program.name, program.address, log.display())))
    }

    /// Starts `program`, which will answer some time.
    ///
    /// # Errors
    /// It cannot be started.
    pub(crate) fn spawn(program: &Program<'_>, state: &Path) -> io::Result<Self> {
        let output = File::create(program.log(state))?;
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "taskset", "-c", &program.core.to_string()])
            .args(&program.command)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .map_err(|error| io::Error::other(format!("setpriv, of util-linux, cannot be run: {error}")))?;
        Ok(Self { child, address: program.address })
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Time on its core since its start.
    ///
    /// # Errors
    /// It is gone.
    pub(crate) fn cpu_time(&self) -> io::Result<Duration> {
        self.scheduled().map(|given| given.ran)
    }

    /// What the scheduler gave it since its start.
    ///
    /// # Errors
    /// It is gone.
    pub(crate) fn scheduled(&self) -> io::Result<Scheduled> {
        process::scheduled(self.child.id())
    }

    /// Resident memory, in MiB.
    ///
    /// # Errors
    /// It is gone.
    pub(crate) fn resident(&self) -> io::Result<f64> {
        process::resident(self.child.id())
    }

    fn answers(&mut self, expect: Expect) -> io::Result<bool> {
        const TRIES: u32 = 150;
        const PAUSE: Duration = Duration::from_millis(100);
        for _ in 0..TRIES {
            if self.child.try_wait()?.is_some() {
                return Ok(false);
            }
            if load::ask_once(self.address, expect, PAUSE) {
                return Ok(true);
            }
            thread::sleep(PAUSE);
        }
        Ok(false)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Program<'_> {
    fn log(&self, state: &Path) -> PathBuf {
        state.join(format!("{}-{}.log", self.address.port(), self.name.replace(' ', "-")))
    }
}

/// Where a server that answers at `address` shows its metrics.
pub(crate) fn admin_of(address: SocketAddr) -> SocketAddr {
    (Ipv4Addr::new(127, 0, 0, 2), address.port()).into()
}

/// A loopback address whose port is free for UDP and TCP.
///
/// # Errors
/// What the operating system says.
pub(crate) fn free_address() -> io::Result<SocketAddr> {
    const TRIES: u32 = 100;
    for _ in 0..TRIES {
        let address = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        if TcpListener::bind(address).is_ok() && TcpListener::bind(admin_of(address)).is_ok() {
            return Ok(address);
        }
    }
    Err(io::Error::other("no loopback port is free for both UDP and TCP"))
}
