//! Rows into values: every SELECT of the embedded store.

use std::cell::Cell;
use std::path::Path;
use std::time::Duration;

use domain::event::{Actor, EventKind};
use domain::id::{Attempt, Capability, EventSeq, LaneId, PlanId, RequestId, TaskId, WorkerName};
use domain::lease::Nonce;
use domain::phase::{Counts, Stage, Tally};
use domain::schedule::{Lane, Rank};
use domain::task::{Blocked, Failure, Held, Kind, Priority, Status, Task, TaskState};
use domain::time::{Now, StoreTime, Timestamp};
use domain::worker::{Driver, Worker};
use rusqlite::types::FromSql;
use rusqlite::{Connection, OptionalExtension, Params, Row, ToSql};

use super::failure;
use crate::error::Result;
use crate::store::rows::{self, Number};
use crate::store::{BadRow, EventRow, Filter, Free, FullTask, PlanRow, PlanTally, Snapshot, TopFilter};

/// One transaction's view of the file.
pub(super) struct Rows<'c> {
    pub(super) connection: &'c Connection,
    pub(super) now: Now,
    pub(super) path: &'c Path,
    /// The newest event that this transaction has written; 0 before the first.
    pub(super) newest: Cell<u64>,
}

/// A statement that begins with the columns of [`task`], in its order.
macro_rules! select_task {
    ($rest:literal) => {
        concat!(
            "SELECT t.id, t.plan, t.kind, t.phase, t.priority, t.path_ms, t.lane, t.status, t.step, t.nonce, t.worker, t.lease_until, t.timeout_at, t.attempt, t.failures, t.attempts_max, t.crashes, t.cycle, t.timeout_ms, t.waiting, t.dead, t.held, t.not_before, t.ready_at, t.avoid, t.tests, t.fail_reason, t.fail_note, t.block_reason, t.block_note, t.block_on, t.created_at, t.claimed_at, t.claimed_by, t.ended_at, t.ended_by, t.last_event ",
            $rest
        )
    };
}
pub(super) use select_task;

const TASK_COLUMNS: usize = 37;

pub(super) type Decoded<T> = std::result::Result<T, String>;

pub(super) fn get<T: FromSql>(row: &Row<'_>, index: usize) -> Decoded<T> {
    row.get(index).map_err(|error| error.to_string())
}

fn number<T: Number>(row: &Row<'_>, index: usize) -> Decoded<T> {
    let value: i64 = get(row, index)?;
    T::from_number(value).ok_or_else(|| format!("column {index} holds the unknown value {value}"))
}

fn maybe<T, U>(value: Option<T>, read: impl FnOnce(T) -> Decoded<U>) -> Decoded<Option<U>> {
    value.map(read).transpose()
}

fn name(text: String) -> Decoded<WorkerName> {
    rows::parse_worker(&text)
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(value: i64) -> Decoded<u64> {
    u64::try_from(value).map_err(|_| format!("{value} is below zero"))
}

/// A task from a row of `select_task!`.
pub(super) fn task(row: &Row<'_>) -> Decoded<Task> {
    let status: Status = number(row, 7)?;
    let ended_at = maybe(get::<Option<i64>>(row, 34)?, |at| Ok(Timestamp(at)))?;
    let ended_by = || maybe(get::<Option<String>>(row, 35)?, name);
    let missing = |what: &str| format!("{what} is missing");
    let nonce = || maybe(get::<Option<[u8; 16]>>(row, 9)?, |bytes| Ok(Nonce(bytes)));
    let state = match status {
        Status::Pending => TaskState::Pending,
        Status::InProgress => TaskState::InProgress(Held {
            step: number(row, 8)?,
            nonce: nonce()?.ok_or_else(|| missing("nonce"))?,
            worker: name(get(row, 10)?)?,
            lease_until: StoreTime(get(row, 11)?),
            timeout_at: StoreTime(get(row, 12)?),
        }),
        Status::Completed => TaskState::Completed { at: ended_at.ok_or_else(|| missing("ended_at"))?, by: ended_by()?, nonce: nonce()? },
        Status::Blocked => TaskState::Blocked(Blocked {
            reason: number(row, 28)?,
            note: get::<Option<String>>(row, 29)?.unwrap_or_default(),
            on: get::<Option<u32>>(row, 30)?.map(TaskId),
        }),
        Status::Failed => TaskState::Failed { at: ended_at.ok_or_else(|| missing("ended_at"))? },
        Status::Cancelled => TaskState::Cancelled { at: ended_at.ok_or_else(|| missing("ended_at"))? },
    };
    let failure = match get::<Option<i64>>(row, 26)? {
        None => None,
        Some(_) => Some(Failure { reason: number(row, 26)?, note: get::<Option<String>>(row, 27)?.unwrap_or_default() }),
    };
    let claimed = match (get::<Option<i64>>(row, 32)?, get::<Option<String>>(row, 33)?) {
        (Some(at), Some(by)) => Some((Timestamp(at), name(by)?)),
        _ => None,
    };
    Ok(Task {
        id: TaskId(get(row, 0)?),
        plan: PlanId(get(row, 1)?),
        kind: number(row, 2)?,
        phase: get(row, 3)?,
        priority: number(row, 4)?,
        path_ms: unsigned(get(row, 5)?)?,
        lane: LaneId(get(row, 6)?),
        state,
        attempt: Attempt(get(row, 13)?),
        failures: get(row, 14)?,
        attempts_max: get(row, 15)?,
        crashes: get(row, 16)?,
        cycle: get(row, 17)?,
        timeout: Duration::from_millis(unsigned(get(row, 18)?)?),
        waiting: get(row, 19)?,
        dead: get(row, 20)?,
        held: get(row, 21)?,
        not_before: get::<Option<i64>>(row, 22)?.map(StoreTime),
        ready_at: StoreTime(get(row, 23)?),
        avoid: maybe(get::<Option<String>>(row, 24)?, name)?,
        tests: get::<Option<u32>>(row, 25)?.map(TaskId),
        failure,
        created_at: Timestamp(get(row, 31)?),
        claimed,
    })
}

fn full(row: &Row<'_>) -> Decoded<FullTask> {
    let more: Option<String> = get(row, TASK_COLUMNS + 1)?;
    let after: Option<String> = get(row, TASK_COLUMNS + 3)?;
    let mut after = after
        .iter()
        .flat_map(|list| list.split(','))
        .map(|id| id.parse().map(TaskId).map_err(|_| format!("'{id}' is no task id")))
        .collect::<Decoded<Vec<_>>>()?;
    after.sort_unstable();
    Ok(FullTask {
        task: task(row)?,
        spec: rows::spec_from_json(get(row, TASK_COLUMNS)?, more.as_deref())?,
        after,
        result: maybe(get::<Option<String>>(row, TASK_COLUMNS + 2)?, |text| rows::result_from_json(&text))?,
        last_event: match get::<i64>(row, 36)? {
            0 => None,
            seq => Some(EventSeq(unsigned(seq)?)),
        },
    })
}

const FULL: &str = select_task!(
    ", s.title, s.more, r.result, (SELECT group_concat(e.needs) FROM edges e WHERE e.task = t.id) FROM tasks t JOIN specs s ON s.task = t.id LEFT JOIN results r ON r.task = t.id"
);

fn bad(table: &'static str, row: &Row<'_>, why: String) -> BadRow {
    BadRow { table, key: row.get(0).unwrap_or(0), why }
}

pub(super) const WORKER: &str = "name, number, driver, agent, target, can, thinks, paused, limited_until, lost_at, registered_at, seen_at, last_heartbeat_at, last_claimed_at, last_completed_at, turned_at, runtime_ms, holding";

pub(super) fn worker(row: &Row<'_>) -> Decoded<Worker> {
    let driver: Driver = number(row, 2)?;
    let can: String = get(row, 5)?;
    let can = can
        .split(',')
        .filter(|c| !c.is_empty())
        .map(|c| c.parse().map_err(|e: domain::id::BadId| e.to_string()))
        .collect::<Decoded<Vec<Capability>>>()?;
    let store_time = |index| Ok::<_, String>(get::<Option<i64>>(row, index)?.map(StoreTime));
    let wall = |index| Ok::<_, String>(get::<Option<i64>>(row, index)?.map(Timestamp));
    Ok(Worker {
        name: name(get(row, 0)?)?,
        number: get(row, 1)?,
        driver,
        agent: get(row, 3)?,
        target: get(row, 4)?,
        can,
        thinks: get(row, 6)?,
        paused: get(row, 7)?,
        limited_until: store_time(8)?,
        lost_at: store_time(9)?,
        registered_at: Timestamp(get(row, 10)?),
        seen_at: store_time(11)?,
        last_heartbeat_at: wall(12)?,
        last_claimed_at: wall(13)?,
        last_completed_at: wall(14)?,
        turned_at: store_time(15)?,
        runtime_ms: unsigned(get(row, 16)?)?,
        holding: get(row, 17)?,
    })
}

pub(super) const PLAN: &str =
    "id, title, goal, digest, source, options, first_task, last_task, imported_at, tests_wanted, stage_phase, stage_tests";

pub(super) fn plan(row: &Row<'_>) -> Decoded<PlanRow> {
    let (first, last): (u32, u32) = (get(row, 6)?, get(row, 7)?);
    Ok(PlanRow {
        id: PlanId(get(row, 0)?),
        title: get(row, 1)?,
        goal: get(row, 2)?,
        digest: get(row, 3)?,
        source: get(row, 4)?,
        options: get(row, 5)?,
        tasks: (first > 0).then_some((TaskId(first), TaskId(last))),
        imported_at: Timestamp(get(row, 8)?),
        tests_wanted: get(row, 9)?,
        stage: Stage { phase: get(row, 10)?, tests: get(row, 11)? },
    })
}

pub(super) const EVENT: &str = "seq, at, kind, actor, task, attempt, worker, earlier, data";

pub(super) fn event(row: &Row<'_>) -> Decoded<EventRow> {
    Ok(EventRow {
        seq: EventSeq(unsigned(get(row, 0)?)?),
        at: Timestamp(get(row, 1)?),
        kind: number::<EventKind>(row, 2)?,
        actor: number::<Actor>(row, 3)?,
        task: get::<Option<u32>>(row, 4)?.map(TaskId),
        attempt: get::<Option<u32>>(row, 5)?.map(Attempt),
        worker: maybe(get::<Option<String>>(row, 6)?, name)?,
        earlier: match get::<Option<i64>>(row, 7)? {
            None | Some(0) => None,
            Some(seq) => Some(EventSeq(unsigned(seq)?)),
        },
        data: get::<Option<String>>(row, 8)?.unwrap_or_else(|| "{}".to_owned()),
    })
}

impl Rows<'_> {
    pub(super) fn failed(&self, error: &rusqlite::Error) -> crate::error::Error {
        failure(error, self.path)
    }

    pub(super) fn one<T>(&self, sql: &str, params: impl Params, read: impl FnOnce(&Row<'_>) -> T) -> Result<Option<T>> {
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_row(params, |row| Ok(read(row))).optional())
            .map_err(|error| self.failed(&error))
    }

    pub(super) fn all<T>(&self, sql: &str, params: impl Params, mut read: impl FnMut(&Row<'_>) -> T) -> Result<Vec<T>> {
        let run = || -> rusqlite::Result<Vec<T>> {
            let mut statement = self.connection.prepare_cached(sql)?;
            let mut found = Vec::new();
            let mut rows = statement.query(params)?;
            while let Some(row) = rows.next()? {
                found.push(read(row));
            }
            Ok(found)
        };
        run().map_err(|error| self.failed(&error))
    }

    /// Rows that must decode: those of the rules, not of a task's own content.
    fn whole<T>(&self, table: &'static str, decoded: Decoded<T>) -> Result<T> {
        decoded.map_err(|why| {
            crate::error::Error::new(
                crate::error::Kind::Store,
                "damaged",
                format!("a row of {table} in {} does not decode: {why}", self.path.display()),
            )
            .hint("ganger doctor --strict")
            .hint("ganger repair")
        })
    }

    /// Tasks; those that do not decode are left out here, and found by whoever asks for them by id.
    pub(super) fn tasks(&self, sql: &str, params: impl Params) -> Result<Vec<Task>> {
        Ok(self.all(sql, params, task)?.into_iter().flatten().collect())
    }
}

impl Snapshot for Rows<'_> {
    fn now(&self) -> Now {
        self.now
    }

    fn task(&self, id: TaskId) -> Result<Option<std::result::Result<Task, BadRow>>> {
        self.one(select_task!("FROM tasks t WHERE t.id = ?1"), [id.0], |row| task(row).map_err(|why| bad("tasks", row, why)))
    }

    fn full(&self, id: TaskId) -> Result<Option<std::result::Result<FullTask, BadRow>>> {
        self.one(&format!("{FULL} WHERE t.id = ?1"), [id.0], |row| full(row).map_err(|why| bad("tasks", row, why)))
    }

    fn list(&self, filter: &Filter, each: &mut dyn FnMut(std::result::Result<FullTask, BadRow>) -> Result<bool>) -> Result<()> {
        let mut sql = FULL.to_owned();
        let mut values: Vec<Box<dyn ToSql>> = Vec::new();
        let mut join = " WHERE ";
        let mut condition = |sql: &mut String, text: &str| {
            sql.push_str(join);
            sql.push_str(text);
            join = " AND ";
        };
        if !filter.statuses.is_empty() {
            let wanted: Vec<&str> = filter
                .statuses
                .iter()
                .map(|status| match status {
                    Status::Pending => "(t.status = 0 AND t.dead = 0)",
                    Status::InProgress => "t.status = 1",
                    Status::Completed => "t.status = 2",
                    Status::Blocked => "(t.status = 3 OR (t.status = 0 AND t.dead > 0))",
                    Status::Failed => "t.status = 4",
                    Status::Cancelled => "t.status = 5",
                })
                .collect();
            condition(&mut sql, &format!("({})", wanted.join(" OR ")));
        }
        if let Some(kind) = filter.kind {
            condition(&mut sql, &format!("t.kind = {}", kind.number()));
        }
        if let Some(plan) = filter.plan {
            condition(&mut sql, &format!("t.plan = {}", plan.0));
        }
        if let Some(after) = filter.after {
            condition(&mut sql, &format!("t.id > {}", after.0));
        }
        if let Some(worker) = &filter.worker {
            values.push(Box::new(worker.as_str().to_owned()));
            let n = values.len();
            condition(
                &mut sql,
                &format!(
                    "(t.worker = ?{n} OR t.ended_by = ?{n} OR t.lane IN (SELECT id FROM lanes WHERE json_extract(key, '$.to') = ?{n}))"
                ),
            );
        }
        if let Some(text) = &filter.text {
            values.push(Box::new(text.clone()));
            condition(&mut sql, &format!("instr(lower(s.title), lower(?{})) > 0", values.len()));
        }
        sql.push_str(" ORDER BY t.id");
        if let Some(limit) = filter.limit {
            sql.push_str(&format!(" LIMIT {limit}"));
        }
        let mut statement = self.connection.prepare(&sql).map_err(|error| self.failed(&error))?;
        let mut rows = statement.query(rusqlite::params_from_iter(values)).map_err(|error| self.failed(&error))?;
        while let Some(row) = rows.next().map_err(|error| self.failed(&error))? {
            if !each(full(row).map_err(|why| bad("tasks", row, why)))? {
                break;
            }
        }
        Ok(())
    }

    fn top(&self, lane: LaneId, filter: TopFilter<'_>) -> Result<Option<Rank>> {
        let sql = "SELECT phase, priority, path_ms, id FROM tasks WHERE status = 0 AND waiting = 0 AND held = 0 AND lane = ?1
                   AND (not_before IS NULL OR not_before <= ?2) AND ready_at <= ?3 AND (avoid IS NULL OR avoid <> ?4)
                   AND NOT EXISTS (SELECT 1 FROM unreadable u WHERE u.task = tasks.id)
                   ORDER BY phase, priority, path_ms DESC, id LIMIT 1";
        let ready_since = filter.ready_since.map_or(i64::MAX, |at| at.0);
        let avoid = filter.not_back_from.map_or("", WorkerName::as_str);
        let rank = |row: &Row<'_>| -> Decoded<Rank> {
            Ok(Rank {
                phase: get(row, 0)?,
                priority: number::<Priority>(row, 1)?,
                path: std::cmp::Reverse(unsigned(get(row, 2)?)?),
                id: TaskId(get(row, 3)?),
            })
        };
        match self.one(sql, (lane.0, filter.now.0, ready_since, avoid), |row| (rank(row), get(row, 3).map(TaskId)))? {
            None => Ok(None),
            Some((Ok(rank), _)) => Ok(Some(rank)),
            // It comes first, so that whoever asks for it by id finds what is wrong with it and sets it aside.
            Some((Err(_), Ok(id))) => Ok(Some(Rank { phase: 0, priority: Priority::High, path: std::cmp::Reverse(u64::MAX), id })),
            Some((Err(why), Err(_))) => self.whole("tasks", Err(why)),
        }
    }

    fn live(&self) -> Result<Vec<Task>> {
        let mut live = self.tasks(select_task!("FROM tasks t INDEXED BY tasks_live WHERE t.status = 1"), [])?;
        live.sort_unstable_by_key(|task| task.id);
        Ok(live)
    }

    fn free(&self, plan: Option<PlanId>) -> Result<Vec<Free>> {
        let sql = "SELECT lane, count(*), min(id) FROM tasks INDEXED BY tasks_ready WHERE status = 0 AND waiting = 0 AND held = 0 AND (?1 IS NULL OR plan = ?1)
                   AND NOT EXISTS (SELECT 1 FROM unreadable u WHERE u.task = tasks.id) GROUP BY lane ORDER BY lane";
        let read = |row: &Row<'_>| -> Decoded<Free> {
            Ok(Free { lane: LaneId(get(row, 0)?), count: get(row, 1)?, example: TaskId(get(row, 2)?) })
        };
        self.all(sql, [plan.map(|plan| plan.0)], read)?.into_iter().map(|free| self.whole("tasks", free)).collect()
    }

    fn due(&self, now: StoreTime) -> Result<Vec<TaskId>> {
        let sql = "SELECT id FROM tasks INDEXED BY tasks_live WHERE status = 1 AND min(lease_until, timeout_at) <= ?1
                   AND NOT EXISTS (SELECT 1 FROM unreadable u WHERE u.task = tasks.id)";
        self.all(sql, [now.0], |row| get(row, 0).map(TaskId))?.into_iter().map(|id| self.whole("tasks", id)).collect()
    }

    fn lanes(&self) -> Result<Vec<Lane>> {
        let read =
            |row: &Row<'_>| -> Decoded<Lane> { Ok(Lane { id: LaneId(get(row, 0)?), key: rows::lane_from_json(&get::<String>(row, 1)?)? }) };
        self.all("SELECT id, key FROM lanes ORDER BY id", [], read)?.into_iter().map(|lane| self.whole("lanes", lane)).collect()
    }

    fn needs_of(&self, id: TaskId) -> Result<Vec<TaskId>> {
        self.all("SELECT needs FROM edges WHERE task = ?1 ORDER BY needs", [id.0], |row| get(row, 0).map(TaskId))?
            .into_iter()
            .map(|id| self.whole("edges", id))
            .collect()
    }

    fn dependents(&self, id: TaskId) -> Result<Vec<Task>> {
        self.tasks(select_task!("FROM edges e JOIN tasks t ON t.id = e.task WHERE e.needs = ?1 ORDER BY t.id"), [id.0])
    }

    fn blocked_on(&self, id: TaskId) -> Result<Vec<Task>> {
        self.tasks(select_task!("FROM tasks t WHERE t.status = 3 AND t.block_on = ?1 ORDER BY t.id"), [id.0])
    }

    fn dead_needs(&self, id: TaskId) -> Result<Vec<TaskId>> {
        let sql = "SELECT e.needs FROM edges e JOIN tasks t ON t.id = e.needs WHERE e.task = ?1 AND t.status IN (4, 5) ORDER BY e.needs";
        self.all(sql, [id.0], |row| get(row, 0).map(TaskId))?.into_iter().map(|id| self.whole("edges", id)).collect()
    }

    fn tested_by(&self, feature: TaskId) -> Result<Option<TaskId>> {
        let sql = "SELECT t.id FROM edges e JOIN tasks t ON t.id = e.task WHERE e.needs = ?1 AND t.kind = ?2 AND t.tests = ?1 ORDER BY t.id LIMIT 1";
        match self.one(sql, (feature.0, Kind::Test.number()), |row| get(row, 0).map(TaskId))? {
            None => Ok(None),
            Some(id) => self.whole("tasks", id).map(Some),
        }
    }

    fn workers(&self) -> Result<Vec<Worker>> {
        self.all(&format!("SELECT {WORKER} FROM workers ORDER BY number"), [], worker)?
            .into_iter()
            .map(|row| self.whole("workers", row))
            .collect()
    }

    fn worker(&self, name: &WorkerName) -> Result<Option<Worker>> {
        match self.one(&format!("SELECT {WORKER} FROM workers WHERE name = ?1"), [name.as_str()], worker)? {
            None => Ok(None),
            Some(row) => self.whole("workers", row).map(Some),
        }
    }

    fn session(&self, name: &WorkerName) -> Result<Option<String>> {
        Ok(self.one("SELECT session FROM workers WHERE name = ?1", [name.as_str()], |row| row.get(0).unwrap_or_default())?.flatten())
    }

    fn plans(&self) -> Result<Vec<PlanRow>> {
        self.all(&format!("SELECT {PLAN} FROM plans ORDER BY id"), [], plan)?.into_iter().map(|row| self.whole("plans", row)).collect()
    }

    fn plan(&self, id: PlanId) -> Result<Option<PlanRow>> {
        match self.one(&format!("SELECT {PLAN} FROM plans WHERE id = ?1"), [id.0], plan)? {
            None => Ok(None),
            Some(row) => self.whole("plans", row).map(Some),
        }
    }

    fn tallies(&self, plan: Option<PlanId>) -> Result<Vec<PlanTally>> {
        let read = |row: &Row<'_>| -> Decoded<PlanTally> {
            let mut counts = Counts { moving: get(row, 9)?, ..Counts::default() };
            for (index, count) in counts.by_status.iter_mut().enumerate() {
                *count = get(row, 3 + index)?;
            }
            Ok(PlanTally { plan: PlanId(get(row, 0)?), tally: Tally { kind: number::<Kind>(row, 1)?, phase: get(row, 2)?, counts } })
        };
        let sql = "SELECT plan, kind, phase, pending, in_progress, completed, blocked, failed, cancelled, moving FROM tallies";
        let found = match plan {
            Some(plan) => self.all(&format!("{sql} WHERE plan = ?1"), [plan.0], read)?,
            None => self.all(sql, [], read)?,
        };
        found.into_iter().map(|row| self.whole("tallies", row)).collect()
    }

    fn events(&self, after: EventSeq, limit: u32) -> Result<Vec<EventRow>> {
        let sql = format!("SELECT {EVENT} FROM events WHERE seq > ?1 ORDER BY seq LIMIT ?2");
        self.all(&sql, (signed(after.0), limit), event)?.into_iter().map(|row| self.whole("events", row)).collect()
    }

    fn event(&self, seq: EventSeq) -> Result<Option<EventRow>> {
        match self.one(&format!("SELECT {EVENT} FROM events WHERE seq = ?1"), [signed(seq.0)], event)? {
            None => Ok(None),
            Some(row) => self.whole("events", row).map(Some),
        }
    }

    fn messages(&self, after: EventSeq, limit: u32) -> Result<Vec<EventRow>> {
        let sql =
            format!("SELECT * FROM (SELECT {EVENT} FROM events WHERE kind = 20 AND seq > ?1 ORDER BY seq DESC LIMIT ?2) ORDER BY seq");
        self.all(&sql, (signed(after.0), limit), event)?.into_iter().map(|row| self.whole("events", row)).collect()
    }

    fn last_event(&self) -> Result<EventSeq> {
        let last = self.one("SELECT coalesce(max(seq), 0) FROM events", [], |row| row.get::<_, i64>(0).unwrap_or(0))?;
        Ok(EventSeq(u64::try_from(last.unwrap_or(0)).unwrap_or(0)))
    }

    fn request(&self, id: &RequestId) -> Result<Option<String>> {
        match self.one("SELECT answer FROM requests WHERE id = ?1", [id.as_str()], |row| get(row, 0))? {
            None => Ok(None),
            Some(answer) => self.whole("requests", answer).map(Some),
        }
    }

    fn meta(&self, name: &str) -> Result<Option<String>> {
        match self.one("SELECT value FROM meta WHERE name = ?1", [name], |row| get(row, 0))? {
            None => Ok(None),
            Some(value) => self.whole("meta", value).map(Some),
        }
    }

    fn duration(&self, key: i64) -> Result<Option<u64>> {
        self.one("SELECT ms FROM durations WHERE key = ?1", [key], |row| u64::try_from(row.get::<_, i64>(0).unwrap_or(0)).unwrap_or(0))
    }

    fn unreadable(&self) -> Result<Vec<TaskId>> {
        self.all("SELECT task FROM unreadable ORDER BY task", [], |row| TaskId(row.get(0).unwrap_or(0)))
    }

    fn last_task(&self) -> Result<u32> {
        Ok(self.one("SELECT coalesce(max(id), 0) FROM tasks", [], |row| row.get(0).unwrap_or(0))?.unwrap_or(0))
    }

    fn all_meta(&self) -> Result<Vec<(String, String)>> {
        let read = |row: &Row<'_>| -> Decoded<(String, String)> { Ok((get(row, 0)?, get(row, 1)?)) };
        self.all("SELECT name, value FROM meta ORDER BY name", [], read)?.into_iter().map(|row| self.whole("meta", row)).collect()
    }

    fn durations(&self, each: &mut dyn FnMut(i64, u64) -> Result<()>) -> Result<()> {
        let mut statement = self.connection.prepare("SELECT key, ms FROM durations ORDER BY key").map_err(|error| self.failed(&error))?;
        let mut rows = statement.query([]).map_err(|error| self.failed(&error))?;
        while let Some(row) = rows.next().map_err(|error| self.failed(&error))? {
            let (key, ms) = self.whole("durations", get(row, 0).and_then(|key| Ok((key, unsigned(get(row, 1)?)?))))?;
            each(key, ms)?;
        }
        Ok(())
    }

    fn strays(&self, limit: u32) -> Result<Vec<BadRow>> {
        let sql = "SELECT 0, id, 'it carries a claim and is not in progress' FROM tasks
                   WHERE status <> 1 AND coalesce(step, worker, lease_until, timeout_at) IS NOT NULL OR status NOT IN (1, 2) AND nonce IS NOT NULL
                   UNION ALL SELECT 1, plan, 'it counts the tasks of a plan that is not there' FROM tallies WHERE plan NOT IN (SELECT id FROM plans)
                   UNION ALL SELECT 2, task, 'it sets a task aside that is not there' FROM unreadable WHERE task NOT IN (SELECT id FROM tasks) LIMIT ?1";
        self.all(sql, [limit], |row| {
            let table = match row.get(0) {
                Ok(0_i64) => "tasks",
                Ok(1) => "tallies",
                Ok(_) | Err(_) => "unreadable",
            };
            BadRow { table, key: row.get(1).unwrap_or(0), why: row.get(2).unwrap_or_default() }
        })
    }
}
