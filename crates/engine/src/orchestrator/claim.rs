//! Which task a worker gets: its own lanes first, then those whose right worker is not there.

use domain::event::Actor;
use domain::id::{Capability, LaneId, TaskId, WorkerName};
use domain::lease::{Claim, Nonce};
use domain::lifecycle::Command;
use domain::schedule::{LaneKey, Rank, Reach, is_own, others_can, reach};
use domain::task::Task;
use domain::time::StoreTime;
use domain::worker::{Driver, Worker};

use super::Answer;
use super::book::Book;
use crate::error::{Error, Result};
use crate::store::TopFilter;

/// How many rows that do not decode one claim passes over before it gives up.
const UNREADABLE_MAX: u32 = 1_000;

impl Book<'_> {
    pub(super) fn claim(&mut self, name: &WorkerName, only: Option<TaskId>, nonce: Nonce, actor: Actor) -> Result<Answer> {
        if let Some(id) = only {
            self.task(id)?;
        }
        if !self.swept {
            self.sweep()?;
            self.swept = true;
        }
        if self.worker(name)?.is_none() {
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
            let Some(rank) = self.best(&worker)? else {
                return Ok(Answer::Nothing { why: format!("no task is ready that {name} can do") });
            };
            match self.tx.task(rank.id)? {
                Some(Ok(task)) => return self.take(&worker, &task, nonce, actor),
                Some(Err(bad)) => self.set_aside(rank.id, &bad)?,
                None => return Err(Error::bug(format!("{} is in the index and not in the table", rank.id))),
            }
        }
        Ok(Answer::Nothing { why: "too many rows do not decode: ganger doctor --strict".to_owned() })
    }

    /// The best task that the worker may have.
    fn best(&mut self, worker: &Worker) -> Result<Option<Rank>> {
        let now = self.now.store;
        let lanes: Vec<(LaneId, LaneKey)> = self.lanes()?.iter().map(|lane| (lane.id, lane.key.clone())).collect();
        let filter = |ready_since: Option<StoreTime>, not_back: bool| TopFilter { now, ready_since, not_back_from: not_back.then_some(&worker.name) };
        let mut best: Option<Rank> = None;
        let mut consider = |rank: Option<Rank>| best = domain::schedule::first(best.into_iter().chain(rank));
        for (id, _) in lanes.iter().filter(|(_, key)| is_own(key, worker)) {
            consider(self.tx.top(*id, filter(None, true))?);
        }
        if best.is_some() {
            return Ok(best);
        }
        // Nothing that is simply there. What follows needs to know who else is.
        let mut roster: Option<Vec<Worker>> = None;
        for (id, key) in &lanes {
            if self.tx.top(*id, filter(None, false))?.is_none() {
                continue;
            }
            let roster = match &mut roster {
                Some(roster) => roster,
                None => roster.insert(self.roster()?),
            };
            let limits = self.settings.limits;
            let own_back = |others: bool| filter(None, others);
            let found = match reach(key, worker, roster, now, limits) {
                // What it gave back is left to the others while another can take it.
                Reach::Own | Reach::Instead => self.tx.top(*id, own_back(others_can(key, &worker.name, roster, now, limits)))?,
                Reach::ReadySince(at) => self.tx.top(*id, filter(Some(at), false))?,
                Reach::Nothing => None,
            };
            best = domain::schedule::first(best.into_iter().chain(found));
        }
        Ok(best)
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
            Reach::ReadySince(_) | Reach::Nothing => match &key.assignee {
                Some(assignee) => refused("assigned_elsewhere", format!("{} waits for {assignee}", task.id), format!("ganger assign {} {}", task.id, worker.name)),
                None => {
                    let lacking = names(&worker.lacks(&key.needs));
                    refused(
                        "cannot_do",
                        format!("{} needs what {} cannot do: {}", task.id, worker.name, if lacking.is_empty() { "an agent or a person".to_owned() } else { lacking.join(", ") }),
                        format!("ganger workers add {} --can {}", worker.name, if lacking.is_empty() { "…".to_owned() } else { lacking.join(",") }),
                    )
                }
            },
        }
    }

    fn take(&mut self, worker: &Worker, task: &Task, nonce: Nonce, actor: Actor) -> Result<Answer> {
        let key = self.key_of(task)?.unwrap_or_default();
        let lacking = worker.lacks(&key.needs);
        let instead_of = key.assignee.filter(|assignee| *assignee != worker.name);
        let command = Command::Claim { worker: worker.name.clone(), nonce, lease: self.settings.lease, lacking, instead_of };
        let task = self.carry_out(task, &command, actor)?;
        let claim = Claim { task: task.id, attempt: task.attempt, nonce };
        Ok(Answer::Claimed { task: Box::new(task), claim })
    }

    fn key_of(&mut self, task: &Task) -> Result<Option<LaneKey>> {
        let lane = task.lane;
        Ok(self.lanes()?.iter().find(|other| other.id == lane).map(|other| other.key.clone()))
    }
}

fn names(capabilities: &[Capability]) -> Vec<String> {
    capabilities.iter().map(ToString::to_string).collect()
}
