//! A small, naive model of the whole queue, for holding the real one against: every question is answered by looking at all tasks anew.
//! It was written from the contract, and shares no rule with the engine or with the domain's life cycle: no counter, no lane, no index.
//! Phases, tests and capabilities are left out.

mod ask;
mod look;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::id::{Attempt, TaskId, WorkerName};
use domain::lease::{Claim, Nonce};
use domain::task::{FailReason, Priority, Status};
use domain::time::StoreTime;

pub use self::ask::{Ask, Item, Need, Said};
pub use self::look::Sighting;

/// The figures that the model goes by.
#[derive(Debug, Clone, Copy)]
pub struct Figures {
    /// How long a worker counts as alive without a heartbeat.
    pub lease: Duration,
    /// How long a worker without a claim may be silent and still counts as there.
    pub quiet: Duration,
    /// The longest wait after the first failure of the surroundings; it doubles with each further one.
    pub backoff_base: Duration,
    /// The longest wait of all.
    pub backoff_cap: Duration,
    /// How many deaths of workers a task survives, and one more.
    pub crashes_max: u32,
}

/// The queue.
#[derive(Debug, Clone)]
pub struct Model {
    figures: Figures,
    now: i64,
    tasks: BTreeMap<TaskId, Entry>,
    workers: BTreeMap<WorkerName, Known>,
}

#[derive(Debug, Clone)]
struct Entry {
    needs: BTreeSet<TaskId>,
    priority: Priority,
    estimate_ms: u64,
    timeout_ms: i64,
    attempts_max: u32,
    state: State,
    claims: u32,
    failures: u32,
    crashes: u32,
    due: Due,
    given_back_by: Option<WorkerName>,
}

#[derive(Debug, Clone, PartialEq)]
enum State {
    Pending,
    Held { claim: Claim, by: WorkerName, lease_until: i64, timeout_at: i64 },
    Completed { by: Claim },
    Blocked,
    Failed,
    Cancelled,
}

/// When a task may be claimed again.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Due {
    Now,
    /// Somewhere in this span; the model draws no lots, it is told.
    Between(i64, i64),
    At(i64),
}

#[derive(Debug, Clone, Copy)]
struct Known {
    heard_of: i64,
    lost: bool,
    /// When it last began or ended a claim.
    turned: Option<i64>,
    worked_ms: i64,
}

impl Model {
    /// An empty queue.
    #[must_use]
    pub fn new(figures: Figures) -> Self {
        Self { figures, now: 0, tasks: BTreeMap::new(), workers: BTreeMap::new() }
    }

    /// Says what time it is on the store's clock.
    pub fn at(&mut self, now: StoreTime) {
        let passed = now.0 - self.now;
        self.now = now.0;
        let busy: Vec<WorkerName> = self.workers.keys().filter(|worker| !self.held_by(worker).is_empty()).cloned().collect();
        for worker in busy {
            self.known(&worker).worked_ms += passed;
        }
    }

    /// Carries out what somebody asks for, and says what came of it.
    pub fn ask(&mut self, ask: &Ask) -> Said {
        self.carry_out(ask).unwrap_or_else(Said::Refused)
    }

    fn carry_out(&mut self, ask: &Ask) -> Result<Said, &'static str> {
        match ask {
            Ask::Add(items) => self.add(items),
            Ask::Claim { worker, only, nonce } => self.claim(worker, *only, *nonce),
            Ask::Heartbeat(claim) => {
                let lease_until = self.now + ms(self.figures.lease);
                let entry = self.current(claim)?;
                if let State::Held { lease_until: until, .. } = &mut entry.state {
                    *until = lease_until;
                }
                self.reported(claim)
            }
            Ask::Complete(claim) => {
                if self.entry(claim.task)?.state == (State::Completed { by: *claim }) {
                    return Ok(Said::Changed(claim.task, Status::Completed));
                }
                self.end(claim, State::Completed { by: *claim })
            }
            Ask::Fail(claim, reason) => {
                self.current(claim)?;
                let holder = self.holder(claim.task);
                self.count_failure(claim.task, *reason)?;
                self.heard_of(holder);
                self.changed(claim.task)
            }
            Ask::Block(claim) => self.end(claim, State::Blocked),
            Ask::Release(claim) => {
                self.current(claim)?;
                let holder = self.holder(claim.task);
                let said = self.end(claim, State::Pending);
                self.entry(claim.task)?.given_back_by = holder;
                said
            }
            Ask::Sweep => Ok(Said::Swept(self.sweep()?)),
            Ask::Lose(worker) => {
                self.workers.get_mut(worker).ok_or("no_such_worker")?.lost = true;
                for id in self.held_by(worker) {
                    self.count_crash(id)?;
                }
                Ok(Said::Done)
            }
            Ask::Cancel(id) => match self.entry(*id)?.state {
                State::Pending | State::Held { .. } | State::Blocked => self.move_to(*id, State::Cancelled),
                State::Completed { .. } | State::Failed | State::Cancelled => Err("illegal_transition"),
            },
            Ask::Retry(id) => {
                let entry = self.entry(*id)?;
                match entry.state {
                    State::Failed | State::Cancelled => {
                        (entry.failures, entry.crashes) = (0, 0);
                        self.move_to(*id, State::Pending)
                    }
                    State::Pending | State::Held { .. } | State::Completed { .. } | State::Blocked => Err("illegal_transition"),
                }
            }
            Ask::Unblock(id) => match self.entry(*id)?.state {
                State::Blocked => self.move_to(*id, State::Pending),
                State::Pending | State::Held { .. } | State::Completed { .. } | State::Failed | State::Cancelled => {
                    Err("illegal_transition")
                }
            },
            Ask::Wait { task, on } => self.wait(*task, *on),
        }
    }

    fn add(&mut self, items: &[Item]) -> Result<Said, &'static str> {
        let first = self.tasks.keys().next_back().map_or(1, |last| last.0 + 1);
        let id_of = |index: usize| TaskId(first + u32::try_from(index).unwrap_or(u32::MAX));
        let mut grown = self.clone();
        for (index, item) in items.iter().enumerate() {
            let mut needs = BTreeSet::new();
            for need in &item.needs {
                match need {
                    Need::Known(id) => {
                        self.tasks.get(id).ok_or("no_such_task")?;
                        needs.insert(*id);
                    }
                    Need::Together(index) => {
                        needs.insert(id_of(*index));
                    }
                }
            }
            let entry = Entry {
                needs,
                priority: item.priority,
                estimate_ms: item.estimate_ms,
                timeout_ms: ms(item.timeout),
                attempts_max: item.attempts_max,
                state: State::Pending,
                claims: 0,
                failures: 0,
                crashes: 0,
                due: Due::Now,
                given_back_by: None,
            };
            grown.tasks.insert(id_of(index), entry);
        }
        if grown.tasks.keys().any(|id| grown.waits_for(*id, *id)) {
            return Err("cycle");
        }
        *self = grown;
        Ok(Said::Added { first: TaskId(first), count: u32::try_from(items.len()).unwrap_or(u32::MAX) })
    }

    fn claim(&mut self, worker: &WorkerName, only: Option<TaskId>, nonce: Nonce) -> Result<Said, &'static str> {
        if let Some(id) = only {
            self.entry(id)?;
        }
        self.sweep()?;
        let refusal = match only {
            Some(id) if matches!(self.entry(id)?.state, State::Held { .. }) => Some("taken"),
            Some(id) if !self.is_ready(id) => Some("not_ready"),
            Some(_) | None => None,
        };
        // A refusal puts no stranger on the roster.
        if refusal.is_none() || self.workers.contains_key(worker) {
            self.heard_of(Some(worker.clone()));
        }
        if let Some(code) = refusal {
            return Err(code);
        }
        let Some(id) = only.or_else(|| self.best_for(worker)) else { return Ok(Said::Nothing) };
        let (now, lease) = (self.now, ms(self.figures.lease));
        self.known(worker).turned = Some(now);
        let entry = self.entry(id)?;
        entry.claims += 1;
        let claim = Claim { task: id, attempt: Attempt(entry.claims), nonce };
        entry.state = State::Held { claim, by: worker.clone(), lease_until: now + lease, timeout_at: now + entry.timeout_ms };
        (entry.due, entry.given_back_by) = (Due::Now, None);
        Ok(Said::Claimed(claim))
    }

    /// The ready task that comes first: priority, the longest path, age. What the worker gave back comes only when nobody else is there for it.
    fn best_for(&self, worker: &WorkerName) -> Option<TaskId> {
        let first = |given_back: bool| {
            let fits = |id: &TaskId| self.is_ready(*id) && (self.tasks[id].given_back_by.as_ref() == Some(worker)) == given_back;
            self.tasks.keys().copied().filter(fits).min_by_key(|id| (self.tasks[id].priority, std::cmp::Reverse(self.path(*id)), *id))
        };
        let others = self.workers.keys().any(|other| other != worker && self.is_there(other));
        first(false).or_else(|| if others { None } else { first(true) })
    }

    fn is_there(&self, worker: &WorkerName) -> bool {
        self.workers
            .get(worker)
            .is_some_and(|known| !known.lost && (!self.held_by(worker).is_empty() || self.now - known.heard_of <= ms(self.figures.quiet)))
    }

    fn heard_of(&mut self, worker: Option<WorkerName>) {
        if let Some(worker) = worker {
            let now = self.now;
            let known = self.known(&worker);
            (known.heard_of, known.lost) = (now, false);
        }
    }

    fn known(&mut self, worker: &WorkerName) -> &mut Known {
        let fresh = Known { heard_of: self.now, lost: false, turned: None, worked_ms: 0 };
        self.workers.entry(worker.clone()).or_insert(fresh)
    }

    /// Ends every claim whose lease or time is over, for the one that was over first.
    fn sweep(&mut self) -> Result<u32, &'static str> {
        let mut swept = 0;
        for id in self.over() {
            let State::Held { lease_until, timeout_at, .. } = self.entry(id)?.state else { continue };
            swept += 1;
            if lease_until < timeout_at {
                self.count_crash(id)?;
            } else {
                self.count_failure(id, FailReason::Timeout)?;
            }
        }
        Ok(swept)
    }

    fn count_failure(&mut self, id: TaskId, reason: FailReason) -> Result<(), &'static str> {
        let (now, figures) = (self.now, self.figures);
        let entry = self.entry(id)?;
        entry.failures += 1;
        let is_last = entry.failures >= entry.attempts_max;
        let doubled = (1..entry.failures).fold(figures.backoff_base, |span, _| (span * 2).min(figures.backoff_cap));
        let longest = ms(doubled.min(figures.backoff_cap));
        self.move_to(id, if is_last { State::Failed } else { State::Pending })?;
        if reason == FailReason::Infrastructure && !is_last {
            self.entry(id)?.due = Due::Between(now, now + longest);
        }
        Ok(())
    }

    fn count_crash(&mut self, id: TaskId) -> Result<(), &'static str> {
        let crashes_max = self.figures.crashes_max;
        let entry = self.entry(id)?;
        entry.crashes += 1;
        let is_last = entry.crashes >= crashes_max;
        self.move_to(id, if is_last { State::Failed } else { State::Pending })?;
        Ok(())
    }

    fn wait(&mut self, task: TaskId, on: TaskId) -> Result<Said, &'static str> {
        self.entry(task)?;
        self.entry(on)?;
        if task == on || self.waits_for(on, task) {
            return Err("cycle");
        }
        let entry = self.entry(task)?;
        if entry.needs.contains(&on) {
            return Err("nothing_to_change");
        }
        if !matches!(entry.state, State::Pending | State::Blocked) {
            return Err("illegal_transition");
        }
        entry.needs.insert(on);
        self.changed(task)
    }

    /// The end of a claim by its holder.
    fn end(&mut self, claim: &Claim, state: State) -> Result<Said, &'static str> {
        self.current(claim)?;
        let holder = self.holder(claim.task);
        let said = self.move_to(claim.task, state);
        self.heard_of(holder);
        said
    }

    fn reported(&mut self, claim: &Claim) -> Result<Said, &'static str> {
        let holder = self.holder(claim.task);
        self.heard_of(holder);
        self.changed(claim.task)
    }

    fn move_to(&mut self, id: TaskId, state: State) -> Result<Said, &'static str> {
        if let Some(holder) = self.holder(id) {
            self.known(&holder).turned = Some(self.now);
        }
        let entry = self.entry(id)?;
        entry.state = state;
        (entry.due, entry.given_back_by) = (Due::Now, None);
        self.changed(id)
    }

    fn changed(&self, id: TaskId) -> Result<Said, &'static str> {
        Ok(Said::Changed(id, self.status(id)))
    }

    fn entry(&mut self, id: TaskId) -> Result<&mut Entry, &'static str> {
        self.tasks.get_mut(&id).ok_or("no_such_task")
    }

    /// The task of a claim, if that very claim holds it.
    fn current(&mut self, claim: &Claim) -> Result<&mut Entry, &'static str> {
        let entry = self.entry(claim.task)?;
        match &entry.state {
            State::Held { claim: open, .. } if open == claim => Ok(entry),
            State::Held { .. } | State::Pending | State::Completed { .. } | State::Blocked | State::Failed | State::Cancelled => {
                Err("stale_claim")
            }
        }
    }
}

fn ms(span: Duration) -> i64 {
    domain::time::millis(span)
}
