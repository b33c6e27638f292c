//! The run: it hands nothing out itself (workers claim), it sees to it that there are workers, that the dead are noticed and the files are
//! current, and it knows when everything is over. It may be killed at any moment; the next one finds things as they are.

use std::time::{Duration, Instant};

use domain::event::Actor;
use domain::id::{PlanId, TaskId, WorkerName};
use domain::schedule::{Reach, reach};
use domain::task::Status;
use domain::worker::{Driver, Worker, WorkerState};

use super::monitor::Monitor;
use super::pruner::Pruner;
use super::reporter;
use super::roster::Roster;
use crate::clock::instant;
use crate::error::Result;
use crate::orchestrator::query::Standing;
use crate::orchestrator::{Act, Orchestrator, Order};
use crate::project::Project;
use crate::store::{Filter, Free};

/// The files are written at most this often while things move.
const FILES_EVERY: Duration = Duration::from_secs(1);
/// How many of a kind a list of what waits names.
const LISTED_MAX: u32 = 20;

/// A run.
pub struct Foreman<'p> {
    project: &'p Project,
    door: &'p Orchestrator,
    scope: Option<PlanId>,
    tests: bool,
    roster: Roster,
    monitor: Monitor,
    pruner: Pruner,
    files_at: Option<Instant>,
    files_seq: u64,
}

/// How things are after a tick.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// How the scope stands.
    pub standing: Standing,
    /// Whether nothing can go on by itself any more.
    pub over: bool,
}

/// Something that does not go on by itself, and what would move it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stuck {
    /// The task.
    pub task: TaskId,
    /// Its title.
    pub title: String,
    /// Why.
    pub why: String,
    /// A command that can be pasted.
    pub command: String,
}

impl<'p> Foreman<'p> {
    /// A run over one plan, or over everything, with these local workers.
    #[must_use]
    pub fn new(project: &'p Project, door: &'p Orchestrator, scope: Option<PlanId>, tests: bool, workers: Vec<WorkerName>) -> Self {
        Self {
            project,
            door,
            scope,
            tests,
            roster: Roster::new(workers),
            monitor: Monitor::new(),
            pruner: Pruner::default(),
            files_at: None,
            files_seq: 0,
        }
    }

    /// Tells the store what this run wants of tests, and that it began.
    ///
    /// # Errors
    /// Those of the store.
    pub fn begin(&self, cycles: u32) -> Result<()> {
        use domain::event::{EventKind, Fact, NewEvent};
        let workers = self.roster.names().iter().map(ToString::to_string).collect();
        let orders = [
            Act::Tests { plan: self.scope, wanted: self.tests },
            Act::Cycles(cycles),
            Act::Note(NewEvent::new(EventKind::RunStarted).with("workers", Fact::List(workers))),
        ];
        self.door.apply(&orders.map(|act| Order::new(Actor::Orchestrator, act)))?.into_iter().try_for_each(|answer| answer.map(|_| ()))
    }

    /// Writes the last files and tells the store that the run ended.
    ///
    /// # Errors
    /// Those of the store and of the files.
    pub fn finish(&self, outcome: &str) -> Result<()> {
        use domain::event::{EventKind, NewEvent};
        let note = Act::Note(NewEvent::new(EventKind::RunFinished).text("outcome", outcome));
        self.door.apply_one(Order::new(Actor::Orchestrator, note))?;
        reporter::write(self.project, self.door, self.scope)
    }

    /// The local workers.
    pub fn roster(&mut self) -> &mut Roster {
        &mut self.roster
    }

    /// One look at everything.
    ///
    /// # Errors
    /// Those of the store, of the files, and of workers that cannot be started.
    pub fn tick(&mut self) -> Result<Seen> {
        self.monitor.tick(self.project, self.door)?;
        self.pruner.tick(self.door)?;
        let standing = self.door.standing(self.scope)?;
        let over = self.nothing_goes_on()?;
        self.roster.tick(self.project, !over)?;
        if self.files_at.is_none_or(|at| at.elapsed() >= FILES_EVERY) {
            let seq = self.door.look(|snapshot| snapshot.last_event())?.0;
            if seq != self.files_seq {
                reporter::write(self.project, self.door, self.scope)?;
                self.files_seq = seq;
            }
            self.files_at = Some(instant());
        }
        Ok(Seen { standing, over })
    }

    /// Whether nothing of the scope is held, and no worker that works by itself can take any free task of it, now or when its time has
    /// come. Asked of one state: between two looks a free task may have become a held one.
    fn nothing_goes_on(&self) -> Result<bool> {
        let limits = self.door.settings().limits;
        self.door.look(|snapshot| {
            if snapshot.live()?.iter().any(|task| self.scope.is_none_or(|plan| task.plan == plan)) {
                return Ok(false);
            }
            let free = snapshot.free(self.scope)?;
            if free.is_empty() {
                return Ok(true);
            }
            let now = snapshot.now().store;
            let roster = snapshot.workers()?;
            let lanes = snapshot.lanes()?;
            let able = |lane: &Free| {
                let Some(lane) = lanes.iter().find(|other| other.id == lane.lane) else { return false };
                self.hands(&roster).iter().any(|worker| reach(&lane.key, worker, &roster, now, limits) != Reach::Nothing)
            };
            Ok(!free.iter().any(able))
        })
    }

    /// Everybody who takes tasks without a person: the workers of this run, as they are or will be, and other processes of ganger's.
    fn hands(&self, roster: &[Worker]) -> Vec<Worker> {
        let mut hands: Vec<Worker> = roster
            .iter()
            .filter(|worker| match worker.driver {
                Driver::Pull => false,
                Driver::Shell | Driver::Headless | Driver::Tmux => {
                    !worker.paused && (worker.lost_at.is_none() || self.roster.names().contains(&worker.name))
                }
            })
            .cloned()
            .collect();
        for name in self.roster.names() {
            if !roster.iter().any(|worker| worker.name == *name) {
                hands.push(newcomer(name));
            }
        }
        hands
    }

    /// What does not go on by itself, with what would move it; at most some of each kind.
    ///
    /// # Errors
    /// Those of the store.
    pub fn stuck(&self) -> Result<Vec<Stuck>> {
        let mut stuck = Vec::new();
        let filter = |statuses: Vec<Status>| Filter { statuses, plan: self.scope, limit: Some(LISTED_MAX), ..Filter::default() };
        self.door.list(&filter(vec![Status::Failed]), |view| {
            let id = view.full.task.id;
            let why = view
                .full
                .task
                .failure
                .as_ref()
                .map_or_else(|| "it failed".to_owned(), |failure| failure.note.lines().next().unwrap_or_default().to_owned());
            stuck.push(Stuck { task: id, title: view.full.spec.title, why, command: format!("ganger retry {id}") });
            Ok(true)
        })?;
        self.door.list(&filter(vec![Status::Blocked]), |view| {
            let id = view.full.task.id;
            let command = view.moved_by().unwrap_or_default();
            let Some(blocked) = view.blocked else { return Ok(true) };
            stuck.push(Stuck { task: id, title: view.full.spec.title, why: format!("{}: {}", blocked.reason, blocked.note), command });
            Ok(true)
        })?;
        let waiting = self.door.look(|snapshot| {
            let (lanes, roster, now) = (snapshot.lanes()?, snapshot.workers()?, snapshot.now().store);
            let patience = self.door.settings().limits.patience;
            let mut waiting = Vec::new();
            for free in snapshot.free(self.scope)?.into_iter().take(LISTED_MAX as usize) {
                let Some(Ok(full)) = snapshot.full(free.example)? else { continue };
                let Some(lane) = lanes.iter().find(|lane| lane.id == free.lane) else { continue };
                let id = free.example;
                let needs = lane.key.needs.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
                let (why, command) = match &lane.key.assignee {
                    Some(name)
                        if roster
                            .iter()
                            .any(|worker| worker.name == *name && worker.belief(now, patience).state == WorkerState::Paused) =>
                    {
                        (format!("it waits for {name}, who is paused"), format!("ganger workers resume {name}"))
                    }
                    Some(name) => (format!("it waits for {name}"), format!("ganger claim --worker {name} --task {id}")),
                    None if !lane.key.runs => {
                        ("it has no command: a person or an agent must do it".to_owned(), format!("ganger claim --worker NAME --task {id}"))
                    }
                    None if needs.is_empty() => ("nobody on the roster takes it".to_owned(), "ganger workers".to_owned()),
                    None => (format!("nobody on the roster can do {needs}"), format!("ganger work --worker NAME --can {needs}")),
                };
                let more = if free.count > 1 { format!(" (and {} more like it)", free.count - 1) } else { String::new() };
                waiting.push(Stuck { task: id, title: full.spec.title, why: format!("{why}{more}"), command });
            }
            Ok(waiting)
        })?;
        stuck.extend(waiting);
        Ok(stuck)
    }

    /// Whether everything that this run was to do is done: completed, or cancelled by a person.
    #[must_use]
    pub fn is_success(&self, standing: &Standing) -> bool {
        let counts = if self.tests { &standing.counts } else { &standing.features };
        counts.all() == counts.of(Status::Completed) + counts.of(Status::Cancelled)
    }
}

/// A worker that will join when its process starts.
fn newcomer(name: &WorkerName) -> Worker {
    Worker {
        name: name.clone(),
        number: 0,
        driver: Driver::Shell,
        agent: None,
        target: None,
        can: Vec::new(),
        thinks: false,
        paused: false,
        limited_until: None,
        lost_at: None,
        registered_at: domain::time::Timestamp(0),
        seen_at: None,
        last_heartbeat_at: None,
        last_claimed_at: None,
        last_completed_at: None,
        turned_at: None,
        runtime_ms: 0,
        holding: 0,
    }
}

/// The local workers that a run wants: those named, else those of the roster that are processes of ours, else one a core.
#[must_use]
pub fn wanted(named: Option<Vec<WorkerName>>, count: Option<u32>, roster: &[Worker]) -> Vec<WorkerName> {
    if let Some(named) = named {
        return named
            .into_iter()
            .filter(|name| !roster.iter().any(|worker| worker.name == *name && worker.driver == Driver::Pull))
            .collect();
    }
    let numbered = |count: u32| (1..=count).filter_map(|number| format!("agent-{number:02}").parse().ok()).collect();
    if let Some(count) = count {
        return numbered(count);
    }
    let ours: Vec<WorkerName> =
        roster.iter().filter(|worker| worker.driver == Driver::Shell && !worker.paused).map(|worker| worker.name.clone()).collect();
    if ours.is_empty() {
        numbered(std::thread::available_parallelism().map_or(2, |cores| u32::try_from(cores.get()).unwrap_or(2)))
    } else {
        ours
    }
}
