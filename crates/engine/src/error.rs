//! What can go wrong, as users and scripts see it: a kind that decides the exit code, a stable code, a message, and what to do next.

use std::fmt;

/// The class of an error: it decides the exit code (contract: 1, 2, 3, 4, 5, 70, 75).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Refused by the rules, or failed: 1.
    Refused,
    /// Bad input or usage: 2.
    Usage,
    /// There is no such thing: 3.
    NotFound,
    /// Nothing to claim: 4.
    Nothing,
    /// The store cannot be reached or is damaged: 5.
    Store,
    /// A bug of ours: 70.
    Bug,
    /// Perhaps done, perhaps not; the same call with the same request id may be repeated: 75.
    Unknown,
}

impl Kind {
    /// The word in `--json`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Usage => "usage",
            Self::NotFound => "not_found",
            Self::Nothing => "nothing",
            Self::Store => "store",
            Self::Bug => "bug",
            Self::Unknown => "unknown",
        }
    }

    /// The exit code.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Refused => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::Nothing => 4,
            Self::Store => 5,
            Self::Bug => 70,
            Self::Unknown => 75,
        }
    }
}

/// An error. Its message is a lower-case sentence without a full stop; each code has a section in `docs/errors.md`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The class.
    pub kind: Kind,
    /// The stable code.
    pub code: &'static str,
    /// What happened, to what, where.
    pub message: String,
    /// What to do next: commands that can be pasted, or sentences.
    pub hints: Vec<String>,
}

/// What functions of this crate give.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error without hints.
    #[must_use]
    pub fn new(kind: Kind, code: &'static str, message: impl Into<String>) -> Self {
        Self { kind, code, message: message.into(), hints: Vec::new() }
    }

    /// The same error with one more hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Bad input or usage.
    #[must_use]
    pub fn usage(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, code, message)
    }

    /// Refused by the rules.
    #[must_use]
    pub fn refused(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Kind::Refused, code, message)
    }

    /// There is no such task.
    #[must_use]
    pub fn no_task(id: domain::id::TaskId) -> Self {
        Self::new(Kind::NotFound, "no_such_task", format!("there is no task {id}")).hint("ganger list")
    }

    /// There is no such worker.
    #[must_use]
    pub fn no_worker(name: &domain::id::WorkerName) -> Self {
        Self::new(Kind::NotFound, "no_such_worker", format!("there is no worker '{name}' on the roster")).hint("ganger workers")
    }

    /// Something that cannot happen did.
    #[must_use]
    pub fn bug(message: impl Into<String>) -> Self {
        Self::new(Kind::Bug, "bug", message).hint("this is a bug in ganger: please report it with the command and this message")
    }

    /// A file of the project could not be read or written.
    #[must_use]
    pub fn file(doing: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        let shown = domain::text::escaped(&path.to_string_lossy(), 200);
        let made = Self::new(Kind::Refused, "file", format!("cannot {doing} {shown}: {error}"));
        match error.raw_os_error() {
            Some(code) if code == rustix::io::Errno::NOSPC.raw_os_error() => {
                made.hint(format!("the disk that holds {shown} is full: free some space and repeat the command"))
            }
            _ => made,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<domain::lifecycle::Refusal> for Error {
    fn from(refusal: domain::lifecycle::Refusal) -> Self {
        let made = Self::refused(refusal.code(), refusal.to_string());
        match refusal.hint() {
            Some(hint) => made.hint(hint),
            None => made,
        }
    }
}
