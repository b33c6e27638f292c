//! A worker: a slot that claims. What it can do, and whether it is believed to be there.

use std::time::Duration;

use crate::event::words;
use crate::id::{Capability, TaskId, WorkerName};
use crate::time::{StoreTime, Timestamp};

words! {
    /// How a worker is driven.
    Driver {
        /// Somebody calls `ganger claim`: a person, an agent, a script.
        Pull = "pull",
        /// A process of ours that runs commands.
        Shell = "shell",
        /// A process of ours that runs an LLM agent.
        Headless = "headless",
        /// A pane of tmux.
        Tmux = "tmux",
    }
}

words! {
    /// What a worker is believed to be doing.
    WorkerState {
        /// There, and holds nothing.
        Idle = "idle",
        /// Holds a task.
        Busy = "busy",
        /// Holds a task and waits for a person.
        Waiting = "waiting",
        /// Out of credit or rate-limited.
        Limited = "limited",
        /// Set aside by a person.
        Paused = "paused",
        /// Not seen for too long, or seen to have ended.
        Gone = "gone",
        /// On the roster, and never seen: nothing is known of it.
        Unknown = "unknown",
    }
}

/// A worker on the roster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worker {
    /// Its name.
    pub name: WorkerName,
    /// Its number in roster order, from 1, for ever.
    pub number: u32,
    /// How it is driven.
    pub driver: Driver,
    /// The agent CLI that it runs, where it runs one.
    pub agent: Option<String>,
    /// Its pane.
    pub target: Option<String>,
    /// What it can do; sorted, no doubles.
    pub can: Vec<Capability>,
    /// Whether it can do a task without a command of its own (`run`): an agent, a person, or a command given to the worker.
    pub thinks: bool,
    /// Set aside by a person.
    pub paused: bool,
    /// Set aside until then, because its account is empty or rate-limited.
    pub limited_until: Option<StoreTime>,
    /// When it was seen to have ended; cleared when it is seen again.
    pub lost_at: Option<StoreTime>,
    /// When it was put on the roster.
    pub registered_at: Timestamp,
    /// When it was last heard of, on the store's clock; `None` before the first time.
    pub seen_at: Option<StoreTime>,
    /// When it was last heard of.
    pub last_heartbeat_at: Option<Timestamp>,
    /// When it last claimed.
    pub last_claimed_at: Option<Timestamp>,
    /// When it last completed.
    pub last_completed_at: Option<Timestamp>,
    /// Since when it is idle or busy, on the store's clock: each claim and each end of a claim begins anew.
    pub turned_at: Option<StoreTime>,
    /// How many milliseconds it has worked, up to the last end of a claim.
    pub runtime_ms: u64,
    /// How many claims it holds.
    pub holding: u32,
}

/// How long a worker may be silent before it counts as gone: a process that heartbeats, and somebody who calls now and then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For a worker process: its lease (120 s by default).
    pub process: Duration,
    /// For a `pull` worker, which does not heartbeat while it holds nothing.
    pub pull: Duration,
}

/// What is believed of a worker, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Belief {
    /// The state.
    pub state: WorkerState,
    /// In words.
    pub why: String,
}

impl Worker {
    /// What is believed of the worker at `now`. *Unknown* is a value and never means idle.
    #[must_use]
    pub fn belief(&self, now: StoreTime, patience: Patience) -> Belief {
        let belief = |state, why: String| Belief { state, why };
        let ago = |at: StoreTime| match now.since(at) {
            span if span.as_millis() < 1_000 => format!("{} ms", span.as_millis()),
            span => crate::time::show_duration(span),
        };
        if self.paused {
            return belief(WorkerState::Paused, "set aside by `ganger workers pause`".to_owned());
        }
        if let Some(lost_at) = self.lost_at {
            if self.has_left() {
                return belief(WorkerState::Gone, format!("it left {} ago, holding nothing", ago(lost_at)));
            }
            return belief(WorkerState::Gone, format!("its process ended {} ago", ago(lost_at)));
        }
        if let Some(until) = self.limited_until
            && until > now
        {
            return belief(
                WorkerState::Limited,
                format!("out of credit or rate-limited for another {}", crate::time::show_duration(until.since(now))),
            );
        }
        if self.holding > 0 {
            return belief(
                WorkerState::Busy,
                format!("holds {}", if self.holding == 1 { "a claim".to_owned() } else { format!("{} claims", self.holding) }),
            );
        }
        let silence_max = match self.driver {
            Driver::Pull => patience.pull,
            Driver::Shell | Driver::Headless | Driver::Tmux => patience.process,
        };
        match self.seen_at {
            None => belief(WorkerState::Unknown, "on the roster, never seen".to_owned()),
            Some(at) if now.since(at) > silence_max => belief(WorkerState::Gone, format!("last heard {} ago", ago(at))),
            Some(at) => belief(WorkerState::Idle, format!("holds nothing, last heard {} ago", ago(at))),
        }
    }

    /// Whether the worker said that it leaves, and has not come back.
    #[must_use]
    pub fn has_left(&self) -> bool {
        self.lost_at.is_some() && self.lost_at == self.seen_at
    }

    /// Since when the worker counts as gone or limited; `None` while it is neither.
    #[must_use]
    pub fn away_since(&self, now: StoreTime, patience: Patience) -> Option<StoreTime> {
        match self.belief(now, patience).state {
            WorkerState::Gone | WorkerState::Limited => Some(self.lost_at.or(self.seen_at).unwrap_or(now)),
            WorkerState::Idle | WorkerState::Busy | WorkerState::Waiting | WorkerState::Paused | WorkerState::Unknown => None,
        }
    }

    /// Whether the worker has every capability of `needs`.
    #[must_use]
    pub fn has(&self, needs: &[Capability]) -> bool {
        needs.iter().all(|need| self.can.contains(need))
    }

    /// The capabilities of `needs` that the worker lacks.
    #[must_use]
    pub fn lacks(&self, needs: &[Capability]) -> Vec<Capability> {
        needs.iter().filter(|need| !self.can.contains(need)).cloned().collect()
    }
}

/// What a worker is seen to do now, for showing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight {
    /// What it holds; the first of several.
    pub task: Option<TaskId>,
    /// How long it has been idle; stands still while it works.
    pub idle: Duration,
    /// How long it has worked altogether.
    pub runtime: Duration,
}

impl Worker {
    /// Idle and run time at `now`: idle time starts at zero with each claim and completion and stands still during work.
    #[must_use]
    pub fn sight(&self, now: StoreTime, task: Option<TaskId>) -> Sight {
        let turned = self.turned_at.map_or(Duration::ZERO, |at| now.since(at));
        let worked = Duration::from_millis(self.runtime_ms);
        if self.holding > 0 {
            Sight { task, idle: Duration::ZERO, runtime: worked + turned }
        } else {
            Sight { task, idle: turned, runtime: worked }
        }
    }
}

#[cfg(test)]
mod tests;
