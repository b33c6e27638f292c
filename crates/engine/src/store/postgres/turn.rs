//! A transaction that writes. The turn is ours alone, so what was read once stays as it is until we change it: this one keeps what it has
//! read and what it will write, and sends the writes, many rows a statement, when something must be asked that it does not know, and at the
//! end. Ordinary orders know everything from the first answer on: two trips over the network, whatever is decided in between.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap, HashSet};

use domain::event::{Actor, EventKind, NewEvent};
use domain::id::{EventSeq, LaneId, PlanId, RequestId, TaskId, WorkerName};
use domain::lifecycle::Change;
use domain::phase::{Stage, Tally};
use domain::schedule::{Lane, LaneKey, Rank};
use domain::task::{Spec, Task, TaskResult, TaskState};
use domain::time::{Now, StoreTime, Timestamp};
use domain::worker::Worker;

use super::columns::{EventColumns, Record, TallyColumns, TaskColumns, WorkerColumns};
use super::read::{self, Rows, select_full, select_task, select_workers};
use super::session::values;
use crate::error::Result;
use crate::store::rows;
use crate::store::{BadRow, EventRow, Expected, Filter, Free, FullTask, NewRow, PlanRow, PlanTally, Snapshot, TopFilter, Transaction};

/// What is known of a task.
pub(super) struct Known {
    pub(super) task: Task,
    pub(super) last_event: i64,
    /// The rest of it, where that was read and has not changed since.
    pub(super) rest: Option<Rest>,
    is_dirty: bool,
}

/// What a task has beside its state.
#[derive(Clone)]
pub(super) struct Rest {
    pub(super) spec: Spec,
    pub(super) after: Vec<TaskId>,
    pub(super) result: Option<TaskResult>,
}

impl Known {
    pub(super) fn of(full: FullTask) -> Self {
        let FullTask { task, spec, after, result, last_event } = full;
        let last_event = last_event.map_or(0, |seq| i64::try_from(seq.0).unwrap_or(i64::MAX));
        Self { task, last_event, rest: Some(Rest { spec, after, result }), is_dirty: false }
    }

    pub(super) fn bare(task: Task, last_event: i64) -> Self {
        Self { task, last_event, rest: None, is_dirty: false }
    }
}

/// What was fetched before the work began, and what it has changed since.
#[derive(Default)]
pub(super) struct Ledger {
    pub(super) tasks: HashMap<TaskId, Known>,
    /// All that depends on a task, by id.
    pub(super) dependents: HashMap<TaskId, Vec<TaskId>>,
    pub(super) lanes: Option<Vec<Lane>>,
    /// How far the ready tasks of a lane are known: all of them, or up to a rank.
    pub(super) ready: HashMap<LaneId, Option<Rank>>,
    pub(super) due: Option<Vec<TaskId>>,
    /// What BLOCKED tasks named as what they wait for when the turn began; `None` when those are too many.
    pub(super) awaited: Option<HashSet<TaskId>>,
    pub(super) workers: HashMap<WorkerName, Option<Worker>>,
    pub(super) plans: HashMap<PlanId, PlanRow>,
    pub(super) tallies: HashMap<PlanId, Vec<PlanTally>>,
    pub(super) requests: HashMap<RequestId, Option<String>>,
    inserted: Vec<TaskId>,
    edges: Vec<(TaskId, TaskId)>,
    dirty: Vec<TaskId>,
    dirty_workers: HashSet<WorkerName>,
    dirty_tallies: BTreeMap<(u32, i64, u32), Tally>,
    events: EventColumns,
    results: Vec<(TaskId, String)>,
    durations: BTreeMap<i64, i64>,
    answers: Vec<(RequestId, String)>,
}

/// The transaction.
pub(super) struct Turn<'s> {
    pub(super) rows: Rows<'s>,
    pub(super) ledger: RefCell<Ledger>,
    /// The newest event: whoever writes is alone, so it need not ask again.
    pub(super) newest: Cell<i64>,
}

fn wide(id: TaskId) -> i64 {
    i64::from(id.0)
}

impl Turn<'_> {
    /// Sends everything that is to be written. What comes of it is known at the next question, or at the end.
    pub(super) fn flush(&self) -> Result<()> {
        let ledger = &mut *self.ledger.borrow_mut();
        if !ledger.inserted.is_empty() {
            let inserted = std::mem::take(&mut ledger.inserted);
            let mut columns = TaskColumns::default();
            let (mut ids, mut titles, mut more) = (Vec::new(), Vec::new(), Vec::new());
            for id in &inserted {
                let Some(known) = ledger.tasks.get_mut(id) else { continue };
                known.is_dirty = false;
                columns.push(&known.task, known.last_event);
                if let Some(rest) = &known.rest {
                    ids.push(wide(*id));
                    titles.push(rest.spec.title.clone());
                    more.push(rows::spec_to_json(&rest.spec));
                }
            }
            let inserted: HashSet<TaskId> = inserted.into_iter().collect();
            ledger.dirty.retain(|id| !inserted.contains(id));
            self.rows.run(TaskColumns::INSERT, columns.values())?;
            self.rows.run(
                "INSERT INTO specs (task, title, more) SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[])",
                values![ids, titles, more],
            )?;
        }
        if !ledger.edges.is_empty() {
            let (tasks, needs): (Vec<i64>, Vec<i64>) =
                std::mem::take(&mut ledger.edges).iter().map(|(task, needs)| (wide(*task), wide(*needs))).unzip();
            self.rows.run(
                "INSERT INTO edges (task, needs) SELECT * FROM unnest($1::bigint[], $2::bigint[]) ON CONFLICT DO NOTHING",
                values![tasks, needs],
            )?;
        }
        if !ledger.dirty.is_empty() || !ledger.events.is_empty() || !ledger.dirty_workers.is_empty() || !ledger.dirty_tallies.is_empty() {
            let mut record = Record {
                tasks: TaskColumns::default(),
                events: std::mem::take(&mut ledger.events),
                workers: WorkerColumns::default(),
                tallies: TallyColumns::default(),
            };
            for id in std::mem::take(&mut ledger.dirty) {
                if let Some(known) = ledger.tasks.get_mut(&id).filter(|known| known.is_dirty) {
                    known.is_dirty = false;
                    record.tasks.push(&known.task, known.last_event);
                }
            }
            for name in std::mem::take(&mut ledger.dirty_workers) {
                if let Some(Some(worker)) = ledger.workers.get(&name) {
                    record.workers.push(worker);
                }
            }
            for ((plan, ..), tally) in std::mem::take(&mut ledger.dirty_tallies) {
                record.tallies.push(plan, &tally);
            }
            self.rows.run(Record::SQL, record.values())?;
        }
        if !ledger.results.is_empty() {
            // The last one counts, and one statement may not write a row twice.
            let results: BTreeMap<i64, String> =
                std::mem::take(&mut ledger.results).into_iter().map(|(id, text)| (wide(id), text)).collect();
            let (ids, texts): (Vec<i64>, Vec<String>) = results.into_iter().unzip();
            self.rows.run(
                "INSERT INTO results SELECT * FROM unnest($1::bigint[], $2::text[]) ON CONFLICT (task) DO UPDATE SET result = excluded.result",
                values![ids, texts],
            )?;
        }
        if !ledger.durations.is_empty() {
            let (keys, times): (Vec<i64>, Vec<i64>) = std::mem::take(&mut ledger.durations).into_iter().unzip();
            self.rows.run(
                "INSERT INTO durations SELECT * FROM unnest($1::bigint[], $2::bigint[]) ON CONFLICT (key) DO UPDATE SET ms = excluded.ms",
                values![keys, times],
            )?;
        }
        if !ledger.answers.is_empty() {
            let (ids, answers): (Vec<String>, Vec<String>) =
                std::mem::take(&mut ledger.answers).into_iter().map(|(id, answer)| (id.as_str().to_owned(), answer)).unzip();
            self.rows.run(
                "INSERT INTO requests (id, at, answer) SELECT id, $2, answer FROM unnest($1::text[], $3::text[]) AS r (id, answer)",
                values![ids, self.rows.now.wall.0, answers],
            )?;
        }
        Ok(())
    }

    /// The rows as they are after everything that was written.
    fn asked(&self) -> Result<&Rows<'_>> {
        self.flush()?;
        Ok(&self.rows)
    }

    /// Runs `change` on what is known of a task, reading it first where it is not known.
    fn change<T>(&self, task: &Task, change: impl FnOnce(&mut Known) -> T) -> Result<T> {
        let id = task.id;
        if !self.ledger.borrow().tasks.contains_key(&id) {
            let last_event = self.rows.last_event_of(id)?;
            self.ledger.borrow_mut().tasks.insert(id, Known::bare(task.clone(), last_event));
        }
        let ledger = &mut *self.ledger.borrow_mut();
        let known = ledger.tasks.get_mut(&id).ok_or_else(|| crate::error::Error::bug("a task that was just noted is missing"))?;
        let made = change(known);
        if !known.is_dirty {
            known.is_dirty = true;
            ledger.dirty.push(id);
        }
        Ok(made)
    }

    /// Keeps what was read, and gives the tasks as they are.
    fn learn(&self, found: Vec<(Task, i64)>) -> Vec<Task> {
        let ledger = &mut *self.ledger.borrow_mut();
        found
            .into_iter()
            .map(|(task, last_event)| ledger.tasks.entry(task.id).or_insert_with(|| Known::bare(task, last_event)).task.clone())
            .collect()
    }

    /// Notes an event and gives its position. Positions are dense because the turn is ours until the end (T11).
    fn note(&self, event: &NewEvent, actor: Actor, earlier: Option<i64>) -> i64 {
        let seq = self.newest.get() + 1;
        self.newest.set(seq);
        self.ledger.borrow_mut().events.push(seq, self.rows.now.wall.0, event, actor, earlier);
        seq
    }
}

/// Whether a free task passes what a claim asks for.
fn passes(task: &Task, filter: &TopFilter<'_>) -> bool {
    task.is_ready(filter.now)
        && filter.ready_since.is_none_or(|since| task.ready_at <= since)
        && (filter.not_back_from.is_none() || task.avoid.as_ref() != filter.not_back_from)
}

fn rank(task: &Task) -> Rank {
    Rank { phase: task.phase, priority: task.priority, path: std::cmp::Reverse(task.path_ms), id: task.id }
}

impl Snapshot for Turn<'_> {
    fn now(&self) -> Now {
        self.rows.now
    }

    fn task(&self, id: TaskId) -> Result<Option<std::result::Result<Task, BadRow>>> {
        if let Some(known) = self.ledger.borrow().tasks.get(&id) {
            return Ok(Some(Ok(known.task.clone())));
        }
        Ok(self.full(id)?.map(|full| full.map(|full| full.task)))
    }

    fn full(&self, id: TaskId) -> Result<Option<std::result::Result<FullTask, BadRow>>> {
        if let Some(known) = self.ledger.borrow().tasks.get(&id)
            && let Some(Rest { spec, after, result }) = known.rest.clone()
        {
            let last_event = u64::try_from(known.last_event).ok().filter(|seq| *seq > 0).map(EventSeq);
            return Ok(Some(Ok(FullTask { task: known.task.clone(), spec, after, result, last_event })));
        }
        let found = self.asked()?.full(id)?;
        if let Some(Ok(full)) = &found {
            self.ledger.borrow_mut().tasks.entry(id).or_insert_with(|| Known::of(full.clone()));
        }
        Ok(found)
    }

    fn list(&self, filter: &Filter, each: &mut dyn FnMut(std::result::Result<FullTask, BadRow>) -> Result<bool>) -> Result<()> {
        self.asked()?.list(filter, each)
    }

    fn top(&self, lane: LaneId, filter: TopFilter<'_>) -> Result<Option<Rank>> {
        {
            let ledger = self.ledger.borrow();
            if let Some(up_to) = ledger.ready.get(&lane) {
                let first = ledger
                    .tasks
                    .values()
                    .map(|known| &known.task)
                    .filter(|task| task.lane == lane && passes(task, &filter))
                    .map(rank)
                    .min();
                // Behind what was fetched there may be more, but nothing that comes before it.
                if up_to.is_none_or(|up_to| first.is_some_and(|first| first <= up_to)) {
                    return Ok(first);
                }
            }
        }
        self.asked()?.top(lane, filter)
    }

    fn live(&self) -> Result<Vec<Task>> {
        let live = self.asked()?.live_tasks()?;
        Ok(self.learn(live))
    }

    fn free(&self, plan: Option<PlanId>) -> Result<Vec<Free>> {
        self.asked()?.free(plan)
    }

    fn due(&self, now: StoreTime) -> Result<Vec<TaskId>> {
        match self.ledger.borrow_mut().due.take() {
            Some(due) if now == self.rows.now.store => return Ok(due),
            _ => {}
        }
        self.asked()?.due(now)
    }

    fn lanes(&self) -> Result<Vec<Lane>> {
        if let Some(lanes) = &self.ledger.borrow().lanes {
            return Ok(lanes.clone());
        }
        self.asked()?.lanes()
    }

    fn needs_of(&self, id: TaskId) -> Result<Vec<TaskId>> {
        self.asked()?.needs_of(id)
    }

    fn dependents(&self, id: TaskId) -> Result<Vec<Task>> {
        {
            let ledger = self.ledger.borrow();
            let known = |id: &TaskId| ledger.tasks.get(id).map(|known| known.task.clone());
            if let Some(tasks) = ledger.dependents.get(&id).and_then(|ids| ids.iter().map(known).collect()) {
                return Ok(tasks);
            }
        }
        let behind = self.asked()?.tasks_behind(id)?;
        Ok(self.learn(behind))
    }

    fn blocked_on(&self, id: TaskId) -> Result<Vec<Task>> {
        {
            let ledger = self.ledger.borrow();
            let waits = |known: &Known| matches!(&known.task.state, TaskState::Blocked(blocked) if blocked.on == Some(id));
            if ledger.awaited.as_ref().is_some_and(|awaited| !awaited.contains(&id)) && !ledger.tasks.values().any(waits) {
                return Ok(Vec::new());
            }
        }
        let blocked = self.asked()?.tasks_blocked_on(id)?;
        Ok(self.learn(blocked))
    }

    fn dead_needs(&self, id: TaskId) -> Result<Vec<TaskId>> {
        self.asked()?.dead_needs(id)
    }

    fn tested_by(&self, feature: TaskId) -> Result<Option<TaskId>> {
        self.asked()?.tested_by(feature)
    }

    fn workers(&self) -> Result<Vec<Worker>> {
        self.asked()?.workers()
    }

    fn worker(&self, name: &WorkerName) -> Result<Option<Worker>> {
        if let Some(worker) = self.ledger.borrow().workers.get(name) {
            return Ok(worker.clone());
        }
        let worker = self.asked()?.worker(name)?;
        self.ledger.borrow_mut().workers.insert(name.clone(), worker.clone());
        Ok(worker)
    }

    fn session(&self, name: &WorkerName) -> Result<Option<String>> {
        self.asked()?.session(name)
    }

    fn plans(&self) -> Result<Vec<PlanRow>> {
        self.asked()?.plans()
    }

    fn plan(&self, id: PlanId) -> Result<Option<PlanRow>> {
        if let Some(plan) = self.ledger.borrow().plans.get(&id) {
            return Ok(Some(plan.clone()));
        }
        self.asked()?.plan(id)
    }

    fn tallies(&self, plan: Option<PlanId>) -> Result<Vec<PlanTally>> {
        if let Some(tallies) = plan.and_then(|id| self.ledger.borrow_mut().tallies.remove(&id)) {
            return Ok(tallies);
        }
        self.asked()?.tallies(plan)
    }

    fn events(&self, after: EventSeq, limit: u32) -> Result<Vec<EventRow>> {
        self.asked()?.events(after, limit)
    }

    fn event(&self, seq: EventSeq) -> Result<Option<EventRow>> {
        self.asked()?.event(seq)
    }

    fn messages(&self, after: EventSeq, limit: u32) -> Result<Vec<EventRow>> {
        self.asked()?.messages(after, limit)
    }

    fn last_event(&self) -> Result<EventSeq> {
        Ok(EventSeq(u64::try_from(self.newest.get()).unwrap_or(0)))
    }

    fn request(&self, id: &RequestId) -> Result<Option<String>> {
        if let Some(answer) = self.ledger.borrow().requests.get(id) {
            return Ok(answer.clone());
        }
        self.asked()?.request(id)
    }

    fn meta(&self, name: &str) -> Result<Option<String>> {
        self.asked()?.meta(name)
    }

    fn duration(&self, key: i64) -> Result<Option<u64>> {
        self.asked()?.duration(key)
    }

    fn unreadable(&self) -> Result<Vec<TaskId>> {
        self.asked()?.unreadable()
    }

    fn last_task(&self) -> Result<u32> {
        self.asked()?.last_task()
    }

    fn all_meta(&self) -> Result<Vec<(String, String)>> {
        self.asked()?.all_meta()
    }

    fn durations(&self, each: &mut dyn FnMut(i64, u64) -> Result<()>) -> Result<()> {
        self.asked()?.durations(each)
    }

    fn strays(&self, limit: u32) -> Result<Vec<BadRow>> {
        self.asked()?.strays(limit)
    }
}

impl Transaction for Turn<'_> {
    fn insert(&self, row: &NewRow<'_>) -> Result<()> {
        let ledger = &mut *self.ledger.borrow_mut();
        let id = row.task.id;
        let rest = Rest { spec: row.spec.clone(), after: row.after.to_vec(), result: None };
        ledger.tasks.insert(id, Known { task: row.task.clone(), last_event: 0, rest: Some(rest), is_dirty: false });
        ledger.inserted.push(id);
        for needs in row.after {
            ledger.edges.push((id, *needs));
            ledger.dependents.remove(needs);
        }
        // Nobody can depend on it yet.
        ledger.dependents.insert(id, Vec::new());
        Ok(())
    }

    fn record(&self, change: &Change, actor: Actor) -> Result<()> {
        let (before, after) = (change.before(), change.after());
        let mut earlier = self.change(before, |known| {
            let task = &known.task;
            // Counters are no state of its own: they stay as they are.
            let counters = (task.waiting, task.dead, task.held, task.path_ms);
            known.task = after.clone();
            (known.task.waiting, known.task.dead, known.task.held, known.task.path_ms) = counters;
            known.last_event
        })?;
        for event in change.events() {
            if planted!("event_left_out") && event.kind == EventKind::TaskCompleted {
                continue;
            }
            earlier = self.note(event, actor, Some(earlier));
        }
        self.change(before, |known| known.last_event = earlier)
    }

    fn put_counters(&self, task: &Task) -> Result<()> {
        self.change(task, |known| {
            let own = &mut known.task;
            (own.waiting, own.dead, own.held, own.ready_at, own.path_ms) =
                (task.waiting, task.dead, task.held, task.ready_at, task.path_ms);
        })
    }

    fn insert_edge(&self, task: TaskId, needs: TaskId) -> Result<bool> {
        if self.needs_of(task)?.contains(&needs) {
            return Ok(false);
        }
        let ledger = &mut *self.ledger.borrow_mut();
        ledger.edges.push((task, needs));
        ledger.dependents.remove(&needs);
        if let Some(known) = ledger.tasks.get_mut(&task) {
            known.rest = None;
        }
        Ok(true)
    }

    fn put_spec(&self, id: TaskId, spec: &Spec) -> Result<()> {
        self.asked()?.put_spec(id, spec)?;
        if let Some(rest) = self.ledger.borrow_mut().tasks.get_mut(&id).and_then(|known| known.rest.as_mut()) {
            rest.spec.clone_from(spec);
        }
        Ok(())
    }

    fn put_result(&self, id: TaskId, result: &TaskResult) -> Result<()> {
        let ledger = &mut *self.ledger.borrow_mut();
        ledger.results.push((id, rows::result_to_json(result)));
        if let Some(rest) = ledger.tasks.get_mut(&id).and_then(|known| known.rest.as_mut()) {
            rest.result = Some(result.clone());
        }
        Ok(())
    }

    fn misheld(&self, plan: PlanId, old: Stage, new: Stage) -> Result<Vec<Task>> {
        let misheld = self.asked()?.misheld(plan, old, new)?;
        Ok(self.learn(misheld))
    }

    fn lane(&self, key: &LaneKey) -> Result<LaneId> {
        let id = self.asked()?.lane(key)?;
        // It is new, or it would have been found: nothing is in it yet but what we put there.
        let ledger = &mut *self.ledger.borrow_mut();
        if let Some(lanes) = &mut ledger.lanes
            && lanes.iter().all(|lane| lane.id != id)
        {
            lanes.push(Lane { id, key: key.clone() });
        }
        Ok(id)
    }

    fn put_worker(&self, worker: &Worker) -> Result<()> {
        let ledger = &mut *self.ledger.borrow_mut();
        ledger.workers.insert(worker.name.clone(), Some(worker.clone()));
        ledger.dirty_workers.insert(worker.name.clone());
        Ok(())
    }

    fn put_session(&self, name: &WorkerName, session: Option<&str>) -> Result<()> {
        self.asked()?.put_session(name, session)
    }

    fn remove_worker(&self, name: &WorkerName) -> Result<()> {
        self.asked()?.remove_worker(name)?;
        self.ledger.borrow_mut().workers.insert(name.clone(), None);
        Ok(())
    }

    fn put_plan(&self, plan: &PlanRow) -> Result<()> {
        self.asked()?.put_plan(plan)?;
        self.ledger.borrow_mut().plans.insert(plan.id, plan.clone());
        Ok(())
    }

    fn put_tally(&self, plan: PlanId, tally: &Tally) -> Result<()> {
        let ledger = &mut *self.ledger.borrow_mut();
        ledger.tallies.remove(&plan);
        ledger.dirty_tallies.insert((plan.0, tally.kind as i64, tally.phase), *tally);
        Ok(())
    }

    fn append(&self, event: &NewEvent, actor: Actor) -> Result<EventSeq> {
        let earlier = match event.task {
            None => None,
            Some(id) => {
                let known = self.ledger.borrow().tasks.get(&id).map(|known| known.last_event);
                Some(known.map_or_else(|| self.rows.last_event_of(id), Ok)?)
            }
        };
        let seq = self.note(event, actor, earlier);
        if let Some(id) = event.task {
            let known = self.ledger.borrow().tasks.get(&id).map(|known| known.task.clone());
            match known {
                Some(task) => self.change(&task, |known| known.last_event = seq)?,
                // Its row may not decode: only the one column is ours to touch.
                None => self.rows.put_last_event(id, seq)?,
            }
        }
        Ok(EventSeq(u64::try_from(seq).unwrap_or(0)))
    }

    fn put_request(&self, id: &RequestId, answer: &str) -> Result<()> {
        let ledger = &mut *self.ledger.borrow_mut();
        ledger.answers.push((id.clone(), answer.to_owned()));
        ledger.requests.insert(id.clone(), Some(answer.to_owned()));
        Ok(())
    }

    fn put_meta(&self, name: &str, value: &str) -> Result<()> {
        self.asked()?.put_meta(name, value)
    }

    fn put_duration(&self, key: i64, ms: u64) -> Result<()> {
        self.ledger.borrow_mut().durations.insert(key, i64::try_from(ms).unwrap_or(i64::MAX));
        Ok(())
    }

    fn put_unreadable(&self, id: TaskId) -> Result<bool> {
        // From now on its lane must be asked anew.
        self.ledger.borrow_mut().ready.clear();
        self.asked()?.put_unreadable(id)
    }

    fn prune_requests(&self, before: Timestamp, limit: u32) -> Result<u32> {
        self.asked()?.prune_requests(before, limit)
    }

    fn begin_restore(&self) -> Result<()> {
        self.asked()?.begin_restore()
    }

    fn restore_event(&self, event: &EventRow) -> Result<()> {
        let seq = i64::try_from(event.seq.0).unwrap_or(i64::MAX);
        self.newest.set(self.newest.get().max(seq));
        self.asked()?.restore_event(event)?;
        if let Some(known) = event.task.and_then(|id| self.ledger.borrow_mut().tasks.remove(&id)) {
            drop(known);
        }
        Ok(())
    }
}

impl Expected {
    /// Whether anything of the rest is worth fetching.
    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty() && self.workers.is_empty() && self.claims == 0
    }
}

/// How many tasks that others are BLOCKED on are fetched: beyond that each is asked for.
const AWAITED_MAX: usize = 1_000;
/// The clock, the newest event, the claims that are over by then, and what others are BLOCKED on.
pub(super) const BEGIN: &str = "WITH clock AS MATERIALIZED (SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS ms)
    SELECT clock.ms, (SELECT coalesce(max(seq), 0) FROM events)::bigint,
      ARRAY(SELECT id FROM tasks WHERE status = 1 AND least(lease_until, timeout_at) <= coalesce($1, clock.ms)
        AND NOT EXISTS (SELECT 1 FROM unreadable u WHERE u.task = tasks.id) ORDER BY least(lease_until, timeout_at), id),
      ARRAY(SELECT DISTINCT block_on FROM tasks WHERE status = 3 AND block_on IS NOT NULL LIMIT 1001)
    FROM clock";
pub(super) const REQUESTS: &str = "SELECT id, answer FROM requests WHERE id = ANY($1)";
pub(super) const LANES: &str = "SELECT id, key FROM lanes ORDER BY id";
/// Plans with something to do, with their tallies; the others are asked for when they are needed.
pub(super) const PLANS: &str = "SELECT p.*, y.plan, y.kind, y.phase, y.pending, y.in_progress, y.completed, y.blocked, y.failed, y.cancelled, y.moving
    FROM (SELECT id, title, goal, digest, source, options, first_task, last_task, imported_at, tests_wanted, stage_phase, stage_tests FROM plans
      WHERE EXISTS (SELECT 1 FROM tallies o WHERE o.plan = plans.id AND o.pending + o.in_progress > 0) ORDER BY id LIMIT 64) p
    JOIN tallies y ON y.plan = p.id ORDER BY y.plan, y.kind, y.phase";
pub(super) const TASKS: &str =
    select_full!("FROM tasks t JOIN specs s ON s.task = t.id LEFT JOIN results r ON r.task = t.id WHERE t.id = ANY($1)");
/// What depends on the tasks; the last column says on which.
pub(super) const BEHIND: &str =
    concat!(select_task!(", e.needs FROM edges e JOIN tasks t ON t.id = e.task WHERE e.needs = ANY($1) ORDER BY e.needs, t.id"));
pub(super) const WORKERS: &str = select_workers!("WHERE name = ANY($1)");
/// The first ready tasks of the first lanes.
pub(super) const READY: &str = select_full!(
    "FROM (SELECT id FROM lanes ORDER BY id LIMIT 64) l CROSS JOIN LATERAL (
       SELECT * FROM tasks WHERE lane = l.id AND status = 0 AND waiting = 0 AND NOT held
         AND NOT EXISTS (SELECT 1 FROM unreadable u WHERE u.task = tasks.id)
       ORDER BY phase, priority, path_ms DESC, id LIMIT $1) t
     JOIN specs s ON s.task = t.id LEFT JOIN results r ON r.task = t.id"
);
/// As many lanes as [`READY`] looks at.
const LANES_FETCHED: usize = 64;

impl Ledger {
    /// Notes what one of these statements brought. A row that does not decode is left to whoever asks for it by itself.
    pub(super) fn take_in(&mut self, sql: &str, rows: &[tokio_postgres::Row], expected: &Expected) {
        match sql {
            BEGIN => {
                let ids = rows.first().and_then(|row| read::get::<Vec<i64>>(row, 2).ok());
                self.due = ids.and_then(|ids| ids.into_iter().map(read::task_id).collect::<std::result::Result<_, _>>().ok());
                let ids = rows.first().and_then(|row| read::get::<Vec<i64>>(row, 3).ok()).filter(|ids| ids.len() <= AWAITED_MAX);
                self.awaited = ids.and_then(|ids| ids.into_iter().map(read::task_id).collect::<std::result::Result<_, _>>().ok());
            }
            REQUESTS => {
                let found: HashMap<&str, &str> = rows.iter().filter_map(|row| Some((row.try_get(0).ok()?, row.try_get(1).ok()?))).collect();
                for id in &expected.requests {
                    self.requests.insert(id.clone(), found.get(id.as_str()).map(|answer| (*answer).to_owned()));
                }
            }
            LANES => self.lanes = rows.iter().map(read::lane).collect::<std::result::Result<_, _>>().ok(),
            PLANS => {
                for row in rows {
                    match (read::plan(row), read::tally(row, read::PLAN_COLUMNS)) {
                        (Ok(plan), Ok(tally)) => {
                            self.tallies.entry(plan.id).or_default().push(tally);
                            self.plans.insert(plan.id, plan);
                        }
                        (Err(_), _) | (_, Err(_)) => {
                            // Whoever asks for it alone learns what is wrong with it.
                            self.plans.clear();
                            return self.tallies.clear();
                        }
                    }
                }
            }
            TASKS => {
                for full in rows.iter().filter_map(|row| read::full(row).ok()) {
                    // Whatever depends on it follows, or nothing does.
                    self.dependents.entry(full.task.id).or_default();
                    self.tasks.entry(full.task.id).or_insert_with(|| Known::of(full));
                }
            }
            BEHIND => {
                for row in rows {
                    let needs = read::get::<i64>(row, read::TASK_COLUMNS).and_then(read::task_id);
                    match (read::with_last_event(row), needs) {
                        (Ok((task, last_event)), Ok(needs)) => {
                            if let Some(ids) = self.dependents.get_mut(&needs) {
                                ids.push(task.id);
                            }
                            self.tasks.entry(task.id).or_insert_with(|| Known::bare(task, last_event));
                        }
                        // Left out of what depends on it, as everywhere.
                        (Err(_), _) | (_, Err(_)) => {}
                    }
                }
            }
            WORKERS => {
                let found: Option<Vec<Worker>> = rows.iter().map(|row| read::worker(row).ok()).collect();
                let Some(found) = found else { return };
                for name in &expected.workers {
                    self.workers.insert(name.clone(), found.iter().find(|worker| worker.name == *name).cloned());
                }
            }
            READY => self.take_in_ready(rows, expected.claims as usize + 1),
            _ => {}
        }
    }

    fn take_in_ready(&mut self, rows: &[tokio_postgres::Row], limit: usize) {
        let mut by_lane: HashMap<LaneId, Option<Vec<FullTask>>> = HashMap::new();
        for lane in self.lanes.iter().flatten().take(LANES_FETCHED) {
            by_lane.insert(lane.id, Some(Vec::new()));
        }
        for row in rows {
            let Ok(lane) = read::narrow(row, 6).map(LaneId) else { return };
            if let Some(fetched) = by_lane.get_mut(&lane) {
                match (read::full(row), &mut *fetched) {
                    (Ok(full), Some(fulls)) => fulls.push(full),
                    // Somebody must meet the row that does not decode: this lane is asked as ever.
                    (Err(_), _) => *fetched = None,
                    (Ok(_), None) => {}
                }
            }
        }
        for (lane, fulls) in by_lane {
            let Some(fulls) = fulls else { continue };
            let last = fulls.iter().map(|full| rank(&full.task)).max().filter(|_| fulls.len() >= limit);
            self.ready.insert(lane, last);
            for full in fulls {
                // A row that is there already came by its id, or as a dependent: then its rest may be missing.
                let known = self.tasks.entry(full.task.id).or_insert_with(|| Known::of(full.clone()));
                known.rest.get_or_insert(Rest { spec: full.spec, after: full.after, result: full.result });
            }
        }
    }
}
