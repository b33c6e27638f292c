//! Who is dead: a worker of this machine whose process has ended gives its tasks back at once; leases say it of all others. Any command
//! may call this, so nothing is stuck for want of a daemon (G8).

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use domain::event::Actor;
use domain::id::WorkerName;
use domain::task::{Task, TaskState};
use domain::worker::Worker;

use crate::clock::instant;
use crate::error::Result;
use crate::orchestrator::{Act, Orchestrator, Order, WorkerAct};
use crate::project::Project;
use crate::store::Snapshot;
use crate::worker::lock::{NameLock, Session, is_here};

/// One look. Gives the workers that were found dead.
///
/// # Errors
/// Those of the store.
pub fn tend(project: &Project, door: &Orchestrator) -> Result<Vec<WorkerName>> {
    let (suspects, due) = door.look(|snapshot| {
        let holders = holders(snapshot)?;
        let suspects = suspects(project, snapshot, |worker| worker.lost_at.is_none() || holders.contains(&worker.name))?;
        Ok((suspects, !snapshot.due(snapshot.now().store)?.is_empty()))
    })?;
    let dead = bury(project, door, suspects)?;
    if due {
        door.apply_one(Order::new(Actor::Orchestrator, Act::Sweep))?;
    }
    Ok(dead)
}

/// The same for whoever waits for work: only those of the others that hold something are looked at, which costs next to nothing while
/// nobody does. What is over by the clock a claim finds by itself.
///
/// # Errors
/// Those of the store.
pub fn tend_holders(project: &Project, door: &Orchestrator, me: &WorkerName) -> Result<Vec<WorkerName>> {
    let suspects = door.look(|snapshot| {
        let holders = holders(snapshot)?;
        let others = |worker: &Worker| worker.name != *me && holders.contains(&worker.name);
        if holders.iter().all(|name| name == me) { Ok(Vec::new()) } else { suspects(project, snapshot, others) }
    })?;
    bury(project, door, suspects)
}

/// Who holds something.
fn holders(snapshot: &dyn Snapshot) -> Result<BTreeSet<WorkerName>> {
    let holder = |task: Task| match task.state {
        TaskState::InProgress(held) => Some(held.worker),
        TaskState::Pending
        | TaskState::Completed { .. }
        | TaskState::Blocked(_)
        | TaskState::Failed { .. }
        | TaskState::Cancelled { .. } => None,
    };
    Ok(snapshot.live()?.into_iter().filter_map(holder).collect())
}

/// Those workers that are, or were, processes of this machine.
fn suspects(
    project: &Project,
    snapshot: &dyn Snapshot,
    is_suspect: impl Fn(&Worker) -> bool,
) -> Result<Vec<(WorkerName, Session, String)>> {
    let mut suspects = Vec::new();
    for worker in snapshot.workers()?.into_iter().filter(is_suspect) {
        if let Some(text) = snapshot.session(&worker.name)?
            && let Ok(session) = serde_json::from_str::<Session>(&text)
            && is_here(project, &worker.name, &session)
        {
            suspects.push((worker.name, session, text));
        }
    }
    Ok(suspects)
}

/// Says of those whose lock is free that they are dead, which gives back what they hold.
fn bury(project: &Project, door: &Orchestrator, suspects: Vec<(WorkerName, Session, String)>) -> Result<Vec<WorkerName>> {
    let mut dead = Vec::new();
    for (name, session, text) in suspects {
        if !NameLock::is_taken(project, &name)? {
            // Another process may have taken the name between the look and now, which is told by its session.
            let (why, session) = (format!("its process {} ended", session.pid), Some(text));
            door.apply_one(Order::new(Actor::Orchestrator, Act::Worker { name: name.clone(), what: WorkerAct::Lost { why, session } }))?;
            dead.push(name);
        }
    }
    Ok(dead)
}

/// How often a process that stays looks: often enough to be at once for people.
const EVERY: Duration = Duration::from_millis(250);

/// The same for a process that stays: it notices when it was itself asleep, and then gives everybody a whole lease to speak again (G9).
pub struct Monitor {
    last: Option<Instant>,
    grace_until: Option<Instant>,
}

impl Monitor {
    /// A monitor that has not looked yet.
    #[must_use]
    pub fn new() -> Self {
        Self { last: None, grace_until: None }
    }

    /// One look.
    ///
    /// # Errors
    /// Those of the store.
    pub fn tick(&mut self, project: &Project, door: &Orchestrator) -> Result<Vec<WorkerName>> {
        let now = instant();
        let lease = door.settings().lease;
        if self.last.is_some_and(|last| now.duration_since(last) < EVERY) {
            return Ok(Vec::new());
        }
        if self.last.is_some_and(|last| slept(now.duration_since(last), lease)) {
            self.grace_until = Some(now + lease);
        }
        self.last = Some(now);
        if self.grace_until.is_some_and(|until| now < until) {
            return Ok(Vec::new());
        }
        self.grace_until = None;
        tend(project, door)
    }
}

impl Default for Monitor {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether a gap between two looks means that this process did not run: it looks every second or so.
fn slept(gap: Duration, lease: Duration) -> bool {
    gap > (lease / 2).max(Duration::from_secs(5))
}
