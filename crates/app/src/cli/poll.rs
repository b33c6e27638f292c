//! `ganger poll`: the line of the seeds' script, without its mistakes (an id never matches another, and nobody waits for what cannot be).

use std::time::Duration;

use domain::id::TaskId;
use domain::task::Status;
use domain::time::Timestamp;
use engine::clock::{instant, local_hour};
use engine::error::{Error, Result};
use engine::orchestrator::Orchestrator;
use engine::store::Filter;

use super::{list, values};
use crate::context::Context;
use crate::news::News;
use crate::output::tinted;
use crate::{exit, wire};

/// Print how tasks stand, again and again, until all are COMPLETED (0) or one cannot be any more (1).
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The tasks; all that are not CANCELLED when none is named
    #[arg(value_name = "ID")]
    ids: Vec<TaskId>,
    /// How often (else poll_interval_sec of the settings)
    #[arg(long, value_name = "D", value_parser = values::duration)]
    every: Option<Duration>,
    /// Only once: 0 when all are COMPLETED
    #[arg(long)]
    once: bool,
}

/// Dead workers are looked for this often, also between the rounds.
const TEND_EVERY: Duration = Duration::from_secs(15);
/// However much happens, looks come this far apart.
const LOOK_APART: Duration = Duration::from_millis(50);

pub(crate) fn run(args: Args, context: &mut Context) -> Result<u8> {
    let (project, door) = context.open()?;
    let every = match args.every {
        Some(every) if every.is_zero() => return Err(Error::usage("bad_interval", "--every must be longer than 0s")),
        Some(every) => every,
        None => Duration::from_secs(project.config().number("poll_interval_sec")?.max(1)),
    };
    let mut news = if args.once { None } else { Some(News::watch(&door)?) };
    context.tend(&project, &door);
    let ids = if args.ids.is_empty() { all(&door)? } else { args.ids };
    if ids.is_empty() {
        context.printer.say("there are no tasks to wait for");
    }
    let mut round = look(&door, &ids)?;
    loop {
        show(context, &round)?;
        let Some(news) = &mut news else {
            return Ok(if round.is_done() { exit::DONE } else { exit::REFUSED });
        };
        if let Some(code) = round.verdict() {
            return Ok(code);
        }
        let begun = instant();
        loop {
            let left = every.saturating_sub(begun.elapsed());
            if left.is_zero() {
                break;
            }
            // Whoever interrupts must not be told that all is done.
            if !news.wait(&mut context.printer, left.min(TEND_EVERY)) {
                return Ok(exit::REFUSED);
            }
            context.tend(&project, &door);
            round = look(&door, &ids)?;
            if round.verdict().is_some() {
                break;
            }
            std::thread::sleep(LOOK_APART.min(left));
        }
        round = look(&door, &ids)?;
    }
}

/// How the tasks stand at one moment.
struct Round {
    at: Timestamp,
    tasks: Vec<(TaskId, Status)>,
}

impl Round {
    fn is_done(&self) -> bool {
        self.tasks.iter().all(|(_, status)| *status == Status::Completed)
    }

    /// The exit code, once it is certain. What is BLOCKED can still be unblocked.
    fn verdict(&self) -> Option<u8> {
        let is_lost = |status: Status| match status {
            Status::Failed | Status::Cancelled => true,
            Status::Pending | Status::InProgress | Status::Completed | Status::Blocked => false,
        };
        if self.tasks.iter().any(|(_, status)| is_lost(*status)) {
            return Some(exit::REFUSED);
        }
        self.is_done().then_some(exit::DONE)
    }
}

fn look(door: &Orchestrator, ids: &[TaskId]) -> Result<Round> {
    door.look(|snapshot| {
        let mut tasks = Vec::with_capacity(ids.len());
        for id in ids {
            match snapshot.task(*id)? {
                Some(Ok(task)) => tasks.push((*id, task.status())),
                Some(Err(bad)) => {
                    return Err(Error::refused("row_unreadable", format!("the row of {id} does not decode: {}", bad.why))
                        .hint("ganger doctor --strict"));
                }
                None => return Err(Error::no_task(*id)),
            }
        }
        Ok(Round { at: snapshot.now().wall, tasks })
    })
}

/// Every task that nobody has given up.
fn all(door: &Orchestrator) -> Result<Vec<TaskId>> {
    let statuses = Status::ALL.iter().copied().filter(|status| *status != Status::Cancelled).collect();
    let mut ids = Vec::new();
    door.list(&Filter { statuses, ..Filter::default() }, |view| {
        ids.push(view.full.task.id);
        Ok(true)
    })?;
    Ok(ids)
}

fn show(context: &mut Context, round: &Round) -> Result<()> {
    for (id, status) in &round.tasks {
        if context.json {
            context.printer.json(&wire::Polled::of(round.at, *id, *status))?;
        } else {
            let status = tinted(status.as_str(), list::tint(*status), context.printer.color);
            context.printer.line(&format!("{} {id}: {status}", local_hour(round.at)));
        }
    }
    context.printer.flush();
    Ok(())
}
