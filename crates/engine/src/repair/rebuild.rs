//! Filling the new store, table by table, with what can be read of the old one.

use std::collections::BTreeSet;

use domain::dependency::Graph;
use domain::event::{Actor, EventKind, Fact, NewEvent};
use domain::id::{PlanId, RequestId, TaskId, WorkerName};
use domain::phase::Stage;
use domain::task::{BlockReason, Blocked, Status, TaskState};
use domain::time::Timestamp;

use super::journal::Journal;
use super::tasks::{Mended, Tasks};
use super::{Losses, Rebuilt};
use crate::error::{Error, Kind, Result};
use crate::store::sqlite::salvage::{Numbered, Wreck};
use crate::store::{PlanRow, Transaction};
use crate::transfer::restore::{OWN_META, Restorer};

/// How many plans are looked for behind the last one that was read.
const PLANS_MAX: i64 = 1_000_000;
/// How many cycles are broken at once.
const CYCLES_AT_ONCE: usize = 1_000;

/// Whether a rule of the new store refused a row: then the row is wrong, and not we.
fn refused(error: &Error) -> bool {
    error.kind == Kind::Bug
}

/// Reads everything and writes what is valid.
pub(super) fn rebuild(wreck: &Wreck, tx: &dyn Transaction) -> Result<Rebuilt> {
    let mut made = Rebuilt::default();
    let mut restorer = Restorer::begin(tx)?;
    let mut tasks = Tasks::new(wreck, tx.now(), &mut made.lost);
    let journal = Journal::read(wreck, tasks.last.into(), &mut made.lost);
    tasks.last = tasks.last.max(u32::try_from(journal.last_added).unwrap_or(0));
    values(wreck, tx, &mut made)?;
    let plans = plans(wreck, &mut restorer, tasks.last, &mut made)?;
    workers(wreck, &mut restorer, &mut made)?;
    let edges = edges(wreck, &tasks, &mut made.lost);
    let restored = self::tasks(&tasks, &journal, plans, &edges, &mut restorer, &mut made)?;
    made.kept.insert("events", journal.restore(wreck, &mut restorer)?);
    tell(tx, &restorer, &restored, &mut made)?;
    join(edges, &mut restorer, &mut made);
    restorer.close()?;
    Ok(made)
}

/// Values of the project, how long commands took, answers to requests.
fn values(wreck: &Wreck, tx: &dyn Transaction, made: &mut Rebuilt) -> Result<()> {
    let mut kept = 0;
    let (meta, stopped) = wreck.meta();
    lost_some("meta", stopped, &mut made.lost);
    for row in meta {
        match row {
            Ok((name, _)) if OWN_META.contains(&name.as_str()) => {}
            Ok((name, value)) => {
                tx.put_meta(&name, &value)?;
                kept += 1;
            }
            Err(why) => made.lost.add("meta", "?", why),
        }
    }
    made.kept.insert("meta", kept);
    let (durations, stopped) = wreck.durations();
    lost_some("durations", stopped, &mut made.lost);
    let mut kept = 0;
    for row in durations {
        match row {
            Ok((key, ms)) => {
                tx.put_duration(key, ms)?;
                kept += 1;
            }
            Err(why) => made.lost.add("durations", "?", why),
        }
    }
    made.kept.insert("durations", kept);
    let (requests, stopped) = wreck.requests();
    lost_some("requests", stopped, &mut made.lost);
    let (mut seen, mut kept) = (BTreeSet::new(), 0);
    for row in requests {
        let row = row.and_then(|(id, answer)| Ok((id.parse::<RequestId>().map_err(|error| error.to_string())?, answer)));
        match row {
            // A claim of before does not count here, so nobody may be told that he has it.
            Ok((_, answer)) if answer.starts_with("claimed ") => {}
            Ok((id, answer)) => {
                if seen.insert(id.as_str().to_owned()) {
                    tx.put_request(&id, &answer)?;
                    kept += 1;
                }
            }
            Err(why) => made.lost.add("requests", "?", why),
        }
    }
    made.kept.insert("requests", kept);
    Ok(())
}

fn lost_some(table: &'static str, stopped: Option<String>, losses: &mut Losses) {
    if let Some(why) = stopped {
        losses.add(table, "…", format!("some of them cannot be read: {why}"));
    }
}

fn plans(wreck: &Wreck, restorer: &mut Restorer<'_>, last_task: u32, made: &mut Rebuilt) -> Result<Vec<PlanRow>> {
    let mut plans = Vec::new();
    for id in 0..=wreck.keys(Numbered::Plans).top().min(PLANS_MAX) {
        let id = PlanId(u32::try_from(id).unwrap_or(0));
        let mut plan = match wreck.plan(id) {
            Some(Ok(plan)) => plan,
            Some(Err(why)) => {
                made.lost.add("plans", id.0, format!("{why}; its tasks are kept"));
                continue;
            }
            None => continue,
        };
        if plan.tasks.is_some_and(|(first, last)| first > last || first.0 == 0 || last.0 > last_task) {
            made.lost.add("plans", id.0, "it named tasks that are not there");
            plan.tasks = None;
        }
        if !serde_json::from_str::<serde_json::Value>(&plan.options).is_ok_and(|options| options.is_object()) {
            made.lost.add("plans", id.0, "its options do not decode; the defaults count");
            "{}".clone_into(&mut plan.options);
        }
        if domain::text::title(&plan.title).is_err() {
            made.lost.add("plans", id.0, "its title is none");
            plan.title = format!("plan {}, whose title was lost", id.0);
        }
        match restorer.plan(plan.clone()) {
            Ok(()) => plans.push(plan),
            Err(error) if refused(&error) => made.lost.add("plans", id.0, format!("{}; its tasks are kept", error.message)),
            Err(error) => return Err(error),
        }
    }
    made.kept.insert("plans", plans.len() as u64);
    Ok(plans)
}

fn workers(wreck: &Wreck, restorer: &mut Restorer<'_>, made: &mut Rebuilt) -> Result<()> {
    let (workers, stopped) = wreck.workers();
    lost_some("workers", stopped, &mut made.lost);
    let mut seen: BTreeSet<WorkerName> = BTreeSet::new();
    for row in workers {
        let (name, put) = match row {
            Ok(worker) if seen.contains(&worker.name) => continue,
            Ok(worker) => (worker.name.clone(), restorer.worker(worker)),
            Err(why) => {
                made.lost.add("workers", "?", why);
                continue;
            }
        };
        match put {
            Ok(()) => {
                seen.insert(name);
            }
            Err(error) if refused(&error) => made.lost.add("workers", name, error.message),
            Err(error) => return Err(error),
        }
    }
    made.kept.insert("workers", seen.len() as u64);
    Ok(())
}

/// The dependencies that name tasks and make no cycle, sorted; and whether all of them could be read.
struct Edges {
    pairs: Vec<(u32, u32)>,
    is_whole: bool,
}

impl Edges {
    fn of(&self, id: u32) -> impl Iterator<Item = u32> + '_ {
        let first = self.pairs.partition_point(|(task, _)| *task < id);
        self.pairs.iter().skip(first).take_while(move |(task, _)| *task == id).map(|(_, on)| *on)
    }
}

fn edges(wreck: &Wreck, tasks: &Tasks<'_>, losses: &mut Losses) -> Edges {
    let (mut pairs, stopped) = wreck.edges(tasks.last);
    let is_whole = stopped.is_none();
    lost_some("edges", stopped, losses);
    let is_there = |id: u32| (1..=tasks.last).contains(&id);
    pairs.retain(|&(task, on)| {
        let is_good = is_there(task) && is_there(on) && task != on;
        if !is_good {
            losses.add("edges", format!("{} → {}", TaskId(task), TaskId(on)), "it names no two tasks");
        }
        is_good
    });
    loop {
        let mut graph = Graph::new(tasks.last as usize + 1);
        pairs.iter().for_each(|&(task, on)| graph.add(task as usize, on as usize));
        let closing: BTreeSet<(u32, u32)> = graph
            .cycles(CYCLES_AT_ONCE)
            .iter()
            .filter_map(|cycle| Some((u32::try_from(*cycle.last()?).ok()?, u32::try_from(*cycle.first()?).ok()?)))
            .collect();
        if closing.is_empty() {
            return Edges { pairs, is_whole };
        }
        pairs.retain(|pair| !closing.contains(pair));
        for (task, on) in closing {
            losses.add("edges", format!("{} → {}", TaskId(task), TaskId(on)), "it closed a circle");
        }
    }
}

/// Every task from the first to the last. Gives those whose journal does not lead to how they stand.
fn tasks(
    tasks: &Tasks<'_>,
    journal: &Journal,
    mut plans: Vec<PlanRow>,
    edges: &Edges,
    restorer: &mut Restorer<'_>,
    made: &mut Rebuilt,
) -> Result<BTreeSet<TaskId>> {
    let (mut restored, mut kept) = (BTreeSet::new(), 0);
    for id in (1..=tasks.last).map(TaskId) {
        let before = made.lost.count;
        let mut mended = tasks.read(id, journal, &plans, &mut made.lost);
        if !edges.is_whole && plainly_waits(&mended) && tasks.waiting(id) > open(tasks, edges, id) {
            made.lost.add("edges", id, "some of what it depends on was lost");
            let note = format!("some of what it depends on was lost: see that it is done, then `ganger unblock {id}`");
            mended.row.task.state = TaskState::Blocked(Blocked { reason: BlockReason::Error, note, on: None });
            mended.is_restored = true;
        }
        let plan = mended.row.task.plan;
        if !restorer.has_plan(plan) {
            let row = stand_in(plan);
            restorer.plan(row.clone())?;
            plans.push(row);
        }
        let row = mended.row.clone();
        match restorer.task(mended.row) {
            Ok(()) => {}
            Err(error) if refused(&error) => {
                made.lost.add("tasks", id, format!("{}; made anew from its journal", error.message));
                let again: Mended = tasks.again(row, journal, &plans);
                restorer.task(again.row)?;
                mended.is_restored = true;
            }
            Err(error) => return Err(error),
        }
        if mended.is_restored {
            restored.insert(id);
        }
        kept += u64::from(made.lost.count == before);
    }
    made.kept.insert("tasks", kept);
    Ok(restored)
}

fn plainly_waits(mended: &Mended) -> bool {
    matches!(mended.row.task.state, TaskState::Pending | TaskState::InProgress(_))
}

/// How many of the dependencies of a task that are left are not completed.
fn open(tasks: &Tasks<'_>, edges: &Edges, id: TaskId) -> u32 {
    let open = edges.of(id.0).filter(|on| tasks.state(TaskId(*on)) != Some(Status::Completed)).count();
    u32::try_from(open).unwrap_or(u32::MAX)
}

/// A plan of which nothing is left but its tasks.
fn stand_in(id: PlanId) -> PlanRow {
    PlanRow {
        id,
        title: format!("plan {}, whose row was lost", id.0),
        goal: None,
        digest: None,
        source: None,
        options: "{}".to_owned(),
        tasks: None,
        imported_at: Timestamp(0),
        tests_wanted: true,
        stage: Stage { phase: u32::MAX, tests: true },
    }
}

/// Says in the journal what was done.
fn tell(tx: &dyn Transaction, restorer: &Restorer<'_>, restored: &BTreeSet<TaskId>, made: &mut Rebuilt) -> Result<()> {
    restorer.tell_put_back("its claim was put back: the store was repaired", &|id| restored.contains(&id))?;
    for id in restored {
        let state = restorer.state(*id).unwrap_or(Status::Pending);
        let attempt = match tx.task(*id)? {
            Some(Ok(task)) => Some(task.attempt),
            Some(Err(_)) | None => None,
        };
        let event = NewEvent { task: Some(*id), attempt, ..NewEvent::new(EventKind::TaskRestored) };
        tx.append(&event.text("status", state.as_str()).text("why", "the store was repaired"), Actor::Orchestrator)?;
    }
    made.put_back = restorer.put_back().len() as u64;
    made.restored = restored.len() as u64;
    let number = |count: u64| Fact::Number(i64::try_from(count).unwrap_or(i64::MAX));
    let event = NewEvent::new(EventKind::ProjectRepaired)
        .with("lost", number(made.lost.count))
        .with("put_back", number(made.put_back))
        .with("restored", number(made.restored));
    tx.append(&event, Actor::Orchestrator).map(|_| ())
}

/// The dependencies, but those that a completed task did not wait for: they hold nothing back any more, and cannot have been true.
fn join(edges: Edges, restorer: &mut Restorer<'_>, made: &mut Rebuilt) {
    let mut kept = 0;
    for (task, on) in edges.pairs {
        let (task, on) = (TaskId(task), TaskId(on));
        if restorer.state(task) == Some(Status::Completed) && restorer.state(on) != Some(Status::Completed) {
            made.lost.add("edges", format!("{task} → {on}"), "it was completed without waiting for that");
            continue;
        }
        restorer.edge(task, on);
        kept += 1;
    }
    made.kept.insert("edges", kept);
}
