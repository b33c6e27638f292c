//! Values into rows: every INSERT and UPDATE of the embedded store.

use domain::event::{Actor, NewEvent};
use domain::id::{EventSeq, LaneId, PlanId, RequestId, TaskId, WorkerName};
use domain::lifecycle::Change;
use domain::phase::{Stage, Tally, is_held};
use domain::schedule::LaneKey;
use domain::task::{Blocked, Held, Kind, Spec, Task, TaskResult, TaskState};
use domain::time::Timestamp;
use domain::worker::Worker;
use rusqlite::{Params, params};

use super::read::{Rows, select_task};
use crate::error::{Error, Result};
use crate::store::rows::{self, Number};
use crate::store::{EventRow, NewRow, PlanRow, Transaction};

/// What depends on the state alone, as columns.
#[derive(Default)]
struct StateColumns<'t> {
    status: i64,
    step: Option<i64>,
    nonce: Option<&'t [u8]>,
    worker: Option<&'t str>,
    lease_until: Option<i64>,
    timeout_at: Option<i64>,
    block_reason: Option<i64>,
    block_note: Option<&'t str>,
    block_on: Option<u32>,
    ended_at: Option<i64>,
    ended_by: Option<&'t str>,
}

fn state_columns(state: &TaskState) -> StateColumns<'_> {
    let none = StateColumns::default();
    match state {
        TaskState::Pending => none,
        TaskState::InProgress(Held { step, nonce, worker, lease_until, timeout_at }) => StateColumns {
            status: 1,
            step: Some(step.number()),
            nonce: Some(&nonce.0),
            worker: Some(worker.as_str()),
            lease_until: Some(lease_until.0),
            timeout_at: Some(timeout_at.0),
            ..none
        },
        TaskState::Completed { at, by, nonce } => StateColumns {
            status: 2,
            nonce: nonce.as_ref().map(|nonce| &nonce.0[..]),
            ended_at: Some(at.0),
            ended_by: by.as_ref().map(WorkerName::as_str),
            ..none
        },
        TaskState::Blocked(Blocked { reason, note, on }) => {
            StateColumns { status: 3, block_reason: Some(reason.number()), block_note: Some(note), block_on: on.map(|id| id.0), ..none }
        }
        TaskState::Failed { at } => StateColumns { status: 4, ended_at: Some(at.0), ..none },
        TaskState::Cancelled { at } => StateColumns { status: 5, ended_at: Some(at.0), ..none },
    }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

impl Rows<'_> {
    fn run(&self, sql: &str, params: impl Params) -> Result<usize> {
        self.connection.prepare_cached(sql).and_then(|mut statement| statement.execute(params)).map_err(|error| self.failed(&error))
    }

    /// Writes an event and returns its position. `earlier` is the event before it about the same task, where that is not the one that the
    /// task names as its last.
    fn insert_event(&self, event: &NewEvent, actor: Actor, earlier: Option<i64>) -> Result<i64> {
        let data = rows::facts_to_json(&event.data);
        self.run(
            "INSERT INTO events (at, kind, actor, task, attempt, worker, earlier, data) VALUES (?1, ?2, ?3, ?4, ?5, ?6, coalesce(?7, (SELECT last_event FROM tasks WHERE id = ?4)), ?8)",
            params![
                self.now.wall.0,
                event.kind.number(),
                actor.number(),
                event.task.map(|id| id.0),
                event.attempt.map(|attempt| attempt.0),
                event.worker.as_ref().map(WorkerName::as_str),
                earlier,
                data,
            ],
        )?;
        let seq = self.connection.last_insert_rowid();
        self.newest.set(u64::try_from(seq).unwrap_or(0));
        Ok(seq)
    }
}

impl Transaction for Rows<'_> {
    fn insert(&self, row: &NewRow<'_>) -> Result<()> {
        let task = row.task;
        let state = state_columns(&task.state);
        self.run(
            "INSERT INTO tasks (id, plan, kind, phase, priority, path_ms, lane, status, step, nonce, worker, lease_until, timeout_at, attempt, failures, attempts_max,
               crashes, cycle, timeout_ms, waiting, dead, held, not_before, ready_at, avoid, tests, fail_reason, fail_note, block_reason, block_note, block_on,
               created_at, claimed_at, claimed_by, ended_at, ended_by)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31,
               ?32, ?33, ?34, ?35, ?36)",
            params![
                task.id.0,
                task.plan.0,
                task.kind.number(),
                task.phase,
                task.priority.number(),
                signed(task.path_ms),
                task.lane.0,
                state.status,
                state.step,
                state.nonce,
                state.worker,
                state.lease_until,
                state.timeout_at,
                task.attempt.0,
                task.failures,
                task.attempts_max,
                task.crashes,
                task.cycle,
                domain::time::millis(task.timeout),
                task.waiting,
                task.dead,
                task.held,
                task.not_before.map(|at| at.0),
                task.ready_at.0,
                task.avoid.as_ref().map(WorkerName::as_str),
                task.tests.map(|id| id.0),
                task.failure.as_ref().map(|failure| failure.reason.number()),
                task.failure.as_ref().map(|failure| failure.note.as_str()),
                state.block_reason,
                state.block_note,
                state.block_on,
                task.created_at.0,
                task.claimed.as_ref().map(|(at, _)| at.0),
                task.claimed.as_ref().map(|(_, by)| by.as_str()),
                state.ended_at,
                state.ended_by,
            ],
        )?;
        self.run(
            "INSERT INTO specs (task, title, more) VALUES (?1, ?2, ?3)",
            params![task.id.0, row.spec.title, rows::spec_to_json(row.spec)],
        )?;
        for needs in row.after {
            self.run("INSERT OR IGNORE INTO edges (task, needs) VALUES (?1, ?2)", [task.id.0, needs.0])?;
        }
        Ok(())
    }

    fn record(&self, change: &Change, actor: Actor) -> Result<()> {
        let (before, task) = (change.before(), change.after());
        let state = state_columns(&task.state);
        let mut newest = None;
        for event in change.events() {
            if planted!("event_left_out") && event.kind == domain::event::EventKind::TaskCompleted {
                continue;
            }
            newest = Some(self.insert_event(event, actor, newest)?);
        }
        self.run(
            "UPDATE tasks SET status = ?2, step = ?3, nonce = ?4, worker = ?5, lease_until = ?6, timeout_at = ?7, attempt = ?8, claimed_at = ?9,
               claimed_by = ?10, ended_at = ?11, ended_by = ?12, last_event = coalesce(?13, last_event), block_reason = ?14, block_note = ?15, block_on = ?16 WHERE id = ?1",
            params![
                task.id.0,
                state.status,
                state.step,
                state.nonce,
                state.worker,
                state.lease_until,
                state.timeout_at,
                task.attempt.0,
                task.claimed.as_ref().map(|(at, _)| at.0),
                task.claimed.as_ref().map(|(_, by)| by.as_str()),
                state.ended_at,
                state.ended_by,
                newest,
                state.block_reason,
                state.block_note,
                state.block_on,
            ],
        )?;
        // What goes wrong is rare, and each column that is written costs.
        let trouble = |task: &Task| (task.failures, task.crashes, task.cycle, task.not_before, task.ready_at);
        if trouble(before) != trouble(task) || (&before.avoid, &before.failure) != (&task.avoid, &task.failure) {
            let failure = task.failure.as_ref();
            self.run(
                "UPDATE tasks SET failures = ?2, crashes = ?3, cycle = ?4, not_before = ?5, ready_at = ?6, avoid = ?7, fail_reason = ?8, fail_note = ?9
                 WHERE id = ?1",
                params![
                    task.id.0,
                    task.failures,
                    task.crashes,
                    task.cycle,
                    task.not_before.map(|at| at.0),
                    task.ready_at.0,
                    task.avoid.as_ref().map(WorkerName::as_str),
                    failure.map(|failure| failure.reason.number()),
                    failure.map(|failure| failure.note.as_str()),
                ],
            )?;
        }
        // What only an edit changes is left alone otherwise: its references would be checked anew each time.
        let asked = |task: &Task| (task.priority, task.lane, task.attempts_max, task.timeout);
        if asked(before) != asked(task) {
            self.run(
                "UPDATE tasks SET priority = ?2, lane = ?3, attempts_max = ?4, timeout_ms = ?5 WHERE id = ?1",
                params![task.id.0, task.priority.number(), task.lane.0, task.attempts_max, domain::time::millis(task.timeout)],
            )?;
        }
        Ok(())
    }

    fn put_counters(&self, task: &Task) -> Result<()> {
        self.run(
            "UPDATE tasks SET waiting = ?2, dead = ?3, held = ?4, ready_at = ?5, path_ms = ?6 WHERE id = ?1",
            params![task.id.0, task.waiting, task.dead, task.held, task.ready_at.0, signed(task.path_ms)],
        )?;
        Ok(())
    }

    fn insert_edge(&self, task: TaskId, needs: TaskId) -> Result<bool> {
        Ok(self.run("INSERT OR IGNORE INTO edges (task, needs) VALUES (?1, ?2)", [task.0, needs.0])? > 0)
    }

    fn put_spec(&self, id: TaskId, spec: &Spec) -> Result<()> {
        self.run("UPDATE specs SET title = ?2, more = ?3 WHERE task = ?1", params![id.0, spec.title, rows::spec_to_json(spec)])?;
        Ok(())
    }

    fn put_result(&self, id: TaskId, result: &TaskResult) -> Result<()> {
        self.run(
            "INSERT INTO results VALUES (?1, ?2) ON CONFLICT (task) DO UPDATE SET result = excluded.result",
            params![id.0, rows::result_to_json(result)],
        )?;
        Ok(())
    }

    fn misheld(&self, plan: PlanId, old: Stage, new: Stage) -> Result<Vec<Task>> {
        let mut found = Vec::new();
        if old.tests != new.tests {
            let sql =
                select_task!("FROM tasks t INDEXED BY tasks_tests WHERE t.plan = ?1 AND t.kind = 1 AND t.status = 0 AND t.held <> ?2");
            found.extend(self.tasks(sql, params![plan.0, is_held(new, Kind::Test, 1)])?);
        }
        if new.phase > old.phase {
            let sql = select_task!(
                "FROM tasks t INDEXED BY tasks_later WHERE t.plan = ?1 AND t.phase <= ?2 AND t.kind = 0 AND t.held = 1 AND t.status = 0"
            );
            found.extend(self.tasks(sql, params![plan.0, new.phase])?);
        } else if new.phase < old.phase {
            let sql = select_task!("FROM tasks t WHERE t.plan = ?1 AND t.phase > ?2 AND t.kind = 0 AND t.held = 0 AND t.status = 0");
            found.extend(self.tasks(sql, params![plan.0, new.phase])?);
        }
        Ok(found)
    }

    fn lane(&self, key: &LaneKey) -> Result<LaneId> {
        let text = rows::lane_to_json(key);
        if let Some(id) = self.one("SELECT id FROM lanes WHERE key = ?1", [&text], |row| row.get(0).unwrap_or(0))? {
            return Ok(LaneId(id));
        }
        self.run("INSERT INTO lanes (key) VALUES (?1)", [&text])?;
        u32::try_from(self.connection.last_insert_rowid()).map(LaneId).map_err(|_| Error::bug("more lanes than numbers"))
    }

    fn put_worker(&self, worker: &Worker) -> Result<()> {
        let can: Vec<&str> = worker.can.iter().map(domain::id::Capability::as_str).collect();
        self.run(
            "INSERT INTO workers (name, number, driver, agent, target, can, thinks, paused, limited_until, lost_at, registered_at, seen_at, last_heartbeat_at, last_claimed_at,
               last_completed_at, turned_at, runtime_ms, holding)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)
             ON CONFLICT (name) DO UPDATE SET driver = ?3, agent = ?4, target = ?5, can = ?6, thinks = ?7, paused = ?8, limited_until = ?9, lost_at = ?10, seen_at = ?12,
               last_heartbeat_at = ?13, last_claimed_at = ?14, last_completed_at = ?15, turned_at = ?16, runtime_ms = ?17, holding = ?18",
            params![
                worker.name.as_str(),
                worker.number,
                worker.driver.number(),
                worker.agent,
                worker.target,
                can.join(","),
                worker.thinks,
                worker.paused,
                worker.limited_until.map(|at| at.0),
                worker.lost_at.map(|at| at.0),
                worker.registered_at.0,
                worker.seen_at.map(|at| at.0),
                worker.last_heartbeat_at.map(|at| at.0),
                worker.last_claimed_at.map(|at| at.0),
                worker.last_completed_at.map(|at| at.0),
                worker.turned_at.map(|at| at.0),
                signed(worker.runtime_ms),
                worker.holding,
            ],
        )?;
        Ok(())
    }

    fn put_session(&self, name: &WorkerName, session: Option<&str>) -> Result<()> {
        self.run("UPDATE workers SET session = ?2 WHERE name = ?1", params![name.as_str(), session])?;
        Ok(())
    }

    fn remove_worker(&self, name: &WorkerName) -> Result<()> {
        self.run("DELETE FROM workers WHERE name = ?1", [name.as_str()])?;
        Ok(())
    }

    fn put_plan(&self, plan: &PlanRow) -> Result<()> {
        let (first, last) = plan.tasks.map_or((0, 0), |(first, last)| (first.0, last.0));
        self.run(
            "INSERT INTO plans (id, title, goal, digest, source, options, first_task, last_task, imported_at, tests_wanted, stage_phase, stage_tests)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
             ON CONFLICT (id) DO UPDATE SET title = ?2, goal = ?3, digest = ?4, source = ?5, options = ?6, first_task = ?7, last_task = ?8, imported_at = ?9,
               tests_wanted = ?10, stage_phase = ?11, stage_tests = ?12",
            params![
                plan.id.0,
                plan.title,
                plan.goal,
                plan.digest,
                plan.source,
                plan.options,
                first,
                last,
                plan.imported_at.0,
                plan.tests_wanted,
                plan.stage.phase,
                plan.stage.tests,
            ],
        )?;
        Ok(())
    }

    fn put_tally(&self, plan: PlanId, tally: &Tally) -> Result<()> {
        let [pending, in_progress, completed, blocked, failed, cancelled] = tally.counts.by_status;
        self.run(
            "INSERT INTO tallies VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
             ON CONFLICT (plan, kind, phase) DO UPDATE SET pending = ?4, in_progress = ?5, completed = ?6, blocked = ?7, failed = ?8, cancelled = ?9, moving = ?10",
            params![plan.0, tally.kind.number(), tally.phase, pending, in_progress, completed, blocked, failed, cancelled, tally.counts.moving],
        )?;
        Ok(())
    }

    fn append(&self, event: &NewEvent, actor: Actor) -> Result<EventSeq> {
        let seq = match event.task {
            None => self.insert_event(event, actor, None)?,
            Some(task) => {
                let seq = self.insert_event(event, actor, None)?;
                self.run("UPDATE tasks SET last_event = ?2 WHERE id = ?1", [i64::from(task.0), seq])?;
                seq
            }
        };
        Ok(EventSeq(u64::try_from(seq).unwrap_or(0)))
    }

    fn put_request(&self, id: &RequestId, answer: &str) -> Result<()> {
        self.run("INSERT INTO requests (id, at, answer) VALUES (?1, ?2, ?3)", params![id.as_str(), self.now.wall.0, answer])?;
        Ok(())
    }

    fn put_meta(&self, name: &str, value: &str) -> Result<()> {
        self.run("INSERT INTO meta VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value", [name, value])?;
        Ok(())
    }

    fn put_duration(&self, key: i64, ms: u64) -> Result<()> {
        self.run("INSERT INTO durations VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET ms = excluded.ms", [key, signed(ms)])?;
        Ok(())
    }

    fn put_unreadable(&self, id: TaskId) -> Result<bool> {
        Ok(self.run("INSERT OR IGNORE INTO unreadable VALUES (?1)", [id.0])? > 0)
    }

    fn prune_requests(&self, before: Timestamp, limit: u32) -> Result<u32> {
        let gone =
            self.run("DELETE FROM requests WHERE id IN (SELECT id FROM requests WHERE at < ?1 LIMIT ?2)", params![before.0, limit])?;
        Ok(u32::try_from(gone).unwrap_or(u32::MAX))
    }

    fn begin_restore(&self) -> Result<()> {
        let sql = "SELECT EXISTS (SELECT 1 FROM tasks) OR EXISTS (SELECT 1 FROM events) OR EXISTS (SELECT 1 FROM workers) OR EXISTS (SELECT 1 FROM plans WHERE id > 0)";
        if self.one(sql, [], |row| row.get(0).unwrap_or(true))? != Some(false) {
            return Err(Error::refused("store_not_empty", format!("the store {} is not empty; nothing was changed", self.path.display()))
                .hint("choose another one: ganger import FILE --store sqlite:PATH")
                .hint("or import into the folder of a new project"));
        }
        self.connection.execute_batch("PRAGMA defer_foreign_keys = ON").map_err(|error| self.failed(&error))
    }

    fn restore_event(&self, event: &EventRow) -> Result<()> {
        self.run(
            "INSERT INTO events (seq, at, kind, actor, task, attempt, worker, earlier, data) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            params![
                signed(event.seq.0),
                event.at.0,
                event.kind.number(),
                event.actor.number(),
                event.task.map(|id| id.0),
                event.attempt.map(|attempt| attempt.0),
                event.worker.as_ref().map(WorkerName::as_str),
                event.earlier.map(|seq| signed(seq.0)).or(event.task.map(|_| 0)),
                (event.data != "{}").then_some(event.data.as_str()),
            ],
        )?;
        self.newest.set(self.newest.get().max(event.seq.0));
        if let Some(task) = event.task {
            self.run("UPDATE tasks SET last_event = ?2 WHERE id = ?1", [i64::from(task.0), signed(event.seq.0)])?;
        }
        Ok(())
    }
}
