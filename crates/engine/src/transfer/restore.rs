//! Filling an empty store with a project's rows. Whatever a store counts is counted anew from them, and claims are put back: nobody can know
//! whether their workers still live, and no nonce of before counts in this store.

use std::collections::{BTreeMap, HashMap};

use domain::event::{Actor, EventKind, NewEvent};
use domain::id::{Attempt, EventSeq, LaneId, PlanId, TaskId, WorkerName};
use domain::phase::{Counts, Stage, Tally, is_held, stage};
use domain::schedule::LaneKey;
use domain::task::{Kind, Spec, Status, Task, TaskResult, TaskState};
use domain::time::Now;
use domain::worker::Worker;

use crate::audit::plain;
use crate::error::Result;
use crate::orchestrator::lane_key;
use crate::random;
use crate::store::{EventRow, NewRow, PlanRow, Transaction};

/// Values that belong to the store and not to the project.
pub(crate) const OWN_META: [&str; 3] = ["boot", "clock_offset_ms", "epoch"];

/// A task as it is restored. Its lane and its counters are found anew.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub(crate) task: Task,
    pub(crate) spec: Spec,
    pub(crate) after: Vec<TaskId>,
    pub(crate) waits: bool,
    pub(crate) result: Option<TaskResult>,
}

/// What is kept of a restored task until the end.
struct Placed {
    id: TaskId,
    plan: PlanId,
    kind: Kind,
    phase: u32,
    state: Status,
    newest: Option<EventSeq>,
    waiting: u32,
    dead: u32,
}

/// A claim that was put back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PutBack {
    pub(crate) task: TaskId,
    attempt: Attempt,
    worker: WorkerName,
}

/// The restoring of one project, in one transaction.
pub(crate) struct Restorer<'t> {
    tx: &'t dyn Transaction,
    now: Now,
    lanes: HashMap<LaneKey, LaneId>,
    plans: BTreeMap<PlanId, PlanRow>,
    tasks: Vec<Placed>,
    edges: Vec<(TaskId, TaskId)>,
    put_back: Vec<PutBack>,
}

impl<'t> Restorer<'t> {
    /// Begins.
    ///
    /// # Errors
    /// `store_not_empty`, those of the store.
    pub(crate) fn begin(tx: &'t dyn Transaction) -> Result<Self> {
        tx.begin_restore()?;
        tx.put_meta("epoch", &random::hex()?)?;
        let plans = tx.plans()?.into_iter().map(|plan| (plan.id, plan)).collect();
        Ok(Self { tx, now: tx.now(), lanes: HashMap::new(), plans, tasks: Vec::new(), edges: Vec::new(), put_back: Vec::new() })
    }

    /// Restores a plan; its stage is found anew.
    pub(crate) fn plan(&mut self, plan: PlanRow) -> Result<()> {
        self.tx.put_plan(&plan)?;
        self.plans.insert(plan.id, plan);
        Ok(())
    }

    /// Whether a plan is there.
    pub(crate) fn has_plan(&self, id: PlanId) -> bool {
        self.plans.contains_key(&id)
    }

    /// Restores a worker. It holds nothing here; the time that it has worked on what it held counts.
    pub(crate) fn worker(&mut self, mut worker: Worker) -> Result<()> {
        if worker.holding > 0 {
            let worked = worker.turned_at.map_or(0, |at| self.now.store.since(at).as_millis());
            worker.runtime_ms = worker.runtime_ms.saturating_add(u64::try_from(worked).unwrap_or(0));
            worker.turned_at = Some(self.now.store);
            worker.holding = 0;
        }
        self.tx.put_worker(&worker)
    }

    /// Restores a task; a claim on it is put back. Tasks come by id.
    pub(crate) fn task(&mut self, row: Row) -> Result<()> {
        let Row { mut task, spec, after, waits, result } = row;
        let mut put_back = None;
        match &mut task.state {
            TaskState::InProgress(held) => {
                put_back = Some(PutBack { task: task.id, attempt: task.attempt, worker: held.worker.clone() });
                task.avoid = Some(held.worker.clone());
                task.ready_at = self.now.store;
                task.state = TaskState::Pending;
            }
            TaskState::Completed { nonce, .. } => *nonce = None,
            TaskState::Pending | TaskState::Blocked(_) | TaskState::Failed { .. } | TaskState::Cancelled { .. } => {}
        }
        let key = lane_key(&spec, waits);
        task.lane = match self.lanes.get(&key) {
            Some(lane) => *lane,
            None => {
                let lane = self.tx.lane(&key)?;
                self.lanes.insert(key, lane);
                lane
            }
        };
        (task.waiting, task.dead, task.held) = (0, 0, false);
        self.tx.insert(&NewRow { task: &task, spec: &spec, after: &[] })?;
        if let Some(result) = result {
            self.tx.put_result(task.id, &result)?;
        }
        self.put_back.extend(put_back);
        self.edges.extend(after.into_iter().map(|on| (task.id, on)));
        self.tasks.push(Placed {
            id: task.id,
            plan: task.plan,
            kind: task.kind,
            phase: task.phase,
            state: plain(&task.state),
            newest: None,
            waiting: 0,
            dead: 0,
        });
        Ok(())
    }

    fn place(&self, id: TaskId) -> Option<usize> {
        self.tasks.binary_search_by_key(&id, |placed| placed.id).ok()
    }

    /// How a restored task stands, whatever its dependencies do.
    pub(crate) fn state(&self, id: TaskId) -> Option<Status> {
        self.place(id).and_then(|place| self.tasks.get(place)).map(|placed| placed.state)
    }

    /// Adds a dependency between restored tasks.
    pub(crate) fn edge(&mut self, id: TaskId, on: TaskId) {
        self.edges.push((id, on));
    }

    /// The claims that were put back.
    pub(crate) fn put_back(&self) -> &[PutBack] {
        &self.put_back
    }

    /// Restores an event, after all tasks and after those before it.
    pub(crate) fn event(&mut self, mut event: EventRow) -> Result<()> {
        let placed = event.task.and_then(|id| self.place(id)).and_then(|place| self.tasks.get_mut(place));
        event.earlier = placed.and_then(|placed| placed.newest.replace(event.seq));
        self.tx.restore_event(&event)
    }

    /// Says in the journal of each task whose claim was put back that it was, and why; all but those that are told otherwise.
    pub(crate) fn tell_put_back(&self, why: &str, is_told: &dyn Fn(TaskId) -> bool) -> Result<()> {
        for put_back in self.put_back.iter().filter(|put_back| !is_told(put_back.task)) {
            let event = NewEvent {
                task: Some(put_back.task),
                attempt: Some(put_back.attempt),
                worker: Some(put_back.worker.clone()),
                ..NewEvent::new(EventKind::TaskReleased)
            };
            self.tx.append(&event.text("note", why), Actor::Orchestrator)?;
        }
        Ok(())
    }

    /// Writes the dependencies, and everything that is counted.
    pub(crate) fn close(mut self) -> Result<()> {
        for (id, on) in std::mem::take(&mut self.edges) {
            if !self.tx.insert_edge(id, on)? {
                continue;
            }
            let need = self.place(on).and_then(|place| self.tasks.get(place)).map_or(Status::Pending, |placed| placed.state);
            let Some(placed) = self.place(id).and_then(|place| self.tasks.get_mut(place)) else { continue };
            match need {
                Status::Completed => {}
                Status::Failed | Status::Cancelled => (placed.waiting, placed.dead) = (placed.waiting + 1, placed.dead + 1),
                Status::Pending | Status::InProgress | Status::Blocked => placed.waiting += 1,
            }
        }
        let (tallies, stages) = self.tally();
        for placed in &self.tasks {
            let held = placed.is_held(&stages);
            if (placed.waiting, placed.dead, held) != (0, 0, false)
                && let Some(Ok(task)) = self.tx.task(placed.id)?
            {
                self.tx.put_counters(&Task { waiting: placed.waiting, dead: placed.dead, held, ..task })?;
            }
        }
        for (plan, tally) in &tallies {
            self.tx.put_tally(*plan, tally)?;
        }
        for (id, plan) in self.plans {
            let stage = stages.get(&id).copied().unwrap_or_else(|| stage(&[], plan.tests_wanted));
            self.tx.put_plan(&PlanRow { stage, ..plan })?;
        }
        Ok(())
    }

    /// What is counted of each plan, and the stage that this comes to. Its phase follows from how its features stand; that says which of them can
    /// move; that says whether its tests may begin, and so which of those can move.
    fn tally(&self) -> (Vec<(PlanId, Tally)>, BTreeMap<PlanId, Stage>) {
        let mut stages = BTreeMap::new();
        let mut counts: BTreeMap<(PlanId, Kind, u32), Counts> = BTreeMap::new();
        for round in 0..3 {
            counts.clear();
            for placed in &self.tasks {
                let counts = counts.entry((placed.plan, placed.kind, placed.phase)).or_default();
                counts.by_status[placed.status() as usize] += 1;
                counts.moving += u32::from(round > 0 && placed.is_moving(&stages));
            }
            for (id, plan) in &self.plans {
                let of_plan = counts.iter().filter(|((plan, _, _), _)| plan == id);
                let tallies: Vec<Tally> = of_plan.map(|(&(_, kind, phase), &counts)| Tally { phase, kind, counts }).collect();
                if !tallies.is_empty() {
                    stages.insert(*id, stage(&tallies, plan.tests_wanted));
                }
            }
        }
        (counts.into_iter().map(|((plan, kind, phase), counts)| (plan, Tally { phase, kind, counts })).collect(), stages)
    }
}

impl Placed {
    fn status(&self) -> Status {
        if self.state == Status::Pending && self.dead > 0 { Status::Blocked } else { self.state }
    }

    fn is_held(&self, stages: &BTreeMap<PlanId, Stage>) -> bool {
        self.state == Status::Pending && stages.get(&self.plan).is_some_and(|stage| is_held(*stage, self.kind, self.phase))
    }

    fn is_moving(&self, stages: &BTreeMap<PlanId, Stage>) -> bool {
        self.state == Status::Pending && self.waiting == 0 && !self.is_held(stages)
    }
}
