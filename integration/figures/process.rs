//! Processes as the kernel sees them: their time and their memory.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::time::Duration;

/// What the scheduler gave a process, all its threads together, since their start.
#[derive(Clone, Copy, Default)]
pub(crate) struct Scheduled {
    /// On a core, user and system.
    pub(crate) ran: Duration,
    /// Ready to run, with somebody else on the core.
    pub(crate) queued: Duration,
}

impl Scheduled {
    /// Of the time since `before` that it could have run, the share, in percent, that others had its core.
    pub(crate) fn disturbed_since(self, before: Self) -> f64 {
        let (ran, queued) = (self.ran.saturating_sub(before.ran), self.queued.saturating_sub(before.queued));
        100.0 * queued.as_secs_f64() / (ran + queued).as_secs_f64()
    }
}

/// From schedstat, in nanoseconds: the ticks of /proc/PID/stat are too coarse for a short window.
///
/// # Errors
/// The process is gone.
pub(crate) fn scheduled(pid: u32) -> io::Result<Scheduled> {
    let mut sum = Scheduled::default();
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end between the listing and the reading.
        let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) else { continue };
        let mut fields = text.split_whitespace().map(|field| Duration::from_nanos(field.parse().unwrap_or(0)));
        sum.ran += fields.next().unwrap_or_default();
        sum.queued += fields.next().unwrap_or_default();
    }
    Ok(sum)
}

/// Resident memory (VmRSS), in MiB.
///
/// # Errors
/// The process is gone.
pub(crate) fn resident(pid: u32) -> io::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kibibytes = field(&status, "VmRSS:").and_then(|value| value.split_whitespace().next()?.parse::<f64>().ok());
    kibibytes.map(|size| size / 1024.0).ok_or_else(|| io::Error::other("no VmRSS in /proc/PID/status"))
}

/// Established TCP connections of a process to the port of its upstream.
///
/// # Errors
/// The process is gone.
pub(crate) fn connections(pid: u32, port: u16) -> io::Result<usize> {
    const ESTABLISHED: &str = "01";
    let table = fs::read_to_string(format!("/proc/{pid}/net/tcp"))?;
    let there = format!(":{port:04X}");
    let sockets = table.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (remote, state, inode) = (fields.get(2)?, fields.get(3)?, fields.get(9)?);
        (remote.ends_with(&there) && *state == ESTABLISHED).then(|| format!("socket:[{inode}]"))
    });
    let established: HashSet<String> = sockets.collect();
    let files = fs::read_dir(format!("/proc/{pid}/fd"))?;
    let open = files.flatten().filter_map(|file| fs::read_link(file.path()).ok()?.into_os_string().into_string().ok());
    Ok(open.filter(|file| established.contains(file)).count())
}

/// What follows `key` in a file of `key value` lines.
pub(crate) fn field<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    text.lines().find_map(|line| line.strip_prefix(key)).map(str::trim)
}
