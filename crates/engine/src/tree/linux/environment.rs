//! What the environment of a process says of the tree it belongs to.

#![expect(clippy::disallowed_methods, reason = "reads /proc, which is no project file")]

use std::fs::File;
use std::io::Read;

use rustix::process::Pid;

use crate::tree::mark::{GUARDIAN_VARIABLE, Guarding, MARK_VARIABLE};

/// The kernel allows no longer environment than a quarter of the stack's limit, in practice 2 MiB.
const ENVIRONMENT_BYTES_MAX: u64 = 8 << 20;

/// The environment that a process was started with, as the kernel shows it.
pub(super) struct Environment(Vec<u8>);

impl Environment {
    /// `None` when the process is gone or not ours to read; empty when it has ended.
    pub(super) fn of(pid: Pid) -> Option<Self> {
        let mut bytes = Vec::new();
        let file = File::open(format!("/proc/{}/environ", pid.as_raw_nonzero())).ok()?;
        file.take(ENVIRONMENT_BYTES_MAX).read_to_end(&mut bytes).ok()?;
        Some(Self(bytes))
    }

    /// Whether it was started under a guardian with `mark`.
    pub(super) fn carries(&self, mark: &str) -> bool {
        let mut marks = self.value(MARK_VARIABLE).into_iter().flat_map(|marks| marks.split(|byte| *byte == b','));
        marks.any(|one| one == mark.as_bytes())
    }

    /// Whose guardian it is, if it is one.
    pub(super) fn guarding(&self) -> Option<Guarding> {
        Guarding::parse(std::str::from_utf8(self.value(GUARDIAN_VARIABLE)?).ok()?)
    }

    fn value(&self, name: &str) -> Option<&[u8]> {
        let mut entries = self.0.split(|byte| *byte == 0);
        entries.find_map(|entry| entry.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b"=")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_matches_itself_only() {
        let environment = Environment(b"A=1\0XGANGER_TREE=no\0GANGER_TREE=outer,run-7\0B=\0".to_vec());
        for (mark, expected) in [("outer", true), ("run-7", true), ("run", false), ("outer,run-7", false), ("no", false), ("", false)] {
            assert_eq!(environment.carries(mark), expected, "{mark}");
        }
        assert_eq!(environment.guarding(), None);
        let none = Environment(Vec::new());
        assert!(!none.carries("run") && !none.carries("") && none.guarding().is_none());
    }

    #[test]
    fn whose_guardian_it_is_is_read() {
        let guarding = Guarding { loop_pid: 12, loop_start: 345, mark: "m".into() };
        let environment = Environment(format!("A=1\0GANGER_GUARDIAN={}\0", guarding.print()).into_bytes());
        assert_eq!(environment.guarding(), Some(guarding));
    }
}
