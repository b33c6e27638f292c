//! The life cycle: what each command does to a task in each state, and the only place where a [`Change`] is made.
//! It knows nothing of the tasks around it: counters of dependencies, phases and tests are moved by the funnel.

use std::fmt;
use std::time::Duration;

use crate::event::{EventKind, Fact, NewEvent};
use crate::id::{Attempt, Capability, LaneId, TaskId, WorkerName};
use crate::lease::{Claim, Nonce};
use crate::retry::{self, Backoff};
use crate::task::{Blocked, CRASHES_MAX, FailReason, Failure, Held, Kind, Priority, Status, Step, Task, TaskState};
use crate::time::{Now, Timestamp};

/// The rules that a project may set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// How many repairs a failing test may ask for.
    pub cycles_max: u32,
    /// How long to wait after failures of the surroundings.
    pub backoff: Backoff,
}

impl Default for Rules {
    fn default() -> Self {
        Self { cycles_max: 3, backoff: Backoff::default() }
    }
}

/// What somebody wants done to one task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Take the task. The caller has made sure that the worker may have it ([`crate::schedule`]).
    Claim {
        /// Who.
        worker: WorkerName,
        /// What proves the claim from now on.
        nonce: Nonce,
        /// How long the worker counts as alive without a heartbeat.
        lease: Duration,
        /// What the worker lacks of what the task needs: it fell back.
        lacking: Vec<Capability>,
        /// The worker that it was assigned to, where that is another one: it fell back.
        instead_of: Option<WorkerName>,
    },
    /// Still alive.
    Heartbeat {
        /// Which attempt.
        claim: Claim,
        /// How long from now on.
        lease: Duration,
        /// How far it has come.
        step: Step,
        /// When its process started, the first time that is told.
        started_at: Option<Timestamp>,
    },
    /// Done; its check, where it has one, passed.
    Complete {
        /// Which attempt.
        claim: Claim,
        /// When its process started, where that was not told yet.
        started_at: Option<Timestamp>,
        /// The check that passed, as its command.
        checked: Option<String>,
        /// What the worker says, for the journal.
        note: String,
    },
    /// The attempt failed.
    Fail {
        /// Which attempt.
        claim: Claim,
        /// When its process started, where that was not told yet.
        started_at: Option<Timestamp>,
        /// Why.
        failure: Failure,
    },
    /// It must wait for somebody.
    Block {
        /// Which attempt.
        claim: Claim,
        /// For what.
        blocked: Blocked,
    },
    /// Given back, free of charge.
    Release {
        /// Which attempt.
        claim: Claim,
        /// Why.
        note: String,
    },
    /// Its lease or its time is over, as seen by anybody.
    Expire,
    /// The process of its worker ended, as seen on the same host.
    Lose,
    /// Given up by a person.
    Cancel {
        /// Why.
        note: String,
    },
    /// Set going again by a person, with every count at zero.
    Retry,
    /// What it waited for is there.
    Unblock {
        /// How.
        note: String,
    },
    /// The answer to its question.
    Answer {
        /// The answer.
        text: String,
    },
    /// What it asks for was changed.
    Edit(Edit),
}

impl Command {
    /// The verb, as people write it.
    #[must_use]
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Claim { .. } => "claim",
            Self::Heartbeat { .. } => "heartbeat",
            Self::Complete { .. } => "complete",
            Self::Fail { .. } => "fail",
            Self::Block { .. } => "block",
            Self::Release { .. } => "release",
            Self::Expire => "expire",
            Self::Lose => "lose",
            Self::Cancel { .. } => "cancel",
            Self::Retry => "retry",
            Self::Unblock { .. } => "unblock",
            Self::Answer { .. } => "answer",
            Self::Edit(edit) if edit.fields == ["assign"] => "assign",
            Self::Edit(_) => "edit",
        }
    }
}

/// A change of what a task asks for, as far as its life cycle knows of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Edit {
    /// The names of the fields that change, for the journal.
    pub fields: Vec<&'static str>,
    /// Who can do it from now on.
    pub lane: Option<LaneId>,
    /// How urgent it is from now on.
    pub priority: Option<Priority>,
    /// How long an attempt may take, from the next claim on.
    pub timeout: Option<Duration>,
    /// How often it may fail from now on.
    pub attempts_max: Option<u32>,
}

/// A legal change of one task, with the events that tell of it. Only [`transition`] makes one, so no state changes without its event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    before: Task,
    after: Task,
    events: Vec<NewEvent>,
    wants_fix: bool,
}

impl Change {
    /// The task as it was.
    #[must_use]
    pub fn before(&self) -> &Task {
        &self.before
    }

    /// The task as it will be.
    #[must_use]
    pub fn after(&self) -> &Task {
        &self.after
    }

    /// What to write into the journal, in this order.
    #[must_use]
    pub fn events(&self) -> &[NewEvent] {
        &self.events
    }

    /// Whether a fix task must be added in front of this test.
    #[must_use]
    pub fn wants_fix(&self) -> bool {
        self.wants_fix
    }
}

/// What a command comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It changes the task.
    Change(Box<Change>),
    /// The very same call was carried out before; nothing changes and it counts as done (G3).
    Already,
}

/// Why a command changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The claim is not the current one (G7).
    StaleClaim {
        /// The claim as presented.
        task: TaskId,
        /// Its attempt.
        attempt: Attempt,
        /// How the task stands.
        status: Status,
        /// Who holds it now.
        holder: Option<WorkerName>,
    },
    /// The task is held, and under another claim than this one, which was never made.
    OtherClaim {
        /// The task.
        task: TaskId,
        /// Who holds it.
        holder: WorkerName,
    },
    /// Somebody holds the task.
    Taken {
        /// The task.
        task: TaskId,
        /// Who.
        holder: WorkerName,
    },
    /// The task cannot be claimed yet.
    NotReady {
        /// The task.
        task: TaskId,
        /// What it waits for, in words.
        why: String,
    },
    /// The command makes no sense in this state.
    Illegal {
        /// The task.
        task: TaskId,
        /// The command's verb.
        verb: &'static str,
        /// How the task stands.
        status: Status,
        /// What would help, as a command.
        hint: Option<String>,
    },
    /// Neither lease nor time is over: an expiry that came too early or too late.
    StillAlive {
        /// The task.
        task: TaskId,
    },
}

impl Refusal {
    /// The stable code, as `docs/errors.md` lists it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::StaleClaim { .. } | Self::OtherClaim { .. } => "stale_claim",
            Self::Taken { .. } => "taken",
            Self::NotReady { .. } => "not_ready",
            Self::Illegal { .. } => "illegal_transition",
            Self::StillAlive { .. } => "still_alive",
        }
    }

    /// What to do next, as a command or a sentence.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::StaleClaim { .. } => {
                Some("stop working on it and change nothing more; `ganger claim` gives you the next task".to_owned())
            }
            Self::OtherClaim { .. } => Some(
                "give the claim as `ganger claim` printed it, to its last sign; if you did, stop working: it counts no more".to_owned(),
            ),
            Self::Taken { task, .. } | Self::NotReady { task, .. } => Some(format!("ganger show {task}")),
            Self::Illegal { hint, .. } => hint.clone(),
            Self::StillAlive { .. } => None,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StaleClaim { task, attempt, status, holder } => {
                write!(f, "the claim {task}#{} is over: the task is {status}", attempt.0)?;
                holder.as_ref().map_or(Ok(()), |holder| write!(f, ", held by {holder}"))
            }
            Self::OtherClaim { task, holder } => write!(f, "{task} is held by {holder}, and not under this claim"),
            Self::Taken { task, holder } => write!(f, "{task} is held by {holder}"),
            Self::NotReady { task, why } => write!(f, "{task} cannot be claimed yet: {why}"),
            Self::Illegal { task, verb, status, .. } => write!(f, "cannot {verb} {task}: it is {status}"),
            Self::StillAlive { task } => write!(f, "no claim on {task} is over"),
        }
    }
}

impl std::error::Error for Refusal {}

/// Decides what `command` does to `task` at `now`.
///
/// # Errors
/// A [`Refusal`], and then nothing changes.
pub fn transition(task: &Task, command: &Command, now: Now, rules: Rules) -> Result<Decision, Refusal> {
    match command {
        Command::Claim { worker, nonce, lease, lacking, instead_of } => {
            claim(task, worker, *nonce, *lease, lacking, instead_of.as_ref(), now)
        }
        Command::Heartbeat { claim, lease, step, started_at } => {
            let claim = if planted!("heartbeat_unchecked") { task.claim().unwrap_or(*claim) } else { *claim };
            let held = current(task, &claim)?;
            let mut after = task.clone();
            after.state = TaskState::InProgress(Held { lease_until: now.store.plus(*lease), step: held.step.max(*step), ..held.clone() });
            let events = started(task, held, *started_at).into_iter().collect();
            Ok(change(task, after, events))
        }
        Command::Complete { claim, started_at, checked, note } => {
            if let TaskState::Completed { nonce, .. } = &task.state
                && *nonce == Some(claim.nonce)
                && (task.id, task.attempt) == (claim.task, claim.attempt)
            {
                return Ok(Decision::Already);
            }
            let claim = if planted!("complete_checks_state_only") { task.claim().unwrap_or(*claim) } else { *claim };
            let held = current(task, &claim)?;
            let mut after = freed(task);
            after.failure = None;
            after.state = TaskState::Completed { at: now.wall, by: Some(held.worker.clone()), nonce: Some(held.nonce) };
            let mut events: Vec<NewEvent> = started(task, held, *started_at).into_iter().collect();
            if let Some(command) = checked {
                events.push(by(task, held, EventKind::CheckPassed).text("check", command));
            }
            events.push(by(task, held, EventKind::TaskCompleted).text("note", note));
            Ok(change(task, after, events))
        }
        Command::Fail { claim, started_at, failure } => {
            let held = current(task, claim)?;
            let mut events: Vec<NewEvent> = started(task, held, *started_at).into_iter().collect();
            if failure.reason == FailReason::Check {
                events.push(by(task, held, EventKind::CheckFailed).text("note", &failure.note));
            }
            Ok(fail(task, held, failure, events, now, rules))
        }
        Command::Block { claim, blocked } => {
            let held = current(task, claim)?;
            let mut after = freed(task);
            after.state = TaskState::Blocked(blocked.clone());
            let mut event = by(task, held, EventKind::TaskBlocked).text("reason", blocked.reason.as_str()).text("note", &blocked.note);
            if let Some(on) = blocked.on {
                event = event.text("on", on.to_string());
            }
            Ok(change(task, after, vec![event]))
        }
        Command::Release { claim, note } => {
            let held = current(task, claim)?;
            let mut after = freed(task);
            after.avoid = Some(held.worker.clone());
            after.ready_at = now.store;
            Ok(change(task, after, vec![by(task, held, EventKind::TaskReleased).text("note", note)]))
        }
        Command::Expire => expire(task, now, rules),
        Command::Lose => match &task.state {
            TaskState::InProgress(held) => Ok(crash(task, held, "worker_lost", now)),
            TaskState::Pending
            | TaskState::Completed { .. }
            | TaskState::Blocked(_)
            | TaskState::Failed { .. }
            | TaskState::Cancelled { .. } => Err(Refusal::StillAlive { task: task.id }),
        },
        Command::Cancel { note } => match &task.state {
            TaskState::Pending | TaskState::InProgress(_) | TaskState::Blocked(_) => {
                let mut after = freed(task);
                after.state = TaskState::Cancelled { at: now.wall };
                Ok(change(task, after, vec![about(task, EventKind::TaskCancelled).text("note", note)]))
            }
            TaskState::Completed { .. } | TaskState::Failed { .. } | TaskState::Cancelled { .. } => Err(illegal(task, command, None)),
        },
        Command::Retry => match &task.state {
            TaskState::Failed { .. } | TaskState::Cancelled { .. } => {
                let mut after = freed(task);
                (after.failures, after.crashes, after.cycle) = (0, 0, 0);
                after.ready_at = now.store;
                Ok(change(task, after, vec![about(task, EventKind::TaskRetried)]))
            }
            TaskState::Blocked(_) => Err(illegal(task, command, Some(format!("ganger unblock {}", task.id)))),
            TaskState::Pending | TaskState::InProgress(_) | TaskState::Completed { .. } => Err(illegal(task, command, None)),
        },
        Command::Unblock { note } => unblock(task, command, vec![about(task, EventKind::TaskUnblocked).text("note", note)], now),
        Command::Answer { text } => unblock(task, command, vec![about(task, EventKind::TaskUnblocked).text("answer", text)], now),
        Command::Edit(edit) => match &task.state {
            TaskState::Pending | TaskState::InProgress(_) | TaskState::Blocked(_) | TaskState::Failed { .. } => {
                let mut after = task.clone();
                after.lane = edit.lane.unwrap_or(after.lane);
                after.priority = edit.priority.unwrap_or(after.priority);
                after.timeout = edit.timeout.unwrap_or(after.timeout);
                after.attempts_max = edit.attempts_max.unwrap_or(after.attempts_max).max(after.failures).max(1);
                let fields = edit.fields.iter().map(|&field| field.to_owned()).collect();
                Ok(change(task, after, vec![about(task, EventKind::TaskEdited).with("fields", Fact::List(fields))]))
            }
            TaskState::Completed { .. } => Err(illegal(task, command, Some(format!("ganger add \"…\" --after {}", task.id)))),
            TaskState::Cancelled { .. } => Err(illegal(task, command, Some(format!("ganger retry {}", task.id)))),
        },
    }
}

fn claim(
    task: &Task,
    worker: &WorkerName,
    nonce: Nonce,
    lease: Duration,
    lacking: &[Capability],
    instead_of: Option<&WorkerName>,
    now: Now,
) -> Result<Decision, Refusal> {
    match &task.state {
        TaskState::Pending => {}
        TaskState::InProgress(held) if held.nonce == nonce && held.worker == *worker => return Ok(Decision::Already),
        TaskState::InProgress(held) => return Err(Refusal::Taken { task: task.id, holder: held.worker.clone() }),
        TaskState::Completed { .. } | TaskState::Blocked(_) | TaskState::Failed { .. } | TaskState::Cancelled { .. } => {
            return Err(Refusal::NotReady { task: task.id, why: format!("it is {}", task.status()) });
        }
    }
    if !task.is_ready(now.store) {
        let why = if task.dead > 0 {
            "a task that it depends on FAILED or was CANCELLED".to_owned()
        } else if task.waiting > 0 {
            format!("{} of its dependencies {} open", task.waiting, if task.waiting == 1 { "is" } else { "are" })
        } else if task.held {
            match task.kind {
                Kind::Test => "the test phase has not begun".to_owned(),
                Kind::Feature | Kind::Fix => "an earlier phase has not ended".to_owned(),
            }
        } else {
            "it waits before its next attempt".to_owned()
        };
        return Err(Refusal::NotReady { task: task.id, why });
    }
    let mut after = task.clone();
    if !planted!("token_not_raised") || task.attempt.0 == 0 {
        after.attempt = Attempt(task.attempt.0.saturating_add(1));
    }
    after.not_before = None;
    after.avoid = None;
    after.claimed = Some((now.wall, worker.clone()));
    let held = Held {
        step: Step::Claimed,
        nonce,
        worker: worker.clone(),
        lease_until: now.store.plus(lease),
        timeout_at: now.store.plus(task.timeout),
    };
    let mut events = vec![by(&after, &held, EventKind::TaskClaimed)];
    if !lacking.is_empty() || instead_of.is_some() {
        let lacking = lacking.iter().map(ToString::to_string).collect::<Vec<_>>();
        let mut event = by(&after, &held, EventKind::TaskFellBack);
        if !lacking.is_empty() {
            event = event.with("lacking", Fact::List(lacking));
        }
        if let Some(assignee) = instead_of {
            event = event.text("instead_of", assignee.to_string());
        }
        events.push(event);
    }
    after.state = TaskState::InProgress(held);
    Ok(change(task, after, events))
}

fn expire(task: &Task, now: Now, rules: Rules) -> Result<Decision, Refusal> {
    match &task.state {
        // Whichever ended first, however late somebody looks: a worker that fell silent before its time was over died, and failed nothing.
        TaskState::InProgress(held) if held.lease_until <= now.store && held.lease_until < held.timeout_at => {
            Ok(crash(task, held, "lease", now))
        }
        TaskState::InProgress(held) if held.timeout_at <= now.store => {
            let failure = Failure {
                reason: FailReason::Timeout,
                note: format!("it was not done {} after the claim", crate::time::show_duration(task.timeout)),
            };
            let event = by(task, held, EventKind::TaskExpired).text("reason", "timeout");
            Ok(fail(task, held, &failure, vec![event], now, rules))
        }
        TaskState::InProgress(_)
        | TaskState::Pending
        | TaskState::Completed { .. }
        | TaskState::Blocked(_)
        | TaskState::Failed { .. }
        | TaskState::Cancelled { .. } => Err(Refusal::StillAlive { task: task.id }),
    }
}

fn crash(task: &Task, held: &Held, reason: &'static str, now: Now) -> Decision {
    let mut after = freed(task);
    after.crashes = task.crashes.saturating_add(1);
    after.ready_at = now.store;
    let mut events =
        vec![by(task, held, EventKind::TaskExpired).text("reason", reason).with("crashes", Fact::Number(i64::from(after.crashes)))];
    if after.crashes >= CRASHES_MAX {
        let note = format!("its worker died {} times while it held this task", after.crashes);
        events.push(
            by(task, held, EventKind::TaskFailed)
                .text("reason", FailReason::Quarantined.as_str())
                .text("note", &note)
                .with("final", Fact::Flag(true)),
        );
        after.failure = Some(Failure { reason: FailReason::Quarantined, note });
        after.state = TaskState::Failed { at: now.wall };
    }
    change(task, after, events)
}

fn fail(task: &Task, held: &Held, failure: &Failure, mut events: Vec<NewEvent>, now: Now, rules: Rules) -> Decision {
    let mut after = freed(task);
    after.ready_at = now.store;
    after.failure = Some(failure.clone());
    let is_test_verdict = task.kind == Kind::Test
        && task.tests.is_some()
        && match failure.reason {
            FailReason::Reported | FailReason::Check => true,
            FailReason::Timeout | FailReason::Silence | FailReason::Infrastructure | FailReason::Quarantined | FailReason::Cycles => false,
        };
    let mut wants_fix = false;
    let gives_up = if is_test_verdict {
        wants_fix = task.cycle < rules.cycles_max;
        after.cycle = task.cycle.saturating_add(u32::from(wants_fix));
        if !wants_fix && rules.cycles_max > 0 {
            after.failure = Some(Failure {
                reason: FailReason::Cycles,
                note: format!("it still failed after {}: {}", crate::text::counted(task.cycle, "repair"), failure.note),
            });
        }
        !wants_fix
    } else {
        after.failures = task.failures.saturating_add(1).min(task.attempts_max);
        after.failures >= task.attempts_max
    };
    if gives_up {
        after.state = TaskState::Failed { at: now.wall };
    } else if failure.reason == FailReason::Infrastructure {
        after.not_before = Some(now.store.plus(retry::wait(rules.backoff, task.id, task.attempt, after.failures)));
    }
    let told = after.failure.as_ref().unwrap_or(failure);
    events.push(
        by(task, held, EventKind::TaskFailed)
            .text("reason", told.reason.as_str())
            .text("note", &told.note)
            .with("final", Fact::Flag(gives_up))
            .with("failures", Fact::Number(i64::from(after.failures))),
    );
    if wants_fix {
        events.push(about(task, EventKind::TaskRetried).text("reason", "cycle").with("cycle", Fact::Number(i64::from(after.cycle))));
    }
    Decision::Change(Box::new(Change { before: task.clone(), after, events, wants_fix }))
}

fn unblock(task: &Task, command: &Command, events: Vec<NewEvent>, now: Now) -> Result<Decision, Refusal> {
    match &task.state {
        TaskState::Blocked(_) => {
            let mut after = freed(task);
            after.ready_at = now.store;
            Ok(change(task, after, events))
        }
        TaskState::Pending if task.dead > 0 => {
            Err(illegal(task, command, Some(format!("ganger show {}  (then `ganger retry` the task that it waits for)", task.id))))
        }
        TaskState::Failed { .. } | TaskState::Cancelled { .. } => Err(illegal(task, command, Some(format!("ganger retry {}", task.id)))),
        TaskState::Pending | TaskState::InProgress(_) | TaskState::Completed { .. } => Err(illegal(task, command, None)),
    }
}

fn current<'t>(task: &'t Task, claim: &Claim) -> Result<&'t Held, Refusal> {
    let stale = |holder: Option<WorkerName>| Refusal::StaleClaim { task: task.id, attempt: claim.attempt, status: task.status(), holder };
    match &task.state {
        TaskState::InProgress(held) if is_current(task, held, claim) => Ok(held),
        TaskState::InProgress(held) if task.id == claim.task && claim.attempt >= task.attempt => {
            Err(Refusal::OtherClaim { task: task.id, holder: held.worker.clone() })
        }
        TaskState::InProgress(held) => Err(stale(Some(held.worker.clone()))),
        TaskState::Pending
        | TaskState::Completed { .. }
        | TaskState::Blocked(_)
        | TaskState::Failed { .. }
        | TaskState::Cancelled { .. } => Err(stale(None)),
    }
}

/// The attempt is the fence; the nonce keeps it unguessable, and unique also after a restore from a backup (G7).
fn is_current(task: &Task, held: &Held, claim: &Claim) -> bool {
    if planted!("owner_only") {
        return task.id == claim.task && claim.attempt <= task.attempt;
    }
    task.id == claim.task && task.attempt == claim.attempt && held.nonce == claim.nonce
}

/// The task without its claim, pending.
fn freed(task: &Task) -> Task {
    Task { state: TaskState::Pending, not_before: None, avoid: None, ..task.clone() }
}

fn about(task: &Task, kind: EventKind) -> NewEvent {
    NewEvent { task: Some(task.id), attempt: (task.attempt.0 > 0).then_some(task.attempt), ..NewEvent::new(kind) }
}

fn by(task: &Task, held: &Held, kind: EventKind) -> NewEvent {
    NewEvent { worker: Some(held.worker.clone()), ..about(task, kind) }
}

fn started(task: &Task, held: &Held, started_at: Option<Timestamp>) -> Option<NewEvent> {
    started_at.map(|at| by(task, held, EventKind::TaskStarted).with("started_at_ms", Fact::Number(at.0)))
}

fn change(before: &Task, after: Task, events: Vec<NewEvent>) -> Decision {
    Decision::Change(Box::new(Change { before: before.clone(), after, events, wants_fix: false }))
}

fn illegal(task: &Task, command: &Command, hint: Option<String>) -> Refusal {
    Refusal::Illegal { task: task.id, verb: command.verb(), status: task.status(), hint }
}

#[cfg(test)]
mod tests;
