//! A task as small numbers, so that millions of them fit into memory, with the model's own account of its claims beside it.

use std::time::Duration;

use domain::id::{Attempt, LaneId, PlanId, TaskId};
use domain::lease::Nonce;
use domain::task::{Held, Kind, Priority, Step, Task, TaskState};
use domain::time::{Now, StoreTime, Timestamp};

/// The one moment at which everything happens; what is over lies before it.
pub(crate) const NOW: Now = Now { wall: Timestamp(0), store: StoreTime(5) };
pub(crate) const LEASE: Duration = Duration::from_millis(4);
const TIMEOUT: Duration = Duration::from_millis(5);
const LEASE_OVER: StoreTime = StoreTime(1);
const TIME_OVER: StoreTime = StoreTime(2);

/// A claim in small numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Token {
    pub(crate) task: u8,
    pub(crate) attempt: u8,
    pub(crate) nonce: u8,
}

/// A task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Row {
    pub(crate) place: Place,
    pub(crate) attempt: u8,
    pub(crate) failures: u8,
    pub(crate) crashes: u8,
    pub(crate) waiting: u8,
    pub(crate) dead: u8,
    /// How often it was claimed, by the events.
    pub(crate) claims: u8,
    /// The claim that is open, by the events.
    pub(crate) open: Option<Token>,
    /// The claim that completed it, by the events.
    pub(crate) done_by: Option<Token>,
    /// How often it was let go by its parents.
    pub(crate) released: u8,
}

/// Its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    Pending,
    Held { worker: u8, nonce: u8, lease_over: bool, time_over: bool },
    Completed { nonce: u8 },
    Failed,
    Cancelled,
}

/// What a parent is to its child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    Open,
    Met,
    Dead,
}

impl Place {
    pub(crate) fn need(self) -> Need {
        match self {
            Self::Pending | Self::Held { .. } => Need::Open,
            Self::Completed { .. } => Need::Met,
            Self::Failed | Self::Cancelled => Need::Dead,
        }
    }
}

pub(crate) fn nonce(number: u8) -> Nonce {
    Nonce([number; 16])
}

impl Row {
    pub(crate) fn new(waiting: u8) -> Self {
        Self {
            place: Place::Pending,
            attempt: 0,
            failures: 0,
            crashes: 0,
            waiting,
            dead: 0,
            claims: 0,
            open: None,
            done_by: None,
            released: 0,
        }
    }

    pub(crate) fn is_completed(&self) -> bool {
        self.place.need() == Need::Met
    }

    pub(crate) fn is_final(&self) -> bool {
        self.place.need() != Need::Open
    }

    pub(crate) fn lease_is_over(&mut self) -> Option<()> {
        match &mut self.place {
            Place::Held { lease_over, .. } => *lease_over = true,
            Place::Pending | Place::Completed { .. } | Place::Failed | Place::Cancelled => return None,
        }
        Some(())
    }

    pub(crate) fn time_is_over(&mut self) -> Option<()> {
        match &mut self.place {
            Place::Held { time_over, .. } => *time_over = true,
            Place::Pending | Place::Completed { .. } | Place::Failed | Place::Cancelled => return None,
        }
        Some(())
    }

    /// The claim that holds it, by its row.
    pub(crate) fn token(&self, task: u8) -> Option<Token> {
        match self.place {
            Place::Held { nonce, .. } => Some(Token { task, attempt: self.attempt, nonce }),
            Place::Pending | Place::Completed { .. } | Place::Failed | Place::Cancelled => None,
        }
    }

    pub(crate) fn last_opened(&self) -> Option<Token> {
        self.open
    }

    /// The task that this row stands for.
    pub(crate) fn task(&self, id: u8, failures_max: u8) -> Task {
        let at = NOW.wall;
        let state = match self.place {
            Place::Pending => TaskState::Pending,
            Place::Held { worker, nonce: number, lease_over, time_over } => TaskState::InProgress(Held {
                step: Step::Claimed,
                nonce: nonce(number),
                worker: super::name(worker),
                lease_until: if lease_over { LEASE_OVER } else { NOW.store.plus(LEASE) },
                timeout_at: if time_over { TIME_OVER } else { NOW.store.plus(TIMEOUT) },
            }),
            Place::Completed { nonce: number } => TaskState::Completed { at, by: None, nonce: Some(nonce(number)) },
            Place::Failed => TaskState::Failed { at },
            Place::Cancelled => TaskState::Cancelled { at },
        };
        Task {
            id: TaskId(u32::from(id) + 1),
            plan: PlanId::ADDED,
            kind: Kind::Feature,
            phase: 1,
            priority: Priority::Med,
            lane: LaneId(1),
            path_ms: 0,
            state,
            attempt: Attempt(u32::from(self.attempt)),
            failures: u32::from(self.failures),
            attempts_max: u32::from(failures_max),
            crashes: u32::from(self.crashes),
            cycle: 0,
            timeout: TIMEOUT,
            waiting: u32::from(self.waiting),
            dead: u32::from(self.dead),
            held: false,
            not_before: None,
            ready_at: NOW.store,
            avoid: None,
            tests: None,
            failure: None,
            created_at: at,
            claimed: None,
        }
    }

    /// The same row, standing as the task does.
    pub(crate) fn with(&self, task: &Task) -> Self {
        let small = |number: u32| u8::try_from(number).unwrap_or(u8::MAX);
        let place = match &task.state {
            TaskState::Pending => Place::Pending,
            TaskState::InProgress(held) => Place::Held {
                worker: held.worker.as_str().trim_start_matches('w').parse().unwrap_or(u8::MAX),
                nonce: held.nonce.0[0],
                lease_over: held.lease_until <= NOW.store,
                time_over: held.timeout_at <= NOW.store,
            },
            TaskState::Completed { nonce, .. } => Place::Completed { nonce: nonce.map_or(u8::MAX, |nonce| nonce.0[0]) },
            TaskState::Failed { .. } => Place::Failed,
            TaskState::Blocked(_) | TaskState::Cancelled { .. } => Place::Cancelled,
        };
        Self {
            place,
            attempt: small(task.attempt.0),
            failures: small(task.failures),
            crashes: small(task.crashes),
            waiting: small(task.waiting),
            dead: small(task.dead),
            ..*self
        }
    }
}
