//! The project, its clock, and what was written down outside of it: every event with the time at which it appeared, and every acknowledgement.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use domain::event::Actor;
use domain::id::{EventSeq, TaskId};
use domain::lease::Claim;
use domain::lifecycle::Command;
use domain::task::{After, Kind, NewTask, Priority, Task, TaskState};
use engine::error::{Kind as ErrorKind, Result};
use engine::orchestrator::{Act, Answer, NewPlan, Orchestrator, Order, Settings};
use engine::store::{EventRow, Filter, FullTask};

use crate::dice::Dice;
use crate::fleet::Fleet;
use crate::shop::audit::Auditor;
use crate::shop::sqlite::Sqlite;
use crate::shop::wish::{self, Wish, feature};
use crate::shop::{Shop, secs};

pub(crate) struct World {
    pub(crate) dice: Dice,
    pub(crate) shop: Shop,
    second: Arc<Orchestrator>,
    auditor: Auditor,
    swept_at: u64,
    requests: u64,
    /// Seconds since the beginning.
    pub(crate) now: u64,
    pub(crate) reboots: Vec<u64>,
    /// Every event, with the second at which it appeared.
    pub(crate) events: Vec<(u64, EventRow)>,
    /// Every claim that was acknowledged to be completed.
    pub(crate) completed: HashSet<(TaskId, u32)>,
    /// When the holder of a claim was heard of: at the claim, and with each heartbeat.
    pub(crate) signs: HashMap<(TaskId, u32), Vec<u64>>,
    /// Dependencies that came later, with the event from which on they hold.
    pub(crate) late_edges: HashMap<(TaskId, TaskId), u64>,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let shop = Shop::fresh(&Sqlite, Settings::default());
        let second = shop.second_door();
        Self {
            dice: Dice::new(seed),
            shop,
            second,
            auditor: Auditor::default(),
            swept_at: 0,
            requests: 0,
            now: 0,
            reboots: Vec::new(),
            events: Vec::new(),
            completed: HashSet::new(),
            signs: HashMap::new(),
            late_edges: HashMap::new(),
        }
    }

    pub(crate) fn audit(&mut self) {
        self.auditor.look(self.shop.door.store().as_ref());
    }

    pub(crate) fn pass(&mut self, seconds: u64) {
        self.shop.pass(seconds);
        self.now += seconds;
    }

    /// Carries out orders through one of two handles; each has a request id, and some are sent again.
    pub(crate) fn apply(&mut self, orders: Vec<Order>) -> Vec<Result<Answer>> {
        let orders: Vec<Order> = orders
            .into_iter()
            .map(|order| {
                self.requests += 1;
                order.repeatable(format!("r{}", self.requests).parse().unwrap())
            })
            .collect();
        let doors = [&self.shop.door, &self.second];
        let answers = doors[self.dice.below(2)].apply(&orders).unwrap();
        if self.dice.percent(10) {
            let again = doors[self.dice.below(2)].apply(&orders).unwrap();
            assert!(
                again.len() == answers.len() && again.iter().zip(&answers).all(|(one, other)| is_same(one, other)),
                "asked again: {again:?}, at first: {answers:?}"
            );
        }
        let last = EventSeq(self.events.len() as u64);
        let fresh = self.shop.door.events(last, u32::MAX).unwrap();
        self.events.extend(fresh.into_iter().map(|event| (self.now, event)));
        for (order, answer) in orders.iter().zip(&answers) {
            match answer {
                Ok(_) => {}
                Err(error) => {
                    assert!(matches!(error.kind, ErrorKind::Refused | ErrorKind::Usage | ErrorKind::NotFound), "{order:?}: {error:?}")
                }
            }
        }
        answers
    }

    pub(crate) fn one(&mut self, actor: Actor, act: Act) -> Result<Answer> {
        self.apply(vec![Order::new(actor, act)]).remove(0)
    }

    /// Reports with a claim, perhaps a stale one: it must count exactly when the claim is the current one.
    pub(crate) fn report(&mut self, claim: Claim, command: Command, next: Option<Act>) -> (bool, Option<Result<Answer>>) {
        let task = self.task(claim.task);
        let is_current = task.claim() == Some(claim);
        let is_complete = matches!(command, Command::Complete { .. });
        let is_again = is_complete && self.completed.contains(&(claim.task, claim.attempt.0));
        let is_heartbeat = matches!(command, Command::Heartbeat { .. });
        let told = format!("{command:?}");
        let mut orders = vec![Order::new(Actor::Worker, wish::report(command))];
        orders.extend(next.map(|act| Order::new(Actor::Worker, act)));
        let mut answers = self.apply(orders);
        let next = if answers.len() > 1 { answers.pop() } else { None };
        match answers.pop().unwrap() {
            Ok(_) => {
                assert!(is_current || is_again, "a stale claim was accepted: {told} of {task:?}");
                if is_complete {
                    self.completed.insert((claim.task, claim.attempt.0));
                }
                if is_heartbeat {
                    self.signs.entry((claim.task, claim.attempt.0)).or_default().push(self.now);
                }
            }
            Err(error) => {
                assert!(!is_current && !is_again, "the current claim was refused: {told}: {error:?}");
                assert_eq!(error.code, "stale_claim", "{told}");
            }
        }
        (is_current, next)
    }

    pub(crate) fn claim_act(&self, worker: &domain::id::WorkerName) -> Act {
        Act::Claim { worker: worker.clone(), only: None, nonce: self.shop.nonce() }
    }

    pub(crate) fn note_claim(&mut self, claim: Claim) {
        let known = self.signs.insert((claim.task, claim.attempt.0), vec![self.now]);
        assert_eq!(known, None, "{claim} was given before");
    }

    pub(crate) fn task(&self, id: TaskId) -> Task {
        self.shop.door.look(|snapshot| snapshot.task(id)).unwrap().unwrap().unwrap()
    }

    pub(crate) fn tasks(&self) -> Vec<FullTask> {
        let mut tasks = Vec::new();
        self.shop
            .door
            .list(&Filter::default(), |view| {
                tasks.push(view.full);
                Ok(true)
            })
            .unwrap();
        tasks
    }

    /// What a monitor does: it ends claims that are over.
    pub(crate) fn tend(&mut self) {
        if self.now >= self.swept_at + 15 {
            self.swept_at = self.now;
            self.one(Actor::Orchestrator, Act::Sweep).unwrap();
        }
    }

    /// The wall clock jumps, the machine restarts.
    pub(crate) fn disturb(&mut self, fleet: &mut Fleet) {
        if self.dice.percent(3) {
            let hours = i64::try_from(self.dice.between(0, 48)).unwrap() - 24;
            self.shop.stand.clock().jump_wall_ms(hours * 3_600_000);
        }
        if self.dice.per_mille(4) {
            fleet.all_crash(self);
            self.shop.stand.clock().reboot();
            self.shop.settle_on(Settings::default());
            self.second = self.shop.second_door();
            self.reboots.push(self.now);
        }
    }

    /// Imports a plan or two, and adds some tasks one by one.
    pub(crate) fn plan(&mut self) {
        for number in 0..self.dice.between(1, 2) {
            let tasks = self.random_tasks();
            let waits = self.dice.percent(15);
            let plan = NewPlan { waits, ..wish::plan(&format!("plan {number}")) };
            self.one(Actor::Human, Act::Add { tasks, plan: Some(plan) }).unwrap();
        }
        for _ in 0..self.dice.between(0, 4) {
            self.add_one();
        }
    }

    /// A task of its own behind any others.
    pub(crate) fn add_one(&mut self) {
        let known = self.tasks();
        let mut task = self.random_task();
        for _ in 0..self.dice.between(0, 3) {
            task.after.extend(self.dice.pick(&known).map(|full| After::Task(full.task.id)));
        }
        self.one(Actor::Human, Act::Add { tasks: vec![task], plan: None }).unwrap();
    }

    fn random_tasks(&mut self) -> Vec<NewTask> {
        let most = [6, 15, 30][self.dice.below(3)];
        let count = usize::try_from(self.dice.between(1, most)).unwrap();
        let phases = self.dice.between(1, 3);
        let mut tasks: Vec<NewTask> =
            (0..count).map(|_| NewTask { phase: u32::try_from(self.dice.between(1, phases)).unwrap(), ..self.random_task() }).collect();
        // What a task waits for is in its own phase or an earlier one, and in an order that is hidden in random keys.
        let keys: Vec<u64> = (0..count).map(|_| self.dice.between(0, 1_000_000)).collect();
        let density = self.dice.between(0, 30);
        for task in 0..count {
            for on in 0..count {
                let earlier = (tasks[on].phase, keys[on], on) < (tasks[task].phase, keys[task], task);
                if earlier && self.dice.percent(density) {
                    tasks[task].after.push(After::Index(on));
                }
            }
        }
        for index in 0..count {
            if self.dice.percent(40) {
                let (phase, attempts_max) = (tasks[index].phase, tasks[index].attempts_max);
                tasks.push(NewTask { phase, attempts_max, ..wish::test_of(index) });
            }
        }
        tasks
    }

    fn random_task(&mut self) -> NewTask {
        let number = self.dice.between(0, 999);
        let mut task = feature(&format!("task {number}")).attempts(u32::try_from(self.dice.between(1, 4)).unwrap());
        task.priority = self.dice.pick(Priority::ALL).unwrap();
        task.timeout = secs([90, 600, 3_600][self.dice.below(3)]);
        task.spec.estimate = self.dice.percent(50).then(|| secs(number + 1));
        if self.dice.percent(30) {
            task = task.needs(["a", "b", "c", "a,b"][self.dice.below(4)]);
        }
        if self.dice.percent(15) {
            task = task.assigned(["w0", "w1", "w2"][self.dice.below(3)]);
        }
        if self.dice.percent(40) {
            task = task.runs(&format!("run {number}")).fixed_by("fix");
        }
        task
    }
}

/// Whether two answers say that the same was done. A task in them is told as it is when they are given.
fn is_same(one: &Result<Answer>, other: &Result<Answer>) -> bool {
    match (one, other) {
        (Ok(Answer::Changed(one)), Ok(Answer::Changed(other))) => one.id == other.id,
        (Ok(Answer::Claimed { claim: one, .. }), Ok(Answer::Claimed { claim: other, .. })) => one == other,
        (Err(one), Err(other)) => one.code == other.code,
        _ => one == other,
    }
}

/// Whether a new dependency cannot make two tasks wait for each other by way of their phases.
pub(crate) fn may_wait_for(task: &Task, on: &Task) -> bool {
    let pending = matches!(task.state, TaskState::Pending);
    let single = task.plan == domain::id::PlanId::ADDED;
    pending && (single || (task.plan == on.plan && on.phase <= task.phase && task.kind == Kind::Feature && on.kind == Kind::Feature))
}
