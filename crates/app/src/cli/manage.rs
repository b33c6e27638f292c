//! `ganger assign`, `cancel`, `retry`, `unblock`, `answer`: what a person says about one task.

use domain::id::TaskId;
use engine::error::Result;
use engine::orchestrator::{Answer, Orchestrator};

use crate::cli::values;
use crate::context::Context;
use crate::{exit, wire};

/// Shows how the task stands now.
pub(crate) fn tell(context: &mut Context, door: &Orchestrator, id: TaskId, _answer: &Answer) -> Result<u8> {
    let view = door.task(id)?;
    if context.json {
        context.printer.json(&wire::Task::from(&view))?;
    } else {
        context.printer.line(&format!("{id}: {}", view.full.task.status()));
    }
    Ok(exit::DONE)
}

pub(crate) mod assign {
    //! Who a task waits for.

    use domain::event::Actor;
    use domain::id::{TaskId, WorkerName};
    use engine::error::{Error, Result};
    use engine::orchestrator::{Act, Patch};

    use crate::context::Context;

    /// Let a task wait for one worker, or for anybody (`-`).
    #[derive(Debug, clap::Args)]
    pub(crate) struct Args {
        /// The task
        #[arg(value_name = "ID")]
        id: TaskId,
        /// The worker, or `-` for anybody
        #[arg(value_name = "WORKER", allow_hyphen_values = true)]
        worker: String,
    }

    pub(crate) fn run(args: Args, context: &mut Context) -> Result<u8> {
        let (_, door) = context.open()?;
        let assignee = match args.worker.as_str() {
            "-" => None,
            name => Some(name.parse::<WorkerName>().map_err(|error| Error::usage("bad_worker", format!("failed to {error}")))?),
        };
        let patch = Patch { assignee: Some(assignee), ..Patch::default() };
        let answer = context.apply(&door, Actor::Human, Act::Edit { task: args.id, patch: Box::new(patch) });
        match answer {
            // It waits for that worker already.
            Err(error) if error.code == "nothing_to_change" => super::tell(context, &door, args.id, &engine::orchestrator::Answer::Done),
            answer => super::tell(context, &door, args.id, &answer?),
        }
    }
}

/// A text that may be missing.
fn text(field: &str, text: Option<&String>) -> Result<String> {
    values::long(field, text.map_or("", String::as_str))
}

macro_rules! about_one_task {
    ($name:ident, $room:literal, $doc:literal, { $($field:tt)* }, $command:expr) => {
        pub(crate) mod $name {
            #![doc = $room]

            use domain::event::Actor;
            use domain::id::TaskId;
            use domain::lifecycle::Command;
            use engine::error::Result;
            use engine::orchestrator::Act;

            use crate::context::Context;

            #[doc = $doc]
            #[derive(Debug, clap::Args)]
            pub(crate) struct Args {
                /// The task
                #[arg(value_name = "ID")]
                id: TaskId,
                $($field)*
            }

            pub(crate) fn run(args: Args, context: &mut Context) -> Result<u8> {
                let (_, door) = context.open()?;
                let command: fn(&Args) -> Result<Command> = $command;
                let act = Act::Manage { task: args.id, command: command(&args)? };
                let answer = context.apply(&door, Actor::Human, act)?;
                super::tell(context, &door, args.id, &answer)
            }
        }
    };
}

about_one_task!(cancel, "Giving a task up.", "Give a task up. Its worker stops; what depends on it is blocked until it is retried.", {
    /// Why
    #[arg(long, value_name = "T")]
    note: Option<String>,
}, |args| Ok(Command::Cancel { note: super::text("note", args.note.as_ref())? }));

about_one_task!(retry, "Setting a task going again.", "Set a failed or cancelled task going again, with every count at zero.", {}, |_| Ok(
    Command::Retry
));

about_one_task!(unblock, "Telling that a task need not wait.", "What a task waited for is there: it goes on.", {
    /// How
    #[arg(long, value_name = "T")]
    note: Option<String>,
}, |args| Ok(Command::Unblock { note: super::text("note", args.note.as_ref())? }));

about_one_task!(answer, "Answering a question.", "Answer the question that a task waits for. The answer stands in its next brief.", {
    /// The answer
    #[arg(value_name = "TEXT")]
    text: String,
}, |args| Ok(Command::Answer { text: super::text("answer", Some(&args.text))? }));
