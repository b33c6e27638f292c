//! `ganger status`.

use domain::id::PlanId;
use domain::report::words;
use domain::task::Status;
use engine::error::Result;
use engine::orchestrator::Orchestrator;
use engine::orchestrator::query::{Standing, TaskView};
use engine::project::Project;
use engine::services::reporter;

use super::{list, values, waits, workers};
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
        waiting(context, &project, &door, plan)?;
        for id in &standing.stale {
            context.printer.line(&format!("{} {id}: its lease or its time is over", tinted("stale", Tint::Red, context.printer.color)));
        }
    }
    context.notices(&door);
    Ok(exit::DONE)
}

/// `42% · phase features · 3 PENDING, 2 COMPLETED`; at the end `done` or `over, with failures`.
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
    context.printer.line(&format!("{percent} · {} · {}", phase(standing), counts.join(", ")));
}

/// The phase for people: that it is over is no success by itself.
fn phase(standing: &Standing) -> String {
    match standing.phase() {
        "done" if standing.counts.of(Status::Failed) > 0 => "over, with failures".to_owned(),
        "done" => "done".to_owned(),
        phase => format!("phase {phase}"),
    }
}

/// What waits for whom, and what would move it.
fn waiting(context: &mut Context, project: &Project, door: &Orchestrator, plan: Option<PlanId>) -> Result<()> {
    let waiting = reporter::waits(door, plan)?;
    let language = project.language();
    if !waiting.waits.is_empty() {
        context.printer.line("");
        context.printer.line(&format!("{}:", words::words(language).waits));
        for line in waits::lines(&waiting.waits, waiting.more, language, context.printer.color) {
            context.printer.line(&line);
        }
    }
    if !waiting.held_tests.is_empty() {
        context.printer.line("");
        for held in &waiting.held_tests {
            context.printer.line(&words::held_tests(language, held));
        }
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
