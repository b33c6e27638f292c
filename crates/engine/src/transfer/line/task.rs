//! Tasks as lines, and back.

use domain::id::{Attempt, LaneId, PlanId, TaskId};
use domain::lease::Nonce;
use domain::task::{BlockReason, Blocked, FailReason, Failure, Held, Kind, Priority, Spec, Status, Step, Task, TaskResult, TaskState};
use domain::time::Now;

use super::{HeldLine, ReasonLine, TaskLine, at, distance, from_at, from_distance, maybe, object, task_id, title, word, worker_name};
use crate::audit::plain;
use crate::store::FullTask;
use crate::store::rows;
use crate::transfer::restore::Row;

impl TaskLine {
    pub(in crate::transfer) fn of(full: &FullTask, waits: bool, now: Now) -> Result<Self, String> {
        let FullTask { task, spec, after, result, last_event: _ } = full;
        let (mut held, mut blocked, mut ended) = (None, None, None);
        match &task.state {
            TaskState::Pending => {}
            TaskState::InProgress(Held { step, nonce: _, worker, lease_until, timeout_at }) => {
                held = Some(HeldLine {
                    worker: worker.to_string(),
                    step: step.to_string(),
                    lease_ms: distance(now, *lease_until),
                    timeout_ms: distance(now, *timeout_at),
                });
            }
            TaskState::Completed { at, by, nonce: _ } => ended = Some((*at, by.clone())),
            TaskState::Failed { at } | TaskState::Cancelled { at } => ended = Some((*at, None)),
            TaskState::Blocked(Blocked { reason, note, on }) => {
                blocked = Some(ReasonLine { reason: reason.to_string(), note: note.clone(), on: on.map(|id| id.to_string()) });
            }
        }
        Ok(Self {
            id: task.id.to_string(),
            plan: task.plan.0,
            kind: task.kind.to_string(),
            phase: task.phase,
            priority: task.priority.to_string(),
            title: spec.title.clone(),
            spec: maybe(rows::spec_to_json(spec), |text| object(&text))?,
            waits,
            path_ms: task.path_ms,
            status: plain(&task.state).to_string(),
            held,
            attempt: task.attempt.0,
            failures: task.failures,
            attempts_max: task.attempts_max,
            crashes: task.crashes,
            cycle: task.cycle,
            timeout_ms: u64::try_from(task.timeout.as_millis()).unwrap_or(u64::MAX),
            after: after.iter().map(ToString::to_string).collect(),
            tests: task.tests.map(|id| id.to_string()),
            not_before_ms: task.not_before.map(|moment| distance(now, moment)),
            ready_ms: distance(now, task.ready_at),
            avoid: task.avoid.as_ref().map(ToString::to_string),
            failure: task.failure.as_ref().map(|failure| ReasonLine {
                reason: failure.reason.to_string(),
                note: failure.note.clone(),
                on: None,
            }),
            blocked,
            created_at: at(task.created_at),
            claimed_at: task.claimed.as_ref().map(|(moment, _)| at(*moment)),
            claimed_by: task.claimed.as_ref().map(|(_, by)| by.to_string()),
            ended_at: ended.as_ref().map(|(moment, _)| at(*moment)),
            ended_by: ended.and_then(|(_, by)| by).map(|by| by.to_string()),
            result: maybe(result.as_ref(), |result| object(&rows::result_to_json(result)))?,
        })
    }

    /// The task with everything. A claim has a nonce that nobody knows.
    pub(in crate::transfer) fn read(self, now: Now, nonce: Nonce) -> Result<Row, String> {
        let state = self.state(now, nonce)?;
        let spec: Spec = rows::spec_from_json(title(self.title)?, self.spec.map(|spec| spec.to_string()).as_deref())?;
        let result: Option<TaskResult> = maybe(self.result, |result| rows::result_from_json(&result.to_string()))?;
        let claimed = match (self.claimed_at, self.claimed_by) {
            (Some(moment), Some(by)) => Some((from_at(&moment)?, worker_name(by)?)),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => return Err("claimed_at and claimed_by belong together".to_owned()),
        };
        let failure = maybe(self.failure, |failure| {
            Ok(Failure { reason: word("reason of a failure", &failure.reason, FailReason::from_word)?, note: failure.note })
        })?;
        let task = Task {
            id: task_id(self.id)?,
            plan: PlanId(self.plan),
            kind: word("kind of task", &self.kind, Kind::from_word)?,
            phase: self.phase,
            priority: word("priority", &self.priority, Priority::from_word)?,
            lane: LaneId(0),
            path_ms: self.path_ms,
            state,
            attempt: Attempt(self.attempt),
            failures: self.failures,
            attempts_max: self.attempts_max,
            crashes: self.crashes,
            cycle: self.cycle,
            timeout: std::time::Duration::from_millis(self.timeout_ms),
            waiting: 0,
            dead: 0,
            held: false,
            not_before: self.not_before_ms.map(|ms| from_distance(now, ms)),
            ready_at: from_distance(now, self.ready_ms),
            avoid: maybe(self.avoid, worker_name)?,
            tests: maybe(self.tests, task_id)?,
            failure,
            created_at: from_at(&self.created_at)?,
            claimed,
        };
        let after = self.after.into_iter().map(task_id).collect::<Result<Vec<TaskId>, String>>()?;
        if after.contains(&task.id) || after.windows(2).any(|pair| matches!(pair, [before, after] if before >= after)) {
            return Err(format!("the dependencies of {} are not in order, or name one twice, or itself", task.id));
        }
        Ok(Row { task, spec, after, waits: self.waits, result })
    }

    fn state(&self, now: Now, nonce: Nonce) -> Result<TaskState, String> {
        let status: Status = word("status", &self.status, Status::from_word)?;
        let at = || from_at(self.ended_at.as_deref().ok_or("it has ended, and ended_at is missing")?);
        Ok(match status {
            Status::Pending => TaskState::Pending,
            Status::InProgress => {
                let held = self.held.as_ref().ok_or("it is in progress, and nobody holds it")?;
                TaskState::InProgress(Held {
                    step: word("step", &held.step, Step::from_word)?,
                    nonce,
                    worker: worker_name(held.worker.clone())?,
                    lease_until: from_distance(now, held.lease_ms),
                    timeout_at: from_distance(now, held.timeout_ms),
                })
            }
            Status::Completed => TaskState::Completed { at: at()?, by: maybe(self.ended_by.clone(), worker_name)?, nonce: None },
            Status::Failed => TaskState::Failed { at: at()? },
            Status::Cancelled => TaskState::Cancelled { at: at()? },
            Status::Blocked => {
                let blocked = self.blocked.as_ref().ok_or("it is blocked, and nothing says by what")?;
                TaskState::Blocked(Blocked {
                    reason: word("reason to be blocked", &blocked.reason, BlockReason::from_word)?,
                    note: blocked.note.clone(),
                    on: maybe(blocked.on.clone(), task_id)?,
                })
            }
        })
    }
}
