//! The journal of a damaged store: what of it is valid, and what it tells of each task. It is read twice, so that it need not be kept.

use std::collections::{BTreeMap, BTreeSet};

use domain::event::{Actor, EventKind, Fact, NewEvent};
use domain::id::{EventSeq, TaskId};
use domain::time::Timestamp;
use serde_json::{Map, Value};

use super::Losses;
use crate::audit::journal::{Told, seen};
use crate::error::Result;
use crate::store::EventRow;
use crate::store::rows::facts_to_json;
use crate::store::sqlite::salvage::{Keys, Numbered, Wreck};
use crate::transfer::restore::Restorer;

/// What the journal tells of one task.
#[derive(Default)]
pub(super) struct Life {
    pub(super) told: Told,
    /// The event that says that it was added.
    added: Option<u64>,
}

/// A journal that was read once.
pub(super) struct Journal {
    keys: Keys,
    top: u64,
    lost: BTreeSet<u64>,
    pub(super) lives: BTreeMap<TaskId, Life>,
    /// The last task that it says was added.
    pub(super) last_added: i64,
}

/// Lost events one after another, for the same reason: told as one.
#[derive(Default)]
struct Gaps(Option<(u64, u64, String)>);

impl Gaps {
    fn add(&mut self, seq: u64, why: String, losses: &mut Losses) {
        match &mut self.0 {
            Some((_, last, reason)) if *last + 1 == seq && *reason == why => {
                *last = seq;
                losses.count += 1;
            }
            Some(_) | None => {
                self.close(losses);
                self.0 = Some((seq, seq, why));
            }
        }
    }

    fn close(&mut self, losses: &mut Losses) {
        if let Some((first, last, why)) = self.0.take() {
            let key = if first == last { first.to_string() } else { format!("{first} to {last}") };
            losses.add("events", key, format!("{why}; an event that says so stands in the place of each"));
        }
    }
}

/// An event, as far as it can be read.
fn event(wreck: &Wreck, keys: &Keys, seq: u64) -> Result<(EventRow, Map<String, Value>), String> {
    let event = wreck.event(keys, seq).unwrap_or_else(|| Err("it is not there".to_owned()))?;
    let (_, data) = seen(&event).map_err(|why| format!("its data does not decode: {why}"))?;
    Ok((event, data))
}

impl Journal {
    /// Reads everything once. Events about tasks behind `last` are about nothing, unless the journal itself says that those were added.
    pub(super) fn read(wreck: &Wreck, last: i64, losses: &mut Losses) -> Self {
        let keys = wreck.keys(Numbered::Events);
        if let Some(why) = &keys.stopped {
            losses.add("events", "…", format!("not all of them can be read one after another ({why}): each was looked for by its number"));
        }
        let top = u64::try_from(keys.top()).unwrap_or(0);
        let mut added = Keys::default();
        let mut journal = Self { keys, top, lost: BTreeSet::new(), lives: BTreeMap::new(), last_added: 0 };
        for seq in 1..=top {
            if let Ok((event, _)) = event(wreck, &journal.keys, seq)
                && event.kind == EventKind::TaskAdded
                && let Some(id) = event.task
            {
                added.push(i64::from(id.0));
            }
        }
        journal.last_added = added.top();
        let last = last.max(journal.last_added);
        let mut gaps = Gaps::default();
        for seq in 1..=top {
            let heard = event(wreck, &journal.keys, seq).and_then(|(event, data)| {
                let Some(id) = event.task else { return Ok(()) };
                if id.0 == 0 || i64::from(id.0) > last {
                    return Err(format!("it is about {id}, which is not there"));
                }
                let (seen, _) = seen(&event)?;
                let life = journal.lives.entry(id).or_default();
                life.told.hear(&event, seen, &data);
                if event.kind == EventKind::TaskAdded {
                    life.added.get_or_insert(seq);
                }
                Ok(())
            });
            if let Err(why) = heard {
                journal.lost.insert(seq);
                gaps.add(seq, why, losses);
            }
        }
        gaps.close(losses);
        journal
    }

    /// Whether every event is there.
    pub(super) fn is_whole(&self) -> bool {
        self.lost.is_empty() && self.keys.stopped.is_none()
    }

    /// What the journal says of how a task was added: its title and its kind.
    pub(super) fn added(&self, wreck: &Wreck, id: TaskId) -> Option<Map<String, Value>> {
        let seq = self.lives.get(&id)?.added?;
        event(wreck, &self.keys, seq).ok().map(|(_, data)| data)
    }

    /// Reads it again, into the new store. Gives the number of events that were kept.
    pub(super) fn restore(&self, wreck: &Wreck, restorer: &mut Restorer<'_>) -> Result<u64, crate::error::Error> {
        let (mut at, mut kept) = (Timestamp(0), 0);
        for seq in 1..=self.top {
            let read = if self.lost.contains(&seq) { None } else { event(wreck, &self.keys, seq).ok() };
            let row = match read {
                Some((event, _)) => {
                    kept += 1;
                    at = event.at;
                    event
                }
                None => gap(seq, at),
            };
            restorer.event(row)?;
        }
        Ok(kept)
    }
}

/// What stands in the place of an event that was lost, so that the others keep their numbers.
fn gap(seq: u64, at: Timestamp) -> EventRow {
    let number = Fact::Number(i64::try_from(seq).unwrap_or(i64::MAX));
    let event =
        NewEvent::new(EventKind::RowUnreadable).text("table", "events").with("row", number).text("why", "lost in damage of the store");
    EventRow {
        seq: EventSeq(seq),
        at,
        kind: event.kind,
        actor: Actor::Orchestrator,
        task: None,
        attempt: None,
        worker: None,
        earlier: None,
        data: facts_to_json(&event.data).unwrap_or_else(|| "{}".to_owned()),
    }
}
