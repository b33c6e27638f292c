//! Many rows in one statement: a list for each column.

use domain::event::{Actor, NewEvent};
use domain::id::WorkerName;
use domain::phase::Tally;
use domain::task::{Blocked, Held, Task, TaskState};
use domain::worker::Worker;

use super::session::{Value, values};
use crate::store::rows::{self, Number};

fn text(name: Option<&WorkerName>) -> Option<String> {
    name.map(ToString::to_string)
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn wide(number: u32) -> i64 {
    i64::from(number)
}

/// Lists of columns, and their values in the order of their declaration.
macro_rules! columns {
    ($(#[$doc:meta])* $name:ident { $($column:ident: $type:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Default)]
        pub(super) struct $name { $($column: Vec<$type>),* }

        impl $name {
            pub(super) fn values(self) -> Vec<Value> {
                values![$(self.$column),*]
            }
        }
    };
}

columns! {
    /// Rows of `tasks`.
    TaskColumns {
        id: i64, plan: i64, kind: i64, phase: i64, priority: i64, path_ms: i64, lane: i64, status: i64, step: Option<i64>, nonce: Option<Vec<u8>>,
        worker: Option<String>, lease_until: Option<i64>, timeout_at: Option<i64>, attempt: i64, failures: i64, attempts_max: i64, crashes: i64, cycle: i64,
        timeout_ms: i64, waiting: i64, dead: i64, held: bool, not_before: Option<i64>, ready_at: i64, avoid: Option<String>, tests: Option<i64>,
        fail_reason: Option<i64>, fail_note: Option<String>, block_reason: Option<i64>, block_note: Option<String>, block_on: Option<i64>,
        created_at: i64, claimed_at: Option<i64>, claimed_by: Option<String>, ended_at: Option<i64>, ended_by: Option<String>, last_event: i64,
    }
}

impl TaskColumns {
    /// Adds the tasks.
    pub(super) const INSERT: &str = "INSERT INTO tasks (id, plan, kind, phase, priority, path_ms, lane, status, step, nonce, worker, lease_until, timeout_at, attempt, failures,
           attempts_max, crashes, cycle, timeout_ms, waiting, dead, held, not_before, ready_at, avoid, tests, fail_reason, fail_note, block_reason,
           block_note, block_on, created_at, claimed_at, claimed_by, ended_at, ended_by, last_event)
         SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bytea[],
           $11::text[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[], $16::bigint[], $17::bigint[], $18::bigint[],
           $19::bigint[], $20::bigint[], $21::bigint[], $22::boolean[], $23::bigint[], $24::bigint[], $25::text[], $26::bigint[],
           $27::bigint[], $28::text[], $29::bigint[], $30::text[], $31::bigint[],
           $32::bigint[], $33::bigint[], $34::text[], $35::bigint[], $36::text[], $37::bigint[])";

    pub(super) fn push(&mut self, task: &Task, last_event: i64) {
        self.id.push(wide(task.id.0));
        self.plan.push(wide(task.plan.0));
        self.kind.push(task.kind.number());
        self.phase.push(wide(task.phase));
        self.priority.push(task.priority.number());
        self.path_ms.push(signed(task.path_ms));
        self.lane.push(wide(task.lane.0));
        self.push_state(&task.state);
        self.attempt.push(wide(task.attempt.0));
        self.failures.push(wide(task.failures));
        self.attempts_max.push(wide(task.attempts_max));
        self.crashes.push(wide(task.crashes));
        self.cycle.push(wide(task.cycle));
        self.timeout_ms.push(domain::time::millis(task.timeout));
        self.waiting.push(wide(task.waiting));
        self.dead.push(wide(task.dead));
        self.held.push(task.held);
        self.not_before.push(task.not_before.map(|at| at.0));
        self.ready_at.push(task.ready_at.0);
        self.avoid.push(text(task.avoid.as_ref()));
        self.tests.push(task.tests.map(|id| wide(id.0)));
        self.fail_reason.push(task.failure.as_ref().map(|failure| failure.reason.number()));
        self.fail_note.push(task.failure.as_ref().map(|failure| failure.note.clone()));
        self.created_at.push(task.created_at.0);
        self.claimed_at.push(task.claimed.as_ref().map(|(at, _)| at.0));
        self.claimed_by.push(task.claimed.as_ref().map(|(_, by)| by.to_string()));
        self.last_event.push(last_event);
    }

    /// What depends on the state alone.
    fn push_state(&mut self, state: &TaskState) {
        let (status, held, blocked, nonce, ended) = match state {
            TaskState::Pending => (0, None, None, None, None),
            TaskState::InProgress(held) => (1, Some(held), None, Some(held.nonce), None),
            TaskState::Completed { at, by, nonce } => (2, None, None, *nonce, Some((*at, by.as_ref()))),
            TaskState::Blocked(blocked) => (3, None, Some(blocked), None, None),
            TaskState::Failed { at } => (4, None, None, None, Some((*at, None))),
            TaskState::Cancelled { at } => (5, None, None, None, Some((*at, None))),
        };
        self.status.push(status);
        self.nonce.push(nonce.map(|nonce| nonce.0.to_vec()));
        let held = |read: fn(&Held) -> i64| held.map(read);
        self.step.push(held(|held| held.step.number()));
        self.lease_until.push(held(|held| held.lease_until.0));
        self.timeout_at.push(held(|held| held.timeout_at.0));
        self.worker.push(match state {
            TaskState::InProgress(held) => text(Some(&held.worker)),
            _ => None,
        });
        self.block_reason.push(blocked.map(|blocked: &Blocked| blocked.reason.number()));
        self.block_note.push(blocked.map(|blocked| blocked.note.clone()));
        self.block_on.push(blocked.and_then(|blocked| blocked.on).map(|id| wide(id.0)));
        self.ended_at.push(ended.map(|(at, _)| at.0));
        self.ended_by.push(ended.and_then(|(_, by)| text(by)));
    }
}

columns! {
    /// Rows of `events`.
    EventColumns {
        seq: i64, at: i64, kind: i64, actor: i64, task: Option<i64>, attempt: Option<i64>, worker: Option<String>, earlier: Option<i64>, data: Option<String>,
    }
}

impl EventColumns {
    pub(super) fn is_empty(&self) -> bool {
        self.seq.is_empty()
    }

    pub(super) fn push(&mut self, seq: i64, at: i64, event: &NewEvent, actor: Actor, earlier: Option<i64>) {
        self.seq.push(seq);
        self.at.push(at);
        self.kind.push(event.kind.number());
        self.actor.push(actor.number());
        self.task.push(event.task.map(|id| wide(id.0)));
        self.attempt.push(event.attempt.map(|attempt| wide(attempt.0)));
        self.worker.push(text(event.worker.as_ref()));
        self.earlier.push(earlier);
        self.data.push(rows::facts_to_json(&event.data));
    }
}

columns! {
    /// Rows of `workers`.
    WorkerColumns {
        name: String, number: i64, driver: i64, agent: Option<String>, target: Option<String>, can: String, thinks: bool, paused: bool,
        limited_until: Option<i64>, lost_at: Option<i64>, registered_at: i64, seen_at: Option<i64>, last_heartbeat_at: Option<i64>,
        last_claimed_at: Option<i64>, last_completed_at: Option<i64>, turned_at: Option<i64>, runtime_ms: i64, holding: i64,
    }
}

impl WorkerColumns {
    pub(super) fn push(&mut self, worker: &Worker) {
        let can: Vec<&str> = worker.can.iter().map(domain::id::Capability::as_str).collect();
        self.name.push(worker.name.to_string());
        self.number.push(wide(worker.number));
        self.driver.push(worker.driver.number());
        self.agent.push(worker.agent.clone());
        self.target.push(worker.target.clone());
        self.can.push(can.join(","));
        self.thinks.push(worker.thinks);
        self.paused.push(worker.paused);
        self.limited_until.push(worker.limited_until.map(|at| at.0));
        self.lost_at.push(worker.lost_at.map(|at| at.0));
        self.registered_at.push(worker.registered_at.0);
        self.seen_at.push(worker.seen_at.map(|at| at.0));
        self.last_heartbeat_at.push(worker.last_heartbeat_at.map(|at| at.0));
        self.last_claimed_at.push(worker.last_claimed_at.map(|at| at.0));
        self.last_completed_at.push(worker.last_completed_at.map(|at| at.0));
        self.turned_at.push(worker.turned_at.map(|at| at.0));
        self.runtime_ms.push(signed(worker.runtime_ms));
        self.holding.push(wide(worker.holding));
    }
}

columns! {
    /// Rows of `tallies`.
    TallyColumns {
        plan: i64, kind: i64, phase: i64, pending: i64, in_progress: i64, completed: i64, blocked: i64, failed: i64, cancelled: i64, moving: i64,
    }
}

impl TallyColumns {
    pub(super) fn push(&mut self, plan: u32, tally: &Tally) {
        let [pending, in_progress, completed, blocked, failed, cancelled] = tally.counts.by_status.map(wide);
        self.plan.push(wide(plan));
        self.kind.push(tally.kind.number());
        self.phase.push(wide(tally.phase));
        self.pending.push(pending);
        self.in_progress.push(in_progress);
        self.completed.push(completed);
        self.blocked.push(blocked);
        self.failed.push(failed);
        self.cancelled.push(cancelled);
        self.moving.push(wide(tally.counts.moving));
    }
}

/// Everything that ordinary orders change, in one statement: tasks, events, workers, tallies. Each is its own table, and no row is there twice.
pub(super) struct Record {
    pub(super) tasks: TaskColumns,
    pub(super) events: EventColumns,
    pub(super) workers: WorkerColumns,
    pub(super) tallies: TallyColumns,
}

impl Record {
    pub(super) const SQL: &str = "WITH changed AS (
UPDATE tasks t SET priority = r.priority, path_ms = r.path_ms, lane = r.lane, status = r.status, step = r.step, nonce = r.nonce, worker = r.worker,
           lease_until = r.lease_until, timeout_at = r.timeout_at, attempt = r.attempt, failures = r.failures, attempts_max = r.attempts_max,
           crashes = r.crashes, cycle = r.cycle, timeout_ms = r.timeout_ms, waiting = r.waiting, dead = r.dead, held = r.held, not_before = r.not_before,
           ready_at = r.ready_at, avoid = r.avoid, fail_reason = r.fail_reason, fail_note = r.fail_note, block_reason = r.block_reason,
           block_note = r.block_note, block_on = r.block_on, claimed_at = r.claimed_at, claimed_by = r.claimed_by, ended_at = r.ended_at,
           ended_by = r.ended_by, last_event = r.last_event
         FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bytea[],
           $11::text[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[], $16::bigint[], $17::bigint[], $18::bigint[],
           $19::bigint[], $20::bigint[], $21::bigint[], $22::boolean[], $23::bigint[], $24::bigint[], $25::text[], $26::bigint[],
           $27::bigint[], $28::text[], $29::bigint[], $30::text[], $31::bigint[],
           $32::bigint[], $33::bigint[], $34::text[], $35::bigint[], $36::text[], $37::bigint[]) AS r (id, plan, kind, phase, priority, path_ms, lane, status, step, nonce, worker, lease_until, timeout_at, attempt, failures, attempts_max,
           crashes, cycle, timeout_ms, waiting, dead, held, not_before, ready_at, avoid, tests, fail_reason, fail_note, block_reason, block_note,
           block_on, created_at, claimed_at, claimed_by, ended_at, ended_by, last_event)
         WHERE t.id = r.id), told AS (
INSERT INTO events (seq, at, kind, actor, task, attempt, worker, earlier, data)
         SELECT * FROM unnest($38::bigint[], $39::bigint[], $40::bigint[], $41::bigint[], $42::bigint[], $43::bigint[], $44::text[], $45::bigint[], $46::text[])), seen AS (
INSERT INTO workers (name, number, driver, agent, target, can, thinks, paused, limited_until, lost_at, registered_at, seen_at,
           last_heartbeat_at, last_claimed_at, last_completed_at, turned_at, runtime_ms, holding)
         SELECT * FROM unnest($47::text[], $48::bigint[], $49::bigint[], $50::text[], $51::text[], $52::text[], $53::boolean[], $54::boolean[], $55::bigint[],
           $56::bigint[], $57::bigint[], $58::bigint[], $59::bigint[], $60::bigint[], $61::bigint[], $62::bigint[], $63::bigint[], $64::bigint[])
         ON CONFLICT (name) DO UPDATE SET driver = excluded.driver, agent = excluded.agent, target = excluded.target, can = excluded.can,
           thinks = excluded.thinks, paused = excluded.paused, limited_until = excluded.limited_until, lost_at = excluded.lost_at, seen_at = excluded.seen_at,
           last_heartbeat_at = excluded.last_heartbeat_at, last_claimed_at = excluded.last_claimed_at, last_completed_at = excluded.last_completed_at,
           turned_at = excluded.turned_at, runtime_ms = excluded.runtime_ms, holding = excluded.holding), counted AS (
INSERT INTO tallies (plan, kind, phase, pending, in_progress, completed, blocked, failed, cancelled, moving)
         SELECT * FROM unnest($65::bigint[], $66::bigint[], $67::bigint[], $68::bigint[], $69::bigint[], $70::bigint[], $71::bigint[], $72::bigint[], $73::bigint[], $74::bigint[])
         ON CONFLICT (plan, kind, phase) DO UPDATE SET pending = excluded.pending, in_progress = excluded.in_progress, completed = excluded.completed,
           blocked = excluded.blocked, failed = excluded.failed, cancelled = excluded.cancelled, moving = excluded.moving)
SELECT 1";

    pub(super) fn values(self) -> Vec<Value> {
        let mut values = self.tasks.values();
        values.extend(self.events.values());
        values.extend(self.workers.values());
        values.extend(self.tallies.values());
        values
    }
}
