//! The order in which a report tells: each task after what it depends on, phases one after another, and otherwise first come, first told.

use std::collections::{BTreeMap, HashMap};

use super::Entry;
use crate::dependency::Graph;
use crate::id::{PlanId, TaskId};
use crate::task::{Kind, TaskState};
use crate::time::Timestamp;

/// The indexes of `tasks` in dependency order. Of those that could come next, the one that was completed first does, then the open ones by id.
pub(super) fn order(tasks: &[Entry<'_>]) -> Vec<usize> {
    let mut by_end: Vec<usize> = (0..tasks.len()).collect();
    by_end.sort_by_key(|&index| tasks.get(index).map(|entry| (ended_at(entry), entry.task.id)));
    let nodes: HashMap<TaskId, usize> =
        by_end.iter().enumerate().filter_map(|(node, &index)| Some((tasks.get(index)?.task.id, node))).collect();
    let mut graph = Graph::new(tasks.len());
    let mut phases: BTreeMap<(PlanId, u32), Vec<usize>> = BTreeMap::new();
    for (node, entry) in by_end.iter().enumerate().filter_map(|(node, &index)| Some((node, tasks.get(index)?))) {
        for on in entry.after.iter().filter_map(|on| nodes.get(on)) {
            graph.add(node, *on);
        }
        if entry.task.kind == Kind::Feature {
            phases.entry((entry.task.plan, entry.task.phase)).or_default().push(node);
        }
    }
    barriers(&mut graph, &phases);
    match graph.order() {
        Some(order) => order.into_iter().filter_map(|node| by_end.get(node).copied()).collect(),
        // A dependency against the order of phases: then the order of completion is the best that there is.
        None => by_end,
    }
}

fn ended_at(entry: &Entry<'_>) -> Timestamp {
    match &entry.task.state {
        TaskState::Completed { at, .. } => *at,
        TaskState::Pending | TaskState::InProgress(_) | TaskState::Blocked(_) | TaskState::Failed { .. } | TaskState::Cancelled { .. } => {
            Timestamp(i64::MAX)
        }
    }
}

/// Between two phases of a plan stands a node that waits for all of the one, and that all of the next wait for: linear, where pairs would not be.
fn barriers(graph: &mut Graph, phases: &BTreeMap<(PlanId, u32), Vec<usize>>) {
    for (((plan, _), before), ((next_plan, _), after)) in phases.iter().zip(phases.iter().skip(1)) {
        if plan == next_plan {
            let barrier = graph.len();
            before.iter().for_each(|&node| graph.add(barrier, node));
            after.iter().for_each(|&node| graph.add(node, barrier));
        }
    }
}
