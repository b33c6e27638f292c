//! Tree → plan: the keys at the top, defaults filled into tasks, and what is odd about a task. What binds tasks together is in [`links`].

use std::time::Duration;

use super::fields::{self, Fields, Owner, once, words};
use super::keys::PlanKey;
use super::links::{self, Links};
use super::mistake::{Mistakes, Span};
use super::tree::{Entry, Node, Tree, Value};
use super::values::{choice, line, long};
use super::{Fallback, Format, Isolation, OnBlocked, Plan, PlanTask, TASKS_MAX, TestsWanted};
use crate::task::{ATTEMPTS_DEFAULT, Kind, NewTask, Priority, Spec, TIMEOUT_DEFAULT};
use crate::text::escaped;

/// A task for an agent should take from 5 to 15 minutes: shorter ones cost more to hand over than to do, longer ones lose much when a worker dies.
const ESTIMATE_MIN: Duration = Duration::from_secs(5 * 60);
const ESTIMATE_MAX: Duration = Duration::from_secs(15 * 60);

/// Reads the tree; what comes out is a plan only when nothing was reported.
pub(super) fn plan(tree: Tree, format: Format, found: &mut Mistakes<'_>) -> Option<Plan> {
    let mut plan = Plan {
        title: String::new(),
        goal: None,
        isolation: Isolation::None,
        on_blocked: OnBlocked::Handle,
        fallback: Fallback::Any,
        tasks: Vec::new(),
        warnings: Vec::new(),
    };
    let (mut has_title, mut defaults, mut nodes): (bool, Fields, &[Node]) = (false, Fields::default(), &[]);
    for entry in once(&tree.entries, found) {
        let (node, word) = (&entry.node, &*entry.key);
        match PlanKey::from_word(word) {
            Some(PlanKey::Title) => {
                has_title = true;
                plan.title = line(word, node, found).unwrap_or_default();
            }
            Some(PlanKey::Goal) => plan.goal = long(word, node, found),
            Some(PlanKey::Isolation) => {
                let chosen = choice(word, &words(Isolation::ALL, Isolation::as_str), Isolation::from_word, node, found);
                if chosen == Some(Isolation::Worktree) {
                    let hint = "let tasks that change the same files come after one another";
                    found.warn(&node.span, "'isolation' is not in this version: tasks share the project's folder", Some(hint));
                }
                plan.isolation = chosen.unwrap_or(plan.isolation);
            }
            Some(PlanKey::OnBlocked) => {
                let chosen = choice(word, &words(OnBlocked::ALL, OnBlocked::as_str), OnBlocked::from_word, node, found);
                if chosen == Some(OnBlocked::Handle) {
                    let hint = "`ganger status` lists what is blocked, with the command that moves it";
                    found.warn(&node.span, "'on_blocked' is not in this version: a blocked task is left to you", Some(hint));
                }
                plan.on_blocked = chosen.unwrap_or(plan.on_blocked);
            }
            Some(PlanKey::Fallback) => {
                let chosen = choice(word, &words(Fallback::ALL, Fallback::as_str), Fallback::from_word, node, found);
                plan.fallback = chosen.unwrap_or(plan.fallback);
            }
            Some(PlanKey::Defaults) => defaults = fields::read(table(entry, found), Owner::Defaults, found),
            Some(PlanKey::Task) => nodes = tasks(entry, format, found),
            None => unknown(entry, found),
        }
    }
    if !has_title && !tree.partial {
        found.error_with(
            &(0..0),
            "the plan has no title",
            match format {
                Format::Toml => "begin with title = \"…\"",
                Format::Json => "add \"title\": \"…\"",
                Format::Markdown => "begin with # …",
            },
        );
    }
    if nodes.is_empty() && !tree.partial {
        found.error_with(
            &(0..0),
            "the plan is empty: it has no task",
            match format {
                Format::Toml => "add [[task]] with title = \"…\"",
                Format::Json => "add \"task\": [{\"title\": \"…\"}]",
                Format::Markdown => "add - [ ] …",
            },
        );
    }
    let mut wanted: Vec<Links> = Vec::with_capacity(nodes.len());
    for node in nodes.iter().take(TASKS_MAX) {
        if found.is_full() {
            break;
        }
        let Value::Table(entries) = &node.value else {
            found.error(&node.span, format!("a task is a table of keys, found {}", node.value.what()));
            continue;
        };
        let (task, links) = task(fields::read(entries, Owner::Task, found), &defaults, &node.span, &tree, found);
        plan.tasks.push(task);
        wanted.push(links);
    }
    let mut whole = !tree.partial && !found.is_full();
    if let Some(node) = nodes.get(TASKS_MAX) {
        found.error_with(&node.span, format!("the plan has more than {TASKS_MAX} tasks"), "split it into several plans");
        whole = false;
    }
    links::resolve(&mut plan.tasks, &wanted, defaults.after.as_deref().unwrap_or_default(), &tree.done, whole, found);
    if tree.partial {
        // What seems odd about the half that could be read is perhaps not so in the whole.
        found.forget_warnings();
    }
    Some(plan)
}

fn unknown(entry: &Entry, found: &mut Mistakes<'_>) {
    let message = format!("unknown key '{}'", escaped(&entry.key, 40));
    let otherwise = super::keys::TaskKey::from_word(&entry.key)
        .filter(|key| key.is_default())
        .map(|key| format!("'{key}' belongs to a task, or to [defaults] for all of them"));
    let known = PlanKey::ALL.iter().map(|key| key.as_str());
    found.unknown(&entry.key_span, message, &entry.key, known, otherwise.as_deref());
}

fn table<'e>(entry: &'e Entry, found: &mut Mistakes<'_>) -> &'e [Entry] {
    if let Value::Table(entries) = &entry.node.value {
        return entries;
    }
    found.error(&entry.node.span, format!("'{}' takes a table of keys, found {}", entry.key, entry.node.value.what()));
    &[]
}

fn tasks<'e>(entry: &'e Entry, format: Format, found: &mut Mistakes<'_>) -> &'e [Node] {
    if let Value::List(nodes) = &entry.node.value {
        return nodes;
    }
    let hint = match format {
        Format::Toml => "write [[task]], with two brackets",
        Format::Json | Format::Markdown => "write \"task\": [{…}, {…}]",
    };
    found.error_with(&entry.key_span, format!("'task' takes a list of tasks, found {}", entry.node.value.what()), hint);
    std::slice::from_ref(&entry.node)
}

fn task(given: Fields, defaults: &Fields, span: &Span, tree: &Tree, found: &mut Mistakes<'_>) -> (PlanTask, Links) {
    if !given.has_title && !tree.partial {
        found.error_with(span, "the task has no title", "add a title of one line");
    }
    let at = given.title.as_ref().map_or_else(|| span.clone(), |(_, at)| at.clone());
    let or = |own: Option<String>, default: &Option<String>| own.or_else(|| default.clone());
    let lists = |own: Option<Vec<String>>, default: &Option<Vec<String>>| own.or_else(|| default.clone()).unwrap_or_default();
    let instructions = given.instructions.or_else(|| defaults.instructions.clone());
    let context = given.context.or_else(|| defaults.context.clone()).unwrap_or_default();
    let estimate = given.estimate.or_else(|| defaults.estimate.clone());
    let phase = given.phase.or_else(|| defaults.phase.clone()).map_or(1, |(phase, _)| phase);
    let local_id = given.id.as_ref().map(|(id, _)| id.clone());
    let task = NewTask {
        spec: Spec {
            title: given.title.map(|(title, _)| title).unwrap_or_default(),
            description: or(given.description, &defaults.description).unwrap_or_default(),
            agent: given.agent.or_else(|| defaults.agent.clone()).flatten(),
            assignee: given.assign.or_else(|| defaults.assign.clone()),
            needs: given.needs.or_else(|| defaults.needs.clone()).unwrap_or_default(),
            instructions: instructions.as_ref().map(|(path, _)| path.clone()),
            context: context.iter().map(|(path, _)| path.clone()).collect(),
            inputs: lists(given.inputs, &defaults.inputs),
            outputs: lists(given.outputs, &defaults.outputs),
            accept: lists(given.accept, &defaults.accept),
            run: or(given.run, &defaults.run),
            check: or(given.check, &defaults.check),
            test: or(given.test, &defaults.test),
            fix: or(given.fix, &defaults.fix),
            estimate: estimate.as_ref().map(|&(estimate, _)| estimate),
        },
        kind: given.kind.or(defaults.kind).unwrap_or(Kind::Feature),
        phase,
        priority: given.priority.or(defaults.priority).unwrap_or(Priority::Med),
        timeout: given.timeout.or(defaults.timeout).unwrap_or(TIMEOUT_DEFAULT),
        attempts_max: given.attempts.or(defaults.attempts).unwrap_or(ATTEMPTS_DEFAULT),
        after: Vec::new(),
        tests: None,
    };
    warn(&task.spec, &at, estimate.as_ref().map(|(_, span)| span), found);
    let paths = instructions.into_iter().chain(context).collect();
    let tests = given.tests.or(defaults.tests).unwrap_or(TestsWanted::Auto);
    let links = Links { id: given.id.map(|(_, span)| span), after: given.after };
    (PlanTask { local_id, task, tests, paths, span: span.clone() }, links)
}

/// What is odd about a task that an agent or a person must understand.
fn warn(spec: &Spec, at: &Span, estimate_at: Option<&Span>, found: &mut Mistakes<'_>) {
    if spec.run.is_some() {
        return;
    }
    if let (Some(estimate), Some(span)) = (spec.estimate, estimate_at) {
        let shown = crate::time::show_duration(estimate);
        if estimate < ESTIMATE_MIN {
            found.warn(
                span,
                format!("an estimate of {shown} is short for an agent's task"),
                Some("5 to 15 minutes are best: put small tasks together"),
            );
        } else if estimate > ESTIMATE_MAX {
            found.warn(
                span,
                format!("an estimate of {shown} is long for an agent's task"),
                Some("5 to 15 minutes are best: split large tasks"),
            );
        }
    }
    if spec.inputs.is_empty() && spec.outputs.is_empty() && spec.accept.is_empty() {
        let hint = "a worker knows nothing but the task: say with 'accept' when it is done";
        found.warn(at, "the task names neither inputs nor outputs nor acceptance", Some(hint));
    }
}
