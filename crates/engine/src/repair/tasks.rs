//! The tasks of a damaged store: those that are valid as they are, and stand-ins for the others. A stand-in that had ended has ended; any other
//! waits for a person, since what it asks for, or how far it had come, cannot be told any more. So nothing runs that should not, no id is used
//! twice, and what depends on it waits in plain sight.

use std::time::Duration;

use domain::id::{Attempt, LaneId, PlanId, TaskId};
use domain::task::{ATTEMPTS_DEFAULT, BlockReason, Blocked, Kind, Priority, Spec, Status, TIMEOUT_DEFAULT, Task, TaskState};
use domain::time::{Now, Timestamp};

use super::Losses;
use super::journal::Journal;
use crate::audit::plain;
use crate::store::sqlite::salvage::{Keys, Numbered, Wreck};
use crate::store::{FullTask, PlanRow};
use crate::transfer::restore::Row;

/// What is known of all tasks before the first is read.
pub(super) struct Tasks<'w> {
    wreck: &'w Wreck,
    now: Now,
    keys: Keys,
    spec_keys: Keys,
    /// The ids that exist: from 1 to here.
    pub(super) last: u32,
}

/// One task for the new store.
pub(super) struct Mended {
    pub(super) row: Row,
    /// Whether its journal does not lead to how it stands.
    pub(super) is_restored: bool,
}

impl<'w> Tasks<'w> {
    pub(super) fn new(wreck: &'w Wreck, now: Now, losses: &mut Losses) -> Self {
        let (keys, spec_keys) = (wreck.keys(Numbered::Tasks), wreck.keys(Numbered::Specs));
        for (table, keys) in [("tasks", &keys), ("specs", &spec_keys)] {
            if let Some(why) = &keys.stopped {
                losses.add(table, "…", format!("not all of them can be read one after another ({why}): each was looked for by its number"));
            }
        }
        let last = u32::try_from(keys.top().max(spec_keys.top())).unwrap_or(u32::MAX);
        Self { wreck, now, keys, spec_keys, last }
    }

    fn is_there(&self, id: TaskId) -> bool {
        (1..=self.last).contains(&id.0)
    }

    /// How the row of a task says it stands, where it can be read.
    pub(super) fn state(&self, id: TaskId) -> Option<Status> {
        self.wreck.task(&self.keys, id.0)?.ok().map(|task| plain(&task.state))
    }

    /// How many open dependencies the row of a task counts.
    pub(super) fn waiting(&self, id: TaskId) -> u32 {
        self.wreck.task(&self.keys, id.0).and_then(Result::ok).map_or(0, |task| task.waiting)
    }

    /// The task as it can be kept.
    pub(super) fn read(&self, id: TaskId, journal: &Journal, plans: &[PlanRow], losses: &mut Losses) -> Mended {
        let row = self.wreck.task(&self.keys, id.0).unwrap_or_else(|| Err("it is not there".to_owned()));
        let spec = self.wreck.spec(&self.spec_keys, id.0).unwrap_or_else(|| Err("it is not there".to_owned()));
        let spec = spec.map(|spec| match domain::text::title(&spec.title) {
            Ok(_) => spec,
            Err(why) => {
                losses.add("specs", id, format!("its title: {why}; shown escaped now"));
                let title = domain::text::escaped(&spec.title, 200);
                Spec { title: domain::text::title(&title).unwrap_or_else(|_| format!("{id}, whose title was lost")), ..spec }
            }
        });
        let (mut task, mut damage) = match row {
            Ok(task) => (task, None),
            Err(why) => {
                losses.add("tasks", id, format!("{why}; made anew from its journal"));
                (self.read_journal(id, journal, plans), Some("its row was damaged"))
            }
        };
        let spec = spec.unwrap_or_else(|why| {
            losses.add("specs", id, format!("{why}; only its title is known now, if that"));
            damage = Some("what it asks for was damaged");
            self.title_only(id, journal)
        });
        self.references(&mut task, losses);
        let waits = match self.wreck.lane(task.lane) {
            Some(Ok(key)) => key.waits,
            Some(Err(_)) | None => false,
        };
        let result = self.wreck.result(id.0).and_then(|result| result.map_err(|why| losses.add("results", id, why)).ok());
        let life = journal.lives.get(&id);
        task.attempt = task.attempt.max(Attempt(life.map_or(0, |life| life.told.claims())));
        let mut full = FullTask { task, spec, after: Vec::new(), result, last_event: None };
        let mut agrees = damage.is_none() && life.is_some_and(|life| life.told.agrees(&full));
        let told = life.and_then(|life| life.told.status());
        if !agrees && journal.is_whole() && damage.is_none() && told != Some(plain(&full.task.state)) {
            // Both are there, and say different things: one of them was changed.
            damage = Some("its row and its journal do not agree");
            losses.add(
                "tasks",
                id,
                format!("its row says {}, its journal {}", plain(&full.task.state), told.map_or("nothing", Status::as_str)),
            );
            full.task.state = self.state_of(told, journal, id);
        }
        if let Some(why) = damage
            && !plain(&full.task.state).is_final()
        {
            let note = format!("{why}: look at it (ganger show {id}), mend it (ganger edit {id} …), then `ganger unblock {id}`");
            full.task.state = TaskState::Blocked(Blocked { reason: BlockReason::Error, note, on: None });
            agrees = false;
        }
        if !agrees && damage.is_none() && journal.is_whole() {
            losses.add("tasks", id, "its row and its journal do not tell the same; how its row says it stands counts");
        }
        let FullTask { task, spec, result, .. } = full;
        Mended { row: Row { task, spec, after: Vec::new(), waits, result }, is_restored: !agrees }
    }

    /// A row that the new store refused, made anew.
    pub(super) fn again(&self, refused: Row, journal: &Journal, plans: &[PlanRow]) -> Mended {
        let id = refused.task.id;
        let mut task = self.read_journal(id, journal, plans);
        task.attempt = task.attempt.max(refused.task.attempt);
        if !plain(&task.state).is_final() {
            let note = format!("its row was damaged: look at it (ganger show {id}), then `ganger unblock {id}`");
            task.state = TaskState::Blocked(Blocked { reason: BlockReason::Error, note, on: None });
        }
        Mended { row: Row { task, ..refused }, is_restored: true }
    }

    /// Takes out what names something that is not there.
    fn references(&self, task: &mut Task, losses: &mut Losses) {
        if let Some(tests) = task.tests.filter(|tests| !self.is_there(*tests) || *tests == task.id) {
            losses.add("tasks", task.id, format!("it named {tests} as what it tests, which is not there"));
            task.tests = None;
        }
        if let TaskState::Blocked(blocked) = &mut task.state
            && let Some(on) = blocked.on.filter(|on| !self.is_there(*on))
        {
            losses.add("tasks", task.id, format!("it waited for {on}, which is not there"));
            blocked.on = None;
        }
    }

    /// How the journal says that a task stands; what is open there, is pending here.
    fn state_of(&self, told: Option<Status>, journal: &Journal, id: TaskId) -> TaskState {
        let at = journal.lives.get(&id).and_then(|life| life.told.ended_at()).map_or(self.now.wall, Timestamp);
        match told {
            Some(Status::Completed) => TaskState::Completed { at, by: None, nonce: None },
            Some(Status::Failed) => TaskState::Failed { at },
            Some(Status::Cancelled) => TaskState::Cancelled { at },
            Some(Status::Pending | Status::InProgress | Status::Blocked) | None => TaskState::Pending,
        }
    }

    /// A task of which only the journal is left.
    fn read_journal(&self, id: TaskId, journal: &Journal, plans: &[PlanRow]) -> Task {
        let life = journal.lives.get(&id);
        let kind = journal.added(self.wreck, id).and_then(|data| data.get("kind")?.as_str().and_then(Kind::from_word));
        let in_range = |plan: &&PlanRow| plan.tasks.is_some_and(|(first, last)| (first..=last).contains(&id));
        Task {
            id,
            plan: plans.iter().find(in_range).map_or(PlanId::ADDED, |plan| plan.id),
            kind: kind.unwrap_or(Kind::Feature),
            phase: 1,
            priority: Priority::Med,
            lane: LaneId(0),
            path_ms: 0,
            state: self.state_of(life.and_then(|life| life.told.status()), journal, id),
            attempt: Attempt(life.map_or(0, |life| life.told.claims())),
            failures: 0,
            attempts_max: ATTEMPTS_DEFAULT,
            crashes: 0,
            cycle: 0,
            timeout: Duration::from_millis(u64::try_from(TIMEOUT_DEFAULT.as_millis()).unwrap_or(0)),
            waiting: 0,
            dead: 0,
            held: false,
            not_before: None,
            ready_at: self.now.store,
            avoid: None,
            tests: None,
            failure: None,
            created_at: life.and_then(|life| life.told.added_at()).map_or(self.now.wall, Timestamp),
            claimed: None,
        }
    }

    fn title_only(&self, id: TaskId, journal: &Journal) -> Spec {
        let told =
            journal.added(self.wreck, id).and_then(|data| data.get("title")?.as_str().and_then(|title| domain::text::title(title).ok()));
        Spec { title: told.unwrap_or_else(|| format!("{id}, whose text was lost")), ..Spec::default() }
    }
}
