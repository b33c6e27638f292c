//! Values into rows: every INSERT and UPDATE of the shared store. None waits for the server: what goes wrong shows at the next question, or at
//! the end, and then nothing of the transaction is there.

use domain::event::{Actor, EventKind, NewEvent};
use domain::id::{EventSeq, LaneId, PlanId, RequestId, TaskId, WorkerName};
use domain::lifecycle::Change;
use domain::phase::{Stage, Tally, is_held};
use domain::schedule::LaneKey;
use domain::task::{Blocked, Held, Kind, Spec, Task, TaskResult, TaskState};
use domain::time::Timestamp;
use domain::worker::Worker;

use super::read::{Rows, select_task};
use super::session::{Value, values};
use crate::error::{Error, Result};
use crate::store::rows::{self, Number};
use crate::store::{EventRow, NewRow, PlanRow, Snapshot, Transaction};

/// What depends on the state alone, as columns.
#[derive(Default)]
struct StateColumns {
    status: i64,
    step: Option<i64>,
    nonce: Option<Vec<u8>>,
    worker: Option<String>,
    lease_until: Option<i64>,
    timeout_at: Option<i64>,
    block_reason: Option<i64>,
    block_note: Option<String>,
    block_on: Option<i64>,
    ended_at: Option<i64>,
    ended_by: Option<String>,
}

fn state_columns(state: &TaskState) -> StateColumns {
    let none = StateColumns::default();
    match state {
        TaskState::Pending => none,
        TaskState::InProgress(Held { step, nonce, worker, lease_until, timeout_at }) => StateColumns {
            status: 1,
            step: Some(step.number()),
            nonce: Some(nonce.0.to_vec()),
            worker: text(Some(worker)),
            lease_until: Some(lease_until.0),
            timeout_at: Some(timeout_at.0),
            ..none
        },
        TaskState::Completed { at, by, nonce } => StateColumns {
            status: 2,
            nonce: nonce.as_ref().map(|nonce| nonce.0.to_vec()),
            ended_at: Some(at.0),
            ended_by: text(by.as_ref()),
            ..none
        },
        TaskState::Blocked(Blocked { reason, note, on }) => StateColumns {
            status: 3,
            block_reason: Some(reason.number()),
            block_note: Some(note.clone()),
            block_on: on.map(|id| i64::from(id.0)),
            ..none
        },
        TaskState::Failed { at } => StateColumns { status: 4, ended_at: Some(at.0), ..none },
        TaskState::Cancelled { at } => StateColumns { status: 5, ended_at: Some(at.0), ..none },
    }
}

fn text(name: Option<&WorkerName>) -> Option<String> {
    name.map(ToString::to_string)
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn wide(number: u32) -> i64 {
    i64::from(number)
}

impl Rows<'_> {
    fn run(&self, sql: &'static str, values: Vec<Value>) -> Result<()> {
        self.session.borrow_mut().send(sql, values).map_err(|error| self.failed(&error))
    }

    /// Writes an event and gives its position. The turn is ours until the end of the transaction, so positions are dense (T11).
    fn insert_event(&self, event: &NewEvent, actor: Actor, earlier: Option<i64>) -> Result<i64> {
        let seq = self.newest.get() + 1;
        self.newest.set(seq);
        self.run(
            "INSERT INTO events (seq, at, kind, actor, task, attempt, worker, earlier, data)
             VALUES ($1, $2, $3, $4, $5, $6, $7, coalesce($8, (SELECT last_event FROM tasks WHERE id = $5)), $9)",
            values![
                seq,
                self.now.wall.0,
                event.kind.number(),
                actor.number(),
                event.task.map(|id| wide(id.0)),
                event.attempt.map(|attempt| wide(attempt.0)),
                text(event.worker.as_ref()),
                earlier,
                rows::facts_to_json(&event.data),
            ],
        )?;
        Ok(seq)
    }

    fn put_edges(&self, task: TaskId, needs: &[TaskId]) -> Result<()> {
        let needs: Vec<i64> = needs.iter().map(|id| wide(id.0)).collect();
        self.run("INSERT INTO edges (task, needs) SELECT $1, unnest($2::bigint[]) ON CONFLICT DO NOTHING", values![wide(task.0), needs])
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
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31,
               $32, $33, $34, $35, $36)",
            values![
                wide(task.id.0),
                wide(task.plan.0),
                task.kind.number(),
                wide(task.phase),
                task.priority.number(),
                signed(task.path_ms),
                wide(task.lane.0),
                state.status,
                state.step,
                state.nonce,
                state.worker,
                state.lease_until,
                state.timeout_at,
                wide(task.attempt.0),
                wide(task.failures),
                wide(task.attempts_max),
                wide(task.crashes),
                wide(task.cycle),
                domain::time::millis(task.timeout),
                wide(task.waiting),
                wide(task.dead),
                task.held,
                task.not_before.map(|at| at.0),
                task.ready_at.0,
                text(task.avoid.as_ref()),
                task.tests.map(|id| wide(id.0)),
                task.failure.as_ref().map(|failure| failure.reason.number()),
                task.failure.as_ref().map(|failure| failure.note.clone()),
                state.block_reason,
                state.block_note,
                state.block_on,
                task.created_at.0,
                task.claimed.as_ref().map(|(at, _)| at.0),
                task.claimed.as_ref().map(|(_, by)| by.to_string()),
                state.ended_at,
                state.ended_by,
            ],
        )?;
        self.run(
            "INSERT INTO specs (task, title, more) VALUES ($1, $2, $3)",
            values![wide(task.id.0), row.spec.title.clone(), rows::spec_to_json(row.spec)],
        )?;
        if row.after.is_empty() { Ok(()) } else { self.put_edges(task.id, row.after) }
    }

    fn record(&self, change: &Change, actor: Actor) -> Result<()> {
        let (before, task) = (change.before(), change.after());
        let state = state_columns(&task.state);
        let mut newest = None;
        for event in change.events() {
            if planted!("event_left_out") && event.kind == EventKind::TaskCompleted {
                continue;
            }
            newest = Some(self.insert_event(event, actor, newest)?);
        }
        self.run(
            "UPDATE tasks SET status = $2, step = $3, nonce = $4, worker = $5, lease_until = $6, timeout_at = $7, attempt = $8, claimed_at = $9,
               claimed_by = $10, ended_at = $11, ended_by = $12, last_event = coalesce($13, last_event), block_reason = $14, block_note = $15, block_on = $16,
               failures = $17, crashes = $18, cycle = $19, not_before = $20, ready_at = $21, avoid = $22, fail_reason = $23, fail_note = $24,
               priority = $25, lane = $26, attempts_max = $27, timeout_ms = $28
             WHERE id = $1",
            values![
                wide(task.id.0),
                state.status,
                state.step,
                state.nonce,
                state.worker,
                state.lease_until,
                state.timeout_at,
                wide(task.attempt.0),
                task.claimed.as_ref().map(|(at, _)| at.0),
                task.claimed.as_ref().map(|(_, by)| by.to_string()),
                state.ended_at,
                state.ended_by,
                newest,
                state.block_reason,
                state.block_note,
                state.block_on,
                wide(task.failures),
                wide(task.crashes),
                wide(task.cycle),
                task.not_before.map(|at| at.0),
                task.ready_at.0,
                text(task.avoid.as_ref()),
                task.failure.as_ref().map(|failure| failure.reason.number()),
                task.failure.as_ref().map(|failure| failure.note.clone()),
                task.priority.number(),
                wide(task.lane.0),
                wide(task.attempts_max),
                domain::time::millis(task.timeout),
            ],
        )?;
        debug_assert_eq!(before.id, task.id);
        Ok(())
    }

    fn put_counters(&self, task: &Task) -> Result<()> {
        self.run(
            "UPDATE tasks SET waiting = $2, dead = $3, held = $4, ready_at = $5, path_ms = $6 WHERE id = $1",
            values![wide(task.id.0), wide(task.waiting), wide(task.dead), task.held, task.ready_at.0, signed(task.path_ms)],
        )
    }

    fn insert_edge(&self, task: TaskId, needs: TaskId) -> Result<bool> {
        if self.needs_of(task)?.contains(&needs) {
            return Ok(false);
        }
        self.put_edges(task, &[needs]).map(|()| true)
    }

    fn put_spec(&self, id: TaskId, spec: &Spec) -> Result<()> {
        self.run(
            "UPDATE specs SET title = $2, more = $3 WHERE task = $1",
            values![wide(id.0), spec.title.clone(), rows::spec_to_json(spec)],
        )
    }

    fn put_result(&self, id: TaskId, result: &TaskResult) -> Result<()> {
        self.run(
            "INSERT INTO results VALUES ($1, $2) ON CONFLICT (task) DO UPDATE SET result = excluded.result",
            values![wide(id.0), rows::result_to_json(result)],
        )
    }

    fn misheld(&self, plan: PlanId, old: Stage, new: Stage) -> Result<Vec<Task>> {
        let (id, phase) = (wide(plan.0), wide(new.phase));
        let mut found = Vec::new();
        if old.tests != new.tests {
            let sql = select_task!("FROM tasks t WHERE t.plan = $1 AND t.kind = 1 AND t.status = 0 AND t.held <> $2 ORDER BY t.id");
            found.extend(self.tasks(sql, &[&id, &is_held(new, Kind::Test, 1)])?);
        }
        if new.phase > old.phase {
            let sql =
                select_task!("FROM tasks t WHERE t.plan = $1 AND t.phase <= $2 AND t.kind = 0 AND t.held AND t.status = 0 ORDER BY t.id");
            found.extend(self.tasks(sql, &[&id, &phase])?);
        } else if new.phase < old.phase {
            let sql = select_task!(
                "FROM tasks t WHERE t.plan = $1 AND t.phase > $2 AND t.kind = 0 AND NOT t.held AND t.status = 0 ORDER BY t.id"
            );
            found.extend(self.tasks(sql, &[&id, &phase])?);
        }
        Ok(found)
    }

    fn lane(&self, key: &LaneKey) -> Result<LaneId> {
        let lanes = self.lanes()?;
        if let Some(lane) = lanes.iter().find(|lane| lane.key == *key) {
            return Ok(lane.id);
        }
        let id =
            lanes.iter().map(|lane| lane.id.0).max().unwrap_or(0).checked_add(1).ok_or_else(|| Error::bug("more lanes than numbers"))?;
        self.run("INSERT INTO lanes (id, key) VALUES ($1, $2)", values![wide(id), rows::lane_to_json(key)])?;
        Ok(LaneId(id))
    }

    fn put_worker(&self, worker: &Worker) -> Result<()> {
        let can: Vec<&str> = worker.can.iter().map(domain::id::Capability::as_str).collect();
        self.run(
            "INSERT INTO workers (name, number, driver, agent, target, can, thinks, paused, limited_until, lost_at, registered_at, seen_at, last_heartbeat_at,
               last_claimed_at, last_completed_at, turned_at, runtime_ms, holding)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
             ON CONFLICT (name) DO UPDATE SET driver = $3, agent = $4, target = $5, can = $6, thinks = $7, paused = $8, limited_until = $9, lost_at = $10,
               seen_at = $12, last_heartbeat_at = $13, last_claimed_at = $14, last_completed_at = $15, turned_at = $16, runtime_ms = $17, holding = $18",
            values![
                worker.name.to_string(),
                wide(worker.number),
                worker.driver.number(),
                worker.agent.clone(),
                worker.target.clone(),
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
                wide(worker.holding),
            ],
        )
    }

    fn put_session(&self, name: &WorkerName, session: Option<&str>) -> Result<()> {
        self.run("UPDATE workers SET session = $2 WHERE name = $1", values![name.to_string(), session.map(str::to_owned)])
    }

    fn remove_worker(&self, name: &WorkerName) -> Result<()> {
        self.run("DELETE FROM workers WHERE name = $1", values![name.to_string()])
    }

    fn put_plan(&self, plan: &PlanRow) -> Result<()> {
        let (first, last) = plan.tasks.map_or((0, 0), |(first, last)| (first.0, last.0));
        self.run(
            "INSERT INTO plans (id, title, goal, digest, source, options, first_task, last_task, imported_at, tests_wanted, stage_phase, stage_tests)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
             ON CONFLICT (id) DO UPDATE SET title = $2, goal = $3, digest = $4, source = $5, options = $6, first_task = $7, last_task = $8, imported_at = $9,
               tests_wanted = $10, stage_phase = $11, stage_tests = $12",
            values![
                wide(plan.id.0),
                plan.title.clone(),
                plan.goal.clone(),
                plan.digest.clone(),
                plan.source.clone(),
                plan.options.clone(),
                wide(first),
                wide(last),
                plan.imported_at.0,
                plan.tests_wanted,
                wide(plan.stage.phase),
                plan.stage.tests,
            ],
        )
    }

    fn put_tally(&self, plan: PlanId, tally: &Tally) -> Result<()> {
        let [pending, in_progress, completed, blocked, failed, cancelled] = tally.counts.by_status.map(wide);
        self.run(
            "INSERT INTO tallies VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
             ON CONFLICT (plan, kind, phase) DO UPDATE SET pending = $4, in_progress = $5, completed = $6, blocked = $7, failed = $8, cancelled = $9, moving = $10",
            values![
                wide(plan.0),
                tally.kind.number(),
                wide(tally.phase),
                pending,
                in_progress,
                completed,
                blocked,
                failed,
                cancelled,
                wide(tally.counts.moving),
            ],
        )
    }

    fn append(&self, event: &NewEvent, actor: Actor) -> Result<EventSeq> {
        let seq = self.insert_event(event, actor, None)?;
        if let Some(task) = event.task {
            self.run("UPDATE tasks SET last_event = $2 WHERE id = $1", values![wide(task.0), seq])?;
        }
        Ok(EventSeq(u64::try_from(seq).unwrap_or(0)))
    }

    fn put_request(&self, id: &RequestId, answer: &str) -> Result<()> {
        self.run(
            "INSERT INTO requests (id, at, answer) VALUES ($1, $2, $3)",
            values![id.as_str().to_owned(), self.now.wall.0, answer.to_owned()],
        )
    }

    fn put_meta(&self, name: &str, value: &str) -> Result<()> {
        self.run(
            "INSERT INTO meta VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            values![name.to_owned(), value.to_owned()],
        )
    }

    fn put_duration(&self, key: i64, ms: u64) -> Result<()> {
        self.run("INSERT INTO durations VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET ms = excluded.ms", values![key, signed(ms)])
    }

    fn put_unreadable(&self, id: TaskId) -> Result<bool> {
        if self.unreadable()?.contains(&id) {
            return Ok(false);
        }
        self.run("INSERT INTO unreadable VALUES ($1)", values![wide(id.0)]).map(|()| true)
    }

    fn prune_requests(&self, before: Timestamp, limit: u32) -> Result<u32> {
        let sql = "DELETE FROM requests WHERE id IN (SELECT id FROM requests WHERE at < $1 LIMIT $2) RETURNING 1";
        let gone = self.session.borrow_mut().query(sql, &[&before.0, &wide(limit)]).map_err(|error| self.failed(&error))?;
        Ok(u32::try_from(gone.len()).unwrap_or(u32::MAX))
    }

    fn begin_restore(&self) -> Result<()> {
        let sql = "SELECT EXISTS (SELECT 1 FROM tasks) OR EXISTS (SELECT 1 FROM events) OR EXISTS (SELECT 1 FROM workers) OR EXISTS (SELECT 1 FROM plans WHERE id > 0)";
        let rows = self.session.borrow_mut().query(sql, &[]).map_err(|error| self.failed(&error))?;
        if rows.first().is_none_or(|row| row.try_get(0).unwrap_or(true)) {
            return Err(Error::refused("store_not_empty", format!("the store {} is not empty; nothing was changed", self.address))
                .hint("choose another schema: --store postgres://…?schema=NAME")
                .hint("or import into the folder of a new project"));
        }
        self.run("SET CONSTRAINTS ALL DEFERRED", Vec::new())
    }

    fn restore_event(&self, event: &EventRow) -> Result<()> {
        self.run(
            "INSERT INTO events (seq, at, kind, actor, task, attempt, worker, earlier, data) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            values![
                signed(event.seq.0),
                event.at.0,
                event.kind.number(),
                event.actor.number(),
                event.task.map(|id| wide(id.0)),
                event.attempt.map(|attempt| wide(attempt.0)),
                text(event.worker.as_ref()),
                event.earlier.map(|seq| signed(seq.0)).or(event.task.map(|_| 0)),
                (event.data != "{}").then(|| event.data.clone()),
            ],
        )?;
        self.newest.set(self.newest.get().max(signed(event.seq.0)));
        if let Some(task) = event.task {
            self.run("UPDATE tasks SET last_event = $2 WHERE id = $1", values![wide(task.0), signed(event.seq.0)])?;
        }
        Ok(())
    }
}
