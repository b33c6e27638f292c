//! The judge: knows the journal and what was acknowledged, and nothing of how the engine works.

use std::collections::{BTreeMap, HashMap, HashSet};

use domain::event::EventKind;
use domain::id::{Attempt, PlanId, TaskId};
use domain::retry::{self, Backoff};
use domain::task::{Kind, Status};
use engine::store::{EventRow, FullTask};

use crate::world::World;

const LEASE: u64 = 120;
/// A dead worker is found at most so much later than its lease ends: a sweep every 15 s, and the longest step of the clock.
const SWEPT_AFTER: u64 = 15 + 20;
const CYCLES_MAX: u32 = 3;

/// Nothing is stuck: what has not ended waits, in the end, for something that failed or was given up.
pub(crate) fn everything_has_ended(world: &World, heals: bool) {
    let tasks: BTreeMap<TaskId, FullTask> = world.tasks().into_iter().map(|full| (full.task.id, full)).collect();
    if heals {
        let open: Vec<_> =
            tasks.values().filter(|full| full.task.status() != Status::Completed).map(|full| (full.task.id, full.task.status())).collect();
        assert!(open.is_empty(), "everything was set going, and these did not complete: {open:?}");
        return;
    }
    let is_dead = |id: &TaskId| matches!(tasks[id].task.status(), Status::Failed | Status::Cancelled);
    let mut excused: HashSet<TaskId> = HashSet::new();
    loop {
        let before = excused.len();
        for full in tasks.values() {
            let task = &full.task;
            let behind = full.after.iter().any(|on| is_dead(on) || excused.contains(on));
            let held = task.kind == Kind::Feature
                && tasks.values().any(|other| {
                    let other = &other.task;
                    other.plan == task.plan && other.kind == Kind::Feature && other.phase < task.phase && excused.contains(&other.id)
                });
            if !task.status().is_final() && (behind || held) {
                excused.insert(task.id);
            }
        }
        if excused.len() == before {
            break;
        }
    }
    for full in tasks.values().filter(|full| !full.task.status().is_final()) {
        assert!(excused.contains(&full.task.id), "{} is stuck: {:?}", full.task.id, full.task);
    }
}

/// What is known of a task from the events so far.
struct Seen {
    kind: Kind,
    status: Status,
    holder: Option<(u32, u64)>,
    completions: u32,
    crashes: u32,
    cycles: u32,
    ready_from_ms: u64,
}

struct Court<'w> {
    world: &'w World,
    tasks: BTreeMap<TaskId, FullTask>,
    seen: BTreeMap<TaskId, Seen>,
    failures: HashMap<TaskId, u32>,
    told_completed: HashSet<(TaskId, u32)>,
}

/// Looks at the whole history.
pub(crate) fn history(world: &World) {
    let tasks = world.tasks().into_iter().map(|full| (full.task.id, full)).collect();
    let mut court = Court { world, tasks, seen: BTreeMap::new(), failures: HashMap::new(), told_completed: HashSet::new() };
    for (at, event) in &world.events {
        if let Some(id) = event.task {
            court.hear(*at, id, event);
        }
    }
    assert_eq!(court.told_completed, world.completed, "what was acknowledged is there, and nothing else");
    for (id, seen) in &court.seen {
        assert!(seen.completions <= 1, "{id} was completed {} times", seen.completions);
        assert!(seen.crashes <= 3 && seen.cycles <= CYCLES_MAX, "{id}: {} crashes, {} cycles", seen.crashes, seen.cycles);
    }
}

impl Court<'_> {
    fn hear(&mut self, at: u64, id: TaskId, event: &EventRow) {
        let data: serde_json::Value = serde_json::from_str(&event.data).unwrap();
        let attempt = event.attempt.map_or(0, |attempt| attempt.0);
        match event.kind {
            EventKind::TaskAdded => {
                let kind = Kind::from_word(data["kind"].as_str().unwrap()).unwrap();
                let seen = Seen { kind, status: Status::Pending, holder: None, completions: 0, crashes: 0, cycles: 0, ready_from_ms: 0 };
                assert!(self.seen.insert(id, seen).is_none(), "{id} was added twice");
            }
            EventKind::TaskClaimed => self.claimed(at, id, event, attempt),
            EventKind::TaskCompleted => {
                self.end(at, id, attempt);
                let seen = self.task(id);
                seen.status = Status::Completed;
                seen.completions += 1;
                self.told_completed.insert((id, attempt));
            }
            EventKind::TaskExpired => {
                let by_time = data["reason"] == "timeout";
                if data["reason"] == "lease" {
                    self.no_false_death(at, id, attempt);
                }
                if by_time {
                    let since = self.task(id).holder.unwrap().1;
                    let timeout = self.tasks[&id].task.timeout.as_secs();
                    assert!(
                        at >= since + timeout || self.rebooted_since(since),
                        "{id}#{attempt} had {timeout} s and was ended after {}",
                        at - since
                    );
                }
                self.end(at, id, attempt);
                let seen = self.task(id);
                seen.status = Status::Pending;
                seen.crashes += u32::from(!by_time);
            }
            EventKind::TaskFailed => self.failed(at, id, attempt, &data),
            EventKind::TaskBlocked => {
                self.end(at, id, attempt);
                self.task(id).status = Status::Blocked;
            }
            EventKind::TaskReleased => {
                self.end(at, id, attempt);
                self.task(id).status = Status::Pending;
            }
            EventKind::TaskCancelled => {
                self.task(id).holder = None;
                self.task(id).status = Status::Cancelled;
            }
            EventKind::TaskRetried => {
                let is_cycle = data["reason"] == "cycle";
                let seen = self.task(id);
                seen.status = Status::Pending;
                if is_cycle {
                    seen.cycles += 1;
                } else {
                    (seen.crashes, seen.cycles, seen.ready_from_ms) = (0, 0, 0);
                    self.failures.remove(&id);
                }
            }
            EventKind::TaskUnblocked => self.task(id).status = Status::Pending,
            _ => {}
        }
    }

    fn task(&mut self, id: TaskId) -> &mut Seen {
        self.seen.get_mut(&id).unwrap_or_else(|| panic!("{id} was never added"))
    }

    fn rebooted_since(&self, at: u64) -> bool {
        self.world.reboots.iter().any(|reboot| *reboot >= at)
    }

    /// A claim: nobody held it, nothing that it waits for was open, its phase had begun, its wait was over.
    fn claimed(&mut self, at: u64, id: TaskId, event: &EventRow, attempt: u32) {
        let (status, holder, kind, ready_from_ms) = {
            let seen = self.task(id);
            (seen.status, seen.holder, seen.kind, seen.ready_from_ms)
        };
        assert_eq!((status, holder), (Status::Pending, None), "{id} was claimed while it was held or had ended: {event:?}");
        assert!(at * 1_000 >= ready_from_ms || self.rebooted_since(0), "{id} was claimed before its wait was over");
        let full = &self.tasks[&id];
        for on in &full.after {
            let holds_from = self.world.late_edges.get(&(id, *on)).copied().unwrap_or(0);
            // A fix in front of a test is added after the attempt that asked for it.
            if let Some(seen) = self.seen.get(on)
                && event.seq.0 > holds_from
            {
                assert_eq!(seen.status, Status::Completed, "{id} started before {on} was done");
            }
        }
        if kind == Kind::Feature && full.task.plan != PlanId::ADDED {
            for (other, seen) in &self.seen {
                let task = &self.tasks[other].task;
                if seen.kind == Kind::Feature && task.plan == full.task.plan && task.phase < full.task.phase {
                    assert!(
                        seen.status.is_final(),
                        "{id} of phase {} started before {other} of phase {} ended",
                        full.task.phase,
                        task.phase
                    );
                }
            }
        }
        self.task(id).holder = Some((attempt, at));
    }

    /// The end of a claim: it was the current one, and its holder was not dead for long.
    fn end(&mut self, at: u64, id: TaskId, attempt: u32) {
        let holder = self.task(id).holder.take();
        assert_eq!(holder.map(|(attempt, _)| attempt), Some(attempt), "{id}#{attempt} ended without being held");
        let last = *self.world.signs[&(id, attempt)].iter().rfind(|sign| **sign <= at).unwrap();
        assert!(at <= last + LEASE + SWEPT_AFTER, "{id}#{attempt} was silent since {last} and held until {at}");
    }

    /// Nobody who was heard of in time is taken for dead (G9).
    fn no_false_death(&self, at: u64, id: TaskId, attempt: u32) {
        let last = *self.world.signs[&(id, attempt)].iter().rfind(|sign| **sign <= at).unwrap();
        assert!(at >= last + LEASE || self.rebooted_since(last), "{id}#{attempt} was heard of at {last} and taken for dead at {at}");
    }

    fn failed(&mut self, at: u64, id: TaskId, attempt: u32, data: &serde_json::Value) {
        let reason = data["reason"].as_str().unwrap().to_owned();
        // What ended by time or by a third death was ended by the event before.
        if self.task(id).holder.is_some() {
            self.end(at, id, attempt);
        }
        let is_final = data["final"].as_bool().unwrap();
        let attempts_max = self.tasks[&id].task.attempts_max;
        let counted = self.task(id).kind != Kind::Test || matches!(reason.as_str(), "timeout" | "infrastructure" | "silence");
        if reason != "quarantined" && counted {
            let failures = self.failures.entry(id).or_default();
            *failures += 1;
            // Its budget may have been raised or cut since; it is never larger than the largest of all.
            assert!(*failures <= attempts_max.max(4), "{id} failed {failures} times");
        }
        let failures = self.failures.get(&id).copied().unwrap_or(0);
        let seen = self.task(id);
        seen.status = if is_final { Status::Failed } else { Status::Pending };
        if reason == "infrastructure" && !is_final {
            let wait = retry::wait(Backoff::default(), id, Attempt(attempt), failures);
            seen.ready_from_ms = at * 1_000 + u64::try_from(wait.as_millis()).unwrap();
        }
    }
}
