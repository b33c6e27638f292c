//! One line for each task that was asked for, and one for each test of it.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::{Entry, Journal, Trail, is_test};
use crate::event::words;
use crate::id::{PlanId, TaskId, WorkerName};
use crate::task::{Kind, Status, TaskState};
use crate::time::Timestamp;

/// A task, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its id.
    pub id: TaskId,
    /// Its plan.
    pub plan: PlanId,
    /// Its title.
    pub title: String,
    /// What it is for.
    pub kind: Kind,
    /// Its phase within its plan.
    pub phase: u32,
    /// How it stands.
    pub status: Status,
    /// Why, where it FAILED or is BLOCKED: the word of the reason.
    pub reason: Option<&'static str>,
    /// How often it was claimed.
    pub attempts: u32,
    /// Who completed it, else who claimed it last.
    pub worker: Option<WorkerName>,
    /// How long it was worked on, over all attempts that ended.
    pub took: Option<Duration>,
    /// When it was completed.
    pub completed_at: Option<Timestamp>,
    /// What was told last: by the result, the failure, or the blockade.
    pub note: String,
    /// Its dependencies that are not COMPLETED.
    pub waits_for: Vec<TaskId>,
    /// Its test, where it has one.
    pub tested_by: Option<TaskId>,
    /// What it was to leave behind.
    pub outputs: Vec<String>,
    /// Files that it touched, as far as it told.
    pub files: Vec<String>,
    /// The file with its output.
    pub output: Option<String>,
}

words! {
    /// What came of a test.
    Verdict {
        /// It passed.
        Passed = "passed",
        /// It failed, and no repair is left.
        Failed = "failed",
        /// It failed, and a repair is under way.
        Repairing = "repairing",
        /// It runs.
        Running = "running",
        /// It did not run, or not to an end.
        NotRun = "not_run",
    }
}

/// A test, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestLine {
    /// The test task.
    pub id: TaskId,
    /// What it tests; `None` for a test of its own.
    pub feature: Option<TaskId>,
    /// The title of the feature, or its own.
    pub title: String,
    /// What came of it.
    pub verdict: Verdict,
    /// How the task stands.
    pub status: Status,
    /// How many repairs it has asked for.
    pub cycles: u32,
    /// The repairs.
    pub fixes: Vec<Fix>,
    /// How often it was claimed.
    pub attempts: u32,
    /// How long it was worked on.
    pub took: Option<Duration>,
    /// What was told last.
    pub note: String,
}

/// A repair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fix {
    /// The task.
    pub id: TaskId,
    /// How it stands.
    pub status: Status,
}

/// Whether a task has a line of its own: whatever was asked for. Tests and their repairs are told as tests.
pub(super) fn is_told(entry: &Entry<'_>) -> bool {
    match entry.task.kind {
        Kind::Feature => true,
        Kind::Fix => entry.task.tests.is_none(),
        Kind::Test => false,
    }
}

pub(super) fn line<'p>(
    entry: &Entry<'p>,
    at: impl Fn(TaskId) -> Option<&'p Entry<'p>>,
    tested_by: &HashMap<TaskId, TaskId>,
    journal: &Journal,
) -> Line {
    let (task, spec) = (entry.task, entry.spec);
    let completed = match &task.state {
        TaskState::Completed { at, by, .. } => Some((*at, by.clone())),
        TaskState::Pending | TaskState::InProgress(_) | TaskState::Blocked(_) | TaskState::Failed { .. } | TaskState::Cancelled { .. } => {
            None
        }
    };
    let is_open = |id: &TaskId| at(*id).is_none_or(|on| on.task.status() != Status::Completed);
    Line {
        id: task.id,
        plan: task.plan,
        title: spec.title.clone(),
        kind: task.kind,
        phase: task.phase,
        status: task.status(),
        reason: reason(entry),
        attempts: task.attempt.0,
        worker: match &completed {
            Some((_, by)) => by.clone(),
            None => task.claimed.as_ref().map(|(_, by)| by.clone()),
        },
        took: took(entry, journal),
        completed_at: completed.map(|(at, _)| at),
        note: note(entry),
        waits_for: if task.waiting == 0 { Vec::new() } else { entry.after.iter().copied().filter(is_open).collect() },
        tested_by: tested_by.get(&task.id).copied(),
        outputs: spec.outputs.clone(),
        files: entry.result.map(|result| result.files.clone()).unwrap_or_default(),
        output: entry.result.and_then(|result| result.output.clone()),
    }
}

/// How long a task was worked on. Where the journal does not tell, the last attempt of a completed one counts.
pub(super) fn took(entry: &Entry<'_>, journal: &Journal) -> Option<Duration> {
    let told = journal.trail(entry.task.id).and_then(Trail::worked);
    match &entry.task.state {
        TaskState::Completed { at, .. } => told.or_else(|| entry.task.claimed.as_ref().map(|(claimed, _)| at.since(*claimed))),
        TaskState::Pending | TaskState::InProgress(_) | TaskState::Blocked(_) | TaskState::Failed { .. } | TaskState::Cancelled { .. } => {
            told
        }
    }
}

/// The word for why a task does not go on.
fn reason(entry: &Entry<'_>) -> Option<&'static str> {
    match &entry.task.state {
        TaskState::Failed { .. } => entry.task.failure.as_ref().map(|failure| failure.reason.as_str()),
        TaskState::Blocked(blocked) => Some(blocked.reason.as_str()),
        TaskState::Pending if entry.task.dead > 0 => Some(crate::task::BlockReason::Dependency.as_str()),
        TaskState::Pending | TaskState::InProgress(_) | TaskState::Completed { .. } | TaskState::Cancelled { .. } => None,
    }
}

/// What was told last about a task.
pub(super) fn note(entry: &Entry<'_>) -> String {
    let failed = || entry.task.failure.as_ref().map(|failure| failure.note.clone()).unwrap_or_default();
    match &entry.task.state {
        TaskState::Completed { .. } => entry.result.map(|result| result.note.clone()).unwrap_or_default(),
        TaskState::Blocked(blocked) => blocked.note.clone(),
        TaskState::Pending | TaskState::InProgress(_) | TaskState::Failed { .. } | TaskState::Cancelled { .. } => failed(),
    }
}

/// The tests in the order of what they test, and the features that have none.
pub(super) fn tests<'p>(
    ordered: &[Entry<'p>],
    at: impl Fn(TaskId) -> Option<&'p Entry<'p>>,
    journal: &Journal,
) -> (Vec<TestLine>, Vec<TaskId>) {
    let lines: Vec<TestLine> = ordered.iter().filter(|entry| is_test(entry.task)).map(|entry| test(entry, &at, journal)).collect();
    let tested: HashSet<TaskId> = lines.iter().filter_map(|line| line.feature).collect();
    let counts = |entry: &&Entry<'_>| entry.task.kind == Kind::Feature && entry.task.status() != Status::Cancelled;
    let mut untested: Vec<TaskId> = ordered.iter().filter(counts).map(|entry| entry.task.id).filter(|id| !tested.contains(id)).collect();
    untested.sort_unstable();
    (lines, untested)
}

fn test<'p>(entry: &Entry<'p>, at: &impl Fn(TaskId) -> Option<&'p Entry<'p>>, journal: &Journal) -> TestLine {
    let task = entry.task;
    let fixes: Vec<Fix> = entry
        .after
        .iter()
        .filter_map(|id| at(*id))
        .filter(|on| on.task.kind == Kind::Fix)
        .map(|on| Fix { id: on.task.id, status: on.task.status() })
        .collect();
    let verdict = match &task.state {
        TaskState::Completed { .. } => Verdict::Passed,
        TaskState::Failed { .. } => Verdict::Failed,
        TaskState::InProgress(_) => Verdict::Running,
        TaskState::Pending if task.failure.is_some() && fixes.iter().any(|fix| !fix.status.is_final()) => Verdict::Repairing,
        // It failed, and what was to mend it will not: it does not run again by itself.
        TaskState::Pending if task.failure.is_some() && task.dead > 0 => Verdict::Failed,
        TaskState::Pending | TaskState::Blocked(_) | TaskState::Cancelled { .. } => Verdict::NotRun,
    };
    let feature = task.tests.and_then(at);
    TestLine {
        id: task.id,
        feature: task.tests,
        title: feature.unwrap_or(entry).spec.title.clone(),
        verdict,
        status: task.status(),
        cycles: task.cycle,
        fixes,
        attempts: task.attempt.0,
        took: took(entry, journal),
        note: note(entry),
    }
}
