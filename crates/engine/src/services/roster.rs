//! Local workers that should be there and are not: started, and started again when they die. Each is a process of its own that outlives us.

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use domain::id::WorkerName;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use crate::clock::instant;
use crate::error::{Error, Result};
use crate::files;
use crate::orchestrator::Orchestrator;
use crate::project::Project;
use crate::worker::lock::{NameLock, Session, is_here};

/// A worker of ours that has nothing to do for so long goes, also when nobody is left to tell it to.
const IDLE_EXIT: &str = "60s";
/// A worker that dies this often within [`QUICK`] of its start is not started again.
const QUICK_DEATHS_MAX: u32 = 5;
const QUICK: Duration = Duration::from_secs(2);

/// The workers that a run wants on this machine.
pub struct Roster {
    wanted: Vec<WorkerName>,
    children: BTreeMap<WorkerName, Started>,
    quick_deaths: BTreeMap<WorkerName, u32>,
}

struct Started {
    child: Child,
    at: Instant,
    pidfd: Option<std::os::fd::OwnedFd>,
}

impl Roster {
    /// A roster of these.
    #[must_use]
    pub fn new(wanted: Vec<WorkerName>) -> Self {
        Self { wanted, children: BTreeMap::new(), quick_deaths: BTreeMap::new() }
    }

    /// The names that are wanted.
    #[must_use]
    pub fn names(&self) -> &[WorkerName] {
        &self.wanted
    }

    /// Notes which children have ended; starts those that are missing when there is something to do.
    ///
    /// # Errors
    /// `no_worker_process` when a worker cannot be started, or dies at once again and again.
    pub fn tick(&mut self, project: &Project, something_to_do: bool) -> Result<()> {
        self.reap();
        if !something_to_do {
            return Ok(());
        }
        for name in self.wanted.clone() {
            if self.children.contains_key(&name) || NameLock::is_taken(project, &name)? {
                continue;
            }
            if self.quick_deaths.get(&name).is_some_and(|deaths| *deaths >= QUICK_DEATHS_MAX) {
                let log = log(project, &name);
                return Err(Error::refused(
                    "no_worker_process",
                    format!("the worker {name} ended {QUICK_DEATHS_MAX} times right after its start"),
                )
                .hint(format!("its last words are in {}: {}", project.short(&log), files::tail(&log, 400).trim())));
            }
            let started = start(project, &name)?;
            self.children.insert(name, started);
        }
        Ok(())
    }

    fn reap(&mut self) {
        let mut ended = Vec::new();
        for (name, started) in &mut self.children {
            if let Ok(Some(status)) = started.child.try_wait() {
                ended.push((name.clone(), !status.success() && started.at.elapsed() < QUICK));
            }
        }
        for (name, quick) in ended {
            self.children.remove(&name);
            let deaths = self.quick_deaths.entry(name).or_insert(0);
            *deaths = if quick { *deaths + 1 } else { 0 };
        }
    }

    /// Whether a child of ours still runs.
    pub fn any_running(&mut self) -> bool {
        self.reap();
        !self.children.is_empty()
    }

    /// Asks every worker of ours to take nothing new (once) or to end what it runs (twice).
    pub fn ask_to_stop(&mut self) {
        for started in self.children.values() {
            if let Some(pid) = i32::try_from(started.child.id()).ok().and_then(Pid::from_raw) {
                // It is our own child and was not waited for, so the number is still its own.
                let _ = kill_process(pid, Signal::TERM);
            }
        }
    }

    /// Waits until every worker of ours has ended, at most this long.
    pub fn wait_for_end(&mut self, at_most: Duration) {
        let until = instant() + at_most;
        while self.any_running() {
            let left = until.saturating_duration_since(instant());
            if left.is_zero() {
                return;
            }
            let step = Timespec { tv_sec: 0, tv_nsec: i64::from(left.min(Duration::from_millis(50)).subsec_nanos()) };
            let mut ends: Vec<PollFd<'_>> = self.fds().map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
            let _ = poll(&mut ends, Some(&step));
        }
    }

    /// Descriptors that become readable when a worker's process ends.
    pub fn fds(&self) -> impl Iterator<Item = &std::os::fd::OwnedFd> {
        self.children.values().filter_map(|started| started.pidfd.as_ref())
    }
}

/// The workers whose processes are on other machines, as far as these were heard within a lease.
///
/// # Errors
/// Those of the store.
pub fn elsewhere(project: &Project, door: &Orchestrator) -> Result<Vec<WorkerName>> {
    if !door.store().is_shared() {
        return Ok(Vec::new());
    }
    let lease = door.settings().lease;
    door.look(|snapshot| {
        let now = snapshot.now().store;
        let mut names = Vec::new();
        for worker in snapshot.workers()? {
            let lives = worker.lost_at.is_none() && worker.seen_at.is_some_and(|at| now.since(at) < lease);
            if lives
                && let Some(session) = snapshot.session(&worker.name)?.and_then(|text| serde_json::from_str::<Session>(&text).ok())
                && !is_here(project, &worker.name, &session)
            {
                names.push(worker.name);
            }
        }
        Ok(names)
    })
}

fn log(project: &Project, name: &WorkerName) -> std::path::PathBuf {
    project.folder().join("log").join(format!("worker-{name}.log"))
}

fn start(project: &Project, name: &WorkerName) -> Result<Started> {
    let failed = |error: std::io::Error| Error::refused("no_worker_process", format!("cannot start the worker {name}: {error}"));
    let program = std::env::current_exe().map_err(failed)?;
    let errors = files::append_to(&log(project, name))?;
    let mut command = Command::new(program);
    command.arg("-C").arg(project.root());
    // Not among the arguments, which everybody may read.
    command.env("GANGER_STORE", project.address().with_secrets());
    command.args(["--color", "never", "work", "--worker", name.as_str(), "--idle-exit", IDLE_EXIT]);
    for variable in ["GANGER_CLAIM", "GANGER_TASK", "GANGER_ATTEMPT", "GANGER_BRIEF", "GANGER_WORKER", "GANGER_PROJECT"] {
        command.env_remove(variable);
    }
    // A group of its own: Ctrl-C on the terminal is for us, and we pass it on as a request.
    let child = command
        .current_dir(project.root())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(errors)
        .process_group(0)
        .spawn()
        .map_err(failed)?;
    let pidfd = i32::try_from(child.id()).ok().and_then(Pid::from_raw).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
    Ok(Started { child, at: instant(), pidfd })
}
