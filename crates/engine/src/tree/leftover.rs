//! What is left of trees whose loop and guardian were both killed (G19): found by its mark, and ended.

use std::io;

use super::{mark, room};

/// A process that nobody watches over any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// Its process id.
    pub pid: u32,
    /// When it started, in clock ticks since boot: with `pid` it is this process and no other (T20).
    pub start_ticks: u64,
    /// Its command line, for people to read: control characters are replaced, and it is cut to 200 characters.
    pub command: String,
}

/// What came of ending leftovers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Swept {
    /// Those that have ended.
    pub ended: Vec<Leftover>,
    /// Those that could not be ended within 10 s.
    pub left: Vec<Leftover>,
}

/// The processes with `mark` in their environment (see [`MARK_VARIABLE`](super::MARK_VARIABLE)), and all that descends
/// from them, whatever their environment.
///
/// Not among them: the calling process and its ancestors, processes of other users (unless the caller is root), and
/// whatever is under a guardian whose loop is alive, so that workers may share a mark. Guardians without a loop are.
/// Where the environment of other processes cannot be read (not Linux) the answer is always empty.
///
/// # Errors
/// The mark is no mark, or the processes cannot be listed.
pub fn leftovers(mark: &str) -> io::Result<Vec<Leftover>> {
    mark::check(mark)?;
    room::leftovers(mark)
}

/// Ends what [`leftovers`] finds: TERM, 2 s, KILL until none is found. Blocks for at most 13 s; at once without any.
///
/// # Errors
/// As [`leftovers`].
pub fn end_leftovers(mark: &str) -> io::Result<Swept> {
    mark::check(mark)?;
    room::end_leftovers(mark)
}
