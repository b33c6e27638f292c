//! What binds the tasks of a plan together: ids, `after`, cycles, and phases that contradict them.

use std::collections::{HashMap, HashSet};

use super::fields::Link;
use super::mistake::{Mistakes, Span};
use super::{EDGES_MAX, PlanTask};
use crate::dependency::Graph;
use crate::task::{After, Kind};
use crate::text::escaped;

/// How many cycles are shown, and how many tasks of each.
const CYCLES_MAX: usize = 20;
const CYCLE_TASKS_MAX: usize = 10;

/// What one task says about others.
pub(super) struct Links {
    /// Where its id stands.
    pub(super) id: Option<Span>,
    /// What it comes after, where it says so.
    pub(super) after: Option<Vec<Link>>,
}

impl Links {
    /// Whether it says nothing but what its place in the text says.
    fn takes_default(&self) -> bool {
        self.after.as_ref().is_none_or(|after| !after.is_empty() && after.iter().all(|link| matches!(link, Link::Place(..))))
    }
}

/// Who is called what.
struct Names<'p> {
    ids: &'p [Option<String>],
    tasks: HashMap<&'p str, usize>,
    done: HashSet<&'p str>,
}

/// Fills in `after` and `tests` of each task. Where the plan is not whole, an id that is not found may be in the rest.
pub(super) fn resolve(
    tasks: &mut [PlanTask],
    links: &[Links],
    default: &[Link],
    done: &[(String, Span)],
    whole: bool,
    found: &mut Mistakes<'_>,
) {
    let ids: Vec<Option<String>> = tasks.iter().map(|task| task.local_id.clone()).collect();
    let names = names(&ids, links, done, found);
    let default: Vec<(usize, Span)> = default.iter().filter_map(|link| target(link, &names, tasks.len(), whole, found)).collect();
    let mut edges = 0_usize;
    let mut after: Vec<Vec<(usize, Span)>> = Vec::with_capacity(tasks.len());
    for (index, links) in links.iter().enumerate() {
        let own = links.after.as_deref().unwrap_or_default();
        let mut own: Vec<(usize, Span)> = own.iter().filter_map(|link| target(link, &names, tasks.len(), whole, found)).collect();
        if links.takes_default() {
            own.extend(default.iter().filter(|&&(on, _)| on != index).cloned());
        }
        for (on, span) in &own {
            edges += 1;
            if edges == EDGES_MAX + 1 {
                found.error_with(span, format!("the plan has more than {EDGES_MAX} dependencies"), "split it into several plans");
            }
            if *on == index {
                found.error(span, format!("{} comes after itself", called(&tasks[index])));
            }
        }
        after.push(own);
    }
    if edges > EDGES_MAX {
        return;
    }
    let mut graph = Graph::new(tasks.len());
    for (index, own) in after.iter().enumerate() {
        own.iter().filter(|&&(on, _)| on != index).for_each(|&(on, _)| graph.add(index, on));
    }
    cycles(&graph, tasks, &after, found);
    phases(&graph, tasks, &after, found);
    for (index, own) in after.into_iter().enumerate() {
        let mut seen = HashSet::with_capacity(own.len());
        let after: Vec<usize> = own.into_iter().map(|(on, _)| on).filter(|&on| seen.insert(on)).collect();
        let mut features = after.iter().copied().filter(|&on| tasks[on].task.kind == Kind::Feature);
        if let (Kind::Test | Kind::Fix, Some(only), None) = (tasks[index].task.kind, features.next(), features.next()) {
            tasks[index].task.tests = Some(After::Index(only));
        }
        tasks[index].task.after = after.into_iter().map(After::Index).collect();
    }
}

fn names<'p>(ids: &'p [Option<String>], links: &[Links], done: &'p [(String, Span)], found: &mut Mistakes<'_>) -> Names<'p> {
    let open = ids.iter().zip(links).enumerate().filter_map(|(index, (id, links))| {
        let (id, span) = (id.as_deref()?, links.id.as_ref()?);
        Some((id, span, Some(index)))
    });
    let mut all: Vec<(&str, &Span, Option<usize>)> = open.chain(done.iter().map(|(id, span)| (&**id, span, None))).collect();
    all.sort_by_key(|(_, span, _)| span.start);
    let mut first: HashMap<&str, &Span> = HashMap::with_capacity(all.len());
    let mut names = Names { ids, tasks: HashMap::with_capacity(all.len()), done: HashSet::new() };
    for (id, span, index) in all {
        if let Some(before) = first.get(id) {
            let place = found.place(before.start);
            found.error(span, format!("the id '{id}' is given twice, first{place}"));
            continue;
        }
        first.insert(id, span);
        match index {
            Some(index) => {
                names.tasks.insert(id, index);
            }
            None => {
                names.done.insert(id);
            }
        }
    }
    names
}

fn target(link: &Link, names: &Names<'_>, tasks: usize, whole: bool, found: &mut Mistakes<'_>) -> Option<(usize, Span)> {
    match link {
        Link::Place(place, span) => (*place < tasks).then(|| (*place, span.clone())),
        Link::Named(id, span) => {
            if let Some(&index) = names.tasks.get(&**id) {
                return Some((index, span.clone()));
            }
            if whole && !names.done.contains(&**id) {
                let message = format!("no task of this plan has the id '{}'", escaped(id, 64));
                let is_of_project = id.parse::<crate::id::TaskId>().is_ok();
                let otherwise =
                    is_of_project.then_some("'after' takes ids that tasks of this plan give themselves, not those of the project");
                found.unknown(span, message, id, names.ids.iter().flatten().map(String::as_str), otherwise);
            }
            None
        }
    }
}

/// A task as a reader of the plan knows it.
fn called(task: &PlanTask) -> String {
    match &task.local_id {
        Some(id) => format!("'{id}'"),
        None => format!("'{}'", escaped(&task.task.spec.title, 30)),
    }
}

fn span_between(after: &[Vec<(usize, Span)>], task: usize, on: usize) -> Span {
    after[task].iter().find(|&&(other, _)| other == on).map_or(0..0, |(_, span)| span.clone())
}

fn cycles(graph: &Graph, tasks: &[PlanTask], after: &[Vec<(usize, Span)>], found: &mut Mistakes<'_>) {
    for cycle in graph.cycles(CYCLES_MAX) {
        let [first, second, ..] = cycle[..] else { continue };
        let name = |task: usize| called(&tasks[task]).trim_matches('\'').to_owned();
        let mut path: Vec<String> = cycle.iter().take(CYCLE_TASKS_MAX).map(|&task| name(task)).collect();
        if cycle.len() > CYCLE_TASKS_MAX {
            path.push(format!("… {} more …", cycle.len() - CYCLE_TASKS_MAX));
        }
        path.push(name(first));
        let message = format!("these tasks wait for each other: {}", path.join(" → "));
        found.error_with(&span_between(after, first, second), message, "each comes after the next: take one out of its 'after'");
    }
}

/// A feature cannot wait for a later phase, since that waits for the feature. Tests and fixes are no part of the barrier, but pass on what they wait for.
fn phases(graph: &Graph, tasks: &[PlanTask], after: &[Vec<(usize, Span)>], found: &mut Mistakes<'_>) {
    let Some(order) = graph.order() else { return };
    let mut waits_for = vec![0_u32; tasks.len()];
    for index in order {
        let own = match tasks[index].task.kind {
            Kind::Feature => tasks[index].task.phase,
            Kind::Test | Kind::Fix => 0,
        };
        let mut latest = own;
        for (on, span) in &after[index] {
            if own > 0 && waits_for[*on] > own {
                let message = format!(
                    "{} of phase {own} comes after {}, which is not done before phase {}",
                    called(&tasks[index]),
                    called(&tasks[*on]),
                    waits_for[*on]
                );
                found.error_with(span, message, "a phase begins when all earlier ones have ended");
            }
            latest = latest.max(waits_for[*on]);
        }
        waits_for[index] = if own > 0 { own } else { latest };
    }
}
