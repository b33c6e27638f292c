//! Which task a worker gets: its own lanes first, then those whose right worker is not there.

use domain::event::Actor;
use domain::id::{Capability, TaskId, WorkerName};
use domain::lease::{Claim, Nonce};
use domain::lifecycle::{Command, transition};
use domain::schedule::{Lane, LaneKey, Limits, Rank, Reach, first, is_own, others_can, reach};
use domain::task::Task;
use domain::time::StoreTime;
use domain::worker::{Driver, Worker};

use super::book::Book;
use super::{Answer, Orchestrator};
use crate::error::{Error, Result};
use crate::store::{Snapshot, TopFilter};

/// How many rows that do not decode one claim passes over before it gives up.
const UNREADABLE_MAX: u32 = 1_000;

impl Book<'_> {
    pub(super) fn claim(&mut self, name: &WorkerName, only: Option<TaskId>, nonce: Nonce, actor: Actor) -> Result<Answer> {
        if let Some(id) = only {
            self.task(id)?;
        }
        if self.again
            && let Some(task) = self.tx.live()?.into_iter().find(|task| task.claim().is_some_and(|claim| claim.nonce == nonce))
        {
            let claim = Claim { task: task.id, attempt: task.attempt, nonce };
            return Ok(Answer::Claimed { task: Box::new(task), claim });
        }
        if !self.swept {
            if self.sweep()? > 0 {
                // What the dead leave behind may let a phase or the tests begin: that is there to be claimed now.
                self.settle()?;
            }
            self.swept = true;
        }
        if self.worker(name)?.is_none() {
            if let Some(id) = only {
                // A refusal leaves nothing behind, nor a stranger on the roster.
                let (task, stranger) = (self.task(id)?, self.newcomer(name, Driver::Pull, true)?);
                self.may_have(&stranger, &task)?;
                transition(&task, &self.taking(&stranger, &task, nonce)?, self.now, self.settings.rules)?;
            }
            self.enlist(name, Driver::Pull, true, actor)?;
        }
        self.seen(name)?;
        let worker = self.worker(name)?.cloned().ok_or_else(|| Error::no_worker(name))?;
        if worker.paused {
            return Ok(Answer::Nothing { why: format!("{name} is paused: ganger workers resume {name}") });
        }
        if let Some(id) = only {
            let task = self.task(id)?;
            self.may_have(&worker, &task)?;
            return self.take(&worker, &task, nonce, actor);
        }
        for _ in 0..UNREADABLE_MAX {
            let lanes = self.lanes()?.to_vec();
            let Some(rank) = best(self.tx, &lanes, &worker, self.now.store, self.settings.limits, || self.roster())? else {
                return Ok(Answer::Nothing { why: format!("no task is ready that {name} can do") });
            };
            // With its spec: a task of which no brief can be written would bring down one worker after the other.
            match self.tx.full(rank.id)? {
                Some(Ok(full)) => return self.take(&worker, &full.task, nonce, actor),
                Some(Err(bad)) => self.set_aside(rank.id, &bad)?,
                None => return Err(Error::bug(format!("{} is in the index and not in the table", rank.id))),
            }
        }
        Ok(Answer::Nothing { why: "too many rows do not decode: ganger doctor --strict".to_owned() })
    }

    /// Whether the worker may have a certain task.
    fn may_have(&mut self, worker: &Worker, task: &Task) -> Result<()> {
        let Some(key) = self.key_of(task)? else { return Err(Error::bug(format!("the lane of {} is missing", task.id))) };
        let refused = |code, message: String, hint: String| Err(Error::refused(code, message).hint(hint));
        if !task.is_ready(self.now.store) {
            // The life cycle says what it waits for.
            return Ok(());
        }
        match reach(&key, worker, &self.roster()?, self.now.store, self.settings.limits) {
            Reach::Own | Reach::Instead => Ok(()),
            Reach::ReadySince(at) if task.ready_at <= at => Ok(()),
            Reach::ReadySince(_) | Reach::NotYet(_) | Reach::Nothing => match &key.assignee {
                Some(assignee) => refused(
                    "assigned_elsewhere",
                    format!("{} waits for {assignee}", task.id),
                    format!("ganger assign {} {}", task.id, worker.name),
                ),
                None => {
                    let lacking = names(&worker.lacks(&key.needs));
                    refused(
                        "cannot_do",
                        format!(
                            "{} needs what {} cannot do: {}",
                            task.id,
                            worker.name,
                            if lacking.is_empty() { "an agent or a person".to_owned() } else { lacking.join(", ") }
                        ),
                        format!(
                            "ganger workers add {} --can {}",
                            worker.name,
                            if lacking.is_empty() { "…".to_owned() } else { lacking.join(",") }
                        ),
                    )
                }
            },
        }
    }

    fn taking(&mut self, worker: &Worker, task: &Task, nonce: Nonce) -> Result<Command> {
        let key = self.key_of(task)?.unwrap_or_default();
        let lacking = worker.lacks(&key.needs);
        let instead_of = key.assignee.filter(|assignee| *assignee != worker.name);
        Ok(Command::Claim { worker: worker.name.clone(), nonce, lease: self.settings.lease, lacking, instead_of })
    }

    fn take(&mut self, worker: &Worker, task: &Task, nonce: Nonce, actor: Actor) -> Result<Answer> {
        let command = self.taking(worker, task, nonce)?;
        let task = self.carry_out(task, &command, actor)?;
        let claim = Claim { task: task.id, attempt: task.attempt, nonce };
        Ok(Answer::Claimed { task: Box::new(task), claim })
    }

    fn key_of(&mut self, task: &Task) -> Result<Option<LaneKey>> {
        let lane = task.lane;
        Ok(self.lanes()?.iter().find(|other| other.id == lane).map(|other| other.key.clone()))
    }
}

impl Orchestrator {
    /// Whether a claim by this worker would find something, now or, perhaps, by a closer look. Reads only: an idle worker asks this first.
    ///
    /// # Errors
    /// Those of the store.
    pub fn has_work_for(&self, name: &WorkerName) -> Result<bool> {
        self.look(|snapshot| {
            let now = snapshot.now().store;
            let due = !snapshot.due(now)?.is_empty();
            match snapshot.worker(name)? {
                None => Ok(true),
                Some(worker) if worker.paused => Ok(false),
                Some(worker) => {
                    Ok(due || best(snapshot, &snapshot.lanes()?, &worker, now, self.settings().limits, || snapshot.workers())?.is_some())
                }
            }
        })
    }
}

/// The best task that the worker may have.
fn best(
    snapshot: &dyn Snapshot,
    lanes: &[Lane],
    worker: &Worker,
    now: StoreTime,
    limits: Limits,
    everybody: impl Fn() -> Result<Vec<Worker>>,
) -> Result<Option<Rank>> {
    let filter =
        |ready_since: Option<StoreTime>, not_back: bool| TopFilter { now, ready_since, not_back_from: not_back.then_some(&worker.name) };
    let mut best: Option<Rank> = None;
    for lane in lanes.iter().filter(|lane| is_own(&lane.key, worker)) {
        best = first(best.into_iter().chain(snapshot.top(lane.id, filter(None, true))?));
    }
    if best.is_some() {
        return Ok(best);
    }
    // Nothing that is simply there. What follows needs to know who else is.
    let mut roster: Option<Vec<Worker>> = None;
    for lane in lanes {
        if snapshot.top(lane.id, filter(None, false))?.is_none() {
            continue;
        }
        let roster = match &mut roster {
            Some(roster) => roster,
            None => roster.insert(everybody()?),
        };
        let found = match reach(&lane.key, worker, roster, now, limits) {
            // What it gave back is left to the others while another can take it.
            Reach::Own | Reach::Instead => snapshot.top(lane.id, filter(None, others_can(&lane.key, &worker.name, roster, now, limits)))?,
            Reach::ReadySince(at) => snapshot.top(lane.id, filter(Some(at), false))?,
            Reach::NotYet(_) | Reach::Nothing => None,
        };
        best = first(best.into_iter().chain(found));
    }
    Ok(best)
}

fn names(capabilities: &[Capability]) -> Vec<String> {
    capabilities.iter().map(ToString::to_string).collect()
}
