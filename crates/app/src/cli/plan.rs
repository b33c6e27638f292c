//! `ganger plan`.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use domain::plan::{Format, Lines, Mistake, Plan, Severity, guess_format};
use domain::text::counted;
use engine::error::{Error, Kind, Result};
use engine::orchestrator::Answer;
use engine::project::Project;
use engine::{planning, random};
use serde_json::json;

use crate::context::Context;
use crate::exit;
use crate::output::table::{Table, terminal_width};

/// Read a plan, report all of its mistakes, and add its tasks: all or none. The same plan again changes nothing.
#[derive(Debug, clap::Args)]
#[command(after_long_help = FORMAT)]
pub(crate) struct Args {
    /// The plan, or - for stdin
    #[arg(value_name = "FILE", required_unless_present = "schema")]
    file: Option<String>,
    /// How it is written; guessed from its name or text otherwise
    #[arg(long, value_name = "F", value_parser = ["toml", "json", "md"])]
    format: Option<String>,
    /// Only read and show it
    #[arg(long)]
    dry_run: bool,
    /// Print the JSON Schema of plans
    #[arg(long, exclusive = true)]
    schema: bool,
}

/// What a plan holds, for those who have no more than this binary.
const FORMAT: &str = r#"A plan is TOML, JSON of the same shape, or a Markdown task list:

  title = "Leads sync"               # must be there; also: goal, fallback
  [defaults]                         # what holds for every task; any key of one
  check = "cargo test"

  [[task]]
  id = "api"                         # a name for `after`, in this plan only
  title = "Build the route"          # must be there
  description = "What a worker must know who has seen nothing else."
  after = ["other-id"]               # what must be COMPLETED before
  run = "make api"                   # does the task; without it a worker does
  check = "make check"               # must succeed before it is COMPLETED
  test = "make test"                 # becomes a task of its own
  fix = "make mend"                  # mends it when its test fails
  timeout = "20m"                    # 60m if it does not say so

Further keys of a task: kind, phase, priority, needs, assign, agent,
instructions, context, inputs, outputs, accept, attempts, estimate, tests.
`ganger plan --schema` says what each takes and means.
Kept for a later version: isolation (tasks share the project's folder) and
on_blocked (a blocked task is left to you)."#;
/// The JSON Schema of plans.
const SCHEMA: &str = include_str!("../../../../docs/plan.schema.json");
/// How many mistakes are shown; the rest is counted.
const SHOWN_MAX: usize = 20;
/// A source line that is longer is not shown, only named: a caret view of it helps nobody.
const LINE_BYTES_MAX: usize = 2_000;

pub(crate) fn run(args: Args, context: &mut Context) -> Result<u8> {
    if args.schema {
        context.printer.write(SCHEMA);
        return Ok(exit::DONE);
    }
    let name = args.file.unwrap_or_default();
    let project = context.project()?;
    let read = read(context, &project, &name, args.format.as_deref())?;
    if args.dry_run {
        show(context, &project, &read.plan)?;
        return Ok(exit::DONE);
    }
    let door = project.open(engine::store::sqlite::Use::OneShot)?;
    let request = context.request.clone().map_or_else(random::request_id, Ok)?;
    let title = read.plan.title.clone();
    let answer = planning::import(&project, &door, read.plan, &read.text, Some(&name), request)?;
    engine::services::reporter::write(&project, &door, None)?;
    tell(context, &title, &answer)
}

/// A plan as it was read.
pub(crate) struct Read {
    pub(crate) plan: Plan,
    pub(crate) text: String,
}

/// Reads a plan and shows every mistake and warning.
pub(crate) fn read(context: &mut Context, project: &Project, name: &str, format: Option<&str>) -> Result<Read> {
    let text = context.read(name, domain::plan::PLAN_BYTES_MAX as u64)?;
    let format = match format {
        Some("json") => Format::Json,
        Some("md") => Format::Markdown,
        Some(_) => Format::Toml,
        None => guess_format((name != "-").then_some(name), &text),
    };
    match planning::read(project.root(), &text, format) {
        Ok(plan) => {
            mistakes(context, name, &text, &plan.warnings);
            Ok(Read { plan, text })
        }
        Err(found) => {
            let count = found.iter().filter(|mistake| mistake.severity == Severity::Error).count();
            let named = domain::text::escaped(called(name), 100);
            let told = format!("{named} has {}; nothing was added", counted(count as u64, "mistake"));
            if context.json {
                let hints = listed(&text, &found).into_iter().take(SHOWN_MAX).collect::<Vec<_>>();
                return Err(Error { kind: Kind::Usage, code: "bad_plan", message: told, hints });
            }
            mistakes(context, name, &text, &found);
            Err(Error::usage("bad_plan", told).hint("ganger plan --help   tells what a plan holds; ganger plan --schema every key"))
        }
    }
}

/// How a plan is called where a person reads it.
fn called(name: &str) -> &str {
    if name == "-" { "stdin" } else { name }
}

/// Mistakes as lines of text, for programs.
fn listed(text: &str, found: &[Mistake]) -> Vec<String> {
    let lines = Lines::new(text);
    found
        .iter()
        .filter(|mistake| mistake.severity == Severity::Error)
        .map(|mistake| {
            let (line, column) = lines.at(text, mistake.span.start);
            let hint = mistake.hint.as_ref().map_or_else(String::new, |hint| format!(" ({hint})"));
            format!("{line}:{column}: {}{hint}", mistake.message)
        })
        .collect()
}

/// Shows mistakes with their place in the text. Only the lines that are needed are given to the renderer.
fn mistakes(context: &mut Context, name: &str, text: &str, found: &[Mistake]) {
    let renderer = if context.printer.color_err { Renderer::styled() } else { Renderer::plain() };
    let name = domain::text::escaped(called(name), 200);
    let lines = Lines::new(text);
    for mistake in found.iter().take(SHOWN_MAX) {
        let (number, column) = lines.at(text, mistake.span.start);
        let start = text[..floor(text, mistake.span.start)].rfind('\n').map_or(0, |at| at + 1);
        let end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let source = &text[start..end];
        let level = match mistake.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut group = Group::with_title(level.primary_title(mistake.message.as_str()));
        if source.len() <= LINE_BYTES_MAX {
            let from = floor(source, mistake.span.start.saturating_sub(start).min(source.len()));
            let to = floor(source, mistake.span.end.saturating_sub(start).min(source.len())).max(from);
            group = group.element(
                Snippet::source(source)
                    .line_start(number)
                    .path(name.as_str())
                    .fold(false)
                    .annotation(AnnotationKind::Primary.span(from..to)),
            );
        } else {
            group = group.element(Level::NOTE.message(format!("in {name}, line {number}, column {column}")));
        }
        if let Some(hint) = &mistake.hint {
            group = group.element(Level::HELP.message(hint.as_str()));
        }
        let shown = renderer.render(&[group]);
        context.printer.say(&shown.to_string());
    }
    if found.len() > SHOWN_MAX {
        context.printer.say(&format!("… and {} more", found.len() - SHOWN_MAX));
    }
}

/// The nearest place at or before `at` that is no middle of a character.
fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

fn show(context: &mut Context, project: &Project, plan: &Plan) -> Result<()> {
    let test_command = project.config().text("test_command")?;
    let tasks = plan.clone().into_tasks(project.language(), (!test_command.is_empty()).then_some(test_command));
    let after = |task: &domain::task::NewTask| {
        let name = |after: &domain::task::After| match after {
            domain::task::After::Index(index) => domain::id::TaskId(u32::try_from(index + 1).unwrap_or(u32::MAX)).to_string(),
            domain::task::After::Task(id) => id.to_string(),
        };
        task.after.iter().map(name).collect::<Vec<_>>()
    };
    if context.json {
        let shapes: Vec<_> = tasks
            .iter()
            .enumerate()
            .map(|(index, task)| {
                let id = domain::id::TaskId(u32::try_from(index + 1).unwrap_or(u32::MAX)).to_string();
                json!({ "id": id, "title": task.spec.title, "kind": task.kind.as_str(), "phase": task.phase, "priority": task.priority.as_str(), "after": after(task), "run": task.spec.run, "check": task.spec.check })
            })
            .collect();
        return context.printer.json(&json!({ "title": plan.title, "goal": plan.goal, "tasks": shapes }));
    }
    let mut table = Table::new(&["N", "TASK", "KIND", "PHASE", "PRIORITY", "AFTER"], 1);
    for (index, task) in tasks.iter().enumerate() {
        table.row(vec![
            (index + 1).to_string().into(),
            task.spec.title.as_str().into(),
            task.kind.as_str().into(),
            task.phase.to_string().into(),
            task.priority.as_str().into(),
            after(task)
                .iter()
                .map(|id| id.trim_start_matches("T-").trim_start_matches('0').to_owned())
                .collect::<Vec<_>>()
                .join(",")
                .into(),
        ]);
    }
    context.printer.line(&format!(
        "{} ({}; nothing was added)",
        domain::text::escaped(&plan.title, 200),
        counted(tasks.len() as u64, "task")
    ));
    for line in table.lines(terminal_width(), context.printer.color) {
        context.printer.line(&line);
    }
    Ok(())
}

/// `T-001 to T-004`, or the one.
fn range(first: domain::id::TaskId, last: domain::id::TaskId) -> String {
    if first == last { first.to_string() } else { format!("{first} to {last}") }
}

fn tell(context: &mut Context, title: &str, answer: &Answer) -> Result<u8> {
    let Answer::Added { plan, first, count, resumed } = answer else {
        return Err(Error::bug(format!("importing a plan was answered with {answer:?}")));
    };
    let last = domain::id::TaskId(first.0 + count.saturating_sub(1));
    if context.json {
        let ids: Vec<String> = (first.0..=last.0).map(|id| domain::id::TaskId(id).to_string()).collect();
        context.printer.json(&json!({ "plan": plan.0, "title": title, "tasks": ids, "resumed": resumed }))?;
    } else if *resumed {
        context.printer.line(&format!("this plan is here already: {}; nothing was added", range(*first, last)));
    } else {
        context.printer.line(&format!("added {}, {}", counted(*count, "task"), range(*first, last)));
        context.printer.line("next: ganger run");
    }
    Ok(exit::DONE)
}
