//! What a task is: what was asked ([`Spec`], which its life cycle never reads) and where it stands ([`Task`], which its life cycle alone changes).

use std::time::Duration;

use crate::event::words;
use crate::id::{Attempt, Capability, LaneId, PlanId, TaskId, WorkerName};
use crate::lease::{Claim, Nonce};
use crate::time::{StoreTime, Timestamp};

words! {
    /// What a task is for.
    Kind {
        /// Something that is wanted.
        Feature = "feature",
        /// A test of a feature.
        Test = "test",
        /// A repair after a test that failed.
        Fix = "fix",
    }
}

words! {
    /// How urgent a task is. The order of the values is the order of work.
    Priority {
        /// Before all others.
        High = "HIGH",
        /// The default.
        Med = "MED",
        /// When nothing else is there.
        Low = "LOW",
    }
}

impl Priority {
    /// Reads `low`, `med`, `medium` or `high` in any case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_uppercase().as_str() {
            "HIGH" => Some(Self::High),
            "MED" | "MEDIUM" => Some(Self::Med),
            "LOW" => Some(Self::Low),
            _ => None,
        }
    }
}

words! {
    /// The six states as everybody reads them.
    Status {
        /// Waits for a worker, for its time or for its dependencies.
        Pending = "PENDING",
        /// A worker holds it.
        InProgress = "IN_PROGRESS",
        /// Done.
        Completed = "COMPLETED",
        /// Waits for somebody, or behind a dependency that failed.
        Blocked = "BLOCKED",
        /// No failures left, or too many crashes.
        Failed = "FAILED",
        /// Given up by a person.
        Cancelled = "CANCELLED",
    }
}

impl Status {
    /// Whether nothing moves it but a person's `retry`.
    #[must_use]
    pub fn is_final(self) -> bool {
        match self {
            Self::Completed | Self::Failed | Self::Cancelled => true,
            Self::Pending | Self::InProgress | Self::Blocked => false,
        }
    }
}

words! {
    /// How far a task in progress has come.
    Step {
        /// Held; nothing runs yet.
        Claimed = "claimed",
        /// Its command or agent runs.
        Running = "running",
        /// Its check runs.
        Checking = "checking",
    }
}

words! {
    /// Why a task is blocked.
    BlockReason {
        /// The account of its agent is empty.
        Credits = "credits",
        /// Something technical.
        Error = "error",
        /// Another task.
        Dependency = "dependency",
        /// An answer by a person is needed.
        Question = "question",
        /// Anything else; the note says what.
        Other = "other",
    }
}

words! {
    /// Why an attempt, or a task, failed.
    FailReason {
        /// The worker said so, or its command ended with another code than zero.
        Reported = "reported",
        /// Its check failed.
        Check = "check",
        /// It took longer than its `timeout`.
        Timeout = "timeout",
        /// It printed nothing for longer than the limit.
        Silence = "silence",
        /// It could not be started, or its files could not be written; retried later and later.
        Infrastructure = "infrastructure",
        /// Its worker died for the third time.
        Quarantined = "quarantined",
        /// Its test still failed after the last repair.
        Cycles = "cycles",
    }
}

/// What was asked for: everything about a task that its life cycle does not read. Texts have passed [`crate::text`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Spec {
    /// One line.
    pub title: String,
    /// Any length up to [`crate::text::TEXT_BYTES_MAX`].
    pub description: String,
    /// The agent role to load (a name in the agents library), `auto`, or `None` for none.
    pub agent: Option<String>,
    /// The worker that it waits for.
    pub assignee: Option<WorkerName>,
    /// What its worker must be able to do; sorted, no doubles.
    pub needs: Vec<Capability>,
    /// A file with instructions, relative to the project.
    pub instructions: Option<String>,
    /// Files that a worker must read first, relative to the project.
    pub context: Vec<String>,
    /// What it starts from, in words or paths.
    pub inputs: Vec<String>,
    /// What it leaves behind, in words or paths.
    pub outputs: Vec<String>,
    /// What must be true when it is done.
    pub accept: Vec<String>,
    /// The command of a task that needs no LLM.
    pub run: Option<String>,
    /// The command that gates COMPLETED.
    pub check: Option<String>,
    /// The command of its test task.
    pub test: Option<String>,
    /// The command that mends it when its test failed.
    pub fix: Option<String>,
    /// How long its author thinks that it takes.
    pub estimate: Option<Duration>,
}

/// How long an attempt may take when nobody says: 60 minutes from the claim.
pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(3_600);
/// How many failures a task has when nobody says.
pub const ATTEMPTS_DEFAULT: u32 = 3;
/// How many attempts may be asked for.
pub const ATTEMPTS_MAX: u32 = 1_000;
/// The third death of a worker puts a task into quarantine (G10).
pub const CRASHES_MAX: u32 = 3;

/// A task to be added. Its dependencies name tasks that exist already, or earlier or later ones of the same batch by index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTask {
    /// What is asked for.
    pub spec: Spec,
    /// What it is for.
    pub kind: Kind,
    /// Its phase within its plan, from 1.
    pub phase: u32,
    /// How urgent it is.
    pub priority: Priority,
    /// How long an attempt may take, from the claim.
    pub timeout: Duration,
    /// How many failures it has.
    pub attempts_max: u32,
    /// What must be COMPLETED before it can be claimed.
    pub after: Vec<After>,
    /// The feature that a test or a fix belongs to.
    pub tests: Option<After>,
}

impl NewTask {
    /// A feature with this title and every default.
    #[must_use]
    pub fn titled(title: &str) -> Self {
        Self {
            spec: Spec { title: title.to_owned(), ..Spec::default() },
            kind: Kind::Feature,
            phase: 1,
            priority: Priority::Med,
            timeout: TIMEOUT_DEFAULT,
            attempts_max: ATTEMPTS_DEFAULT,
            after: Vec::new(),
            tests: None,
        }
    }
}

/// A reference to another task at the time of adding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum After {
    /// A task of the project.
    Task(TaskId),
    /// A task of the same batch, by its index from 0.
    Index(usize),
}

/// Where a task stands: what [`crate::lifecycle::transition`] reads and changes. Everything else about it is in its [`Spec`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// The plan that it came from.
    pub plan: PlanId,
    /// What it is for.
    pub kind: Kind,
    /// Its phase within its plan, from 1.
    pub phase: u32,
    /// How urgent it is.
    pub priority: Priority,
    /// Who can do it.
    pub lane: LaneId,
    /// The longest path from its beginning to the end of its plan, in milliseconds of recorded or declared durations.
    pub path_ms: u64,
    /// The state with its particulars.
    pub state: TaskState,
    /// How often it was claimed: the fence.
    pub attempt: Attempt,
    /// How often it failed.
    pub failures: u32,
    /// How often it may fail.
    pub attempts_max: u32,
    /// How often its worker died.
    pub crashes: u32,
    /// How many repairs its test has asked for.
    pub cycle: u32,
    /// How long an attempt may take.
    pub timeout: Duration,
    /// How many of its dependencies are not COMPLETED.
    pub waiting: u32,
    /// How many of those are FAILED or CANCELLED.
    pub dead: u32,
    /// Whether its phase, or the test phase, has not begun.
    pub held: bool,
    /// Not to be claimed before this moment.
    pub not_before: Option<StoreTime>,
    /// Since when it could be claimed, or since when it exists.
    pub ready_at: StoreTime,
    /// Who gave it back last: asked last.
    pub avoid: Option<WorkerName>,
    /// The feature of a test or a fix.
    pub tests: Option<TaskId>,
    /// Why its last attempt failed, until one succeeds.
    pub failure: Option<Failure>,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it was claimed last, and by whom.
    pub claimed: Option<(Timestamp, WorkerName)>,
}

/// The six states; each carries what only it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskState {
    /// Waits.
    Pending,
    /// A worker holds it.
    InProgress(Held),
    /// Done.
    Completed {
        /// When.
        at: Timestamp,
        /// By whom, where a worker did it.
        by: Option<WorkerName>,
        /// The claim that did it, so that the same call may be repeated.
        nonce: Option<Nonce>,
    },
    /// Waits for somebody.
    Blocked(Blocked),
    /// Given up by the rules; [`Task::failure`] says why.
    Failed {
        /// When.
        at: Timestamp,
    },
    /// Given up by a person.
    Cancelled {
        /// When.
        at: Timestamp,
    },
}

/// An open claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// How far it has come.
    pub step: Step,
    /// What proves the claim.
    pub nonce: Nonce,
    /// Who holds it.
    pub worker: WorkerName,
    /// Until when the worker counts as alive without another heartbeat.
    pub lease_until: StoreTime,
    /// Until when the attempt must have ended, however it heartbeats.
    pub timeout_at: StoreTime,
}

/// Why a task waits for somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// The class.
    pub reason: BlockReason,
    /// In words.
    pub note: String,
    /// The task that it waits for.
    pub on: Option<TaskId>,
}

/// Why a task, or its last attempt, failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The class.
    pub reason: FailReason,
    /// In words: the end of the output, the worker's note.
    pub note: String,
}

/// What a worker hands in.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TaskResult {
    /// In words.
    pub note: String,
    /// Files touched, relative to the project.
    pub files: Vec<String>,
    /// The file with the output, relative to the project.
    pub output: Option<String>,
    /// What the attempt cost, where the agent says so.
    pub cost_usd: Option<f64>,
    /// Tokens read and written, where the agent says so.
    pub tokens: Option<(u64, u64)>,
}

impl TaskResult {
    /// Whether nothing was handed in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Task {
    /// The state as everybody reads it: a pending task behind a failed dependency reads BLOCKED.
    #[must_use]
    pub fn status(&self) -> Status {
        match &self.state {
            TaskState::Pending if self.dead > 0 => Status::Blocked,
            TaskState::Pending => Status::Pending,
            TaskState::InProgress(_) => Status::InProgress,
            TaskState::Completed { .. } => Status::Completed,
            TaskState::Blocked(_) => Status::Blocked,
            TaskState::Failed { .. } => Status::Failed,
            TaskState::Cancelled { .. } => Status::Cancelled,
        }
    }

    /// Whether it can be claimed at `now`: pending, no dependency open, its phase begun, due.
    #[must_use]
    pub fn is_ready(&self, now: StoreTime) -> bool {
        self.is_free() && self.not_before.is_none_or(|due| due <= now)
    }

    /// Whether it can be claimed now or when its time has come.
    #[must_use]
    pub fn is_free(&self) -> bool {
        matches!(self.state, TaskState::Pending) && self.waiting == 0 && !self.held
    }

    /// Whether it is held by a worker or can be claimed by itself sooner or later: what holds the test phase back.
    #[must_use]
    pub fn is_moving(&self) -> bool {
        matches!(self.state, TaskState::InProgress(_)) || self.is_free()
    }

    /// The open claim, if there is one.
    #[must_use]
    pub fn claim(&self) -> Option<Claim> {
        match &self.state {
            TaskState::InProgress(held) => Some(Claim { task: self.id, attempt: self.attempt, nonce: held.nonce }),
            TaskState::Pending
            | TaskState::Completed { .. }
            | TaskState::Blocked(_)
            | TaskState::Failed { .. }
            | TaskState::Cancelled { .. } => None,
        }
    }
}
