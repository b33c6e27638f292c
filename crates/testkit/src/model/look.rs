//! Looking at the model: each answer is worked out from all tasks, whenever somebody asks.

use std::collections::BTreeSet;

use domain::id::{TaskId, WorkerName};
use domain::lease::Claim;
use domain::task::Status;
use domain::time::StoreTime;

use super::{Due, Entry, Model, State};

/// How a worker stands, for comparing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sighting {
    /// How many claims it holds.
    pub holding: usize,
    /// Whether it counts as there.
    pub is_there: bool,
    /// How long it has held nothing.
    pub idle_ms: i64,
    /// How long it has held something, altogether.
    pub runtime_ms: i64,
}

impl Model {
    /// The tasks, by id.
    #[must_use]
    pub fn ids(&self) -> Vec<TaskId> {
        self.tasks.keys().copied().collect()
    }

    /// How a task stands; CANCELLED when there is none.
    #[must_use]
    pub fn status(&self, id: TaskId) -> Status {
        match self.tasks.get(&id).map(|entry| &entry.state) {
            Some(State::Pending) if self.dead(id) > 0 => Status::Blocked,
            Some(State::Pending) => Status::Pending,
            Some(State::Held { .. }) => Status::InProgress,
            Some(State::Completed { .. }) => Status::Completed,
            Some(State::Blocked) => Status::Blocked,
            Some(State::Failed) => Status::Failed,
            Some(State::Cancelled) | None => Status::Cancelled,
        }
    }

    /// How often a task was claimed, failed and lost its worker.
    #[must_use]
    pub fn counts(&self, id: TaskId) -> (u32, u32, u32) {
        self.tasks.get(&id).map_or((0, 0, 0), |entry| (entry.claims, entry.failures, entry.crashes))
    }

    /// How many of its dependencies are not COMPLETED.
    #[must_use]
    pub fn waiting(&self, id: TaskId) -> u32 {
        self.count_needs(id, |state| !matches!(state, State::Completed { .. }))
    }

    /// How many of its dependencies are FAILED or CANCELLED.
    #[must_use]
    pub fn dead(&self, id: TaskId) -> u32 {
        self.count_needs(id, |state| matches!(state, State::Failed | State::Cancelled))
    }

    /// Whether it can be claimed now.
    #[must_use]
    pub fn is_ready(&self, id: TaskId) -> bool {
        let is_due = |due: Due| match due {
            Due::Now => true,
            Due::Between(_, latest) => latest <= self.now,
            Due::At(at) => at <= self.now,
        };
        self.is_free(id) && self.tasks.get(&id).is_some_and(|entry| is_due(entry.due))
    }

    /// Whether it is held, or can be claimed now or when its time has come.
    #[must_use]
    pub fn is_moving(&self, id: TaskId) -> bool {
        self.is_free(id) || self.tasks.get(&id).is_some_and(|entry| matches!(entry.state, State::Held { .. }))
    }

    fn is_free(&self, id: TaskId) -> bool {
        self.waiting(id) == 0 && self.tasks.get(&id).is_some_and(|entry| entry.state == State::Pending)
    }

    /// The open claims whose lease or time is over.
    #[must_use]
    pub fn over(&self) -> Vec<TaskId> {
        let is_over =
            |entry: &Entry| matches!(entry.state, State::Held { lease_until, timeout_at, .. } if lease_until.min(timeout_at) <= self.now);
        self.tasks.iter().filter(|(_, entry)| is_over(entry)).map(|(id, _)| *id).collect()
    }

    /// What a worker holds.
    #[must_use]
    pub fn held_by(&self, worker: &WorkerName) -> Vec<TaskId> {
        self.tasks.keys().copied().filter(|id| self.holder(*id).as_ref() == Some(worker)).collect()
    }

    /// How a worker stands; `None` when nobody has heard of it.
    #[must_use]
    pub fn sighting(&self, worker: &WorkerName) -> Option<Sighting> {
        let known = self.workers.get(worker)?;
        let holding = self.held_by(worker).len();
        let idle_ms = if holding > 0 { 0 } else { known.turned.map_or(0, |turned| self.now - turned) };
        Some(Sighting { holding, is_there: self.is_there(worker), idle_ms, runtime_ms: known.worked_ms })
    }

    /// The open claim of a task.
    #[must_use]
    pub fn open_claim(&self, id: TaskId) -> Option<Claim> {
        self.tasks.get(&id).and_then(|entry| match &entry.state {
            State::Held { claim, .. } => Some(*claim),
            State::Pending | State::Completed { .. } | State::Blocked | State::Failed | State::Cancelled => None,
        })
    }

    /// Tells the model which moment the real queue drew for the next attempt; says whether it may have drawn that one.
    #[must_use]
    pub fn is_drawn(&mut self, id: TaskId, at: Option<StoreTime>) -> bool {
        let Ok(entry) = self.entry(id) else { return false };
        match (entry.due, at) {
            (Due::Now, None) => true,
            (Due::At(known), Some(at)) => known == at.0,
            (Due::Between(earliest, latest), Some(at)) => {
                entry.due = Due::At(at.0);
                (earliest..=latest).contains(&at.0)
            }
            (Due::Now, Some(_)) | (Due::At(_) | Due::Between(..), None) => false,
        }
    }

    pub(super) fn holder(&self, id: TaskId) -> Option<WorkerName> {
        self.tasks.get(&id).and_then(|entry| match &entry.state {
            State::Held { by, .. } => Some(by.clone()),
            State::Pending | State::Completed { .. } | State::Blocked | State::Failed | State::Cancelled => None,
        })
    }

    fn count_needs(&self, id: TaskId, counts: impl Fn(&State) -> bool) -> u32 {
        let needs = self.tasks.get(&id).into_iter().flat_map(|entry| &entry.needs);
        u32::try_from(needs.filter(|need| self.tasks.get(need).is_some_and(|entry| counts(&entry.state))).count()).unwrap_or(u32::MAX)
    }

    /// Whether `task` comes, over any number of steps, after `on`.
    pub(super) fn waits_for(&self, task: TaskId, on: TaskId) -> bool {
        let mut seen = BTreeSet::new();
        let mut left = vec![task];
        while let Some(id) = left.pop() {
            for &need in self.tasks.get(&id).into_iter().flat_map(|entry| &entry.needs) {
                if need == on {
                    return true;
                }
                if seen.insert(need) {
                    left.push(need);
                }
            }
        }
        false
    }

    /// The longest path from the beginning of a task through what comes after it.
    pub(super) fn path(&self, id: TaskId) -> u64 {
        let behind = self.tasks.iter().filter(|(_, entry)| entry.needs.contains(&id)).map(|(behind, _)| self.path(*behind)).max();
        self.tasks.get(&id).map_or(0, |entry| entry.estimate_ms) + behind.unwrap_or(0)
    }
}
