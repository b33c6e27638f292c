//! Who writes next. SQLite's busy handler sleeps and starves workers (one job against thousands, T3), and one lock alone is not fair
//! either: whoever just let go takes it again. Here a writer waits at the turn, then for the store, and leaves the turn to the next
//! one while it works; so everybody comes in by the order of asking.
//!
//! Whoever has come in may write again at once for a short while, past the one who waits for the store: a change of the writer costs
//! a wake-up and all its cached pages, which shows when every process writes as fast as it can. So a waiting writer waits for that
//! while at most, for each writer before it, and not for ever.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use rustix::io::retry_on_intr;

use crate::clock::instant;

/// How long after it came in a writer may write again without asking for its turn.
const AGAIN_WITHIN: Duration = Duration::from_millis(5);

/// The two locks.
#[derive(Debug)]
pub(crate) struct Turnstile {
    turn: OwnedFd,
    store: OwnedFd,
    /// When we last came in by the turn.
    came: Mutex<Option<Instant>>,
}

/// The right to write, until it is dropped.
#[derive(Debug)]
pub(crate) struct Passed<'t> {
    turnstile: &'t Turnstile,
}

impl Turnstile {
    /// Opens the two lock files in a folder of the store's own. They are never removed: a lock is the kernel's, not the file's.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        Ok(Self { turn: lock_file(&folder.join("turn"))?, store: lock_file(&folder.join("store"))?, came: Mutex::new(None) })
    }

    /// Waits for the right to write.
    pub(crate) fn pass(&self) -> io::Result<Passed<'_>> {
        let came = *self.came.lock().unwrap_or_else(PoisonError::into_inner);
        if came.is_some_and(|came| came.elapsed() < AGAIN_WITHIN) && flock(&self.store, FlockOperation::NonBlockingLockExclusive).is_ok() {
            return Ok(Passed { turnstile: self });
        }
        retry_on_intr(|| flock(&self.turn, FlockOperation::LockExclusive))?;
        let entered = retry_on_intr(|| flock(&self.store, FlockOperation::LockExclusive));
        let left = retry_on_intr(|| flock(&self.turn, FlockOperation::Unlock));
        entered?;
        left?;
        *self.came.lock().unwrap_or_else(PoisonError::into_inner) = Some(instant());
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
