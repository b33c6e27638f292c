//! The run: it hands nothing out itself (workers claim), it sees to it that there are workers, that the dead are noticed and the files are
//! current, and it knows when everything is over. It may be killed at any moment; the next one finds things as they are.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use domain::event::Actor;
use domain::id::{Capability, LaneId, PlanId, TaskId, WorkerName};
use domain::report::Report;
use domain::schedule::{Reach, reach};
use domain::task::Status;
use domain::time::StoreTime;
use domain::worker::{Driver, Worker};

use super::monitor::Monitor;
use super::pruner::Pruner;
use super::reporter;
use super::roster::Roster;
use crate::clock::instant;
use crate::error::Result;
use crate::orchestrator::query::Standing;
use crate::orchestrator::{Act, Orchestrator, Order};
use crate::project::Project;
use crate::store::Free;

/// The files are written at most this often while things move.
const FILES_EVERY: Duration = Duration::from_secs(1);

/// How often it is looked for what waits for somebody who is not there.
const LINGERING_EVERY: Duration = Duration::from_secs(1);

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
    lingering_at: Option<Instant>,
    lingering_told: HashSet<LaneId>,
}

/// How things are after a tick.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// How the scope stands.
    pub standing: Standing,
    /// Whether nothing can go on by itself any more.
    pub over: bool,
    /// What waits for somebody who is not there, and was not told before.
    pub lingering: Vec<Lingering>,
}

/// A ready task that waits for the right worker, who is not there, until anybody may have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lingering {
    /// The first of such tasks.
    pub task: TaskId,
    /// How many there are.
    pub count: u32,
    /// Whom or what they wait for.
    pub on: LingersFor,
    /// How long still.
    pub left: Duration,
}

/// What a ready task waits for while nobody takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LingersFor {
    /// A worker who is not on the roster.
    Stranger(WorkerName),
    /// A worker who is on the roster and not there.
    Absent(WorkerName),
    /// Somebody who can do this.
    Needs(Vec<Capability>),
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
            lingering_at: None,
            lingering_told: HashSet::new(),
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

    /// Writes the last files and tells the store that the run ended. Gives the report, which says what waits for a person.
    ///
    /// # Errors
    /// Those of the store and of the files.
    pub fn finish(&self, outcome: &str) -> Result<Report> {
        use domain::event::{EventKind, NewEvent};
        let note = Act::Note(NewEvent::new(EventKind::RunFinished).text("outcome", outcome));
        self.door.apply_one(Order::new(Actor::Orchestrator, note))?;
        Ok(reporter::publish(self.project, self.door, self.scope)?.report)
    }

    /// The local workers.
    pub fn roster(&mut self) -> &mut Roster {
        &mut self.roster
    }

    /// How the scope of the run stands.
    ///
    /// # Errors
    /// Those of the store.
    pub fn standing(&self) -> Result<Standing> {
        self.door.standing(self.scope)
    }

    /// One look at everything.
    ///
    /// # Errors
    /// Those of the store, of the files, and of workers that cannot be started.
    pub fn tick(&mut self) -> Result<Seen> {
        self.monitor.tick(self.project, self.door)?;
        self.pruner.tick(self.door)?;
        let standing = self.standing()?;
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
        let lingering = if over { Vec::new() } else { self.lingering()? };
        Ok(Seen { standing, over, lingering })
    }

    /// What no worker takes at once, and somebody will in a while: said once for all tasks of a kind, since nothing else shows it.
    fn lingering(&mut self) -> Result<Vec<Lingering>> {
        if self.lingering_at.is_some_and(|at| at.elapsed() < LINGERING_EVERY) {
            return Ok(Vec::new());
        }
        self.lingering_at = Some(instant());
        let limits = self.door.settings().limits;
        let told = &self.lingering_told;
        let found = self.door.look(|snapshot| {
            let mut found = Vec::new();
            let (now, roster, lanes) = (snapshot.now().store, snapshot.workers()?, snapshot.lanes()?);
            let hands = self.hands(&roster);
            for free in snapshot.free(self.scope)?.into_iter().filter(|free| !told.contains(&free.lane)) {
                let Some(lane) = lanes.iter().find(|lane| lane.id == free.lane) else { continue };
                let (mut at_last, mut later) = (None, Duration::ZERO);
                let is_taken = hands.iter().any(|worker| match reach(&lane.key, worker, &roster, now, limits) {
                    Reach::Own | Reach::Instead => true,
                    Reach::ReadySince(at) => {
                        at_last = Some(at);
                        false
                    }
                    Reach::NotYet(left) => {
                        at_last = at_last.or(Some(StoreTime(now.0.saturating_sub(domain::time::millis(limits.fallback_after)))));
                        later = later.max(left);
                        false
                    }
                    Reach::Nothing => false,
                });
                let (false, Some(long_ago), Some(Ok(task))) = (is_taken, at_last, snapshot.task(free.example)?) else { continue };
                let left = task.ready_at.since(long_ago).max(later);
                if left.is_zero() {
                    continue;
                }
                let on = match &lane.key.assignee {
                    Some(name) if roster.iter().any(|worker| worker.name == *name) => LingersFor::Absent(name.clone()),
                    Some(name) => LingersFor::Stranger(name.clone()),
                    None => LingersFor::Needs(lane.key.needs.clone()),
                };
                found.push((free.lane, Lingering { task: task.id, count: free.count, on, left }));
            }
            Ok(found)
        })?;
        self.lingering_told.extend(found.iter().map(|(lane, _)| *lane));
        Ok(found.into_iter().map(|(_, lingering)| lingering).collect())
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

/// The local workers that a run wants: those named, else so many that are numbered, else those of the roster that are processes of ours, else
/// one a core. `elsewhere` are the names that work on other machines: a number that is taken there is passed over.
#[must_use]
pub fn wanted(named: Option<Vec<WorkerName>>, count: Option<u32>, roster: &[Worker], elsewhere: &[WorkerName]) -> Vec<WorkerName> {
    if let Some(named) = named {
        return named
            .into_iter()
            .filter(|name| !roster.iter().any(|worker| worker.name == *name && worker.driver == Driver::Pull))
            .collect();
    }
    let numbered = |count: u32| {
        let names = (1..).filter_map(|number: u32| format!("agent-{number:02}").parse().ok());
        names.filter(|name| !elsewhere.contains(name)).take(count as usize).collect()
    };
    if let Some(count) = count {
        return numbered(count);
    }
    let is_ours = |worker: &&Worker| worker.driver == Driver::Shell && !worker.paused && !elsewhere.contains(&worker.name);
    let ours: Vec<WorkerName> = roster.iter().filter(is_ours).map(|worker| worker.name.clone()).collect();
    if ours.is_empty() {
        numbered(std::thread::available_parallelism().map_or(2, |cores| u32::try_from(cores.get()).unwrap_or(2)))
    } else {
        ours
    }
}
