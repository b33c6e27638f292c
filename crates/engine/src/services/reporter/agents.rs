//! One file for each worker with what it has, and one with what it did. They are numbered by the roster, for ever; the name is the title.

use std::collections::HashMap;
use std::fmt::Write;

use domain::id::{Capability, WorkerName};
use domain::plan::Language;
use domain::report::words::{self, words};
use domain::task::{Status, TaskState};
use domain::time::Timestamp;
use domain::worker::Worker;

use super::facts::Facts;
use super::markdown::{first_line, inline};
use super::results::Pages;
use super::{moment, span};
use crate::error::Result;
use crate::files;
use crate::project::Project;
use crate::store::FullTask;

/// How many tasks that wait for a worker are listed.
const ASSIGNED_MAX: usize = 50;
/// How many of the tasks that it did last.
const LAST_MAX: usize = 5;
/// How many of those that it did at all: the newest.
const DONE_MAX: usize = 1_000;

/// What a worker has and did.
#[derive(Default)]
struct Share<'f> {
    holds: Vec<&'f FullTask>,
    assigned: Vec<&'f FullTask>,
    done: Vec<(Timestamp, &'f FullTask)>,
}

pub(super) fn write(project: &Project, facts: &Facts, pages: &Pages) -> Result<()> {
    let (folder, language) = (project.folder(), project.language());
    let shares = shares(facts.everywhere.as_ref().unwrap_or(&facts.tasks));
    let nothing = Share::default();
    for worker in &facts.workers {
        let share = shares.get(&worker.name).unwrap_or(&nothing);
        let name = format!("agent-{:02}", worker.number);
        files::replace(&folder.join("agent_tasks").join(format!("{name}.md")), &tasks(project, worker, share, pages, language))?;
        files::replace(&folder.join("results").join(format!("{name}-result.md")), &results(worker, share, pages, language))?;
    }
    retire(project, &facts.workers, language)
}

fn shares(tasks: &[FullTask]) -> HashMap<WorkerName, Share<'_>> {
    let mut shares: HashMap<WorkerName, Share<'_>> = HashMap::new();
    for full in tasks {
        let claimed_by = || full.task.claimed.as_ref().map(|(_, by)| by.clone());
        match &full.task.state {
            TaskState::InProgress(held) => shares.entry(held.worker.clone()).or_default().holds.push(full),
            TaskState::Completed { at, by: Some(by), .. } => shares.entry(by.clone()).or_default().done.push((*at, full)),
            TaskState::Failed { at } => {
                if let Some(by) = claimed_by() {
                    shares.entry(by).or_default().done.push((*at, full));
                }
            }
            TaskState::Pending | TaskState::Blocked(_) => {
                if let Some(name) = &full.spec.assignee {
                    shares.entry(name.clone()).or_default().assigned.push(full);
                }
            }
            TaskState::Completed { .. } | TaskState::Cancelled { .. } => {}
        }
    }
    for share in shares.values_mut() {
        share.done.sort_by_key(|(at, full)| std::cmp::Reverse((*at, full.task.id)));
    }
    shares
}

/// What a worker has.
fn tasks(project: &Project, worker: &Worker, share: &Share<'_>, pages: &Pages, language: Language) -> String {
    let words = words(language);
    let can = worker.can.iter().map(Capability::as_str).collect::<Vec<_>>().join(", ");
    let mut out =
        format!("# {}\n\n{}\n", inline(worker.name.as_str(), 64), words::worker_is(language, worker.number, worker.driver.as_str(), &can));
    let _ = writeln!(out, "\n## {}\n", words.now);
    for full in &share.holds {
        let task = &full.task;
        let brief = project.brief(task.id, task.attempt.0);
        let id =
            if files::exists(&brief) { format!("[{}](../briefs/{}.{}.md)", task.id, task.id, task.attempt.0) } else { task.id.to_string() };
        let since = task.claimed.as_ref().map_or_else(String::new, |(at, _)| format!(", {} {}", words.since, moment(*at)));
        let _ = writeln!(out, "- **{id}** {}{since}", inline(&full.spec.title, 200));
    }
    if share.holds.is_empty() {
        let _ = writeln!(out, "{}", words.nothing);
    }
    if !share.assigned.is_empty() {
        let _ = writeln!(out, "\n## {}\n", words.assigned);
        for full in share.assigned.iter().take(ASSIGNED_MAX) {
            let _ = writeln!(out, "- **{}** {}{}{}", full.task.id, inline(&full.spec.title, 200), words.colon, full.task.status());
        }
        more(&mut out, share.assigned.len().saturating_sub(ASSIGNED_MAX), language);
    }
    if !share.done.is_empty() {
        let _ = writeln!(out, "\n## {}\n", words.last);
        for (at, full) in share.done.iter().take(LAST_MAX) {
            let id = pages.link(full.task.id, "../results/");
            let _ = writeln!(out, "- **{id}** {}{}{}, {}", inline(&full.spec.title, 200), words.colon, full.task.status(), moment(*at));
        }
    }
    out
}

/// What a worker did.
fn results(worker: &Worker, share: &Share<'_>, pages: &Pages, language: Language) -> String {
    let words = words(language);
    let worked = span(std::time::Duration::from_millis(worker.runtime_ms));
    let mut out = format!("# {}\n\n{}{}{worked}\n", inline(worker.name.as_str(), 64), words.worked, words.colon);
    for (title, status) in [(words.completed, Status::Completed), (words.failed, Status::Failed)] {
        let done: Vec<&FullTask> = share.done.iter().rev().map(|(_, full)| *full).filter(|full| full.task.status() == status).collect();
        let _ = writeln!(out, "\n## {title} ({})\n", done.len());
        let skipped = done.len().saturating_sub(DONE_MAX);
        more(&mut out, skipped, language);
        for full in done.iter().skip(skipped) {
            let note = match status {
                Status::Failed => full.task.failure.as_ref().map(|failure| failure.note.as_str()),
                Status::Completed | Status::Pending | Status::InProgress | Status::Blocked | Status::Cancelled => {
                    full.result.as_ref().map(|result| result.note.as_str())
                }
            };
            let note = note
                .filter(|note| !note.trim().is_empty())
                .map_or_else(String::new, |note| format!("{}{}", words.colon, first_line(note, 200)));
            let _ = writeln!(out, "- **{}** {}{note}", pages.link(full.task.id, ""), inline(&full.spec.title, 200));
        }
        if done.is_empty() {
            let _ = writeln!(out, "{}", words.nothing);
        }
    }
    out
}

fn more(out: &mut String, count: usize, language: Language) {
    if count > 0 {
        let _ = writeln!(out, "- {}", words::more(language, u32::try_from(count).unwrap_or(u32::MAX), "ganger list"));
    }
}

/// The file of a worker that has left says so, instead of what it held then. Its results stay.
fn retire(project: &Project, workers: &[Worker], language: Language) -> Result<()> {
    let folder = project.folder().join("agent_tasks");
    for name in files::names(&folder) {
        let Some(number) =
            name.strip_prefix("agent-").and_then(|rest| rest.strip_suffix(".md")).and_then(|digits| digits.parse::<u32>().ok())
        else {
            continue;
        };
        if workers.iter().any(|worker| worker.number == number) {
            continue;
        }
        let path = folder.join(&name);
        let Ok(text) = files::read_text(&path, 1024 * 1024) else { continue };
        let title = text.lines().next().unwrap_or_default();
        if title.starts_with("# ") {
            files::replace(&path, &format!("{title}\n\n{}\n", words(language).off_roster))?;
        }
    }
    Ok(())
}
