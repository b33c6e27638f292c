//! What went wrong, also where it came right in the end: failures, quarantine, blockades, expired claims, lost workers, fallbacks.

use super::waits::moved_by;
use super::{Entry, Fallback, Lost, Parts, is_dead, lines};
use crate::id::TaskId;
use crate::task::{BlockReason, FailReason, TaskState};

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Problems {
    /// Tasks that FAILED.
    pub failures: Vec<Failed>,
    /// Tasks that FAILED because their worker died too often.
    pub quarantined: Vec<Failed>,
    /// Tasks that are BLOCKED, also behind another task.
    pub blocked: Vec<Waiting>,
    /// Tasks whose claims were taken away.
    pub expired: Vec<Expired>,
    /// Workers that died.
    pub lost: Vec<Lost>,
    /// Tasks that went to somebody else than they asked for.
    pub fallbacks: Vec<Fallback>,
    /// How many more of those there were.
    pub fallbacks_more: u32,
    /// How many tasks are skipped because their rows do not decode.
    pub unreadable: u32,
}

impl Problems {
    /// Whether nothing went wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A task that FAILED.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// The task.
    pub id: TaskId,
    /// Its title.
    pub title: String,
    /// Why.
    pub reason: FailReason,
    /// After how many attempts.
    pub attempts: u32,
    /// What was told last.
    pub note: String,
}

/// A task that is BLOCKED.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The task.
    pub id: TaskId,
    /// Its title.
    pub title: String,
    /// The class of what it waits for.
    pub reason: BlockReason,
    /// In words.
    pub note: String,
    /// The task that it waits for.
    pub on: Option<TaskId>,
    /// What would move it.
    pub command: Option<String>,
}

/// A task whose claims were taken away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expired {
    /// The task.
    pub id: TaskId,
    /// How often.
    pub times: u32,
    /// Why, the last time: `lease`, `worker_lost` or `timeout`.
    pub reason: String,
}

pub(super) fn problems<'p>(parts: &Parts<'p>, at: impl Fn(TaskId) -> Option<&'p Entry<'p>>) -> Problems {
    let mut problems = Problems { unreadable: parts.unreadable, lost: parts.journal.lost().cloned().collect(), ..Problems::default() };
    let (fallbacks, more) = parts.journal.fallbacks();
    (problems.fallbacks, problems.fallbacks_more) = (fallbacks.to_vec(), more);
    for entry in parts.tasks {
        let (task, title) = (entry.task, || entry.spec.title.clone());
        match &task.state {
            TaskState::Failed { .. } => {
                let reason = task.failure.as_ref().map_or(FailReason::Reported, |failure| failure.reason);
                let list = if reason == FailReason::Quarantined { &mut problems.quarantined } else { &mut problems.failures };
                list.push(Failed { id: task.id, title: title(), reason, attempts: task.attempt.0, note: lines::note(entry) });
            }
            TaskState::Blocked(blocked) => problems.blocked.push(Waiting {
                id: task.id,
                title: title(),
                reason: blocked.reason,
                note: blocked.note.clone(),
                on: blocked.on,
                command: moved_by(task, None),
            }),
            TaskState::Pending if task.dead > 0 => {
                let on = entry.after.iter().copied().find(|id| at(*id).is_some_and(|on| is_dead(on.task)));
                let (reason, command) = (BlockReason::Dependency, moved_by(task, on));
                problems.blocked.push(Waiting { id: task.id, title: title(), reason, note: String::new(), on, command });
            }
            TaskState::Pending | TaskState::InProgress(_) | TaskState::Completed { .. } | TaskState::Cancelled { .. } => {}
        }
        let trail = parts.journal.trail(task.id);
        let times = trail.map_or(0, |trail| trail.expired).max(task.crashes);
        if times > 0 {
            let reason = trail.map(|trail| trail.expired_for.clone()).unwrap_or_default();
            problems.expired.push(Expired { id: task.id, times, reason });
        }
    }
    problems
}
