//! The journal: whether it has no gap, whether the events of each task hang together, and whether the rows are what the events come to.

use std::collections::BTreeSet;

use domain::event::EventKind;
use domain::event::fold::{Fold, Seen};
use domain::id::{EventSeq, TaskId};
use domain::task::Status;
use domain::text::counted;
use serde_json::Value;

use super::Report;
use super::books::{Known, mark, place};
use crate::error::{Kind, Result};
use crate::store::{EventRow, FullTask, Snapshot};

/// How many events are read at once.
const PAGE: u32 = 1_000;

/// What the fold reads of a row of the journal, with its data.
///
/// # Errors
/// When its data is no JSON object.
pub(crate) fn seen(event: &EventRow) -> Result<(Seen, serde_json::Map<String, Value>), String> {
    let data: serde_json::Map<String, Value> = serde_json::from_str(&event.data).map_err(|error| error.to_string())?;
    let is_final = data.get("final").and_then(Value::as_bool).unwrap_or(false);
    let status = data.get("status").and_then(Value::as_str).and_then(Status::from_word);
    Ok((Seen { kind: event.kind, attempt: event.attempt, is_final, status }, data))
}

/// What the journal tells of one task.
#[derive(Default)]
pub(crate) struct Told {
    fold: Fold,
    newest: u64,
    /// When it was added, and its title then, until somebody changes what it asks for.
    added: Option<(i64, Option<u64>)>,
    claimed: Option<(i64, Option<u64>)>,
    ended: Option<i64>,
}

impl Told {
    /// How the task stands; `None` before it was added.
    pub(crate) fn status(&self) -> Option<Status> {
        self.fold.status
    }

    /// How often it was claimed.
    pub(crate) fn claims(&self) -> u32 {
        self.fold.claims
    }

    /// When it was added.
    pub(crate) fn added_at(&self) -> Option<i64> {
        self.added.map(|(at, _)| at)
    }

    /// When it ended last.
    pub(crate) fn ended_at(&self) -> Option<i64> {
        self.ended
    }

    /// Whether the row of the task is what its events come to.
    pub(crate) fn agrees(&self, full: &FullTask) -> bool {
        let mut report = Report::default();
        let mut known = Known::of(full);
        known.last_event = self.newest;
        self.check(&known, &mut report);
        report.is_ok()
    }

    /// Reads one more event of the task.
    pub(crate) fn hear(&mut self, event: &EventRow, seen: Seen, data: &serde_json::Map<String, Value>) {
        self.fold.tell(seen);
        self.newest = event.seq.0;
        let text = |name: &str| data.get(name).and_then(Value::as_str).map(mark);
        match event.kind {
            EventKind::TaskAdded => self.added = Some((event.at.0, text("title"))),
            EventKind::TaskEdited => self.added = self.added.map(|(at, _)| (at, None)),
            EventKind::TaskClaimed => self.claimed = Some((event.at.0, event.worker.as_ref().map(|worker| mark(worker.as_str())))),
            EventKind::TaskCompleted | EventKind::TaskFailed | EventKind::TaskCancelled => self.ended = Some(event.at.0),
            // What is kept beside the status may be older than the journal now.
            EventKind::TaskRestored => (self.added, self.claimed, self.ended) = (None, None, None),
            _ => {}
        }
    }

    /// Holds the row of the task against what its events come to.
    pub(super) fn check(&self, known: &Known, report: &mut Report) {
        let id = known.id;
        if known.last_event != self.newest {
            report.wrong("event_chain", format!("{id} names event {} as its newest, which is {}", known.last_event, self.newest));
        }
        if let Some(index) = self.fold.misfit {
            report.wrong("journal_impossible", format!("event {} of those of {id} cannot follow the ones before it", index + 1));
        }
        if self.fold.status != Some(known.state) {
            let told = self.fold.status.map_or("nothing", Status::as_str);
            report.wrong("state_wrong", format!("{id} is {}, and its events come to {told}", known.state));
        }
        if self.fold.claims != known.attempt {
            report.wrong(
                "attempt_wrong",
                format!("{id} is at attempt {}, and was claimed {}", known.attempt, counted(self.fold.claims, "time")),
            );
        }
        if let (Some(holder), Some((_, Some(claimant)))) = (known.holder, self.claimed)
            && holder != claimant
        {
            report.wrong("state_wrong", format!("{id} is held by another worker than the one who claimed it"));
        }
        let differs = |what: &str, report: &mut Report| {
            report.wrong("row_and_journal_differ", format!("{id} and its events do not agree on {what}"));
        };
        if self.added.is_some_and(|(at, _)| at != known.created_at) {
            differs("when it was added", report);
        }
        if self.added.and_then(|(_, title)| title).is_some_and(|title| title != known.title) {
            differs("its title", report);
        }
        if self.claimed.is_some_and(|(at, _)| known.claimed_at != Some(at)) {
            differs("when it was claimed last", report);
        }
        if let (Some(at), Some(ended)) = (known.ended_at, self.ended)
            && at != ended
        {
            differs("when it ended", report);
        }
    }
}

/// Reads the whole journal, and tells each task what its events say.
pub(super) fn read(snapshot: &dyn Snapshot, tasks: &mut [Known], bad: &BTreeSet<TaskId>, report: &mut Report) -> Result<()> {
    let Some(last) = report.ask(snapshot.last_event())? else { return Ok(()) };
    let (mut next, mut count) = (1_u64, 0_usize);
    while next <= last.0 {
        let page = match snapshot.events(EventSeq(next - 1), PAGE) {
            Ok(page) => page,
            // One of them cannot be read: which one shows when each is asked for alone.
            Err(error) if error.kind == Kind::Store => singly(snapshot, next, last.0, report)?,
            Err(error) => return Err(error),
        };
        let Some(newest) = page.last().map(|event| event.seq.0) else { break };
        for event in &page {
            if event.seq.0 > next {
                let missing = event.seq.0 - next;
                report.wrong("event_missing", format!("missing before event {}: {}", event.seq.0, counted(missing, "event")));
            }
            next = event.seq.0.saturating_add(1);
            count += 1;
            hear(event, tasks, bad, report);
        }
        next = next.max(newest.saturating_add(1));
    }
    report.looked_at("events", count);
    Ok(())
}

/// Those of a page that can be read; at least the last one that was tried is passed over, so that the reading goes on.
fn singly(snapshot: &dyn Snapshot, first: u64, last: u64, report: &mut Report) -> Result<Vec<EventRow>> {
    let mut found = Vec::new();
    for seq in first..=last {
        match snapshot.event(EventSeq(seq)) {
            Ok(event) => found.extend(event),
            Err(error) if error.kind == Kind::Store => {
                report.error(&error);
                report.wrong("row_unreadable", format!("event {seq} cannot be read"));
            }
            Err(error) => return Err(error),
        }
        if seq - first >= u64::from(PAGE) && !found.is_empty() {
            break;
        }
    }
    Ok(found)
}

fn hear(event: &EventRow, tasks: &mut [Known], bad: &BTreeSet<TaskId>, report: &mut Report) {
    let seq = event.seq.0;
    let decoded = seen(event).map_err(|why| report.wrong("row_unreadable", format!("the data of event {seq} does not decode: {why}")));
    let earlier = event.earlier.map_or(0, |seq| seq.0);
    let Some(id) = event.task else {
        if earlier != 0 {
            report.wrong("event_chain", format!("event {seq} is about no task, and names an earlier one about the same"));
        }
        return;
    };
    let Some(known) = place(tasks, id).and_then(|place| tasks.get_mut(place)) else {
        if !bad.contains(&id) {
            report.wrong("dangling", format!("event {seq} is about {id}, which is not there"));
        }
        return;
    };
    if earlier != known.told.newest {
        let newest = known.told.newest;
        report.wrong("event_chain", format!("event {seq} names event {earlier} as the one before it about {id}, which is {newest}"));
    }
    match decoded {
        Ok((seen, data)) => known.told.hear(event, seen, &data),
        Err(()) => known.told.newest = seq,
    }
}
