//! Looking: what surfaces show, put together from one consistent state. Nothing here changes anything.

use domain::event::EventKind;
use domain::id::{EventSeq, PlanId, TaskId, WorkerName};
use domain::phase::Counts;
use domain::schedule::Lane;
use domain::task::{BlockReason, Blocked, Kind, Status, Task, TaskState};
use domain::time::{Now, Timestamp};
use domain::worker::{Belief, Sight, Worker};

use super::Orchestrator;
use super::manage::DURATION_DEFAULT_MS;
use crate::error::{Error, Result};
use crate::store::rows::duration_key;
use crate::store::{EventRow, Filter, FullTask, PlanRow, Snapshot};

/// A task with what a reader wants to know beside it.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskView {
    /// The task, what was asked and what came of it.
    pub full: FullTask,
    /// Whether it can be claimed now.
    pub ready: bool,
    /// What it waits for, also when that is a dependency that failed.
    pub blocked: Option<Blocked>,
    /// When its lease ends, on the wall clock.
    pub lease_until: Option<Timestamp>,
    /// When it may be claimed again, on the wall clock.
    pub not_before: Option<Timestamp>,
    /// The test task of a feature.
    pub tested_by: Option<TaskId>,
}

/// A worker with what is believed of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerView {
    /// The worker.
    pub worker: Worker,
    /// What is believed, and why.
    pub belief: Belief,
    /// What it does, and since when.
    pub sight: Sight,
}

/// How the project stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// How many tasks stand how.
    pub counts: Counts,
    /// Of which kind.
    pub features: Counts,
    /// Tests.
    pub tests: Counts,
    /// The workers.
    pub workers: Vec<WorkerView>,
    /// Claims whose lease or time is over.
    pub stale: Vec<TaskId>,
    /// What waits for somebody; at most [`BLOCKERS_MAX`].
    pub blockers: Vec<TaskView>,
    /// What is being done.
    pub running: Vec<Task>,
    /// When anything changed last.
    pub updated_at: Option<Timestamp>,
    /// Both clocks.
    pub now: Now,
}

/// A task as a drawing of the graph shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its id.
    pub id: TaskId,
    /// Its title.
    pub title: String,
    /// What it is for.
    pub kind: Kind,
    /// Its phase.
    pub phase: u32,
    /// How it stands.
    pub status: Status,
    /// What it depends on.
    pub after: Vec<TaskId>,
    /// The feature that a fix mends.
    pub mends: Option<TaskId>,
    /// How long its last attempt took where it has ended, else how long it took the last time, or should take, in milliseconds.
    pub duration_ms: u64,
}

/// How long the attempt took that a task ended with; nothing where it has not ended, or nobody worked on it to its end.
fn spent_ms(task: &Task) -> Option<u64> {
    let ended = match &task.state {
        TaskState::Completed { at, .. } | TaskState::Failed { at } => at,
        TaskState::Cancelled { .. } => return Some(0),
        TaskState::Pending | TaskState::InProgress(_) | TaskState::Blocked(_) => return None,
    };
    task.claimed.as_ref().map(|(begun, _)| u64::try_from(ended.0.saturating_sub(begun.0)).unwrap_or(0))
}

impl TaskView {
    /// The command that would move a task which does not go on by itself; `None` for one that does, or is done.
    #[must_use]
    pub fn moved_by(&self) -> Option<String> {
        let id = self.full.task.id;
        match &self.full.task.state {
            TaskState::Failed { .. } => Some(format!("ganger retry {id}")),
            TaskState::Blocked(Blocked { reason: BlockReason::Question, .. }) => Some(format!("ganger answer {id} \"…\"")),
            TaskState::Blocked(_) => Some(format!("ganger unblock {id}")),
            TaskState::Pending => self.blocked.as_ref()?.on.map(|on| format!("ganger retry {on}")),
            TaskState::InProgress(_) | TaskState::Completed { .. } | TaskState::Cancelled { .. } => None,
        }
    }
}

/// How many blockers [`Standing`] lists.
pub const BLOCKERS_MAX: u32 = 100;

impl Standing {
    /// Tasks completed of all that were not cancelled, in whole percent, rounded down; 0 when there is none.
    #[must_use]
    pub fn percent(&self) -> u32 {
        let wanted = self.counts.all().saturating_sub(self.counts.of(Status::Cancelled));
        if wanted == 0 { 0 } else { u32::try_from(u64::from(self.counts.of(Status::Completed)) * 100 / u64::from(wanted)).unwrap_or(100) }
    }

    /// `features` while one is open, `tests` while a test or fix is, else `done`.
    #[must_use]
    pub fn phase(&self) -> &'static str {
        if self.features.moving > 0 || (self.features.open() > 0 && self.tests.moving == 0) {
            "features"
        } else if self.counts.open() > 0 {
            "tests"
        } else {
            "done"
        }
    }
}

impl Orchestrator {
    /// Runs `look` on one consistent state.
    ///
    /// # Errors
    /// Those of the store and of `look`.
    pub fn look<T>(&self, mut look: impl FnMut(&dyn Snapshot) -> Result<T>) -> Result<T> {
        let mut seen = None;
        self.store.read(&mut |snapshot| {
            seen = Some(look(snapshot)?);
            Ok(())
        })?;
        seen.ok_or_else(|| Error::bug("a look at the store gave nothing"))
    }

    /// One task.
    ///
    /// # Errors
    /// `no_such_task`, `row_unreadable`, those of the store.
    pub fn task(&self, id: TaskId) -> Result<TaskView> {
        self.look(|snapshot| match snapshot.full(id)? {
            None => Err(Error::no_task(id)),
            Some(Ok(full)) => view(snapshot, full),
            Some(Err(bad)) => Err(Error::refused("row_unreadable", format!("the row of {id} does not decode: {}", bad.why))
                .hint("ganger doctor --strict")
                .hint("ganger repair")),
        })
    }

    /// Gives each task of the filter to `each`, until it says `false`. Rows that do not decode are told as notices.
    ///
    /// # Errors
    /// Those of the store and of `each`.
    pub fn list(&self, filter: &Filter, mut each: impl FnMut(TaskView) -> Result<bool>) -> Result<()> {
        self.look(|snapshot| {
            snapshot.list(filter, &mut |row| match row {
                Ok(full) => each(view(snapshot, full)?),
                Err(bad) => {
                    self.notice(format!(
                        "row {} of {} does not decode and is skipped: {} (ganger doctor --strict)",
                        bad.key, bad.table, bad.why
                    ));
                    Ok(true)
                }
            })
        })
    }

    /// How the project, or one plan of it, stands.
    ///
    /// # Errors
    /// Those of the store.
    pub fn standing(&self, plan: Option<PlanId>) -> Result<Standing> {
        self.look(|snapshot| {
            let now = snapshot.now();
            let (mut counts, mut features, mut tests) = (Counts::default(), Counts::default(), Counts::default());
            for row in snapshot.tallies(plan)? {
                add(&mut counts, &row.tally.counts);
                match row.tally.kind {
                    Kind::Feature => add(&mut features, &row.tally.counts),
                    Kind::Test | Kind::Fix => add(&mut tests, &row.tally.counts),
                }
            }
            let running: Vec<Task> = snapshot.live()?.into_iter().filter(|task| plan.is_none_or(|plan| task.plan == plan)).collect();
            let mut stale = snapshot.due(now.store)?;
            if plan.is_some() {
                stale.retain(|id| running.iter().any(|task| task.id == *id));
            }
            let mut blockers = Vec::new();
            if counts.of(Status::Blocked) > 0 {
                let filter = Filter { statuses: vec![Status::Blocked], plan, limit: Some(BLOCKERS_MAX), ..Filter::default() };
                snapshot.list(&filter, &mut |row| {
                    if let Ok(full) = row {
                        blockers.push(view(snapshot, full)?);
                    }
                    Ok(true)
                })?;
            }
            let last = snapshot.last_event()?;
            let updated_at = snapshot.event(last)?.map(|event| event.at);
            Ok(Standing { counts, features, tests, workers: self.workers_of(snapshot)?, stale, blockers, running, updated_at, now })
        })
    }

    /// The roster with what is believed of each.
    ///
    /// # Errors
    /// Those of the store.
    pub fn workers(&self) -> Result<Vec<WorkerView>> {
        self.look(|snapshot| self.workers_of(snapshot))
    }

    fn workers_of(&self, snapshot: &dyn Snapshot) -> Result<Vec<WorkerView>> {
        let now = snapshot.now().store;
        let live = snapshot.live()?;
        let holds = |name: &WorkerName| {
            live.iter().find(|task| matches!(&task.state, TaskState::InProgress(held) if held.worker == *name)).map(|task| task.id)
        };
        Ok(snapshot
            .workers()?
            .into_iter()
            .map(|worker| WorkerView {
                belief: worker.belief(now, self.settings().limits.patience),
                sight: worker.sight(now, holds(&worker.name)),
                worker,
            })
            .collect())
    }

    /// The plans.
    ///
    /// # Errors
    /// Those of the store.
    pub fn plans(&self) -> Result<Vec<PlanRow>> {
        self.look(|snapshot| snapshot.plans())
    }

    /// The lanes.
    ///
    /// # Errors
    /// Those of the store.
    pub fn lanes(&self) -> Result<Vec<Lane>> {
        self.look(|snapshot| snapshot.lanes())
    }

    /// Events after a position.
    ///
    /// # Errors
    /// Those of the store.
    pub fn events(&self, after: EventSeq, limit: u32) -> Result<Vec<EventRow>> {
        self.look(|snapshot| snapshot.events(after, limit))
    }

    /// Messages after a position.
    ///
    /// # Errors
    /// Those of the store.
    pub fn messages(&self, after: EventSeq, limit: u32) -> Result<Vec<EventRow>> {
        self.look(|snapshot| snapshot.messages(after, limit))
    }

    /// Every task of one plan, or of all, with what it depends on.
    ///
    /// # Errors
    /// Those of the store.
    pub fn nodes(&self, plan: Option<PlanId>) -> Result<Vec<Node>> {
        self.look(|snapshot| {
            let mut nodes = Vec::new();
            snapshot.list(&Filter { plan, ..Filter::default() }, &mut |row| {
                let Ok(FullTask { task, spec, after, .. }) = row else { return Ok(true) };
                let recorded = spec.run.as_deref().map(|run| snapshot.duration(duration_key(run))).transpose()?.flatten();
                let declared = spec.estimate.map(|span| u64::try_from(span.as_millis()).unwrap_or(u64::MAX));
                nodes.push(Node {
                    id: task.id,
                    title: spec.title,
                    kind: task.kind,
                    phase: task.phase,
                    status: task.status(),
                    after,
                    mends: task.tests.filter(|_| task.kind == Kind::Fix),
                    duration_ms: spent_ms(&task).or(recorded).or(declared).unwrap_or(DURATION_DEFAULT_MS),
                });
                Ok(true)
            })?;
            Ok(nodes)
        })
    }

    /// The events of one task, the oldest first; at most `limit` of the newest.
    ///
    /// # Errors
    /// Those of the store.
    pub fn history(&self, id: TaskId, limit: u32) -> Result<Vec<EventRow>> {
        self.look(|snapshot| match snapshot.full(id)? {
            Some(Ok(full)) => history_of(snapshot, id, full.last_event, limit),
            Some(Err(_)) | None => Ok(Vec::new()),
        })
    }
}

/// The events of a task up to its last one, the oldest first; at most `limit` of the newest.
pub(crate) fn history_of(snapshot: &dyn Snapshot, id: TaskId, last: Option<EventSeq>, limit: u32) -> Result<Vec<EventRow>> {
    let mut at = last;
    let mut found = Vec::new();
    while let Some(seq) = at {
        let Some(event) = snapshot.event(seq)? else { break };
        at = event.earlier;
        if event.kind != EventKind::MessagePosted || event.task == Some(id) {
            found.push(event);
        }
        if found.len() >= limit as usize {
            break;
        }
    }
    found.reverse();
    Ok(found)
}

/// What a reader wants to know beside a task.
///
/// # Errors
/// Those of the store.
pub fn view(snapshot: &dyn Snapshot, full: FullTask) -> Result<TaskView> {
    let now = snapshot.now();
    let task = &full.task;
    let wall = |at| now.wall.shifted(now.store, at);
    let blocked = match &task.state {
        TaskState::Blocked(blocked) => Some(blocked.clone()),
        TaskState::Pending if task.dead > 0 => {
            let on = snapshot.dead_needs(task.id)?.first().copied();
            let note = on.map_or_else(String::new, |on| format!("{on} did not complete"));
            Some(Blocked { reason: BlockReason::Dependency, note, on })
        }
        TaskState::Pending
        | TaskState::InProgress(_)
        | TaskState::Completed { .. }
        | TaskState::Failed { .. }
        | TaskState::Cancelled { .. } => None,
    };
    let lease_until = match &task.state {
        TaskState::InProgress(held) => Some(wall(held.lease_until)),
        TaskState::Pending
        | TaskState::Completed { .. }
        | TaskState::Blocked(_)
        | TaskState::Failed { .. }
        | TaskState::Cancelled { .. } => None,
    };
    let tested_by = match task.kind {
        Kind::Feature => snapshot.tested_by(task.id)?,
        Kind::Test | Kind::Fix => None,
    };
    Ok(TaskView {
        ready: task.is_ready(now.store),
        blocked,
        lease_until,
        not_before: task.not_before.filter(|at| *at > now.store).map(wall),
        tested_by,
        full,
    })
}

fn add(sum: &mut Counts, counts: &Counts) {
    for (sum, count) in sum.by_status.iter_mut().zip(counts.by_status) {
        *sum = sum.saturating_add(count);
    }
    sum.moving = sum.moving.saturating_add(counts.moving);
}
