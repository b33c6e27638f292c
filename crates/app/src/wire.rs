//! Every public JSON shape, in one place: a change here is a change of what scripts rely on.

use domain::id::TaskId;
use domain::task::{Kind, Status, Step, TaskState};
use domain::time::Timestamp;
use engine::bench::Figures;
use engine::clock::rfc3339;
use engine::config::Setting as SettingRow;
use engine::orchestrator::query::{Node, Standing, TaskView, WorkerView};
use engine::store::EventRow;
use serde::Serialize;
use serde_json::Value;

fn time(at: Timestamp) -> String {
    rfc3339(at)
}

/// A task.
#[derive(Debug, Serialize)]
pub(crate) struct Task {
    id: String,
    title: String,
    description: String,
    kind: &'static str,
    phase: u32,
    status: &'static str,
    step: Option<&'static str>,
    ready: bool,
    priority: &'static str,
    agent: String,
    assignee: Option<String>,
    needs: Vec<String>,
    after: Vec<String>,
    instructions: Option<String>,
    context: Vec<String>,
    inputs: Vec<String>,
    outputs: Vec<String>,
    accept: Vec<String>,
    run: Option<String>,
    check: Option<String>,
    test: Option<String>,
    fix: Option<String>,
    attempt: u32,
    failures: u32,
    attempts_max: u32,
    crashes: u32,
    timeout_seconds: u64,
    estimate_seconds: Option<u64>,
    not_before: Option<String>,
    lease: Option<Lease>,
    created_at: String,
    claimed_at: Option<String>,
    completed_at: Option<String>,
    claimed_by: Option<String>,
    completed_by: Option<String>,
    blocked: Option<Blocked>,
    failure: Option<Failure>,
    result: Option<TaskResult>,
    tests: Option<String>,
    tested_by: Option<String>,
    cycle: u32,
}

#[derive(Debug, Serialize)]
struct Lease {
    worker: String,
    attempt: u32,
    expires_at: String,
}

#[derive(Debug, Serialize)]
struct Blocked {
    reason: &'static str,
    note: String,
    on: Option<String>,
}

#[derive(Debug, Serialize)]
struct Failure {
    reason: &'static str,
    note: String,
}

#[derive(Debug, Serialize)]
struct TaskResult {
    note: String,
    files: Vec<String>,
    output: Option<String>,
    cost_usd: Option<f64>,
    tokens: Option<Tokens>,
}

#[derive(Debug, Serialize)]
struct Tokens {
    input: u64,
    output: u64,
}

impl From<&TaskView> for Task {
    fn from(view: &TaskView) -> Self {
        let (task, spec) = (&view.full.task, &view.full.spec);
        let held = match &task.state {
            TaskState::InProgress(held) => Some(held),
            TaskState::Pending
            | TaskState::Completed { .. }
            | TaskState::Blocked(_)
            | TaskState::Failed { .. }
            | TaskState::Cancelled { .. } => None,
        };
        let completed = match &task.state {
            TaskState::Completed { at, by, .. } => Some((*at, by.clone())),
            TaskState::Pending
            | TaskState::InProgress(_)
            | TaskState::Blocked(_)
            | TaskState::Failed { .. }
            | TaskState::Cancelled { .. } => None,
        };
        Self {
            id: task.id.to_string(),
            title: spec.title.clone(),
            description: spec.description.clone(),
            kind: task.kind.as_str(),
            phase: task.phase,
            status: task.status().as_str(),
            step: held.map(|held| Step::as_str(held.step)),
            ready: view.ready,
            priority: task.priority.as_str(),
            agent: spec.agent.clone().unwrap_or_else(|| "none".to_owned()),
            assignee: spec.assignee.as_ref().map(ToString::to_string),
            needs: spec.needs.iter().map(ToString::to_string).collect(),
            after: view.full.after.iter().map(ToString::to_string).collect(),
            instructions: spec.instructions.clone(),
            context: spec.context.clone(),
            inputs: spec.inputs.clone(),
            outputs: spec.outputs.clone(),
            accept: spec.accept.clone(),
            run: spec.run.clone(),
            check: spec.check.clone(),
            test: spec.test.clone(),
            fix: spec.fix.clone(),
            attempt: task.attempt.0,
            failures: task.failures,
            attempts_max: task.attempts_max,
            crashes: task.crashes,
            timeout_seconds: task.timeout.as_secs(),
            estimate_seconds: spec.estimate.map(|span| span.as_secs()),
            not_before: view.not_before.map(time),
            lease: held.zip(view.lease_until).map(|(held, until)| Lease {
                worker: held.worker.to_string(),
                attempt: task.attempt.0,
                expires_at: time(until),
            }),
            created_at: time(task.created_at),
            claimed_at: task.claimed.as_ref().map(|(at, _)| time(*at)),
            completed_at: completed.as_ref().map(|(at, _)| time(*at)),
            claimed_by: task.claimed.as_ref().map(|(_, by)| by.to_string()),
            completed_by: completed.and_then(|(_, by)| by).map(|by| by.to_string()),
            blocked: view.blocked.as_ref().map(|blocked| Blocked {
                reason: blocked.reason.as_str(),
                note: blocked.note.clone(),
                on: blocked.on.map(|on| on.to_string()),
            }),
            failure: task.failure.as_ref().map(|failure| Failure { reason: failure.reason.as_str(), note: failure.note.clone() }),
            result: view.full.result.as_ref().map(|result| TaskResult {
                note: result.note.clone(),
                files: result.files.clone(),
                output: result.output.clone(),
                cost_usd: result.cost_usd,
                tokens: result.tokens.map(|(input, output)| Tokens { input, output }),
            }),
            tests: match task.kind {
                Kind::Feature => None,
                Kind::Test | Kind::Fix => task.tests.map(|id| id.to_string()),
            },
            tested_by: view.tested_by.map(|id| id.to_string()),
            cycle: task.cycle,
        }
    }
}

/// What `claim` gives.
#[derive(Debug, Serialize)]
pub(crate) struct Claimed {
    pub(crate) task: Task,
    pub(crate) claim: String,
    pub(crate) lease_seconds: u64,
    pub(crate) brief: String,
}

/// A worker.
#[derive(Debug, Serialize)]
pub(crate) struct Worker {
    name: String,
    driver: &'static str,
    agent: Option<String>,
    target: Option<String>,
    state: &'static str,
    active: bool,
    why: String,
    can: Vec<String>,
    registered_at: String,
    last_heartbeat_at: Option<String>,
    last_claimed_at: Option<String>,
    last_completed_at: Option<String>,
    idle_seconds: u64,
    runtime_seconds: u64,
    task: Option<String>,
}

impl From<&WorkerView> for Worker {
    fn from(view: &WorkerView) -> Self {
        use domain::worker::WorkerState;
        let worker = &view.worker;
        Self {
            name: worker.name.to_string(),
            driver: worker.driver.as_str(),
            agent: worker.agent.clone(),
            target: worker.target.clone(),
            state: view.belief.state.as_str(),
            active: match view.belief.state {
                WorkerState::Idle | WorkerState::Busy | WorkerState::Waiting => true,
                WorkerState::Limited | WorkerState::Paused | WorkerState::Gone | WorkerState::Unknown => false,
            },
            why: view.belief.why.clone(),
            can: worker.can.iter().map(ToString::to_string).collect(),
            registered_at: time(worker.registered_at),
            last_heartbeat_at: worker.last_heartbeat_at.map(time),
            last_claimed_at: worker.last_claimed_at.map(time),
            last_completed_at: worker.last_completed_at.map(time),
            idle_seconds: view.sight.idle.as_secs(),
            runtime_seconds: view.sight.runtime.as_secs(),
            task: view.sight.task.map(|id| id.to_string()),
        }
    }
}

/// What `status` gives.
#[derive(Debug, Serialize)]
pub(crate) struct StatusDocument {
    counts: serde_json::Map<String, Value>,
    percent: u32,
    phase: &'static str,
    workers: Vec<Worker>,
    stale: Vec<String>,
    blockers: Vec<Blocker>,
    updated_at: Option<String>,
}

#[derive(Debug, Serialize)]
struct Blocker {
    id: String,
    reason: &'static str,
    note: String,
}

impl From<&Standing> for StatusDocument {
    fn from(standing: &Standing) -> Self {
        Self {
            counts: Status::ALL.iter().map(|status| (status.as_str().to_owned(), Value::from(standing.counts.of(*status)))).collect(),
            percent: standing.percent(),
            phase: standing.phase(),
            workers: standing.workers.iter().map(Worker::from).collect(),
            stale: standing.stale.iter().map(ToString::to_string).collect(),
            blockers: standing
                .blockers
                .iter()
                .filter_map(|view| {
                    let blocked = view.blocked.as_ref()?;
                    Some(Blocker { id: view.full.task.id.to_string(), reason: blocked.reason.as_str(), note: blocked.note.clone() })
                })
                .collect(),
            updated_at: standing.updated_at.map(time),
        }
    }
}

/// An event.
#[derive(Debug, Serialize)]
pub(crate) struct Event {
    seq: u64,
    at: String,
    kind: &'static str,
    task: Option<String>,
    attempt: Option<u32>,
    worker: Option<String>,
    actor: &'static str,
    data: Value,
}

impl From<&EventRow> for Event {
    fn from(event: &EventRow) -> Self {
        Self {
            seq: event.seq.0,
            at: time(event.at),
            kind: event.kind.as_str(),
            task: event.task.map(|id| id.to_string()),
            attempt: event.attempt.map(|attempt| attempt.0),
            worker: event.worker.as_ref().map(ToString::to_string),
            actor: event.actor.as_str(),
            data: serde_json::from_str(&event.data).unwrap_or(Value::Null),
        }
    }
}

/// A message.
#[derive(Debug, Serialize)]
pub(crate) struct Message {
    pub(crate) seq: u64,
    pub(crate) at: String,
    pub(crate) from: String,
    pub(crate) text: String,
    pub(crate) task: Option<String>,
}

impl From<&EventRow> for Message {
    fn from(event: &EventRow) -> Self {
        let data: Value = serde_json::from_str(&event.data).unwrap_or(Value::Null);
        let text = |name: &str| data.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self { seq: event.seq.0, at: time(event.at), from: text("from"), text: text("text"), task: event.task.map(|id| id.to_string()) }
    }
}

/// How a task stands at one moment: a line of `poll`.
#[derive(Debug, Serialize)]
pub(crate) struct Polled {
    at: String,
    id: String,
    status: &'static str,
}

impl Polled {
    pub(crate) fn of(at: Timestamp, id: TaskId, status: Status) -> Self {
        Self { at: time(at), id: id.to_string(), status: status.as_str() }
    }
}

/// A setting.
#[derive(Debug, Serialize)]
pub(crate) struct Setting<'s> {
    key: &'s str,
    value: String,
    source: String,
    /// What it does; nothing for a worker's variable.
    meaning: Option<&'static str>,
}

impl<'s> Setting<'s> {
    pub(crate) fn of(key: &'s str, setting: &'s SettingRow) -> Self {
        let meaning = engine::config::Known::of(key).map(|known| known.meaning);
        Self { key, value: setting.shown(key), source: setting.source.to_string(), meaning }
    }
}

/// What `graph` gives.
#[derive(Debug, Serialize)]
pub(crate) struct Graph {
    pub(crate) nodes: Vec<GraphNode>,
    pub(crate) edges: Vec<GraphEdge>,
    pub(crate) critical_path: Vec<String>,
}

/// A task of the graph.
#[derive(Debug, Serialize)]
pub(crate) struct GraphNode {
    id: String,
    title: String,
    kind: &'static str,
    phase: u32,
    status: &'static str,
    level: usize,
    duration_ms: u64,
}

/// A dependency.
#[derive(Debug, Serialize)]
pub(crate) struct GraphEdge {
    pub(crate) task: String,
    pub(crate) after: String,
}

impl GraphNode {
    pub(crate) fn of(node: &Node, level: usize) -> Self {
        Self {
            id: node.id.to_string(),
            title: node.title.clone(),
            kind: node.kind.as_str(),
            phase: node.phase,
            status: node.status.as_str(),
            level,
            duration_ms: node.duration_ms,
        }
    }
}

/// What `bench` gives.
#[derive(Debug, Serialize)]
pub(crate) struct Bench {
    rows: Vec<BenchRow>,
}

#[derive(Debug, Serialize)]
struct BenchRow {
    name: &'static str,
    workers: u32,
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
    slowest_share: f64,
}

impl From<&[Figures]> for Bench {
    fn from(figures: &[Figures]) -> Self {
        let round = |value: f64| (value * 1_000.0).round() / 1_000.0;
        let row = |row: &Figures| BenchRow {
            name: row.name,
            workers: row.workers,
            per_second: round(row.per_second),
            p50_ms: round(row.p50_ms),
            p99_ms: round(row.p99_ms),
            max_ms: round(row.max_ms),
            slowest_share: round(row.slowest_share),
        };
        Self { rows: figures.iter().map(row).collect() }
    }
}
