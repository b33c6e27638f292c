//! Who may have which task, and which first. Tasks that the same workers can do share a lane, so the question is asked once a lane, not once a task.

use std::time::Duration;

use crate::id::{Capability, LaneId, TaskId, WorkerName};
use crate::task::Priority;
use crate::time::StoreTime;
use crate::worker::{Patience, Worker, WorkerState};

/// A set of tasks that the same workers can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    /// The store's number for it.
    pub id: LaneId,
    /// What makes it.
    pub key: LaneKey,
}

/// What makes a lane.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct LaneKey {
    /// The worker that its tasks wait for.
    pub assignee: Option<WorkerName>,
    /// What a worker must be able to do; sorted, no doubles.
    pub needs: Vec<Capability>,
    /// Whether its tasks bring a command of their own, so that a worker without an agent can do them.
    pub runs: bool,
    /// Whether its tasks wait for the right worker however long it takes (`fallback = "wait"`).
    pub waits: bool,
}

/// How long a task waits for the right worker, and when a worker counts as away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// After this a task goes to any worker at all.
    pub fallback_after: Duration,
    /// How long a worker may be silent.
    pub patience: Patience,
}

/// What a worker may have of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Its tasks are for this worker, or for everybody.
    Own,
    /// The worker that they wait for is away, and this one can do them.
    Instead,
    /// Nobody who can do them is there: those that have been ready since this moment or longer go to anybody.
    ReadySince(StoreTime),
    /// Nothing.
    Nothing,
    /// Not now: somebody who could do them has left so short a while ago that it may come back. Nobody waits for it any more after so long.
    NotYet(Duration),
}

/// Whether a lane is for this worker without asking who else is there.
#[must_use]
pub fn is_own(key: &LaneKey, worker: &Worker) -> bool {
    let possible = key.runs || worker.thinks;
    match &key.assignee {
        Some(assignee) => possible && *assignee == worker.name,
        None => possible && worker.has(&key.needs),
    }
}

/// Whether the worker could ever do a task of this lane: one without a command needs an agent or a person.
#[must_use]
pub fn is_possible(key: &LaneKey, worker: &Worker) -> bool {
    key.runs || worker.thinks
}

/// What `worker` may have of the lane, given everybody on the roster. A *paused* worker is not away.
#[must_use]
pub fn reach(key: &LaneKey, worker: &Worker, roster: &[Worker], now: StoreTime, limits: Limits) -> Reach {
    if is_own(key, worker) {
        return Reach::Own;
    }
    if key.waits || !is_possible(key, worker) {
        return Reach::Nothing;
    }
    let long_ago = StoreTime(now.0.saturating_sub(crate::time::millis(limits.fallback_after)));
    let believed = |other: &Worker| other.belief(now, limits.patience).state;
    match &key.assignee {
        Some(assignee) => match roster.iter().find(|other| other.name == *assignee) {
            None => Reach::ReadySince(long_ago),
            // However long it is there, it will never do this one.
            Some(other) if !is_possible(key, other) => {
                if worker.has(&key.needs) {
                    Reach::Instead
                } else {
                    since_all_left(key, roster, now, long_ago, limits.patience)
                }
            }
            Some(other) => match believed(other) {
                WorkerState::Idle | WorkerState::Busy | WorkerState::Waiting | WorkerState::Paused => Reach::Nothing,
                WorkerState::Unknown => Reach::ReadySince(long_ago),
                WorkerState::Gone | WorkerState::Limited if worker.has(&key.needs) => Reach::Instead,
                WorkerState::Gone | WorkerState::Limited => since_all_left(key, roster, now, long_ago, limits.patience),
            },
        },
        None => since_all_left(key, roster, now, long_ago, limits.patience),
    }
}

/// Nobody who can do the lane may be there, and the last one who could must have left long enough ago.
fn since_all_left(key: &LaneKey, roster: &[Worker], now: StoreTime, long_ago: StoreTime, patience: Patience) -> Reach {
    let could = |other: &&Worker| is_own(key, other) || (is_possible(key, other) && other.has(&key.needs));
    let mut later: Option<Duration> = None;
    for other in roster.iter().filter(could) {
        match other.belief(now, patience).state {
            WorkerState::Idle | WorkerState::Busy | WorkerState::Waiting | WorkerState::Paused => return Reach::Nothing,
            // A limited worker heartbeats on, so when its limit began is not known: only how long the task has been ready counts.
            WorkerState::Unknown | WorkerState::Limited => {}
            WorkerState::Gone => {
                if let Some(since) = other.away_since(now, patience).filter(|since| *since > long_ago) {
                    later = later.max(Some(since.since(long_ago)));
                }
            }
        }
    }
    later.map_or(Reach::ReadySince(long_ago), Reach::NotYet)
}

/// Whether somebody else than `worker` is there who can take tasks of this lane at once: then a task that `worker` gave back is left to them.
#[must_use]
pub fn others_can(key: &LaneKey, worker: &WorkerName, roster: &[Worker], now: StoreTime, limits: Limits) -> bool {
    roster.iter().any(|other| {
        other.name != *worker
            && match other.belief(now, limits.patience).state {
                WorkerState::Idle | WorkerState::Busy | WorkerState::Waiting => true,
                WorkerState::Paused | WorkerState::Limited | WorkerState::Gone | WorkerState::Unknown => false,
            }
            && match reach(key, other, roster, now, limits) {
                Reach::Own | Reach::Instead => true,
                Reach::ReadySince(_) | Reach::NotYet(_) | Reach::Nothing => false,
            }
    })
}

/// What decides which of two ready tasks comes first: phase, priority, the longest remaining path, age. Smaller is earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    /// Earlier phases first.
    pub phase: u32,
    /// HIGH first.
    pub priority: Priority,
    /// The longest remaining path first.
    pub path: std::cmp::Reverse<u64>,
    /// Older tasks first.
    pub id: TaskId,
}

/// The first of the ready tasks.
#[must_use]
pub fn first(ready: impl IntoIterator<Item = Rank>) -> Option<Rank> {
    ready.into_iter().min()
}

#[cfg(test)]
mod tests;
