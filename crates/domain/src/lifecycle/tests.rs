//! The life cycle under test: every state against every command (`table`), what is counted and what is told (`counting`, `journal`),
//! and random histories of one task (`histories`). This file makes the tasks and the commands that they share.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod counting;
mod histories;
mod journal;
mod table;

use std::time::Duration;

use super::{Change, Command, Decision, Refusal, Rules, transition};
use crate::event::EventKind;
use crate::id::{Attempt, LaneId, PlanId, TaskId, WorkerName};
use crate::lease::{Claim, Nonce};
use crate::task::{
    ATTEMPTS_DEFAULT, BlockReason, Blocked, FailReason, Failure, Held, Kind, Priority, Step, TIMEOUT_DEFAULT, Task, TaskState,
};
use crate::time::{Now, StoreTime, Timestamp};

const LEASE: Duration = Duration::from_secs(120);
const NONCE: Nonce = Nonce([7; 16]);
const OLD_NONCE: Nonce = Nonce([1; 16]);

/// The clocks `seconds` after the moment at which [`task`] was added.
fn at(seconds: i64) -> Now {
    Now { wall: Timestamp(1_767_225_600_000 + seconds * 1_000), store: StoreTime(1_000_000 + seconds * 1_000) }
}

fn name(text: &str) -> WorkerName {
    text.parse().unwrap()
}

/// A feature that can be claimed.
fn task() -> Task {
    Task {
        id: TaskId(4),
        plan: PlanId(1),
        kind: Kind::Feature,
        phase: 1,
        priority: Priority::Med,
        lane: LaneId(1),
        path_ms: 0,
        state: TaskState::Pending,
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
        ready_at: at(0).store,
        avoid: None,
        tests: None,
        failure: None,
        created_at: at(0).wall,
        claimed: None,
    }
}

/// The test of a feature.
fn test_task() -> Task {
    Task { kind: Kind::Test, tests: Some(TaskId(3)), ..task() }
}

/// The task in the hands of `amp`, claimed at second 0 under [`NONCE`].
fn claimed(task: &Task) -> Task {
    after(task, &claim_as("amp", NONCE), at(0))
}

fn claim_as(worker: &str, nonce: Nonce) -> Command {
    Command::Claim { worker: name(worker), nonce, lease: LEASE, lacking: Vec::new(), instead_of: None }
}

fn fail(claim: Claim, reason: FailReason) -> Command {
    Command::Fail { claim, started_at: None, failure: Failure { reason, note: "why".to_owned() } }
}

fn complete(claim: Claim) -> Command {
    Command::Complete { claim, started_at: None, checked: None, note: String::new() }
}

fn heartbeat(claim: Claim, step: Step) -> Command {
    Command::Heartbeat { claim, lease: LEASE, step, started_at: None }
}

fn question() -> Blocked {
    Blocked { reason: BlockReason::Question, note: "which port?".to_owned(), on: None }
}

fn block(claim: Claim) -> Command {
    Command::Block { claim, blocked: question() }
}

fn release(claim: Claim) -> Command {
    Command::Release { claim, note: "not mine".to_owned() }
}

/// The change that a command makes; it must make one.
fn change(task: &Task, command: &Command, now: Now, rules: Rules) -> Change {
    match transition(task, command, now, rules) {
        Ok(Decision::Change(change)) => *change,
        other => panic!("{} was to change {:?}, and gave {other:?}", command.verb(), task.state),
    }
}

/// The task after a command under the usual rules.
fn after(task: &Task, command: &Command, now: Now) -> Task {
    change(task, command, now, Rules::default()).after().clone()
}

/// The refusal of a command; it must be refused.
fn refusal(task: &Task, command: &Command, now: Now) -> Refusal {
    transition(task, command, now, Rules::default()).unwrap_err()
}

/// The claim that is open now.
fn open(task: &Task) -> Claim {
    task.claim().unwrap()
}
