//! Where one scenario plays: its directory, and its turn among the others.

use std::fs::{create_dir_all, remove_dir_all, write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Scenarios that load the machine or measure it have it to themselves.
static MACHINE: RwLock<()> = RwLock::new(());

/// Lives as long as its scenario.
pub(crate) struct Stage {
    directory: PathBuf,
    _beside_others: Option<RwLockReadGuard<'static, ()>>,
    _alone: Option<RwLockWriteGuard<'static, ()>>,
}

impl Stage {
    /// Plays while others do.
    pub(crate) fn beside_others() -> Self {
        Self { directory: directory(), _beside_others: Some(MACHINE.read()), _alone: None }
    }

    /// Plays while no other does.
    pub(crate) fn alone() -> Self {
        Self { directory: directory(), _beside_others: None, _alone: Some(MACHINE.write()) }
    }

    /// Writes a file of the scenario's own.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        create_dir_all(&self.directory).unwrap();
        let path = self.directory.join(name);
        write(&path, text).unwrap();
        path
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // Not there where no file was written; left behind it does no harm.
        drop(remove_dir_all(&self.directory));
    }
}

fn directory() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("stage-{}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed));
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}
