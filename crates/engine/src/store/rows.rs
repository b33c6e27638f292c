//! How the domain's values are written into columns, for every store alike: numbers for words, JSON for lists.

use std::time::Duration;

use domain::event::Fact;
use domain::id::{Capability, WorkerName};
use domain::schedule::LaneKey;
use domain::task::{Spec, TaskResult};
use serde::{Deserialize, Serialize};

/// The number of a word: its place in `ALL`. New words are added at the end, so numbers keep their meaning.
macro_rules! numbered {
    ($($name:ty),*) => { $(
        impl Number for $name {
            fn number(self) -> i64 { self as i64 }
            fn from_number(number: i64) -> Option<Self> { usize::try_from(number).ok().and_then(|n| Self::ALL.get(n).copied()) }
        }
    )* };
}

/// A word that is stored as a number.
pub trait Number: Sized {
    /// The number.
    fn number(self) -> i64;
    /// The word.
    fn from_number(number: i64) -> Option<Self>;
}

numbered!(
    domain::event::EventKind,
    domain::event::Actor,
    domain::task::Kind,
    domain::task::Priority,
    domain::task::Status,
    domain::task::Step,
    domain::task::BlockReason,
    domain::task::FailReason,
    domain::worker::Driver
);

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A [`Spec`] without its title.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct SpecRow {
    #[serde(skip_serializing_if = "is_default")]
    description: String,
    #[serde(skip_serializing_if = "is_default")]
    agent: Option<String>,
    #[serde(skip_serializing_if = "is_default")]
    assignee: Option<String>,
    #[serde(skip_serializing_if = "is_default")]
    needs: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    instructions: Option<String>,
    #[serde(skip_serializing_if = "is_default")]
    context: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    inputs: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    outputs: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    accept: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    run: Option<String>,
    #[serde(skip_serializing_if = "is_default")]
    check: Option<String>,
    #[serde(skip_serializing_if = "is_default")]
    test: Option<String>,
    #[serde(skip_serializing_if = "is_default")]
    fix: Option<String>,
    #[serde(skip_serializing_if = "is_default")]
    estimate_ms: Option<u64>,
}

/// Everything of a spec but its title; `None` when there is nothing.
#[must_use]
pub fn spec_to_json(spec: &Spec) -> Option<String> {
    let row = SpecRow {
        description: spec.description.clone(),
        agent: spec.agent.clone(),
        assignee: spec.assignee.as_ref().map(ToString::to_string),
        needs: spec.needs.iter().map(ToString::to_string).collect(),
        instructions: spec.instructions.clone(),
        context: spec.context.clone(),
        inputs: spec.inputs.clone(),
        outputs: spec.outputs.clone(),
        accept: spec.accept.clone(),
        run: spec.run.clone(),
        check: spec.check.clone(),
        test: spec.test.clone(),
        fix: spec.fix.clone(),
        estimate_ms: spec.estimate.map(|span| u64::try_from(span.as_millis()).unwrap_or(u64::MAX)),
    };
    (row != SpecRow::default()).then(|| to_json(&row))
}

/// The spec with this title and the rest as [`spec_to_json`] wrote it.
///
/// # Errors
/// What is wrong with the text.
pub fn spec_from_json(title: String, more: Option<&str>) -> Result<Spec, String> {
    let row: SpecRow = more.map_or_else(|| Ok(SpecRow::default()), serde_json::from_str).map_err(|error| error.to_string())?;
    Ok(Spec {
        title,
        description: row.description,
        agent: row.agent,
        assignee: row.assignee.map(|name| parse_worker(&name)).transpose()?,
        needs: row
            .needs
            .iter()
            .map(|need| need.parse().map_err(|e: domain::id::BadId| e.to_string()))
            .collect::<Result<Vec<Capability>, _>>()?,
        instructions: row.instructions,
        context: row.context,
        inputs: row.inputs,
        outputs: row.outputs,
        accept: row.accept,
        run: row.run,
        check: row.check,
        test: row.test,
        fix: row.fix,
        estimate: row.estimate_ms.map(Duration::from_millis),
    })
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ResultRow {
    #[serde(default, skip_serializing_if = "is_default")]
    note: String,
    #[serde(default, skip_serializing_if = "is_default")]
    files: Vec<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    output: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    cost_usd: Option<f64>,
    #[serde(default, skip_serializing_if = "is_default")]
    tokens: Option<(u64, u64)>,
}

/// A result as JSON.
#[must_use]
pub fn result_to_json(result: &TaskResult) -> String {
    to_json(&ResultRow {
        note: result.note.clone(),
        files: result.files.clone(),
        output: result.output.clone(),
        cost_usd: result.cost_usd,
        tokens: result.tokens,
    })
}

/// The result that [`result_to_json`] wrote.
///
/// # Errors
/// What is wrong with the text.
pub fn result_from_json(text: &str) -> Result<TaskResult, String> {
    let row: ResultRow = serde_json::from_str(text).map_err(|error| error.to_string())?;
    Ok(TaskResult { note: row.note, files: row.files, output: row.output, cost_usd: row.cost_usd, tokens: row.tokens })
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LaneRow {
    #[serde(default, skip_serializing_if = "is_default")]
    to: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    needs: Vec<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    runs: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    waits: bool,
}

/// What makes a lane, as JSON: the same for the same lane.
#[must_use]
pub fn lane_to_json(key: &LaneKey) -> String {
    to_json(&LaneRow {
        to: key.assignee.as_ref().map(ToString::to_string),
        needs: key.needs.iter().map(ToString::to_string).collect(),
        runs: key.runs,
        waits: key.waits,
    })
}

/// The lane that [`lane_to_json`] wrote.
///
/// # Errors
/// What is wrong with the text.
pub fn lane_from_json(text: &str) -> Result<LaneKey, String> {
    let row: LaneRow = serde_json::from_str(text).map_err(|error| error.to_string())?;
    Ok(LaneKey {
        assignee: row.to.map(|name| parse_worker(&name)).transpose()?,
        needs: row
            .needs
            .iter()
            .map(|need| need.parse().map_err(|e: domain::id::BadId| e.to_string()))
            .collect::<Result<Vec<Capability>, _>>()?,
        runs: row.runs,
        waits: row.waits,
    })
}

/// The particulars of an event as a JSON object; `None` when there are none.
#[must_use]
pub fn facts_to_json(facts: &[(&'static str, Fact)]) -> Option<String> {
    if facts.is_empty() {
        return None;
    }
    let object: serde_json::Map<String, serde_json::Value> = facts
        .iter()
        .map(|(name, fact)| {
            let value = match fact {
                Fact::Text(text) => serde_json::Value::from(text.as_str()),
                Fact::Number(number) => serde_json::Value::from(*number),
                Fact::Flag(flag) => serde_json::Value::from(*flag),
                Fact::List(list) => serde_json::Value::from(list.as_slice()),
            };
            ((*name).to_owned(), value)
        })
        .collect();
    Some(to_json(&object))
}

/// Reads a worker's name from a column.
///
/// # Errors
/// What is wrong with it.
pub fn parse_worker(text: &str) -> Result<WorkerName, String> {
    text.parse().map_err(|error: domain::id::BadId| error.to_string())
}

/// JSON of a value that always has one: our own rows, with text keys and finite numbers.
#[must_use]
pub fn to_json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}

/// A stable key for a command's text: what `durations` is indexed by. FNV-1a, folded into 63 bits.
#[must_use]
pub fn duration_key(command: &str) -> i64 {
    let hash = command.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    i64::try_from(hash >> 1).unwrap_or(0)
}
