//! The lines of an export: words instead of numbers, and moments of the store's own clock as distances from the moment of the export, since
//! another store has another clock.

mod task;

use domain::event::{Actor, EventKind};
use domain::id::{Attempt, EventSeq, PlanId, TaskId, WorkerName};
use domain::phase::Stage;
use domain::time::{Now, StoreTime, Timestamp};
use domain::worker::{Driver, Worker};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::{parse_rfc3339, rfc3339};
use crate::store::rows;
use crate::store::{EventRow, PlanRow};

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    /// Always `export`.
    pub(super) ganger: String,
    pub(super) version: u32,
    pub(super) schema: i64,
    pub(super) epoch: String,
    pub(super) at: String,
}

/// The last line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Trailer {
    /// Always `end`.
    pub(super) ganger: String,
    pub(super) counts: std::collections::BTreeMap<String, u64>,
    pub(super) sha256: String,
}

/// Every other line, in the order in which they stand in the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    Meta(MetaLine),
    Duration(DurationLine),
    Plan(PlanLine),
    Worker(WorkerLine),
    Task(Box<TaskLine>),
    Event(EventLine),
}

impl Line {
    /// Its kind, and the place of that kind among all.
    pub(super) fn kind(&self) -> (&'static str, u8) {
        match self {
            Self::Meta(_) => ("meta", 0),
            Self::Duration(_) => ("duration", 1),
            Self::Plan(_) => ("plan", 2),
            Self::Worker(_) => ("worker", 3),
            Self::Task(_) => ("task", 4),
            Self::Event(_) => ("event", 5),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MetaLine {
    pub(super) name: String,
    pub(super) value: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DurationLine {
    pub(super) key: i64,
    pub(super) ms: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PlanLine {
    id: u32,
    title: String,
    #[serde(default, skip_serializing_if = "is_default")]
    goal: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    digest: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    source: Option<String>,
    options: Value,
    #[serde(default, skip_serializing_if = "is_default")]
    tasks: Option<(String, String)>,
    imported_at: String,
    tests_wanted: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WorkerLine {
    name: String,
    number: u32,
    driver: String,
    #[serde(default, skip_serializing_if = "is_default")]
    agent: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    target: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    can: Vec<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    thinks: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    paused: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    limited_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "is_default")]
    lost_ms: Option<i64>,
    registered_at: String,
    #[serde(default, skip_serializing_if = "is_default")]
    seen_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "is_default")]
    last_heartbeat_at: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    last_claimed_at: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    last_completed_at: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    turned_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "is_default")]
    runtime_ms: u64,
    #[serde(default, skip_serializing_if = "is_default")]
    holding: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeldLine {
    worker: String,
    step: String,
    lease_ms: i64,
    timeout_ms: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReasonLine {
    reason: String,
    #[serde(default, skip_serializing_if = "is_default")]
    note: String,
    #[serde(default, skip_serializing_if = "is_default")]
    on: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TaskLine {
    id: String,
    plan: u32,
    kind: String,
    phase: u32,
    priority: String,
    title: String,
    #[serde(default, skip_serializing_if = "is_default")]
    spec: Option<Value>,
    #[serde(default, skip_serializing_if = "is_default")]
    waits: bool,
    path_ms: u64,
    status: String,
    #[serde(default, skip_serializing_if = "is_default")]
    held: Option<HeldLine>,
    attempt: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    failures: u32,
    attempts_max: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    crashes: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    cycle: u32,
    timeout_ms: u64,
    #[serde(default, skip_serializing_if = "is_default")]
    after: Vec<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    tests: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    not_before_ms: Option<i64>,
    ready_ms: i64,
    #[serde(default, skip_serializing_if = "is_default")]
    avoid: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    failure: Option<ReasonLine>,
    #[serde(default, skip_serializing_if = "is_default")]
    blocked: Option<ReasonLine>,
    created_at: String,
    #[serde(default, skip_serializing_if = "is_default")]
    claimed_at: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    claimed_by: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    ended_at: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    ended_by: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    result: Option<Value>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventLine {
    pub(super) seq: u64,
    at: String,
    kind: String,
    #[serde(default, skip_serializing_if = "is_default")]
    task: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    attempt: Option<u32>,
    #[serde(default, skip_serializing_if = "is_default")]
    worker: Option<String>,
    actor: String,
    #[serde(default, skip_serializing_if = "Data::is_empty")]
    data: Data,
}

/// The particulars of an event. A name that stands twice is refused: which of the two would count?
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(transparent)]
struct Data(serde_json::Map<String, Value>);

impl Data {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Once;
        impl<'de> serde::de::Visitor<'de> for Once {
            type Value = Data;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Data, A::Error> {
                let mut data = serde_json::Map::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if data.insert(name.clone(), value).is_some() {
                        return Err(serde::de::Error::custom(format!("duplicate field `{name}`")));
                    }
                }
                Ok(Data(data))
            }
        }
        from.deserialize_map(Once)
    }
}

// Values that lines are made of.

fn at(moment: Timestamp) -> String {
    rfc3339(moment)
}

fn from_at(text: &str) -> Result<Timestamp, String> {
    let beyond = || text.strip_suffix(" ms")?.parse().ok().map(Timestamp);
    parse_rfc3339(text).or_else(beyond).ok_or_else(|| format!("'{}' is no moment", domain::text::escaped(text, 60)))
}

fn distance(now: Now, moment: StoreTime) -> i64 {
    moment.0.saturating_sub(now.store.0)
}

fn from_distance(now: Now, ms: i64) -> StoreTime {
    StoreTime(now.store.0.saturating_add(ms))
}

fn maybe<T, U>(value: Option<T>, read: impl FnOnce(T) -> Result<U, String>) -> Result<Option<U>, String> {
    value.map(read).transpose()
}

fn task_id(text: String) -> Result<TaskId, String> {
    text.parse().map_err(|error: domain::id::BadId| format!("failed to {error}"))
}

fn worker_name(text: String) -> Result<WorkerName, String> {
    rows::parse_worker(&text).map_err(|error| format!("failed to {error}"))
}

fn word<T>(what: &str, text: &str, read: fn(&str) -> Option<T>) -> Result<T, String> {
    read(text).ok_or_else(|| format!("'{}' is no {what}", domain::text::escaped(text, 60)))
}

fn object(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

impl PlanLine {
    pub(super) fn key(&self) -> String {
        self.id.to_string()
    }

    pub(super) fn of(plan: &PlanRow) -> Result<Self, String> {
        Ok(Self {
            id: plan.id.0,
            title: plan.title.clone(),
            goal: plan.goal.clone(),
            digest: plan.digest.clone(),
            source: plan.source.clone(),
            options: object(&plan.options)?,
            tasks: plan.tasks.map(|(first, last)| (first.to_string(), last.to_string())),
            imported_at: at(plan.imported_at),
            tests_wanted: plan.tests_wanted,
        })
    }

    pub(super) fn read(self) -> Result<PlanRow, String> {
        if !self.options.is_object() {
            return Err("the options of a plan are an object".to_owned());
        }
        Ok(PlanRow {
            id: PlanId(self.id),
            title: title(self.title)?,
            goal: self.goal,
            digest: self.digest,
            source: self.source,
            options: self.options.to_string(),
            tasks: maybe(self.tasks, |(first, last)| Ok((task_id(first)?, task_id(last)?)))?,
            imported_at: from_at(&self.imported_at)?,
            tests_wanted: self.tests_wanted,
            stage: Stage { phase: u32::MAX, tests: true },
        })
    }
}

fn title(text: String) -> Result<String, String> {
    domain::text::title(&text).map_err(|error| format!("the title is refused: {error}"))?;
    Ok(text)
}

impl WorkerLine {
    pub(super) fn key(&self) -> String {
        self.name.clone()
    }

    pub(super) fn of(worker: &Worker, now: Now) -> Self {
        let ms = |moment: Option<StoreTime>| moment.map(|moment| distance(now, moment));
        Self {
            name: worker.name.to_string(),
            number: worker.number,
            driver: worker.driver.to_string(),
            agent: worker.agent.clone(),
            target: worker.target.clone(),
            can: worker.can.iter().map(ToString::to_string).collect(),
            thinks: worker.thinks,
            paused: worker.paused,
            limited_ms: ms(worker.limited_until),
            lost_ms: ms(worker.lost_at),
            registered_at: at(worker.registered_at),
            seen_ms: ms(worker.seen_at),
            last_heartbeat_at: worker.last_heartbeat_at.map(at),
            last_claimed_at: worker.last_claimed_at.map(at),
            last_completed_at: worker.last_completed_at.map(at),
            turned_ms: ms(worker.turned_at),
            runtime_ms: worker.runtime_ms,
            holding: worker.holding,
        }
    }

    pub(super) fn read(self, now: Now) -> Result<Worker, String> {
        let moment = |ms: Option<i64>| ms.map(|ms| from_distance(now, ms));
        let wall = |text: Option<String>| maybe(text, |text| from_at(&text));
        Ok(Worker {
            name: worker_name(self.name)?,
            number: self.number,
            driver: word("driver", &self.driver, Driver::from_word)?,
            agent: self.agent,
            target: self.target,
            can: self
                .can
                .iter()
                .map(|can| can.parse().map_err(|error: domain::id::BadId| format!("failed to {error}")))
                .collect::<Result<_, _>>()?,
            thinks: self.thinks,
            paused: self.paused,
            limited_until: moment(self.limited_ms),
            lost_at: moment(self.lost_ms),
            registered_at: from_at(&self.registered_at)?,
            seen_at: moment(self.seen_ms),
            last_heartbeat_at: wall(self.last_heartbeat_at)?,
            last_claimed_at: wall(self.last_claimed_at)?,
            last_completed_at: wall(self.last_completed_at)?,
            turned_at: moment(self.turned_ms),
            runtime_ms: self.runtime_ms,
            holding: self.holding,
        })
    }
}

impl EventLine {
    pub(super) fn of(event: &EventRow) -> Result<Self, String> {
        Ok(Self {
            seq: event.seq.0,
            at: at(event.at),
            kind: event.kind.to_string(),
            task: event.task.map(|id| id.to_string()),
            attempt: event.attempt.map(|attempt| attempt.0),
            worker: event.worker.as_ref().map(ToString::to_string),
            actor: event.actor.to_string(),
            data: serde_json::from_str(&event.data).map_err(|error| error.to_string())?,
        })
    }

    /// The event; which one came before it about the same task is found anew.
    pub(super) fn read(self) -> Result<EventRow, String> {
        Ok(EventRow {
            seq: EventSeq(self.seq),
            at: from_at(&self.at)?,
            kind: word("kind of event", &self.kind, EventKind::from_word)?,
            actor: word("actor", &self.actor, Actor::from_word)?,
            task: maybe(self.task, task_id)?,
            attempt: self.attempt.map(Attempt),
            worker: maybe(self.worker, worker_name)?,
            earlier: None,
            data: Value::Object(self.data.0).to_string(),
        })
    }
}
