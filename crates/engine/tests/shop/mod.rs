//! What the tests of the orchestrator's door share: a store that nobody has used, a clock that is moved by hand, and short words for
//! long calls. It knows no kind of store but by [`Bench`].

pub(crate) mod audit;
pub(crate) mod postgres;
pub(crate) mod sqlite;
pub(crate) mod wish;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use domain::event::{Actor, EventKind};
use domain::id::{EventSeq, TaskId, WorkerName};
use domain::lease::{Claim, Nonce};
use domain::lifecycle::Command;
use domain::task::{Blocked, FailReason, Failure, NewTask, Status, Step, Task};
use domain::worker::{Driver, WorkerState};
use engine::clock::ManualClock;
use engine::error::{Error, Result};
use engine::orchestrator::{Act, Answer, Card, NewPlan, Orchestrator, Order, Patch, Settings, WorkerAct};
use engine::store::{EventRow, Store};

/// A kind of store.
pub(crate) trait Bench: Sync {
    /// A store that nobody has used.
    fn fresh(&self) -> Box<dyn Stand>;
}

/// One store of that kind; it is gone when this is dropped.
pub(crate) trait Stand: Send + Sync {
    /// One more handle, as another process would have it.
    fn open(&self) -> Arc<dyn Store>;
    /// The clock that every handle reads.
    fn clock(&self) -> &ManualClock;
    /// Whether its leases end with the boot of the machine: those of a store that counts on a clock of its own do not.
    fn leases_end_with_the_boot(&self) -> bool;
    /// Whether a wake-up has come when the commit returns, and none comes later: not over a network.
    fn wakes_at_once(&self) -> bool;
}

/// A store with a door before it.
pub(crate) struct Shop {
    pub(crate) stand: Box<dyn Stand>,
    pub(crate) door: Arc<Orchestrator>,
    nonces: AtomicU64,
}

/// Runs one case on a store of this kind, and audits what it leaves behind.
pub(crate) fn run(bench: &dyn Bench, case: fn(&mut Shop)) {
    let mut shop = Shop::fresh(bench, Settings::default());
    case(&mut shop);
    shop.audit();
}

pub(crate) fn worker(name: &str) -> WorkerName {
    name.parse().unwrap()
}

pub(crate) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

impl Shop {
    pub(crate) fn fresh(bench: &dyn Bench, settings: Settings) -> Self {
        let stand = bench.fresh();
        let door = Arc::new(Orchestrator::new(stand.open(), settings));
        Self { stand, door, nonces: AtomicU64::new(0) }
    }

    /// The same store with other rules.
    pub(crate) fn settle_on(&mut self, settings: Settings) {
        self.door = Arc::new(Orchestrator::new(self.stand.open(), settings));
    }

    /// Another handle of the same store.
    pub(crate) fn second_door(&self) -> Arc<Orchestrator> {
        Arc::new(Orchestrator::new(self.stand.open(), self.door.settings().clone()))
    }

    pub(crate) fn audit(&self) {
        audit::audit(self.door.store().as_ref());
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.stand.clock().pass(secs(seconds));
    }

    /// A nonce that was not used before.
    pub(crate) fn nonce(&self) -> Nonce {
        let number = self.nonces.fetch_add(1, Ordering::Relaxed) + 1;
        Nonce(u128::from(number).to_be_bytes())
    }

    pub(crate) fn human(&self, act: Act) -> Result<Answer> {
        self.door.apply_one(Order::new(Actor::Human, act))
    }

    pub(crate) fn worker(&self, act: Act) -> Result<Answer> {
        self.door.apply_one(Order::new(Actor::Worker, act))
    }

    // Adding.

    pub(crate) fn try_add(&self, tasks: Vec<NewTask>, plan: Option<NewPlan>) -> Result<Answer> {
        self.human(Act::Add { tasks, plan })
    }

    pub(crate) fn add(&self, tasks: Vec<NewTask>) -> Vec<TaskId> {
        added(&self.try_add(tasks, None).unwrap())
    }

    pub(crate) fn add_one(&self, task: NewTask) -> TaskId {
        self.add(vec![task])[0]
    }

    /// Imports a plan of these tasks.
    pub(crate) fn import(&self, title: &str, tasks: Vec<NewTask>) -> Vec<TaskId> {
        added(&self.try_add(tasks, Some(wish::plan(title))).unwrap())
    }

    // What workers do.

    pub(crate) fn try_claim(&self, name: &str) -> Result<Answer> {
        let promised = self.door.has_work_for(&worker(name)).unwrap();
        let answer = self.worker(Act::Claim { worker: worker(name), only: None, nonce: self.nonce() });
        assert!(promised || !matches!(answer, Ok(Answer::Claimed { .. })), "an idle {name} would not have asked for {answer:?}");
        answer
    }

    pub(crate) fn try_claim_task(&self, name: &str, id: TaskId) -> Result<Answer> {
        self.worker(Act::Claim { worker: worker(name), only: Some(id), nonce: self.nonce() })
    }

    /// The next task for this worker; there must be one.
    #[track_caller]
    pub(crate) fn claim(&self, name: &str) -> Claim {
        claimed(self.try_claim(name))
    }

    #[track_caller]
    pub(crate) fn claim_task(&self, name: &str, id: TaskId) -> Claim {
        claimed(self.try_claim_task(name, id))
    }

    /// There is nothing for this worker.
    #[track_caller]
    pub(crate) fn idles(&self, name: &str) {
        match self.try_claim(name) {
            Ok(Answer::Nothing { .. }) => {}
            other => panic!("{name} should get nothing, got {other:?}"),
        }
    }

    /// What this worker gets when it claims again and again, completing each.
    pub(crate) fn drain(&self, name: &str) -> Vec<TaskId> {
        let mut done = Vec::new();
        while let Ok(Answer::Claimed { claim, .. }) = self.try_claim(name) {
            self.complete(claim);
            done.push(claim.task);
        }
        done
    }

    pub(crate) fn report(&self, command: Command) -> Result<Answer> {
        self.worker(wish::report(command))
    }

    #[track_caller]
    pub(crate) fn complete(&self, claim: Claim) -> Task {
        changed(self.report(wish::complete(claim)))
    }

    #[track_caller]
    pub(crate) fn fail(&self, claim: Claim, reason: FailReason) -> Task {
        changed(self.report(wish::fail(claim, reason)))
    }

    #[track_caller]
    pub(crate) fn release(&self, claim: Claim) -> Task {
        changed(self.report(wish::release(claim)))
    }

    #[track_caller]
    pub(crate) fn block(&self, claim: Claim) -> Task {
        changed(self.report(wish::block(claim)))
    }

    #[track_caller]
    pub(crate) fn heartbeat(&self, claim: Claim) -> Task {
        changed(self.report(wish::heartbeat(claim)))
    }

    // What people and services do.

    pub(crate) fn manage(&self, task: TaskId, command: Command) -> Result<Answer> {
        self.human(Act::Manage { task, command })
    }

    #[track_caller]
    pub(crate) fn retry(&self, id: TaskId) -> Task {
        changed(self.manage(id, Command::Retry))
    }

    #[track_caller]
    pub(crate) fn cancel(&self, id: TaskId) -> Task {
        changed(self.manage(id, Command::Cancel { note: String::new() }))
    }

    #[track_caller]
    pub(crate) fn unblock(&self, id: TaskId) -> Task {
        changed(self.manage(id, Command::Unblock { note: String::new() }))
    }

    pub(crate) fn edit(&self, task: TaskId, patch: Patch) -> Result<Answer> {
        self.human(Act::Edit { task, patch: Box::new(patch) })
    }

    #[track_caller]
    pub(crate) fn sweep(&self) -> u32 {
        match self.door.apply_one(Order::new(Actor::Orchestrator, Act::Sweep)) {
            Ok(Answer::Swept(count)) => count,
            other => panic!("a sweep answered {other:?}"),
        }
    }

    /// Puts a thinking `pull` worker on the roster that has not been seen.
    pub(crate) fn join(&self, name: &str, can: &str) {
        self.join_as(wish::card(name, Driver::Pull, can));
    }

    #[track_caller]
    pub(crate) fn join_as(&self, card: Card) {
        assert_eq!(self.human(Act::Join(card)), Ok(Answer::Done));
    }

    pub(crate) fn change_worker(&self, name: &str, what: WorkerAct) -> Result<Answer> {
        self.human(Act::Worker { name: worker(name), what })
    }

    #[track_caller]
    pub(crate) fn must_change_worker(&self, name: &str, what: WorkerAct) {
        assert_eq!(self.change_worker(name, what), Ok(Answer::Done));
    }

    /// The worker is on the roster and was heard of just now.
    pub(crate) fn is_there(&self, name: &str, can: &str) {
        self.join(name, can);
        self.must_change_worker(name, WorkerAct::Seen);
    }

    // Looking.

    pub(crate) fn task(&self, id: TaskId) -> Task {
        self.door.task(id).unwrap().full.task
    }

    pub(crate) fn status(&self, id: TaskId) -> Status {
        self.task(id).status()
    }

    pub(crate) fn is_ready(&self, id: TaskId) -> bool {
        self.door.task(id).unwrap().ready
    }

    pub(crate) fn state_of(&self, name: &str) -> WorkerState {
        let workers = self.door.workers().unwrap();
        workers.iter().find(|view| view.worker.name.as_str() == name).unwrap().belief.state
    }

    pub(crate) fn events(&self) -> Vec<EventRow> {
        self.door.events(EventSeq(0), u32::MAX).unwrap()
    }

    pub(crate) fn last_event(&self) -> u64 {
        self.events().last().map_or(0, |event| event.seq.0)
    }

    /// The kinds of the events of a task, in their order.
    pub(crate) fn kinds(&self, id: TaskId) -> Vec<EventKind> {
        self.door.history(id, u32::MAX).unwrap().iter().map(|event| event.kind).collect()
    }

    pub(crate) fn count(&self, kind: EventKind) -> usize {
        self.events().iter().filter(|event| event.kind == kind).count()
    }
}

#[track_caller]
pub(crate) fn claimed(answer: Result<Answer>) -> Claim {
    match answer {
        Ok(Answer::Claimed { claim, task }) => {
            assert_eq!(task.claim(), Some(claim), "the claim that is told is the one of the task");
            claim
        }
        other => panic!("should be claimed, got {other:?}"),
    }
}

#[track_caller]
pub(crate) fn changed(answer: Result<Answer>) -> Task {
    match answer {
        Ok(Answer::Changed(task)) => *task,
        other => panic!("should be changed, got {other:?}"),
    }
}

pub(crate) fn added(answer: &Answer) -> Vec<TaskId> {
    match answer {
        Answer::Added { first, count, .. } => (first.0..first.0 + count).map(TaskId).collect(),
        other => panic!("should be added, got {other:?}"),
    }
}

/// The code of a refusal.
#[track_caller]
pub(crate) fn code<T: std::fmt::Debug>(answer: Result<T, Error>) -> &'static str {
    answer.expect_err("this should be refused").code
}
