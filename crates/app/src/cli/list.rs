//! `ganger list`. Tasks are read a part at a time, so that neither a million of them nor a slow reader costs memory or holds the store.

use domain::id::{TaskId, WorkerName};
use domain::task::{Kind, Status, Task, TaskState};
use engine::error::{Error, Result};
use engine::orchestrator::Orchestrator;
use engine::orchestrator::query::TaskView;
use engine::store::Filter;

use super::values;
use crate::context::Context;
use crate::output::Tint;
use crate::output::table::{Cell, Table, terminal_width};
use crate::{exit, wire};

/// List tasks, by id. People see the first 100 unless they say otherwise.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only those that stand so: pending, in_progress, completed, blocked, failed, cancelled
    #[arg(long, value_name = "S,…", value_delimiter = ',', value_parser = values::status)]
    status: Vec<Status>,
    /// Only of this kind: feature, test or fix
    #[arg(long, value_name = "K", value_parser = values::kind)]
    kind: Option<Kind>,
    /// Only what this worker holds, did, or is to do
    #[arg(long, value_name = "W")]
    worker: Option<WorkerName>,
    /// Only of this plan
    #[arg(long, value_name = "N")]
    plan: Option<u32>,
    /// Only with this text in the title
    #[arg(long, value_name = "T")]
    text: Option<String>,
    /// Only what can be claimed now
    #[arg(long)]
    ready: bool,
    /// Show them all
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// Show at most so many
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
}

/// How many rows people see who did not say how many.
const SHOWN_MAX: u64 = 100;
/// How many rows one part of a table has.
const PART_ROWS: usize = 500;
/// How many bytes one part of a JSON document has, or a little more.
const PART_BYTES: usize = 256 * 1024;
/// Beyond this what is left out is not counted one by one.
const COUNTED_MAX: u64 = 10_000;

pub(crate) fn run(args: Args, context: &mut Context) -> Result<u8> {
    let (project, door) = context.open()?;
    let plan = values::plan(&door, args.plan)?;
    context.tend(&project, &door);
    let filter = Filter {
        statuses: args.status.clone(),
        kind: args.kind,
        plan,
        worker: args.worker.clone(),
        text: args.text.clone(),
        ..Filter::default()
    };
    let list = List { door: &door, filter, ready: args.ready };
    if context.json {
        list.json(context, args.limit)?;
    } else {
        let limit = if args.all { None } else { Some(args.limit.unwrap_or(SHOWN_MAX)) };
        let (shown, last) = list.table(context, limit)?;
        if shown == 0 && limit != Some(0) {
            let narrowed = args.ready || !args.status.is_empty() || args.kind.is_some() || args.worker.is_some() || args.text.is_some();
            context.printer.say(if narrowed { "no task is like that" } else { "there are no tasks: `ganger add`, `ganger plan`" });
        }
        if args.limit.is_none() && limit == Some(shown) {
            let (more, exactly) = list.beyond(shown, last)?;
            if more > 0 {
                let plus = if exactly { "" } else { "+" };
                context.printer.line(&format!("… {more}{plus} more: ganger list --all{}", flags(&args)));
            }
        }
    }
    context.notices(&door);
    Ok(exit::DONE)
}

/// What is to be listed.
struct List<'d> {
    door: &'d Orchestrator,
    filter: Filter,
    ready: bool,
}

impl List<'_> {
    /// Gives tasks to `each`, from behind `last` on, until it has enough; says whether that was before the end.
    fn part(&self, last: &mut Option<TaskId>, mut each: impl FnMut(&TaskView) -> Result<bool>) -> Result<bool> {
        let filter = Filter { after: *last, ..self.filter.clone() };
        let mut stopped = false;
        self.door.list(&filter, |view| {
            *last = Some(view.full.task.id);
            let goes_on = (self.ready && !view.ready) || each(&view)?;
            stopped = !goes_on;
            Ok(goes_on)
        })?;
        Ok(stopped)
    }

    /// One JSON array, written while it is read.
    fn json(&self, context: &mut Context, limit: Option<u64>) -> Result<()> {
        let (mut last, mut left, mut first) = (None, limit.unwrap_or(u64::MAX), true);
        context.printer.write("[");
        while left > 0 {
            let mut text = String::new();
            let goes_on = self.part(&mut last, |view| {
                let row = serde_json::to_string(&wire::Task::from(view));
                text.push_str(if first { "" } else { ",\n" });
                text.push_str(&row.map_err(|error| Error::bug(format!("cannot write JSON: {error}")))?);
                first = false;
                left -= 1;
                Ok(left > 0 && text.len() < PART_BYTES)
            })?;
            context.printer.write(&text);
            if !goes_on || context.printer.is_closed() {
                break;
            }
        }
        context.printer.line("]");
        Ok(())
    }

    /// A table; gives how many rows it has, and the last.
    fn table(&self, context: &mut Context, limit: Option<u64>) -> Result<(u64, Option<TaskId>)> {
        let mut table = Table::new(&["ID", "TASK", "STATUS", "PRIORITY", "WORKER", "AFTER"], 1).yielding(5);
        let (width, color) = (terminal_width(), context.printer.color);
        let (mut last, mut shown) = (None, 0_u64);
        let limit = limit.unwrap_or(u64::MAX);
        while shown < limit {
            let mut rows = 0;
            let goes_on = self.part(&mut last, |view| {
                table.row(row(view));
                shown += 1;
                rows += 1;
                Ok(shown < limit && rows < PART_ROWS)
            })?;
            if table.is_empty() {
                break;
            }
            for line in table.page(width, color) {
                context.printer.line(&line);
            }
            if !goes_on || context.printer.is_closed() {
                break;
            }
        }
        Ok((shown, last))
    }

    /// How many there are beyond those that were shown, and whether that is all of them.
    fn beyond(&self, shown: u64, last: Option<TaskId>) -> Result<(u64, bool)> {
        if !self.ready && self.filter.worker.is_none() && self.filter.text.is_none() {
            let tallies = self.door.look(|snapshot| snapshot.tallies(self.filter.plan))?;
            let all: u64 = tallies
                .iter()
                .filter(|row| self.filter.kind.is_none_or(|kind| kind == row.tally.kind))
                .flat_map(|row| Status::ALL.iter().map(|status| (*status, row.tally.counts.of(*status))))
                .filter(|(status, _)| self.filter.statuses.is_empty() || self.filter.statuses.contains(status))
                .map(|(_, count)| u64::from(count))
                .sum();
            return Ok((all.saturating_sub(shown), true));
        }
        let (mut last, mut more) = (last, 0);
        let cut = self.part(&mut last, |_| {
            more += 1;
            Ok(more < COUNTED_MAX)
        })?;
        Ok((more, !cut))
    }
}

/// The flags that narrowed the list, to be pasted behind a command.
fn flags(args: &Args) -> String {
    let mut flags = String::new();
    if !args.status.is_empty() {
        let words: Vec<String> = args.status.iter().map(|status| status.as_str().to_ascii_lowercase()).collect();
        flags.push_str(&format!(" --status {}", words.join(",")));
    }
    flags.extend(args.kind.map(|kind| format!(" --kind {kind}")));
    flags.extend(args.worker.as_ref().map(|worker| format!(" --worker {worker}")));
    flags.extend(args.plan.map(|plan| format!(" --plan {plan}")));
    flags.extend(args.text.as_ref().map(|text| format!(" --text '{}'", domain::text::escaped(text, 100).replace('\'', "'\\''"))));
    flags.push_str(if args.ready { " --ready" } else { "" });
    flags
}

fn row(view: &TaskView) -> Vec<Cell> {
    let task = &view.full.task;
    vec![
        task.id.to_string().into(),
        view.full.spec.title.as_str().into(),
        Cell::new(&standing(task)).tint(tint(task.status())),
        task.priority.as_str().into(),
        hand(view).into(),
        ids(&view.full.after).into(),
    ]
}

/// How a task stands, with its step.
pub(super) fn standing(task: &Task) -> String {
    match &task.state {
        TaskState::InProgress(held) => format!("{} ({})", task.status(), held.step),
        TaskState::Pending
        | TaskState::Completed { .. }
        | TaskState::Blocked(_)
        | TaskState::Failed { .. }
        | TaskState::Cancelled { .. } => task.status().to_string(),
    }
}

/// Who holds it or did it, else whom it waits for.
fn hand(view: &TaskView) -> String {
    let assignee = || view.full.spec.assignee.as_ref().map_or_else(String::new, ToString::to_string);
    match &view.full.task.state {
        TaskState::InProgress(held) => held.worker.to_string(),
        TaskState::Completed { by, .. } => by.as_ref().map_or_else(String::new, ToString::to_string),
        TaskState::Pending | TaskState::Blocked(_) | TaskState::Failed { .. } | TaskState::Cancelled { .. } => assignee(),
    }
}

/// Some ids; the rest is counted.
pub(super) fn ids(ids: &[TaskId]) -> String {
    const NAMED_MAX: usize = 2;
    let mut named: Vec<String> = ids.iter().take(NAMED_MAX).map(ToString::to_string).collect();
    if ids.len() > NAMED_MAX {
        named.push(format!("+{}", ids.len() - NAMED_MAX));
    }
    named.join(" ")
}

/// The colour of a status.
pub(super) fn tint(status: Status) -> Tint {
    match status {
        Status::Pending => Tint::Blue,
        Status::InProgress | Status::Blocked => Tint::Yellow,
        Status::Completed => Tint::Green,
        Status::Failed => Tint::Red,
        Status::Cancelled => Tint::Dim,
    }
}
