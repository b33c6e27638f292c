//! Values into rows, one by one: what is written too seldom to be kept back. None waits for the server: what goes wrong shows at the next
//! question, or at the end, and then nothing of the transaction is there.

use domain::id::{LaneId, PlanId, TaskId, WorkerName};
use domain::phase::{Stage, is_held};
use domain::schedule::LaneKey;
use domain::task::{Kind, Spec, Task};
use domain::time::Timestamp;

use super::read::{Rows, select_task};
use super::session::{Value, values};
use crate::error::{Error, Result};
use crate::store::rows::{self, Number};
use crate::store::{EventRow, PlanRow, Snapshot};

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
    pub(super) fn run(&self, sql: &'static str, values: Vec<Value>) -> Result<()> {
        self.session.borrow_mut().send(sql, values).map_err(|error| self.failed(&error))
    }

    pub(super) fn put_last_event(&self, id: TaskId, seq: i64) -> Result<()> {
        self.run("UPDATE tasks SET last_event = $2 WHERE id = $1", values![wide(id.0), seq])
    }

    pub(super) fn put_spec(&self, id: TaskId, spec: &Spec) -> Result<()> {
        self.run(
            "UPDATE specs SET title = $2, more = $3 WHERE task = $1",
            values![wide(id.0), spec.title.clone(), rows::spec_to_json(spec)],
        )
    }

    pub(super) fn misheld(&self, plan: PlanId, old: Stage, new: Stage) -> Result<Vec<(Task, i64)>> {
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

    pub(super) fn lane(&self, key: &LaneKey) -> Result<LaneId> {
        let lanes = self.lanes()?;
        if let Some(lane) = lanes.iter().find(|lane| lane.key == *key) {
            return Ok(lane.id);
        }
        let id =
            lanes.iter().map(|lane| lane.id.0).max().unwrap_or(0).checked_add(1).ok_or_else(|| Error::bug("more lanes than numbers"))?;
        self.run("INSERT INTO lanes (id, key) VALUES ($1, $2)", values![wide(id), rows::lane_to_json(key)])?;
        Ok(LaneId(id))
    }

    pub(super) fn put_session(&self, name: &WorkerName, session: Option<&str>) -> Result<()> {
        self.run("UPDATE workers SET session = $2 WHERE name = $1", values![name.to_string(), session.map(str::to_owned)])
    }

    pub(super) fn remove_worker(&self, name: &WorkerName) -> Result<()> {
        self.run("DELETE FROM workers WHERE name = $1", values![name.to_string()])
    }

    pub(super) fn put_plan(&self, plan: &PlanRow) -> Result<()> {
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

    pub(super) fn put_meta(&self, name: &str, value: &str) -> Result<()> {
        self.run(
            "INSERT INTO meta VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            values![name.to_owned(), value.to_owned()],
        )
    }

    pub(super) fn put_unreadable(&self, id: TaskId) -> Result<bool> {
        if self.unreadable()?.contains(&id) {
            return Ok(false);
        }
        self.run("INSERT INTO unreadable VALUES ($1)", values![wide(id.0)]).map(|()| true)
    }

    pub(super) fn prune_requests(&self, before: Timestamp, limit: u32) -> Result<u32> {
        let sql = "DELETE FROM requests WHERE id IN (SELECT id FROM requests WHERE at < $1 LIMIT $2) RETURNING 1";
        let gone = self.session.borrow_mut().query(sql, &[&before.0, &wide(limit)]).map_err(|error| self.failed(&error))?;
        Ok(u32::try_from(gone.len()).unwrap_or(u32::MAX))
    }

    pub(super) fn begin_restore(&self) -> Result<()> {
        let sql = "SELECT EXISTS (SELECT 1 FROM tasks) OR EXISTS (SELECT 1 FROM events) OR EXISTS (SELECT 1 FROM workers) OR EXISTS (SELECT 1 FROM plans WHERE id > 0)";
        let rows = self.session.borrow_mut().query(sql, &[]).map_err(|error| self.failed(&error))?;
        if rows.first().is_none_or(|row| row.try_get(0).unwrap_or(true)) {
            return Err(Error::refused("store_not_empty", format!("the store {} is not empty; nothing was changed", self.address))
                .hint("choose another schema: --store postgres://…?schema=NAME")
                .hint("or import into the folder of a new project"));
        }
        self.run("SET CONSTRAINTS ALL DEFERRED", Vec::new())
    }

    pub(super) fn restore_event(&self, event: &EventRow) -> Result<()> {
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
        if let Some(task) = event.task {
            self.run("UPDATE tasks SET last_event = $2 WHERE id = $1", values![wide(task.0), signed(event.seq.0)])?;
        }
        Ok(())
    }
}
