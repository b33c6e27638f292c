//! What is shown while a run goes on: a line for each end of an attempt, and on a terminal a bar below them. Whatever is said meanwhile
//! goes through here, or the next frame of the bar would erase it.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use domain::event::EventKind;
use domain::id::{Capability, EventSeq, TaskId};
use domain::report::words;
use domain::task::Status;
use domain::time::show_duration;
use engine::clock::{instant, local_hour};
use engine::error::Result;
use engine::orchestrator::Orchestrator;
use engine::orchestrator::query::Standing;
use engine::services::foreman::{Lingering, LingersFor};
use engine::store::EventRow;
use unicode_width::UnicodeWidthStr;

use crate::context::Context;
use crate::output::table::{cut, error_width};
use crate::output::{Tint, tinted};

/// How wide a terminal is that does not say it.
const WIDTH_DEFAULT: usize = 80;
/// The widest bar, and the narrowest that is worth its place.
const BAR_MAX: usize = 24;
const BAR_MIN: usize = 6;
/// How much of a note is shown where nothing cuts it.
const NOTE_MAX: usize = 160;
/// How much of a title.
const TITLE_MAX: usize = 60;

/// What is shown while it runs.
pub(super) struct Progress {
    seen: EventSeq,
    bar: Option<indicatif::ProgressBar>,
    color: bool,
    quiet: bool,
    began: Instant,
    /// How much was done when it began: what it did itself says how quick it is.
    done_before: Option<u32>,
    stopping: bool,
}

impl Progress {
    pub(super) fn new(context: &Context, seen: EventSeq) -> Self {
        let bar = (context.printer.err_is_terminal && !context.json).then(|| {
            let bar = indicatif::ProgressBar::new(1);
            let style = indicatif::ProgressStyle::with_template("{msg}");
            bar.set_style(style.unwrap_or_else(|_| indicatif::ProgressStyle::default_bar()));
            bar
        });
        let (color, quiet) = (context.printer.color_err, context.json);
        Self { seen, bar, color, quiet, began: instant(), done_before: None, stopping: false }
    }

    /// Says a line that stays, above the bar where there is one.
    fn say(&self, context: &mut Context, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| context.printer.say(line)),
            None => context.printer.say(line),
        }
    }

    /// The same, cut to the terminal.
    fn say_cut(&self, context: &mut Context, line: &str) {
        match width_of(&self.bar) {
            Some(width) => self.say(context, &cut(line, width)),
            None => self.say(context, line),
        }
    }

    /// Says why the run ends, and shows it in the bar from now on.
    pub(super) fn stopping(&mut self, context: &mut Context, why: &str) {
        self.stopping = true;
        self.say_cut(context, why);
    }

    /// Says what waits for somebody who is not there.
    pub(super) fn linger(&self, context: &mut Context, lingering: &[Lingering]) {
        if !self.quiet {
            lingering.iter().for_each(|task| self.say_cut(context, &lingers(task)));
        }
    }

    /// Shows what happened, and how it stands.
    pub(super) fn show(&mut self, context: &mut Context, door: &Orchestrator, standing: &Standing) -> Result<()> {
        loop {
            let events = door.events(self.seen, 500)?;
            let Some(last) = events.last() else { break };
            self.seen = last.seq;
            if self.quiet {
                continue;
            }
            let tasks = tasks(door, &events)?;
            let width = width_of(&self.bar);
            for told in events.iter().filter_map(|event| told(event, &tasks)) {
                self.say(context, &told.line(width, self.color));
            }
        }
        let counts = &standing.counts;
        let done = counts.of(Status::Completed) + counts.of(Status::Cancelled);
        let before = *self.done_before.get_or_insert(done);
        if let Some(bar) = &self.bar {
            let sight = Sight {
                done,
                done_here: done.saturating_sub(before),
                all: counts.all(),
                phase: if self.stopping { "stopping" } else { standing.phase() },
                running: standing.running.len(),
                waiting: counts.of(Status::Pending),
                failed: counts.of(Status::Failed),
                elapsed: self.began.elapsed(),
            };
            // The last column stays free: some terminals go to the next line when it is written.
            bar.set_message(sight.line(error_width().unwrap_or(WIDTH_DEFAULT).saturating_sub(1)));
        }
        Ok(())
    }

    /// Takes the bar away.
    pub(super) fn clear(&mut self, context: &mut Context) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        context.printer.flush();
    }
}

/// How wide a line may be: nothing is cut where no terminal shows it.
fn width_of(bar: &Option<indicatif::ProgressBar>) -> Option<usize> {
    bar.as_ref().map(|_| error_width().unwrap_or(WIDTH_DEFAULT))
}

/// What the bar shows.
struct Sight {
    done: u32,
    done_here: u32,
    all: u32,
    phase: &'static str,
    running: usize,
    waiting: u32,
    failed: u32,
    elapsed: Duration,
}

impl Sight {
    /// `███░░░ 42% · features · 2 running · 3 waiting · 1s, about 6s left`; the bar gives way first.
    fn line(&self, width: usize) -> String {
        let percent = if self.all == 0 { 0 } else { u64::from(self.done) * 100 / u64::from(self.all) };
        let mut parts =
            vec![format!("{percent}%"), self.phase.to_owned(), format!("{} running", self.running), format!("{} waiting", self.waiting)];
        if self.failed > 0 {
            parts.push(format!("{} failed", self.failed));
        }
        let left = self.left().map_or_else(String::new, |left| format!(", about {} left", seconds(left)));
        parts.push(format!("{}{left}", seconds(self.elapsed)));
        let text = parts.join(" · ");
        let room = width.saturating_sub(text.width() + 1).min(BAR_MAX);
        if room < BAR_MIN {
            return cut(&text, width);
        }
        let full = usize::try_from(percent).unwrap_or(100) * room / 100;
        format!("{}{} {text}", "█".repeat(full), "░".repeat(room - full))
    }

    /// How long it takes still, judged by what was done so far; nothing can be said before that.
    fn left(&self) -> Option<Duration> {
        let open = self.all.saturating_sub(self.done);
        let each = self.elapsed.checked_div(self.done_here)?;
        (open > 0).then(|| each.saturating_mul(open))
    }
}

/// A duration in whole seconds.
fn seconds(span: Duration) -> String {
    match span.as_secs() {
        0 => "0s".to_owned(),
        seconds => show_duration(Duration::from_secs(seconds)),
    }
}

/// A line about an event that somebody who watches wants to know.
struct Told {
    hour: String,
    what: String,
    word: String,
    tint: Tint,
    by: String,
    title: String,
    note: String,
}

impl Told {
    fn line(&self, width: Option<usize>, color: bool) -> String {
        let before = format!("{} {:>6} ", self.hour, self.what);
        let by = if self.title.is_empty() { format!(" {}", self.by) } else { format!(" {:<9} ", self.by) };
        let word = format!("{:<10}", self.word);
        let mut room = width.map_or(usize::MAX, |width| width.saturating_sub(before.width() + word.width() + by.width()));
        let title = cut_to(&self.title, &mut room);
        let note = if self.note.is_empty() { String::new() } else { cut_to(&format!(": {}", self.note), &mut room) };
        let note = if note.is_empty() { note } else { tinted(&note, Tint::Dim, color) };
        format!("{before}{}{by}{title}{note}", tinted(&word, self.tint, color)).trim_end().to_owned()
    }
}

/// As much of a text as there is room for; after one that was cut there is none left.
fn cut_to(text: &str, room: &mut usize) -> String {
    let wide = text.width();
    if wide <= *room {
        *room -= wide;
        return text.to_owned();
    }
    let shown = if *room > 3 { cut(text, *room) } else { String::new() };
    *room = 0;
    shown
}

/// What a line about an event says; `None` for one that nobody who watches wants to know.
fn told(event: &EventRow, tasks: &HashMap<TaskId, (String, u32)>) -> Option<Told> {
    let (word, tint) = word(event.kind)?;
    let data: serde_json::Value = serde_json::from_str(&event.data).unwrap_or_default();
    let note = ["note", "reason", "why"].iter().find_map(|name| data.get(*name).and_then(serde_json::Value::as_str)).unwrap_or_default();
    let (mut word, mut note) = (word.to_owned(), note.lines().next().unwrap_or_default());
    let task = event.task.and_then(|id| tasks.get(&id));
    if event.kind == EventKind::TaskFailed {
        // The title stands for the command already: what it said last is news.
        note = words::gist(data.get("note").and_then(serde_json::Value::as_str).unwrap_or_default());
        let failures = data.get("failures").and_then(serde_json::Value::as_u64).unwrap_or(0);
        if data.get("final").and_then(serde_json::Value::as_bool) == Some(true) {
            word = match task.map(|(_, max)| u64::from(*max)).filter(|max| failures >= *max) {
                Some(max) => format!("FAILED ({failures} of {max})"),
                // Something else than the number of failures put an end to it.
                None => "FAILED".to_owned(),
            };
        }
    }
    Some(Told {
        hour: local_hour(event.at),
        what: event.task.map_or_else(String::new, |id| id.to_string()),
        word,
        tint,
        by: event.worker.as_ref().map_or_else(String::new, ToString::to_string),
        title: task.map_or_else(String::new, |(title, _)| domain::text::escaped(title, TITLE_MAX)),
        note: domain::text::escaped(note, NOTE_MAX),
    })
}

/// The word for an event that somebody who watches wants to know.
fn word(kind: EventKind) -> Option<(&'static str, Tint)> {
    match kind {
        EventKind::TaskCompleted => Some(("COMPLETED", Tint::Green)),
        EventKind::TaskFailed => Some(("failed", Tint::Red)),
        EventKind::TaskBlocked => Some(("BLOCKED", Tint::Yellow)),
        EventKind::TaskExpired => Some(("taken back", Tint::Yellow)),
        EventKind::TaskReleased => Some(("given back", Tint::Yellow)),
        EventKind::TaskCancelled => Some(("CANCELLED", Tint::Yellow)),
        EventKind::WorkerLost => Some(("lost", Tint::Red)),
        EventKind::TaskFellBack => Some(("fell back", Tint::Yellow)),
        _ => None,
    }
}

/// The titles of the tasks that lines will be about, and how often each may fail.
fn tasks(door: &Orchestrator, events: &[EventRow]) -> Result<HashMap<TaskId, (String, u32)>> {
    let ids: HashSet<TaskId> = events.iter().filter(|event| word(event.kind).is_some()).filter_map(|event| event.task).collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    door.look(|snapshot| {
        let mut tasks = HashMap::with_capacity(ids.len());
        for id in &ids {
            if let Some(Ok(full)) = snapshot.full(*id)? {
                tasks.insert(*id, (full.spec.title, full.task.attempts_max));
            }
        }
        Ok(tasks)
    })
}

/// `T-003 waits for zoe, who is not on the roster; anybody may have it in 2m34s`.
fn lingers(task: &Lingering) -> String {
    let why = match &task.on {
        LingersFor::Stranger(name) => format!("waits for {name}, who is not on the roster"),
        LingersFor::Absent(name) => format!("waits for {name}, who is not there"),
        LingersFor::Needs(needs) => {
            format!("needs {}, which nobody here can do", needs.iter().map(Capability::as_str).collect::<Vec<_>>().join(", "))
        }
    };
    let more = if task.count > 1 { format!(" (and {} more like it)", task.count - 1) } else { String::new() };
    format!("{} {why}{more}; anybody may have it in {}", task.task, seconds(task.left))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sight(done: u32, all: u32, elapsed: u64) -> Sight {
        Sight {
            done,
            done_here: done,
            all,
            phase: "features",
            running: 2,
            waiting: all - done,
            failed: 0,
            elapsed: Duration::from_secs(elapsed),
        }
    }

    #[test]
    fn the_bar_fits_and_reads_well() {
        assert_eq!(sight(1, 7, 1).line(79), "██░░░░░░░░░░░░░░░░░░ 14% · features · 2 running · 6 waiting · 1s, about 6s left");
        assert_eq!(
            sight(0, 7, 3).line(79),
            "░░░░░░░░░░░░░░░░░░░░░░░░ 0% · features · 2 running · 7 waiting · 3s",
            "nothing is known of its pace"
        );
        assert_eq!(sight(7, 7, 3).line(79), "████████████████████████ 100% · features · 2 running · 0 waiting · 3s");
        let long = Sight { failed: 1_234, running: 256, waiting: 100_000, ..sight(50_000, 200_000, 400_000) };
        for width in 1..200 {
            assert!(long.line(width).width() <= width, "{width}: {}", long.line(width));
        }
        assert!(long.line(79).starts_with("25% · "), "the bar gives way: {}", long.line(79));
    }

    #[test]
    fn what_was_done_before_says_nothing_of_the_pace() {
        let later = Sight { done_here: 1, ..sight(6, 8, 10) };
        assert_eq!(later.left(), Some(Duration::from_secs(20)));
        assert_eq!(Sight { done_here: 0, ..later }.left(), None);
    }

    fn line(width: usize, word: &str, title: &str, note: &str) -> String {
        let text = |text: &str| text.to_owned();
        let what = if title.is_empty() { "" } else { "T-001" };
        Told {
            hour: text("12:00:00"),
            what: text(what),
            word: text(word),
            tint: Tint::Red,
            by: text("first"),
            title: text(title),
            note: text(note),
        }
        .line(Some(width), false)
    }

    #[test]
    fn lines_are_cut_to_the_terminal() {
        assert_eq!(line(80, "failed", "paint it", "no brush"), "12:00:00  T-001 failed     first     paint it: no brush");
        assert_eq!(line(50, "failed", "paint it", "no brush"), "12:00:00  T-001 failed     first     paint it: no…");
        assert_eq!(line(43, "failed", "paint it", "no brush"), "12:00:00  T-001 failed     first     paint…");
        assert_eq!(line(80, "FAILED (2 of 2)", "paint it", ""), "12:00:00  T-001 FAILED (2 of 2) first     paint it");
        assert_eq!(line(80, "lost", "", "its process 7 ended"), "12:00:00        lost       first: its process 7 ended");
    }

    #[test]
    fn whoever_waits_in_vain_is_told_how_long() {
        let task = |on, count| Lingering { task: TaskId(3), count, on, left: Duration::from_secs(154) };
        let zoe = || "zoe".parse().unwrap_or_else(|_| unreachable!());
        let editor = vec!["editor".parse().unwrap_or_else(|_| unreachable!())];
        assert_eq!(
            lingers(&task(LingersFor::Stranger(zoe()), 1)),
            "T-003 waits for zoe, who is not on the roster; anybody may have it in 2m34s"
        );
        assert_eq!(
            lingers(&task(LingersFor::Needs(editor), 3)),
            "T-003 needs editor, which nobody here can do (and 2 more like it); anybody may have it in 2m34s"
        );
    }
}
