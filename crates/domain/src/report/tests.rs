//! The report on tasks that are made up for it: no store, no clock.
#![expect(clippy::panic, reason = "a test that cannot go on has failed")]

mod journal;
mod order;
mod standing;
mod waits;

use std::time::Duration;

use super::*;
use crate::event::EventKind;
use crate::id::{Attempt, LaneId};
use crate::lease::Nonce;
use crate::schedule::LaneKey;
use crate::task::{ATTEMPTS_DEFAULT, BlockReason, Blocked, FailReason, Failure, Held, Priority, Step, TIMEOUT_DEFAULT};
use crate::time::StoreTime;
use crate::worker::Driver;

/// A task with everything that an [`Entry`] borrows.
#[derive(Debug, Clone)]
struct Owned {
    task: Task,
    spec: Spec,
    after: Vec<TaskId>,
    result: Option<TaskResult>,
}

/// A world to report on.
#[derive(Default)]
struct World {
    tasks: Vec<Owned>,
    workers: Vec<Worker>,
    lanes: Vec<Lane>,
    journal: Journal,
    without_tests: bool,
}

impl World {
    fn add(&mut self, owned: Owned) -> &mut Self {
        self.tasks.push(owned);
        self
    }

    fn report(&self) -> Report {
        let entries: Vec<Entry<'_>> = self
            .tasks
            .iter()
            .map(|owned| Entry { task: &owned.task, spec: &owned.spec, after: &owned.after, result: owned.result.as_ref() })
            .collect();
        let (mut counts, mut wanted) = (Counts::default(), Counts::default());
        for entry in &entries {
            counts.by_status[entry.task.status() as usize] += 1;
            if !self.without_tests || entry.task.kind == Kind::Feature {
                wanted.by_status[entry.task.status() as usize] += 1;
            }
        }
        Report::from(&Parts {
            plans: &[],
            counts,
            wanted,
            tasks: &entries,
            workers: &self.workers,
            lanes: &self.lanes,
            journal: &self.journal,
            unreadable: 0,
        })
    }

    fn happened(&mut self, at: i64, kind: EventKind, task: Option<u32>, by: Option<&str>, facts: &[(&str, &str)]) -> &mut Self {
        let name = by.map(name);
        let fact = |asked: &str| facts.iter().find(|(known, _)| *known == asked).map(|(_, value)| (*value).to_owned());
        self.journal.tell(&Happened { at: Timestamp(at), kind, task: task.map(TaskId), worker: name.as_ref(), fact: &fact });
        self
    }
}

fn name(text: &str) -> WorkerName {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

fn task(id: u32, state: TaskState) -> Owned {
    Owned {
        task: Task {
            id: TaskId(id),
            plan: PlanId(1),
            kind: Kind::Feature,
            phase: 1,
            priority: Priority::Med,
            lane: LaneId(1),
            path_ms: 0,
            state,
            attempt: Attempt(0),
            failures: 0,
            attempts_max: ATTEMPTS_DEFAULT,
            crashes: 0,
            cycle: 0,
            timeout: TIMEOUT_DEFAULT,
            waiting: 0,
            dead: 0,
            held: false,
            not_before: None,
            ready_at: StoreTime(0),
            avoid: None,
            tests: None,
            failure: None,
            created_at: Timestamp(0),
            claimed: None,
        },
        spec: Spec { title: format!("task {id}"), ..Spec::default() },
        after: Vec::new(),
        result: None,
    }
}

fn pending(id: u32) -> Owned {
    task(id, TaskState::Pending)
}

fn completed(id: u32, at: i64) -> Owned {
    task(id, TaskState::Completed { at: Timestamp(at), by: Some(name("W")), nonce: None })
}

fn cancelled(id: u32) -> Owned {
    task(id, TaskState::Cancelled { at: Timestamp(1) })
}

fn running(id: u32) -> Owned {
    let (lease_until, timeout_at) = (StoreTime(9), StoreTime(9));
    task(id, TaskState::InProgress(Held { step: Step::Running, nonce: Nonce([0; 16]), worker: name("W"), lease_until, timeout_at }))
}

fn failed(id: u32, reason: FailReason) -> Owned {
    let mut owned = task(id, TaskState::Failed { at: Timestamp(1) });
    owned.task.failure = Some(Failure { reason, note: "no".to_owned() });
    owned
}

fn blocked(id: u32, reason: BlockReason) -> Owned {
    task(id, TaskState::Blocked(Blocked { reason, note: "why?".to_owned(), on: None }))
}

impl Owned {
    fn after(mut self, ids: &[u32]) -> Self {
        self.after = ids.iter().copied().map(TaskId).collect();
        self.task.waiting = if self.task.status() == Status::Completed { 0 } else { u32::try_from(ids.len()).unwrap_or(0) };
        self
    }

    fn behind_dead(mut self) -> Self {
        self.task.dead = 1;
        self
    }

    fn phase(mut self, phase: u32) -> Self {
        self.task.phase = phase;
        self
    }

    fn lane(mut self, lane: u32) -> Self {
        self.task.lane = LaneId(lane);
        self
    }

    fn kind(mut self, kind: Kind, of: u32) -> Self {
        (self.task.kind, self.task.tests) = (kind, Some(TaskId(of)));
        self
    }

    fn once_failed(mut self) -> Self {
        self.task.failure = Some(Failure { reason: FailReason::Reported, note: "no".to_owned() });
        self.task.cycle = 1;
        self
    }
}

fn person(text: &str) -> Worker {
    Worker { driver: Driver::Pull, thinks: true, ..process(text) }
}

fn process(text: &str) -> Worker {
    Worker {
        name: name(text),
        number: 1,
        driver: Driver::Shell,
        agent: None,
        target: None,
        can: Vec::new(),
        thinks: false,
        paused: false,
        limited_until: None,
        lost_at: None,
        registered_at: Timestamp(0),
        seen_at: None,
        last_heartbeat_at: None,
        last_claimed_at: None,
        last_completed_at: None,
        turned_at: None,
        runtime_ms: 0,
        holding: 0,
    }
}
