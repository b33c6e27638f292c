//! The storage contract: rows in, rows out, in transactions. It holds no rule; rules are written once, in the domain, and applied in the funnel.
//!
//! **Store time** is the store's own clock in milliseconds. On SQLite it is the machine's steady clock plus an offset that grows with each
//! boot, so that it never goes back, does not run while the machine sleeps, and every lease of an earlier boot is over (G9, T19).

pub mod address;
pub mod postgres;
pub mod rows;
pub mod sqlite;

use domain::event::{Actor, EventKind, NewEvent};
use domain::id::{Attempt, EventSeq, LaneId, PlanId, RequestId, TaskId, WorkerName};
use domain::lifecycle::Change;
use domain::phase::{Stage, Tally};
use domain::schedule::{Lane, LaneKey, Rank};
use domain::task::{Kind, Spec, Status, Task, TaskResult};
use domain::time::{Now, StoreTime, Timestamp};
use domain::worker::Worker;

use crate::error::Result;

/// What a completion of [`Store::write`] promises: when it returns `Ok`, everything that `work` wrote is on disk, together, and stays
/// there over a crash of the process or the machine (G1, G2). On any error nothing of it is there, but for the kind
/// [`crate::error::Kind::Unknown`]: then it may be there, and only a repetition with the same request id can tell (G3, T8).
pub trait Store: Send + Sync {
    /// Runs `work` alone: no other writer, in this process or another, is in between.
    ///
    /// # Errors
    /// Those of `work`, and those of the store.
    fn write(&self, work: &mut dyn FnMut(&dyn Transaction) -> Result<()>) -> Result<()>;

    /// The same, told before what the work will ask for. A store that is far away fetches it in one go; nothing depends on it.
    ///
    /// # Errors
    /// As [`Store::write`].
    fn write_expecting(&self, expected: &Expected, work: &mut dyn FnMut(&dyn Transaction) -> Result<()>) -> Result<()> {
        let _ = expected;
        self.write(work)
    }

    /// Runs `work` on one consistent state.
    ///
    /// # Errors
    /// Those of `work`, and those of the store.
    fn read(&self, work: &mut dyn FnMut(&dyn Snapshot) -> Result<()>) -> Result<()>;

    /// Whether workers of other machines use it, too: then a process is known by more than its boot, and its leases do not end with that.
    fn is_shared(&self) -> bool;

    /// What the keeper of the rows itself finds wrong with them, as lines: nothing when all is well, or when it keeps them whole by itself.
    ///
    /// # Errors
    /// Those of reading.
    fn integrity(&self) -> Result<Vec<String>>;

    /// Tells whoever waits that something was committed: [`Waker::any`] always, [`Waker::work`] when tasks became ready.
    fn waker(&self) -> &dyn Waker;

    /// The address as people write it, without any password.
    fn address(&self) -> String;
}

/// How a store is going to be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// One command and away.
    OneShot,
    /// By a process that stays.
    Resident,
}

/// Whether a missing store is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// Make it.
    Make,
    /// Say that it is missing.
    Refuse,
}

/// What a transaction will ask for, as far as that is known before it begins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected {
    /// These tasks, with what depends on them.
    pub tasks: Vec<TaskId>,
    /// These workers.
    pub workers: Vec<WorkerName>,
    /// The answers to these requests.
    pub requests: Vec<RequestId>,
    /// So many ready tasks.
    pub claims: u32,
}

/// Wake-ups between processes. Losing one costs latency, never work.
pub trait Waker: Send + Sync {
    /// Something was committed.
    fn any(&self);
    /// Tasks became ready.
    fn work(&self);
    /// The claim of this worker was taken away.
    fn worker(&self, name: &WorkerName);
    /// Something to wait on; what happens after this call is not missed.
    fn listen(&self, what: Listen<'_>) -> Box<dyn Listener>;
}

/// What to wait for.
#[derive(Debug, Clone, Copy)]
pub enum Listen<'n> {
    /// Any commit.
    Any,
    /// Ready tasks.
    Work,
    /// The loss of this worker's claim.
    Worker(&'n WorkerName),
}

/// A wait that was begun.
pub trait Listener: Send {
    /// Waits until something happened, at most this long; says whether it did.
    fn wait(&mut self, at_most: std::time::Duration) -> bool;
    /// The file descriptor that becomes readable, where there is one.
    fn fd(&self) -> Option<std::os::fd::BorrowedFd<'_>>;
    /// Forgets what has happened so far.
    fn drain(&mut self);
}

/// A row that did not decode: reported once and skipped; every other task goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRow {
    /// The table.
    pub table: &'static str,
    /// The key of the row.
    pub key: i64,
    /// What is wrong with it.
    pub why: String,
}

/// A plan as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanRow {
    /// Its number; 0 holds the tasks that were added one by one.
    pub id: PlanId,
    /// Its title.
    pub title: String,
    /// What it is for.
    pub goal: Option<String>,
    /// SHA-256 of its bytes, in hexadecimal.
    pub digest: Option<String>,
    /// The file that it came from, as it was named.
    pub source: Option<String>,
    /// `isolation`, `on_blocked` and `fallback`, as JSON.
    pub options: String,
    /// Its first and last task.
    pub tasks: Option<(TaskId, TaskId)>,
    /// When it was imported.
    pub imported_at: Timestamp,
    /// Whether its tests may run.
    pub tests_wanted: bool,
    /// What of it may begin.
    pub stage: Stage,
}

/// A row of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    /// Its position: dense from 1.
    pub seq: EventSeq,
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: EventKind,
    /// By whom.
    pub actor: Actor,
    /// About which task.
    pub task: Option<TaskId>,
    /// In which attempt.
    pub attempt: Option<Attempt>,
    /// About or by which worker.
    pub worker: Option<WorkerName>,
    /// The event before this one about the same task.
    pub earlier: Option<EventSeq>,
    /// More, as a JSON object.
    pub data: String,
}

/// Which tasks to list.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only these; empty means all.
    pub statuses: Vec<Status>,
    /// Only of this kind.
    pub kind: Option<Kind>,
    /// Only of this plan.
    pub plan: Option<PlanId>,
    /// Only held by, or done by, or assigned to this worker.
    pub worker: Option<WorkerName>,
    /// Only those whose title has this text in it.
    pub text: Option<String>,
    /// Only after this id.
    pub after: Option<TaskId>,
    /// At most this many.
    pub limit: Option<u32>,
}

/// A task with what was asked and what came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct FullTask {
    /// Where it stands.
    pub task: Task,
    /// What was asked for.
    pub spec: Spec,
    /// What it depends on, by id.
    pub after: Vec<TaskId>,
    /// What came of it.
    pub result: Option<TaskResult>,
    /// Its newest event.
    pub last_event: Option<EventSeq>,
}

/// How many tasks of one plan, kind and phase stand how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanTally {
    /// The plan.
    pub plan: PlanId,
    /// The row.
    pub tally: Tally,
}

/// Reading one consistent state.
pub trait Snapshot {
    /// Both clocks, read now.
    fn now(&self) -> Now;
    /// Where a task stands; an inner error is a row that does not decode.
    ///
    /// # Errors
    /// Those of the store.
    fn task(&self, id: TaskId) -> Result<Option<Result<Task, BadRow>>>;
    /// A task with everything.
    ///
    /// # Errors
    /// Those of the store.
    fn full(&self, id: TaskId) -> Result<Option<Result<FullTask, BadRow>>>;
    /// Gives each task of the filter to `each`, by id, until it says `false`.
    ///
    /// # Errors
    /// Those of the store and of `each`.
    fn list(&self, filter: &Filter, each: &mut dyn FnMut(Result<FullTask, BadRow>) -> Result<bool>) -> Result<()>;
    /// The first ready task of a lane at store time `now`.
    ///
    /// # Errors
    /// Those of the store.
    fn top(&self, lane: LaneId, filter: TopFilter<'_>) -> Result<Option<Rank>>;
    /// Every open claim.
    ///
    /// # Errors
    /// Those of the store.
    fn live(&self) -> Result<Vec<Task>>;
    /// The free tasks (claimable now, or when their time has come) of one plan, or of all, by lane.
    ///
    /// # Errors
    /// Those of the store.
    fn free(&self, plan: Option<PlanId>) -> Result<Vec<Free>>;
    /// The open claims whose lease or time is over at `now`.
    ///
    /// # Errors
    /// Those of the store.
    fn due(&self, now: StoreTime) -> Result<Vec<TaskId>>;
    /// All lanes.
    ///
    /// # Errors
    /// Those of the store.
    fn lanes(&self) -> Result<Vec<Lane>>;
    /// What a task depends on.
    ///
    /// # Errors
    /// Those of the store.
    fn needs_of(&self, id: TaskId) -> Result<Vec<TaskId>>;
    /// What depends on a task.
    ///
    /// # Errors
    /// Those of the store.
    fn dependents(&self, id: TaskId) -> Result<Vec<Task>>;
    /// The BLOCKED tasks that name this one as what they wait for.
    ///
    /// # Errors
    /// Those of the store.
    fn blocked_on(&self, id: TaskId) -> Result<Vec<Task>>;
    /// The dependencies of a task that are FAILED or CANCELLED.
    ///
    /// # Errors
    /// Those of the store.
    fn dead_needs(&self, id: TaskId) -> Result<Vec<TaskId>>;
    /// The test task of a feature.
    ///
    /// # Errors
    /// Those of the store.
    fn tested_by(&self, feature: TaskId) -> Result<Option<TaskId>>;
    /// All workers, by number.
    ///
    /// # Errors
    /// Those of the store.
    fn workers(&self) -> Result<Vec<Worker>>;
    /// One worker.
    ///
    /// # Errors
    /// Those of the store.
    fn worker(&self, name: &WorkerName) -> Result<Option<Worker>>;
    /// What the process of a worker wrote about itself, as JSON.
    ///
    /// # Errors
    /// Those of the store.
    fn session(&self, name: &WorkerName) -> Result<Option<String>>;
    /// All plans.
    ///
    /// # Errors
    /// Those of the store.
    fn plans(&self) -> Result<Vec<PlanRow>>;
    /// One plan.
    ///
    /// # Errors
    /// Those of the store.
    fn plan(&self, id: PlanId) -> Result<Option<PlanRow>>;
    /// How the tasks of one plan, or of all, stand.
    ///
    /// # Errors
    /// Those of the store.
    fn tallies(&self, plan: Option<PlanId>) -> Result<Vec<PlanTally>>;
    /// Events after a position, in order, at most `limit`.
    ///
    /// # Errors
    /// Those of the store.
    fn events(&self, after: EventSeq, limit: u32) -> Result<Vec<EventRow>>;
    /// One event.
    ///
    /// # Errors
    /// Those of the store.
    fn event(&self, seq: EventSeq) -> Result<Option<EventRow>>;
    /// The newest messages after a position, in order, at most `limit`.
    ///
    /// # Errors
    /// Those of the store.
    fn messages(&self, after: EventSeq, limit: u32) -> Result<Vec<EventRow>>;
    /// The position of the newest event; 0 when there is none.
    ///
    /// # Errors
    /// Those of the store.
    fn last_event(&self) -> Result<EventSeq>;
    /// The answer that a request got.
    ///
    /// # Errors
    /// Those of the store.
    fn request(&self, id: &RequestId) -> Result<Option<String>>;
    /// A value of the project.
    ///
    /// # Errors
    /// Those of the store.
    fn meta(&self, name: &str) -> Result<Option<String>>;
    /// How long the command with this key took the last time, in milliseconds.
    ///
    /// # Errors
    /// Those of the store.
    fn duration(&self, key: i64) -> Result<Option<u64>>;
    /// Tasks whose rows did not decode.
    ///
    /// # Errors
    /// Those of the store.
    fn unreadable(&self) -> Result<Vec<TaskId>>;
    /// The highest task id; 0 when there is none.
    ///
    /// # Errors
    /// Those of the store.
    fn last_task(&self) -> Result<u32>;
    /// All values of the project, by name.
    ///
    /// # Errors
    /// Those of the store.
    fn all_meta(&self) -> Result<Vec<(String, String)>>;
    /// Gives how long each command took the last time, by key, to `each`.
    ///
    /// # Errors
    /// Those of the store and of `each`.
    fn durations(&self, each: &mut dyn FnMut(i64, u64) -> Result<()>) -> Result<()>;
    /// What no value can show because it belongs to nothing: remains of a claim on a task that nobody holds, counts of a plan that is not
    /// there. At most `limit`.
    ///
    /// # Errors
    /// Those of the store.
    fn strays(&self, limit: u32) -> Result<Vec<BadRow>>;
}

/// The free tasks of one lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Free {
    /// The lane.
    pub lane: LaneId,
    /// How many.
    pub count: u32,
    /// The first of them by id.
    pub example: TaskId,
}

/// Which ready tasks count.
#[derive(Debug, Clone, Copy)]
pub struct TopFilter<'n> {
    /// Due at this moment.
    pub now: StoreTime,
    /// Ready since this moment or longer.
    pub ready_since: Option<StoreTime>,
    /// Not given back last by this worker.
    pub not_back_from: Option<&'n WorkerName>,
}

/// A task as it is added.
#[derive(Debug, Clone)]
pub struct NewRow<'s> {
    /// Where it stands.
    pub task: &'s Task,
    /// What is asked for.
    pub spec: &'s Spec,
    /// What it depends on.
    pub after: &'s [TaskId],
}

/// Writing; everything or nothing.
pub trait Transaction: Snapshot {
    /// Adds a task with its dependencies.
    ///
    /// # Errors
    /// Those of the store.
    fn insert(&self, row: &NewRow<'_>) -> Result<()>;
    /// Carries out a change of state and writes its events. The only way to change a state.
    ///
    /// # Errors
    /// Those of the store.
    fn record(&self, change: &Change, actor: Actor) -> Result<()>;
    /// Writes the counters of a task (`waiting`, `dead`, `held`, `ready_at`, `path_ms`), which are no state of its own.
    ///
    /// # Errors
    /// Those of the store.
    fn put_counters(&self, task: &Task) -> Result<()>;
    /// Adds a dependency; says whether it is new.
    ///
    /// # Errors
    /// Those of the store.
    fn insert_edge(&self, task: TaskId, needs: TaskId) -> Result<bool>;
    /// Replaces what was asked for.
    ///
    /// # Errors
    /// Those of the store.
    fn put_spec(&self, id: TaskId, spec: &Spec) -> Result<()>;
    /// Replaces what came of it.
    ///
    /// # Errors
    /// Those of the store.
    fn put_result(&self, id: TaskId, result: &TaskResult) -> Result<()>;
    /// The pending tasks of a plan that a change of its stage holds back or lets go, as they are now.
    ///
    /// # Errors
    /// Those of the store.
    fn misheld(&self, plan: PlanId, old: Stage, new: Stage) -> Result<Vec<Task>>;
    /// The number of a lane, made when it is new.
    ///
    /// # Errors
    /// Those of the store.
    fn lane(&self, key: &LaneKey) -> Result<LaneId>;
    /// Adds or replaces a worker.
    ///
    /// # Errors
    /// Those of the store.
    fn put_worker(&self, worker: &Worker) -> Result<()>;
    /// What the process of a worker says about itself, as JSON.
    ///
    /// # Errors
    /// Those of the store.
    fn put_session(&self, name: &WorkerName, session: Option<&str>) -> Result<()>;
    /// Takes a worker off the roster.
    ///
    /// # Errors
    /// Those of the store.
    fn remove_worker(&self, name: &WorkerName) -> Result<()>;
    /// Adds or replaces a plan.
    ///
    /// # Errors
    /// Those of the store.
    fn put_plan(&self, plan: &PlanRow) -> Result<()>;
    /// Adds or replaces a row of a tally.
    ///
    /// # Errors
    /// Those of the store.
    fn put_tally(&self, plan: PlanId, tally: &Tally) -> Result<()>;
    /// Writes an event that changes no task.
    ///
    /// # Errors
    /// Those of the store.
    fn append(&self, event: &NewEvent, actor: Actor) -> Result<EventSeq>;
    /// Remembers the answer to a request.
    ///
    /// # Errors
    /// Those of the store.
    fn put_request(&self, id: &RequestId, answer: &str) -> Result<()>;
    /// Sets a value of the project.
    ///
    /// # Errors
    /// Those of the store.
    fn put_meta(&self, name: &str, value: &str) -> Result<()>;
    /// Remembers how long a command took.
    ///
    /// # Errors
    /// Those of the store.
    fn put_duration(&self, key: i64, ms: u64) -> Result<()>;
    /// Sets a task aside whose row does not decode; says whether that is new.
    ///
    /// # Errors
    /// Those of the store.
    fn put_unreadable(&self, id: TaskId) -> Result<bool>;
    /// Forgets answers to requests that are older than `before` (kept for 7 days at least, G3), at most `limit`.
    ///
    /// # Errors
    /// Those of the store.
    fn prune_requests(&self, before: Timestamp, limit: u32) -> Result<u32>;
    /// Begins to fill an empty store: until the end of this transaction a row may name another that comes later.
    ///
    /// # Errors
    /// `store_not_empty`, and those of the store.
    fn begin_restore(&self) -> Result<()>;
    /// Restores an event with its position. Only into an empty store.
    ///
    /// # Errors
    /// Those of the store.
    fn restore_event(&self, event: &EventRow) -> Result<()>;
}
