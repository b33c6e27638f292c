//! The shared store: a schema of its own in a PostgreSQL database, for any number of hosts.
//!
//! Writers take turns, as they do on one file: a lock of the database for the time of one transaction, given in the order of asking and gone
//! with the connection. So everything that the funnel decides holds for as long as it writes, on one host or many (docs/decisions/0005).

mod columns;
mod connect;
mod read;
mod session;
mod turn;
mod wake;
mod write;

use std::cell::{Cell, RefCell};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::time::{Now, StoreTime, Timestamp};
use tokio_postgres::error::SqlState;

pub use self::connect::PgAddress;
use self::connect::unreachable;
use self::read::Rows;
use self::session::{Fault, Session, Shared};
use self::turn::{Ledger, Turn};
use self::wake::PgWaker;
use super::{Expected, Missing, Snapshot, Store, Transaction, Use, Waker};
use crate::clock::{Clock, instant};
use crate::error::{Error, Kind, Result};
use crate::random;

/// The newest schema that this binary knows.
const SCHEMA_VERSION: i64 = 1;
/// The first half of the number of our locks, `gngr`; the other half is the schema's own number.
const LOCK_SPACE: i32 = 0x676e_6772;
/// How long to wait for a turn, in pieces of the session's `lock_timeout`. The server ends who keeps it for nothing (T13).
const TURN_PATIENCE: Duration = Duration::from_secs(30);
/// How often a transaction is begun anew that the server gave up for the sake of another.
const CONFLICTS_MAX: u32 = 10;

/// Where the time comes from.
#[derive(Clone)]
pub enum Time {
    /// The database's own clock, the same for every host (T10, T18).
    Database,
    /// Another one, for tests.
    Given(Arc<dyn Clock>),
}

/// The store in a database.
pub struct PgStore {
    address: PgAddress,
    time: Time,
    /// Connections that nobody uses at the moment.
    idle: Mutex<Vec<Session>>,
    waker: PgWaker,
    /// The number of the schema.
    lock: i32,
}

impl PgStore {
    /// Connects to the store, makes its schema where that is allowed, and brings it up to date.
    ///
    /// # Errors
    /// `store_unreachable`, `store_missing`, `foreign_file`, `newer_schema`, `store_read_only`, `store_busy`.
    pub fn open(address: &PgAddress, how: Use, missing: Missing, time: Time) -> Result<Self> {
        let session = Session::open(address)?;
        let lock = prepare(&session, address, missing)?;
        Ok(Self { address: address.clone(), time, idle: Mutex::new(vec![session]), waker: PgWaker::new(address, how), lock })
    }

    /// A connection, and whether it was used before: then the server may have ended it meanwhile, and nobody has told us.
    fn session(&self) -> Result<(Session, bool)> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match idle {
            Some(session) if !session.is_closed() => Ok((session, true)),
            _ => Session::open(&self.address).map(|session| (session, false)),
        }
    }

    fn put_back(&self, session: Shared) {
        let session = session.into_inner();
        if !session.is_closed() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(session);
        }
    }

    fn now(&self, database_ms: i64) -> Now {
        match &self.time {
            Time::Database => Now { wall: Timestamp(database_ms), store: StoreTime(database_ms) },
            Time::Given(clock) => {
                let reading = clock.read();
                let store = if planted!("wall_clock_lease") { reading.wall.0 } else { reading.steady_ms };
                Now { wall: reading.wall, store: StoreTime(store) }
            }
        }
    }

    /// Begins a transaction, waits for the turn, and fetches what is expected: all in one go. The clock is read when the turn has come (T10).
    fn take_turn<'s>(&'s self, session: &'s Shared, expected: &Expected) -> std::result::Result<Turn<'s>, Fault> {
        let mut line = session.borrow_mut();
        let begin = if planted!("no_sync_commit") { "BEGIN; SET LOCAL synchronous_commit = off" } else { "BEGIN" };
        let turn = if planted!("no_turn") { String::new() } else { format!("; SELECT pg_advisory_xact_lock({LOCK_SPACE}, {})", self.lock) };
        line.send_batch(format!("{begin}{turn}"));
        let given = match &self.time {
            Time::Database => None,
            Time::Given(_) => Some(self.now(0).store.0),
        };
        let tasks: Vec<i64> = expected.tasks.iter().map(|id| i64::from(id.0)).collect();
        let workers: Vec<&str> = expected.workers.iter().map(domain::id::WorkerName::as_str).collect();
        let requests: Vec<&str> = expected.requests.iter().map(domain::id::RequestId::as_str).collect();
        // One more than there are claims: whoever looks past what another one took still knows what comes first.
        let ready = i64::from(expected.claims) + 1;
        let given_values: [&(dyn tokio_postgres::types::ToSql + Sync); 1] = [&given];
        let mut asked: Vec<(&'static str, Values<'_>)> = vec![(turn::BEGIN, &given_values)];
        let requests_values: [&(dyn tokio_postgres::types::ToSql + Sync); 1] = [&requests];
        let tasks_values: [&(dyn tokio_postgres::types::ToSql + Sync); 1] = [&tasks];
        let workers_values: [&(dyn tokio_postgres::types::ToSql + Sync); 1] = [&workers];
        let ready_values: [&(dyn tokio_postgres::types::ToSql + Sync); 1] = [&ready];
        if !requests.is_empty() {
            asked.push((turn::REQUESTS, &requests_values));
        }
        if !expected.is_empty() {
            asked.push((turn::LANES, &[]));
            asked.push((turn::PLANS, &[]));
        }
        if !tasks.is_empty() {
            asked.push((turn::TASKS, &tasks_values));
            asked.push((turn::BEHIND, &tasks_values));
        }
        if !workers.is_empty() {
            asked.push((turn::WORKERS, &workers_values));
        }
        if expected.claims > 0 {
            asked.push((turn::READY, &ready_values));
        }
        let answers = line.query_all(&asked)?;
        drop(line);
        let begun = answers.first().and_then(|rows| rows.first());
        let (clock, newest) = begun.map_or((Ok(0), Ok(0)), |row| (row.try_get(0), row.try_get(1)));
        let rows = Rows { session, address: &self.address, now: self.now(clock?) };
        let mut ledger = Ledger::default();
        for ((sql, _), rows) in asked.iter().zip(&answers) {
            ledger.take_in(sql, rows, expected);
        }
        Ok(Turn { rows, ledger: RefCell::new(ledger), newest: Cell::new(newest?) })
    }

    /// One try at a transaction.
    fn try_write(
        &self,
        session: &Shared,
        expected: &Expected,
        work: &mut dyn FnMut(&dyn Transaction) -> Result<()>,
    ) -> std::result::Result<(), Trouble> {
        let turn = self.take_turn(session, expected).map_err(Trouble::Begin)?;
        if let Err(error) = work(&turn).and_then(|()| turn.flush()) {
            let mut line = session.borrow_mut();
            // The server may have taken the transaction away under the work: then that is what to tell, and perhaps to try again.
            let sent = line.arrive();
            let _ = line.batch("ROLLBACK");
            return Err(match sent {
                Err(error) => Trouble::Database(error),
                Ok(()) => Trouble::Own(error),
            });
        }
        // The end goes down the line behind the last writes. When one of those failed, it undoes the whole.
        session
            .borrow_mut()
            .commit()
            .map_err(|(error, may_have_ended)| if may_have_ended { Trouble::Commit(error) } else { Trouble::Database(error) })
    }
}

/// The database's clock in milliseconds, and the newest event.
const CLOCK: &str =
    "SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint, (SELECT coalesce(max(seq), 0) FROM events)::bigint";

/// The values of a statement.
type Values<'v> = &'v [&'v (dyn tokio_postgres::types::ToSql + Sync)];

/// Why a transaction did not come to its end.
enum Trouble {
    /// It did not begin.
    Begin(Fault),
    /// Its own doing.
    Own(Error),
    /// The database refused a statement, or was gone before the end: nothing is there.
    Database(Fault),
    /// The end itself failed.
    Commit(Fault),
}

impl Store for PgStore {
    fn write(&self, work: &mut dyn FnMut(&dyn Transaction) -> Result<()>) -> Result<()> {
        self.write_expecting(&Expected::default(), work)
    }

    fn write_expecting(&self, expected: &Expected, work: &mut dyn FnMut(&dyn Transaction) -> Result<()>) -> Result<()> {
        let began = instant();
        let mut conflicts = 0;
        loop {
            let (session, was_used) = self.session()?;
            let session = RefCell::new(session);
            let trouble = match self.try_write(&session, expected, work) {
                Ok(()) => {
                    self.put_back(session);
                    return Ok(());
                }
                Err(trouble) => trouble,
            };
            match trouble {
                Trouble::Own(error) => {
                    self.put_back(session);
                    return Err(error);
                }
                // A connection that has gone while nobody used it: the next one, until there is none left of those.
                Trouble::Begin(error) if was_used && is_gone(&error) => {}
                Trouble::Begin(error) | Trouble::Database(error) => {
                    if is_conflict(&error) && conflicts < CONFLICTS_MAX {
                        conflicts += 1;
                    } else if !is_turn_late(&error) || began.elapsed() >= TURN_PATIENCE {
                        return Err(failure(&error, &self.address));
                    }
                    // A fresh connection for the next try: this one is left with its transaction.
                }
                // What the server itself says about the end is certain; silence is not (T8).
                Trouble::Commit(error) if error.code().is_some() && !is_going_down(&error) => {
                    if !is_conflict(&error) || conflicts >= CONFLICTS_MAX {
                        return Err(failure(&error, &self.address));
                    }
                    conflicts += 1;
                }
                Trouble::Commit(error) => {
                    if planted!("commit_error_is_failure") {
                        return Err(failure(&error, &self.address));
                    }
                    return Err(Error {
                        kind: Kind::Unknown,
                        code: "outcome_unknown",
                        message: format!(
                            "cannot tell whether the change was stored: the answer of {} was lost: {}",
                            self.address,
                            error.told()
                        ),
                        hints: vec!["repeat the command: with the same --request-id it has one effect".to_owned()],
                    });
                }
            }
        }
    }

    fn read(&self, work: &mut dyn FnMut(&dyn Snapshot) -> Result<()>) -> Result<()> {
        let begin = |line: &mut Session| {
            line.send_batch("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
            line.query(CLOCK, &[])
        };
        let (session, rows) = loop {
            let (mut session, was_used) = self.session()?;
            match begin(&mut session) {
                Ok(rows) => break (RefCell::new(session), rows),
                Err(error) if was_used && is_gone(&error) => {}
                Err(error) => return Err(failure(&error, &self.address)),
            }
        };
        let value = |index| rows.first().map_or(Ok(0), |row| row.try_get(index)).map_err(|error| failure(&error.into(), &self.address));
        let snapshot = Rows { session: &session, address: &self.address, now: self.now(value(0)?) };
        let done = work(&snapshot);
        let ended = session.borrow().batch("COMMIT");
        if ended.is_ok() {
            self.put_back(session);
        }
        done
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn integrity(&self) -> Result<Vec<String>> {
        // The server checks its pages and keys; what has no key of its own is among the strays.
        Ok(Vec::new())
    }

    fn waker(&self) -> &dyn Waker {
        &self.waker
    }

    fn address(&self) -> String {
        self.address.to_string()
    }
}

impl Drop for PgStore {
    fn drop(&mut self) {
        // A process that does one thing only tells the others now, on the line that it has.
        if let Some(session) = self.idle.get_mut().unwrap_or_else(PoisonError::into_inner).pop() {
            self.waker.flush(&session);
        }
    }
}

/// Removes a whole store. For measurements and tests, which make their own.
///
/// # Errors
/// Those of the database.
pub fn remove(address: &PgAddress) -> Result<()> {
    let session = Session::open(address)?;
    session.batch(&format!("DROP SCHEMA IF EXISTS {} CASCADE", address.schema())).map_err(|error| failure(&error, address))
}

/// Another transaction was in the way; this one may simply be done again.
fn is_conflict(error: &Fault) -> bool {
    error.code().is_some_and(|code| *code == SqlState::T_R_SERIALIZATION_FAILURE || *code == SqlState::T_R_DEADLOCK_DETECTED)
}

/// The turn did not come in time.
fn is_turn_late(error: &Fault) -> bool {
    error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE)
}

/// The connection is no more.
fn is_gone(error: &Fault) -> bool {
    error.code().is_none() || is_going_down(error)
}

/// The server ends our connection: what it was doing may have come to its end or not.
fn is_going_down(error: &Fault) -> bool {
    error.code().is_some_and(|code| {
        [
            SqlState::ADMIN_SHUTDOWN,
            SqlState::CRASH_SHUTDOWN,
            SqlState::CANNOT_CONNECT_NOW,
            SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
            SqlState::QUERY_CANCELED,
        ]
        .contains(code)
    })
}

/// What an error of the database means to the user.
fn failure(error: &Fault, address: &PgAddress) -> Error {
    let store = |code, message: String| Error::new(Kind::Store, code, message);
    let Some(code) = error.code() else { return unreachable(error, address) };
    let said = error.told();
    match code.code() {
        "53100" => store("disk_full", format!("no space is left for the store {address}: {said}"))
            .hint("free some space on the server and repeat the command: nothing is lost"),
        "25006" => store("store_read_only", format!("the store {address} takes no changes: {said}"))
            .hint("this is a replica, or a server that is set to read-only: connect to the primary (…?target_session_attrs=read-write)"),
        "55P03" | "57014" => store("store_busy", format!("the store {address} was in use for {} s", TURN_PATIENCE.as_secs()))
            .hint("find who keeps it: SELECT * FROM pg_stat_activity WHERE application_name LIKE 'ganger %'"),
        "42P01" | "42703" | "3F000" => store("damaged", format!("the tables of {address} are not those of this ganger: {said}"))
            .hint("check the schema of the address")
            .hint("ganger init --store URL   makes the schema or brings it up to date"),
        "42501" => store("store_unreachable", format!("this role may not use the store {address}: {said}"))
            .hint("docs/postgresql.md lists the grants that a role needs"),
        code if code.starts_with("23") => {
            Error::bug(format!("a change would break a rule of the store {address}: {said}; nothing was written"))
        }
        code if code.starts_with("08") || code.starts_with("57P") || code.starts_with("25P") || code.starts_with("53") => {
            unreachable(error, address)
        }
        code => store("store_error", format!("the store {address} failed: {said} ({code})")),
    }
}

/// Looks for the schema, makes it or brings it up to date under a lock, and gives its number.
fn prepare(session: &Session, address: &PgAddress, missing: Missing) -> Result<i32> {
    let session_failed = |fault: Fault| failure(&fault, address);
    if let Some(lock) = look(session, address)? {
        return Ok(lock);
    }
    if missing == Missing::Refuse {
        return Err(Error::new(Kind::Store, "store_missing", format!("there is no store in schema '{}' of {address}", address.schema()))
            .hint("ganger init --store URL   makes it")
            .hint("check the schema: …?schema=NAME"));
    }
    let name = address.schema();
    let make = format!(
        "BEGIN; SELECT pg_advisory_xact_lock({LOCK_SPACE}, hashtext('{name}')); CREATE SCHEMA IF NOT EXISTS {name}; SET LOCAL search_path = {name};"
    );
    session.batch(&make).map_err(session_failed)?;
    // Somebody else may have made it while we waited.
    if let Some(lock) = look(session, address)? {
        session.batch("ROLLBACK").map_err(session_failed)?;
        return Ok(lock);
    }
    let tables = include_str!("postgres/schema.sql");
    session.batch(tables).map_err(session_failed)?;
    session.batch(&format!("UPDATE meta SET value = '{}' WHERE name = 'epoch'", random::hex()?)).map_err(session_failed)?;
    session.batch("COMMIT").map_err(session_failed)?;
    look(session, address)?.ok_or_else(|| Error::bug("a schema that was just made is missing"))
}

/// The number of the schema, when there is a store of ours in it.
fn look(session: &Session, address: &PgAddress) -> Result<Option<i32>> {
    let sql = "SELECT n.oid::bigint, EXISTS (SELECT 1 FROM pg_class c WHERE c.relnamespace = n.oid AND c.relname = 'meta'),
                 EXISTS (SELECT 1 FROM pg_class c WHERE c.relnamespace = n.oid)
               FROM pg_namespace n WHERE n.nspname = $1";
    let rows = session.ask(sql, &[&address.schema()]).map_err(|error| failure(&error, address))?;
    let Some(row) = rows.first() else { return Ok(None) };
    let column = |error: tokio_postgres::Error| failure(&error.into(), address);
    let (oid, has_meta, has_any): (i64, bool, bool) =
        (row.try_get(0).map_err(column)?, row.try_get(1).map_err(column)?, row.try_get(2).map_err(column)?);
    if !has_any {
        return Ok(None);
    }
    let foreign = || {
        Error::new(
            Kind::Store,
            "foreign_file",
            format!("the schema '{}' of {address} belongs to another program; nothing was changed", address.schema()),
        )
        .hint("choose another one: …?schema=NAME")
    };
    if !has_meta {
        return Err(foreign());
    }
    let rows = session.ask("SELECT value FROM meta WHERE name = 'schema_version'", &[]).map_err(|error| {
        match error.code().map(SqlState::code) {
            Some("42703") => foreign(),
            _ => failure(&error, address),
        }
    })?;
    let version: i64 =
        rows.first().and_then(|row| row.try_get::<_, &str>(0).ok()).and_then(|text| text.parse().ok()).ok_or_else(foreign)?;
    if version > SCHEMA_VERSION {
        return Err(Error::new(
            Kind::Store,
            "newer_schema",
            format!("{address} has schema {version}, this ganger knows schemas up to {SCHEMA_VERSION}; nothing was changed"),
        )
        .hint("use the newer ganger that made it"));
    }
    // An oid is 32 bits without a sign.
    Ok(Some(u32::try_from(oid).unwrap_or(0).cast_signed()))
}
