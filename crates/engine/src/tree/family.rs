//! What a platform's room must be able to do with the processes that descend from the calling process, and how such a
//! family is ended. By which means is the rooms' business.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::process::Pid;

use crate::clock::instant;

use super::phase::{KILL_PATIENCE, ORPHAN_GRACE};
use super::wait;

/// How the leader ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exit {
    pub(super) code: Option<i32>,
    pub(super) signal: Option<i32>,
}

/// How often a family is looked at while it is ending.
pub(super) const ENDING_TICK: Duration = Duration::from_millis(4);

/// The processes below the calling process. A signal is only ever sent to a process that is certainly one of them (T20).
pub(super) trait Family: Sized {
    /// Makes the calling process the one that inherits the orphans among its descendants, where that exists.
    fn adopt_orphans() -> std::io::Result<()>;

    /// A guardian's family: everything below it. `leader` is its child, the first of a process group of its own, and is
    /// waited for by nobody else.
    fn led_by(leader: Pid) -> Self;

    /// What the loop inherits when a guardian has died: everything below it except `others` (its other guardians) with
    /// all below them, and except its own children that never were under a guardian: those in its own process group
    /// without `mark`. `leader` is what that guardian ran last.
    fn inherited(mark: &str, leader: Option<Pid>, others: Vec<Pid>) -> Self;

    /// A descriptor that can be read once the leader has ended; without one, `leader_end` is to be asked often.
    fn end_fd(&self) -> Option<BorrowedFd<'_>>;

    /// How the leader ended, once it has; asked no more after that. It keeps its process id until the family is empty, so
    /// that its group can still be signalled.
    fn leader_end(&mut self) -> Option<Exit>;

    /// How many are alive besides an ended leader.
    fn living(&mut self) -> u32;

    /// TERM, and CONT for the stopped, to the leader's process group.
    fn ask_leader(&mut self);

    /// The same to all the others: no process gets a second TERM, which many take for "at once".
    fn ask_rest(&mut self);

    /// One pass of: stop all until there is none new, KILL all, reap. To be repeated until `is_empty`.
    fn kill(&mut self);

    /// Reaps what has ended, and says whether nothing is left. True is a proof, as far as the platform has one.
    fn is_empty(&mut self) -> bool;

    /// Reaps the orphans that have ended since, while the leader goes on.
    fn reap(&mut self);
}

/// Ends a family: TERM, the short grace, KILL until it is empty. Blocks for as long; false when it gave up.
pub(super) fn end<F: Family>(mut family: F) -> bool {
    if family.is_empty() {
        return true;
    }
    family.ask_leader();
    family.ask_rest();
    let kill_at = instant() + ORPHAN_GRACE;
    while instant() < kill_at {
        if family.is_empty() {
            return true;
        }
        wait::pause(ENDING_TICK);
    }
    let give_up_at = instant() + KILL_PATIENCE;
    while instant() < give_up_at {
        family.kill();
        if family.is_empty() {
            return true;
        }
        wait::pause(ENDING_TICK);
    }
    false
}
