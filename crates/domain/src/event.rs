//! What happened, in the past tense: the journal, the feed and the report read it. An event is never changed or removed (G12).

pub mod fold;

use crate::id::{Attempt, TaskId, WorkerName};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// Every value, in the order in which a store numbers them: new ones are added at the end.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word that files, JSON and people see.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// The value that a word stands for.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)* _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use words;

words! {
    /// The kinds of event. New ones may come, none changes its meaning.
    EventKind {
        /// A task exists.
        TaskAdded = "task_added",
        /// What a task asks for was changed.
        TaskEdited = "task_edited",
        /// A worker holds the task; a new attempt began.
        TaskClaimed = "task_claimed",
        /// The worker's process or prompt is running.
        TaskStarted = "task_started",
        /// Done, and its check passed where it has one.
        TaskCompleted = "task_completed",
        /// The attempt failed; `data.final` says whether the task did.
        TaskFailed = "task_failed",
        /// It waits for somebody.
        TaskBlocked = "task_blocked",
        /// The worker gave it back.
        TaskReleased = "task_released",
        /// The claim was taken from the worker: lease or time over, or the worker died.
        TaskExpired = "task_expired",
        /// A person set it going again, or a failed test returned behind its fix.
        TaskRetried = "task_retried",
        /// A person gave it up.
        TaskCancelled = "task_cancelled",
        /// It no longer waits.
        TaskUnblocked = "task_unblocked",
        /// The check that gates it passed.
        CheckPassed = "check_passed",
        /// The check that gates it failed.
        CheckFailed = "check_failed",
        /// A worker is on the roster.
        WorkerAdded = "worker_added",
        /// A worker is gone.
        WorkerLost = "worker_lost",
        /// A worker is out of credit or rate-limited.
        WorkerLimited = "worker_limited",
        /// A worker was taken off the roster.
        WorkerRemoved = "worker_removed",
        /// A prompt was proven to have arrived.
        PromptDelivered = "prompt_delivered",
        /// A prompt could not be proven to have arrived.
        PromptUnconfirmed = "prompt_unconfirmed",
        /// Somebody said something.
        MessagePosted = "message_posted",
        /// An edit of the board was taken over.
        BoardEditApplied = "board_edit_applied",
        /// An edit of the board was refused.
        BoardEditRefused = "board_edit_refused",
        /// A run began.
        RunStarted = "run_started",
        /// A run ended.
        RunFinished = "run_finished",
        /// A plan was imported.
        PlanImported = "plan_imported",
        /// A worker is set aside by a person.
        WorkerPaused = "worker_paused",
        /// A worker is taken up again.
        WorkerResumed = "worker_resumed",
        /// A row of the store did not decode and is skipped.
        RowUnreadable = "row_unreadable",
        /// A task went to a worker that lacks what it needs, because nobody else came (fallback).
        TaskFellBack = "task_fell_back",
        /// A project was imported from an export.
        ProjectImported = "project_imported",
        /// The journal of a task was damaged: from here on it stands as `data.status` says, with as many claims as its attempt.
        TaskRestored = "task_restored",
        /// A new store was made of what was whole in a damaged one.
        ProjectRepaired = "project_repaired",
    }
}

words! {
    /// Who caused an event.
    Actor {
        /// A worker that holds, or held, a claim.
        Worker = "worker",
        /// A person at the command line.
        Human = "human",
        /// Somebody who edited the board.
        Board = "board",
        /// ganger itself.
        Orchestrator = "orchestrator",
    }
}

/// A value in an event's data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// A text.
    Text(String),
    /// A whole number; a name that ends in a unit says which.
    Number(i64),
    /// Yes or no.
    Flag(bool),
    /// Several texts.
    List(Vec<String>),
}

/// An event that is not in the journal yet: the store gives it its number and its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// What happened.
    pub kind: EventKind,
    /// To which task.
    pub task: Option<TaskId>,
    /// In which attempt.
    pub attempt: Option<Attempt>,
    /// By or to which worker.
    pub worker: Option<WorkerName>,
    /// More, by name.
    pub data: Vec<(&'static str, Fact)>,
}

impl NewEvent {
    /// An event without particulars.
    #[must_use]
    pub fn new(kind: EventKind) -> Self {
        Self { kind, task: None, attempt: None, worker: None, data: Vec::new() }
    }

    /// The same event with one more fact; an empty text is left out.
    #[must_use]
    pub fn with(mut self, name: &'static str, fact: Fact) -> Self {
        if !matches!(&fact, Fact::Text(text) if text.is_empty()) {
            self.data.push((name, fact));
        }
        self
    }

    /// The same event with one more text; an empty one is left out.
    #[must_use]
    pub fn text(self, name: &'static str, text: impl Into<String>) -> Self {
        self.with(name, Fact::Text(text.into()))
    }
}
