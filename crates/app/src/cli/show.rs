//! `ganger show`.

use domain::id::TaskId;
use domain::task::{Kind, TaskState};
use domain::time::show_duration;
use engine::clock::local_time;
use engine::error::Result;
use engine::files;
use engine::orchestrator::Orchestrator;
use engine::orchestrator::query::TaskView;
use engine::project::Project;

use super::{list, log, status};
use crate::context::Context;
use crate::output::table::{cut, terminal_width, wrapped};
use crate::output::{Tint, tinted};
use crate::{exit, wire};

/// Show everything about one task: what is asked for, how it stands, what happened, what came of it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The task
    #[arg(value_name = "ID")]
    id: TaskId,
}

/// How many other tasks are named, and how many events are shown.
const NAMED_MAX: usize = 50;
const EVENTS_MAX: u32 = 50;

pub(crate) fn run(args: Args, context: &mut Context) -> Result<u8> {
    let (project, door) = context.open()?;
    context.tend(&project, &door);
    let view = door.task(args.id)?;
    if context.json {
        context.printer.json(&wire::Task::from(&view))?;
        return Ok(exit::DONE);
    }
    let width = terminal_width();
    let mut page = Page { context, indent: 14, width };
    page.head(&view);
    page.state(&view);
    page.spec(&view);
    page.graph(&door, &view)?;
    page.outcome(&project, &view);
    page.history(&door, args.id)?;
    Ok(exit::DONE)
}

/// A page of names and values.
struct Page<'c> {
    context: &'c mut Context,
    indent: usize,
    width: Option<usize>,
}

impl Page<'_> {
    fn tinted(&self, text: &str, tint: Tint) -> String {
        tinted(text, tint, self.context.printer.color)
    }

    /// A name and its value, when there is one. What has several lines stands below its name.
    fn field(&mut self, name: &str, value: &str) {
        if value.is_empty() {
            return;
        }
        let shown = domain::text::escaped_lines(value.trim_end());
        let label = self.tinted(&format!("{name:<width$}", width = self.indent), Tint::Dim);
        if shown.contains('\n') {
            self.context.printer.line(label.trim_end());
            let lines: Vec<String> = shown.lines().flat_map(|line| self.fitted(line, 4)).collect();
            for line in lines {
                self.context.printer.line(&format!("  │ {line}"));
            }
        } else {
            for (index, line) in self.fitted(&shown, self.indent).into_iter().enumerate() {
                let before = if index == 0 { label.clone() } else { " ".repeat(self.indent) };
                self.context.printer.line(&format!("{before}{line}"));
            }
        }
    }

    /// A line in as many as the terminal wants behind this indentation.
    fn fitted(&self, line: &str, indent: usize) -> Vec<String> {
        match self.width {
            Some(width) => wrapped(line, width.saturating_sub(indent).max(20)),
            None => vec![line.to_owned()],
        }
    }

    fn all(&mut self, name: &str, values: &[String]) {
        for (index, value) in values.iter().enumerate() {
            self.field(if index == 0 { name } else { "" }, value);
        }
    }

    fn head(&mut self, view: &TaskView) {
        let title = domain::text::escaped(&view.full.spec.title, 1_000);
        let line = self.tinted(&format!("{} {title}", view.full.task.id), Tint::Bold);
        self.context.printer.line(&line);
    }

    fn state(&mut self, view: &TaskView) {
        let task = &view.full.task;
        let mut standing = self.tinted(&list::standing(task), list::tint(task.status()));
        if view.ready {
            standing.push_str(", ready");
        } else if task.held {
            standing.push_str(match task.kind {
                Kind::Test => ", tests begin when no feature can go on",
                Kind::Feature | Kind::Fix => ", its phase has not begun",
            });
        }
        let label = self.tinted(&format!("{:<width$}", "status", width = self.indent), Tint::Dim);
        self.context.printer.line(&format!("{label}{standing}"));
        if view.blocked.is_some() || view.moved_by().is_some() {
            self.field("why", &status::why(view));
        }
        self.field("to move it", &view.moved_by().unwrap_or_default());
        if let (TaskState::InProgress(held), Some(until)) = (&task.state, view.lease_until) {
            self.field("held by", &format!("{} (attempt {}), lease until {}", held.worker, task.attempt.0, local_time(until)));
        }
        self.field("not before", &view.not_before.map_or_else(String::new, local_time));
        let mut counts = format!("{} of at most {} failed", task.failures, task.attempts_max);
        if task.crashes > 0 {
            counts.push_str(&format!(", {} lost with its worker", task.crashes));
        }
        if task.cycle > 0 {
            counts.push_str(&format!(", {}", domain::text::counted(task.cycle, "repair")));
        }
        self.field("attempts", &format!("{} ({counts})", task.attempt.0));
        self.field("added", &local_time(task.created_at));
        self.field("claimed", &task.claimed.as_ref().map_or_else(String::new, |(at, by)| format!("{} by {by}", local_time(*at))));
        match &task.state {
            TaskState::Completed { at, by, .. } => {
                let by = by.as_ref().map_or_else(String::new, |by| format!(" by {by}"));
                self.field("completed", &format!("{}{by}", local_time(*at)));
            }
            TaskState::Failed { at } => self.field("failed", &local_time(*at)),
            TaskState::Cancelled { at } => self.field("cancelled", &local_time(*at)),
            TaskState::Pending | TaskState::InProgress(_) | TaskState::Blocked(_) => {}
        }
    }

    fn spec(&mut self, view: &TaskView) {
        let (task, spec) = (&view.full.task, &view.full.spec);
        self.field("kind", &format!("{}, phase {}, plan {}", task.kind, task.phase, task.plan.0));
        self.field("priority", task.priority.as_str());
        self.field("agent", spec.agent.as_deref().unwrap_or_default());
        self.field("assignee", spec.assignee.as_ref().map(domain::id::WorkerName::as_str).unwrap_or_default());
        self.field("needs", &spec.needs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
        let estimate = spec.estimate.map_or_else(String::new, |span| format!(", estimated {}", show_duration(span)));
        self.field("timeout", &format!("{}{estimate}", show_duration(task.timeout)));
        self.field("description", &spec.description);
        self.field("instructions", spec.instructions.as_deref().unwrap_or_default());
        self.all("context", &spec.context);
        self.all("inputs", &spec.inputs);
        self.all("outputs", &spec.outputs);
        self.all("accept", &spec.accept);
        for (name, command) in [("run", &spec.run), ("check", &spec.check), ("test", &spec.test), ("fix", &spec.fix)] {
            self.field(name, command.as_deref().unwrap_or_default());
        }
    }

    /// The tasks around it, with how they stand.
    fn graph(&mut self, door: &Orchestrator, view: &TaskView) -> Result<()> {
        let id = view.full.task.id;
        self.others(door, "after", &view.full.after)?;
        let mut behind: Vec<TaskId> = door.look(|snapshot| snapshot.dependents(id))?.into_iter().map(|task| task.id).collect();
        behind.retain(|id| Some(*id) != view.tested_by);
        self.others(door, "before", &behind)?;
        let tests: Vec<TaskId> = view.full.task.tests.into_iter().collect();
        self.others(door, "tests", &tests)?;
        let tested: Vec<TaskId> = view.tested_by.into_iter().collect();
        self.others(door, "tested by", &tested)
    }

    fn others(&mut self, door: &Orchestrator, name: &str, ids: &[TaskId]) -> Result<()> {
        for (index, id) in ids.iter().take(NAMED_MAX).enumerate() {
            let label = self.tinted(&format!("{:<width$}", if index == 0 { name } else { "" }, width = self.indent), Tint::Dim);
            let known = match door.task(*id) {
                Ok(other) => {
                    let status = self.tinted(&format!("{:<11}", other.full.task.status().as_str()), list::tint(other.full.task.status()));
                    let used = self.indent + id.to_string().len() + 13;
                    let room = self.width.map_or(80, |width| width.saturating_sub(used).clamp(20, 80));
                    format!("{status} {}", cut(&domain::text::escaped(&other.full.spec.title, 80), room))
                }
                Err(error) if error.code == "row_unreadable" => "its row does not decode".to_owned(),
                Err(error) => return Err(error),
            };
            self.context.printer.line(&format!("{label}{id} {known}"));
        }
        if ids.len() > NAMED_MAX {
            self.field("", &format!("… {} more", ids.len() - NAMED_MAX));
        }
        Ok(())
    }

    /// What came of it, and the files that exist.
    fn outcome(&mut self, project: &Project, view: &TaskView) {
        let (task, attempt) = (&view.full.task, view.full.task.attempt.0);
        if let Some(failure) = &task.failure {
            self.field("last failure", &format!("{}: {}", failure.reason, failure.note));
        }
        if let Some(result) = &view.full.result {
            self.field("note", &result.note);
            self.all("files", &result.files);
            self.field("cost", &result.cost_usd.map_or_else(String::new, |cost| format!("${cost:.2}")));
            self.field("tokens", &result.tokens.map_or_else(String::new, |(read, written)| format!("{read} read, {written} written")));
        }
        let paths = [
            ("brief", project.brief(task.id, attempt)),
            ("output", project.output(task.id, attempt, "")),
            ("check output", project.output(task.id, attempt, ".check")),
            ("result", project.result(task.id)),
        ];
        for (name, path) in paths {
            if files::is_file(&path) {
                self.field(name, &project.short(&path));
            }
        }
    }

    fn history(&mut self, door: &Orchestrator, id: TaskId) -> Result<()> {
        let events = door.history(id, EVENTS_MAX + 1)?;
        let left_out = events.len().saturating_sub(EVENTS_MAX as usize);
        self.context.printer.line("");
        if left_out > 0 {
            self.context.printer.line(&format!("… earlier: ganger log --task {id}"));
        }
        let mut pen = log::Pen::of(self.context);
        events.iter().skip(left_out).for_each(|event| pen.write(self.context, event));
        Ok(())
    }
}
