//! One process a name. The lock is the kernel's and ends with the process, so a held lock proves that the worker's process lives, and a free
//! one that it does not: no process id can be mistaken for it (T20, A48).

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::id::WorkerName;
use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use serde::{Deserialize, Serialize};

use crate::clock::{Clock, MachineClock};
use crate::error::{Error, Result};
use crate::files;
use crate::orchestrator::Orchestrator;
use crate::project::Project;
use crate::store::rows::to_json;
use crate::tree;

/// How often a lock is tried before somebody counts as its holder, and how long to wait in between.
const HOLD_TRIES: u32 = 20;
const HOLD_AGAIN: Duration = Duration::from_millis(5);

/// The right to be the worker of this name on this machine.
#[derive(Debug)]
pub struct NameLock {
    _file: OwnedFd,
}

fn path(project: &Project, name: &WorkerName) -> PathBuf {
    project.locks().join(format!("process-{name}"))
}

fn file(path: &Path) -> Result<OwnedFd> {
    if let Some(folder) = path.parent().filter(|folder| !files::exists(folder)) {
        files::private_folder(folder)?;
    }
    open(path, OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::RUSR | Mode::WUSR)
        .map_err(|error| Error::file("open the lock", path, &error.into()))
}

impl NameLock {
    /// Takes the name.
    ///
    /// # Errors
    /// `worker_running` when a process has it.
    pub fn take(project: &Project, name: &WorkerName) -> Result<Self> {
        match hold(&path(project, name), || std::thread::sleep(HOLD_AGAIN))? {
            Some(file) => Ok(Self { _file: file }),
            None => Err(Error::refused("worker_running", format!("a process works as '{name}' already"))
                .hint(format!("ganger workers show {name}"))
                .hint("choose another name with --worker")),
        }
    }

    /// Whether a process of this machine has the name.
    ///
    /// # Errors
    /// `file`.
    pub fn is_taken(project: &Project, name: &WorkerName) -> Result<bool> {
        is_locked(&path(project, name))
    }
}

/// Takes the lock in this file; `None` when a process has it. Whoever only looks at it holds it for a moment, too, but not for long.
fn hold(path: &Path, mut wait: impl FnMut()) -> Result<Option<OwnedFd>> {
    let file = file(path)?;
    for _ in 0..HOLD_TRIES {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(Some(file)),
            Err(rustix::io::Errno::WOULDBLOCK) if planted!("name_lock_ignored") => return Ok(Some(file)),
            Err(rustix::io::Errno::WOULDBLOCK) => wait(),
            Err(error) => return Err(Error::file("lock", path, &error.into())),
        }
    }
    Ok(None)
}

/// Whether a process has the lock in this file.
///
/// # Errors
/// `file`.
pub(crate) fn is_locked(path: &Path) -> Result<bool> {
    let file = file(path)?;
    // Shared, so that two who look at once do not take each other for its holder.
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(false),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(true),
        Err(error) => Err(Error::file("look at the lock", path, &error.into())),
    }
}

/// What a worker's process says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its process id, for people and for a pidfd; whether it lives is what the lock says.
    pub pid: u32,
    /// The machine's name, for people.
    pub host: String,
    /// The boot in which it runs: another one means another machine, or one that was started anew.
    pub boot: String,
    /// Which lock its life is told by: a path alone may be another file elsewhere, in another clone or container of the same machine.
    #[serde(default)]
    pub home: String,
    /// What the environment of everything that it runs carries.
    pub mark: String,
}

/// The lock itself, whatever way leads to it; empty when it is not there.
fn home(project: &Project, name: &WorkerName) -> String {
    rustix::fs::stat(path(project, name)).map_or_else(|_| String::new(), |stat| format!("{}:{}", stat.st_dev, stat.st_ino))
}

/// This process's session as JSON.
#[must_use]
pub fn session(project: &Project, name: &WorkerName, mark: &str) -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    to_json(&Session { pid: std::process::id(), host, boot: MachineClock.boot(), home: home(project, name), mark: mark.to_owned() })
}

/// The session of a worker, if its process wrote one.
///
/// # Errors
/// Those of the store.
pub fn session_of(door: &Orchestrator, name: &WorkerName) -> Result<Option<Session>> {
    let text = door.look(|snapshot| snapshot.session(name))?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

/// Whether the life of a session's process is told by a lock that we can look at: on this machine, as it runs now, from this place.
#[must_use]
pub fn is_here(project: &Project, name: &WorkerName, session: &Session) -> bool {
    session.boot == MachineClock.boot() && session.home == home(project, name)
}

/// Ends what a predecessor of this name left running when it and its guardian were killed together (G19). The name's lock must be held.
///
/// # Errors
/// Those of the store.
pub fn end_leftovers(project: &Project, door: &Orchestrator, name: &WorkerName) -> Result<()> {
    if let Some(session) = session_of(door, name)?
        && is_here(project, name, &session)
    {
        // What cannot be ended is not ours to insist on: the task has a new attempt of its own anyway.
        let _ = tree::end_leftovers(&session.mark);
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn whoever_looks_keeps_nobody_from_taking_it_and_is_taken_for_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let looking = file(&path).unwrap();
        flock(&looking, FlockOperation::LockShared).unwrap();
        assert!(!is_locked(&path).unwrap(), "another one who looks is no worker");
        let mut looking = Some(looking);
        let held = hold(&path, || drop(looking.take())).unwrap();
        assert!(held.is_some(), "a look is over in a moment");
        assert!(is_locked(&path).unwrap());
        let mut waited = 0;
        assert!(hold(&path, || waited += 1).unwrap().is_none());
        assert_eq!(waited, HOLD_TRIES, "a worker is not");
    }
}
