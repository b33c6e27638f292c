//! Writing everything out, as it is at one moment, line by line: however much there is, little of it is in memory.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use domain::id::EventSeq;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::line::{DurationLine, EventLine, Header, Line, MetaLine, PlanLine, TaskLine, Trailer, WorkerLine};
use super::restore::OWN_META;
use super::{LINE_BYTES_MAX, Summary, VERSION};
use crate::clock::rfc3339;
use crate::error::{Error, Result};
use crate::store::rows::to_json;
use crate::store::sqlite::SCHEMA_VERSION;
use crate::store::{Filter, Snapshot, Store};

/// How many events are read at once.
const PAGE: u32 = 1_000;

struct Out<'o> {
    to: &'o mut dyn Write,
    name: &'o str,
    hash: Sha256,
    counts: BTreeMap<String, u64>,
}

impl Out<'_> {
    fn text<T: Serialize>(&mut self, line: &T) -> Result<String> {
        let mut text = to_json(line);
        text.push('\n');
        if text.len() > LINE_BYTES_MAX {
            return Err(Error::refused("too_large", format!("a row has {} bytes, {LINE_BYTES_MAX} can be carried", text.len())));
        }
        self.to.write_all(text.as_bytes()).map_err(|error| Error::file("write", Path::new(self.name), &error))?;
        Ok(text)
    }

    fn put(&mut self, line: &Line) -> Result<()> {
        let text = self.text(line)?;
        self.hash.update(text.as_bytes());
        *self.counts.entry(line.kind().0.to_owned()).or_insert(0) += 1;
        Ok(())
    }
}

/// What cannot be read cannot be carried, and an export that leaves something out is none.
fn unreadable(what: impl std::fmt::Display, why: &str) -> Error {
    Error::refused("row_unreadable", format!("{what} does not decode: {why}; nothing can be left out of an export"))
        .hint("ganger doctor --strict")
        .hint("ganger repair")
}

/// Writes everything that a store holds. `name` says in errors where to.
///
/// # Errors
/// `row_unreadable`, `file`, `too_large`, those of the store.
pub fn export(store: &dyn Store, to: &mut dyn Write, name: &str) -> Result<Summary> {
    let mut out = Out { to, name, hash: Sha256::new(), counts: BTreeMap::new() };
    store.read(&mut |snapshot| everything(snapshot, &mut out))?;
    let sha256: String = std::mem::take(&mut out.hash).finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let counts = std::mem::take(&mut out.counts);
    out.text(&Trailer { ganger: "end".to_owned(), counts: counts.clone(), sha256: sha256.clone() })?;
    out.to.flush().map_err(|error| Error::file("write", Path::new(name), &error))?;
    Ok(Summary { counts, sha256, put_back: 0 })
}

fn everything(snapshot: &dyn Snapshot, out: &mut Out<'_>) -> Result<()> {
    let now = snapshot.now();
    let epoch = snapshot.meta("epoch")?.unwrap_or_default();
    let header = Header { ganger: "export".to_owned(), version: VERSION, schema: SCHEMA_VERSION, epoch, at: rfc3339(now.wall) };
    let text = out.text(&header)?;
    out.hash.update(text.as_bytes());
    for (name, value) in snapshot.all_meta()?.into_iter().filter(|(name, _)| !OWN_META.contains(&name.as_str())) {
        out.put(&Line::Meta(MetaLine { name, value }))?;
    }
    snapshot.durations(&mut |key, ms| out.put(&Line::Duration(DurationLine { key, ms })))?;
    for plan in snapshot.plans()? {
        let line = PlanLine::of(&plan).map_err(|why| unreadable(format!("plan {}", plan.id.0), &why))?;
        out.put(&Line::Plan(line))?;
    }
    for worker in snapshot.workers()? {
        out.put(&Line::Worker(WorkerLine::of(&worker, now)))?;
    }
    let waits: std::collections::HashMap<_, _> = snapshot.lanes()?.into_iter().map(|lane| (lane.id, lane.key.waits)).collect();
    let mut tasks = 0_u32;
    snapshot.list(&Filter::default(), &mut |row| {
        let full = row.map_err(|bad| unreadable(format!("row {} of {}", bad.key, bad.table), &bad.why))?;
        tasks += 1;
        let waits = waits.get(&full.task.lane).copied().unwrap_or(false);
        let line = TaskLine::of(&full, waits, now).map_err(|why| unreadable(full.task.id, &why))?;
        out.put(&Line::Task(Box::new(line)))?;
        Ok(true)
    })?;
    // A task of which only half is there is in no list.
    if tasks != snapshot.last_task()? {
        return Err(unreadable("a task", "part of it is missing"));
    }
    let mut seq = EventSeq(0);
    loop {
        let page = snapshot.events(seq, PAGE)?;
        let Some(last) = page.last() else { break };
        seq = last.seq;
        for event in &page {
            let line = EventLine::of(event).map_err(|why| unreadable(format!("event {}", event.seq.0), &why))?;
            out.put(&Line::Event(line))?;
        }
    }
    Ok(())
}
