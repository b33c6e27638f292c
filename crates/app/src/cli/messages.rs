//! `ganger messages`: the mailbox of everybody.

use domain::id::EventSeq;
use engine::clock::local_time;
use engine::error::Result;
use engine::store::EventRow;

use crate::context::Context;
use crate::news::News;
use crate::output::{Tint, tinted};
use crate::{exit, wire};

/// Show what was said, the oldest first.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only what came after the message with this number
    #[arg(long, value_name = "N")]
    after: Option<u64>,
    /// At most so many, the newest
    #[arg(long, value_name = "N")]
    limit: Option<u32>,
    /// Go on showing what is said, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
}

/// Nothing wakes a follower for so long at most.
const WAIT: std::time::Duration = std::time::Duration::from_secs(3_600);

pub(crate) fn run(args: Args, context: &mut Context) -> Result<u8> {
    let (_, door) = context.open()?;
    let mut news = if args.follow { Some(News::watch(&door)?) } else { None };
    let first = door.messages(EventSeq(args.after.unwrap_or(0)), args.limit.unwrap_or(u32::MAX))?;
    let Some(news) = &mut news else {
        if context.json {
            let shapes: Vec<wire::Message> = first.iter().map(wire::Message::from).collect();
            context.printer.json(&shapes)?;
        } else if first.is_empty() {
            context.printer.say("nobody has said anything: `ganger say TEXT`");
        } else {
            first.iter().for_each(|event| show(context, event));
        }
        return Ok(exit::DONE);
    };
    // With `--limit 0` nothing is shown of what was said before, and nothing of it later.
    let mut seen = match first.last() {
        Some(last) => last.seq,
        None if args.limit == Some(0) => door.look(|snapshot| snapshot.last_event())?,
        None => EventSeq(args.after.unwrap_or(0)),
    };
    let mut part = first;
    loop {
        for event in &part {
            if context.json {
                context.printer.json(&wire::Message::from(event))?;
            } else {
                show(context, event);
            }
        }
        if !news.wait(&mut context.printer, WAIT) {
            return Ok(exit::DONE);
        }
        part = door.messages(seen, u32::MAX)?;
        seen = part.last().map_or(seen, |last| last.seq);
    }
}

/// A message; its further lines are marked, so that none can pass for another message (A31).
fn show(context: &mut Context, event: &EventRow) {
    let message = wire::Message::from(event);
    let color = context.printer.color;
    let time = tinted(&local_time(event.at), Tint::Dim, color);
    let from = tinted(&domain::text::escaped(&message.from, 64), Tint::Bold, color);
    let task = event.task.map_or_else(String::new, |task| format!(" ({task})"));
    let text = domain::text::escaped_lines(&message.text);
    let mut lines = text.lines();
    context.printer.line(&format!("{time} {:>5} {from}{task}: {}", message.seq, lines.next().unwrap_or_default()));
    for line in lines {
        context.printer.line(&format!("      │ {line}"));
    }
}
