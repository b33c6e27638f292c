//! The real queue behind the model's words: the orchestrator over a store that nobody else uses, with a clock that is moved by hand.

use std::sync::Arc;

use domain::event::Actor;
use domain::event::fold::Seen;
use domain::id::{EventSeq, RequestId, TaskId, WorkerName};
use domain::lease::Claim;
use domain::lifecycle::Command;
use domain::task::{After, BlockReason, Blocked, Failure, NewTask, Step, Task};
use domain::time::StoreTime;
use engine::clock::ManualClock;
use engine::error::Result;
use engine::orchestrator::query::Standing;
use engine::orchestrator::{Act, Answer, Orchestrator, Order, Patch, Settings, WorkerAct};
use engine::store::address::Address;
use engine::store::postgres::{PgAddress, PgStore, Time};
use engine::store::sqlite::SqliteStore;
use engine::store::{EventRow, Filter, Missing, Store, Use};
use testkit::model::{Ask, Item, Need, Said};

/// One of the three workers.
pub(crate) fn name(index: usize) -> WorkerName {
    ["amp", "sid", "pi"][index % 3].parse().unwrap()
}

/// What the fold reads of the events of a task.
pub(crate) fn seen(events: &[EventRow], task: TaskId) -> Vec<Seen> {
    let of_task = events.iter().filter(|event| event.task == Some(task));
    of_task
        .map(|event| Seen { kind: event.kind, attempt: event.attempt, is_final: event.data.contains("\"final\":true"), status: None })
        .collect()
}

/// Where the queue keeps its rows.
pub(crate) enum Place {
    File(tempfile::TempDir),
    Schema(PgAddress),
}

impl Place {
    pub(crate) fn file() -> Self {
        Self::File(tempfile::tempdir().unwrap())
    }

    pub(crate) fn schema() -> Self {
        let url = testkit::postgres::fresh_address();
        let Ok(Address::Postgres(address)) = Address::parse(&url, std::path::Path::new("/")) else { panic!("{url}") };
        Self::Schema(address)
    }

    fn open(&self, clock: &Arc<ManualClock>) -> Arc<dyn Store> {
        let clock = Arc::clone(clock);
        match self {
            Self::File(folder) => {
                Arc::new(SqliteStore::open(&folder.path().join("ganger.db"), Use::Resident, Missing::Make, clock).unwrap())
            }
            Self::Schema(address) => Arc::new(PgStore::open(address, Use::Resident, Missing::Make, Time::Given(clock)).unwrap()),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Self::Schema(address) = self {
            engine::store::postgres::remove(address).unwrap();
        }
    }
}

/// The queue.
pub(crate) struct Queue {
    pub(crate) clock: Arc<ManualClock>,
    door: Option<Orchestrator>,
    place: Place,
}

impl Queue {
    pub(crate) fn new(place: Place) -> Self {
        let mut queue = Self { clock: Arc::new(ManualClock::new()), door: None, place };
        queue.reopen();
        queue
    }

    /// Closes the store and opens it again, as another process would.
    pub(crate) fn reopen(&mut self) {
        self.door = None;
        self.door = Some(Orchestrator::new(self.place.open(&self.clock), Settings::default()));
    }

    /// Whether its leases end with the boot of the machine.
    pub(crate) fn leases_end_with_the_boot(&self) -> bool {
        matches!(self.place, Place::File(_))
    }

    fn door(&self) -> &Orchestrator {
        self.door.as_ref().unwrap()
    }

    pub(crate) fn now(&self) -> StoreTime {
        self.door().look(|snapshot| Ok(snapshot.now().store)).unwrap()
    }

    pub(crate) fn tasks(&self) -> Vec<Task> {
        let mut tasks = Vec::new();
        self.door()
            .list(&Filter::default(), |view| {
                tasks.push(view.full.task);
                Ok(true)
            })
            .unwrap();
        tasks
    }

    pub(crate) fn standing(&self) -> Standing {
        self.door().standing(None).unwrap()
    }

    pub(crate) fn events(&self) -> Vec<EventRow> {
        self.door().events(EventSeq(0), u32::MAX).unwrap()
    }

    /// Asks for something under a request id, and puts the answer into the model's words.
    pub(crate) fn ask(&self, ask: &Ask, request: u32) -> Said {
        let request: RequestId = format!("request-{request}").parse().unwrap();
        let (actor, act) = self.act(ask);
        said(self.door().apply_one(Order::new(actor, act).repeatable(request)))
    }

    fn act(&self, ask: &Ask) -> (Actor, Act) {
        let lease = self.door().settings().lease;
        let report = |command| (Actor::Worker, Act::Report { command, result: None, ran: None });
        let manage = |task, command| (Actor::Human, Act::Manage { task, command });
        match ask {
            Ask::Add(items) => (Actor::Human, Act::Add { tasks: items.iter().map(new_task).collect(), plan: None }),
            Ask::Claim { worker, only, nonce } => (Actor::Worker, Act::Claim { worker: worker.clone(), only: *only, nonce: *nonce }),
            Ask::Heartbeat(claim) => report(Command::Heartbeat { claim: *claim, lease, step: Step::Running, started_at: None }),
            Ask::Complete(claim) => report(complete(*claim)),
            Ask::Fail(claim, reason) => {
                report(Command::Fail { claim: *claim, started_at: None, failure: Failure { reason: *reason, note: "why".to_owned() } })
            }
            Ask::Block(claim) => report(Command::Block {
                claim: *claim,
                blocked: Blocked { reason: BlockReason::Question, note: "which?".to_owned(), on: None },
            }),
            Ask::Release(claim) => report(Command::Release { claim: *claim, note: String::new() }),
            Ask::Sweep => (Actor::Orchestrator, Act::Sweep),
            Ask::Lose(worker) => (
                Actor::Orchestrator,
                Act::Worker { name: worker.clone(), what: WorkerAct::Lost { why: "seen to end".to_owned(), session: None } },
            ),
            Ask::Cancel(task) => manage(*task, Command::Cancel { note: String::new() }),
            Ask::Retry(task) => manage(*task, Command::Retry),
            Ask::Unblock(task) => manage(*task, Command::Unblock { note: String::new() }),
            Ask::Wait { task, on } => {
                (Actor::Human, Act::Edit { task: *task, patch: Box::new(Patch { after: vec![*on], ..Patch::default() }) })
            }
        }
    }
}

fn complete(claim: Claim) -> Command {
    Command::Complete { claim, started_at: None, checked: None, note: String::new() }
}

fn new_task(item: &Item) -> NewTask {
    let mut new = NewTask::titled("a task");
    new.priority = item.priority;
    new.timeout = item.timeout;
    new.attempts_max = item.attempts_max;
    new.spec.estimate = Some(std::time::Duration::from_millis(item.estimate_ms));
    new.after = item
        .needs
        .iter()
        .map(|need| match need {
            Need::Known(id) => After::Task(*id),
            Need::Together(index) => After::Index(*index),
        })
        .collect();
    new
}

fn said(answer: Result<Answer>) -> Said {
    match answer {
        Ok(Answer::Done) => Said::Done,
        Ok(Answer::Added { first, count, .. }) => Said::Added { first, count },
        Ok(Answer::Claimed { claim, .. }) => Said::Claimed(claim),
        Ok(Answer::Nothing { .. }) => Said::Nothing,
        Ok(Answer::Changed(task)) => Said::Changed(task.id, task.status()),
        Ok(Answer::Swept(count)) => Said::Swept(count),
        Err(error) => Said::Refused(error.code),
    }
}
