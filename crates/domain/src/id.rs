//! The names of things: newtypes that parse and print, so that no two kinds of number can be mixed up.
//! An id is made of our own alphabet only (A19): nothing here can be taken for an option, a path or a pattern.

use std::fmt;
use std::str::FromStr;

/// Why a text is not the id it was read as. Displays as a fragment that fits after "failed to …".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadId {
    /// What was expected, in words.
    pub expected: &'static str,
    /// The text as it was given, shown escaped and cut.
    pub given: String,
}

impl fmt::Display for BadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "read '{}': expected {}", crate::text::escaped(&self.given, 60), self.expected)
    }
}

impl std::error::Error for BadId {}

fn bad(expected: &'static str, given: &str) -> BadId {
    BadId { expected, given: given.to_owned() }
}

/// A task's id: sequential in a project, never reused, printed with three digits at least (`T-001`, `T-1000`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(pub u32);

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "T-{:03}", self.0)
    }
}

impl FromStr for TaskId {
    type Err = BadId;

    /// Reads `T-004`, and leniently `t-4` or `4`; zero is no id.
    fn from_str(text: &str) -> Result<Self, BadId> {
        let digits = text.strip_prefix("T-").or_else(|| text.strip_prefix("t-")).unwrap_or(text);
        if digits.is_empty() || digits.len() > 10 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(bad("a task id such as T-004", text));
        }
        match digits.parse::<u32>() {
            Ok(number) if number > 0 => Ok(Self(number)),
            Ok(_) | Err(_) => Err(bad("a task id such as T-004", text)),
        }
    }
}

/// The plan that a task came from. Plan 0 holds the tasks that were added one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlanId(pub u32);

impl PlanId {
    /// The plan of tasks that were added one by one.
    pub const ADDED: Self = Self(0);
}

/// A set of tasks that the same workers can do (see [`crate::schedule::Lane`]), numbered by the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneId(pub u32);

/// The number of a claim of one task: the fence. It grows by one with each claim and never goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt(pub u32);

/// The position of an event in the project's one order: dense from 1 (G12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventSeq(pub u64);

/// The name of a worker: 1 to 64 of `A–Z a–z 0–9 . _ -`, beginning with a letter or a digit.
/// It serves as a file name and in tables, so nothing else is let in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerName(String);

impl WorkerName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WorkerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for WorkerName {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        word(text, "a worker's name (1 to 64 letters, digits, '.', '_' or '-', beginning with a letter or a digit)").map(Self)
    }
}

/// Something that a task needs and a worker can do, such as `backend`: written like a worker's name, kept in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Capability(String);

impl Capability {
    /// The capability as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Capability {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        word(text, "a capability (1 to 64 letters, digits, '.', '_' or '-', beginning with a letter or a digit)")
            .map(|w| Self(w.to_ascii_lowercase()))
    }
}

fn word(text: &str, expected: &'static str) -> Result<String, BadId> {
    let legal = text.len() <= 64
        && text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    if legal { Ok(text.to_owned()) } else { Err(bad(expected, text)) }
}

/// What makes a mutation repeatable (G3): the same id gets the same answer and has one effect. 1 to 128 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RequestId(String);

impl RequestId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RequestId {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        if (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(bad("a request id of 1 to 128 visible ASCII characters", text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn task_ids_print_with_three_digits_and_grow() {
        assert_eq!(TaskId(1).to_string(), "T-001");
        assert_eq!(TaskId(999).to_string(), "T-999");
        assert_eq!(TaskId(1000).to_string(), "T-1000");
    }

    #[test]
    fn what_is_no_task_id_is_refused() {
        for text in ["", "T-", "T-0", "T--1", "-1", "T-4294967296", "T-1 ", "T-１", "--upload-pack=x", "HEAD", "T-001.lock"] {
            assert!(text.parse::<TaskId>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn names_that_could_be_options_or_paths_are_refused() {
        for text in ["", "-t", ".", "..", "a/b", "a b", "é", "a\n", "#{x}", &"x".repeat(65)] {
            assert!(text.parse::<WorkerName>().is_err(), "{text:?}");
        }
        assert!("agent-01".parse::<WorkerName>().is_ok());
    }

    proptest! {
        #[test]
        fn every_task_id_reads_back(number in 1u32..) {
            prop_assert_eq!(TaskId(number).to_string().parse::<TaskId>(), Ok(TaskId(number)));
        }

        #[test]
        fn no_text_makes_the_parsers_panic(text in "\\PC*") {
            let _ = text.parse::<TaskId>();
            let _ = text.parse::<WorkerName>();
            let _ = text.parse::<crate::lease::Claim>();
            let _ = crate::time::parse_duration(&text);
        }
    }
}
