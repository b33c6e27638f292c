//! The books of one transaction: whatever a change of one task moves elsewhere (its worker, the counters of its dependents, the tally
//! and the stage of its plan) is moved here, in the same transaction, for every command alike.

use std::collections::{BTreeMap, HashSet};

use domain::event::{Actor, EventKind, Fact, NewEvent};
use domain::id::{PlanId, TaskId, WorkerName};
use domain::lifecycle::{Change, Command, Decision, transition};
use domain::phase::{Counts, Stage, Tally, is_held, stage};
use domain::schedule::Lane;
use domain::task::{BlockReason, Blocked, Kind, Status, Task, TaskState};
use domain::time::Now;
use domain::worker::{Driver, Worker};

use super::{Orchestrator, Settings};
use crate::error::{Error, Kind as ErrorKind, Result};
use crate::store::{PlanRow, Transaction};

pub(super) struct Book<'t> {
    pub(super) tx: &'t dyn Transaction,
    pub(super) settings: &'t Settings,
    door: &'t Orchestrator,
    pub(super) now: Now,
    workers: BTreeMap<WorkerName, (Worker, bool)>,
    plans: BTreeMap<PlanId, PlanBook>,
    lanes: Option<Vec<Lane>>,
    /// Whether the same orders were tried before and nobody can tell what came of them.
    pub(super) again: bool,
    /// Whether this transaction has looked for claims that are over.
    pub(super) swept: bool,
    /// Tasks that became free to claim in this transaction and still are.
    pub(super) freed: HashSet<TaskId>,
    /// Whether tasks that were free before may be had by other workers now.
    pub(super) shifted: bool,
    /// Workers that lost their claim without asking for it.
    pub(super) bereft: HashSet<WorkerName>,
}

struct PlanBook {
    row: PlanRow,
    tallies: Vec<(Tally, bool)>,
    moved: bool,
}

/// What a dependency is to the tasks behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Open,
    Met,
    Dead,
}

fn need(task: &Task) -> Need {
    match &task.state {
        TaskState::Pending | TaskState::InProgress(_) | TaskState::Blocked(_) => Need::Open,
        TaskState::Completed { .. } => Need::Met,
        TaskState::Failed { .. } | TaskState::Cancelled { .. } => Need::Dead,
    }
}

impl<'t> Book<'t> {
    pub(super) fn new(door: &'t Orchestrator, tx: &'t dyn Transaction) -> Self {
        Self {
            tx,
            settings: &door.settings,
            door,
            now: tx.now(),
            workers: BTreeMap::new(),
            plans: BTreeMap::new(),
            lanes: None,
            again: false,
            swept: false,
            freed: HashSet::new(),
            shifted: false,
            bereft: HashSet::new(),
        }
    }

    /// Whether workers of other machines are on the roster, too.
    pub(super) fn is_shared(&self) -> bool {
        self.door.store().is_shared()
    }

    /// A task that must be there and decode.
    pub(super) fn task(&mut self, id: TaskId) -> Result<Task> {
        match self.tx.task(id)? {
            None => Err(Error::no_task(id)),
            Some(Ok(task)) => Ok(task),
            Some(Err(bad)) => {
                self.set_aside(id, &bad)?;
                Err(Error::new(ErrorKind::Refused, "row_unreadable", format!("the row of {id} does not decode: {}", bad.why))
                    .hint("ganger doctor --strict")
                    .hint("ganger repair"))
            }
        }
    }

    /// Reports a row that does not decode, once, and leaves it out from now on.
    pub(super) fn set_aside(&mut self, id: TaskId, bad: &crate::store::BadRow) -> Result<()> {
        if self.tx.put_unreadable(id)? {
            let event =
                NewEvent::new(EventKind::RowUnreadable).text("table", bad.table).with("row", Fact::Number(bad.key)).text("why", &bad.why);
            self.tx.append(&event, Actor::Orchestrator)?;
            self.door.notice(format!("the row of {id} does not decode and is skipped: {} (ganger doctor --strict)", bad.why));
        }
        Ok(())
    }

    pub(super) fn lanes(&mut self) -> Result<&[Lane]> {
        if self.lanes.is_none() {
            self.lanes = Some(self.tx.lanes()?);
        }
        Ok(self.lanes.as_deref().unwrap_or_default())
    }

    /// The number of a lane, made when it is new.
    pub(super) fn lane(&mut self, key: &domain::schedule::LaneKey) -> Result<domain::id::LaneId> {
        if let Some(lane) = self.lanes()?.iter().find(|lane| lane.key == *key) {
            return Ok(lane.id);
        }
        let id = self.tx.lane(key)?;
        if let Some(lanes) = &mut self.lanes {
            lanes.push(Lane { id, key: key.clone() });
        }
        Ok(id)
    }

    pub(super) fn worker(&mut self, name: &WorkerName) -> Result<Option<&mut Worker>> {
        if !self.workers.contains_key(name) {
            match self.tx.worker(name)? {
                None => return Ok(None),
                Some(worker) => self.workers.insert(name.clone(), (worker, false)),
            };
        }
        Ok(self.workers.get_mut(name).map(|(worker, dirty)| {
            *dirty = true;
            worker
        }))
    }

    /// Everybody on the roster, with what this transaction has changed.
    pub(super) fn roster(&self) -> Result<Vec<Worker>> {
        let mut roster = self.tx.workers()?;
        for (name, (worker, _)) in &self.workers {
            match roster.iter_mut().find(|other| other.name == *name) {
                Some(other) => other.clone_from(worker),
                None => roster.push(worker.clone()),
            }
        }
        Ok(roster)
    }

    /// A worker as it will be on the roster, with the next free number.
    pub(super) fn newcomer(&self, name: &WorkerName, driver: Driver, thinks: bool) -> Result<Worker> {
        let number = self.roster()?.iter().map(|worker| worker.number).max().unwrap_or(0);
        let retired: u32 = self.tx.meta("worker_number")?.and_then(|text| text.parse().ok()).unwrap_or(0);
        let number = number.max(retired).saturating_add(1);
        Ok(Worker {
            name: name.clone(),
            number,
            driver,
            agent: None,
            target: None,
            can: Vec::new(),
            thinks,
            paused: false,
            limited_until: None,
            lost_at: None,
            registered_at: self.now.wall,
            seen_at: None,
            last_heartbeat_at: None,
            last_claimed_at: None,
            last_completed_at: None,
            turned_at: None,
            runtime_ms: 0,
            holding: 0,
        })
    }

    /// Puts a worker on the roster.
    pub(super) fn enlist(&mut self, name: &WorkerName, driver: Driver, thinks: bool, actor: Actor) -> Result<()> {
        let worker = self.newcomer(name, driver, thinks)?;
        self.tx.put_worker(&worker)?;
        let event = NewEvent { worker: Some(name.clone()), ..NewEvent::new(EventKind::WorkerAdded) }.text("driver", driver.as_str());
        self.tx.append(&event, actor)?;
        self.workers.insert(name.clone(), (worker, false));
        Ok(())
    }

    /// Takes a worker off the roster; its number is not used again.
    pub(super) fn dismiss(&mut self, name: &WorkerName, actor: Actor) -> Result<()> {
        if let Some((worker, _)) = self.workers.remove(name) {
            let retired: u32 = self.tx.meta("worker_number")?.and_then(|text| text.parse().ok()).unwrap_or(0);
            self.tx.put_meta("worker_number", &retired.max(worker.number).to_string())?;
        }
        self.tx.remove_worker(name)?;
        self.tx.append(&NewEvent { worker: Some(name.clone()), ..NewEvent::new(EventKind::WorkerRemoved) }, actor)?;
        Ok(())
    }

    /// Decides what a command does to a task, and carries it out with everything that hangs on it. Gives the task as it is then.
    pub(super) fn carry_out(&mut self, task: &Task, command: &Command, actor: Actor) -> Result<Task> {
        let mut rules = self.settings.rules;
        if task.kind == Kind::Test
            && let Some(cycles) = self.tx.meta("cycles")?.and_then(|text| text.parse().ok())
        {
            rules.cycles_max = cycles;
        }
        match transition(task, command, self.now, rules)? {
            Decision::Already => Ok(task.clone()),
            Decision::Change(change) => self.put(&change, actor),
        }
    }

    fn put(&mut self, change: &Change, actor: Actor) -> Result<Task> {
        let (before, mut after) = (change.before(), change.after().clone());
        self.tx.record(change, actor)?;
        self.move_worker(before, &after, actor)?;
        if matches!(after.state, TaskState::Pending) {
            let held = is_held(self.plan(after.plan)?.row.stage, after.kind, after.phase);
            let fix = if change.wants_fix() { self.add_fix(&after)? } else { None };
            if held != after.held || fix.is_some() {
                after.held = held;
                after.waiting += u32::from(fix.is_some());
                self.tx.put_counters(&after)?;
            }
        }
        self.account(Some(before), Some(&after))?;
        self.move_dependents(before, &after)?;
        if need(before) != Need::Met && need(&after) == Need::Met {
            self.unblock_those_behind(after.id)?;
        }
        Ok(after)
    }

    /// The worker's side of a change: what it holds, since when, how long it has worked.
    fn move_worker(&mut self, before: &Task, after: &Task, actor: Actor) -> Result<()> {
        let now = self.now;
        let held_by = |task: &Task| match &task.state {
            TaskState::InProgress(held) => Some((held.worker.clone(), held.nonce)),
            TaskState::Pending
            | TaskState::Completed { .. }
            | TaskState::Blocked(_)
            | TaskState::Failed { .. }
            | TaskState::Cancelled { .. } => None,
        };
        let (was, is) = (held_by(before), held_by(after));
        if let Some((name, _)) = &was
            && was != is
        {
            if actor != Actor::Worker {
                self.bereft.insert(name.clone());
            }
            let completed = matches!(after.state, TaskState::Completed { .. });
            if let Some(worker) = self.worker(name)? {
                let worked = worker.turned_at.map_or(0, |at| now.store.since(at).as_millis());
                worker.runtime_ms = worker.runtime_ms.saturating_add(u64::try_from(worked).unwrap_or(0));
                worker.holding = worker.holding.saturating_sub(1);
                worker.turned_at = Some(now.store);
                if completed {
                    worker.last_completed_at = Some(now.wall);
                }
            }
        }
        if let Some((name, _)) = &is
            && was != is
            && let Some(worker) = self.worker(name)?
        {
            if worker.holding > 0 {
                // Two claims at once: the time so far is worked once.
                let worked = worker.turned_at.map_or(0, |at| now.store.since(at).as_millis());
                worker.runtime_ms = worker.runtime_ms.saturating_add(u64::try_from(worked).unwrap_or(0));
            }
            worker.holding = worker.holding.saturating_add(1);
            worker.turned_at = Some(now.store);
            worker.last_claimed_at = Some(now.wall);
        }
        if actor == Actor::Worker
            && let Some((name, _)) = is.or(was)
        {
            self.seen(&name)?;
        }
        Ok(())
    }

    /// The worker is there.
    pub(super) fn seen(&mut self, name: &WorkerName) -> Result<()> {
        let now = self.now;
        if let Some(worker) = self.worker(name)? {
            worker.seen_at = Some(now.store);
            worker.last_heartbeat_at = Some(now.wall);
            worker.lost_at = None;
        }
        Ok(())
    }

    /// Counters of the tasks behind this one. A counter instead of a look at the siblings: two parents that end at once release the child once (G11).
    fn move_dependents(&mut self, before: &Task, after: &Task) -> Result<()> {
        let (was, is) = (need(before), need(after));
        if was == is {
            return Ok(());
        }
        for child in self.tx.dependents(after.id)? {
            let mut moved = child.clone();
            let shift = |count: u32, was: bool, is: bool| count.saturating_add(u32::from(is)).saturating_sub(u32::from(was));
            moved.waiting = shift(child.waiting, was != Need::Met, is != Need::Met);
            moved.dead = shift(child.dead, was == Need::Dead, is == Need::Dead);
            if planted!("child_never_released") && moved.waiting == 0 {
                continue;
            }
            if moved.waiting == 0 && child.waiting > 0 {
                moved.ready_at = self.now.store;
            }
            self.tx.put_counters(&moved)?;
            self.account(Some(&child), Some(&moved))?;
        }
        Ok(())
    }

    /// What was BLOCKED for want of this task goes on.
    fn unblock_those_behind(&mut self, id: TaskId) -> Result<()> {
        for task in self.tx.blocked_on(id)? {
            if matches!(&task.state, TaskState::Blocked(blocked) if blocked.reason == BlockReason::Dependency) {
                self.carry_out(&task, &Command::Unblock { note: format!("{id} is COMPLETED") }, Actor::Orchestrator)?;
            }
        }
        Ok(())
    }

    /// Nobody may wait for what will never come, or has come already: nothing would end that.
    pub(super) fn may_wait_for(&mut self, task: &Task, command: &Command) -> Result<()> {
        let Command::Block { blocked: Blocked { reason: BlockReason::Dependency, on: Some(on), .. }, .. } = command else { return Ok(()) };
        // A claim that is over is what it would hear of first.
        if matches!(transition(task, command, self.now, self.settings.rules)?, Decision::Already) {
            return Ok(());
        }
        let refused = |message: String| {
            Err(Error::refused("nothing_to_wait_for", message).hint("go on with the task, or block it for another reason"))
        };
        if *on == task.id {
            return refused(format!("{on} cannot wait for itself"));
        }
        match self.task(*on)?.state {
            TaskState::Completed { .. } => refused(format!("{on} is COMPLETED already: {} need not wait for it", task.id)),
            TaskState::Pending
            | TaskState::InProgress(_)
            | TaskState::Blocked(_)
            | TaskState::Failed { .. }
            | TaskState::Cancelled { .. } => Ok(()),
        }
    }

    fn plan(&mut self, id: PlanId) -> Result<&mut PlanBook> {
        if !self.plans.contains_key(&id) {
            let row = self.tx.plan(id)?.ok_or_else(|| Error::bug(format!("plan {} is missing", id.0)))?;
            let tallies = self.tx.tallies(Some(id))?.into_iter().map(|row| (row.tally, false)).collect();
            self.plans.insert(id, PlanBook { row, tallies, moved: false });
        }
        self.plans.get_mut(&id).ok_or_else(|| Error::bug("a plan that was just read is missing"))
    }

    /// What of the plan may begin.
    pub(super) fn stage_of(&mut self, plan: PlanId) -> Result<Stage> {
        Ok(self.plan(plan)?.row.stage)
    }

    /// Moves a task from where it stood in its plan's tally to where it stands now.
    pub(super) fn account(&mut self, before: Option<&Task>, after: Option<&Task>) -> Result<()> {
        let Some(task) = after.or(before) else { return Ok(()) };
        let (was_free, is_free) = (before.is_some_and(Task::is_free), after.is_some_and(Task::is_free));
        if is_free && !was_free {
            self.freed.insert(task.id);
        } else if was_free && !is_free {
            self.freed.remove(&task.id);
        }
        let was = before.map(|task| (task.status(), task.is_moving()));
        let is = after.map(|task| (task.status(), task.is_moving()));
        if was == is {
            return Ok(());
        }
        let (kind, phase) = (task.kind, task.phase);
        let book = self.plan(task.plan)?;
        let index = match book.tallies.iter().position(|(tally, _)| tally.kind == kind && tally.phase == phase) {
            Some(index) => index,
            None => {
                book.tallies.push((Tally { phase, kind, counts: Counts::default() }, true));
                book.tallies.len() - 1
            }
        };
        if let Some((tally, dirty)) = book.tallies.get_mut(index) {
            *dirty = true;
            let counts = &mut tally.counts;
            let mut shift = |place: Option<(Status, bool)>, step: fn(u32) -> u32| {
                if let Some((status, moving)) = place {
                    counts.by_status[status as usize] = step(counts.by_status[status as usize]);
                    if moving {
                        counts.moving = step(counts.moving);
                    }
                }
            };
            shift(was, |n| n.saturating_sub(1));
            shift(is, |n| n.saturating_add(1));
        }
        book.moved |= kind == Kind::Feature;
        Ok(())
    }

    /// Lets the tests of a plan run or holds them back.
    pub(super) fn want_tests(&mut self, plan: PlanId, wanted: bool) -> Result<()> {
        let book = self.plan(plan)?;
        if book.row.tests_wanted != wanted {
            book.row.tests_wanted = wanted;
            book.moved = true;
            let row = book.row.clone();
            self.tx.put_plan(&row)?;
        }
        self.settle()
    }

    /// Replaces a plan's row, for import.
    pub(super) fn put_plan(&mut self, row: PlanRow) -> Result<()> {
        self.tx.put_plan(&row)?;
        self.plans.insert(row.id, PlanBook { row, tallies: Vec::new(), moved: true });
        Ok(())
    }

    /// At the end of each order: what of a plan may begin now, and which tasks that holds back or lets go.
    pub(super) fn settle(&mut self) -> Result<()> {
        let moved: Vec<PlanId> = self.plans.iter().filter(|(_, book)| book.moved).map(|(id, _)| *id).collect();
        for id in moved {
            // Letting a phase go moves its tasks, which can end nothing: two rounds settle it.
            for _ in 0..2 {
                let book = self.plan(id)?;
                book.moved = false;
                let tallies: Vec<Tally> = book.tallies.iter().map(|(tally, _)| *tally).collect();
                let (old, new) = (book.row.stage, stage(&tallies, book.row.tests_wanted));
                if old == new {
                    break;
                }
                book.row.stage = new;
                let row = book.row.clone();
                self.tx.put_plan(&row)?;
                let has_tests = tallies.iter().any(|tally| tally.kind == Kind::Test && tally.counts.open() > 0);
                let has_phases = tallies.iter().filter(|tally| tally.kind == Kind::Feature).count() > 1;
                let old =
                    Stage { phase: if has_phases { old.phase } else { new.phase }, tests: if has_tests { old.tests } else { new.tests } };
                for before in self.tx.misheld(id, old, new)? {
                    let mut after = before.clone();
                    after.held = is_held(new, before.kind, before.phase);
                    after.ready_at = self.now.store;
                    self.tx.put_counters(&after)?;
                    self.account(Some(&before), Some(&after))?;
                }
            }
        }
        Ok(())
    }

    /// Writes what was kept back until the end of the transaction.
    pub(super) fn close(&mut self) -> Result<()> {
        for (worker, dirty) in self.workers.values() {
            if *dirty {
                self.tx.put_worker(worker)?;
            }
        }
        for (id, book) in &self.plans {
            for (tally, dirty) in &book.tallies {
                if *dirty {
                    self.tx.put_tally(*id, tally)?;
                }
            }
        }
        Ok(())
    }
}
