//! The embedded store: one SQLite file on this machine (write-ahead log, `synchronous=FULL`), written by one process at a time in fair turns.
//! The live file is never opened by any other means: closing another descriptor of it would drop SQLite's locks (T1).

mod mark;
mod open;
mod read;
pub(crate) mod salvage;
mod turnstile;
pub mod wake;
mod write;

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::time::{Now, StoreTime};
use rusqlite::{Connection, ErrorCode};
use rustix::fs::{Mode, OFlags};

use self::mark::Mark;
pub(crate) use self::open::{SCHEMA_VERSION, canonical, make_side_folder, side_folder};
pub(crate) use self::turnstile::Turnstile;
use self::turnstile::lock_file;
use self::wake::FileWaker;
pub use super::{Missing, Use};
use super::{Snapshot, Store, Transaction, Waker};
use crate::clock::Clock;
use crate::error::{Error, Kind, Result};

/// The store in a file.
pub struct SqliteStore {
    path: PathBuf,
    how: Use,
    connection: Mutex<Option<Connection>>,
    turnstile: Turnstile,
    waker: FileWaker,
    clock: Arc<dyn Clock>,
    offset_ms: i64,
    identity: (u64, u64),
    epoch: String,
    mark: Mark,
    _present: Option<std::os::fd::OwnedFd>,
}

impl SqliteStore {
    /// Opens the store, makes it where that is allowed, and brings its schema up to date.
    ///
    /// # Errors
    /// `store_missing`, `foreign_file`, `newer_schema`, `loose_permissions`, `network_file_system`, `two_names`, `damaged`, `store_went_back`, `file`.
    pub fn open(path: &Path, how: Use, missing: Missing, clock: Arc<dyn Clock>) -> Result<Self> {
        let path = open::canonical(path, missing)?;
        let before = identity(&path).ok();
        let mut connection = open::open(&path, how, missing)?;
        let folder = open::make_side_folder(&path)?;
        let side = |error: std::io::Error| Error::file("use the folder", &folder, &error);
        let turnstile = Turnstile::open(&folder).map_err(side)?;
        let present = match how {
            Use::Resident => Some(stay(&folder).map_err(side)?),
            Use::OneShot => None,
        };
        let identity = identity(&path)?;
        if before.is_some_and(|before| before != identity) {
            // A repaired store took its place while we came in.
            drop(connection);
            return Self::open(&path, how, missing, clock);
        }
        let mark = Mark::open(&folder).map_err(side)?;
        let epoch = open::epoch(&connection).map_err(|error| failure(&error, &path))?;
        if let Some(noted) = mark.newest(&epoch) {
            open::refuse_gone_back(&connection, noted, &path)?;
        }
        let offset_ms = open::clock_offset(&mut connection, clock.as_ref()).map_err(|error| failure(&error, &path))?;
        let waker = FileWaker::open(&folder).map_err(side)?;
        Ok(Self {
            path,
            how,
            connection: Mutex::new(Some(connection)),
            turnstile,
            waker,
            clock,
            offset_ms,
            identity,
            epoch,
            mark,
            _present: present,
        })
    }

    /// Stays away from a store that is being repaired, and keeps it from being repaired under us: a lock that everybody who stays shares.
    /// Gives the lock for oneself alone, or `None` while somebody stays.
    pub(crate) fn alone(folder: &Path) -> std::io::Result<Option<std::os::fd::OwnedFd>> {
        let file = lock_file(&folder.join("present"))?;
        match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(file)),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder with the locks and wake-ups of this store.
    #[must_use]
    pub fn side_folder(&self) -> PathBuf {
        open::side_folder(&self.path)
    }

    /// The numbers of the pages that hold the schema.
    pub(crate) fn schema_pages(&self) -> Result<Vec<u32>> {
        let mut connection = self.lock()?;
        let connection = self.connected(&mut connection)?;
        let read = |connection: &Connection| -> rusqlite::Result<Vec<u32>> {
            connection.prepare("SELECT pageno FROM dbstat WHERE name = 'sqlite_schema'")?.query_map([], |row| row.get(0))?.collect()
        };
        read(connection).map_err(|error| failure(&error, &self.path))
    }

    /// Copies the log into the file and closes it, so that the file alone is the store.
    pub(crate) fn settle(mut self) -> Result<()> {
        let connection = self.connection.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        let Some(connection) = connection else { return Err(Error::bug("the store has no connection")) };
        let busy: i64 =
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).map_err(|error| failure(&error, &self.path))?;
        if busy == 0 { Ok(()) } else { Err(Error::bug("somebody else uses a store that is being made")) }
    }

    /// A whole copy of the store at this moment, written to a new file.
    ///
    /// # Errors
    /// Those of reading and of writing the file.
    pub fn copy_to(&self, target: &Path) -> Result<()> {
        let mut connection = self.lock()?;
        let connection = self.connected(&mut connection)?;
        let failed = |error: rustix::io::Errno| Error::file("make the copy", target, &error.into());
        let name = target.to_str().ok_or_else(|| failed(rustix::io::Errno::ILSEQ))?;
        // SQLite would make it 0644, writes into an empty file as well, and promises nothing about the disk.
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = rustix::fs::open(target, flags, Mode::RUSR | Mode::WUSR).map_err(failed)?;
        let copied = connection
            .execute("VACUUM INTO ?1", [name])
            .map_err(|error| failure(&error, &self.path))
            .and_then(|_| rustix::fs::fsync(&file).map_err(failed));
        if copied.is_err() {
            let _ = rustix::fs::unlink(target);
        }
        copied
    }

    #[expect(clippy::unnecessary_wraps, reason = "kept beside `connected`, which can fail")]
    fn lock(&self) -> Result<MutexGuard<'_, Option<Connection>>> {
        Ok(self.connection.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The connection; a new one after the last was given up.
    fn connected<'c>(&self, slot: &'c mut Option<Connection>) -> Result<&'c mut Connection> {
        if slot.is_none() {
            *slot = Some(open::open(&self.path, self.how, Missing::Refuse)?);
        }
        slot.as_mut().ok_or_else(|| Error::bug("the store has no connection"))
    }

    fn now(&self) -> Now {
        let reading = self.clock.read();
        let steady = if planted!("wall_clock_lease") { reading.wall.0 } else { reading.steady_ms.saturating_add(self.offset_ms) };
        Now { wall: reading.wall, store: StoreTime(steady) }
    }

    /// A long-lived process must not go on writing into a file that was replaced under it (T7).
    fn same_file(&self) -> Result<()> {
        if identity(&self.path)? == self.identity {
            return Ok(());
        }
        Err(Error::new(Kind::Store, "store_replaced", format!("{} was replaced by another file while it was open", self.path.display()))
            .hint("stop every ganger of this project, then start again"))
    }
}

/// The lock that says that a process stays; ends with the process.
fn stay(folder: &Path) -> std::io::Result<std::os::fd::OwnedFd> {
    let file = lock_file(&folder.join("present"))?;
    rustix::io::retry_on_intr(|| rustix::fs::flock(&file, rustix::fs::FlockOperation::LockShared))?;
    Ok(file)
}

impl Drop for SqliteStore {
    /// Empties a log that has become long. Whoever reads at this moment, or writes, is not waited for: the next one does it.
    fn drop(&mut self) {
        let mut log = self.path.clone().into_os_string();
        log.push("-wal");
        let is_long = rustix::fs::stat(&log).is_ok_and(|stat| u64::try_from(stat.st_size).is_ok_and(|bytes| bytes > open::LOG_BYTES_MAX));
        if !is_long {
            return;
        }
        let slot = self.connection.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let (Some(connection), Ok(_passed)) = (slot.as_ref(), self.turnstile.pass()) {
            // What fails here is tried again by the next one to close; everything is in the log.
            let _ = connection.busy_timeout(std::time::Duration::ZERO);
            let _ = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        }
    }
}

fn identity(path: &Path) -> Result<(u64, u64)> {
    let stat = rustix::fs::stat(path).map_err(|error| {
        Error::new(Kind::Store, "store_missing", format!("the store {} is gone: {error}", path.display()))
            .hint("put the file back, or `ganger init`")
    })?;
    #[expect(clippy::useless_conversion, reason = "the width differs between platforms")]
    Ok((u64::from(stat.st_dev), u64::from(stat.st_ino)))
}

impl Store for SqliteStore {
    fn write(&self, work: &mut dyn FnMut(&dyn Transaction) -> Result<()>) -> Result<()> {
        let mut slot = self.lock()?;
        let _passed = if planted!("begin_deferred") {
            None
        } else {
            Some(self.turnstile.pass().map_err(|error| Error::file("lock", &self.path, &error))?)
        };
        self.same_file()?;
        let connection = self.connected(&mut slot)?;
        let begin = if planted!("begin_deferred") { "BEGIN DEFERRED" } else { "BEGIN IMMEDIATE" };
        connection.prepare_cached(begin).and_then(|mut begin| begin.execute([])).map_err(|error| failure(&error, &self.path))?;
        let transaction = read::Rows { connection, now: self.now(), path: &self.path, newest: Cell::new(0) };
        if let Err(error) = work(&transaction) {
            let ended = connection.prepare_cached("ROLLBACK").and_then(|mut rollback| rollback.execute([]));
            if ended.is_err() && !connection.is_autocommit() {
                *slot = None;
            }
            return Err(error);
        }
        let committed = connection.prepare_cached("COMMIT").and_then(|mut commit| commit.execute([]));
        match committed {
            Ok(_) => {
                if let newest @ 1.. = transaction.newest.get() {
                    self.mark.note(&self.epoch, newest);
                }
                Ok(())
            }
            Err(error) => {
                // Perhaps the rows are there, perhaps not (T8): only a fresh connection tells the truth.
                *slot = None;
                let cause = failure(&error, &self.path);
                if planted!("commit_error_is_failure") {
                    return Err(cause);
                }
                Err(Error {
                    kind: Kind::Unknown,
                    code: "outcome_unknown",
                    message: format!("cannot tell whether the change was stored: {}", cause.message),
                    hints: cause.hints,
                })
            }
        }
    }

    fn read(&self, work: &mut dyn FnMut(&dyn Snapshot) -> Result<()>) -> Result<()> {
        let mut slot = self.lock()?;
        let connection = self.connected(&mut slot)?;
        connection.prepare_cached("BEGIN").and_then(|mut begin| begin.execute([])).map_err(|error| failure(&error, &self.path))?;
        let snapshot = read::Rows { connection, now: self.now(), path: &self.path, newest: Cell::new(0) };
        let done = work(&snapshot);
        let ended = connection.prepare_cached("COMMIT").and_then(|mut commit| commit.execute([]));
        if ended.is_err() {
            *slot = None;
        }
        done
    }

    fn is_shared(&self) -> bool {
        false
    }

    fn integrity(&self) -> Result<Vec<String>> {
        let mut connection = self.lock()?;
        let connection = self.connected(&mut connection)?;
        let check = |connection: &Connection| -> rusqlite::Result<Vec<String>> {
            let mut found = Vec::new();
            let mut statement = connection.prepare("PRAGMA integrity_check(100)")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let line: String = row.get(0)?;
                if line != "ok" {
                    found.push(line);
                }
            }
            let mut statement = connection.prepare("PRAGMA foreign_key_check")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let (table, key): (String, Option<i64>) = (row.get(0)?, row.get(1)?);
                found.push(format!("row {} of {table} names something that is not there", key.unwrap_or(0)));
            }
            Ok(found)
        };
        check(connection).map_err(|error| failure(&error, &self.path))
    }

    fn waker(&self) -> &dyn Waker {
        &self.waker
    }

    fn address(&self) -> String {
        format!("sqlite:{}", self.path.display())
    }
}

/// What an error of SQLite means to the user.
pub(crate) fn failure(error: &rusqlite::Error, path: &Path) -> Error {
    let path = path.display();
    let store = |code, message: String| Error::new(Kind::Store, code, message);
    let damaged = || {
        store("damaged", format!("the store {path} is damaged: {error}; nothing was written"))
            .hint("ganger doctor --strict   says what is wrong")
            .hint("ganger repair   makes a new store of what is whole, and keeps this one")
    };
    if matches!(error, rusqlite::Error::SqlInputError { .. }) {
        // Our statements are all the same every time: one that does not fit the tables meets tables that are not ours any more.
        return damaged();
    }
    let Some(code) = error.sqlite_error_code() else {
        return Error::bug(format!("the store {path} answered: {error}"));
    };
    match code {
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => damaged(),
        ErrorCode::DiskFull => store("disk_full", format!("no space is left for the store {path}"))
            .hint("free some space and repeat the command: nothing is lost"),
        ErrorCode::SystemIoFailure => {
            store("store_io", format!("the disk of the store {path} failed: {error}")).hint("look at the disk, then repeat the command")
        }
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
            store("store_busy", format!("the store {path} was in use for 30 s by another program"))
                .hint("find it with `fuser` and end it; ganger's own processes never hold it that long")
        }
        ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly => {
            store("store_unreachable", format!("cannot use the store {path}: {error}"))
        }
        ErrorCode::ConstraintViolation => {
            Error::bug(format!("a change would break a rule of the store {path}: {error}; nothing was written"))
        }
        _ => store("store_error", format!("the store {path} failed: {error}")),
    }
}
