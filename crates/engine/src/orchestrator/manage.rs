//! Adding, editing and introducing: what changes the queue itself. Everything is checked before anything is written.

use std::collections::HashMap;
use std::time::Duration;

use domain::dependency::{self, Graph};
use domain::event::{Actor, EventKind, Fact, NewEvent};
use domain::id::{Attempt, LaneId, PlanId, TaskId, WorkerName};
use domain::lifecycle::{self, Command};
use domain::phase::{Stage, is_held};
use domain::plan::fix_title;
use domain::schedule::LaneKey;
use domain::task::{After, Kind, NewTask, Spec, Status, Task, TaskState};

use super::Answer;
use super::act::{Card, NewPlan, Patch};
use super::book::Book;
use crate::error::{Error, Result};
use crate::store::rows::duration_key;
use crate::store::{NewRow, PlanRow};
use crate::worker::lock::Session;

/// A task of which nobody says how long it takes counts as one minute.
pub(super) const DURATION_DEFAULT_MS: u64 = 60_000;
/// How many tasks before a new one get their longest path raised.
const RAISED_MAX: u32 = 1_000;

impl Book<'_> {
    pub(super) fn add(&mut self, tasks: &[NewTask], plan: Option<&NewPlan>, actor: Actor) -> Result<Answer> {
        if let Some(plan) = plan
            && let Some(known) = self.tx.plans()?.into_iter().find(|known| known.digest.as_deref() == Some(plan.digest.as_str()))
        {
            let (first, last) = known.tasks.unwrap_or((TaskId(1), TaskId(0)));
            let count = last.0.saturating_add(1).saturating_sub(first.0);
            return Ok(Answer::Added { plan: known.id, first, count, resumed: true });
        }
        if tasks.is_empty() {
            return Err(Error::usage("empty_plan", "there is no task to add"));
        }
        for new in tasks {
            check_timeout(new.timeout)?;
            if new.attempts_max == 0 || new.phase == 0 {
                return Err(Error::usage("bad_task", format!("attempts and phase of '{}' must be 1 or more", new.spec.title)));
            }
        }
        let first = self.tx.last_task()?.checked_add(1).ok_or_else(|| Error::bug("no task ids are left"))?;
        let count = u32::try_from(tasks.len()).map_err(|_| Error::usage("too_many_tasks", "there are too many tasks"))?;
        let id_of = |index: usize| TaskId(first.saturating_add(u32::try_from(index).unwrap_or(u32::MAX)));
        let states = self.states_of_known(tasks)?;
        let paths = self.paths(tasks)?;

        let plan_id = match plan {
            None => PlanId::ADDED,
            Some(plan) => self.add_plan(plan, tasks, (id_of(0), id_of(tasks.len() - 1)), actor)?,
        };
        let stage = self.stage_of(plan_id)?;
        let waits = plan.is_some_and(|plan| plan.waits);
        let mut lanes: HashMap<LaneKey, LaneId> = HashMap::new();
        for (index, new) in tasks.iter().enumerate() {
            let id = id_of(index);
            let key = lane_key(&new.spec, waits);
            let lane = match lanes.get(&key) {
                Some(lane) => *lane,
                None => {
                    let lane = self.lane(&key)?;
                    lanes.insert(key, lane);
                    lane
                }
            };
            let mut after: Vec<TaskId> = new
                .after
                .iter()
                .map(|after| match after {
                    After::Task(id) => *id,
                    After::Index(index) => id_of(*index),
                })
                .collect();
            after.sort_unstable();
            after.dedup();
            let is_known = |id: &TaskId| id.0 < first;
            let open = |id: &TaskId| !is_known(id) || !matches!(states.get(id), Some(Some(TaskState::Completed { .. })));
            let dead = |id: &TaskId| matches!(states.get(id), Some(Some(TaskState::Failed { .. } | TaskState::Cancelled { .. })));
            let counted = |test: &dyn Fn(&TaskId) -> bool| u32::try_from(after.iter().filter(|id| test(id)).count()).unwrap_or(u32::MAX);
            let task = Task {
                id,
                plan: plan_id,
                kind: new.kind,
                phase: new.phase,
                priority: new.priority,
                lane,
                path_ms: paths.get(index).copied().unwrap_or(0),
                state: TaskState::Pending,
                attempt: Attempt(0),
                failures: 0,
                attempts_max: new.attempts_max,
                crashes: 0,
                cycle: 0,
                timeout: new.timeout,
                waiting: counted(&open),
                dead: counted(&dead),
                held: is_held(stage, new.kind, new.phase),
                not_before: None,
                ready_at: self.now.store,
                avoid: None,
                tests: new.tests.map(|after| match after {
                    After::Task(id) => id,
                    After::Index(index) => id_of(index),
                }),
                failure: None,
                created_at: self.now.wall,
                claimed: None,
            };
            self.insert(&task, &new.spec, &[], actor)?;
            for needs in after {
                if needs >= id {
                    continue;
                }
                self.tx.insert_edge(id, needs)?;
            }
        }
        // Edges to tasks that come later in the same batch: both ends exist only now.
        for (index, new) in tasks.iter().enumerate() {
            for after in &new.after {
                if let After::Index(other) = after
                    && *other > index
                {
                    self.tx.insert_edge(id_of(index), id_of(*other))?;
                }
            }
        }
        if plan.is_none() {
            self.raise_paths(tasks, first)?;
        }
        Ok(Answer::Added { plan: plan_id, first: TaskId(first), count, resumed: false })
    }

    fn insert(&mut self, task: &Task, spec: &Spec, after: &[TaskId], actor: Actor) -> Result<()> {
        self.tx.insert(&NewRow { task, spec, after })?;
        let event = NewEvent { task: Some(task.id), ..NewEvent::new(EventKind::TaskAdded) }
            .text("title", &spec.title)
            .text("kind", task.kind.as_str());
        self.tx.append(&event, actor)?;
        self.account(None, Some(task))
    }

    /// The states of the tasks of the project that new ones come after: they must exist.
    fn states_of_known(&mut self, tasks: &[NewTask]) -> Result<HashMap<TaskId, Option<TaskState>>> {
        let mut states = HashMap::new();
        for new in tasks {
            for after in new.after.iter().chain(&new.tests) {
                match after {
                    After::Task(id) => {
                        if !states.contains_key(id) {
                            states.insert(*id, Some(self.task(*id)?.state));
                        }
                    }
                    After::Index(index) if *index < tasks.len() => {}
                    After::Index(index) => return Err(Error::bug(format!("task {index} of a batch of {} does not exist", tasks.len()))),
                }
            }
        }
        Ok(states)
    }

    /// The longest path from each new task to the end of its batch, in recorded or declared durations.
    fn paths(&self, tasks: &[NewTask]) -> Result<Vec<u64>> {
        let mut durations = Vec::with_capacity(tasks.len());
        let mut graph = Graph::new(tasks.len());
        for (index, new) in tasks.iter().enumerate() {
            durations.push(self.duration_of(&new.spec)?);
            for after in &new.after {
                if let After::Index(on) = after {
                    graph.add(index, *on);
                }
            }
        }
        if let Some(cycle) = graph.cycle() {
            let titles: Vec<&str> = cycle.iter().filter_map(|&index| tasks.get(index)).map(|new| new.spec.title.as_str()).collect();
            return Err(Error::usage("cycle", format!("the tasks wait for each other: {}", titles.join(" → "))));
        }
        Ok(graph.critical_path(&durations))
    }

    fn duration_of(&self, spec: &Spec) -> Result<u64> {
        if let Some(run) = &spec.run
            && let Some(ms) = self.tx.duration(duration_key(run))?
        {
            return Ok(ms);
        }
        Ok(spec.estimate.map_or(DURATION_DEFAULT_MS, |span| u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
    }

    /// Whatever a new task comes after lies on a longer path now.
    fn raise_paths(&mut self, tasks: &[NewTask], first: u32) -> Result<()> {
        let mut raise: Vec<(TaskId, u64)> = Vec::new();
        for (index, new) in tasks.iter().enumerate() {
            let own = self.tx.task(TaskId(first.saturating_add(u32::try_from(index).unwrap_or(0))))?;
            let path = own.and_then(|row| row.ok()).map_or(0, |task| task.path_ms);
            raise.extend(new.after.iter().filter_map(|after| match after {
                After::Task(id) => Some((*id, path)),
                After::Index(_) => None,
            }));
        }
        self.raise(raise)
    }

    /// Each of these tasks has a path of this length behind it.
    fn raise(&mut self, mut raise: Vec<(TaskId, u64)>) -> Result<()> {
        let mut left = RAISED_MAX;
        while let Some((id, behind)) = raise.pop() {
            let Some(Ok(full)) = self.tx.full(id)? else { continue };
            let path = behind.saturating_add(self.duration_of(&full.spec)?);
            if path <= full.task.path_ms || left == 0 || full.task.status() == Status::Completed {
                continue;
            }
            left -= 1;
            self.tx.put_counters(&Task { path_ms: path, ..full.task })?;
            raise.extend(full.after.into_iter().map(|before| (before, path)));
        }
        Ok(())
    }

    fn add_plan(&mut self, plan: &NewPlan, tasks: &[NewTask], range: (TaskId, TaskId), actor: Actor) -> Result<PlanId> {
        let id = PlanId(self.tx.plans()?.iter().map(|known| known.id.0).max().unwrap_or(0).saturating_add(1));
        let features = || tasks.iter().filter(|new| new.kind == Kind::Feature);
        let stage = Stage { phase: features().map(|new| new.phase).min().unwrap_or(u32::MAX), tests: features().next().is_none() };
        self.put_plan(PlanRow {
            id,
            title: plan.title.clone(),
            goal: plan.goal.clone(),
            digest: Some(plan.digest.clone()),
            source: plan.source.clone(),
            options: plan.options.clone(),
            tasks: Some(range),
            imported_at: self.now.wall,
            tests_wanted: true,
            stage,
        })?;
        let event = NewEvent::new(EventKind::PlanImported)
            .text("title", &plan.title)
            .with("plan", Fact::Number(i64::from(id.0)))
            .with("tasks", Fact::Number(i64::try_from(tasks.len()).unwrap_or(i64::MAX)));
        self.tx.append(&event, actor)?;
        Ok(id)
    }

    /// Adds the fix in front of a test that failed; `None` when the feature is gone. The caller counts it as a dependency of the test.
    pub(super) fn add_fix(&mut self, test: &Task) -> Result<Option<TaskId>> {
        let Some(feature_id) = test.tests else { return Ok(None) };
        let Some(Ok(feature)) = self.tx.full(feature_id)? else { return Ok(None) };
        let id = TaskId(self.tx.last_task()?.saturating_add(1));
        let output = test.failure.as_ref().map(|failure| failure.note.clone()).unwrap_or_default();
        let spec = Spec {
            title: fix_title(self.settings.language, &feature.spec.title),
            description: output,
            agent: feature.spec.agent.clone(),
            assignee: if feature.spec.fix.is_some() { None } else { feature.spec.assignee.clone() },
            needs: if feature.spec.fix.is_some() { Vec::new() } else { feature.spec.needs.clone() },
            instructions: feature.spec.instructions.clone(),
            context: feature.spec.context.clone(),
            accept: feature.spec.accept.clone(),
            run: feature.spec.fix.clone(),
            ..Spec::default()
        };
        let waits = self.lanes()?.iter().any(|lane| lane.id == test.lane && lane.key.waits);
        let key = lane_key(&spec, waits);
        let task = Task {
            id,
            plan: test.plan,
            kind: Kind::Fix,
            phase: test.phase,
            priority: test.priority,
            lane: self.lane(&key)?,
            path_ms: test.path_ms.saturating_add(self.duration_of(&spec)?),
            state: TaskState::Pending,
            attempt: Attempt(0),
            failures: 0,
            attempts_max: feature.task.attempts_max,
            crashes: 0,
            cycle: test.cycle,
            timeout: feature.task.timeout,
            waiting: 0,
            dead: 0,
            held: false,
            not_before: None,
            ready_at: self.now.store,
            avoid: None,
            tests: Some(feature_id),
            failure: None,
            created_at: self.now.wall,
            claimed: None,
        };
        self.insert(&task, &spec, &[], Actor::Orchestrator)?;
        self.tx.insert_edge(test.id, id)?;
        Ok(Some(id))
    }

    pub(super) fn edit(&mut self, id: TaskId, patch: &Patch, actor: Actor) -> Result<Answer> {
        let task = self.task(id)?;
        let mut spec = match self.tx.full(id)? {
            Some(Ok(full)) => full.spec,
            Some(Err(bad)) => return Err(Error::refused("row_unreadable", format!("the row of {id} does not decode: {}", bad.why))),
            None => return Err(Error::no_task(id)),
        };
        patch.timeout.map_or(Ok(()), check_timeout)?;
        let mut after = patch.after.clone();
        after.sort_unstable();
        after.dedup();
        for on in &after {
            self.task(*on)?;
            if !planted!("edge_without_cycle_check")
                && let Some(path) = dependency::would_close(id, *on, |of| self.tx.needs_of(of))?
            {
                let path: Vec<String> = path.iter().chain(path.first()).map(ToString::to_string).collect();
                return Err(Error::refused(
                    "cycle",
                    format!("{id} cannot wait for {on}: they would wait for each other ({})", path.join(" → ")),
                )
                .hint("ganger graph   draws what waits for what"));
            }
        }
        let waits_already = self.tx.needs_of(id)?;
        after.retain(|on| !waits_already.contains(on));
        if !after.is_empty() && !matches!(task.state, TaskState::Pending | TaskState::Blocked(_)) {
            let error = Error::refused("illegal_transition", format!("cannot add dependencies to {id}: it is {}", task.status()));
            return Err(error.hint(match task.state {
                TaskState::Failed { .. } | TaskState::Cancelled { .. } => format!("ganger retry {id}"),
                TaskState::Completed { .. } => format!("ganger add \"…\" --after {id}"),
                TaskState::Pending | TaskState::InProgress(_) | TaskState::Blocked(_) => format!("ganger show {id}"),
            }));
        }
        let mut fields = change_spec(&mut spec, patch);
        if !after.is_empty() {
            fields.push("after");
        }
        let waits = self.lanes()?.iter().any(|lane| lane.id == task.lane && lane.key.waits);
        let lane = self.lane(&lane_key(&spec, waits))?;
        if patch.priority.is_some() {
            fields.push("priority");
        }
        if patch.timeout.is_some() {
            fields.push("timeout");
        }
        if patch.attempts_max.is_some() {
            fields.push("attempts");
        }
        if fields.is_empty() {
            return Err(Error::usage("nothing_to_change", "nothing to change was given").hint("ganger edit --help"));
        }
        let edit = lifecycle::Edit {
            fields,
            lane: Some(lane),
            priority: patch.priority,
            timeout: patch.timeout,
            attempts_max: patch.attempts_max,
        };
        self.shifted |= lane != task.lane && task.is_free();
        let mut task = self.carry_out(&task, &Command::Edit(edit), actor)?;
        self.tx.put_spec(id, &spec)?;
        self.raise(after.iter().map(|on| (*on, task.path_ms)).collect())?;
        for on in after {
            let needed = self.task(on)?;
            if !self.tx.insert_edge(id, on)? {
                continue;
            }
            let mut moved = task.clone();
            moved.waiting += u32::from(!matches!(needed.state, TaskState::Completed { .. }));
            moved.dead += u32::from(matches!(needed.state, TaskState::Failed { .. } | TaskState::Cancelled { .. }));
            self.tx.put_counters(&moved)?;
            self.account(Some(&task), Some(&moved))?;
            task = moved;
        }
        Ok(Answer::Changed(Box::new(task)))
    }

    pub(super) fn join(&mut self, card: &Card, actor: Actor) -> Result<Answer> {
        if self.worker(&card.name)?.is_none() {
            self.enlist(&card.name, card.driver, card.thinks, actor)?;
        }
        let speaks = card.session.is_some();
        if let Some(session) = &card.session {
            self.refuse_namesake(&card.name, session)?;
        }
        if speaks {
            // A process that begins holds nothing: what its predecessor held is taken back at once.
            let held = self.worker(&card.name)?.map_or(0, |worker| worker.holding);
            if held > 0 {
                let why = "another process took its place".to_owned();
                self.tx.append(
                    &NewEvent { worker: Some(card.name.clone()), ..NewEvent::new(EventKind::WorkerLost) }.text("why", &why),
                    actor,
                )?;
                let mine: Vec<Task> = self
                    .tx
                    .live()?
                    .into_iter()
                    .filter(|task| matches!(&task.state, TaskState::InProgress(held) if held.worker == card.name))
                    .collect();
                for task in mine {
                    self.carry_out(&task, &Command::Lose, Actor::Orchestrator)?;
                }
            }
        }
        let now = self.now;
        if let Some(worker) = self.worker(&card.name)? {
            worker.driver = card.driver;
            worker.thinks = card.thinks;
            if let Some(can) = &card.can {
                worker.can.clone_from(can);
                worker.can.sort_unstable();
                worker.can.dedup();
            }
            if card.agent.is_some() {
                worker.agent.clone_from(&card.agent);
            }
            if card.target.is_some() {
                worker.target.clone_from(&card.target);
            }
            if speaks {
                worker.lost_at = None;
                worker.seen_at = Some(now.store);
                worker.last_heartbeat_at = Some(now.wall);
                worker.turned_at = Some(now.store);
            }
        }
        if speaks {
            self.tx.put_session(&card.name, card.session.as_deref())?;
        }
        Ok(Answer::Done)
    }
}

impl Book<'_> {
    /// On one machine a lock says that a name is taken. Between machines it is whoever has it and was heard within a lease.
    fn refuse_namesake(&mut self, name: &WorkerName, session: &str) -> Result<()> {
        if !self.is_shared() {
            return Ok(());
        }
        let read = |text: &str| serde_json::from_str::<Session>(text).ok();
        let (Some(other), Some(own)) = (self.tx.session(name)?.as_deref().and_then(read), read(session)) else { return Ok(()) };
        if (&other.boot, &other.home) == (&own.boot, &own.home) {
            return Ok(());
        }
        let (now, lease) = (self.now.store, self.settings.lease);
        let lives =
            self.worker(name)?.is_some_and(|worker| worker.lost_at.is_none() && worker.seen_at.is_some_and(|at| now.since(at) < lease));
        if !lives {
            return Ok(());
        }
        Err(Error::refused("worker_running", format!("a process on {} works as '{name}' already", domain::text::escaped(&other.host, 80)))
            .hint(format!("ganger workers show {name}"))
            .hint("choose another name with --worker"))
    }
}

fn check_timeout(timeout: Duration) -> Result<()> {
    if timeout < Duration::from_millis(1) { Err(Error::usage("bad_timeout", "a timeout must be longer than 0s")) } else { Ok(()) }
}

/// The lane of a task with this spec.
pub(crate) fn lane_key(spec: &Spec, waits: bool) -> LaneKey {
    LaneKey { assignee: spec.assignee.clone(), needs: spec.needs.clone(), runs: spec.run.is_some(), waits }
}

/// Applies a patch and names what it changed.
fn change_spec(spec: &mut Spec, patch: &Patch) -> Vec<&'static str> {
    let before = spec.clone();
    let command = |old: &mut Option<String>, new: &Option<String>| {
        if let Some(new) = new {
            *old = (!new.is_empty()).then(|| new.clone());
        }
    };
    if let Some(title) = &patch.title {
        spec.title.clone_from(title);
    }
    if let Some(description) = &patch.description {
        spec.description.clone_from(description);
    }
    if let Some(assignee) = &patch.assignee {
        spec.assignee.clone_from(assignee);
    }
    if let Some(agent) = &patch.agent {
        spec.agent.clone_from(agent);
    }
    if let Some(needs) = &patch.needs {
        spec.needs.clone_from(needs);
        spec.needs.sort_unstable();
        spec.needs.dedup();
    }
    for (old, new) in [
        (&mut spec.context, &patch.context),
        (&mut spec.inputs, &patch.inputs),
        (&mut spec.outputs, &patch.outputs),
        (&mut spec.accept, &patch.accept),
    ] {
        if let Some(new) = new {
            old.clone_from(new);
        }
    }
    command(&mut spec.instructions, &patch.instructions);
    command(&mut spec.run, &patch.run);
    command(&mut spec.check, &patch.check);
    command(&mut spec.test, &patch.test);
    command(&mut spec.fix, &patch.fix);
    if patch.estimate.is_some() {
        spec.estimate = patch.estimate;
    }
    let changed = [
        ("title", spec.title != before.title),
        ("description", spec.description != before.description),
        ("assign", spec.assignee != before.assignee),
        ("agent", spec.agent != before.agent),
        ("needs", spec.needs != before.needs),
        ("instructions", spec.instructions != before.instructions),
        ("context", spec.context != before.context),
        ("inputs", spec.inputs != before.inputs),
        ("outputs", spec.outputs != before.outputs),
        ("accept", spec.accept != before.accept),
        ("run", spec.run != before.run),
        ("check", spec.check != before.check),
        ("test", spec.test != before.test),
        ("fix", spec.fix != before.fix),
        ("estimate", spec.estimate != before.estimate),
    ];
    changed.into_iter().filter(|(_, changed)| *changed).map(|(name, _)| name).collect()
}
