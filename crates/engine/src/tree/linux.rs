//! Linux: orphans are inherited by a subreaper, so a tree is everything below one process, found in /proc and
//! signalled by pidfd (T20, T22). When which signal is due is not known here.

mod environment;
mod leftovers;
mod proc;

use std::collections::HashSet;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, getpgrp, getpid, kill_process, kill_process_group, pidfd_open, set_child_subreaper,
    waitid,
};

use crate::clock::instant;

pub(super) use leftovers::{end_leftovers, leftovers};

use super::family::{Exit, Family};
use super::wait;
use environment::Environment;
use proc::{Listing, Stat};

/// How long one pass of killing tries to stop everything first, so that a fork bomb stands still (A39).
const FREEZE_PATIENCE: Duration = Duration::from_secs(1);

/// How often the children are listed for one answer. The answer after the last is "not yet".
const LOOKS_MAX: u32 = 16;

/// Enough that a writer seldom waits for the guardian; the kernel's own is 64 KiB.
const PIPE_BYTES: usize = 256 << 10;

/// The path under which this program can be started again even when its file was replaced since.
pub(super) fn this_program() -> io::Result<PathBuf> {
    Ok(PathBuf::from("/proc/self/exe"))
}

/// This process: its id, and when it started.
pub(super) fn this_process() -> (i32, u64) {
    let pid = getpid();
    (pid.as_raw_nonzero().get(), proc::stat(pid).map_or(0, |stat| stat.start))
}

/// What `ps` shows.
pub(super) fn name_this_process() {
    // Without it the name is "exe".
    let _ = rustix::thread::set_name(c"ganger-guardian");
}

/// Lets a pipe hold more.
pub(super) fn widen(pipe: impl AsFd) {
    // Where the user's share of pipe memory is used up, it keeps its size.
    let _ = rustix::pipe::fcntl_setpipe_size(pipe, PIPE_BYTES);
}

/// Waits until a child of this process has ended, or until `until`; may return early.
pub(super) fn wait_for_end(child: Pid, until: Instant) {
    let readable = pidfd_open(child, PidfdFlags::empty()).map_err(io::Error::from);
    if readable.and_then(|pidfd| wait::readable([Some(pidfd.as_fd())], Some(until))).is_err() {
        wait::pause(Duration::from_millis(5));
    }
}

/// The processes below this one.
pub(super) struct Processes {
    root: Pid,
    leader: Option<Leader>,
    spared: Option<Spared>,
}

struct Leader {
    pid: Pid,
    /// None on a kernel or in a sandbox without.
    pidfd: Option<OwnedFd>,
    exit: Option<Exit>,
}

/// Children of this process that are not to be touched: see `Family::inherited`.
struct Spared {
    mark: String,
    others: Vec<Pid>,
    own_group: i32,
}

impl Family for Processes {
    fn adopt_orphans() -> io::Result<()> {
        Ok(set_child_subreaper(Some(getpid()))?)
    }

    fn led_by(leader: Pid) -> Self {
        let pidfd = pidfd_open(leader, PidfdFlags::empty()).ok();
        Self { root: getpid(), leader: Some(Leader { pid: leader, pidfd, exit: None }), spared: None }
    }

    fn inherited(mark: &str, _leader: Option<Pid>, others: Vec<Pid>) -> Self {
        let spared = Spared { mark: mark.to_owned(), others, own_group: getpgrp().as_raw_nonzero().get() };
        Self { root: getpid(), leader: None, spared: Some(spared) }
    }

    fn end_fd(&self) -> Option<BorrowedFd<'_>> {
        self.leader.as_ref().and_then(|leader| leader.pidfd.as_ref()).map(AsFd::as_fd)
    }

    fn leader_end(&mut self) -> Option<Exit> {
        let leader = self.leader.as_mut()?;
        if leader.exit.is_none() {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
            leader.exit = match waitid(WaitId::Pid(leader.pid), options) {
                Ok(Some(status)) => Some(Exit { code: status.exit_status(), signal: status.terminating_signal() }),
                Ok(None) | Err(Errno::INTR) => None,
                // Waited for by somebody else, against the contract: how it ended is lost, that it did is certain.
                Err(_) => Some(Exit { code: None, signal: None }),
            };
        }
        leader.exit
    }

    fn living(&mut self) -> u32 {
        u32::try_from(self.alive().len()).unwrap_or(u32::MAX)
    }

    fn ask_leader(&mut self) {
        let Some(leader) = self.leader.as_ref().map(|leader| leader.pid) else { return };
        for signal in [Signal::TERM, Signal::CONT] {
            // An error means that nobody of the group is left, or that it is another user's.
            let _ = kill_process_group(leader, signal);
            if proc::stat(leader).is_some_and(|stat| stat.group != leader.as_raw_nonzero().get()) {
                // It has moved into a group that one of its children founded.
                let _ = kill_process(leader, signal);
            }
        }
    }

    fn ask_rest(&mut self) {
        let leader = self.leader.as_ref().map(|leader| leader.pid);
        let group = leader.map(|leader| leader.as_raw_nonzero().get());
        let mut rest = self.alive();
        rest.retain(|process| Some(process.group) != group && Some(process.pid) != leader);
        for signal in [Signal::TERM, Signal::CONT] {
            rest.iter().for_each(|process| self.signal(process, signal));
        }
    }

    fn kill(&mut self) {
        // Those that share its group stand still at once, before a thousand of them have to share the processor with this.
        if let Some(leader) = &self.leader {
            let _ = kill_process_group(leader.pid, Signal::STOP);
        }
        let until = instant() + FREEZE_PATIENCE;
        let mut stopped = HashSet::new();
        loop {
            let mut alive = self.alive();
            alive.retain(|process| stopped.insert((process.pid, process.start)));
            if alive.is_empty() || instant() >= until {
                break;
            }
            self.signal_all(&alive, Signal::STOP);
        }
        self.signal_all(&self.alive(), Signal::KILL);
        self.reap();
    }

    fn is_empty(&mut self) -> bool {
        if !self.lists_none() {
            return false;
        }
        if self.spared.is_some() {
            return true;
        }
        if let Some(leader) = &self.leader {
            if leader.exit.is_none() {
                return false;
            }
            let _ = waitid(WaitId::Pid(leader.pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
            // From now on its id may be anybody's.
            self.leader = None;
        }
        // What /proc lists is no proof, the kernel's own answer is; not where there are children to be spared.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        matches!(waitid(WaitId::All, options), Err(Errno::CHILD))
    }

    fn reap(&mut self) {
        reap(&self.orphans(&proc::list_children(self.root).unwrap_or_default()));
    }
}

/// Reaps those that have ended; says whether these are all.
fn reap(orphans: &[Pid]) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
    let living = |orphan: &&Pid| matches!(waitid(WaitId::Pid(**orphan), options), Ok(None) | Err(Errno::INTR));
    orphans.iter().filter(living).count() == 0
}

impl Processes {
    /// Reaps what has ended, and says whether /proc shows no orphan any more.
    fn lists_none(&self) -> bool {
        let mut before = None;
        for _ in 0..LOOKS_MAX {
            // An error shows nothing.
            let Ok(listing) = proc::list_children(self.root) else { return false };
            let orphans = self.orphans(&listing);
            if orphans.is_empty() && (self.spared.is_none() || before.as_ref() == Some(&listing)) {
                return true;
            }
            if !reap(&orphans) {
                return false;
            }
            // The children of those that were reaped have been ours since their end: look again.
            before = Some(listing);
        }
        false
    }

    /// The children of this process, ended or not, that belong to the family, without the leader.
    fn orphans(&self, listing: &Listing) -> Vec<Pid> {
        let leader = self.leader.as_ref().map(|leader| leader.pid);
        let mut orphans: Vec<Pid> = listing.iter().flat_map(|(_, children)| children.iter().copied()).collect();
        orphans.retain(|child| Some(*child) != leader && !self.spared.as_ref().is_some_and(|spared| spared.spares(*child)));
        orphans
    }

    /// All that live and belong to the family.
    fn alive(&self) -> Vec<Stat> {
        let mut children = self.orphans(&proc::list_children(self.root).unwrap_or_default());
        children.extend(self.leader.as_ref().map(|leader| leader.pid));
        let mut alive = proc::descendants(self.root, children);
        alive.retain(Stat::is_alive);
        if planted!("killpg_only") {
            let group = self.leader.as_ref().map(|leader| leader.pid.as_raw_nonzero().get());
            alive.retain(|process| Some(process.group) == group);
        }
        alive
    }

    fn signal_all(&self, processes: &[Stat], signal: Signal) {
        for process in processes {
            // A child that leads a group keeps the group's id from being given away until it is reaped here. The
            // kernel delivers to a group in one step, which no fork in it can escape.
            if process.parent == Some(self.root) && process.group == process.pid.as_raw_nonzero().get() {
                let _ = kill_process_group(process.pid, signal);
            } else {
                self.signal(process, signal);
            }
        }
    }

    /// Signals one process of the family and no other. Errors mean that it has ended, or is another user's.
    fn signal(&self, process: &Stat, signal: Signal) {
        if process.parent == Some(self.root) {
            // Nobody else can reap a child of ours, so its id still means this process.
            let _ = kill_process(process.pid, signal);
        } else {
            proc::signal(process, signal);
        }
    }
}

impl Spared {
    fn spares(&self, child: Pid) -> bool {
        self.others.contains(&child)
            || proc::stat(child).is_some_and(|stat| {
                stat.group == self.own_group && !Environment::of(child).is_some_and(|environment| environment.carries(&self.mark))
            })
    }
}
