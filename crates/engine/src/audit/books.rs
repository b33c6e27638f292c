//! Everything that a store keeps a count of, counted anew from what it keeps the count of.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use domain::dependency::Graph;
use domain::id::{LaneId, PlanId, TaskId};
use domain::phase::{Counts, Tally, is_held, stage};
use domain::schedule::LaneKey;
use domain::task::{CRASHES_MAX, Kind, Status, TaskState};
use domain::worker::Worker;

use super::Report;
use super::journal::Told;
use crate::error::Result;
use crate::orchestrator::lane_key;
use crate::store::{BadRow, Filter, FullTask, PlanRow, PlanTally, Snapshot};

/// How many missing ids in a row are asked for one by one.
const PROBED_MAX: u32 = 100;
/// How many cycles are told.
const CYCLES_MAX: usize = 5;

/// A text as a number, so that texts can be compared without being kept.
pub(crate) fn mark(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// What the checks need of a task.
pub(crate) struct Known {
    pub(super) id: TaskId,
    plan: PlanId,
    phase: u32,
    kind: Kind,
    /// How its row says it stands, whatever its dependencies do.
    pub(super) state: Status,
    held: bool,
    waiting: u32,
    dead: u32,
    tests: Option<TaskId>,
    on: Option<TaskId>,
    pub(super) attempt: u32,
    pub(super) last_event: u64,
    pub(super) holder: Option<u64>,
    pub(super) title: u64,
    pub(super) created_at: i64,
    pub(super) claimed_at: Option<i64>,
    pub(super) ended_at: Option<i64>,
    pub(super) told: Told,
}

/// How a state reads, whatever the dependencies do.
pub(crate) fn plain(state: &TaskState) -> Status {
    match state {
        TaskState::Pending => Status::Pending,
        TaskState::InProgress(_) => Status::InProgress,
        TaskState::Completed { .. } => Status::Completed,
        TaskState::Blocked(_) => Status::Blocked,
        TaskState::Failed { .. } => Status::Failed,
        TaskState::Cancelled { .. } => Status::Cancelled,
    }
}

impl Known {
    pub(super) fn of(full: &FullTask) -> Self {
        let task = &full.task;
        let (holder, ended_at, on) = match &task.state {
            TaskState::Pending => (None, None, None),
            TaskState::InProgress(held) => (Some(mark(held.worker.as_str())), None, None),
            TaskState::Completed { at, .. } | TaskState::Failed { at } | TaskState::Cancelled { at } => (None, Some(at.0), None),
            TaskState::Blocked(blocked) => (None, None, blocked.on),
        };
        Self {
            id: task.id,
            plan: task.plan,
            phase: task.phase,
            kind: task.kind,
            state: plain(&task.state),
            held: task.held,
            waiting: task.waiting,
            dead: task.dead,
            tests: task.tests,
            on,
            attempt: task.attempt.0,
            last_event: full.last_event.map_or(0, |seq| seq.0),
            holder,
            title: mark(&full.spec.title),
            created_at: task.created_at.0,
            claimed_at: task.claimed.as_ref().map(|(at, _)| at.0),
            ended_at,
            told: Told::default(),
        }
    }

    fn status(&self) -> Status {
        if self.state == Status::Pending && self.dead > 0 { Status::Blocked } else { self.state }
    }

    fn is_moving(&self) -> bool {
        self.state == Status::InProgress || (self.state == Status::Pending && self.waiting == 0 && !self.held)
    }
}

/// The place of a task in a list that is sorted by id.
pub(super) fn place(tasks: &[Known], id: TaskId) -> Option<usize> {
    let guess = (id.0 as usize).wrapping_sub(1);
    if tasks.get(guess).is_some_and(|known| known.id == id) {
        return Some(guess);
    }
    tasks.binary_search_by_key(&id, |known| known.id).ok()
}

/// What was read of a store.
pub(super) struct Books {
    pub(super) tasks: Vec<Known>,
    /// Tasks that are there and do not decode: nothing more is said of them, nor counted against others.
    pub(super) bad: BTreeSet<TaskId>,
    edges: Vec<(TaskId, TaskId)>,
    workers: Vec<Worker>,
    plans: Vec<PlanRow>,
    tallies: Vec<PlanTally>,
    holding: HashMap<u64, u32>,
}

impl Books {
    /// Reads everything but the journal; `None` when too little can be read to compare anything.
    pub(super) fn open(snapshot: &dyn Snapshot, report: &mut Report) -> Result<Option<Self>> {
        if report.ask(snapshot.meta("epoch"))?.is_some_and(|epoch| epoch.is_none_or(|epoch| epoch.len() != 32)) {
            report.wrong("no_epoch", "the store does not say which epoch it is of".to_owned());
        }
        let (plans, lanes) = (report.ask(snapshot.plans())?, report.ask(snapshot.lanes())?);
        let (workers, tallies) = (report.ask(snapshot.workers())?, report.ask(snapshot.tallies(None))?);
        let mut books = Self {
            tasks: Vec::new(),
            bad: BTreeSet::new(),
            edges: Vec::new(),
            workers: workers.unwrap_or_default(),
            plans: plans.unwrap_or_default(),
            tallies: tallies.unwrap_or_default(),
            holding: HashMap::new(),
        };
        report.looked_at("plans", books.plans.len());
        report.looked_at("workers", books.workers.len());
        let is_whole = report.findings().iter().all(|finding| finding.code != "damaged");
        let lanes: HashMap<LaneId, LaneKey> = lanes.unwrap_or_default().into_iter().map(|lane| (lane.id, lane.key)).collect();
        report.looked_at("lanes", lanes.len());
        let listed = snapshot.list(&Filter::default(), &mut |row| {
            books.row(snapshot, row, &lanes, report)?;
            Ok(true)
        });
        let listed = report.ask(listed)?.is_some();
        if let Some(last) = report.ask(snapshot.last_task())? {
            books.gap(snapshot, TaskId(last.saturating_add(1)), report)?;
        }
        report.looked_at("tasks", books.tasks.len());
        report.looked_at("edges", books.edges.len());
        Ok((listed && is_whole).then_some(books))
    }

    fn row(
        &mut self,
        snapshot: &dyn Snapshot,
        row: Result<FullTask, BadRow>,
        lanes: &HashMap<LaneId, LaneKey>,
        report: &mut Report,
    ) -> Result<()> {
        let full = match row {
            Ok(full) => full,
            Err(bad) => {
                let id = TaskId(u32::try_from(bad.key).unwrap_or(0));
                self.gap(snapshot, id, report)?;
                report.wrong("row_unreadable", format!("the row of {id} does not decode: {}", bad.why));
                self.bad.insert(id);
                return Ok(());
            }
        };
        let task = &full.task;
        let id = task.id;
        self.gap(snapshot, id, report)?;
        if task.failures > task.attempts_max || task.crashes > CRASHES_MAX {
            let (failures, max, crashes) = (task.failures, task.attempts_max, task.crashes);
            report.wrong(
                "count_out_of_bounds",
                format!("{id} has failed {failures} of {max} times, and was lost {crashes} of {CRASHES_MAX} times"),
            );
        }
        match lanes.get(&task.lane) {
            None => report.wrong("dangling", format!("the lane of {id} is not there")),
            Some(key) if *key != lane_key(&full.spec, key.waits) => {
                report.wrong("lane_wrong", format!("{id} is in a lane for others than those who can do it"));
            }
            Some(_) => {}
        }
        if let TaskState::InProgress(held) = &task.state {
            *self.holding.entry(mark(held.worker.as_str())).or_insert(0) += 1;
            if !self.workers.iter().any(|worker| worker.name == held.worker) {
                report.wrong("holder_unknown", format!("{id} is held by {}, who is not on the roster", held.worker));
            }
        }
        self.edges.extend(full.after.iter().map(|on| (id, *on)));
        self.tasks.push(Known::of(&full));
        Ok(())
    }

    /// Looks at the ids between the last task and this one.
    fn gap(&mut self, snapshot: &dyn Snapshot, id: TaskId, report: &mut Report) -> Result<()> {
        let last = self.tasks.last().map_or(0, |known| known.id.0).max(self.bad.last().map_or(0, |id| id.0));
        let missing = last.saturating_add(1)..id.0;
        for id in missing.clone().take(PROBED_MAX as usize).map(TaskId) {
            match report.ask(snapshot.task(id))? {
                Some(None) => report.wrong("task_missing", format!("there is no {id}, and later tasks are there")),
                Some(Some(Ok(_))) => {
                    report.wrong("spec_missing", format!("nothing says what {id} asks for"));
                    self.bad.insert(id);
                }
                Some(Some(Err(bad))) => {
                    report.wrong("row_unreadable", format!("the row of {id} does not decode: {}", bad.why));
                    self.bad.insert(id);
                }
                None => {
                    self.bad.insert(id);
                }
            }
        }
        if missing.len() > PROBED_MAX as usize {
            report.wrong("task_missing", format!("there are no tasks between {} and {id}", TaskId(last)));
        }
        Ok(())
    }

    fn is_there(&self, id: TaskId) -> bool {
        place(&self.tasks, id).is_some() || self.bad.contains(&id)
    }

    /// Compares what was read.
    pub(super) fn check(&self, report: &mut Report) {
        self.references(report);
        self.cycles(report);
        self.counters(report);
        self.claims(report);
        if self.bad.is_empty() {
            self.tallied(report);
        }
        for known in &self.tasks {
            known.told.check(known, report);
        }
    }

    fn references(&self, report: &mut Report) {
        let plans: BTreeSet<PlanId> = self.plans.iter().map(|plan| plan.id).collect();
        for known in &self.tasks {
            if !plans.contains(&known.plan) {
                report.wrong("dangling", format!("{} is of plan {}, which is not there", known.id, known.plan.0));
            }
            for (what, id) in [("is about", known.tests), ("waits for", known.on)] {
                if let Some(id) = id.filter(|id| !self.is_there(*id)) {
                    report.wrong("dangling", format!("{} {what} {id}, which is not there", known.id));
                }
            }
        }
        for (id, on) in self.edges.iter().filter(|(_, on)| !self.is_there(*on)) {
            report.wrong("dangling", format!("{id} depends on {on}, which is not there"));
        }
        for plan in &self.plans {
            if let Some((first, last)) = plan.tasks
                && (first > last || !self.is_there(first) || !self.is_there(last))
            {
                report.wrong("dangling", format!("plan {} names its tasks {first} to {last}, which are not there", plan.id.0));
            }
        }
    }

    fn cycles(&self, report: &mut Report) {
        let mut graph = Graph::new(self.tasks.len());
        for (id, on) in &self.edges {
            if let (Some(task), Some(on)) = (place(&self.tasks, *id), place(&self.tasks, *on)) {
                graph.add(task, on);
            }
        }
        for cycle in graph.cycles(CYCLES_MAX) {
            let path: Vec<String> =
                cycle.iter().take(10).filter_map(|&place| self.tasks.get(place)).map(|known| known.id.to_string()).collect();
            report.wrong("cycle", format!("tasks wait for each other: {}{}", path.join(" → "), if cycle.len() > 10 { " → …" } else { "" }));
        }
    }

    /// `waiting`, `dead` and `held`.
    fn counters(&self, report: &mut Report) {
        let mut counted = vec![(0_u32, 0_u32, true); self.tasks.len()];
        for (id, on) in &self.edges {
            let Some(count) = place(&self.tasks, *id).and_then(|place| counted.get_mut(place)) else { continue };
            match place(&self.tasks, *on).and_then(|place| self.tasks.get(place)).map(|known| known.state) {
                None => count.2 = false,
                Some(Status::Completed) => {}
                Some(Status::Failed | Status::Cancelled) => (count.0, count.1) = (count.0 + 1, count.1 + 1),
                Some(Status::Pending | Status::InProgress | Status::Blocked) => count.0 += 1,
            }
        }
        for (known, (waiting, dead, sure)) in self.tasks.iter().zip(counted) {
            if sure && (known.waiting, known.dead) != (waiting, dead) {
                let kept = format!("{} and {}", known.waiting, known.dead);
                report
                    .wrong("counter_wrong", format!("{} counts {kept} open and dead dependencies, and has {waiting} and {dead}", known.id));
            }
            if sure && waiting > 0 && matches!(known.state, Status::InProgress | Status::Completed) {
                report.wrong("started_early", format!("{} is {}, and {waiting} of its dependencies are not", known.id, known.state));
            }
            let plan = self.plans.iter().find(|plan| plan.id == known.plan);
            if known.state == Status::Pending && plan.is_some_and(|plan| is_held(plan.stage, known.kind, known.phase) != known.held) {
                let held = if known.held { "is held back, and its plan's stage lets it go" } else { "is let go before its plan's stage" };
                report.wrong("counter_wrong", format!("{} {held}", known.id));
            }
        }
    }

    fn claims(&self, report: &mut Report) {
        for worker in &self.workers {
            let holds = self.holding.get(&mark(worker.name.as_str())).copied().unwrap_or(0);
            if self.bad.is_empty() && worker.holding != holds {
                report.wrong(
                    "holding_wrong",
                    format!("{} counts {} and holds {holds}", worker.name, domain::text::counted(worker.holding, "claim")),
                );
            }
        }
    }

    /// Tallies and stages.
    fn tallied(&self, report: &mut Report) {
        let mut counted: BTreeMap<(PlanId, Kind, u32), Counts> = BTreeMap::new();
        for known in &self.tasks {
            let counts = counted.entry((known.plan, known.kind, known.phase)).or_default();
            counts.by_status[known.status() as usize] += 1;
            counts.moving += u32::from(known.is_moving());
        }
        let mut missing = counted.clone();
        for PlanTally { plan, tally } in &self.tallies {
            if missing.remove(&(*plan, tally.kind, tally.phase)).unwrap_or_default() != tally.counts {
                report.wrong(
                    "tally_wrong",
                    format!("the counts of plan {}, {}, phase {} are not those of its tasks", plan.0, tally.kind, tally.phase),
                );
            }
        }
        for (plan, kind, phase) in missing.keys() {
            report.wrong("tally_wrong", format!("nothing counts the tasks of plan {}, {kind}, phase {phase}", plan.0));
        }
        for plan in &self.plans {
            let tallies: Vec<Tally> = counted
                .iter()
                .filter(|((id, _, _), _)| *id == plan.id)
                .map(|(&(_, kind, phase), &counts)| Tally { phase, kind, counts })
                .collect();
            if !tallies.is_empty() && plan.stage != stage(&tallies, plan.tests_wanted) {
                report.wrong("stage_wrong", format!("plan {} is not at the stage that its tasks have reached", plan.id.0));
            }
        }
    }
}
