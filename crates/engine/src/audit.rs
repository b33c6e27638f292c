//! What is wrong with a store, if anything is: [`quick`] looks at what surrounds it, [`check`] reads everything and holds it against every
//! invariant (G2). It changes nothing, knows no kind of store, and keeps a few numbers a task in memory, however long their texts are.

mod books;
pub(crate) mod journal;
pub mod quick;

pub(crate) use self::books::plain;

use std::collections::BTreeMap;

use crate::error::{Error, Kind, Result};
use crate::store::{Snapshot, Store};

/// How many findings of one code are told one by one; the rest is counted.
const LISTED_MAX: u64 = 20;
/// What mends what is wrong inside a store.
pub(crate) const REPAIR: &str = "ganger repair";

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It works, and somebody should look.
    Warning,
    /// Something does not work, or is not true.
    Error,
}

impl Severity {
    /// The word in `--json`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The stable code, as `docs/errors.md` lists it.
    pub code: &'static str,
    /// What is wrong, with the name of the thing.
    pub message: String,
    /// What to do about it: a command that can be pasted, or a sentence.
    pub hint: String,
}

/// What was looked at and what was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    findings: Vec<Finding>,
    told: BTreeMap<&'static str, u64>,
    checked: BTreeMap<&'static str, u64>,
    damaged: bool,
}

impl Report {
    /// What is wrong, in the order in which it was found.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// How much of what was looked at.
    #[must_use]
    pub fn checked(&self) -> &BTreeMap<&'static str, u64> {
        &self.checked
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.findings.is_empty()
    }

    /// Whether the store could not be opened or read, or its file is not whole.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.damaged
    }

    /// How often a code was found.
    #[must_use]
    pub fn count(&self, code: &str) -> u64 {
        self.told.get(code).copied().unwrap_or(0)
    }

    fn add(&mut self, severity: Severity, code: &'static str, message: String, hint: impl Into<String>) {
        let count = self.told.entry(code).or_insert(0);
        *count += 1;
        if *count <= LISTED_MAX {
            self.findings.push(Finding { severity, code, message, hint: hint.into() });
        }
    }

    fn wrong(&mut self, code: &'static str, message: String) {
        self.add(Severity::Error, code, message, REPAIR);
    }

    /// What an error says, as a finding. A damaged store gives the same one at every look: it is told once.
    fn error(&mut self, error: &Error) {
        self.damaged |= error.kind == Kind::Store;
        if self.findings.iter().any(|finding| (finding.code, &finding.message) == (error.code, &error.message)) {
            return;
        }
        // Whoever reads this has called `doctor` already: what mends it is the next step.
        let mends = error.hints.iter().find(|hint| hint.starts_with(REPAIR)).or_else(|| error.hints.first());
        let hint = mends.cloned().unwrap_or_default();
        self.add(Severity::Error, error.code, error.message.clone(), hint);
    }

    /// What was asked of a store that may be damaged: an error of the store becomes a finding.
    fn ask<T>(&mut self, asked: Result<T>) -> Result<Option<T>> {
        match asked {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if error.kind == Kind::Store => {
                self.error(&error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn looked_at(&mut self, what: &'static str, count: usize) {
        self.checked.insert(what, count as u64);
    }

    /// Says how many findings were not told one by one.
    fn close(&mut self) {
        for (code, count) in &self.told {
            if *count > LISTED_MAX && !self.findings.iter().any(|finding| finding.code == *code && finding.message.starts_with("and ")) {
                let more = format!("and {} more of the same", count - LISTED_MAX);
                self.findings.push(Finding { severity: Severity::Error, code, message: more, hint: REPAIR.to_owned() });
            }
        }
    }
}

/// Reads a whole store and holds it against every invariant, its keeper's own included.
///
/// # Errors
/// What is no finding about the store: a bug of ours.
pub fn strict(store: &dyn Store, report: &mut Report) -> Result<()> {
    if let Some(lines) = report.ask(store.integrity())? {
        for line in lines {
            if line.contains("names something that is not there") {
                report.wrong("dangling", line);
            } else {
                report.damaged = true;
                report.wrong("integrity", format!("the database says: {}", domain::text::escaped(&line, 300)));
            }
        }
    }
    let read = store.read(&mut |snapshot| check(snapshot, report));
    report.ask(read)?;
    report.close();
    Ok(())
}

/// Holds one state of a store against every invariant.
///
/// # Errors
/// What is no finding about the store: a bug of ours.
pub fn check(snapshot: &dyn Snapshot, report: &mut Report) -> Result<()> {
    if let Some(mut books) = books::Books::open(snapshot, report)? {
        journal::read(snapshot, &mut books.tasks, &books.bad, report)?;
        books.check(report);
    }
    for stray in report.ask(snapshot.strays(1_000))?.unwrap_or_default() {
        let message = format!("row {} of {}: {}", stray.key, stray.table, stray.why);
        if stray.table == "tasks" {
            report.wrong("stray_claim", message);
        } else {
            report.wrong("dangling", message);
        }
    }
    for id in report.ask(snapshot.unreadable())?.unwrap_or_default() {
        report.wrong("set_aside", format!("{id} was set aside because its row did not decode: nobody gets it"));
    }
    report.close();
    Ok(())
}
