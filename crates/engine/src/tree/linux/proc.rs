//! Reads /proc: who is whose child, and when a process started; and signals a process by what was read (T20).

#![expect(clippy::disallowed_methods, reason = "reads /proc, which is no project file")]

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::sync::OnceLock;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};

/// One process at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) pid: Pid,
    /// None for the first process, and for one whose parent is outside of this PID namespace.
    pub(super) parent: Option<Pid>,
    pub(super) group: i32,
    state: u8,
    /// In clock ticks since boot: together with the id it is unique (T20).
    pub(super) start: u64,
}

impl Stat {
    /// Neither a zombie nor on its way from there.
    pub(super) fn is_alive(&self) -> bool {
        !matches!(self.state, b'Z' | b'X' | b'x')
    }

    fn parse(pid: Pid, text: &[u8]) -> Option<Self> {
        // The name stands in parentheses and may hold anything, parentheses and line ends too.
        let name_end = text.iter().rposition(|byte| *byte == b')')?;
        let rest = std::str::from_utf8(text.get(name_end + 1..)?).ok()?;
        let mut fields = rest.split_ascii_whitespace();
        let state = *fields.next()?.as_bytes().first()?;
        let parent = positive(fields.next()?);
        let group = fields.next()?.parse().ok()?;
        // The 22nd field of all; these three were the 3rd to 5th.
        let start = fields.nth(16)?.parse().ok()?;
        Some(Self { pid, parent, group, state, start })
    }
}

fn positive(text: &str) -> Option<Pid> {
    text.parse().ok().filter(|pid| *pid > 0).and_then(Pid::from_raw)
}

fn raw(pid: Pid) -> i32 {
    pid.as_raw_nonzero().get()
}

/// What /proc says of a process; `None` when it is gone.
pub(super) fn stat(pid: Pid) -> Option<Stat> {
    Stat::parse(pid, &fs::read(format!("/proc/{}/stat", raw(pid))).ok()?)
}

/// All processes that can be seen.
pub(super) fn all() -> io::Result<Vec<Pid>> {
    let entries = fs::read_dir("/proc")?;
    Ok(entries.flatten().filter_map(|entry| positive(entry.file_name().to_str()?)).collect())
}

/// The children of a process, ended or not, by the thread whose they are. Two equal ones in a row show them all; one alone
/// may miss some, when others are reaped or a thread ends meanwhile.
pub(super) type Listing = Vec<(Pid, Vec<Pid>)>;

/// Lists the children of a process; nothing of a process that is gone.
///
/// # Errors
/// /proc cannot be read: out of file descriptors, say.
pub(super) fn list_children(pid: Pid) -> io::Result<Listing> {
    if !can_list_children() {
        let everybody = all()?.into_iter();
        return Ok(vec![(pid, everybody.filter(|child| stat(*child).is_some_and(|stat| stat.parent == Some(pid))).collect())]);
    }
    let mut listing = Vec::new();
    let Some(threads) = there(fs::read_dir(format!("/proc/{}/task", raw(pid))))? else { return Ok(listing) };
    for thread in threads {
        let Some(thread) = there(thread)? else { continue };
        let Some(id) = thread.file_name().to_str().and_then(positive) else { continue };
        if let Some(children) = there(fs::read_to_string(thread.path().join("children")))? {
            listing.push((id, children.split_ascii_whitespace().filter_map(positive).collect()));
        }
    }
    Ok(listing)
}

/// That something is gone is no error.
fn there<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.raw_os_error() == Some(Errno::SRCH.raw_os_error()) => Ok(None),
        Err(error) => Err(error),
    }
}

fn children(pid: Pid) -> Vec<Pid> {
    list_children(pid).unwrap_or_default().into_iter().flat_map(|(_, children)| children).collect()
}

/// Everything below `root`, beginning with those of its children that are `known`; ended ones included.
///
/// Sound against recycled ids, if not complete: whoever is in it was a descendant of `root` when it was looked at, and
/// that is for life (orphans stay below the subreaper that `root` is).
pub(super) fn descendants(root: Pid, known: Vec<Pid>) -> Vec<Stat> {
    if can_list_children() {
        return descendants_by(children, root, known);
    }
    let below = by_parent();
    descendants_by(|parent| below.get(&parent).cloned().unwrap_or_default(), root, known)
}

fn descendants_by(children_of: impl Fn(Pid) -> Vec<Pid>, root: Pid, children: Vec<Pid>) -> Vec<Stat> {
    let mut found: Vec<Stat> = children.into_iter().filter_map(stat).filter(|stat| stat.parent == Some(root)).collect();
    let mut known: HashSet<Pid> = found.iter().map(|stat| stat.pid).collect();
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        next += 1;
        let mut children: Vec<Stat> = children_of(parent.pid).into_iter().filter_map(stat).collect();
        children.retain(|child| child.parent == Some(parent.pid));
        // Only if the parent is still the same process are those its children, and not those of somebody who was given
        // its id in between.
        if !children.is_empty() && stat(parent.pid).is_some_and(|now| now.start == parent.start) {
            children.retain(|child| known.insert(child.pid));
            found.extend(children);
        }
    }
    found
}

fn by_parent() -> HashMap<Pid, Vec<Pid>> {
    let mut below: HashMap<Pid, Vec<Pid>> = HashMap::new();
    for process in all().unwrap_or_default().into_iter().filter_map(stat) {
        if let Some(parent) = process.parent {
            below.entry(parent).or_default().push(process.pid);
        }
    }
    below
}

/// Whether the kernel lists children (`CONFIG_PROC_CHILDREN`).
fn can_list_children() -> bool {
    static LISTS: OnceLock<bool> = OnceLock::new();
    *LISTS.get_or_init(|| fs::exists("/proc/thread-self/children").unwrap_or(false))
}

/// Signals exactly the process that was looked at; says whether it was there to be signalled.
pub(super) fn signal(process: &Stat, signal: Signal) -> bool {
    let pidfd = pidfd_open(process.pid, PidfdFlags::empty());
    // The descriptor means whoever has the id now, for good: if that is who was looked at, the signal cannot go astray.
    if stat(process.pid).is_none_or(|now| now.start != process.start) {
        return false;
    }
    let sent = match &pidfd {
        Ok(pidfd) => pidfd_send_signal(pidfd, signal),
        Err(error) => Err(*error),
    };
    match sent {
        // A kernel before 5.3, or a sandbox that knows no pidfd: an instant between look and kill is left.
        Err(Errno::NOSYS) => kill_process(process.pid, signal).is_ok(),
        sent => sent.is_ok(),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use rustix::process::getpid;
    use std::process::{Command, Stdio};

    #[test]
    fn a_name_may_hold_anything() {
        let pid = getpid();
        let line = b"7 (a) Z 1 (\n) S 12 34 34 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 10 11\n";
        let stat = Stat::parse(pid, line).unwrap();
        assert_eq!((stat.parent, stat.group, stat.start), (Pid::from_raw(12), 34, 987_654));
        assert!(stat.is_alive());
        for bad in [&b""[..], b"7 (a", b"7 (a) S 1 2", b"7 (a) S x y z"] {
            assert_eq!(Stat::parse(pid, bad), None);
        }
    }

    #[test]
    fn a_child_is_found_and_an_id_with_another_start_is_not_signalled() {
        let mut child = Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().unwrap();
        let pid = Pid::from_child(&child);
        assert!(children(getpid()).contains(&pid));
        let found = descendants(getpid(), vec![pid]);
        assert_eq!(found.iter().map(|stat| stat.pid).collect::<Vec<_>>(), [pid]);
        let below = by_parent();
        let scanned = descendants_by(|parent| below.get(&parent).cloned().unwrap_or_default(), getpid(), vec![pid]);
        assert_eq!(scanned.iter().map(|stat| (stat.pid, stat.start)).collect::<Vec<_>>(), [(pid, found[0].start)]);
        assert!(below[&getpid()].contains(&pid));
        let other = Stat { start: found[0].start + 1, ..found[0] };
        assert!(!signal(&other, Signal::KILL));
        assert!(child.try_wait().unwrap().is_none());
        assert!(signal(&found[0], Signal::KILL));
        child.wait().unwrap();
        assert!(!signal(&found[0], Signal::KILL));
    }
}
