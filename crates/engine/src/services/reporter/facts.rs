//! Everything that the files tell, read in one look at the store, and no more of it than they can show: however many tasks there are and
//! however long their texts, the memory that this takes is bounded (G24).

use std::cell::OnceCell;
use std::collections::BTreeSet;

use domain::event::EventKind;
use domain::id::{EventSeq, PlanId, TaskId};
use domain::phase::Counts;
use domain::report::{Asked, Happened, Journal};
use domain::schedule::Lane;
use domain::task::{Kind, Status, Task, TaskResult};
use domain::worker::Worker;

use super::LISTED_MAX;
use crate::error::{Error, Kind as ErrorKind, Result};
use crate::store::{EventRow, Filter, FullTask, PlanRow, Snapshot};

/// How many of the newest events are read.
const EVENTS_MAX: u64 = 50_000;
/// How many at a time.
const EVENTS_AT_ONCE: u32 = 1_000;
/// How many FAILED and BLOCKED tasks are looked for beyond the first [`LISTED_MAX`].
const STUCK_MAX: u32 = 200;
/// How many bytes of a note are kept.
const NOTE_BYTES_MAX: usize = 4_000;
/// How many bytes of a short text, such as an output, are kept.
const WORD_BYTES_MAX: usize = 300;
/// How many outputs and files of a task are kept.
const WORDS_MAX: usize = 12;
/// How many bytes of a plan's goal are kept.
const GOAL_BYTES_MAX: usize = 4_000;

/// What the files are made of.
pub(super) struct Facts {
    pub(super) plans: Vec<Asked>,
    pub(super) counts: Counts,
    pub(super) wanted: Counts,
    /// The tasks of the scope, by id, with what no file shows left out.
    pub(super) tasks: Vec<FullTask>,
    /// Those of every plan, where the scope is only one of several.
    pub(super) everywhere: Option<Vec<FullTask>>,
    pub(super) workers: Vec<Worker>,
    pub(super) lanes: Vec<Lane>,
    pub(super) journal: Journal,
    pub(super) unreadable: u32,
}

impl Facts {
    pub(super) fn read(snapshot: &dyn Snapshot, scope: Option<PlanId>) -> Result<Self> {
        let plans = plans(snapshot, scope)?;
        let (mut counts, mut wanted) = (Counts::default(), Counts::default());
        for row in snapshot.tallies(scope)? {
            add(&mut counts, &row.tally.counts);
            let tests_wanted = plans.iter().find(|plan| plan.id == row.plan).is_none_or(|plan| plan.tests_wanted);
            if tests_wanted || row.tally.kind == Kind::Feature {
                add(&mut wanted, &row.tally.counts);
            }
        }
        let (tasks, unreadable) = tasks(snapshot, scope, &counts)?;
        let mut others = Counts::default();
        snapshot.tallies(None)?.iter().for_each(|row| add(&mut others, &row.tally.counts));
        let everywhere = if others.all() == counts.all() { None } else { Some(self::tasks(snapshot, None, &others)?.0) };
        let journal = journal(snapshot, scope.map(|plan| Scope::of(plan, &plans, &tasks)))?;
        let asked = plans
            .into_iter()
            .filter(|plan| scope.is_some() || plan.id != PlanId::ADDED || tasks.iter().any(|full| full.task.plan == PlanId::ADDED))
            .map(|plan| Asked {
                plan: plan.id,
                title: if plan.id == PlanId::ADDED { String::new() } else { plan.title },
                goal: plan.goal.map(|goal| cut(goal, GOAL_BYTES_MAX)),
            })
            .collect();
        let (workers, lanes) = (snapshot.workers()?, snapshot.lanes()?);
        Ok(Self { plans: asked, counts, wanted, tasks, everywhere, workers, lanes, journal, unreadable })
    }
}

/// What is needed to say what waits for whom: no more than the first tasks and what does not go on, and nothing of the journal.
pub(super) fn standing(snapshot: &dyn Snapshot, scope: Option<PlanId>) -> Result<Vec<FullTask>> {
    let mut counts = Counts::default();
    snapshot.tallies(scope)?.iter().for_each(|row| add(&mut counts, &row.tally.counts));
    // What is done, or was given up with nothing behind it, waits for nobody.
    if counts.all() == counts.of(Status::Completed) + counts.of(Status::Cancelled) {
        return Ok(Vec::new());
    }
    Ok(tasks(snapshot, scope, &counts)?.0)
}

fn plans(snapshot: &dyn Snapshot, scope: Option<PlanId>) -> Result<Vec<PlanRow>> {
    let Some(id) = scope else { return snapshot.plans() };
    match snapshot.plan(id)? {
        Some(plan) => Ok(vec![plan]),
        None => Err(Error::new(ErrorKind::NotFound, "no_such_plan", format!("there is no plan {}", id.0)).hint("ganger report")),
    }
}

/// The first tasks by id; beyond those what is being done, and some of what went wrong: nothing of that is to be missed.
fn tasks(snapshot: &dyn Snapshot, scope: Option<PlanId>, counts: &Counts) -> Result<(Vec<FullTask>, u32)> {
    let (mut found, mut unreadable) = (Vec::new(), 0);
    let mut list = |found: &mut Vec<FullTask>, filter: Filter| {
        snapshot.list(&filter, &mut |row| {
            match row {
                Ok(full) => found.push(slim(full)),
                Err(_) => unreadable += 1,
            }
            Ok(true)
        })
    };
    list(&mut found, Filter { plan: scope, limit: Some(LISTED_MAX), ..Filter::default() })?;
    if counts.all() > LISTED_MAX {
        let after = found.last().map(|full| full.task.id);
        for status in [Status::Failed, Status::Blocked] {
            if counts.of(status) > 0 {
                list(&mut found, Filter { statuses: vec![status], plan: scope, after, limit: Some(STUCK_MAX), ..Filter::default() })?;
            }
        }
        let is_new = |task: &Task| after.is_none_or(|after| task.id > after) && scope.is_none_or(|plan| task.plan == plan);
        for task in snapshot.live()?.into_iter().filter(is_new).take(STUCK_MAX as usize) {
            if let Some(Ok(full)) = snapshot.full(task.id)? {
                found.push(slim(full));
            }
        }
        // Of what is free the first of each lane: somebody may have to take it.
        for free in snapshot.free(scope)?.into_iter().filter(|free| after.is_none_or(|after| free.example > after)).take(STUCK_MAX as usize)
        {
            if let Some(Ok(full)) = snapshot.full(free.example)? {
                found.push(slim(full));
            }
        }
        found.sort_unstable_by_key(|full| full.task.id);
        found.dedup_by_key(|full| full.task.id);
    }
    Ok((found, unreadable))
}

/// The task without what no file shows.
fn slim(full: FullTask) -> FullTask {
    let FullTask { mut task, mut spec, after, result, last_event } = full;
    if let Some(failure) = &mut task.failure {
        failure.note = tail(std::mem::take(&mut failure.note), NOTE_BYTES_MAX);
    }
    if let domain::task::TaskState::Blocked(blocked) = &mut task.state {
        blocked.note = cut(std::mem::take(&mut blocked.note), NOTE_BYTES_MAX);
    }
    spec.description = String::new();
    spec.context = Vec::new();
    spec.inputs = Vec::new();
    spec.accept = Vec::new();
    spec.outputs = words(spec.outputs);
    (spec.run, spec.check, spec.test, spec.fix, spec.instructions) = (None, None, None, None, None);
    let result = result.map(|result| TaskResult {
        note: cut(result.note, NOTE_BYTES_MAX),
        files: words(result.files),
        output: result.output.filter(|path| path.len() <= WORD_BYTES_MAX),
        ..result
    });
    FullTask { task, spec, after, result, last_event }
}

fn words(words: Vec<String>) -> Vec<String> {
    words.into_iter().take(WORDS_MAX).map(|word| cut(word, WORD_BYTES_MAX)).collect()
}

fn cut(mut text: String, bytes_max: usize) -> String {
    if text.len() > bytes_max {
        text.truncate(text.floor_char_boundary(bytes_max));
        text.push('…');
    }
    text
}

/// The first line, which says what happened, and as much of the end as there is room for.
fn tail(text: String, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text;
    }
    let first = text.lines().next().unwrap_or_default();
    let first = &first[..first.floor_char_boundary(bytes_max / 4)];
    let end = text.ceil_char_boundary(text.len() - (bytes_max - first.len()));
    format!("{first}\n…{}", &text[end..])
}

/// Which tasks' events count.
struct Scope {
    range: Option<(TaskId, TaskId)>,
    more: BTreeSet<TaskId>,
}

impl Scope {
    /// The tasks that a plan was imported with, and those that came to it later: fixes.
    fn of(plan: PlanId, plans: &[PlanRow], tasks: &[FullTask]) -> Self {
        let range = plans.iter().find(|row| row.id == plan).and_then(|row| row.tasks);
        Self { range, more: tasks.iter().map(|full| full.task.id).collect() }
    }

    fn has(&self, id: TaskId) -> bool {
        self.range.is_some_and(|(first, last)| first <= id && id <= last) || self.more.contains(&id)
    }
}

fn journal(snapshot: &dyn Snapshot, scope: Option<Scope>) -> Result<Journal> {
    let last = snapshot.last_event()?.0;
    let mut at = last.saturating_sub(EVENTS_MAX);
    let mut journal = if at > 0 { Journal::without_the_earliest() } else { Journal::default() };
    while at < last {
        let events = snapshot.events(EventSeq(at), EVENTS_AT_ONCE)?;
        let Some(newest) = events.last() else { break };
        at = newest.seq.0;
        for event in &events {
            if event.task.is_none_or(|id| scope.as_ref().is_none_or(|scope| scope.has(id))) {
                tell(&mut journal, event);
            }
        }
    }
    Ok(journal)
}

fn tell(journal: &mut Journal, event: &EventRow) {
    if event.kind == EventKind::MessagePosted {
        return;
    }
    let data: OnceCell<serde_json::Value> = OnceCell::new();
    let fact = |name: &str| {
        let value = data.get_or_init(|| serde_json::from_str(&event.data).unwrap_or_default()).get(name)?;
        match value {
            serde_json::Value::String(text) => Some(cut(text.clone(), NOTE_BYTES_MAX)),
            serde_json::Value::Array(list) => {
                Some(list.iter().filter_map(serde_json::Value::as_str).take(WORDS_MAX).collect::<Vec<_>>().join(", "))
            }
            serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) | serde_json::Value::Object(_) => None,
        }
    };
    journal.tell(&Happened { at: event.at, kind: event.kind, task: event.task, worker: event.worker.as_ref(), fact: &fact });
}

fn add(sum: &mut Counts, counts: &Counts) {
    for (sum, count) in sum.by_status.iter_mut().zip(counts.by_status) {
        *sum = sum.saturating_add(count);
    }
    sum.moving = sum.moving.saturating_add(counts.moving);
}
