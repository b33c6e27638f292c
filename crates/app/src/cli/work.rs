//! `ganger work`.

use std::time::Duration;

use domain::id::{Capability, WorkerName};
use engine::error::{Error, Result};
use engine::store::sqlite::Use;
use engine::worker::{Terms, Worker};

use super::values;
use crate::context::Context;
use crate::exit;
use crate::signals::Signals;

/// Be a worker: claim a task, run its command, renew the lease, check, record, and again. The brief is on the command's stdin.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Its name; one process a name
    #[arg(long, value_name = "W")]
    worker: WorkerName,
    /// What it can do
    #[arg(long, value_name = "CAP,…", value_delimiter = ',')]
    can: Option<Vec<Capability>>,
    /// The agent that does the tasks
    #[arg(long, value_name = "A")]
    agent: Option<String>,
    /// Leave after being idle for so long
    #[arg(long, value_name = "D", value_parser = values::duration)]
    idle_exit: Option<Duration>,
    /// Leave after one task
    #[arg(long)]
    once: bool,
    /// The command that does each task, instead of the task's own
    #[arg(last = true, value_name = "CMD")]
    command: Vec<String>,
}

pub(crate) fn run(args: Args, context: &mut Context) -> Result<u8> {
    if let Some(agent) = &args.agent {
        return Err(Error::usage(
            "agent_not_built",
            format!("this version of ganger cannot drive the agent '{}' itself", domain::text::escaped(agent, 60)),
        )
        .hint("ganger work --worker W -- COMMAND   runs any command with the brief on its stdin"));
    }
    let project = context.project()?;
    let door = project.open(Use::Resident)?;
    let terms = Terms {
        name: args.worker,
        can: args.can.map(values::sorted),
        command: (!args.command.is_empty()).then_some(args.command),
        // One task, or none if there is none: `--once` does not wait for ever unless it is told to.
        idle_exit: args.idle_exit.or(args.once.then_some(Duration::ZERO)),
        once: args.once,
    };
    let mut worker = Worker::start(&project, &door, terms, Box::new(Signals::watch()?))?;
    let shift = worker.work()?;
    context.notices(&door);
    if context.json {
        context.printer.json(&serde_json::json!({ "completed": shift.completed, "failed": shift.failed }))?;
    } else {
        context.printer.line(&format!("{} completed, {} failed", shift.completed, shift.failed));
    }
    Ok(exit::DONE)
}
