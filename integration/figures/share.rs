//! A share of a core for each thread of a process, by the kernel's bandwidth control: cgroups of version 2, or of version 1.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// Microseconds after which a thread may run again; its share of them is what it may run.
const PERIOD: u32 = 10_000;
/// Below it are the cgroups.
const MOUNT: &str = "/sys/fs/cgroup";

/// Threads held to a share; their cgroups are removed when this is dropped, which is to come after the end of the process.
pub(crate) struct Held {
    /// Of the process.
    group: PathBuf,
    /// One for each thread, below it.
    threads: Vec<PathBuf>,
}

impl Held {
    /// Holds every thread of `pid` whose name begins with `name` to the share `share` of a core.
    ///
    /// # Errors
    /// This machine's cgroups cannot be written: it takes root, and the controller `cpu`.
    pub(crate) fn threads(pid: u32, name: &str, share: f64) -> io::Result<Self> {
        let unified = Path::new(MOUNT).join("cgroup.controllers").exists();
        let root = if unified { PathBuf::from(MOUNT) } else { Path::new(MOUNT).join("cpu") };
        let quota = (f64::from(PERIOD) * share) as u32;
        let mut held = Self { group: root.join(format!("doorstep-figures-{pid}")), threads: Vec::new() };
        fs::create_dir(&held.group).map_err(|error| at(&held.group, &error))?;
        if unified {
            // The root gives the controller to its children; a process comes with all its threads, and then they part.
            write(&root, "cgroup.subtree_control", "+cpu")?;
            write(&held.group, "cgroup.procs", &pid.to_string())?;
        }
        for thread in threads_named(pid, name)? {
            let group = held.group.join(&thread);
            fs::create_dir(&group).map_err(|error| at(&group, &error))?;
            held.threads.push(group.clone());
            if unified {
                write(&group, "cgroup.type", "threaded")?;
                write(&held.group, "cgroup.subtree_control", "+cpu")?;
                write(&group, "cpu.max", &format!("{quota} {PERIOD}"))?;
                write(&group, "cgroup.threads", &thread)?;
            } else {
                write(&group, "cpu.cfs_period_us", &PERIOD.to_string())?;
                write(&group, "cpu.cfs_quota_us", &quota.to_string())?;
                write(&group, "tasks", &thread)?;
            }
        }
        Ok(held)
    }

    /// How many threads are held.
    pub(crate) fn count(&self) -> usize {
        self.threads.len()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        /// The kernel may take a moment to see that a thread has ended.
        const TRIES: u32 = 100;
        const PAUSE: Duration = Duration::from_millis(5);
        for group in self.threads.iter().chain([&self.group]) {
            for _ in 0..TRIES {
                if fs::remove_dir(group).is_ok() {
                    break;
                }
                thread::sleep(PAUSE);
            }
        }
    }
}

fn threads_named(pid: u32, name: &str) -> io::Result<Vec<String>> {
    let mut threads = Vec::new();
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let task = task?;
        if fs::read_to_string(task.path().join("comm"))?.starts_with(name) {
            threads.push(task.file_name().to_string_lossy().into_owned());
        }
    }
    if threads.is_empty() { Err(io::Error::other(format!("process {pid} has no thread named {name}…"))) } else { Ok(threads) }
}

fn write(group: &Path, file: &str, value: &str) -> io::Result<()> {
    let path = group.join(file);
    fs::write(&path, value).map_err(|error| at(&path, &error))
}

fn at(path: &Path, error: &io::Error) -> io::Error {
    io::Error::other(format!("{}: {error}", path.display()))
}
