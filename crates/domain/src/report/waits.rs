//! What waits for a person, each with a command that can be pasted. It asks nothing that changes by itself with time: who is believed to be there is not known here.

use std::collections::{HashMap, HashSet};

use super::{Entry, is_dead, is_test};
use crate::id::{Capability, LaneId, PlanId, TaskId, WorkerName};
use crate::schedule::{Lane, LaneKey, is_possible};
use crate::task::{BlockReason, FailReason, Kind, Status, Task, TaskState};
use crate::worker::{Driver, Worker};

/// How many are told; further ones are counted.
pub const WAITS_MAX: usize = 200;

/// Something that a person must do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// The tasks that wait for it: the first of them.
    pub tasks: Vec<TaskId>,
    /// How many there are.
    pub count: u32,
    /// The title of the first.
    pub title: String,
    /// Why.
    pub why: Why,
    /// In words: what failed, what is asked.
    pub note: String,
    /// The task that a BLOCKED one named as what it waits for, and how that one stands where it is listed.
    pub on: Option<(TaskId, Option<Status>)>,
    /// How many more tasks wait behind these.
    pub behind: u32,
    /// What would move it.
    pub command: String,
}

/// Whether somebody takes what is ready without being asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hands {
    /// A run goes on, or workers do.
    AtWork,
    /// Nobody does before a run begins.
    Missing,
}

/// Tests that are held back because a feature of their plan can still go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldTests {
    /// The tests: the first of them.
    pub tests: Vec<TaskId>,
    /// How many there are.
    pub count: u32,
    /// The feature; the first of several.
    pub on: TaskId,
}

/// Why a task waits for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// It FAILED.
    Failed(FailReason),
    /// It was cancelled, and others depend on it.
    Cancelled,
    /// It is BLOCKED.
    Blocked(BlockReason),
    /// It has no command: a person or an agent must do it.
    ByHand,
    /// It is meant for a worker that takes tasks itself.
    For(WorkerName),
    /// It is meant for a worker that a person has set aside.
    Paused(WorkerName),
    /// Nobody on the roster can do it.
    Nobody(Vec<Capability>),
    /// It is ready, and no run goes on.
    Ready,
}

/// How many ids a wait names.
const NAMED_MAX: usize = 10;

/// The command that would move a task which does not go on by itself; `on` is the task that keeps a pending one from going on.
#[must_use]
pub fn moved_by(task: &Task, on: Option<TaskId>) -> Option<String> {
    let id = task.id;
    match &task.state {
        TaskState::Failed { .. } | TaskState::Cancelled { .. } => Some(format!("ganger retry {id}")),
        TaskState::Blocked(blocked) => match blocked.reason {
            BlockReason::Question => Some(format!("ganger answer {id} \"…\"")),
            BlockReason::Credits | BlockReason::Error | BlockReason::Dependency | BlockReason::Other => {
                Some(format!("ganger unblock {id}"))
            }
        },
        TaskState::Pending => on.map(|on| format!("ganger retry {on}")),
        TaskState::InProgress(_) | TaskState::Completed { .. } => None,
    }
}

/// What of these tasks waits for a person, at most [`WAITS_MAX`], and how many more do. The tasks are sorted by id.
#[must_use]
pub fn waits(tasks: &[Entry<'_>], lanes: &[Lane], workers: &[Worker], hands: Hands) -> (Vec<Wait>, u32) {
    let at = |id: TaskId| tasks.binary_search_by_key(&id, |entry| entry.task.id).ok().and_then(|index| tasks.get(index));
    let behind = Behind::of(tasks);
    let mut found: Vec<Wait> = Vec::new();
    let mut more: u32 = 0;
    for entry in tasks {
        let task = entry.task;
        let on = match &task.state {
            TaskState::Blocked(blocked) => blocked.on.map(|on| (on, at(on).map(|on| on.task.status()))),
            TaskState::Pending
            | TaskState::InProgress(_)
            | TaskState::Completed { .. }
            | TaskState::Failed { .. }
            | TaskState::Cancelled { .. } => None,
        };
        let why = match &task.state {
            TaskState::Failed { .. } => Why::Failed(task.failure.as_ref().map_or(FailReason::Reported, |failure| failure.reason)),
            TaskState::Blocked(blocked) => Why::Blocked(blocked.reason),
            TaskState::Cancelled { .. } if behind.any(task.id) => Why::Cancelled,
            TaskState::Cancelled { .. } | TaskState::Pending | TaskState::InProgress(_) | TaskState::Completed { .. } => continue,
        };
        if found.len() == WAITS_MAX {
            more = more.saturating_add(1);
            continue;
        }
        found.push(Wait {
            tasks: vec![task.id],
            count: 1,
            title: entry.spec.title.clone(),
            why,
            note: super::lines::note(entry),
            on,
            behind: behind.count(task.id),
            command: moved_by(task, None).unwrap_or_default(),
        });
    }
    for (lane, free) in free_by_lane(tasks) {
        let Some(key) = lanes.iter().find(|other| other.id == lane).map(|lane| &lane.key) else { continue };
        let Some((first, entry)) = free.first().and_then(|first| Some((*first, at(*first)?))) else { continue };
        let Some((why, command)) = taken_by(key, workers, hands, first) else { continue };
        let count = u32::try_from(free.len()).unwrap_or(u32::MAX);
        // What one command moves is told once.
        if why == Why::Ready
            && let Some(ready) = found.iter_mut().find(|wait| wait.why == Why::Ready)
        {
            ready.count = ready.count.saturating_add(count);
            let room = NAMED_MAX.saturating_sub(ready.tasks.len());
            ready.tasks.extend(free.into_iter().take(room));
            ready.tasks.sort_unstable();
            continue;
        }
        let (title, note) = (entry.spec.title.clone(), String::new());
        found.push(Wait { tasks: free.into_iter().take(NAMED_MAX).collect(), count, title, why, note, on: None, behind: 0, command });
    }
    (found, more)
}

/// The tests that wait for nothing but the end of their plan's features, plan by plan; at most ten of each are named.
#[must_use]
pub fn held_tests(tasks: &[Entry<'_>]) -> Vec<HeldTests> {
    let mut open: HashMap<PlanId, TaskId> = HashMap::new();
    for task in tasks.iter().map(|entry| entry.task).filter(|task| task.kind == Kind::Feature && task.is_moving()) {
        open.entry(task.plan).or_insert(task.id);
    }
    let mut found: Vec<HeldTests> = Vec::new();
    let is_held = |task: &&Task| is_test(task) && task.held && task.waiting == 0 && task.status() == Status::Pending;
    for task in tasks.iter().map(|entry| entry.task).filter(is_held) {
        let Some(&on) = open.get(&task.plan) else { continue };
        match found.iter_mut().find(|held| held.on == on) {
            Some(held) => {
                held.count = held.count.saturating_add(1);
                if held.tests.len() < NAMED_MAX {
                    held.tests.push(task.id);
                }
            }
            None => found.push(HeldTests { tests: vec![task.id], count: 1, on }),
        }
    }
    found
}

/// What can be claimed, lane by lane, in the order of the first of each.
fn free_by_lane(tasks: &[Entry<'_>]) -> Vec<(LaneId, Vec<TaskId>)> {
    let mut lanes: Vec<(LaneId, Vec<TaskId>)> = Vec::new();
    for task in tasks.iter().map(|entry| entry.task).filter(|task| task.is_free()) {
        match lanes.iter_mut().find(|(lane, _)| *lane == task.lane) {
            Some((_, free)) => free.push(task.id),
            None => lanes.push((task.lane, vec![task.id])),
        }
    }
    lanes
}

/// Who must do something so that a free task of a lane is taken; `None` when it goes on by itself.
fn taken_by(key: &LaneKey, roster: &[Worker], at_work: Hands, first: TaskId) -> Option<(Why, String)> {
    let by_hand = |name: &str| format!("ganger claim --worker {name} --task {first}");
    let is_pull = |worker: &Worker| match worker.driver {
        Driver::Pull => true,
        Driver::Shell | Driver::Headless | Driver::Tmux => false,
    };
    let ready = || match at_work {
        Hands::Missing => Some((Why::Ready, "ganger run".to_owned())),
        Hands::AtWork => None,
    };
    let needs = || key.needs.iter().map(Capability::as_str).collect::<Vec<_>>().join(",");
    if let Some(name) = &key.assignee {
        let meant_for = Some((Why::For(name.clone()), by_hand(name.as_str())));
        match roster.iter().find(|worker| worker.name == *name) {
            Some(worker) if worker.paused => return Some((Why::Paused(name.clone()), format!("ganger workers resume {name}"))),
            Some(worker) if is_pull(worker) => return meant_for,
            Some(worker) if is_possible(key, worker) => return ready(),
            Some(_) | None if key.waits => return meant_for,
            // It goes to somebody else, as if it were meant for nobody.
            Some(_) | None => {}
        }
    }
    let able = |worker: &&Worker| is_possible(key, worker) && worker.has(&key.needs);
    let hands = || roster.iter().filter(|worker| !is_pull(worker));
    if !key.runs && !hands().any(|worker| worker.thinks) {
        let person = roster.iter().filter(|worker| is_pull(worker) && !worker.paused).find(able);
        let command = match person {
            Some(worker) => by_hand(worker.name.as_str()),
            None if key.needs.is_empty() => by_hand("NAME"),
            // Whoever has not said that he can do it is refused.
            None => format!("ganger workers add NAME --can {} && {}", needs(), by_hand("NAME")),
        };
        return Some((Why::ByHand, command));
    }
    // After a while a task goes to any worker at all, unless its plan forbids it.
    if key.waits && !key.needs.is_empty() && !hands().any(|worker| able(&worker)) {
        return Some((Why::Nobody(key.needs.clone()), format!("ganger work --worker NAME --can {}", needs())));
    }
    ready()
}

/// Which open tasks wait for which task, also over others.
struct Behind<'p> {
    dependents: HashMap<TaskId, Vec<&'p Task>>,
}

impl<'p> Behind<'p> {
    fn of(tasks: &[Entry<'p>]) -> Self {
        let mut dependents: HashMap<TaskId, Vec<&'p Task>> = HashMap::new();
        for entry in tasks.iter().filter(|entry| entry.task.waiting > 0 && !is_dead(entry.task)) {
            for on in entry.after {
                dependents.entry(*on).or_default().push(entry.task);
            }
        }
        Self { dependents }
    }

    fn any(&self, id: TaskId) -> bool {
        self.dependents.contains_key(&id)
    }

    fn count(&self, id: TaskId) -> u32 {
        let mut seen: HashSet<TaskId> = HashSet::new();
        let mut queue = vec![id];
        while let Some(next) = queue.pop() {
            for task in self.dependents.get(&next).into_iter().flatten() {
                if seen.insert(task.id) {
                    queue.push(task.id);
                }
            }
        }
        u32::try_from(seen.len()).unwrap_or(u32::MAX)
    }
}
