//! Recounts everything that a store keeps a count of, from what it keeps the count of. Whatever a case did, the books must balance (G2).

use std::collections::{BTreeMap, HashMap, HashSet};

use domain::event::EventKind;
use domain::id::{EventSeq, PlanId, TaskId};
use domain::phase::{Counts, Tally, is_held, stage};
use domain::task::{Kind, Status, TaskState};
use engine::error::Result;
use engine::store::{EventRow, Filter, FullTask, PlanTally, Snapshot, Store};

/// Panics at the first count that is wrong.
#[track_caller]
pub(crate) fn audit(store: &dyn Store) {
    Auditor::default().look(store);
}

/// Somebody who looks again and again, and reads of the journal only what is new: what was written there stays.
#[derive(Default)]
pub(crate) struct Auditor {
    events: u64,
    newest: HashMap<TaskId, EventSeq>,
    folded: HashMap<TaskId, Folded>,
}

impl Auditor {
    /// Panics at the first count that is wrong.
    #[track_caller]
    pub(crate) fn look(&mut self, store: &dyn Store) {
        store.read(&mut |snapshot| self.read(snapshot)).unwrap();
    }

    fn read(&mut self, snapshot: &dyn Snapshot) -> Result<()> {
        loop {
            let page = snapshot.events(EventSeq(self.events), 1_000)?;
            if page.is_empty() {
                break;
            }
            page.iter().for_each(|event| self.note(event));
        }
        assert_eq!(snapshot.last_event()?.0, self.events, "events are dense from 1");
        let mut tasks = BTreeMap::new();
        snapshot.list(&Filter::default(), &mut |row| {
            let full = row.expect("a row decodes");
            tasks.insert(full.task.id, full);
            Ok(true)
        })?;
        let books = Books { tasks };
        books.ids(snapshot)?;
        books.dependencies(snapshot)?;
        books.no_cycle();
        for (id, full) in &books.tasks {
            assert_eq!(full.last_event, self.newest.get(id).copied(), "the newest event of {id}");
            self.folded.get(id).unwrap_or_else(|| panic!("{id} was added")).must_be(full);
        }
        books.plans(snapshot)?;
        books.claims(snapshot)
    }

    /// Events are dense from 1, and those of one task are chained.
    fn note(&mut self, event: &EventRow) {
        self.events += 1;
        assert_eq!(event.seq.0, self.events, "events are dense from 1");
        let Some(id) = event.task else {
            assert_eq!(event.earlier, None, "an event about no task has none before it: {event:?}");
            return;
        };
        let before = self.newest.insert(id, event.seq);
        assert_eq!(event.earlier, before, "the chain of {id} at {event:?}");
        self.folded.entry(id).or_default().add(event);
    }
}

struct Books {
    tasks: BTreeMap<TaskId, FullTask>,
}

impl Books {
    fn state(&self, id: TaskId) -> &TaskState {
        &self.tasks.get(&id).unwrap_or_else(|| panic!("{id} exists")).task.state
    }

    fn ids(&self, snapshot: &dyn Snapshot) -> Result<()> {
        let dense = self.tasks.keys().zip(1..).all(|(id, number)| id.0 == number);
        assert!(dense, "ids are sequential: {:?}", self.tasks.keys());
        assert_eq!(snapshot.last_task()? as usize, self.tasks.len());
        assert_eq!(snapshot.unreadable()?, []);
        Ok(())
    }

    fn dependencies(&self, snapshot: &dyn Snapshot) -> Result<()> {
        for (id, full) in &self.tasks {
            let open = full.after.iter().filter(|on| !matches!(self.state(**on), TaskState::Completed { .. })).count();
            let dead: Vec<TaskId> = full
                .after
                .iter()
                .copied()
                .filter(|on| matches!(self.state(*on), TaskState::Failed { .. } | TaskState::Cancelled { .. }))
                .collect();
            assert_eq!(full.task.waiting as usize, open, "waiting of {id}");
            assert_eq!(full.task.dead as usize, dead.len(), "dead of {id}");
            if !dead.is_empty() {
                assert_eq!(snapshot.dead_needs(*id)?, dead, "which dependencies of {id} are dead");
                assert_eq!(snapshot.needs_of(*id)?, full.after, "what {id} depends on");
            }
        }
        Ok(())
    }

    fn no_cycle(&self) {
        let mut done: HashSet<TaskId> = HashSet::new();
        loop {
            let free = |full: &FullTask| full.after.iter().all(|on| done.contains(on));
            let next: Vec<TaskId> = self.tasks.values().filter(|full| free(full)).map(|full| full.task.id).collect();
            if next.len() == done.len() {
                break;
            }
            done.extend(next);
        }
        assert_eq!(done.len(), self.tasks.len(), "no task waits for itself");
    }

    fn plans(&self, snapshot: &dyn Snapshot) -> Result<()> {
        let mut counted: HashMap<(PlanId, Kind, u32), Counts> = HashMap::new();
        for full in self.tasks.values() {
            let task = &full.task;
            let counts = counted.entry((task.plan, task.kind, task.phase)).or_default();
            counts.by_status[task.status() as usize] += 1;
            counts.moving += u32::from(task.is_moving());
        }
        let kept: Vec<PlanTally> = snapshot.tallies(None)?;
        for PlanTally { plan, tally } in &kept {
            let fresh = counted.remove(&(*plan, tally.kind, tally.phase)).unwrap_or_default();
            assert_eq!(tally.counts, fresh, "the tally of plan {}, {}, phase {}", plan.0, tally.kind, tally.phase);
        }
        assert!(counted.is_empty(), "tallies are missing: {counted:?}");
        for plan in snapshot.plans()? {
            let tallies: Vec<Tally> = kept.iter().filter(|row| row.plan == plan.id).map(|row| row.tally).collect();
            assert_eq!(snapshot.tallies(Some(plan.id))?.len(), tallies.len());
            if !tallies.is_empty() {
                assert_eq!(plan.stage, stage(&tallies, plan.tests_wanted), "the stage of plan {}", plan.id.0);
            }
            for task in self.tasks.values().map(|full| &full.task).filter(|task| task.plan == plan.id) {
                if task.state == TaskState::Pending {
                    assert_eq!(task.held, is_held(plan.stage, task.kind, task.phase), "held of {}", task.id);
                }
            }
        }
        Ok(())
    }

    fn claims(&self, snapshot: &dyn Snapshot) -> Result<()> {
        let mut holding: BTreeMap<&str, u32> = BTreeMap::new();
        let mut live = Vec::new();
        for (id, full) in &self.tasks {
            if let TaskState::InProgress(held) = &full.task.state {
                *holding.entry(held.worker.as_str()).or_default() += 1;
                live.push(*id);
            }
        }
        let told: Vec<TaskId> = snapshot.live()?.iter().map(|task| task.id).collect();
        assert_eq!(told, live, "the open claims");
        let workers = snapshot.workers()?;
        for worker in &workers {
            assert_eq!(worker.holding, holding.remove(worker.name.as_str()).unwrap_or(0), "what {} holds", worker.name);
        }
        assert!(holding.is_empty(), "held by workers that are not on the roster: {holding:?}");
        let numbers: HashSet<u32> = workers.iter().map(|worker| worker.number).collect();
        assert_eq!(numbers.len(), workers.len(), "every worker has a number of its own");
        Ok(())
    }
}

/// What the events of one task come to.
#[derive(Default)]
struct Folded {
    status: Option<Status>,
    claims: u32,
    failures: u32,
    crashes: u32,
    edited: bool,
}

impl Folded {
    /// The state is what the events come to, and the counts of a task follow from them.
    fn must_be(&self, full: &FullTask) {
        let (task, id) = (&full.task, full.task.id);
        let state = match &task.state {
            TaskState::Pending => Status::Pending,
            TaskState::Blocked(_) => Status::Blocked,
            TaskState::InProgress(_) | TaskState::Completed { .. } | TaskState::Failed { .. } | TaskState::Cancelled { .. } => {
                task.status()
            }
        };
        assert_eq!(self.status, Some(state), "the state of {id} is what its events come to");
        assert_eq!((task.attempt.0, task.crashes), (self.claims, self.crashes), "attempt and crashes of {id}");
        let exact = task.kind != Kind::Test && !self.edited;
        assert!(if exact { task.failures == self.failures } else { task.failures <= self.failures }, "failures of {id}");
        assert!(task.failures <= task.attempts_max, "failures of {id} are bounded");
        let begun = matches!(task.state, TaskState::InProgress(_) | TaskState::Completed { .. });
        assert!(!begun || task.waiting == 0, "{id} was claimed while it waited");
    }

    fn add(&mut self, event: &EventRow) {
        let data: serde_json::Value = serde_json::from_str(&event.data).unwrap();
        let is_final = data["final"].as_bool().unwrap_or(false);
        let is_held = self.status == Some(Status::InProgress);
        self.edited |= event.kind == EventKind::TaskEdited;
        self.status = match event.kind {
            EventKind::TaskAdded => {
                assert_eq!(self.status, None, "added twice: {event:?}");
                Some(Status::Pending)
            }
            EventKind::TaskClaimed => {
                assert_eq!(self.status, Some(Status::Pending), "claimed while not pending: {event:?}");
                self.claims += 1;
                assert_eq!(event.attempt.map(|attempt| attempt.0), Some(self.claims), "the attempt of {event:?}");
                Some(Status::InProgress)
            }
            EventKind::TaskCompleted => Some(Status::Completed),
            EventKind::TaskFailed => {
                let counted = data["reason"] != "quarantined";
                self.failures += u32::from(counted);
                Some(if is_final { Status::Failed } else { Status::Pending })
            }
            EventKind::TaskBlocked => Some(Status::Blocked),
            EventKind::TaskReleased | EventKind::TaskUnblocked => Some(Status::Pending),
            EventKind::TaskExpired => {
                self.crashes += u32::from(data["reason"] != "timeout");
                Some(Status::Pending)
            }
            EventKind::TaskRetried => {
                if data["reason"] != "cycle" {
                    (self.failures, self.crashes) = (0, 0);
                }
                Some(Status::Pending)
            }
            EventKind::TaskCancelled => Some(Status::Cancelled),
            EventKind::TaskEdited | EventKind::TaskStarted | EventKind::CheckPassed | EventKind::CheckFailed | EventKind::TaskFellBack => self.status,
            EventKind::WorkerAdded
            | EventKind::WorkerLost
            | EventKind::WorkerLimited
            | EventKind::WorkerRemoved
            | EventKind::PromptDelivered
            | EventKind::PromptUnconfirmed
            | EventKind::MessagePosted
            | EventKind::BoardEditApplied
            | EventKind::BoardEditRefused
            | EventKind::RunStarted
            | EventKind::RunFinished
            | EventKind::PlanImported
            | EventKind::WorkerPaused
            | EventKind::WorkerResumed
            | EventKind::RowUnreadable
            | EventKind::ProjectImported
            // Repaired stores have an auditor of their own.
            | EventKind::TaskRestored
            | EventKind::ProjectRepaired => self.status,
        };
        let by_holder = matches!(
            event.kind,
            EventKind::TaskCompleted | EventKind::TaskFailed | EventKind::TaskBlocked | EventKind::TaskReleased | EventKind::TaskExpired
        );
        // An expiry that fails the task tells both, one after the other.
        let told_before = event.kind == EventKind::TaskFailed && (data["reason"] == "timeout" || data["reason"] == "quarantined");
        assert!(!by_holder || is_held || told_before, "ended without a claim: {event:?}");
    }
}
