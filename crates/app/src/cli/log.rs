//! `ganger log`: the journal, once and in its one order (G12).

use domain::event::EventKind;
use domain::id::{EventSeq, TaskId};
use engine::clock::rfc3339;
use engine::error::Result;
use engine::orchestrator::Orchestrator;
use engine::store::EventRow;
use serde_json::Value;

use super::values;
use crate::context::Context;
use crate::news::News;
use crate::output::{Tint, tinted};
use crate::{exit, wire};

/// Show what happened, the oldest first.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Go on showing what happens, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// Only what came after the event with this number
    #[arg(long, value_name = "N")]
    after: Option<u64>,
    /// At most so many: the first ones behind --after, without it the newest
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Only about this task
    #[arg(long, value_name = "ID")]
    task: Option<TaskId>,
    /// Only of these kinds, such as task_completed
    #[arg(long, value_name = "K,…", value_delimiter = ',', value_parser = kind)]
    kind: Vec<EventKind>,
}

/// How many events are read at once.
const PART: u32 = 500;
/// Nothing wakes a follower for so long at most.
const WAIT: std::time::Duration = std::time::Duration::from_secs(3_600);

fn kind(text: &str) -> Result<EventKind, String> {
    EventKind::from_word(text).ok_or_else(|| {
        let known: Vec<&str> = EventKind::ALL.iter().map(|kind| kind.as_str()).collect();
        format!("expected one of {}, found '{}'", known.join(", "), domain::text::escaped(text, 40))
    })
}

impl Args {
    fn wants(&self, event: &EventRow) -> bool {
        self.task.is_none_or(|task| event.task == Some(task)) && (self.kind.is_empty() || self.kind.contains(&event.kind))
    }
}

pub(crate) fn run(args: Args, context: &mut Context) -> Result<u8> {
    let (_, door) = context.open()?;
    if let Some(task) = args.task {
        door.task(task)?;
    }
    let mut news = if args.follow { Some(News::watch(&door)?) } else { None };
    let (mut seen, mut left) = match (args.after, args.limit) {
        (Some(after), limit) => (EventSeq(after), limit.unwrap_or(u64::MAX)),
        (None, None) => (EventSeq(0), u64::MAX),
        // The newest ones, and then whatever comes.
        (None, Some(limit)) => (newest(&door, &args, limit)?, if args.follow { u64::MAX } else { limit }),
    };
    loop {
        while left > 0 {
            let events = door.events(seen, PART)?;
            let Some(last) = events.last() else { break };
            seen = last.seq;
            for event in events.iter().filter(|event| args.wants(event)).take(usize::try_from(left).unwrap_or(usize::MAX)) {
                show(context, event)?;
                left -= 1;
            }
            if context.printer.is_closed() {
                return Ok(exit::DONE);
            }
        }
        let goes_on = match &mut news {
            Some(news) => left > 0 && news.wait(&mut context.printer, WAIT),
            None => false,
        };
        if !goes_on {
            return Ok(exit::DONE);
        }
    }
}

/// The position behind which there are `limit` events that are wanted, or all of them.
fn newest(door: &Orchestrator, args: &Args, limit: u64) -> Result<EventSeq> {
    let mut end = door.look(|snapshot| snapshot.last_event())?.0;
    let mut missing = limit;
    while missing > 0 && end > 0 {
        let begin = end.saturating_sub(u64::from(PART));
        let mut events = door.events(EventSeq(begin), PART)?;
        events.retain(|event| event.seq.0 <= end && args.wants(event));
        if let Some(first) = events.len().checked_sub(usize::try_from(missing).unwrap_or(usize::MAX)) {
            return Ok(EventSeq(events.get(first).map_or(begin, |event| event.seq.0 - 1)));
        }
        missing -= events.len() as u64;
        end = begin;
    }
    Ok(EventSeq(end))
}

fn show(context: &mut Context, event: &EventRow) -> Result<()> {
    if context.json {
        return context.printer.json(&wire::Event::from(event));
    }
    let line = line(event, context.printer.color);
    context.printer.line(&line);
    Ok(())
}

/// An event in one line, whatever its texts hold (A31).
pub(super) fn line(event: &EventRow, color: bool) -> String {
    let task = match (event.task, event.attempt) {
        (Some(task), Some(attempt)) => format!("{task}#{}", attempt.0),
        (Some(task), None) => task.to_string(),
        (None, _) => "-".to_owned(),
    };
    let worker = event.worker.as_ref().map_or("-", |worker| worker.as_str());
    let time = tinted(&rfc3339(event.at), Tint::Dim, color);
    let kind = tinted(&format!("{:<18}", event.kind.as_str()), kind_tint(event.kind), color);
    format!("{time} {:>5} {kind} {task:<8} {worker:<10} {}", event.seq.0, data(&event.data)).trim_end().to_owned()
}

/// The particulars as `name=value`, short.
fn data(json: &str) -> String {
    const VALUE_CHARS_MAX: usize = 80;
    let Ok(Value::Object(facts)) = serde_json::from_str(json) else { return String::new() };
    let shown = facts.iter().map(|(name, value)| {
        let value = match value {
            Value::String(text) => text.clone(),
            Value::Array(texts) => {
                texts.iter().map(|one| one.as_str().map_or_else(|| one.to_string(), ToOwned::to_owned)).collect::<Vec<_>>().join(",")
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
        };
        format!("{}={}", values::shown(name, 40), values::shown(&value, VALUE_CHARS_MAX))
    });
    shown.collect::<Vec<_>>().join(" ")
}

fn kind_tint(kind: EventKind) -> Tint {
    match kind {
        EventKind::TaskCompleted | EventKind::CheckPassed | EventKind::TaskUnblocked => Tint::Green,
        EventKind::TaskFailed | EventKind::CheckFailed | EventKind::WorkerLost | EventKind::RowUnreadable | EventKind::BoardEditRefused => {
            Tint::Red
        }
        EventKind::TaskBlocked
        | EventKind::TaskExpired
        | EventKind::TaskReleased
        | EventKind::TaskCancelled
        | EventKind::TaskFellBack
        | EventKind::WorkerLimited
        | EventKind::WorkerPaused
        | EventKind::PromptUnconfirmed => Tint::Yellow,
        // New kinds may come; most are neither good news nor bad.
        _ => Tint::Blue,
    }
}
