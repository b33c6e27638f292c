//! `ganger log`: the journal, once and in its one order (G12).

use domain::event::EventKind;
use domain::id::{EventSeq, TaskId};
use domain::text::counted;
use domain::time::Timestamp;
use engine::clock::{local_day, local_hour, local_time};
use engine::error::Result;
use engine::orchestrator::Orchestrator;
use engine::store::EventRow;
use serde_json::Value;

use super::values;
use crate::context::Context;
use crate::news::News;
use crate::output::table::{cut, terminal_width};
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
    let mut pen = Pen::of(context);
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
                show(context, &mut pen, event)?;
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

fn show(context: &mut Context, pen: &mut Pen, event: &EventRow) -> Result<()> {
    if context.json {
        return context.printer.json(&wire::Event::from(event));
    }
    pen.write(context, event);
    Ok(())
}

/// Writes events for people. A line of a terminal has the hour only, so that something is left for what happened: the day stands above.
pub(super) struct Pen {
    width: Option<usize>,
    day: String,
}

impl Pen {
    pub(super) fn of(context: &Context) -> Self {
        Self { width: terminal_width().filter(|_| context.printer.is_terminal), day: String::new() }
    }

    pub(super) fn write(&mut self, context: &mut Context, event: &EventRow) {
        let color = context.printer.color;
        let day = local_day(event.at);
        if self.width.is_some() && self.day != day {
            let head = tinted(&day, Tint::Dim, color);
            context.printer.line(&head);
            self.day = day;
        }
        let line = line(event, color, self.width);
        context.printer.line(&line);
    }
}

/// An event in one line, whatever its texts hold (A31); for a terminal of this width.
fn line(event: &EventRow, color: bool, width: Option<usize>) -> String {
    let task = match (event.task, event.attempt) {
        (Some(task), Some(attempt)) => format!("{task}#{}", attempt.0),
        (Some(task), None) => task.to_string(),
        (None, _) => "-".to_owned(),
    };
    let worker = event.worker.as_ref().map_or("-", |worker| worker.as_str());
    let when = if width.is_some() { local_hour(event.at) } else { local_time(event.at) };
    let kind = format!("{:<18}", event.kind.as_str());
    let who = format!("{task:<8} {worker:<10}");
    let used = [when.len(), 5, kind.len(), who.len()].iter().map(|part| part + 1).sum::<usize>();
    let data = match width {
        Some(width) => cut(&data(&event.data), width.saturating_sub(used).max(12)),
        None => data(&event.data),
    };
    let (time, kind) = (tinted(&when, Tint::Dim, color), tinted(&kind, kind_tint(event.kind), color));
    format!("{time} {:>5} {kind} {who} {data}", event.seq.0).trim_end().to_owned()
}

/// What only programs would understand, in words: `None` for what a person is told as it is, and an empty text for what says nothing.
fn worded(name: &str, value: &Value) -> Option<String> {
    Some(match (name, value) {
        ("final", Value::Bool(true)) => "given up".to_owned(),
        ("final", Value::Bool(false)) => "will be tried again".to_owned(),
        ("failures", Value::Number(count)) => match count.as_u64()? {
            0 => String::new(),
            count => format!("{} so far", counted(count, "failure")),
        },
        ("crashes", Value::Number(count)) => format!("{} lost so far", counted(count.as_u64()?, "worker")),
        ("cycle", Value::Number(count)) => format!("repair {}", count.as_u64()?),
        (name, Value::Number(at)) if name.ends_with("_at_ms") => {
            let what = name.strip_suffix("_at_ms")?.replace('_', " ");
            format!("{what} {}", local_hour(Timestamp(at.as_i64()?)))
        }
        _ => return None,
    })
}

/// The particulars, short: texts as `name=value`, the rest in words.
fn data(json: &str) -> String {
    const VALUE_CHARS_MAX: usize = 80;
    let Ok(Value::Object(facts)) = serde_json::from_str(json) else { return String::new() };
    let shown = facts.iter().map(|(name, value)| {
        if let Some(words) = worded(name, value) {
            return words;
        }
        let value = match value {
            Value::String(text) => text.clone(),
            Value::Array(texts) => {
                texts.iter().map(|one| one.as_str().map_or_else(|| one.to_string(), ToOwned::to_owned)).collect::<Vec<_>>().join(",")
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
        };
        format!("{}={}", values::shown(name, 40), values::shown(&value, VALUE_CHARS_MAX))
    });
    shown.filter(|fact| !fact.is_empty()).collect::<Vec<_>>().join("  ")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_words_for_people() {
        let failed = r#"{"failures":0,"final":false,"note":"exit status 1","reason":"check"}"#;
        assert_eq!(data(failed), "will be tried again  note=\"exit status 1\"  reason=check");
        assert_eq!(data(r#"{"failures":2,"final":true}"#), "2 failures so far  given up");
        assert_eq!(data(r#"{"crashes":1,"reason":"lease"}"#), "1 worker lost so far  reason=lease");
        assert_eq!(data(r#"{"cycle":2}"#), "repair 2");
        let started = data(r#"{"started_at_ms":1795181840118}"#);
        assert!(started.starts_with("started ") && started.ends_with(":20"), "{started}");
    }
}
