//! What can be asked of the funnel, and what it answers.

use std::str::FromStr;
use std::time::Duration;

use domain::event::{Actor, NewEvent};
use domain::id::{Capability, PlanId, RequestId, TaskId, WorkerName};
use domain::lease::{Claim, Nonce};
use domain::lifecycle::Command;
use domain::task::{NewTask, Priority, Task, TaskResult};
use domain::worker::Driver;

/// One mutation.
#[derive(Debug, Clone)]
pub struct Order {
    /// Makes it repeatable (G3).
    pub request: Option<RequestId>,
    /// Who asks.
    pub actor: Actor,
    /// For what.
    pub act: Act,
}

impl Order {
    /// An order without a request id.
    #[must_use]
    pub fn new(actor: Actor, act: Act) -> Self {
        Self { request: None, actor, act }
    }

    /// Whether it may be asked for again when nobody can tell what came of it: it carries a request id, or it is known again by what it
    /// carries anyway, a claim by its nonce, a completion or a heartbeat by its claim.
    #[must_use]
    pub fn is_repeatable(&self) -> bool {
        self.request.is_some()
            || match &self.act {
                Act::Claim { .. } | Act::Sweep => true,
                Act::Report { command, .. } => matches!(command, Command::Complete { .. } | Command::Heartbeat { .. }),
                Act::Add { .. }
                | Act::Manage { .. }
                | Act::Edit { .. }
                | Act::Join(_)
                | Act::Worker { .. }
                | Act::Say { .. }
                | Act::Note(_)
                | Act::Tests { .. }
                | Act::Cycles(_) => false,
            }
    }

    /// The same order, repeatable under this id.
    #[must_use]
    pub fn repeatable(mut self, request: RequestId) -> Self {
        self.request = Some(request);
        self
    }
}

/// The mutations.
#[derive(Debug, Clone)]
pub enum Act {
    /// Adds tasks, with their plan where they have one: all or nothing.
    Add {
        /// The tasks.
        tasks: Vec<NewTask>,
        /// Their plan; without one they join the tasks that were added one by one.
        plan: Option<NewPlan>,
    },
    /// Takes the next task that the worker can do, or a certain one.
    Claim {
        /// Who; joins the roster when it is new.
        worker: WorkerName,
        /// Only this task.
        only: Option<TaskId>,
        /// What will prove the claim.
        nonce: Nonce,
    },
    /// What the holder of a claim says.
    Report {
        /// The command, with its claim.
        command: Command,
        /// What is handed in.
        result: Option<TaskResult>,
        /// How long the command of the task ran.
        ran: Option<Ran>,
    },
    /// What a person or a service says about a task.
    Manage {
        /// Which.
        task: TaskId,
        /// What.
        command: Command,
    },
    /// Changes what a task asks for.
    Edit {
        /// Which.
        task: TaskId,
        /// What changes.
        patch: Box<Patch>,
    },
    /// Puts a worker on the roster, or says anew what it is.
    Join(Card),
    /// Changes a worker.
    Worker {
        /// Which.
        name: WorkerName,
        /// How.
        what: WorkerAct,
    },
    /// Ends every claim whose lease or time is over.
    Sweep,
    /// Says something to everybody.
    Say {
        /// Who.
        from: String,
        /// What.
        text: String,
        /// About which task.
        task: Option<TaskId>,
    },
    /// Writes an event that changes nothing.
    Note(NewEvent),
    /// Lets the tests of a plan, or of all, run, or holds them back.
    Tests {
        /// Of which plan.
        plan: Option<PlanId>,
        /// Whether they may.
        wanted: bool,
    },
    /// How many repairs a failing test may ask for, from now on.
    Cycles(u32),
}

/// A plan as it is imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPlan {
    /// Its title.
    pub title: String,
    /// What it is for.
    pub goal: Option<String>,
    /// SHA-256 of its bytes.
    pub digest: String,
    /// The file that it came from, as it was named.
    pub source: Option<String>,
    /// `isolation`, `on_blocked` and `fallback` as JSON.
    pub options: String,
    /// Whether its tasks wait for the right worker however long it takes.
    pub waits: bool,
}

/// How long a command took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ran {
    /// See [`crate::store::rows::duration_key`].
    pub key: i64,
    /// How long.
    pub ms: u64,
}

/// A worker as it introduces itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// Its name.
    pub name: WorkerName,
    /// How it is driven.
    pub driver: Driver,
    /// The agent that it runs.
    pub agent: Option<String>,
    /// Its pane.
    pub target: Option<String>,
    /// What it can do; `None` leaves what is known.
    pub can: Option<Vec<Capability>>,
    /// Whether it can do tasks without a command of their own.
    pub thinks: bool,
    /// What its process says about itself, as JSON; `None` when no process speaks.
    pub session: Option<String>,
}

/// What can be done to a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkerAct {
    /// It is there.
    Seen,
    /// Set aside by a person: it gets nothing, and keeps what it has.
    Pause,
    /// Taken up again.
    Resume,
    /// Off the roster; what it holds is taken back.
    Remove,
    /// Its process ended; what it holds is taken back.
    Lost {
        /// How that is known.
        why: String,
        /// The session of the process that ended, as the store held it: when another one has begun since, nothing is taken from that.
        session: Option<String>,
    },
    /// It left by itself, holding nothing.
    Left,
}

/// A change of what a task asks for: what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Patch {
    /// One line.
    pub title: Option<String>,
    /// Any length.
    pub description: Option<String>,
    /// How urgent.
    pub priority: Option<Priority>,
    /// The worker that it waits for, or nobody.
    pub assignee: Option<Option<WorkerName>>,
    /// The agent role, or none.
    pub agent: Option<Option<String>>,
    /// What its worker must be able to do.
    pub needs: Option<Vec<Capability>>,
    /// A file with instructions.
    pub instructions: Option<String>,
    /// Files to read first.
    pub context: Option<Vec<String>>,
    /// What it starts from.
    pub inputs: Option<Vec<String>>,
    /// What it leaves behind.
    pub outputs: Option<Vec<String>>,
    /// What must be true.
    pub accept: Option<Vec<String>>,
    /// Its command; an empty text takes it away.
    pub run: Option<String>,
    /// Its check; an empty text takes it away.
    pub check: Option<String>,
    /// The command of its test.
    pub test: Option<String>,
    /// The command that mends it.
    pub fix: Option<String>,
    /// How long an attempt may take.
    pub timeout: Option<Duration>,
    /// How often it may fail.
    pub attempts_max: Option<u32>,
    /// How long it should take.
    pub estimate: Option<Duration>,
    /// Further dependencies.
    pub after: Vec<TaskId>,
}

/// What came of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Done.
    Done,
    /// These tasks exist now, numbered one after another.
    Added {
        /// Their plan.
        plan: PlanId,
        /// The first.
        first: TaskId,
        /// How many.
        count: u32,
        /// Whether a plan with the same bytes was there already, so that nothing was added.
        resumed: bool,
    },
    /// The worker holds a task.
    Claimed {
        /// The task as it stands now.
        task: Box<Task>,
        /// What proves it.
        claim: Claim,
    },
    /// There is nothing that the worker may have.
    Nothing {
        /// In words.
        why: String,
    },
    /// The command changed the state of this task.
    Changed(Box<Task>),
    /// So many claims were ended.
    Swept(u32),
}

/// What is kept of an answer so that a repetition gets the same: enough to tell it again from the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kept {
    Done,
    Added { plan: PlanId, first: TaskId, count: u32, resumed: bool },
    Claimed(Claim),
    Changed(TaskId),
    Swept(u32),
}

impl Kept {
    /// What to keep of an answer; nothing of one that changed nothing.
    pub(super) fn of(answer: &Answer) -> Option<Self> {
        match answer {
            Answer::Done => Some(Self::Done),
            Answer::Swept(count) => Some(Self::Swept(*count)),
            Answer::Added { plan, first, count, resumed } => {
                Some(Self::Added { plan: *plan, first: *first, count: *count, resumed: *resumed })
            }
            Answer::Claimed { claim, .. } => Some(Self::Claimed(*claim)),
            Answer::Changed(task) => Some(Self::Changed(task.id)),
            Answer::Nothing { .. } => None,
        }
    }
}

impl std::fmt::Display for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Done => f.write_str("done"),
            Self::Added { plan, first, count, resumed } => write!(f, "added {} {} {count} {resumed}", plan.0, first.0),
            Self::Claimed(claim) => write!(f, "claimed {claim}"),
            Self::Changed(id) => write!(f, "changed {}", id.0),
            Self::Swept(count) => write!(f, "swept {count}"),
        }
    }
}

impl FromStr for Kept {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut words = text.split(' ');
        let number = |words: &mut std::str::Split<'_, char>| words.next().and_then(|word| word.parse::<u32>().ok()).ok_or(());
        match words.next() {
            Some("done") => Ok(Self::Done),
            Some("claimed") => words.next().and_then(|claim| claim.parse().ok()).map(Self::Claimed).ok_or(()),
            Some("changed") => number(&mut words).map(|id| Self::Changed(TaskId(id))),
            Some("swept") => number(&mut words).map(Self::Swept),
            Some("added") => {
                let plan = PlanId(number(&mut words)?);
                let first = TaskId(number(&mut words)?);
                let count = number(&mut words)?;
                Ok(Self::Added { plan, first, count, resumed: words.next() == Some("true") })
            }
            Some(_) | None => Err(()),
        }
    }
}
