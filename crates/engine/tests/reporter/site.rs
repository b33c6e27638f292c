//! A project in a folder of its own with a clock that is moved by hand, and short words for what happens in it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use domain::event::{Actor, EventKind, NewEvent};
use domain::id::{PlanId, TaskId, WorkerName};
use domain::lease::{Claim, Nonce};
use domain::lifecycle::Command;
use domain::task::{After, BlockReason, Blocked, FailReason, Failure, Kind, NewTask, TaskResult};
use domain::worker::Driver;
use engine::clock::ManualClock;
use engine::orchestrator::{Act, Answer, Card, NewPlan, Orchestrator, Order, WorkerAct};
use engine::project::{Project, Surroundings};
use engine::services::reporter::{Written, publish};
use engine::store::sqlite::{Missing, SqliteStore, Use};

pub(crate) struct Site {
    pub(crate) project: Project,
    pub(crate) door: Orchestrator,
    pub(crate) clock: Arc<ManualClock>,
    nonces: AtomicU64,
    _folder: tempfile::TempDir,
}

impl Site {
    pub(crate) fn new() -> Self {
        Self::speaking("en")
    }

    pub(crate) fn speaking(language: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let (project, _) = Project::init(&root, &[("language", language.to_owned())], &Surroundings::default()).unwrap();
        let clock = Arc::new(ManualClock::new());
        let store = SqliteStore::open(&project.folder().join("ganger.db"), Use::Resident, Missing::Refuse, clock.clone()).unwrap();
        let door = Orchestrator::new(Arc::new(store), project.settings().clone());
        Self { project, door, clock, nonces: AtomicU64::new(0), _folder: folder }
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.clock.pass(Duration::from_secs(seconds));
    }

    pub(crate) fn apply(&self, actor: Actor, act: Act) -> Answer {
        self.door.apply_one(Order::new(actor, act)).unwrap()
    }

    pub(crate) fn import(&self, title: &str, goal: Option<&str>, tasks: Vec<NewTask>) {
        let plan = NewPlan {
            title: title.to_owned(),
            goal: goal.map(str::to_owned),
            digest: format!("digest of {title}"),
            source: None,
            options: "{}".to_owned(),
            waits: false,
        };
        self.apply(Actor::Human, Act::Add { tasks, plan: Some(plan) });
    }

    pub(crate) fn add(&self, tasks: Vec<NewTask>) {
        self.apply(Actor::Human, Act::Add { tasks, plan: None });
    }

    /// Puts a worker of ours on the roster.
    pub(crate) fn join(&self, name: &str, can: &str) {
        let can = can.split(',').filter(|word| !word.is_empty()).map(|word| word.parse().unwrap()).collect();
        let (agent, target) = (None, None);
        let card = Card { name: worker(name), driver: Driver::Shell, agent, target, can: Some(can), thinks: false, session: None };
        self.apply(Actor::Human, Act::Join(card));
    }

    pub(crate) fn change(&self, name: &str, what: WorkerAct) {
        self.apply(Actor::Orchestrator, Act::Worker { name: worker(name), what });
    }

    #[track_caller]
    pub(crate) fn claim(&self, name: &str, id: u32) -> Claim {
        let nonce = Nonce(u128::from(self.nonces.fetch_add(1, Ordering::Relaxed) + 1).to_be_bytes());
        match self.apply(Actor::Worker, Act::Claim { worker: worker(name), only: Some(TaskId(id)), nonce }) {
            Answer::Claimed { claim, .. } => claim,
            other => panic!("T-{id} should be claimed, got {other:?}"),
        }
    }

    fn report(&self, command: Command, result: Option<TaskResult>) {
        self.apply(Actor::Worker, Act::Report { command, result, ran: None });
    }

    pub(crate) fn complete(&self, claim: Claim, note: &str) {
        self.complete_with(claim, TaskResult { note: note.to_owned(), ..TaskResult::default() });
    }

    pub(crate) fn complete_with(&self, claim: Claim, result: TaskResult) {
        let note = result.note.clone();
        self.report(Command::Complete { claim, started_at: None, checked: None, note }, Some(result));
    }

    pub(crate) fn fail(&self, claim: Claim, reason: FailReason, note: &str) {
        let failure = Failure { reason, note: note.to_owned() };
        self.report(Command::Fail { claim, started_at: None, failure }, None);
    }

    pub(crate) fn block(&self, claim: Claim, reason: BlockReason, note: &str) {
        self.report(Command::Block { claim, blocked: Blocked { reason, note: note.to_owned(), on: None } }, None);
    }

    /// A worker takes a task and completes it.
    pub(crate) fn does(&self, name: &str, id: u32, seconds: u64, note: &str) {
        let claim = self.claim(name, id);
        self.pass(seconds);
        self.complete(claim, note);
    }

    pub(crate) fn begins(&self) {
        self.apply(Actor::Orchestrator, Act::Note(NewEvent::new(EventKind::RunStarted)));
    }

    pub(crate) fn ends(&self, outcome: &str) {
        self.apply(Actor::Orchestrator, Act::Note(NewEvent::new(EventKind::RunFinished).text("outcome", outcome)));
    }

    pub(crate) fn publish(&self) -> Written {
        publish(&self.project, &self.door, None).unwrap()
    }

    pub(crate) fn publish_plan(&self, plan: u32) -> Written {
        publish(&self.project, &self.door, Some(PlanId(plan))).unwrap()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.project.folder().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// Every file that the reporter has written.
    pub(crate) fn written(&self) -> Vec<PathBuf> {
        let mut found = vec![self.path("final_output.md"), self.path("master_plan.md")];
        for (folder, end) in [("agent_tasks", ".md"), ("results", "-result.md")] {
            let entries = std::fs::read_dir(self.path(folder)).unwrap().map(|entry| entry.unwrap().path());
            found.extend(entries.filter(|path| path.to_string_lossy().ends_with(end)));
        }
        found.sort();
        found
    }
}

pub(crate) fn worker(name: &str) -> WorkerName {
    name.parse().unwrap()
}

pub(crate) fn feature(title: &str) -> NewTask {
    let mut task = NewTask::titled(title);
    task.spec.run = Some("true".to_owned());
    task
}

pub(crate) fn after(mut task: NewTask, indexes: &[usize]) -> NewTask {
    task.after.extend(indexes.iter().map(|index| After::Index(*index)));
    task
}

pub(crate) fn test_of(index: usize, title: &str) -> NewTask {
    NewTask { kind: Kind::Test, tests: Some(After::Index(index)), ..after(feature(title), &[index]) }
}
