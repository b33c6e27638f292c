//! Rows into values: every SELECT of the shared store.

use std::time::Duration;

use domain::event::{Actor, EventKind};
use domain::id::{Attempt, Capability, EventSeq, LaneId, PlanId, RequestId, TaskId, WorkerName};
use domain::lease::Nonce;
use domain::phase::{Counts, Stage, Tally};
use domain::schedule::{Lane, Rank};
use domain::task::{Blocked, Failure, Held, Kind, Priority, Status, Task, TaskState};
use domain::time::{Now, StoreTime, Timestamp};
use domain::worker::{Driver, Worker};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, ToSql};

use super::connect::PgAddress;
use super::session::{Fault, Shared};
use crate::error::Result;
use crate::store::rows::{self, Number};
use crate::store::{BadRow, EventRow, Filter, Free, FullTask, PlanRow, PlanTally, Snapshot, TopFilter};

/// One transaction's view of the database.
pub(super) struct Rows<'s> {
    pub(super) session: &'s Shared,
    pub(super) address: &'s PgAddress,
    pub(super) now: Now,
}

/// How many rows of a long list are in memory at once.
const PAGE: i64 = 1_000;

/// A statement that begins with the columns of [`task`], in its order.
macro_rules! select_task {
    ($($rest:literal),+) => {
        concat!(
            "SELECT t.id, t.plan, t.kind, t.phase, t.priority, t.path_ms, t.lane, t.status, t.step, t.nonce, t.worker, t.lease_until, t.timeout_at, t.attempt, t.failures, t.attempts_max, t.crashes, t.cycle, t.timeout_ms, t.waiting, t.dead, t.held, t.not_before, t.ready_at, t.avoid, t.tests, t.fail_reason, t.fail_note, t.block_reason, t.block_note, t.block_on, t.created_at, t.claimed_at, t.claimed_by, t.ended_at, t.ended_by, t.last_event ",
            $($rest),+
        )
    };
}
pub(super) use select_task;

pub(super) const TASK_COLUMNS: usize = 37;

type Decoded<T> = std::result::Result<T, String>;

pub(super) fn get<'r, T: FromSql<'r>>(row: &'r Row, index: usize) -> Decoded<T> {
    row.try_get(index).map_err(|error| error.to_string())
}

/// A number that is stored wider than it is.
pub(super) fn narrow<T: TryFrom<i64>>(row: &Row, index: usize) -> Decoded<T> {
    let value: i64 = get(row, index)?;
    T::try_from(value).map_err(|_| format!("column {index} holds {value}, which is out of range"))
}

fn number<T: Number>(row: &Row, index: usize) -> Decoded<T> {
    let value: i64 = get(row, index)?;
    T::from_number(value).ok_or_else(|| format!("column {index} holds the unknown value {value}"))
}

fn maybe<T, U>(value: Option<T>, read: impl FnOnce(T) -> Decoded<U>) -> Decoded<Option<U>> {
    value.map(read).transpose()
}

pub(super) fn task_id(value: i64) -> Decoded<TaskId> {
    u32::try_from(value).map(TaskId).map_err(|_| format!("{value} is no task id"))
}

fn name(text: &str) -> Decoded<WorkerName> {
    rows::parse_worker(text)
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A task from a row of `select_task!`.
pub(super) fn task(row: &Row) -> Decoded<Task> {
    let status: Status = number(row, 7)?;
    let ended_at = maybe(get::<Option<i64>>(row, 34)?, |at| Ok(Timestamp(at)))?;
    let ended_by = || maybe(get::<Option<&str>>(row, 35)?, name);
    let missing = |what: &str| format!("{what} is missing");
    let nonce =
        || maybe(get::<Option<&[u8]>>(row, 9)?, |bytes| Ok(Nonce(bytes.try_into().map_err(|_| "a nonce has 16 bytes".to_owned())?)));
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
            on: maybe(get(row, 30)?, task_id)?,
        }),
        Status::Failed => TaskState::Failed { at: ended_at.ok_or_else(|| missing("ended_at"))? },
        Status::Cancelled => TaskState::Cancelled { at: ended_at.ok_or_else(|| missing("ended_at"))? },
    };
    let failure = match get::<Option<i64>>(row, 26)? {
        None => None,
        Some(_) => Some(Failure { reason: number(row, 26)?, note: get::<Option<String>>(row, 27)?.unwrap_or_default() }),
    };
    let claimed = match (get::<Option<i64>>(row, 32)?, get::<Option<&str>>(row, 33)?) {
        (Some(at), Some(by)) => Some((Timestamp(at), name(by)?)),
        _ => None,
    };
    Ok(Task {
        id: task_id(get(row, 0)?)?,
        plan: PlanId(narrow(row, 1)?),
        kind: number(row, 2)?,
        phase: narrow(row, 3)?,
        priority: number(row, 4)?,
        path_ms: narrow(row, 5)?,
        lane: LaneId(narrow(row, 6)?),
        state,
        attempt: Attempt(narrow(row, 13)?),
        failures: narrow(row, 14)?,
        attempts_max: narrow(row, 15)?,
        crashes: narrow(row, 16)?,
        cycle: narrow(row, 17)?,
        timeout: Duration::from_millis(narrow(row, 18)?),
        waiting: narrow(row, 19)?,
        dead: narrow(row, 20)?,
        held: get(row, 21)?,
        not_before: get::<Option<i64>>(row, 22)?.map(StoreTime),
        ready_at: StoreTime(get(row, 23)?),
        avoid: maybe(get::<Option<&str>>(row, 24)?, name)?,
        tests: maybe(get(row, 25)?, task_id)?,
        failure,
        created_at: Timestamp(get(row, 31)?),
        claimed,
    })
}

/// A task and its newest event, from the same row.
pub(super) fn with_last_event(row: &Row) -> Decoded<(Task, i64)> {
    Ok((task(row)?, get(row, 36)?))
}

pub(super) fn full(row: &Row) -> Decoded<FullTask> {
    let more: Option<&str> = get(row, TASK_COLUMNS + 1)?;
    let after = get::<Vec<i64>>(row, TASK_COLUMNS + 3)?.into_iter().map(task_id).collect::<Decoded<Vec<_>>>()?;
    Ok(FullTask {
        task: task(row)?,
        spec: rows::spec_from_json(get(row, TASK_COLUMNS)?, more)?,
        after,
        result: maybe(get::<Option<&str>>(row, TASK_COLUMNS + 2)?, rows::result_from_json)?,
        last_event: match get::<i64>(row, 36)? {
            0 => None,
            seq => Some(EventSeq(u64::try_from(seq).map_err(|_| format!("{seq} is no event"))?)),
        },
    })
}

const FULL: &str = select_task!(
    ", s.title, s.more, r.result, ARRAY(SELECT e.needs FROM edges e WHERE e.task = t.id ORDER BY e.needs) FROM tasks t JOIN specs s ON s.task = t.id LEFT JOIN results r ON r.task = t.id"
);
const FULL_OF: &str = select_task!(
    ", s.title, s.more, r.result, ARRAY(SELECT e.needs FROM edges e WHERE e.task = t.id ORDER BY e.needs) FROM tasks t JOIN specs s ON s.task = t.id LEFT JOIN results r ON r.task = t.id WHERE t.id = $1"
);

fn bad(table: &'static str, row: &Row, why: String) -> BadRow {
    BadRow { table, key: row.try_get(0).unwrap_or(0), why }
}

pub(super) fn worker(row: &Row) -> Decoded<Worker> {
    let driver: Driver = number(row, 2)?;
    let can: &str = get(row, 5)?;
    let can = can
        .split(',')
        .filter(|c| !c.is_empty())
        .map(|c| c.parse().map_err(|e: domain::id::BadId| e.to_string()))
        .collect::<Decoded<Vec<Capability>>>()?;
    let store_time = |index| Ok::<_, String>(get::<Option<i64>>(row, index)?.map(StoreTime));
    let wall = |index| Ok::<_, String>(get::<Option<i64>>(row, index)?.map(Timestamp));
    Ok(Worker {
        name: name(get(row, 0)?)?,
        number: narrow(row, 1)?,
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
        runtime_ms: narrow(row, 16)?,
        holding: narrow(row, 17)?,
    })
}

pub(super) fn plan(row: &Row) -> Decoded<PlanRow> {
    let (first, last): (u32, u32) = (narrow(row, 6)?, narrow(row, 7)?);
    Ok(PlanRow {
        id: PlanId(narrow(row, 0)?),
        title: get(row, 1)?,
        goal: get(row, 2)?,
        digest: get(row, 3)?,
        source: get(row, 4)?,
        options: get(row, 5)?,
        tasks: (first > 0).then_some((TaskId(first), TaskId(last))),
        imported_at: Timestamp(get(row, 8)?),
        tests_wanted: get(row, 9)?,
        stage: Stage { phase: narrow(row, 10)?, tests: get(row, 11)? },
    })
}

fn event(row: &Row) -> Decoded<EventRow> {
    Ok(EventRow {
        seq: EventSeq(narrow(row, 0)?),
        at: Timestamp(get(row, 1)?),
        kind: number::<EventKind>(row, 2)?,
        actor: number::<Actor>(row, 3)?,
        task: maybe(get(row, 4)?, task_id)?,
        attempt: maybe(get(row, 5)?, |n: i64| u32::try_from(n).map(Attempt).map_err(|_| format!("{n} is no attempt")))?,
        worker: maybe(get::<Option<&str>>(row, 6)?, name)?,
        earlier: match get::<Option<i64>>(row, 7)? {
            None | Some(0) => None,
            Some(seq) => Some(EventSeq(u64::try_from(seq).map_err(|_| format!("{seq} is no event"))?)),
        },
        data: get::<Option<String>>(row, 8)?.unwrap_or_else(|| "{}".to_owned()),
    })
}

impl Rows<'_> {
    pub(super) fn failed(&self, fault: &Fault) -> crate::error::Error {
        super::failure(fault, self.address)
    }

    fn all<T>(&self, sql: &'static str, values: &[&(dyn ToSql + Sync)], read: impl Fn(&Row) -> T) -> Result<Vec<T>> {
        let rows = self.session.borrow_mut().query(sql, values).map_err(|error| self.failed(&error))?;
        Ok(rows.iter().map(read).collect())
    }

    fn one<T>(&self, sql: &'static str, values: &[&(dyn ToSql + Sync)], read: impl Fn(&Row) -> T) -> Result<Option<T>> {
        Ok(self.all(sql, values, read)?.into_iter().next())
    }

    /// Rows that must decode: those of the rules, not of a task's own content.
    fn whole<T>(&self, table: &'static str, decoded: Decoded<T>) -> Result<T> {
        decoded.map_err(|why| {
            let message = format!("a row of {table} in {} does not decode: {why}", self.address);
            crate::error::Error::new(crate::error::Kind::Store, "damaged", message).hint("ganger doctor --strict")
        })
    }

    fn wholes<T>(
        &self,
        table: &'static str,
        sql: &'static str,
        values: &[&(dyn ToSql + Sync)],
        read: impl Fn(&Row) -> Decoded<T>,
    ) -> Result<Vec<T>> {
        self.all(sql, values, read)?.into_iter().map(|row| self.whole(table, row)).collect()
    }

    fn whole_one<T>(
        &self,
        table: &'static str,
        sql: &'static str,
        values: &[&(dyn ToSql + Sync)],
        read: impl Fn(&Row) -> Decoded<T>,
    ) -> Result<Option<T>> {
        self.one(sql, values, read)?.map(|row| self.whole(table, row)).transpose()
    }

    /// Tasks; those that do not decode are left out here, and found by whoever asks for them by id.
    pub(super) fn tasks(&self, sql: &'static str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<(Task, i64)>> {
        Ok(self.all(sql, values, with_last_event)?.into_iter().flatten().collect())
    }

    pub(super) fn last_event_of(&self, id: TaskId) -> Result<i64> {
        let last = self.one("SELECT last_event FROM tasks WHERE id = $1", &[&i64::from(id.0)], |row| row.try_get(0).unwrap_or(0))?;
        Ok(last.unwrap_or(0))
    }

    pub(super) fn live_tasks(&self) -> Result<Vec<(Task, i64)>> {
        self.tasks(select_task!("FROM tasks t WHERE t.status = 1 ORDER BY t.id"), &[])
    }

    pub(super) fn tasks_behind(&self, id: TaskId) -> Result<Vec<(Task, i64)>> {
        self.tasks(select_task!("FROM edges e JOIN tasks t ON t.id = e.task WHERE e.needs = $1 ORDER BY t.id"), &[&i64::from(id.0)])
    }

    pub(super) fn tasks_blocked_on(&self, id: TaskId) -> Result<Vec<(Task, i64)>> {
        self.tasks(select_task!("FROM tasks t WHERE t.status = 3 AND t.block_on = $1 ORDER BY t.id"), &[&i64::from(id.0)])
    }

    /// The tasks of a filter behind an id, at most a page.
    fn page(&self, filter: &Filter, after: i64, limit: i64) -> Result<Vec<Row>> {
        let mut sql = format!("{FULL} WHERE t.id > $1");
        let mut values: Vec<Box<dyn ToSql + Sync>> = vec![Box::new(after), Box::new(limit)];
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
            sql.push_str(&format!(" AND ({})", wanted.join(" OR ")));
        }
        if let Some(kind) = filter.kind {
            sql.push_str(&format!(" AND t.kind = {}", kind.number()));
        }
        if let Some(plan) = filter.plan {
            sql.push_str(&format!(" AND t.plan = {}", plan.0));
        }
        if let Some(worker) = &filter.worker {
            values.push(Box::new(worker.as_str().to_owned()));
            let n = values.len();
            sql.push_str(&format!(
                " AND (t.worker = ${n} OR t.ended_by = ${n} OR t.lane IN (SELECT id FROM lanes WHERE key::json ->> 'to' = ${n}))"
            ));
        }
        if let Some(text) = &filter.text {
            values.push(Box::new(text.clone()));
            sql.push_str(&format!(" AND position(lower(${}) IN lower(s.title)) > 0", values.len()));
        }
        sql.push_str(" ORDER BY t.id LIMIT $2");
        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| &**value as &(dyn ToSql + Sync)).collect();
        self.session.borrow_mut().query_once(&sql, &values).map_err(|error| self.failed(&error))
    }
}

const EVENTS_AFTER: &str =
    "SELECT seq, at, kind, actor, task, attempt, worker, earlier, data FROM events WHERE seq > $1 ORDER BY seq LIMIT $2";
const EVENT_OF: &str = "SELECT seq, at, kind, actor, task, attempt, worker, earlier, data FROM events WHERE seq = $1";
const MESSAGES: &str = "SELECT * FROM (SELECT seq, at, kind, actor, task, attempt, worker, earlier, data FROM events WHERE kind = 20 AND seq > $1 ORDER BY seq DESC LIMIT $2) m ORDER BY seq";

/// A statement that begins with the columns of [`full`], in its order.
macro_rules! select_full {
    ($rest:literal) => {
        select_task!(", s.title, s.more, r.result, ARRAY(SELECT e.needs FROM edges e WHERE e.task = t.id ORDER BY e.needs) ", $rest)
    };
}
pub(super) use select_full;

macro_rules! select_workers {
    ($rest:literal) => {
        concat!(
            "SELECT name, number, driver, agent, target, can, thinks, paused, limited_until, lost_at, registered_at, seen_at, last_heartbeat_at, last_claimed_at, last_completed_at, turned_at, runtime_ms, holding FROM workers ",
            $rest
        )
    };
}

pub(super) use select_workers;

macro_rules! select_plans {
    ($rest:literal) => {
        concat!(
            "SELECT id, title, goal, digest, source, options, first_task, last_task, imported_at, tests_wanted, stage_phase, stage_tests FROM plans ",
            $rest
        )
    };
}

pub(super) fn lane(row: &Row) -> Decoded<Lane> {
    Ok(Lane { id: LaneId(narrow(row, 0)?), key: rows::lane_from_json(get(row, 1)?)? })
}

/// The columns of [`plan`].
pub(super) const PLAN_COLUMNS: usize = 12;

/// A tally whose columns begin at this one.
pub(super) fn tally(row: &Row, at: usize) -> Decoded<PlanTally> {
    let mut counts = Counts { moving: narrow(row, at + 9)?, ..Counts::default() };
    for (index, count) in counts.by_status.iter_mut().enumerate() {
        *count = narrow(row, at + 3 + index)?;
    }
    Ok(PlanTally {
        plan: PlanId(narrow(row, at)?),
        tally: Tally { kind: number::<Kind>(row, at + 1)?, phase: narrow(row, at + 2)?, counts },
    })
}

fn id_of(row: &Row) -> Decoded<TaskId> {
    task_id(get(row, 0)?)
}

impl Snapshot for Rows<'_> {
    fn now(&self) -> Now {
        self.now
    }

    fn task(&self, id: TaskId) -> Result<Option<std::result::Result<Task, BadRow>>> {
        self.one(select_task!("FROM tasks t WHERE t.id = $1"), &[&i64::from(id.0)], |row| task(row).map_err(|why| bad("tasks", row, why)))
    }

    fn full(&self, id: TaskId) -> Result<Option<std::result::Result<FullTask, BadRow>>> {
        self.one(FULL_OF, &[&i64::from(id.0)], |row| full(row).map_err(|why| bad("tasks", row, why)))
    }

    fn list(&self, filter: &Filter, each: &mut dyn FnMut(std::result::Result<FullTask, BadRow>) -> Result<bool>) -> Result<()> {
        let mut after = filter.after.map_or(0, |id| i64::from(id.0));
        let mut left = filter.limit.map_or(i64::MAX, i64::from);
        while left > 0 {
            let limit = left.min(PAGE);
            let rows = self.page(filter, after, limit)?;
            for row in &rows {
                after = row.try_get(0).map_err(|error| self.failed(&error.into()))?;
                if !each(full(row).map_err(|why| bad("tasks", row, why)))? {
                    return Ok(());
                }
            }
            if i64::try_from(rows.len()).is_ok_and(|count| count < limit) {
                return Ok(());
            }
            left -= limit;
        }
        Ok(())
    }

    fn top(&self, lane: LaneId, filter: TopFilter<'_>) -> Result<Option<Rank>> {
        let sql = "SELECT phase, priority, path_ms, id FROM tasks WHERE status = 0 AND waiting = 0 AND NOT held AND lane = $1
                   AND (not_before IS NULL OR not_before <= $2) AND ready_at <= $3 AND (avoid IS NULL OR avoid <> $4)
                   AND NOT EXISTS (SELECT 1 FROM unreadable u WHERE u.task = tasks.id)
                   ORDER BY phase, priority, path_ms DESC, id LIMIT 1";
        let ready_since = filter.ready_since.map_or(i64::MAX, |at| at.0);
        let avoid = filter.not_back_from.map_or("", WorkerName::as_str);
        let rank = |row: &Row| -> Decoded<Rank> {
            Ok(Rank {
                phase: narrow(row, 0)?,
                priority: number::<Priority>(row, 1)?,
                path: std::cmp::Reverse(narrow(row, 2)?),
                id: task_id(get(row, 3)?)?,
            })
        };
        let id = |row: &Row| get(row, 3).and_then(task_id);
        match self.one(sql, &[&i64::from(lane.0), &filter.now.0, &ready_since, &avoid], |row| (rank(row), id(row)))? {
            None => Ok(None),
            Some((Ok(rank), _)) => Ok(Some(rank)),
            // It comes first, so that whoever asks for it by id finds what is wrong with it and sets it aside.
            Some((Err(_), Ok(id))) => Ok(Some(Rank { phase: 0, priority: Priority::High, path: std::cmp::Reverse(u64::MAX), id })),
            Some((Err(why), Err(_))) => self.whole("tasks", Err(why)),
        }
    }

    fn live(&self) -> Result<Vec<Task>> {
        Ok(self.live_tasks()?.into_iter().map(|(task, _)| task).collect())
    }

    fn free(&self, plan: Option<PlanId>) -> Result<Vec<Free>> {
        let sql =
            "SELECT lane, count(*), min(id) FROM tasks WHERE status = 0 AND waiting = 0 AND NOT held AND ($1::bigint IS NULL OR plan = $1)
                   AND NOT EXISTS (SELECT 1 FROM unreadable u WHERE u.task = tasks.id) GROUP BY lane ORDER BY lane";
        let read = |row: &Row| -> Decoded<Free> {
            Ok(Free { lane: LaneId(narrow(row, 0)?), count: narrow(row, 1)?, example: task_id(get(row, 2)?)? })
        };
        self.wholes("tasks", sql, &[&plan.map(|plan| i64::from(plan.0))], read)
    }

    fn due(&self, now: StoreTime) -> Result<Vec<TaskId>> {
        let sql = "SELECT id FROM tasks WHERE status = 1 AND least(lease_until, timeout_at) <= $1
                   AND NOT EXISTS (SELECT 1 FROM unreadable u WHERE u.task = tasks.id) ORDER BY least(lease_until, timeout_at), id";
        self.wholes("tasks", sql, &[&now.0], id_of)
    }

    fn lanes(&self) -> Result<Vec<Lane>> {
        self.wholes("lanes", "SELECT id, key FROM lanes ORDER BY id", &[], lane)
    }

    fn needs_of(&self, id: TaskId) -> Result<Vec<TaskId>> {
        self.wholes("edges", "SELECT needs FROM edges WHERE task = $1 ORDER BY needs", &[&i64::from(id.0)], id_of)
    }

    fn dependents(&self, id: TaskId) -> Result<Vec<Task>> {
        Ok(self.tasks_behind(id)?.into_iter().map(|(task, _)| task).collect())
    }

    fn blocked_on(&self, id: TaskId) -> Result<Vec<Task>> {
        Ok(self.tasks_blocked_on(id)?.into_iter().map(|(task, _)| task).collect())
    }

    fn dead_needs(&self, id: TaskId) -> Result<Vec<TaskId>> {
        let sql = "SELECT e.needs FROM edges e JOIN tasks t ON t.id = e.needs WHERE e.task = $1 AND t.status IN (4, 5) ORDER BY e.needs";
        self.wholes("edges", sql, &[&i64::from(id.0)], id_of)
    }

    fn tested_by(&self, feature: TaskId) -> Result<Option<TaskId>> {
        let sql = "SELECT t.id FROM edges e JOIN tasks t ON t.id = e.task WHERE e.needs = $1 AND t.kind = $2 AND t.tests = $1 ORDER BY t.id LIMIT 1";
        self.whole_one("tasks", sql, &[&i64::from(feature.0), &Kind::Test.number()], id_of)
    }

    fn workers(&self) -> Result<Vec<Worker>> {
        self.wholes("workers", select_workers!("ORDER BY number"), &[], worker)
    }

    fn worker(&self, name: &WorkerName) -> Result<Option<Worker>> {
        self.whole_one("workers", select_workers!("WHERE name = $1"), &[&name.as_str()], worker)
    }

    fn session(&self, name: &WorkerName) -> Result<Option<String>> {
        Ok(self.one("SELECT session FROM workers WHERE name = $1", &[&name.as_str()], |row| row.try_get(0).ok().flatten())?.flatten())
    }

    fn plans(&self) -> Result<Vec<PlanRow>> {
        self.wholes("plans", select_plans!("ORDER BY id"), &[], plan)
    }

    fn plan(&self, id: PlanId) -> Result<Option<PlanRow>> {
        self.whole_one("plans", select_plans!("WHERE id = $1"), &[&i64::from(id.0)], plan)
    }

    fn tallies(&self, plan: Option<PlanId>) -> Result<Vec<PlanTally>> {
        let sql = "SELECT plan, kind, phase, pending, in_progress, completed, blocked, failed, cancelled, moving FROM tallies
                   WHERE $1::bigint IS NULL OR plan = $1 ORDER BY plan, kind, phase";
        self.wholes("tallies", sql, &[&plan.map(|plan| i64::from(plan.0))], |row| tally(row, 0))
    }

    fn events(&self, after: EventSeq, limit: u32) -> Result<Vec<EventRow>> {
        self.wholes("events", EVENTS_AFTER, &[&signed(after.0), &i64::from(limit)], event)
    }

    fn event(&self, seq: EventSeq) -> Result<Option<EventRow>> {
        self.whole_one("events", EVENT_OF, &[&signed(seq.0)], event)
    }

    fn messages(&self, after: EventSeq, limit: u32) -> Result<Vec<EventRow>> {
        self.wholes("events", MESSAGES, &[&signed(after.0), &i64::from(limit)], event)
    }

    fn last_event(&self) -> Result<EventSeq> {
        let last = self.whole_one("events", "SELECT coalesce(max(seq), 0) FROM events", &[], |row| get::<i64>(row, 0))?;
        Ok(EventSeq(u64::try_from(last.unwrap_or(0)).unwrap_or(0)))
    }

    fn request(&self, id: &RequestId) -> Result<Option<String>> {
        self.whole_one("requests", "SELECT answer FROM requests WHERE id = $1", &[&id.as_str()], |row| get(row, 0))
    }

    fn meta(&self, name: &str) -> Result<Option<String>> {
        self.whole_one("meta", "SELECT value FROM meta WHERE name = $1", &[&name], |row| get(row, 0))
    }

    fn duration(&self, key: i64) -> Result<Option<u64>> {
        self.whole_one("durations", "SELECT ms FROM durations WHERE key = $1", &[&key], |row| narrow(row, 0))
    }

    fn unreadable(&self) -> Result<Vec<TaskId>> {
        self.wholes("unreadable", "SELECT task FROM unreadable ORDER BY task", &[], id_of)
    }

    fn last_task(&self) -> Result<u32> {
        Ok(self.whole_one("tasks", "SELECT coalesce(max(id), 0) FROM tasks", &[], |row| narrow(row, 0))?.unwrap_or(0))
    }

    fn all_meta(&self) -> Result<Vec<(String, String)>> {
        self.wholes("meta", "SELECT name, value FROM meta WHERE name NOT IN ('schema_version', 'place') ORDER BY name", &[], |row| {
            Ok((get(row, 0)?, get(row, 1)?))
        })
    }

    fn durations(&self, each: &mut dyn FnMut(i64, u64) -> Result<()>) -> Result<()> {
        let mut after = i64::MIN;
        loop {
            let sql = "SELECT key, ms FROM durations WHERE key > $1 ORDER BY key LIMIT $2";
            let page: Vec<(i64, u64)> = self.wholes("durations", sql, &[&after, &PAGE], |row| Ok((get(row, 0)?, narrow(row, 1)?)))?;
            for (key, ms) in &page {
                each(*key, *ms)?;
                after = *key;
            }
            if i64::try_from(page.len()).is_ok_and(|count| count < PAGE) {
                return Ok(());
            }
        }
    }

    fn strays(&self, limit: u32) -> Result<Vec<BadRow>> {
        let sql = "SELECT id, 0::bigint, 'it carries a claim and is not in progress' FROM tasks
                   WHERE status <> 1 AND (step IS NOT NULL OR worker IS NOT NULL OR lease_until IS NOT NULL OR timeout_at IS NOT NULL)
                      OR status NOT IN (1, 2) AND nonce IS NOT NULL
                   UNION ALL SELECT plan, 1, 'it counts the tasks of a plan that is not there' FROM tallies WHERE plan NOT IN (SELECT id FROM plans)
                   UNION ALL SELECT task, 2, 'it sets a task aside that is not there' FROM unreadable WHERE task NOT IN (SELECT id FROM tasks)
                   UNION ALL SELECT task, 3, 'it belongs to a task that is not there' FROM edges e
                     WHERE NOT EXISTS (SELECT 1 FROM tasks WHERE id = e.task) OR NOT EXISTS (SELECT 1 FROM tasks WHERE id = e.needs)
                   UNION ALL SELECT task, 4, 'it belongs to a task that is not there' FROM specs s WHERE NOT EXISTS (SELECT 1 FROM tasks WHERE id = s.task)
                   LIMIT $1";
        self.all(sql, &[&i64::from(limit)], |row| {
            let table = match row.try_get(1) {
                Ok(0_i64) => "tasks",
                Ok(1) => "tallies",
                Ok(3) => "edges",
                Ok(4) => "specs",
                Ok(_) | Err(_) => "unreadable",
            };
            BadRow { table, key: row.try_get(0).unwrap_or(0), why: row.try_get(2).unwrap_or_default() }
        })
    }
}
