//! The marks in the environment by which processes of a tree are known after everything of ours was killed (G19).
//! Where environments are read from is not known here.

use std::io;

/// What each process of a tree carries: the marks of all the guardians above it, separated by commas.
pub const MARK_VARIABLE: &str = "GANGER_TREE";

/// What a guardian itself carries, and nothing that it starts: `<loop's pid>:<loop's start>:<mark>`.
pub(super) const GUARDIAN_VARIABLE: &str = "GANGER_GUARDIAN";

const MARK_BYTES_MAX: usize = 128;

/// Refuses what could match more than itself.
pub(super) fn check(mark: &str) -> io::Result<()> {
    let fine = !mark.is_empty() && mark.len() <= MARK_BYTES_MAX;
    if fine && mark.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',') {
        return Ok(());
    }
    let error = format!("use {mark:?} as a mark: 1 to {MARK_BYTES_MAX} visible ASCII characters, no comma");
    Err(io::Error::new(io::ErrorKind::InvalidInput, error))
}

/// The variable for what a guardian with `mark` starts, itself started under `inherited`.
pub(super) fn within(inherited: Option<String>, mark: &str) -> String {
    match inherited.filter(|marks| !marks.is_empty()) {
        None => mark.to_owned(),
        Some(marks) if marks.split(',').any(|one| one == mark) => marks,
        Some(marks) => format!("{marks},{mark}"),
    }
}

/// Whose guardian a process is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Guarding {
    pub(super) loop_pid: i32,
    /// When the loop started, in ticks since boot; 0 where that is not known.
    pub(super) loop_start: u64,
    pub(super) mark: String,
}

impl Guarding {
    pub(super) fn print(&self) -> String {
        format!("{}:{}:{}", self.loop_pid, self.loop_start, self.mark)
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let (pid, rest) = text.split_once(':')?;
        let (start, mark) = rest.split_once(':')?;
        check(mark).ok()?;
        Some(Self { loop_pid: pid.parse().ok()?, loop_start: start.parse().ok()?, mark: mark.to_owned() })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn what_could_match_more_than_itself_is_no_mark() {
        for bad in ["", "a,b", "a b", "a\0", "é", &"x".repeat(129)] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
        check("4f:store/worker=1").unwrap();
    }

    #[test]
    fn marks_add_up_on_the_way_down() {
        assert_eq!(within(None, "a"), "a");
        assert_eq!(within(Some(String::new()), "a"), "a");
        assert_eq!(within(Some("a".into()), "b"), "a,b");
        assert_eq!(within(Some("a,b".into()), "a"), "a,b");
    }

    #[test]
    fn whose_guardian_it_is_can_be_read_back() {
        let guarding = Guarding { loop_pid: 12, loop_start: 345, mark: "a:b".into() };
        assert_eq!(Guarding::parse(&guarding.print()), Some(guarding));
        for bad in ["", "1", "1:2", "1:2:", "x:2:m", "1:x:m"] {
            assert_eq!(Guarding::parse(bad), None, "{bad}");
        }
    }
}
