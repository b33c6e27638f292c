//! `ganger claim`.

use std::time::Duration;

use domain::event::Actor;
use domain::id::{TaskId, WorkerName};
use domain::lease::{Claim, Nonce};
use domain::lifecycle::Command;
use engine::clock::instant;
use engine::error::{Error, Kind, Result};
use engine::files;
use engine::orchestrator::{Act, Answer, Orchestrator, Order};
use engine::project::Project;
use engine::random;
use engine::services::monitor::tend;
use engine::store::Listen;
use engine::worker::run::write_brief;

use super::values;
use crate::context::Context;
use crate::{exit, wire};

/// Take the next task that a worker can do, and print its brief. Exit code 4 when there is none.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Who takes it; joins the roster when it is new
    #[arg(long, value_name = "W")]
    worker: WorkerName,
    /// Only this task
    #[arg(long, value_name = "ID")]
    task: Option<TaskId>,
    /// Wait for a task for so long
    #[arg(long, value_name = "D", value_parser = values::duration)]
    wait: Option<Duration>,
}

/// Between two looks at the store when nothing wakes us.
const SLOW_POLL: Duration = Duration::from_secs(1);
/// How often whoever waits looks for dead workers: a little less than it waits, so that each slow look is one.
const TEND_EVERY: Duration = Duration::from_millis(900);

pub(crate) fn run(args: Args, context: &mut Context) -> Result<u8> {
    let (project, door) = context.open()?;
    tend(&project, &door)?;
    let mut tended = instant();
    let until = args.wait.map(|wait| instant() + wait);
    let mut listener = until.map(|_| door.store().waker().listen(Listen::Work));
    loop {
        if let Some(listener) = &mut listener {
            listener.drain();
        }
        if tended.elapsed() >= TEND_EVERY {
            tend(&project, &door)?;
            tended = instant();
        }
        let act = Act::Claim { worker: args.worker.clone(), only: args.task, nonce: Nonce(random::bytes()?) };
        match context.apply(&door, Actor::Worker, act)? {
            Answer::Claimed { claim, .. } => return show(context, &project, &door, claim),
            Answer::Nothing { why } => {
                let left = until.map(|until| until.saturating_duration_since(instant())).unwrap_or_default();
                match &mut listener {
                    Some(listener) if !left.is_zero() => {
                        listener.wait(left.min(SLOW_POLL));
                    }
                    _ => {
                        let nothing = Error::new(Kind::Nothing, "nothing_to_claim", why).hint("ganger status   says what waits for what");
                        return Err(if until.is_none() { nothing.hint("--wait 10m   waits until there is something") } else { nothing });
                    }
                }
            }
            other => return Err(Error::bug(format!("a claim was answered with {other:?}"))),
        }
    }
}

fn show(context: &mut Context, project: &Project, door: &Orchestrator, claim: Claim) -> Result<u8> {
    let view = door.task(claim.task)?;
    if view.full.task.claim() != Some(claim) {
        // A repeated request gets the same answer, and that claim is over: to hand it out as good would be a lie.
        let (attempt, status) = (claim.attempt, view.full.task.status());
        return Err(domain::lifecycle::Refusal::StaleClaim { task: claim.task, attempt, status, holder: None }.into());
    }
    let brief = match write_brief(project, door, &view, claim) {
        Ok(brief) => brief,
        Err(error) => {
            // Without its brief nobody can do it: it goes back.
            let command = Command::Release { claim, note: "its brief could not be written".to_owned() };
            door.apply_one(Order::new(Actor::Worker, Act::Report { command, result: None, ran: None }))?;
            return Err(error);
        }
    };
    if context.json {
        let lease_seconds = door.settings().lease.as_secs();
        let claimed = wire::Claimed {
            task: wire::Task::from(&view),
            claim: claim.to_string(),
            lease_seconds,
            brief: brief.to_string_lossy().into_owned(),
        };
        context.printer.json(&claimed)?;
    } else {
        let text = files::read_text(&brief, 16 * 1024 * 1024)?;
        context.printer.line(&format!("Claim: {claim}"));
        context.printer.line(&format!("Brief: {}", project.short(&brief)));
        context.printer.line("");
        context.printer.line(&domain::text::escaped_lines(text.trim_end()));
    }
    Ok(exit::DONE)
}
