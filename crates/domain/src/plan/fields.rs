//! The keys of one task, or of `[defaults]`, as they are given: each read by its own rule, none filled in yet.

use std::collections::HashMap;
use std::time::Duration;

use super::keys::TaskKey;
use super::mistake::{Mistakes, Span};
use super::tree::{Entry, Value};
use super::values::{agent, choice, duration, filled, id, line, list, long, name, number, path, texts, worker};
use super::{PHASE_MAX, TestsWanted};
use crate::id::{Capability, WorkerName};
use crate::task::{ATTEMPTS_MAX, Kind, Priority};
use crate::text::escaped;

/// What a task waits for, as it is written.
#[derive(Debug, Clone)]
pub(super) enum Link {
    /// A task by its id.
    Named(String, Span),
    /// A task by its place among the tasks.
    Place(usize, Span),
}

/// What is given; `None` is not given, or wrong and reported.
#[derive(Debug, Default)]
pub(super) struct Fields {
    pub(super) id: Option<(String, Span)>,
    pub(super) title: Option<(String, Span)>,
    /// Whether there is a title, also a wrong one.
    pub(super) has_title: bool,
    pub(super) description: Option<String>,
    pub(super) kind: Option<Kind>,
    pub(super) phase: Option<(u32, Span)>,
    pub(super) priority: Option<Priority>,
    pub(super) after: Option<Vec<Link>>,
    pub(super) needs: Option<Vec<Capability>>,
    pub(super) assign: Option<WorkerName>,
    pub(super) agent: Option<Option<String>>,
    pub(super) instructions: Option<(String, Span)>,
    pub(super) context: Option<Vec<(String, Span)>>,
    pub(super) inputs: Option<Vec<String>>,
    pub(super) outputs: Option<Vec<String>>,
    pub(super) accept: Option<Vec<String>>,
    pub(super) run: Option<String>,
    pub(super) check: Option<String>,
    pub(super) test: Option<String>,
    pub(super) fix: Option<String>,
    pub(super) timeout: Option<Duration>,
    pub(super) attempts: Option<u32>,
    pub(super) estimate: Option<(Duration, Span)>,
    pub(super) tests: Option<TestsWanted>,
}

/// Whose keys are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// A task's.
    Task,
    /// Those of `[defaults]`.
    Defaults,
}

/// Reports keys that are given twice, and gives the others on to be read.
pub(super) fn once<'e>(entries: &'e [Entry], found: &mut Mistakes<'_>) -> Vec<&'e Entry> {
    let mut seen: HashMap<&str, &Span> = HashMap::with_capacity(entries.len());
    let mut first = Vec::with_capacity(entries.len());
    for entry in entries {
        if let Some(before) = seen.get(&*entry.key) {
            let place = found.place(before.start);
            found.error(&entry.key_span, format!("the key '{}' is given twice, first{place}", escaped(&entry.key, 40)));
        } else {
            seen.insert(&entry.key, &entry.key_span);
            first.push(entry);
        }
    }
    first
}

/// Reads the keys of a task or of `[defaults]`.
pub(super) fn read(entries: &[Entry], owner: Owner, found: &mut Mistakes<'_>) -> Fields {
    let mut fields = Fields::default();
    for entry in once(entries, found) {
        match TaskKey::from_word(&entry.key) {
            Some(key) if owner == Owner::Task || key.is_default() => set(&mut fields, key, entry, found),
            Some(key) => found.error(&entry.key_span, format!("'{key}' has no default: each task has its own")),
            None => {
                let message = format!("unknown key '{}'", escaped(&entry.key, 40));
                let known = TaskKey::ALL.iter().filter(|key| owner == Owner::Task || key.is_default()).map(|key| key.as_str());
                found.unknown(&entry.key_span, message, &entry.key, known, None);
            }
        }
    }
    fields
}

fn set(fields: &mut Fields, key: TaskKey, entry: &Entry, found: &mut Mistakes<'_>) {
    let (node, word) = (&entry.node, key.as_str());
    match key {
        TaskKey::Id => fields.id = id(node, found),
        TaskKey::Title => {
            fields.has_title = true;
            fields.title = line(word, node, found).map(|title| (title, node.span.clone()));
        }
        TaskKey::Description => fields.description = long(word, node, found),
        TaskKey::Kind => fields.kind = choice(word, &words(Kind::ALL, Kind::as_str), Kind::from_word, node, found),
        TaskKey::Phase => fields.phase = number(word, PHASE_MAX, node, found).map(|phase| (phase, node.span.clone())),
        TaskKey::Priority => fields.priority = choice(word, &["low", "med", "high"], Priority::parse, node, found),
        TaskKey::After => {
            let links = list(node).iter().filter_map(|node| match node.value {
                Value::Task(place) => Some(Link::Place(place, node.span.clone())),
                Value::Text(_) | Value::Number(_) | Value::List(_) | Value::Table(_) | Value::Other(_) => {
                    filled(word, node, found).map(|id| Link::Named(id, node.span.clone()))
                }
            });
            fields.after = Some(links.collect());
        }
        TaskKey::Needs => {
            let mut needs: Vec<Capability> = list(node).iter().filter_map(|node| name(word, node, found)).collect();
            needs.sort();
            needs.dedup();
            fields.needs = Some(needs);
        }
        TaskKey::Assign => fields.assign = worker(node, found),
        TaskKey::Agent => fields.agent = agent(node, found),
        TaskKey::Instructions => fields.instructions = path(word, node, found),
        TaskKey::Context => fields.context = Some(list(node).iter().filter_map(|node| path(word, node, found)).collect()),
        TaskKey::Inputs => fields.inputs = Some(texts(word, node, found)),
        TaskKey::Outputs => fields.outputs = Some(texts(word, node, found)),
        TaskKey::Accept => fields.accept = Some(texts(word, node, found)),
        TaskKey::Run => fields.run = filled(word, node, found),
        TaskKey::Check => fields.check = filled(word, node, found),
        TaskKey::Test => fields.test = filled(word, node, found),
        TaskKey::Fix => fields.fix = filled(word, node, found),
        TaskKey::Timeout => fields.timeout = duration(word, node, found),
        TaskKey::Attempts => fields.attempts = number(word, ATTEMPTS_MAX, node, found),
        TaskKey::Estimate => fields.estimate = duration(word, node, found).map(|estimate| (estimate, node.span.clone())),
        TaskKey::Tests => fields.tests = choice(word, &words(TestsWanted::ALL, TestsWanted::as_str), TestsWanted::from_word, node, found),
    }
}

/// The words of a list of values.
pub(super) fn words<T: Copy>(all: &[T], word: impl Fn(T) -> &'static str) -> Vec<&'static str> {
    all.iter().map(|&value| word(value)).collect()
}
