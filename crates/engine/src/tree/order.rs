//! What the loop orders from its guardian, and the words with which the guardian answers.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One program to run under a guardian.
///
/// Paths may hold any bytes; they are best absolute, since relative ones mean the guardian's working folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The program and its arguments. A program without `/` is looked for in `PATH`, that of `env` first; one with `/`
    /// is looked for from `cwd`. No shell ever reads them (G23).
    pub argv: Vec<String>,
    /// The working folder.
    #[serde(with = "path")]
    pub cwd: PathBuf,
    /// Variables that are set, after `env_remove`; all others are inherited from the loop.
    pub env: Vec<(String, String)>,
    /// Variables that are taken away.
    pub env_remove: Vec<String>,
    /// A regular file to read from; `None` is `/dev/null`.
    #[serde(with = "path_maybe")]
    pub stdin: Option<PathBuf>,
    /// Where both stdout and stderr go, in the order written. Created with mode 0600 or emptied; its folder must exist,
    /// and it may not be a symbolic link or anything but a regular file.
    #[serde(with = "path")]
    pub output: PathBuf,
    /// How many bytes of output are kept (G24): the beginning, and the last part (half of it, at most 1 MiB). What lies
    /// between is left out, and one line of less than 100 bytes, on top of this bound, says how much that was.
    pub output_bytes_max: u64,
    /// How long it may run.
    pub timeout: Option<Duration>,
    /// How long it may write nothing.
    pub silence: Option<Duration>,
    /// How long it has between TERM and KILL.
    pub grace: Duration,
}

/// How a guardian is to end what it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// TERM to the program's process group, KILL to everything when the order's grace is over.
    Gracefully,
    /// KILL to everything.
    AtOnce,
}

/// What a guardian says of its order: `Started` and later `Ended`, or `NotStarted`; and `Lost` instead of any of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "word", rename_all = "snake_case")]
pub enum Word {
    /// The program runs.
    Started {
        /// Its process id, which is its process group's too.
        pid: u32,
    },
    /// Nothing was started, and nothing is left of the attempt but perhaps an empty output file.
    NotStarted {
        /// What stood in the way.
        obstacle: Obstacle,
        /// The same in words: a fragment that fits after "failed to …".
        error: String,
    },
    /// The program has ended, and so has all that it ever started, unless `tree_empty` is false.
    Ended(Ended),
    /// The guardian died or could not be understood. Everything that it ran has been ended; how it went is not known,
    /// and of more output than is kept only the beginning is. This guardian is of no further use.
    Lost,
}

/// Why a program could not be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Obstacle {
    /// There is no such program (or its interpreter is missing).
    ProgramMissing,
    /// The program may not be executed, or is not a program.
    ProgramRefused,
    /// The working folder is missing, or is not a folder that can be entered.
    Folder,
    /// The file for stdin cannot be read, or is not a file.
    Input,
    /// The output file cannot be written.
    Output,
    /// The machine is out of processes, memory or file descriptors: the same order may succeed later.
    Exhausted,
    /// Anything else, such as arguments that are too long.
    Other,
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Its exit code, when it exited.
    pub code: Option<i32>,
    /// The signal that ended it. With no code either, it could not be ended: see `tree_empty`.
    pub signal: Option<i32>,
    /// Who ended it.
    pub why: Why,
    /// Bytes of output, kept or not.
    pub output_bytes: u64,
    /// Those of them that are not in the file.
    pub output_left_out: u64,
    /// The first error of writing the output file; the program ran on regardless.
    pub output_error: Option<String>,
    /// Processes that were still alive when the program itself had ended, and were ended.
    pub stragglers: u32,
    /// From the start to the end of the program itself, in milliseconds.
    pub elapsed_ms: u64,
    /// That no process of the tree is left: on Linux proven (the guardian has no child), elsewhere of its process group
    /// only. False when one could not be ended within 10 s (a process of another user, or one stuck in the kernel): then
    /// start another guardian, since the next order of this one would have to wait for the same process.
    pub tree_empty: bool,
}

/// Who ended a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// It ended, or was ended by something else than its guardian.
    Itself,
    /// It ran longer than its timeout.
    Timeout,
    /// It wrote nothing for too long.
    Silence,
    /// `Guardian::end` asked for it.
    Asked,
}

/// A path as JSON: text where it is text, else its bytes.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Path {
    Text(String),
    Bytes(Vec<u8>),
}

impl From<&std::path::Path> for Path {
    fn from(path: &std::path::Path) -> Self {
        use std::os::unix::ffi::OsStrExt;
        match path.to_str() {
            Some(text) => Self::Text(text.to_owned()),
            None => Self::Bytes(path.as_os_str().as_bytes().to_vec()),
        }
    }
}

impl From<Path> for PathBuf {
    fn from(path: Path) -> Self {
        use std::os::unix::ffi::OsStringExt;
        match path {
            Path::Text(text) => text.into(),
            Path::Bytes(bytes) => std::ffi::OsString::from_vec(bytes).into(),
        }
    }
}

mod path {
    use super::{Deserialize, Path, PathBuf, Serialize};

    pub(super) fn serialize<S: serde::Serializer>(path: &std::path::Path, to: S) -> Result<S::Ok, S::Error> {
        Path::from(path).serialize(to)
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(from: D) -> Result<PathBuf, D::Error> {
        Path::deserialize(from).map(PathBuf::from)
    }
}

mod path_maybe {
    use super::{Deserialize, Path, PathBuf, Serialize};

    pub(super) fn serialize<S: serde::Serializer>(path: &Option<PathBuf>, to: S) -> Result<S::Ok, S::Error> {
        path.as_deref().map(Path::from).serialize(to)
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<PathBuf>, D::Error> {
        Option::<Path>::deserialize(from).map(|path| path.map(PathBuf::from))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt;

    #[test]
    fn an_order_survives_the_wire_whatever_bytes_its_paths_hold() {
        let order = Order {
            argv: vec!["a b".into(), "é\n\0".into()],
            cwd: std::ffi::OsString::from_vec(b"/tmp/\xff\xfe".to_vec()).into(),
            env: vec![("K".into(), "v=w".into())],
            env_remove: vec!["X".into()],
            stdin: Some("/tmp/brief".into()),
            output: "/tmp/out".into(),
            output_bytes_max: u64::MAX,
            timeout: Some(Duration::MAX),
            silence: None,
            grace: Duration::from_millis(1),
        };
        let json = serde_json::to_string(&order).unwrap();
        assert_eq!(serde_json::from_str::<Order>(&json).unwrap(), order);
        let without = Order { stdin: None, ..order };
        let json = serde_json::to_string(&without).unwrap();
        assert_eq!(serde_json::from_str::<Order>(&json).unwrap(), without);
    }

    #[test]
    fn words_have_a_tag() {
        let json = serde_json::to_string(&Word::Started { pid: 7 }).unwrap();
        assert_eq!(json, r#"{"word":"started","pid":7}"#);
    }
}
