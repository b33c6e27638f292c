//! Finds processes by the mark in their environment, and ends them. When it is time to look for them, and which marks
//! are whose, is not known here.

#![expect(clippy::disallowed_methods, reason = "reads /proc, which is no project file")]

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, geteuid, getpid, waitid};

use super::environment::Environment;
use super::proc::{self, Stat};
use crate::clock::instant;
use crate::tree::leftover::{Leftover, Swept};
use crate::tree::mark::Guarding;
use crate::tree::phase::{KILL_PATIENCE, ORPHAN_GRACE};
use crate::tree::wait;

/// How often the processes are looked through while leftovers are ending.
const TICK: Duration = Duration::from_millis(30);

const COMMAND_CHARS_MAX: usize = 200;

/// A process that no other can be mistaken for.
type Identity = (Pid, u64);

/// See `tree::leftovers`.
pub(in crate::tree) fn leftovers(mark: &str) -> io::Result<Vec<Leftover>> {
    Ok(find(mark, &HashSet::new())?.iter().map(describe).collect())
}

/// See `tree::end_leftovers`.
pub(in crate::tree) fn end_leftovers(mark: &str) -> io::Result<Swept> {
    let mut ended: HashMap<Identity, Leftover> = HashMap::new();
    let mut asked = HashSet::new();
    let begun_at = instant();
    let left = loop {
        // What has been found once stays wanted, with all below it, when the marked process above it has gone.
        let found = find(mark, &asked)?;
        let elapsed = instant() - begun_at;
        if found.is_empty() || elapsed >= ORPHAN_GRACE + KILL_PATIENCE {
            break found;
        }
        for process in &found {
            let identity = (process.pid, process.start);
            ended.entry(identity).or_insert_with(|| describe(process));
            if elapsed >= ORPHAN_GRACE {
                proc::signal(process, Signal::KILL);
            } else if asked.insert(identity) {
                proc::signal(process, Signal::TERM);
                proc::signal(process, Signal::CONT);
            }
            // This process may have inherited it.
            if process.parent == Some(getpid()) {
                let _ = waitid(WaitId::Pid(process.pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
            }
        }
        wait::pause(TICK);
    };
    let left: Vec<Leftover> = left.iter().map(describe).collect();
    let mut ended: Vec<Leftover> = ended.into_values().filter(|one| !left.contains(one)).collect();
    ended.sort_by_key(|one| (one.start_ticks, one.pid));
    Ok(Swept { ended, left })
}

/// The leftovers of `mark`, and what else of `wanted` is alive.
fn find(mark: &str, wanted: &HashSet<Identity>) -> io::Result<Vec<Stat>> {
    let table: HashMap<Pid, Stat> = proc::all()?.into_iter().filter_map(proc::stat).map(|stat| (stat.pid, stat)).collect();
    let mut roots = HashSet::new();
    let mut guarded = HashSet::new();
    for process in table.values().filter(|process| process.is_alive()) {
        let Some(environment) = Environment::of(process.pid) else { continue };
        let guarding = environment.guarding().filter(|guarding| guarding.mark == mark);
        if guarding.as_ref().is_some_and(|guarding| is_watched(process, guarding, &table)) {
            guarded.insert(process.pid);
        }
        let marked = guarding.is_some() || environment.carries(mark) || wanted.contains(&(process.pid, process.start));
        // What was read belongs to whom it was read of only if that one was there before and after.
        if marked && is_ours(process.pid) && proc::stat(process.pid).is_some_and(|now| now.start == process.start) {
            roots.insert(process.pid);
        }
    }
    let untouchable: HashSet<Pid> = line_of(getpid(), &table).collect();
    let mut found: Vec<Stat> = table.values().filter(|process| process.is_alive()).copied().collect();
    found.retain(|process| {
        !untouchable.contains(&process.pid)
            && line_of(process.pid, &table).any(|one| roots.contains(&one))
            && !line_of(process.pid, &table).any(|one| guarded.contains(&one))
    });
    found.sort_by_key(|process| (process.start, process.pid.as_raw_nonzero()));
    Ok(found)
}

/// Whether a guardian's loop is alive: it still is the guardian's parent.
fn is_watched(guardian: &Stat, guarding: &Guarding, table: &HashMap<Pid, Stat>) -> bool {
    guardian.parent.and_then(|parent| table.get(&parent)).is_some_and(|parent| {
        parent.is_alive() && parent.pid.as_raw_nonzero().get() == guarding.loop_pid && parent.start == guarding.loop_start
    })
}

/// A process and all above it.
fn line_of(pid: Pid, table: &HashMap<Pid, Stat>) -> impl Iterator<Item = Pid> {
    // The table is no picture of one moment: a circle is unlikely, and must not be endless.
    std::iter::successors(Some(pid), |pid| table.get(pid).and_then(|stat| stat.parent)).take(table.len() + 1)
}

/// Root may have started it under any user.
fn is_ours(pid: Pid) -> bool {
    let user = geteuid();
    let path = format!("/proc/{}", pid.as_raw_nonzero().get());
    user.is_root() || fs::metadata(path).is_ok_and(|metadata| metadata.uid() == user.as_raw())
}

fn describe(process: &Stat) -> Leftover {
    let raw = process.pid.as_raw_nonzero().get();
    let line = fs::read(format!("/proc/{raw}/cmdline")).unwrap_or_default();
    let line = String::from_utf8_lossy(&line);
    let shown = line.trim_end_matches('\0').chars().take(COMMAND_CHARS_MAX);
    let command = shown
        .map(|char| {
            if char == '\0' {
                ' '
            } else if char.is_control() {
                '\u{fffd}'
            } else {
                char
            }
        })
        .collect();
    Leftover { pid: raw.unsigned_abs(), start_ticks: process.start, command }
}
