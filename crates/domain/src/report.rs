//! The report: what was asked, what came of it, what went wrong and what waits for a person, put together from tasks and the journal.
//! It knows no file, no Markdown and no clock: the same parts give the same report.

mod journal;
mod lines;
mod order;
mod problems;
#[cfg(test)]
mod tests;
mod waits;
pub mod words;

use std::collections::HashMap;
use std::time::Duration;

pub use self::journal::{FALLBACKS_MAX, Fallback, Happened, Hours, Journal, Lost, Run, Trail};
pub use self::lines::{Fix, Line, TestLine, Verdict};
pub use self::problems::{Expired, Failed, Problems, Waiting};
pub use self::waits::{Hands, HeldTests, WAITS_MAX, Wait, Why, held_tests, moved_by, waits};
use crate::event::words;
use crate::id::{PlanId, TaskId, WorkerName};
use crate::phase::Counts;
use crate::schedule::Lane;
use crate::task::{Kind, Spec, Status, Task, TaskResult, TaskState};
use crate::time::Timestamp;
use crate::worker::Worker;

words! {
    /// How things stand as a whole.
    Outcome {
        /// There is no task.
        Nothing = "nothing",
        /// Nothing was claimed yet.
        NotBegun = "not_begun",
        /// A run is going on, or somebody works without one.
        UnderWay = "under_way",
        /// Everything that was wanted is COMPLETED, or CANCELLED by a person.
        Done = "done",
        /// The run ended, and something is left that does not go on by itself.
        Unfinished = "unfinished",
        /// Somebody, or the clock, stopped the run.
        Stopped = "stopped",
    }
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The plan.
    pub plan: PlanId,
    /// Its title; empty for tasks that were added one by one.
    pub title: String,
    /// What it is for.
    pub goal: Option<String>,
}

/// A task as the report reads it.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'p> {
    /// Where it stands.
    pub task: &'p Task,
    /// What was asked for.
    pub spec: &'p Spec,
    /// What it depends on.
    pub after: &'p [TaskId],
    /// What was handed in.
    pub result: Option<&'p TaskResult>,
}

/// Everything that a report is made of, as it was at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'p> {
    /// The plans that it is about.
    pub plans: &'p [Asked],
    /// How many tasks stand how, also those that are not listed.
    pub counts: Counts,
    /// The same without tests that nobody wanted.
    pub wanted: Counts,
    /// The tasks that are listed, by id.
    pub tasks: &'p [Entry<'p>],
    /// The roster.
    pub workers: &'p [Worker],
    /// The lanes.
    pub lanes: &'p [Lane],
    /// What the journal tells.
    pub journal: &'p Journal,
    /// How many of the rows that were looked at do not decode.
    pub unreadable: u32,
}

/// A report.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// What was asked for.
    pub plans: Vec<Asked>,
    /// How it stands as a whole.
    pub outcome: Outcome,
    /// The newest run.
    pub run: Option<Run>,
    /// How many tasks stand how.
    pub counts: Counts,
    /// Completed tasks of all that were not cancelled, in whole percent, rounded down.
    pub percent: u32,
    /// Whether tests may run.
    pub tests_wanted: bool,
    /// From the first claim to the last end of one.
    pub wall: Option<(Timestamp, Timestamp)>,
    /// How long workers worked altogether.
    pub worked: Duration,
    /// The workers that did something, by number.
    pub workers: Vec<WorkerLine>,
    /// Features, and fixes of no test, in dependency order.
    pub tasks: Vec<Line>,
    /// Tests, in the order of their features.
    pub tests: Vec<TestLine>,
    /// Features that no task tests.
    pub untested: Vec<TaskId>,
    /// Tests that wait for the end of the features.
    pub held_tests: Vec<HeldTests>,
    /// What went wrong.
    pub problems: Problems,
    /// What waits for a person.
    pub waits: Vec<Wait>,
    /// How many more of those there are.
    pub waits_more: u32,
    /// What it cost.
    pub cost: Cost,
    /// How many tasks are not listed.
    pub left_out: u32,
    /// Whether times and expired claims are those of the newest events only.
    pub journal_is_cut: bool,
}

/// What one worker did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerLine {
    /// Its name.
    pub name: WorkerName,
    /// Its number on the roster; `None` when it is no longer there.
    pub number: Option<u32>,
    /// How many tasks it completed.
    pub completed: u32,
    /// How many FAILED in its hands.
    pub failed: u32,
    /// What it holds.
    pub holds: Vec<TaskId>,
    /// How long it worked.
    pub worked: Duration,
    /// How long it was there without work, between the first claim of all and the last end of all.
    pub idle: Duration,
}

/// What was told of costs.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Cost {
    /// In dollars, where anybody told.
    pub usd: Option<f64>,
    /// Tokens read and written, where anybody told.
    pub tokens: Option<(u64, u64)>,
    /// How many tasks told either.
    pub told_by: u32,
}

impl From<&Parts<'_>> for Report {
    fn from(parts: &Parts<'_>) -> Self {
        let places: HashMap<TaskId, usize> = parts.tasks.iter().enumerate().map(|(index, entry)| (entry.task.id, index)).collect();
        let ordered: Vec<Entry<'_>> = order::order(parts.tasks).into_iter().filter_map(|index| parts.tasks.get(index).copied()).collect();
        let at = |id: TaskId| places.get(&id).and_then(|&index| parts.tasks.get(index));
        let (tests, untested) = lines::tests(&ordered, at, parts.journal);
        let outcome = outcome(parts);
        let tests_wanted = parts.wanted == parts.counts;
        let tested_by = tests.iter().filter_map(|test| Some((test.feature?, test.id))).collect();
        let hands = match outcome {
            Outcome::Unfinished | Outcome::Stopped => Hands::Missing,
            Outcome::Nothing | Outcome::NotBegun | Outcome::UnderWay | Outcome::Done => Hands::AtWork,
        };
        let (waits, waits_more) = waits(parts.tasks, parts.lanes, parts.workers, hands);
        Self {
            plans: parts.plans.to_vec(),
            outcome,
            run: parts.journal.run().cloned(),
            counts: parts.counts,
            percent: percent(&parts.counts),
            tests_wanted,
            wall: parts.journal.wall(),
            worked: parts.journal.worked() + untold(parts),
            workers: workers(parts),
            tasks: ordered
                .iter()
                .filter(|entry| lines::is_told(entry))
                .map(|entry| lines::line(entry, at, &tested_by, parts.journal))
                .collect(),
            tests,
            untested,
            held_tests: if tests_wanted { held_tests(parts.tasks) } else { Vec::new() },
            problems: problems::problems(parts, at),
            waits,
            waits_more,
            cost: cost(parts.tasks),
            left_out: parts.counts.all().saturating_sub(u32::try_from(parts.tasks.len()).unwrap_or(u32::MAX)),
            journal_is_cut: parts.journal.is_cut(),
        }
    }
}

impl Report {
    /// How many tasks were wanted: all that nobody cancelled.
    #[must_use]
    pub fn wanted(&self) -> u32 {
        self.counts.all().saturating_sub(self.counts.of(Status::Cancelled))
    }

    /// Whether everything is as it was asked for.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        match self.outcome {
            Outcome::Done => true,
            Outcome::Nothing | Outcome::NotBegun | Outcome::UnderWay | Outcome::Unfinished | Outcome::Stopped => false,
        }
    }
}

fn percent(counts: &Counts) -> u32 {
    let wanted = counts.all().saturating_sub(counts.of(Status::Cancelled));
    if wanted == 0 { 0 } else { u32::try_from(u64::from(counts.of(Status::Completed)) * 100 / u64::from(wanted)).unwrap_or(100) }
}

fn outcome(parts: &Parts<'_>) -> Outcome {
    if parts.counts.all() == 0 {
        return Outcome::Nothing;
    }
    let wanted = &parts.wanted;
    if wanted.all() == wanted.of(Status::Completed) + wanted.of(Status::Cancelled) {
        return Outcome::Done;
    }
    let running = parts.counts.of(Status::InProgress) > 0;
    match parts.journal.run().map(|run| run.ended.as_ref()) {
        Some(None) => Outcome::UnderWay,
        Some(Some(_)) if running => Outcome::UnderWay,
        Some(Some((_, word))) if word == Outcome::Stopped.as_str() => Outcome::Stopped,
        Some(Some(_)) => Outcome::Unfinished,
        None if running || parts.journal.has_begun() => Outcome::UnderWay,
        None => Outcome::NotBegun,
    }
}

/// The time of tasks of which the journal does not tell.
fn untold(parts: &Parts<'_>) -> Duration {
    let is_untold = |entry: &&Entry<'_>| parts.journal.trail(entry.task.id).and_then(Trail::worked).is_none();
    parts.tasks.iter().filter(is_untold).filter_map(|entry| lines::took(entry, parts.journal)).sum()
}

fn workers(parts: &Parts<'_>) -> Vec<WorkerLine> {
    let mut lines: Vec<WorkerLine> = Vec::new();
    let mut places: HashMap<WorkerName, usize> = HashMap::new();
    let mut line = |lines: &mut Vec<WorkerLine>, name: &WorkerName| -> usize {
        *places.entry(name.clone()).or_insert_with(|| {
            let on_roster = parts.workers.iter().find(|worker| worker.name == *name);
            let hours = parts.journal.hours(name);
            let worked = hours.map_or(Duration::ZERO, Hours::worked);
            let idle = parts.journal.wall().map_or(Duration::ZERO, |(first, last)| {
                let from = on_roster.map_or(first, |worker| worker.registered_at.max(first));
                let to = hours.and_then(Hours::lost_at).map_or(last, |lost| lost.min(last));
                to.since(from).saturating_sub(worked)
            });
            let number = on_roster.map(|worker| worker.number);
            lines.push(WorkerLine { name: name.clone(), number, completed: 0, failed: 0, holds: Vec::new(), worked, idle });
            lines.len() - 1
        })
    };
    for entry in parts.tasks {
        let (name, told): (Option<&WorkerName>, fn(&mut WorkerLine, TaskId)) = match &entry.task.state {
            TaskState::Completed { by, .. } => (by.as_ref(), |line, _| line.completed += 1),
            TaskState::Failed { .. } => (entry.task.claimed.as_ref().map(|(_, by)| by), |line, _| line.failed += 1),
            TaskState::InProgress(held) => (Some(&held.worker), |line, id| line.holds.push(id)),
            TaskState::Pending | TaskState::Blocked(_) | TaskState::Cancelled { .. } => {
                (entry.task.claimed.as_ref().map(|(_, by)| by), |_, _| {})
            }
        };
        if let Some(name) = name {
            let place = line(&mut lines, name);
            if let Some(line) = lines.get_mut(place) {
                told(line, entry.task.id);
            }
        }
    }
    for name in parts.journal.workers() {
        let place = line(&mut lines, name);
        if let Some((line, hours)) = lines.get_mut(place).zip(parts.journal.hours(name)) {
            // Tasks that are not listed were completed, too.
            line.completed = line.completed.max(hours.completed());
        }
    }
    lines.sort_by(|a, b| (a.number.unwrap_or(u32::MAX), &a.name).cmp(&(b.number.unwrap_or(u32::MAX), &b.name)));
    lines
}

fn cost(tasks: &[Entry<'_>]) -> Cost {
    let mut cost = Cost::default();
    for result in tasks.iter().filter_map(|entry| entry.result) {
        let usd = result.cost_usd.filter(|usd| usd.is_finite());
        if let Some(usd) = usd {
            cost.usd = Some(cost.usd.unwrap_or(0.0) + usd);
        }
        if let Some((read, written)) = result.tokens {
            let (all_read, all_written) = cost.tokens.unwrap_or((0, 0));
            cost.tokens = Some((all_read.saturating_add(read), all_written.saturating_add(written)));
        }
        cost.told_by += u32::from(usd.is_some() || result.tokens.is_some());
    }
    cost
}

/// Whether nothing more comes of a task by itself.
fn is_dead(task: &Task) -> bool {
    match &task.state {
        TaskState::Failed { .. } | TaskState::Cancelled { .. } => true,
        TaskState::Pending | TaskState::InProgress(_) | TaskState::Completed { .. } | TaskState::Blocked(_) => false,
    }
}

/// Whether a task is a test.
fn is_test(task: &Task) -> bool {
    match task.kind {
        Kind::Test => true,
        Kind::Feature | Kind::Fix => false,
    }
}
