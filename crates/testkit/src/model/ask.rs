//! What can be asked of the model, and what it says: the words that it shares with whatever is held against it.

use std::time::Duration;

use domain::id::{TaskId, WorkerName};
use domain::lease::{Claim, Nonce};
use domain::task::{FailReason, Priority, Status};

/// A mutation of the queue.
#[derive(Debug, Clone, PartialEq)]
pub enum Ask {
    /// New tasks, all or none.
    Add(Vec<Item>),
    /// A task for this worker.
    Claim {
        /// Who.
        worker: WorkerName,
        /// Only this one.
        only: Option<TaskId>,
        /// What will prove the claim.
        nonce: Nonce,
    },
    /// Still alive.
    Heartbeat(Claim),
    /// Done.
    Complete(Claim),
    /// Failed.
    Fail(Claim, FailReason),
    /// Waits for somebody.
    Block(Claim),
    /// Given back.
    Release(Claim),
    /// End whatever is over.
    Sweep,
    /// The process of this worker ended.
    Lose(WorkerName),
    /// Give it up.
    Cancel(TaskId),
    /// Set it going again.
    Retry(TaskId),
    /// It waits no longer.
    Unblock(TaskId),
    /// One more dependency.
    Wait {
        /// Of this task.
        task: TaskId,
        /// On that one.
        on: TaskId,
    },
}

/// A task to be added.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// What it comes after.
    pub needs: Vec<Need>,
    /// How urgent it is.
    pub priority: Priority,
    /// How long it should take.
    pub estimate_ms: u64,
    /// How long an attempt may take.
    pub timeout: Duration,
    /// How often it may fail.
    pub attempts_max: u32,
}

/// What a new task comes after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// A task that is there.
    Known(TaskId),
    /// Another one of the same batch, by index from 0.
    Together(usize),
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// Done.
    Done,
    /// These tasks exist now.
    Added {
        /// The first.
        first: TaskId,
        /// How many.
        count: u32,
    },
    /// The worker holds a task.
    Claimed(Claim),
    /// There is nothing for the worker.
    Nothing,
    /// The task stands like this now.
    Changed(TaskId, Status),
    /// So many claims were ended.
    Swept(u32),
    /// Nothing changed, for the reason with this code.
    Refused(&'static str),
}
