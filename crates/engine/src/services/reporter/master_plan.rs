//! `master_plan.md`: what was asked for, which task waits for which, and how each stands.

use std::fmt::Write;

use domain::plan::Language;
use domain::report::words::{self, words};
use domain::report::{Entry, Report};
use domain::task::{Kind, TaskState};

use super::markdown::{heading, inline, quoted};
use super::mermaid::{self, Node};
use super::results::Pages;

/// How many plans are told with their goals.
const PLANS_MAX: usize = 50;
/// How many dependencies of a task are named.
const AFTER_MAX: usize = 8;

/// The file.
pub(super) fn render(report: &Report, entries: &[Entry<'_>], pages: &Pages, language: Language) -> String {
    let words = words(language);
    let mut out = String::new();
    for (number, plan) in report.plans.iter().take(PLANS_MAX).enumerate() {
        let blank = if number == 0 { "" } else { "\n" };
        let _ = write!(out, "{blank}{}", heading(1, if plan.title.is_empty() { words.added } else { &plan.title }));
        if let Some(goal) = &plan.goal {
            let _ = write!(out, "\n{}", quoted(goal, 40));
        }
    }
    if report.plans.is_empty() {
        out.push_str(&heading(1, words.report));
    }
    let more = report.plans.len().saturating_sub(PLANS_MAX);
    if more > 0 {
        let _ = writeln!(out, "\n{}", words::more(language, u32::try_from(more).unwrap_or(u32::MAX), "ganger report --json"));
    }
    if entries.is_empty() {
        let _ = writeln!(out, "\n{}", words::caveat(language, report.outcome));
        return out;
    }
    let nodes: Vec<Node<'_>> = entries
        .iter()
        .map(|entry| Node {
            id: entry.task.id,
            title: &entry.spec.title,
            kind: entry.task.kind,
            status: entry.task.status(),
            after: entry.after,
            mends: entry.task.tests.filter(|_| entry.task.kind == Kind::Fix),
        })
        .collect();
    let drawing = mermaid::draw(&nodes);
    let _ = write!(out, "\n## {}\n\n```mermaid\n{}```\n", words.graph, drawing.text);
    let left_out = drawing.nodes_more.saturating_add(report.left_out);
    if left_out > 0 || drawing.edges_more > 0 {
        let _ = writeln!(out, "\n{}", words::more(language, left_out.max(1), "ganger graph"));
    }
    table(&mut out, entries, pages, language);
    if report.left_out > 0 {
        let _ = writeln!(out, "\n{}", words::more(language, report.left_out, "ganger list"));
    }
    out
}

fn table(out: &mut String, entries: &[Entry<'_>], pages: &Pages, language: Language) {
    let words = words(language);
    // A column that says the same of everything says nothing.
    let phases = entries.iter().any(|entry| entry.task.phase > 1);
    let phase_head = if phases { format!(" {} |", words.phase) } else { String::new() };
    let _ = writeln!(
        out,
        "\n## {}\n\n| ID | {} | {} |{phase_head} {} | {} | {} |\n|---|---|---|{}---|---|---|",
        words.tasks,
        words.task,
        words.kind,
        words.after,
        words.status,
        words.worker,
        if phases { "---|" } else { "" }
    );
    for entry in entries {
        let task = entry.task;
        let mut after: Vec<String> = entry.after.iter().take(AFTER_MAX).map(ToString::to_string).collect();
        if entry.after.len() > AFTER_MAX {
            after.push(format!("(+{})", entry.after.len() - AFTER_MAX));
        }
        let phase = if phases { format!(" {} |", task.phase) } else { String::new() };
        let worker = match &task.state {
            TaskState::InProgress(held) => held.worker.as_str(),
            TaskState::Completed { by, .. } => by.as_ref().map_or("", |by| by.as_str()),
            TaskState::Failed { .. } => task.claimed.as_ref().map_or("", |(_, by)| by.as_str()),
            TaskState::Pending | TaskState::Blocked(_) | TaskState::Cancelled { .. } => {
                entry.spec.assignee.as_ref().map_or("", |name| name.as_str())
            }
        };
        let _ = writeln!(
            out,
            "| {} | {} | {} |{phase} {} | {} | {} |",
            pages.link(task.id, "results/"),
            inline(&entry.spec.title, 100),
            task.kind,
            after.join(", "),
            task.status(),
            inline(worker, 64)
        );
    }
}
