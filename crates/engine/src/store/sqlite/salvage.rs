//! Reading what can still be read of a damaged store: row by row, through SQLite and read-only. What fails is said and passed over.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use domain::id::{EventSeq, LaneId, PlanId, TaskId};
use domain::schedule::LaneKey;
use domain::task::{Spec, Task, TaskResult};
use domain::time::Now;
use domain::worker::Worker;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row};

use super::failure;
use super::read::{self, Decoded, Rows, get, select_task};
use crate::error::Result;
use crate::store::rows;
use crate::store::{EventRow, PlanRow, Snapshot};

/// A single key that lies farther than this behind all others is a damaged number, not a gap.
const GAP_MAX: i64 = 1_000;
/// How many rows are looked for by reading a whole table, where the order of its rows is damaged.
const SLOW_MAX: u32 = 500;

/// A row that was looked for: not there, there and good, or there and not.
pub(crate) type Found<T> = Option<Decoded<T>>;

/// A damaged store.
pub(crate) struct Wreck {
    connection: Connection,
    path: PathBuf,
    slow: Cell<u32>,
}

/// The tables that are numbered from 1 without gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Numbered {
    Tasks,
    Specs,
    Events,
    Plans,
}

impl Numbered {
    fn key_of_table(self) -> (&'static str, &'static str) {
        match self {
            Self::Tasks => ("id", "tasks"),
            Self::Specs => ("task", "specs"),
            Self::Events => ("seq", "events"),
            Self::Plans => ("id", "plans"),
        }
    }
}

/// The keys of a table as far as they can be read.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Keys {
    /// Runs of keys one after another, in their order in the file.
    runs: Vec<(i64, i64)>,
    /// What stopped the reading, if anything did.
    pub(crate) stopped: Option<String>,
}

impl Keys {
    pub(crate) fn push(&mut self, key: i64) {
        match self.runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(key) => *last = key,
            Some(_) | None => self.runs.push((key, key)),
        }
    }

    /// Whether each key is greater than the one before it.
    fn is_sorted(&self) -> bool {
        self.runs.windows(2).all(|pair| matches!(pair, [before, after] if before.1 < after.0))
    }

    /// The greatest key that can be true; 0 when there is none. A key out of order is a damaged number, and so is one far behind all others.
    pub(crate) fn top(&self) -> i64 {
        let length = |run: &(i64, i64)| run.1.saturating_sub(run.0);
        let mut kept: Vec<(i64, i64)> = Vec::new();
        for run in &self.runs {
            while kept.last().is_some_and(|last| run.0 <= last.1 && length(last) <= length(run)) {
                kept.pop();
            }
            if kept.last().is_none_or(|last| run.0 > last.1) {
                kept.push(*run);
            }
        }
        while let Some(last) = kept.pop() {
            let before = kept.last().map_or(0, |run| run.1);
            if length(&last) > 0 || last.0.saturating_sub(before) <= GAP_MAX {
                return last.1.max(0);
            }
        }
        0
    }
}

impl Wreck {
    /// Opens the file as it is, without changing it.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let prepare = || -> rusqlite::Result<Connection> {
            let connection = Connection::open_with_flags(path, flags)?;
            connection.busy_timeout(std::time::Duration::from_secs(30))?;
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
            // One damaged line of the schema must not hide all the others.
            connection.execute_batch("PRAGMA writable_schema = ON; PRAGMA temp_store = MEMORY")?;
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
            Ok(connection)
        };
        let connection = prepare().map_err(|error| failure(&error, path))?;
        Ok(Self { connection, path: path.to_owned(), slow: Cell::new(SLOW_MAX) })
    }

    /// Whether the tables are those of a store of this version, whatever the head of the file says.
    pub(crate) fn is_ours(&self) -> bool {
        let schema = |connection: &Connection| -> rusqlite::Result<BTreeMap<String, Option<String>>> {
            let mut statement = connection.prepare("SELECT name, sql FROM sqlite_schema")?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        };
        let ours = || schema(&Connection::open_in_memory().and_then(|new| new.execute_batch(include_str!("schema.sql")).map(|()| new))?);
        matches!((schema(&self.connection), ours()), (Ok(found), Ok(ours)) if found == ours)
    }

    /// Whether every table can be asked.
    pub(crate) fn has_tables(&self) -> bool {
        let tables = ["meta", "plans", "lanes", "tasks", "specs", "results", "edges", "workers", "events", "requests", "durations"];
        tables.into_iter().all(|table| self.connection.prepare(&format!("SELECT * FROM {table}")).is_ok())
            && self.connection.prepare(select_task!("FROM tasks t")).is_ok()
            && self.connection.prepare(&format!("SELECT {} FROM events", read::EVENT)).is_ok()
            && self.connection.prepare(&format!("SELECT {} FROM workers", read::WORKER)).is_ok()
    }

    fn rows(&self) -> Rows<'_> {
        Rows { connection: &self.connection, now: Now::default(), path: &self.path, newest: Cell::new(0) }
    }

    /// The keys of a table, read from its beginning, and where that stops, from its end.
    pub(crate) fn keys(&self, table: Numbered) -> Keys {
        let (key, name) = table.key_of_table();
        let mut keys = Keys::default();
        let forward = self.each(&format!("SELECT {key} FROM {name} NOT INDEXED"), |row| {
            if let Ok(key) = row.get(0) {
                keys.push(key);
            }
        });
        if let Err(error) = forward {
            keys.stopped = Some(error.to_string());
            let reached = keys.runs.last().map_or(i64::MIN, |run| run.1);
            let mut behind: Vec<i64> = Vec::new();
            let sql = format!("SELECT {key} FROM {name} NOT INDEXED WHERE {key} > {reached} ORDER BY {key} DESC");
            // It stops as well; what it gave until then counts.
            let _ = self.each(&sql, |row| behind.extend(row.get::<_, i64>(0).ok()));
            behind.into_iter().rev().for_each(|key| keys.push(key));
        }
        keys
    }

    fn each(&self, sql: &str, mut each: impl FnMut(&Row<'_>)) -> rusqlite::Result<()> {
        let mut statement = self.connection.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            each(row);
        }
        Ok(())
    }

    /// Every row of a small table: from its beginning, and where that stops, from its end. The second value says what stopped it.
    fn sweep<T>(&self, columns: &str, table: &str, key: &str, read: impl Fn(&Row<'_>) -> Decoded<T>) -> (Vec<Decoded<T>>, Option<String>) {
        let mut found = Vec::new();
        let Err(error) = self.each(&format!("SELECT {columns} FROM {table} NOT INDEXED"), |row| found.push(read(row))) else {
            return (found, None);
        };
        let _ = self.each(&format!("SELECT {columns} FROM {table} NOT INDEXED ORDER BY {key} DESC"), |row| found.push(read(row)));
        (found, Some(error.to_string()))
    }

    /// One row by its key. Where the rows of its table are out of order, looking for it by halves can miss it: then all of them are read.
    fn point<T>(&self, sorted: bool, sql: &str, key: &str, value: i64, read: impl Fn(&Row<'_>) -> Decoded<T>) -> Found<T> {
        let one = |condition: &str| {
            self.connection
                .prepare_cached(&format!("{sql} WHERE {condition} = ?1"))
                .and_then(|mut statement| statement.query_row([value], |row| Ok(read(row))).optional())
        };
        let first = one(key);
        let missed = !matches!(&first, Ok(Some(Ok(_))));
        if missed
            && !sorted
            && let Some(left) = self.slow.get().checked_sub(1)
        {
            self.slow.set(left);
            if let Ok(Some(Ok(found))) = one(&format!("+{key}")) {
                return Some(Ok(found));
            }
        }
        first.unwrap_or_else(|error| Some(Err(error.to_string())))
    }

    /// A task.
    pub(crate) fn task(&self, keys: &Keys, id: u32) -> Found<Task> {
        self.point(keys.is_sorted(), select_task!("FROM tasks t"), "t.id", id.into(), read::task)
    }

    /// What was asked for.
    pub(crate) fn spec(&self, keys: &Keys, id: u32) -> Found<Spec> {
        self.point(keys.is_sorted(), "SELECT title, more FROM specs", "task", id.into(), |row| {
            rows::spec_from_json(get(row, 0)?, get::<Option<String>>(row, 1)?.as_deref())
        })
    }

    /// What came of it.
    pub(crate) fn result(&self, id: u32) -> Found<TaskResult> {
        self.point(true, "SELECT result FROM results", "task", id.into(), |row| rows::result_from_json(&get::<String>(row, 0)?))
    }

    /// An event.
    pub(crate) fn event(&self, keys: &Keys, seq: u64) -> Found<EventRow> {
        let key = i64::try_from(seq).unwrap_or(i64::MAX);
        let found = self.point(keys.is_sorted(), &format!("SELECT {} FROM events", read::EVENT), "seq", key, read::event);
        found.map(|found| found.and_then(|event| if event.seq == EventSeq(seq) { Ok(event) } else { Err("its number differs".to_owned()) }))
    }

    /// A plan.
    pub(crate) fn plan(&self, id: PlanId) -> Found<PlanRow> {
        self.point(true, &format!("SELECT {} FROM plans", read::PLAN), "id", id.0.into(), read::plan)
    }

    /// Whether the tasks of a lane wait for the right worker, however long it takes.
    pub(crate) fn lane(&self, id: LaneId) -> Found<LaneKey> {
        self.point(true, "SELECT key FROM lanes", "id", id.0.into(), |row| rows::lane_from_json(&get::<String>(row, 0)?))
    }

    /// The workers.
    pub(crate) fn workers(&self) -> (Vec<Decoded<Worker>>, Option<String>) {
        self.sweep(read::WORKER, "workers", "name", read::worker)
    }

    /// The values of the project.
    pub(crate) fn meta(&self) -> (Vec<Decoded<(String, String)>>, Option<String>) {
        self.sweep("name, value", "meta", "name", |row| Ok((get(row, 0)?, get(row, 1)?)))
    }

    /// The answers to requests.
    pub(crate) fn requests(&self) -> (Vec<Decoded<(String, String)>>, Option<String>) {
        self.sweep("id, answer", "requests", "id", |row| Ok((get(row, 0)?, get(row, 1)?)))
    }

    /// How long commands took.
    pub(crate) fn durations(&self) -> (Vec<Decoded<(i64, u64)>>, Option<String>) {
        self.sweep("key, ms", "durations", "key", |row| Ok((get(row, 0)?, read::unsigned(get(row, 1)?)?)))
    }

    /// The dependencies, from both copies that the store keeps of them; the second value says what stopped the reading of both.
    pub(crate) fn edges(&self, tasks: u32) -> (Vec<(u32, u32)>, Option<String>) {
        let mut found: Vec<(u32, u32)> = Vec::new();
        let pair = |row: &Row<'_>| Some((row.get(0).ok()?, row.get(1).ok()?));
        let by_task = self.each("SELECT task, needs FROM edges NOT INDEXED", |row| found.extend(pair(row)));
        let by_needs = self.each("SELECT task, needs FROM edges INDEXED BY edges_needs", |row| found.extend(pair(row)));
        let stopped = by_task.err().and(by_needs.err()).map(|error| error.to_string());
        if stopped.is_some() {
            for task in 1..=tasks {
                let needs = self.rows().needs_of(TaskId(task)).unwrap_or_default();
                found.extend(needs.into_iter().map(|needs| (task, needs.0)));
            }
        }
        found.sort_unstable();
        found.dedup();
        (found, stopped)
    }
}

#[cfg(test)]
mod tests {
    use super::Keys;

    fn keys(list: &[i64]) -> Keys {
        let mut keys = Keys::default();
        list.iter().for_each(|&key| keys.push(key));
        keys
    }

    #[test]
    fn a_damaged_number_does_not_count_as_the_greatest() {
        for (list, top) in [
            (&[][..], 0),
            (&[1, 2, 3], 3),
            (&[1, 2, 3, 7, 8], 8),
            (&[1, 2, 70_000, 4, 5], 5),
            (&[1, 2, 3, 4, 70_000], 4),
            (&[70_000, 2, 3], 3),
            (&[70_000], 0),
            (&[-5, 2, 3], 3),
            (&[4_000, 4_001, 4_002], 4_002),
        ] {
            assert_eq!(keys(list).top(), top, "{list:?}");
        }
    }
}
