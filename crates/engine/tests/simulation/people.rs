//! People: they cancel, retry, answer, change what waits for what, pause and dismiss, and add more.

use domain::event::Actor;
use domain::lifecycle::Command;
use domain::task::{Priority, Status, TaskState};
use engine::orchestrator::{Act, Patch, WorkerAct};
use engine::store::FullTask;

use crate::fleet::Fleet;
use crate::world::{World, may_wait_for};

fn manage(world: &mut World, full: Option<FullTask>, command: Command) {
    if let Some(full) = full {
        // It may make no sense for this task: then it is refused.
        let _ = world.one(Actor::Human, Act::Manage { task: full.task.id, command });
    }
}

fn with(tasks: &[FullTask], wanted: impl Fn(&TaskState) -> bool) -> Vec<FullTask> {
    tasks.iter().filter(|full| wanted(&full.task.state)).cloned().collect()
}

/// Whatever comes to mind.
pub(crate) fn meddle(world: &mut World, fleet: &Fleet) {
    let tasks = world.tasks();
    let names = fleet.names();
    if world.dice.percent(15) {
        let blocked = with(&tasks, |state| matches!(state, TaskState::Blocked(_)));
        let full = world.dice.pick(&blocked);
        let command =
            if world.dice.percent(50) { Command::Unblock { note: String::new() } } else { Command::Answer { text: "yes".to_owned() } };
        manage(world, full, command);
    }
    if world.dice.per_mille(15) {
        let full = world.dice.pick(&tasks);
        manage(world, full, Command::Cancel { note: "no more".to_owned() });
    }
    if world.dice.percent(5) {
        let ended = with(&tasks, |state| matches!(state, TaskState::Failed { .. } | TaskState::Cancelled { .. }));
        let full = world.dice.pick(&ended);
        manage(world, full, Command::Retry);
    }
    if world.dice.percent(4)
        && let (Some(full), Some(on)) = (world.dice.pick(&tasks), world.dice.pick(&tasks))
        && may_wait_for(&full.task, &on.task)
    {
        wait_for(world, &full, &on);
    }
    if world.dice.percent(3)
        && let Some(full) = world.dice.pick(&tasks)
    {
        let patch = Patch {
            priority: world.dice.pick(Priority::ALL),
            // Not the one who runs commands only: a task without one that must wait for it would wait for ever.
            assignee: world.dice.percent(30).then(|| names.iter().find(|name| name.as_str() == "w1").cloned()),
            attempts_max: world.dice.percent(30).then_some(2),
            ..Patch::default()
        };
        let _ = world.one(Actor::Human, Act::Edit { task: full.task.id, patch: Box::new(patch) });
    }
    if world.dice.percent(3) {
        let what = [WorkerAct::Pause, WorkerAct::Resume, WorkerAct::Seen, WorkerAct::Remove][world.dice.below(4)].clone();
        let name = world.dice.pick(&names).unwrap();
        let _ = world.one(Actor::Human, Act::Worker { name, what });
    }
    if world.dice.percent(2) {
        let wanted = world.dice.percent(50);
        world.one(Actor::Human, Act::Tests { plan: None, wanted }).unwrap();
    }
    if world.dice.percent(3) && tasks.len() < 60 {
        world.add_one();
    }
}

fn wait_for(world: &mut World, full: &FullTask, on: &FullTask) {
    let (task, on) = (full.task.id, on.task.id);
    let patch = Patch { after: vec![on], ..Patch::default() };
    match world.one(Actor::Human, Act::Edit { task, patch: Box::new(patch) }) {
        Ok(_) => drop(world.late_edges.insert((task, on), world.events.len() as u64)),
        Err(error) => assert!(matches!(error.code, "cycle" | "nothing_to_change" | "illegal_transition"), "{error:?}"),
    }
}

/// Answers every question, lets the tests run, and, if it `heals`, sets going again whatever failed.
pub(crate) fn help(world: &mut World, heals: bool) {
    world.one(Actor::Human, Act::Tests { plan: None, wanted: true }).unwrap();
    for full in world.tasks() {
        match full.task.status() {
            Status::Blocked if full.task.dead == 0 => manage(world, Some(full), Command::Unblock { note: String::new() }),
            Status::Blocked if matches!(full.task.state, TaskState::Blocked(_)) => {
                manage(world, Some(full), Command::Unblock { note: String::new() })
            }
            Status::Failed | Status::Cancelled if heals => manage(world, Some(full), Command::Retry),
            Status::Pending | Status::InProgress | Status::Completed | Status::Blocked | Status::Failed | Status::Cancelled => {}
        }
    }
}
