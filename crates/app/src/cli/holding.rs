//! `ganger heartbeat`, `complete`, `fail`, `block`, `release`: what the holder of a claim says.

use domain::event::Actor;
use domain::lease::Claim;
use domain::lifecycle::Command;
use domain::task::TaskResult;
use engine::error::Result;
use engine::files;
use engine::orchestrator::{Act, Orchestrator};
use engine::project::Project;

use super::values;
use crate::context::Context;
use crate::{exit, wire};

/// The largest result file.
const RESULT_BYTES_MAX: u64 = 1024 * 1024;

/// What can be handed in with an outcome.
#[derive(Debug, clap::Args)]
pub(crate) struct Handed {
    /// The claim as `ganger claim` printed it (else GANGER_CLAIM)
    #[arg(value_name = "CLAIM")]
    claim: Option<String>,
    /// What to tell
    #[arg(long, value_name = "T")]
    note: Option<String>,
    /// A file that was touched (repeatable)
    #[arg(long = "file", value_name = "F")]
    files: Vec<String>,
    /// A file with the result, to be kept in .orchestrator/results/
    #[arg(long, value_name = "FILE")]
    result: Option<String>,
}

impl Handed {
    fn note(&self) -> Result<String> {
        values::long("note", self.note.as_deref().unwrap_or_default())
    }

    /// What is kept of it. The result file is written first: a task is never completed when its files could not be.
    fn keep(&self, context: &mut Context, project: &Project, claim: Claim) -> Result<TaskResult> {
        for file in &self.files {
            files::named_path(file)?;
        }
        context.warn_missing(project, &self.files);
        let note = self.note()?;
        let mut result = TaskResult { note, files: self.files.clone(), ..TaskResult::default() };
        let page = match &self.result {
            Some(file) => Some(context.read(file, RESULT_BYTES_MAX)?),
            None if !result.is_empty() => Some(format!(
                "# {}\n\n{}\n{}",
                claim.task,
                result.note,
                result.files.iter().map(|file| format!("- `{file}`\n")).collect::<String>()
            )),
            None => None,
        };
        if let Some(page) = page {
            let path = project.result(claim.task);
            files::replace(&path, &page)?;
            result.output = Some(project.short(&path));
        }
        Ok(result)
    }
}

/// Sends a report and shows how the task stands.
fn report(context: &mut Context, door: &Orchestrator, claim: Claim, command: Command, result: Option<TaskResult>) -> Result<u8> {
    context.apply(door, Actor::Worker, Act::Report { command, result, ran: None })?;
    let view = door.task(claim.task)?;
    if context.json {
        context.printer.json(&wire::Task::from(&view))?;
    } else {
        context.printer.line(&format!("{}: {}", claim.task, view.full.task.status()));
    }
    Ok(exit::DONE)
}

pub(crate) mod heartbeat {
    //! Renewing a lease.

    use domain::lifecycle::Command;
    use domain::task::Step;
    use engine::error::Result;

    use crate::context::Context;

    /// Say that you still work on a task: its lease begins anew.
    #[derive(Debug, clap::Args)]
    pub(crate) struct Args {
        /// The claim as `ganger claim` printed it (else GANGER_CLAIM)
        #[arg(value_name = "CLAIM")]
        claim: Option<String>,
    }

    pub(crate) fn run(args: Args, context: &mut Context) -> Result<u8> {
        let claim = context.claim(args.claim.as_deref())?;
        let (_, door) = context.open()?;
        let command = Command::Heartbeat { claim, lease: door.settings().lease, step: Step::Running, started_at: None };
        super::report(context, &door, claim, command, None)
    }
}

pub(crate) mod complete {
    //! Completing, after the check.

    use domain::lifecycle::Command;
    use domain::task::TaskState;
    use engine::error::{Error, Result};
    use engine::files;
    use engine::worker::run::check;

    use super::Handed;
    use crate::context::Context;
    use crate::signals::Signals;

    /// A task is done. Its check runs first: when that fails, its output is printed, the exit code is 1 and the claim stays yours.
    #[derive(Debug, clap::Args)]
    pub(crate) struct Args {
        #[command(flatten)]
        handed: Handed,
    }

    pub(crate) fn run(args: Args, context: &mut Context) -> Result<u8> {
        let claim = context.claim(args.handed.claim.as_deref())?;
        let (project, door) = context.open()?;
        let note = args.handed.note()?;
        let view = door.task(claim.task)?;
        let is_current = matches!(&view.full.task.state, TaskState::InProgress(held) if held.nonce == claim.nonce && view.full.task.attempt == claim.attempt);
        let mut checked = None;
        let mut result = None;
        if is_current {
            if let Some(command) = &view.full.spec.check {
                let (output, verdict) = check(&project, &door, &view, claim, Box::new(Signals::watch()?))?;
                if let Err(failure) = verdict {
                    let shown = domain::text::escaped_lines(files::tail(&output, 64 * 1024).trim_end());
                    match (shown.is_empty(), context.json) {
                        (true, _) => {}
                        (false, true) => context.printer.say(&shown),
                        (false, false) => context.printer.line(&shown),
                    }
                    let why = failure.note.lines().next().unwrap_or_default().to_owned();
                    return Err(Error::refused("check_failed", format!("the check of {} failed: {why}", claim.task))
                        .hint("mend it and call `ganger complete` again: the claim is still yours")
                        .hint(format!("the whole output is in {}", project.short(&output))));
                }
                checked = Some(command.clone());
            }
            result = Some(args.handed.keep(context, &project, claim)?);
        }
        super::report(context, &door, claim, Command::Complete { claim, started_at: None, checked, note }, result)
    }
}

pub(crate) mod fail {
    //! Failing.

    use domain::lifecycle::Command;
    use domain::task::{FailReason, Failure};
    use engine::error::Result;

    use super::Handed;
    use crate::context::Context;

    /// An attempt failed. The task is tried again while it may fail once more.
    #[derive(Debug, clap::Args)]
    pub(crate) struct Args {
        #[command(flatten)]
        handed: Handed,
    }

    pub(crate) fn run(args: Args, context: &mut Context) -> Result<u8> {
        let claim = context.claim(args.handed.claim.as_deref())?;
        let (project, door) = context.open()?;
        let failure = Failure { reason: FailReason::Reported, note: args.handed.note()? };
        let is_current = door.task(claim.task)?.full.task.claim() == Some(claim);
        let result = if is_current { Some(args.handed.keep(context, &project, claim)?) } else { None };
        super::report(context, &door, claim, Command::Fail { claim, started_at: None, failure }, result)
    }
}

pub(crate) mod block {
    //! Blocking.

    use domain::id::TaskId;
    use domain::lifecycle::Command;
    use domain::task::{BlockReason, Blocked};
    use engine::error::Result;

    use super::values;
    use crate::context::Context;

    fn reason(text: &str) -> Result<BlockReason, String> {
        BlockReason::from_word(text).ok_or_else(|| "expected credits, error, dependency, question or other".to_owned())
    }

    /// A task must wait for somebody: for credits, an answer, another task.
    #[derive(Debug, clap::Args)]
    pub(crate) struct Args {
        /// The claim as `ganger claim` printed it (else GANGER_CLAIM)
        #[arg(value_name = "CLAIM")]
        claim: Option<String>,
        /// credits, error, dependency, question or other
        #[arg(long, value_name = "R", value_parser = reason)]
        reason: BlockReason,
        /// For what exactly
        #[arg(long, value_name = "T")]
        note: Option<String>,
        /// The task that it waits for: with the reason dependency it goes on by itself when that one is COMPLETED
        #[arg(long, value_name = "ID")]
        on: Option<TaskId>,
    }

    pub(crate) fn run(args: Args, context: &mut Context) -> Result<u8> {
        let claim = context.claim(args.claim.as_deref())?;
        let (_, door) = context.open()?;
        if let Some(on) = args.on {
            door.task(on)?;
        }
        let blocked = Blocked { reason: args.reason, note: values::long("note", args.note.as_deref().unwrap_or_default())?, on: args.on };
        super::report(context, &door, claim, Command::Block { claim, blocked }, None)
    }
}

pub(crate) mod release {
    //! Giving back.

    use domain::lifecycle::Command;
    use engine::error::Result;

    use super::values;
    use crate::context::Context;

    /// Give a task back, free of charge: somebody else gets it first.
    #[derive(Debug, clap::Args)]
    pub(crate) struct Args {
        /// The claim as `ganger claim` printed it (else GANGER_CLAIM)
        #[arg(value_name = "CLAIM")]
        claim: Option<String>,
        /// Why
        #[arg(long, value_name = "T")]
        note: Option<String>,
    }

    pub(crate) fn run(args: Args, context: &mut Context) -> Result<u8> {
        let claim = context.claim(args.claim.as_deref())?;
        let (_, door) = context.open()?;
        let note = values::long("note", args.note.as_deref().unwrap_or_default())?;
        super::report(context, &door, claim, Command::Release { claim, note }, None)
    }
}
