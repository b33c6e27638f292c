//! The worker: the one loop that runs things without a terminal. Claim, run, renew the lease, check, record the outcome and claim the next
//! in the same transaction, again. It needs the store and nothing else; its guardian ([`crate::tree`]) owns what it runs.

pub mod lock;
mod outcome;
pub mod run;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use domain::event::Actor;
use domain::id::{Capability, WorkerName};
use domain::lease::{Claim, Nonce};
use domain::task::Task;
use domain::worker::Driver;

use self::lock::NameLock;
use self::run::{Interrupt, Runner};
use crate::clock::instant;
use crate::error::{Error, Kind, Result};
use crate::orchestrator::{Act, Answer, Card, Orchestrator, Order, WorkerAct};
use crate::project::Project;
use crate::random;
use crate::services::monitor;
use crate::store::{Listen, Listener};
use crate::tree;

/// What a worker is told when it starts.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Its name.
    pub name: WorkerName,
    /// What it can do; `None` leaves what the roster says.
    pub can: Option<Vec<Capability>>,
    /// The command that does each task, with the brief on stdin; without one the task's own `run`.
    pub command: Option<Vec<String>>,
    /// Leave after being idle for so long.
    pub idle_exit: Option<Duration>,
    /// Leave after one task.
    pub once: bool,
}

/// How a worker ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shift {
    /// How many tasks it completed.
    pub completed: u32,
    /// How many attempts failed.
    pub failed: u32,
}

/// Between two looks at the store when nothing wakes an idle worker.
const SLOW_POLL: Duration = Duration::from_secs(1);
/// How often an idle worker looks whether a colleague has died: a little less than it waits, so that each slow look is one.
const COLLEAGUES_EVERY: Duration = Duration::from_millis(900);
/// The longest wait between two tries while the store does not answer.
const STORE_RETRY_MAX: Duration = Duration::from_secs(10);
/// How long a worker goes on trying to reach the store.
const STORE_PATIENCE: Duration = Duration::from_secs(600);

/// A worker at work.
pub struct Worker<'p> {
    project: &'p Project,
    door: &'p Orchestrator,
    terms: Terms,
    runner: Runner<'p>,
    work: Box<dyn Listener>,
    shift: Shift,
    heartbeat: Duration,
    seen: Instant,
    colleagues_seen: Option<Instant>,
    _lock: NameLock,
}

impl<'p> Worker<'p> {
    /// Takes the name, ends what a killed predecessor left running, and joins the roster.
    ///
    /// # Errors
    /// `no_program` when its own command names none; `worker_running` when the name is taken; those of the store.
    pub fn start(project: &'p Project, door: &'p Orchestrator, terms: Terms, interrupt: Interrupt) -> Result<Self> {
        if let Some(program) = terms.command.as_ref().and_then(|command| command.first()) {
            // Before it has a name, or a task: it would fail one after the other.
            let env = project.config().worker_env(&terms.name);
            let path = env.into_iter().rfind(|(name, _)| name == "PATH").map(|(_, path)| path.into()).or_else(|| std::env::var_os("PATH"));
            tree::program::find(program, path.as_deref(), project.root()).map_err(|why| {
                Error::usage(
                    "no_program",
                    format!("cannot start '{}', which is to do the tasks: {why}", domain::text::escaped(program, 200)),
                )
                .hint("name a program on PATH, or a path of one, relative to the project's folder")
            })?;
        }
        let lock = NameLock::take(project, &terms.name)?;
        lock::end_leftovers(project, door, &terms.name)?;
        let mark = format!("ganger-{}", random::hex()?);
        let card = Card {
            name: terms.name.clone(),
            driver: Driver::Shell,
            agent: None,
            target: None,
            can: terms.can.clone(),
            thinks: terms.command.is_some(),
            session: Some(lock::session(project, &terms.name, &mark)),
        };
        door.apply_one(Order::new(Actor::Worker, Act::Join(card)))?;
        let work = door.store().waker().listen(Listen::Work);
        let runner = Runner::new(project, door, &terms.name, mark, interrupt)?;
        let heartbeat = project.config().span("heartbeat")?;
        let shift = Shift { completed: 0, failed: 0 };
        Ok(Self { project, door, terms, runner, work, shift, heartbeat, seen: instant(), colleagues_seen: None, _lock: lock })
    }

    /// Works until there is nothing more to wait for: `--once`, `--idle-exit`, or a signal.
    ///
    /// # Errors
    /// `no_program` when its own command cannot be started any more; those of a store that stays away for ten minutes.
    pub fn work(&mut self) -> Result<Shift> {
        let mut report: Option<Order> = None;
        let mut idle_since = instant();
        loop {
            let stopping = self.runner.interrupted() || (self.terms.once && self.shift.completed + self.shift.failed > 0);
            let Some(task) = self.report_and_claim(report.take(), !stopping)? else {
                if stopping {
                    return self.leave();
                }
                let Some(wait) = self.idle_wait(idle_since) else { return self.leave() };
                self.wait_for_work(wait)?;
                continue;
            };
            let order = self.attempt(&task.0, task.1)?;
            if let Some(why) = self.runner.unfit() {
                let why = why.to_owned();
                self.report_and_claim(Some(order), false)?;
                self.leave()?;
                return Err(Error::refused("no_program", format!("its own command could not be started: failed to {why}"))
                    .hint(format!("{} was given back: start the worker again when the program is there", task.0.id)));
            }
            report = Some(order);
            idle_since = instant();
        }
    }

    /// One turn for `run --local`: claims a task if there is one, does it and reports it. Says whether there was one.
    ///
    /// # Errors
    /// As [`Worker::work`].
    pub fn turn(&mut self) -> Result<bool> {
        let Some((task, claim)) = self.report_and_claim(None, true)? else { return Ok(false) };
        let report = self.attempt(&task, claim)?;
        self.report_and_claim(Some(report), false)?;
        Ok(true)
    }

    /// Says that this worker leaves, holding nothing.
    ///
    /// # Errors
    /// Those of the store.
    pub fn leave(&mut self) -> Result<Shift> {
        self.door.apply_one(Order::new(Actor::Worker, Act::Worker { name: self.terms.name.clone(), what: WorkerAct::Left }))?;
        Ok(self.shift)
    }

    fn attempt(&mut self, task: &Task, claim: Claim) -> Result<Order> {
        let order = self.runner.attempt(task, claim, self.terms.command.as_deref())?;
        self.seen = instant();
        match &order.act {
            Act::Report { command: domain::lifecycle::Command::Complete { .. }, .. } => self.shift.completed += 1,
            _ if self.runner.unfit().is_some() => {}
            _ => self.shift.failed += 1,
        }
        Ok(order)
    }

    /// Records the outcome of the last task and takes the next one, in one transaction.
    fn report_and_claim(&mut self, report: Option<Order>, claim: bool) -> Result<Option<(Task, Claim)>> {
        let mut orders: Vec<Order> = report.into_iter().collect();
        // An idle worker looks before it writes, so that many of them do not queue for the store.
        let claim = claim && (!orders.is_empty() || self.door.has_work_for(&self.terms.name)? || self.finds_a_dead_colleague()?);
        if claim {
            let act = Act::Claim { worker: self.terms.name.clone(), only: None, nonce: Nonce(random::bytes()?) };
            orders.push(Order::new(Actor::Worker, act));
        }
        if orders.is_empty() {
            return Ok(None);
        }
        let answers = patiently(|| self.door.apply(&orders))?;
        self.seen = instant();
        let mut claimed = None;
        for answer in answers {
            match answer {
                Ok(Answer::Claimed { task, claim }) => claimed = Some((*task, claim)),
                Ok(_) => {}
                // The claim was taken away meanwhile: what was done is refused, and the next task is as good (G7).
                Err(error) if error.code == "stale_claim" => self.runner.say(&error.message),
                Err(error) => return Err(error),
            }
        }
        Ok(claimed)
    }

    /// Whether somebody has died on this machine and left a task: with no run around, nobody else would notice before its lease is over (G8).
    fn finds_a_dead_colleague(&mut self) -> Result<bool> {
        if planted!("idle_blind") || self.colleagues_seen.is_some_and(|at| at.elapsed() < COLLEAGUES_EVERY) {
            return Ok(false);
        }
        self.colleagues_seen = Some(instant());
        Ok(!patiently(|| monitor::tend_holders(self.project, self.door, &self.terms.name))?.is_empty())
    }

    /// How long to wait for work; `None` when it is time to leave.
    fn idle_wait(&self, idle_since: Instant) -> Option<Duration> {
        match self.terms.idle_exit {
            None => Some(SLOW_POLL),
            Some(limit) => limit.checked_sub(idle_since.elapsed()).filter(|left| !left.is_zero()).map(|left| left.min(SLOW_POLL)),
        }
    }

    fn wait_for_work(&mut self, wait: Duration) -> Result<()> {
        if self.seen.elapsed() >= self.heartbeat {
            let order = Order::new(Actor::Worker, Act::Worker { name: self.terms.name.clone(), what: WorkerAct::Seen });
            match patiently(|| self.door.apply_one(order.clone())) {
                Err(error) if error.code == "no_such_worker" => {
                    return Err(error.hint("it was taken off the roster: start it again to join"));
                }
                done => done.map(|_| ())?,
            }
            self.seen = instant();
        }
        self.runner.wait_idle(self.work.as_mut(), wait);
        Ok(())
    }

    /// The folder of the project, for messages.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.project.root().to_owned()
    }
}

/// Tries again, later and later with jitter, while the store does not answer. What the rules refuse is not tried again.
///
/// # Errors
/// The last one, after ten minutes; any that is not the store's at once.
pub fn patiently<T>(mut ask: impl FnMut() -> Result<T>) -> Result<T> {
    let began = instant();
    let mut wait = Duration::from_millis(50);
    loop {
        match ask() {
            Err(error) if is_passing(&error) && began.elapsed() < STORE_PATIENCE => {
                let seed = u64::from_le_bytes(random::bytes()?);
                let ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
                std::thread::sleep(Duration::from_millis(ms / 2 + domain::retry::jitter(seed, ms / 2)));
                wait = (wait * 2).min(STORE_RETRY_MAX);
            }
            done => return done,
        }
    }
}

/// Whether an error of the store may pass by itself: a full disk, a busy file, a failing read.
fn is_passing(error: &Error) -> bool {
    match error.kind {
        Kind::Store => matches!(error.code, "disk_full" | "store_io" | "store_busy" | "store_unreachable"),
        Kind::Unknown => true,
        Kind::Refused | Kind::Usage | Kind::NotFound | Kind::Nothing | Kind::Bug => false,
    }
}
