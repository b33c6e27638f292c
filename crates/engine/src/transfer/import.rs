//! Reading an export into an empty store: everything or nothing, line by line. What it says of itself is checked against what it holds, and what
//! it holds against every invariant, before anything counts.

use std::collections::BTreeMap;
use std::io::{BufRead, Read};
use std::path::Path;

use domain::event::{Actor, EventKind, Fact, NewEvent};
use domain::id::TaskId;
use domain::lease::Nonce;
use sha2::{Digest, Sha256};

use super::line::{Header, Line, Trailer};
use super::restore::{OWN_META, Restorer};
use super::{LINE_BYTES_MAX, Summary, VERSION};
use crate::audit::{self, Report};
use crate::error::{Error, Kind, Result};
use crate::random;
use crate::store::{Store, Transaction};

/// How many broken invariants are told.
const TOLD_MAX: usize = 5;

/// An export whose first line was read: it is one, and this version can read it.
pub struct Import<'r> {
    from: &'r mut dyn BufRead,
    name: String,
    number: u64,
    hash: Sha256,
    header: Header,
}

impl<'r> Import<'r> {
    /// Begins to read. `name` says in errors where from.
    ///
    /// # Errors
    /// `bad_export`, `newer_export`, `file`.
    pub fn begin(from: &'r mut dyn BufRead, name: &str) -> Result<Self> {
        let header = Header { ganger: String::new(), version: 0, schema: 0, epoch: String::new(), at: String::new() };
        let mut import = Self { from, name: name.to_owned(), number: 0, hash: Sha256::new(), header };
        let text = import.line()?.ok_or_else(|| import.bad("it is empty"))?;
        // A newer format may have another first line: what counts is its version.
        let value: serde_json::Value = serde_json::from_str(&text).map_err(|_| import.bad("this is no export of ganger"))?;
        if value.get("ganger").and_then(serde_json::Value::as_str) != Some("export") {
            return Err(import.bad("this is no export of ganger").hint("ganger export FILE   makes one"));
        }
        let version = value.get("version").and_then(serde_json::Value::as_u64);
        if version.is_some_and(|version| version > u64::from(VERSION)) {
            let version = version.unwrap_or_default();
            return Err(Error::usage(
                "newer_export",
                format!("{name} has version {version} of the format, this ganger reads {VERSION}; nothing was changed"),
            )
            .hint("use the newer ganger that wrote it"));
        }
        import.header = serde_json::from_value(value).map_err(|error| import.bad(&why(&error)))?;
        import.hash.update(text.as_bytes());
        Ok(import)
    }

    fn bad(&self, why: &str) -> Error {
        let why = domain::text::escaped(why, 400);
        Error::usage("bad_export", format!("{}, line {}: {why}; nothing was imported", self.name, self.number.max(1)))
    }

    /// The next line with its end; `None` at the end of the file.
    fn line(&mut self) -> Result<Option<String>> {
        self.number += 1;
        let mut bytes = Vec::new();
        let mut limited = (&mut *self.from).take(LINE_BYTES_MAX as u64 + 1);
        limited.read_until(b'\n', &mut bytes).map_err(|error| Error::file("read", Path::new(&self.name), &error))?;
        if bytes.len() > LINE_BYTES_MAX {
            return Err(self.bad(&format!("it has more than {LINE_BYTES_MAX} bytes")));
        }
        if bytes.is_empty() {
            return Ok(None);
        }
        String::from_utf8(bytes).map(Some).map_err(|_| self.bad("it is not UTF-8"))
    }

    /// Reads the rest into a store, which must be empty.
    ///
    /// # Errors
    /// `bad_export` with the line, `store_not_empty`, those of the store; then nothing was imported.
    pub fn into_store(mut self, store: &dyn Store) -> Result<Summary> {
        let mut summary = None;
        store.write(&mut |tx| {
            summary = Some(self.restore(tx)?);
            Ok(())
        })?;
        summary.ok_or_else(|| Error::bug("an import gave no summary"))
    }

    fn restore(&mut self, tx: &dyn Transaction) -> Result<Summary> {
        let now = tx.now();
        let mut restorer = Restorer::begin(tx)?;
        let mut seen = Order::default();
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        let trailer = loop {
            let text = self.line()?.ok_or_else(|| self.bad("the file ends before its last line: it was cut off"))?;
            if text.starts_with("{\"ganger\":") {
                break serde_json::from_str::<Trailer>(&text).map_err(|error| self.bad(&why(&error)))?;
            }
            self.hash.update(text.as_bytes());
            let line: Line = serde_json::from_str(&text).map_err(|error| self.bad(&why(&error)))?;
            seen.check(&line).map_err(|why| self.bad(&why))?;
            *counts.entry(line.kind().0.to_owned()).or_insert(0) += 1;
            let put = match line {
                Line::Meta(meta) if OWN_META.contains(&meta.name.as_str()) => {
                    Err(self.bad("this value belongs to a store, not to a project"))
                }
                Line::Meta(meta) => tx.put_meta(&meta.name, &meta.value),
                Line::Duration(duration) => tx.put_duration(duration.key, duration.ms),
                Line::Plan(plan) => restorer.plan(plan.read().map_err(|why| self.bad(&why))?),
                Line::Worker(worker) => restorer.worker(worker.read(now).map_err(|why| self.bad(&why))?),
                Line::Task(task) => {
                    let row = task.read(now, Nonce(random::bytes()?)).map_err(|why| self.bad(&why))?;
                    seen.task(row.task.id).map_err(|why| self.bad(&why))?;
                    restorer.task(row)
                }
                Line::Event(event) => restorer.event(event.read().map_err(|why| self.bad(&why))?),
            };
            // What a rule of the store refuses is wrong in the file, not in us.
            put.map_err(|error| if error.kind == Kind::Bug { self.bad(&error.message) } else { error })?;
        };
        self.verify(&trailer, &counts)?;
        restorer.tell_put_back("its claim was put back: the project was imported", &|_| false)?;
        let put_back = restorer.put_back().len() as u64;
        restorer.close().map_err(|error| if error.kind == Kind::Bug { self.bad(&error.message) } else { error })?;
        let count = |name: &str| Fact::Number(i64::try_from(counts.get(name).copied().unwrap_or(0)).unwrap_or(i64::MAX));
        let event = NewEvent::new(EventKind::ProjectImported)
            .text("epoch", &self.header.epoch)
            .with("tasks", count("task"))
            .with("events", count("event"))
            .with("put_back", Fact::Number(i64::try_from(put_back).unwrap_or(i64::MAX)));
        tx.append(&event, Actor::Orchestrator)?;
        self.hold_to_rules(tx)?;
        Ok(Summary { counts, sha256: trailer.sha256, put_back })
    }

    /// The last line must be right, and the last.
    fn verify(&mut self, trailer: &Trailer, counts: &BTreeMap<String, u64>) -> Result<()> {
        if trailer.ganger != "end" {
            return Err(self.bad("the last line of an export begins with {\"ganger\":\"end\""));
        }
        if trailer.counts != *counts {
            return Err(self.bad("there are not as many lines of each kind as it says"));
        }
        let hash: String = std::mem::take(&mut self.hash).finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        if trailer.sha256 != hash {
            return Err(self.bad("its SHA-256 is another one: the file was changed or damaged"));
        }
        if self.line()?.is_some() {
            return Err(self.bad("something stands behind the last line"));
        }
        Ok(())
    }

    /// Holds everything against every invariant, before it counts.
    fn hold_to_rules(&self, tx: &dyn Transaction) -> Result<()> {
        let mut report = Report::default();
        audit::check(tx, &mut report)?;
        if report.is_ok() {
            return Ok(());
        }
        let first = report.findings().first().map(|finding| finding.message.clone()).unwrap_or_default();
        let mut error = Error::usage("bad_export", format!("{} contradicts itself: {first}; nothing was imported", self.name));
        for finding in report.findings().iter().skip(1).take(TOLD_MAX) {
            error = error.hint(format!("also: {}", finding.message));
        }
        Err(error.hint("in the project that it came from: ganger doctor --strict, ganger repair, ganger export"))
    }
}

/// What is wrong with a line, without the line that the parser counts: it sees only this one.
fn why(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line 1 column ") {
        Some((why, column)) => format!("{why} in column {column}"),
        None => text,
    }
}

/// What came so far: kinds come one after another, and nothing comes twice.
#[derive(Debug, Default)]
struct Order {
    kind: u8,
    task: u32,
    event: u64,
    names: std::collections::BTreeSet<String>,
}

impl Order {
    fn check(&mut self, line: &Line) -> std::result::Result<(), String> {
        let (name, kind) = line.kind();
        if kind < self.kind {
            return Err(format!("a {name} stands behind lines that belong behind it"));
        }
        if kind > self.kind {
            self.names.clear();
            self.kind = kind;
        }
        let key = match line {
            Line::Meta(meta) => meta.name.clone(),
            Line::Duration(duration) => duration.key.to_string(),
            Line::Plan(plan) => plan.key(),
            Line::Worker(worker) => worker.key(),
            Line::Task(_) => return Ok(()),
            Line::Event(event) => {
                if event.seq <= self.event {
                    return Err(format!("event {} stands behind event {}", event.seq, self.event));
                }
                self.event = event.seq;
                return Ok(());
            }
        };
        if self.names.insert(key) { Ok(()) } else { Err(format!("this {name} stands there twice")) }
    }

    fn task(&mut self, id: TaskId) -> std::result::Result<(), String> {
        if id.0 <= self.task {
            return Err(format!("{id} stands behind {}", TaskId(self.task)));
        }
        self.task = id.0;
        Ok(())
    }
}
