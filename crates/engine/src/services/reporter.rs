//! The runtime files that people and agents read: always current, replaced whole, and left alone when nothing changed. So nothing in them
//! moves with the clock alone. Whatever tasks, plans and workers say is foreign text here: it can forge no heading, no row and no HTML.

mod agents;
mod facts;
mod final_output;
pub mod markdown;
mod master_plan;
pub mod mermaid;
mod results;

use std::time::Duration;

use domain::id::PlanId;
use domain::report::{Entry, Hands, HeldTests, Parts, Report, Wait, held_tests};
use domain::time::{Timestamp, show_duration};
use domain::worker::{Driver, Worker, WorkerState};

use self::facts::Facts;
use crate::clock::rfc3339;
use crate::error::Result;
use crate::files;
use crate::orchestrator::Orchestrator;
use crate::project::Project;

/// How many tasks are listed in full; of the others there are only counts.
pub const LISTED_MAX: u32 = 5_000;

/// What was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// The report.
    pub report: Report,
    /// The same for people: what `final_output.md` holds.
    pub text: String,
}

/// What does not go on by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waits {
    /// What waits for a person.
    pub waits: Vec<Wait>,
    /// How many more of those there are.
    pub more: u32,
    /// Tests that wait for the end of the features.
    pub held_tests: Vec<HeldTests>,
}

/// What of one plan, or of all, waits for somebody: the same as in the report, without reading the journal. That somebody takes what is
/// ready is believed while a worker of ganger's own is there.
///
/// # Errors
/// Those of the store.
pub fn waits(door: &Orchestrator, scope: Option<PlanId>) -> Result<Waits> {
    let patience = door.settings().limits.patience;
    door.look(|snapshot| {
        let tasks = facts::standing(snapshot, scope)?;
        let (workers, now) = (snapshot.workers()?, snapshot.now().store);
        let works = |worker: &Worker| {
            let is_ours = match worker.driver {
                Driver::Shell | Driver::Headless | Driver::Tmux => true,
                Driver::Pull => false,
            };
            is_ours
                && match worker.belief(now, patience).state {
                    WorkerState::Idle | WorkerState::Busy | WorkerState::Waiting | WorkerState::Limited => true,
                    WorkerState::Paused | WorkerState::Gone | WorkerState::Unknown => false,
                }
        };
        let hands = if workers.iter().any(works) { Hands::AtWork } else { Hands::Missing };
        let entries = entries(&tasks);
        let (waits, more) = domain::report::waits(&entries, &snapshot.lanes()?, &workers, hands);
        Ok(Waits { waits, more, held_tests: held_tests(&entries) })
    })
}

/// Writes every runtime file anew; one that has not changed is left alone.
///
/// # Errors
/// `file`, those of the store.
pub fn write(project: &Project, door: &Orchestrator, scope: Option<PlanId>) -> Result<()> {
    publish(project, door, scope).map(|_| ())
}

/// The same, and says what it wrote. `final_output.md` and `master_plan.md` are about one plan or all; what a worker has is told whatever plan it is of.
///
/// # Errors
/// `no_such_plan`, `file`, those of the store.
pub fn publish(project: &Project, door: &Orchestrator, scope: Option<PlanId>) -> Result<Written> {
    let facts = door.look(|snapshot| Facts::read(snapshot, scope))?;
    let entries = entries(&facts.tasks);
    let report = Report::from(&Parts {
        plans: &facts.plans,
        counts: facts.counts,
        wanted: facts.wanted,
        tasks: &entries,
        workers: &facts.workers,
        lanes: &facts.lanes,
        journal: &facts.journal,
        unreadable: facts.unreadable,
    });
    let (folder, language) = (project.folder(), project.language());
    for name in ["agent_tasks", "results"] {
        files::private_folder(&folder.join(name))?;
    }
    let listed = facts.tasks.iter().chain(facts.everywhere.iter().flatten());
    let claimed = listed.filter(|full| full.task.attempt.0 > 0);
    let pages = results::Pages::of(project, claimed.map(|full| full.task.id));
    files::replace(&folder.join("master_plan.md"), &master_plan::render(&report, &entries, &pages, language))?;
    agents::write(project, &facts, &pages)?;
    let text = final_output::render(&report, &pages, language);
    files::replace(&project.report(), &text)?;
    Ok(Written { report, text })
}

fn entries(tasks: &[crate::store::FullTask]) -> Vec<Entry<'_>> {
    tasks.iter().map(|full| Entry { task: &full.task, spec: &full.spec, after: &full.after, result: full.result.as_ref() }).collect()
}

/// A moment to the second: these files are not read by machines.
fn moment(at: Timestamp) -> String {
    let text = rfc3339(at);
    match text.split_once('.') {
        Some((seconds, _)) => format!("{} UTC", seconds.replace('T', " ")),
        None => text,
    }
}

/// A duration as everywhere, and none at all as seconds.
fn span(span: Duration) -> String {
    if span.is_zero() { "0s".to_owned() } else { show_duration(span) }
}
