//! Who writes next. SQLite's busy handler sleeps and starves workers (one job against thousands, T3), and one lock alone is not fair
//! either: whoever just let go takes it again. Here a writer waits at the turn, then for the store, and leaves the turn to the next
//! one while it works; so nobody overtakes a waiting writer twice.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use rustix::io::retry_on_intr;

/// The two locks.
#[derive(Debug)]
pub(crate) struct Turnstile {
    turn: OwnedFd,
    store: OwnedFd,
}

/// The right to write, until it is dropped.
#[derive(Debug)]
pub(crate) struct Passed<'t> {
    turnstile: &'t Turnstile,
}

impl Turnstile {
    /// Opens the two lock files in a folder of the store's own. They are never removed: a lock is the kernel's, not the file's.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        Ok(Self { turn: lock_file(&folder.join("turn"))?, store: lock_file(&folder.join("store"))? })
    }

    /// Waits for the right to write.
    pub(crate) fn pass(&self) -> io::Result<Passed<'_>> {
        retry_on_intr(|| flock(&self.turn, FlockOperation::LockExclusive))?;
        let entered = retry_on_intr(|| flock(&self.store, FlockOperation::LockExclusive));
        let left = retry_on_intr(|| flock(&self.turn, FlockOperation::Unlock));
        entered?;
        left?;
        Ok(Passed { turnstile: self })
    }

    /// Whether nobody writes at this moment.
    pub(crate) fn is_free(&self) -> bool {
        let is_free = flock(&self.store, FlockOperation::NonBlockingLockExclusive).is_ok();
        if is_free {
            let _ = flock(&self.store, FlockOperation::Unlock);
        }
        is_free
    }
}

impl Drop for Passed<'_> {
    fn drop(&mut self) {
        // A failure here cannot be mended, and the lock ends with the process at the latest.
        let _ = retry_on_intr(|| flock(&self.turnstile.store, FlockOperation::Unlock));
    }
}

/// Opens, or makes, a file that serves as a lock: 0600, closed on exec, never through a symlink (A17, T6).
pub(crate) fn lock_file(path: &Path) -> io::Result<OwnedFd> {
    Ok(retry_on_intr(|| open(path, OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::RUSR | Mode::WUSR))?)
}
