//! `ganger status`.

use domain::task::Status;
use engine::error::Result;
use engine::orchestrator::Orchestrator;
use engine::orchestrator::query::{Standing, TaskView};
use engine::store::Filter;

use super::{list, values, workers};
use crate::context::Context;
use crate::output::table::terminal_width;
use crate::output::{Tint, tinted};
use crate::{exit, wire};

/// How things stand: counts, workers, and what waits for somebody with the command that would move it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only this plan
    #[arg(long, value_name = "N")]
    plan: Option<u32>,
}

/// How many tasks of a kind people see that wait for somebody.
const LISTED_MAX: u32 = 20;

pub(crate) fn run(args: Args, context: &mut Context) -> Result<u8> {
    let (project, door) = context.open()?;
    let plan = values::plan(&door, args.plan)?;
    context.tend(&project, &door);
    let standing = door.standing(plan)?;
    if context.json {
        context.printer.json(&wire::StatusDocument::from(&standing))?;
    } else {
        head(context, &standing);
        if !standing.workers.is_empty() {
            context.printer.line("");
            let (width, color) = (terminal_width(), context.printer.color);
            for line in workers::table(&standing.workers).lines(width, color) {
                context.printer.line(&line);
            }
        }
        let stuck = |status| Filter { statuses: vec![status], plan, limit: Some(LISTED_MAX), ..Filter::default() };
        tell(context, &door, &standing, &stuck(Status::Failed))?;
        tell(context, &door, &standing, &stuck(Status::Blocked))?;
        for id in &standing.stale {
            context.printer.line(&format!("{} {id}: its lease or its time is over", tinted("stale", Tint::Red, context.printer.color)));
        }
    }
    context.notices(&door);
    Ok(exit::DONE)
}

/// `42% · phase features · 3 PENDING, 2 COMPLETED`.
fn head(context: &mut Context, standing: &Standing) {
    let color = context.printer.color;
    let counts: Vec<String> = Status::ALL
        .iter()
        .filter(|status| standing.counts.of(**status) > 0)
        .map(|status| tinted(&format!("{} {status}", standing.counts.of(*status)), list::tint(*status), color))
        .collect();
    if counts.is_empty() {
        context.printer.line("there are no tasks: `ganger add`, `ganger plan`");
        return;
    }
    let percent = tinted(&format!("{}%", standing.percent()), Tint::Bold, color);
    context.printer.line(&format!("{percent} · phase {} · {}", standing.phase(), counts.join(", ")));
}

/// The tasks of the filter with why they wait and what would move them.
fn tell(context: &mut Context, door: &Orchestrator, standing: &Standing, filter: &Filter) -> Result<()> {
    let all: u32 = filter.statuses.iter().map(|status| standing.counts.of(*status)).sum();
    if all == 0 {
        return Ok(());
    }
    let mut views: Vec<TaskView> = Vec::new();
    door.list(filter, |view| {
        views.push(view);
        Ok(true)
    })?;
    context.printer.line("");
    let color = context.printer.color;
    for view in &views {
        let task = &view.full.task;
        let status = tinted(task.status().as_str(), list::tint(task.status()), color);
        context.printer.line(&format!("{status} {} {}", task.id, domain::text::escaped(&view.full.spec.title, 80)));
        let why = why(view);
        if !why.is_empty() {
            context.printer.line(&format!("  {why}"));
        }
        if let Some(command) = view.moved_by() {
            context.printer.line(&format!("  {}", tinted(&command, Tint::Blue, color)));
        }
    }
    if all as usize > views.len() {
        let words: Vec<String> = filter.statuses.iter().map(|status| status.as_str().to_ascii_lowercase()).collect();
        context.printer.line(&format!("… {} more: ganger list --status {}", all as usize - views.len(), words.join(",")));
    }
    Ok(())
}

/// Why a task waits for somebody, in one line.
pub(super) fn why(view: &TaskView) -> String {
    let first = |text: &str| domain::text::escaped(text.lines().next().unwrap_or_default(), 160);
    match (&view.blocked, &view.full.task.failure) {
        (Some(blocked), _) if blocked.note.is_empty() => match blocked.on {
            Some(on) => format!("{}: {on}", blocked.reason),
            None => blocked.reason.to_string(),
        },
        (Some(blocked), _) => {
            let note = first(&blocked.note);
            match blocked.on.map(|on| on.to_string()).filter(|on| !note.contains(on)) {
                Some(on) => format!("{} on {on}: {note}", blocked.reason),
                None => format!("{}: {note}", blocked.reason),
            }
        }
        (None, Some(failure)) if failure.note.is_empty() => failure.reason.to_string(),
        (None, Some(failure)) => format!("{}: {}", failure.reason, first(&failure.note)),
        (None, None) => String::new(),
    }
}
