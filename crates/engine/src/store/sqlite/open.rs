//! Opening the file: what kind of file system it is on, who may read it, whether it is ours, which schema it has, which boot it remembers.

use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use rustix::fs::{Mode, OFlags};

use super::failure;
use super::turnstile::Turnstile;
use crate::clock::Clock;
use crate::error::{Error, Kind, Result};
use crate::store::{Missing, Use};

/// The newest schema that this binary knows.
pub(crate) const SCHEMA_VERSION: i64 = 1;
/// `gngr`, so that a store is told from other programs' files.
const APPLICATION_ID: i64 = 0x676e_6772;
/// A process that stays copies the log into the file after this many pages of 4 KiB. A command that is alone would not know at the next one
/// what is copied already, so it does that at its end instead, and empties the log: see [`LOG_BYTES_MAX`].
const CHECKPOINT_PAGES_RESIDENT: i64 = 1_000;
/// A log that is longer than this when a store is closed is copied and emptied. Short, because whoever opens the store as the only one reads
/// the whole log first; long enough that it is worth its two syncs.
pub(super) const LOG_BYTES_MAX: u64 = 64 * 4_120;

/// Folder of the locks and wake-ups beside the file: `ganger.db.d`.
pub(crate) fn side_folder(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".d");
    path.with_file_name(name)
}

/// The one path of the file: links resolved, so that two names share the same locks (A45).
pub(crate) fn canonical(path: &Path, missing: Missing) -> Result<PathBuf> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let name = path.file_name().ok_or_else(|| Error::usage("bad_store", format!("'{}' names no file", path.display())))?;
    match std::fs::canonicalize(path) {
        Ok(path) => Ok(path),
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            let error = Error::new(Kind::Store, "store_unreachable", format!("cannot reach the store {}: {error}", path.display()));
            Err(error.hint(format!("ls -ld '{}'   says whether you may enter its folder", folder.display())))
        }
        Err(_) if missing == Missing::Make => {
            std::fs::canonicalize(folder).map(|folder| folder.join(name)).map_err(|error| Error::file("find the folder", folder, &error))
        }
        Err(error) => Err(Error::new(Kind::Store, "store_missing", format!("cannot open the store {}: {error}", path.display()))
            .hint("ganger init   makes a new one")
            .hint("ganger import FILE   brings one back from an export")),
    }
}

/// Opens the database and leaves it ready: write-ahead log, full durability, foreign keys, the schema of this binary.
pub(crate) fn open(path: &Path, how: Use, missing: Missing) -> Result<Connection> {
    refuse_network(path)?;
    make_private(path, missing)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let mut connection = Connection::open_with_flags(path, flags).map_err(|error| failure(&error, path))?;
    connection.set_prepared_statement_cache_capacity(128);
    let prepare = |connection: &mut Connection| -> rusqlite::Result<Result<()>> {
        connection.busy_timeout(std::time::Duration::from_secs(30))?;
        // Before anything is read: closing a store that is refused must not copy its log into it.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        let mut seen = look(connection)?;
        // Whoever makes a store makes it alone; the others look again when it is there.
        let maker = match (seen.is_new, missing) {
            (true, Missing::Make) => match make_side_folder(path)
                .and_then(|folder| Turnstile::open(&folder).map_err(|error| Error::file("lock", path, &error)))
            {
                Ok(turnstile) => Some(turnstile),
                Err(error) => return Ok(Err(error)),
            },
            _ => None,
        };
        let _alone = match maker.as_ref().map(Turnstile::pass).transpose() {
            Ok(passed) => passed,
            Err(error) => return Ok(Err(Error::file("lock", path, &error))),
        };
        if maker.is_some() {
            seen = look(connection)?;
        }
        let Seen { version, application, is_new } = seen;
        if version > SCHEMA_VERSION {
            return Ok(Err(Error::new(
                Kind::Store,
                "newer_schema",
                format!("{} has schema {version}, this ganger knows schemas up to {SCHEMA_VERSION}; nothing was changed", path.display()),
            )
            .hint("use the newer ganger that wrote it")));
        }
        if is_new && missing == Missing::Refuse {
            return Ok(Err(empty(path)));
        }
        if !is_new && application != APPLICATION_ID {
            return Ok(Err(Error::new(
                Kind::Store,
                "foreign_file",
                format!("{} belongs to another program; nothing was changed", path.display()),
            )
            .hint("choose another file with --store sqlite:PATH")));
        }
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        // Plans that do not depend on bound values: otherwise every statement with a partial index is compiled anew at each call.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        if is_new {
            write_ahead(connection)?;
        }
        let pages = match how {
            Use::OneShot => 0,
            Use::Resident => CHECKPOINT_PAGES_RESIDENT,
        };
        connection.execute_batch(&format!(
            "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = {pages};"
        ))?;
        if planted!("synchronous_normal") {
            connection.execute_batch("PRAGMA synchronous = NORMAL")?;
        }
        if version < SCHEMA_VERSION {
            migrate(connection)?;
        }
        Ok(Ok(()))
    };
    prepare(&mut connection).map_err(|error| failure(&error, path))??;
    Ok(connection)
}

/// What a file says about itself.
struct Seen {
    version: i64,
    application: i64,
    is_new: bool,
}

/// Of one state: between two reads somebody else may have made the store.
fn look(connection: &mut Connection) -> rusqlite::Result<Seen> {
    let seen = connection.transaction()?;
    let version: i64 = seen.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let application: i64 = seen.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let is_new =
        version == 0 && application == 0 && seen.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))? == 0;
    seen.commit()?;
    Ok(Seen { version, application, is_new })
}

/// Switches to the write-ahead log. That wants the file for itself, and does not wait while somebody takes a short look at it.
fn write_ahead(connection: &Connection) -> rusqlite::Result<()> {
    let mut tries = 0;
    loop {
        match connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0)) {
            Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy) && tries < 1_000 => {
                tries += 1;
                std::thread::sleep(std::time::Duration::from_millis(2));
            }
            switched => return switched.map(|_| ()),
        }
    }
}

/// Forward only, one transaction a step, so that a kill leaves the old schema or the new one (G25).
fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let step = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Exclusive)?;
    let version: i64 = step.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version == 0 {
        step.execute_batch(include_str!("schema.sql"))?;
        step.execute_batch(&format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA_VERSION};"))?;
        step.execute(
            "INSERT INTO plans (id, title, options, first_task, last_task, imported_at, tests_wanted, stage_phase, stage_tests) VALUES (0, 'tasks added one by one', '{}', 0, 0, 0, 1, ?1, 1)",
            [i64::from(u32::MAX)],
        )?;
        // Tells this store from every other one that ever stood in its place: repaired, imported, restored from a backup.
        step.execute("INSERT INTO meta VALUES ('epoch', lower(hex(randomblob(16))))", [])?;
    }
    step.commit()
}

/// The epoch of the store: another one than that of every store before it.
pub(crate) fn epoch(connection: &Connection) -> rusqlite::Result<String> {
    let found = connection.query_row("SELECT value FROM meta WHERE name = 'epoch'", [], |row| row.get(0)).optional()?;
    Ok(found.unwrap_or_default())
}

/// Refuses a store that does not have the newest event that it was once seen to have.
pub(crate) fn refuse_gone_back(connection: &Connection, noted: u64, path: &Path) -> Result<()> {
    let newest: i64 =
        connection.query_row("SELECT coalesce(max(seq), 0) FROM events", [], |row| row.get(0)).map_err(|error| failure(&error, path))?;
    if u64::try_from(newest).unwrap_or(0) >= noted {
        return Ok(());
    }
    let lost =
        format!("{} ends with event {newest}, but event {noted} was stored: it is older than it was, or its log is gone", path.display());
    Err(Error::new(Kind::Store, "store_went_back", lost)
        .hint(format!("put the newer file back, with its log {}-wal", path.display()))
        .hint("ganger repair   goes on with this one; claims of before are refused then"))
}

/// The offset of the store's clock in milliseconds. After a boot the clock goes on behind every moment that the store remembers.
pub(crate) fn clock_offset(connection: &mut Connection, clock: &dyn Clock) -> rusqlite::Result<i64> {
    let boot = clock.boot();
    let known: Option<(String, String)> = connection
        .query_row("SELECT b.value, o.value FROM meta b, meta o WHERE b.name = 'boot' AND o.name = 'clock_offset_ms'", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    if let Some((known_boot, offset)) = &known
        && *known_boot == boot
        && let Ok(offset) = offset.parse()
    {
        return Ok(offset);
    }
    let step = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let latest: i64 = step.query_row(
        "SELECT max(coalesce((SELECT max(max(ready_at, coalesce(lease_until, 0))) FROM tasks), 0), coalesce((SELECT max(max(coalesce(seen_at, 0), coalesce(turned_at, 0), coalesce(lost_at, 0))) FROM workers), 0))",
        [],
        |row| row.get(0),
    )?;
    let offset = latest.saturating_add(1_000).saturating_sub(clock.read().steady_ms);
    for (name, value) in [("boot", boot), ("clock_offset_ms", offset.to_string())] {
        step.execute("INSERT INTO meta VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value", [name, value.as_str()])?;
    }
    step.commit()?;
    Ok(offset)
}

/// The file is made by us, 0600, before SQLite sees it (it would be 0644 under the usual umask, A22); one that others may read is refused.
fn make_private(path: &Path, missing: Missing) -> Result<()> {
    if missing == Missing::Make {
        match rustix::fs::open(
            path,
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW,
            Mode::RUSR | Mode::WUSR,
        ) {
            Ok(_) | Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(Error::file("make the store", path, &error.into())),
        }
    }
    let stat = rustix::fs::stat(path).map_err(|error| Error::file("look at the store", path, &error.into()))?;
    match rustix::fs::FileType::from_raw_mode(stat.st_mode) {
        rustix::fs::FileType::RegularFile => {}
        rustix::fs::FileType::Directory
        | rustix::fs::FileType::Symlink
        | rustix::fs::FileType::Fifo
        | rustix::fs::FileType::Socket
        | rustix::fs::FileType::CharacterDevice
        | rustix::fs::FileType::BlockDevice
        | rustix::fs::FileType::Unknown => {
            return Err(Error::new(Kind::Store, "foreign_file", format!("{} is not a regular file", path.display())));
        }
    }
    if stat.st_mode & 0o077 != 0 {
        return Err(Error::new(
            Kind::Store,
            "loose_permissions",
            format!("{} may be read by others (mode {:04o})", path.display(), stat.st_mode & 0o7777),
        )
        .hint(format!("chmod 600 '{}'", path.display())));
    }
    if stat.st_nlink > 1 {
        return Err(Error::new(
            Kind::Store,
            "two_names",
            format!("{} has {} names (hard links); two of them would not share one log", path.display(), stat.st_nlink),
        )
        .hint("remove the other name"));
    }
    if stat.st_size == 0 {
        // SQLite throws the log of an empty file away, and everything may still be in it (A44).
        let log = path.with_file_name({
            let mut name = path.file_name().unwrap_or_default().to_owned();
            name.push("-wal");
            name
        });
        if rustix::fs::stat(&log).is_ok_and(|log| log.st_size > 0) {
            return Err(Error::new(
                Kind::Store,
                "damaged",
                format!("{} is empty, but not its log {}; nothing was written", path.display(), log.display()),
            )
            .hint("put the file back from a backup, and leave the log beside it")
            .hint("ganger repair   makes a new store of what is whole, and keeps this one"));
        }
        if missing == Missing::Refuse {
            return Err(empty(path));
        }
    }
    Ok(())
}

fn empty(path: &Path) -> Error {
    Error::new(Kind::Store, "store_empty", format!("{} is empty: it is no store", path.display())).hint("ganger init")
}

/// Makes the folder of the locks beside a file that is a store of ours; one that others may use, or that is none, is refused.
pub(crate) fn make_side_folder(path: &Path) -> Result<PathBuf> {
    let folder = side_folder(path);
    match rustix::fs::mkdir(&folder, Mode::RWXU) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => {}
        Err(error) => return Err(Error::file("make the folder", &folder, &error.into())),
    }
    let stat = rustix::fs::lstat(&folder).map_err(|error| Error::file("look at the folder", &folder, &error.into()))?;
    if rustix::fs::FileType::from_raw_mode(stat.st_mode) != rustix::fs::FileType::Directory {
        return Err(Error::new(Kind::Store, "foreign_file", format!("{} is not a folder", folder.display())).hint("move it away"));
    }
    if stat.st_mode & 0o077 != 0 {
        return Err(Error::new(
            Kind::Store,
            "loose_permissions",
            format!("{} may be used by others (mode {:04o})", folder.display(), stat.st_mode & 0o7777),
        )
        .hint(format!("chmod 700 '{}'", folder.display())));
    }
    Ok(folder)
}

/// Locks do not work over the network, and the log needs the memory of one machine (T5, A45).
fn refuse_network(path: &Path) -> Result<()> {
    let folder = path.parent().unwrap_or(path);
    match network_file_system(folder) {
        Some(kind) => {
            Err(Error::new(Kind::Store, "network_file_system", format!("{} lies on {kind}: SQLite loses data there", path.display()))
                .hint("put the store on a disk of this machine: --store sqlite:PATH")
                .hint("for several machines use PostgreSQL"))
        }
        None => Ok(()),
    }
}

#[cfg(target_os = "linux")]
fn network_file_system(folder: &Path) -> Option<&'static str> {
    let known: [(i64, &str); 9] = [
        (0x6969, "NFS"),
        (0x517b, "SMB"),
        (0xff53_4d42, "CIFS"),
        (0xfe53_4d42, "SMB2"),
        (0x0102_1997, "9p"),
        (0x6573_5546, "FUSE (sshfs and the like)"),
        (0x00c3_6400, "Ceph"),
        (0x5346_414f, "AFS"),
        (0x0bd0_0bd0, "Lustre"),
    ];
    let kind = rustix::fs::statfs(folder).ok()?.f_type & 0xffff_ffff;
    known.iter().find(|(magic, _)| *magic == kind).map(|(_, name)| *name)
}

#[cfg(not(target_os = "linux"))]
fn network_file_system(_folder: &Path) -> Option<&'static str> {
    None
}
