//! `ganger say`.

use domain::event::Actor;
use domain::id::{EventSeq, TaskId, WorkerName};
use engine::error::{Error, Result};
use engine::orchestrator::{Act, Orchestrator};

use super::values;
use crate::context::Context;
use crate::{exit, wire};

/// Say something that everybody can read: `ganger messages` shows it, the briefs of its task quote it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Who says it (else GANGER_WORKER, else you)
    #[arg(long = "as", value_name = "W")]
    name: Option<String>,
    /// The task that it is about: its next brief quotes it
    #[arg(long, value_name = "ID")]
    task: Option<TaskId>,
    /// What to say, or - for stdin
    #[arg(value_name = "TEXT")]
    text: String,
}

/// How far back the own message is looked for among those of others.
const LOOKED_AT_MAX: u32 = 1_000;

pub(crate) fn run(args: Args, context: &mut Context) -> Result<u8> {
    let (_, door) = context.open()?;
    let text = if args.text == "-" { context.read("-", domain::text::TEXT_BYTES_MAX as u64)? } else { args.text };
    let text = values::long("message", text.trim_end())?;
    if text.trim().is_empty() {
        return Err(Error::usage("bad_text", "the message is refused: it is empty"));
    }
    let from = values::title("name", &args.name.unwrap_or_else(|| context.speaker()))?;
    let actor = actor(&door, &from)?;
    let before = door.look(|snapshot| snapshot.last_event())?;
    context.apply(&door, actor, Act::Say { from: from.clone(), text: text.clone(), task: args.task })?;
    let said = |after: EventSeq| -> Result<Option<wire::Message>> {
        let events = door.messages(after, LOOKED_AT_MAX)?;
        let mut messages = events.iter().map(wire::Message::from);
        Ok(messages.rfind(|message| message.from == from && message.text == text))
    };
    // What a repeated request said stands further back.
    let message = match said(before)? {
        Some(message) => message,
        None => said(EventSeq(0))?.ok_or_else(|| Error::bug("a message that was posted is not there"))?,
    };
    if context.json {
        context.printer.json(&message)?;
    } else {
        context.printer.line(&format!("message {}", message.seq));
    }
    Ok(exit::DONE)
}

/// A worker of the roster speaks as a worker, everybody else as a person.
fn actor(door: &Orchestrator, from: &str) -> Result<Actor> {
    let Ok(name) = from.parse::<WorkerName>() else { return Ok(Actor::Human) };
    Ok(if door.look(|snapshot| snapshot.worker(&name))?.is_some() { Actor::Worker } else { Actor::Human })
}
