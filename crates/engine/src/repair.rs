//! A new store of everything that is valid in a damaged one. The old file is kept under another name, whatever happens; what could not be kept
//! is listed; the new one has an epoch of its own, so that no claim of before counts in it, and passes every check before it takes the place.

mod journal;
mod rebuild;
mod source;
mod swap;
mod tasks;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::audit::{self, Report};
use crate::clock::Clock;
use crate::error::{Error, Kind, Result};
use crate::files;
use crate::random;
use crate::store::Store;
use crate::store::sqlite::{self, Missing, SqliteStore, Turnstile, Use};

/// How many losses are told one by one; the rest is counted.
pub const LISTED_MAX: usize = 1_000;

/// What is wanted of a repair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Repair what needs it.
    Repair,
    /// Make a new store also of one in which nothing is wrong.
    Force,
    /// Only say what would be lost.
    DryRun,
}

/// A row that could not be kept as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// Its table.
    pub table: &'static str,
    /// Its key.
    pub key: String,
    /// What was wrong with it, and what stands in its place.
    pub why: String,
}

/// What could not be kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Losses {
    /// The first of them.
    pub listed: Vec<Lost>,
    /// How many there are.
    pub count: u64,
}

impl Losses {
    fn add(&mut self, table: &'static str, key: impl std::fmt::Display, why: impl Into<String>) {
        self.count += 1;
        if self.listed.len() < LISTED_MAX {
            self.listed.push(Lost { table, key: key.to_string(), why: why.into() });
        }
    }
}

/// What a new store holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// How many rows of each table were kept.
    pub kept: BTreeMap<&'static str, u64>,
    /// What could not be kept.
    pub lost: Losses,
    /// How many claims were put back.
    pub put_back: u64,
    /// How many tasks had a journal that did not agree with them any more.
    pub restored: u64,
}

/// What a repair came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing is wrong; nothing was changed.
    Healthy,
    /// So much would be kept and lost; nothing was changed.
    Would(Rebuilt),
    /// A new store took the place; the old one has this name now.
    Done(Rebuilt, PathBuf),
}

/// Repairs the store in this file.
///
/// # Errors
/// `store_in_use` while a process stays in it, `beyond_repair` when it holds nothing of a store, and why it cannot be repaired where something
/// else than damage is in the way: permissions, another program's file, a newer schema.
pub fn repair(path: &Path, wish: Wish, clock: &Arc<dyn Clock>) -> Result<Outcome> {
    let path = sqlite::canonical(path, Missing::Refuse)?;
    let side = sqlite::side_folder(&path);
    let locked = |error: std::io::Error| Error::file("use the locks in", &side, &error);
    // Before anything is looked at: another repair may be under way.
    let alone = if files::is_folder(&side) { SqliteStore::alone(&side).map_err(locked)? } else { None };
    if alone.is_some() {
        swap::undo_interrupted(&path)?;
    }
    let mut told = match examine(&path, clock)? {
        None if wish != Wish::Force => return Ok(Outcome::Healthy),
        told => told,
    };
    sqlite::make_side_folder(&path)?;
    let _alone = match alone {
        Some(alone) => alone,
        None => {
            let Some(alone) = SqliteStore::alone(&side).map_err(locked)? else { return Err(in_use(&path, &side)) };
            // What was wrong a moment ago, another repair may have put right meanwhile.
            told = match examine(&path, clock)? {
                None if wish != Wish::Force => return Ok(Outcome::Healthy),
                told => told,
            };
            alone
        }
    };
    // From here on nobody writes: what is read is all there is.
    let turnstile = Turnstile::open(&side).map_err(locked)?;
    let _turn = turnstile.pass().map_err(locked)?;
    let new = beside(&path, &format!(".new-{}", random::hex()?.get(..8).unwrap_or_default()));
    let gone = told.as_ref().filter(|error| error.code == "store_went_back").map(|error| error.message.clone());
    let made = source::open(&path, &new, told, clock).and_then(|wreck| make(&wreck, &new, clock)).map(|mut rebuilt| {
        if let Some(message) = gone {
            rebuilt.lost.add("events", "…", message);
        }
        rebuilt
    });
    let done = made.and_then(|rebuilt| match wish {
        Wish::DryRun => Ok(Outcome::Would(rebuilt)),
        Wish::Repair | Wish::Force => {
            let broken = swap::swap(&path, &new, &beside(&path, &format!(".broken-{}", stamp(clock.as_ref()))))?;
            Ok(Outcome::Done(rebuilt, broken))
        }
    });
    swap::remove(&new);
    done
}

/// What is wrong with the store; `None` when nothing is.
fn examine(path: &Path, clock: &Arc<dyn Clock>) -> Result<Option<Error>> {
    let store = match SqliteStore::open(path, Use::OneShot, Missing::Refuse, Arc::clone(clock)) {
        Ok(store) => store,
        Err(error) => {
            let is_damage = matches!(error.code, "damaged" | "store_went_back" | "foreign_file" | "newer_schema" | "store_error")
                || error.kind == Kind::Bug;
            return if is_damage { Ok(Some(error)) } else { Err(error) };
        }
    };
    let mut report = Report::default();
    match audit::strict(&store, &mut report) {
        Ok(()) => {
            let first = report.findings().first().map(|finding| finding.message.clone());
            Ok(first.map(|message| Error::new(Kind::Store, "damaged", message)))
        }
        Err(error) => Ok(Some(error)),
    }
}

fn in_use(path: &Path, side: &Path) -> Error {
    let workers: Vec<String> = files::names(side)
        .into_iter()
        .filter_map(|name| name.strip_prefix("process-").map(str::to_owned))
        .filter(|name| crate::worker::lock::is_locked(&side.join(format!("process-{name}"))).unwrap_or(false))
        .collect();
    let error = Error::refused("store_in_use", format!("a process works with the store {}; nothing was changed", path.display()));
    if workers.is_empty() {
        return error.hint("end every `ganger run` and `ganger work` of this project, then repeat");
    }
    error.hint(format!("end these workers, and every `ganger run`, then repeat: {}", workers.join(", ")))
}

/// A name beside the store's.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(ending);
    path.with_file_name(name)
}

/// The moment as it can stand in a name: `20260202T100000Z`.
fn stamp(clock: &dyn Clock) -> String {
    let text = crate::clock::rfc3339(clock.read().wall);
    let second = text.split('.').next().unwrap_or_default();
    format!("{}Z", second.replace(['-', ':'], ""))
}

/// Makes the new store and holds it against every invariant.
fn make(wreck: &sqlite::salvage::Wreck, new: &Path, clock: &Arc<dyn Clock>) -> Result<Rebuilt> {
    let store = SqliteStore::open(new, Use::OneShot, Missing::Make, Arc::clone(clock))?;
    let mut rebuilt = None;
    store.write(&mut |tx| {
        rebuilt = Some(rebuild::rebuild(wreck, tx)?);
        Ok(())
    })?;
    let rebuilt = rebuilt.ok_or_else(|| Error::bug("a repair gave no store"))?;
    let mut report = Report::default();
    audit::strict(&store, &mut report)?;
    if let Some(finding) = report.findings().first() {
        return Err(Error::bug(format!("the repaired store would not be right, so nothing was changed: {}", finding.message)));
    }
    store.settle()?;
    Ok(rebuilt)
}
