//! The graph of what waits for what: cycles with their path, order, and the longest path that is still ahead of a task.
//! Every walk is a loop over an explicit stack, linear in tasks and edges, so that a chain of any length is safe. What a task is, is not known here.

use std::collections::HashMap;

use crate::id::TaskId;

/// Tasks by index, and the edges from a task to what it depends on.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    nodes: usize,
    edges: Vec<(usize, usize)>,
}

/// The edges sorted into one row per node, without doubles: those of node `n` are `ends[starts[n]..starts[n + 1]]`.
struct Rows {
    starts: Vec<usize>,
    ends: Vec<usize>,
}

impl Rows {
    fn new(nodes: usize, edges: impl Iterator<Item = (usize, usize)> + Clone) -> Self {
        let mut places = vec![0_usize; nodes + 1];
        for (from, _) in edges.clone() {
            places[from + 1] += 1;
        }
        for node in 0..nodes {
            places[node + 1] += places[node];
        }
        let mut sorted = vec![0_usize; places[nodes]];
        let mut next = places.clone();
        for (from, to) in edges {
            sorted[next[from]] = to;
            next[from] += 1;
        }
        let mut starts = Vec::with_capacity(nodes + 1);
        let mut ends = Vec::with_capacity(sorted.len());
        let mut seen_by = vec![usize::MAX; nodes];
        for node in 0..nodes {
            starts.push(ends.len());
            for &to in &sorted[places[node]..places[node + 1]] {
                if seen_by[to] != node {
                    seen_by[to] = node;
                    ends.push(to);
                }
            }
        }
        starts.push(ends.len());
        Self { starts, ends }
    }

    fn of(&self, node: usize) -> &[usize] {
        &self.ends[self.starts[node]..self.starts[node + 1]]
    }
}

impl Graph {
    /// A graph of this many tasks, with indexes from 0, and no edge.
    #[must_use]
    pub fn new(nodes: usize) -> Self {
        Self { nodes, edges: Vec::new() }
    }

    /// Says that `task` depends on `on`. Saying it twice counts once; an index beyond the end makes the graph larger.
    pub fn add(&mut self, task: usize, on: usize) {
        self.nodes = self.nodes.max(task + 1).max(on + 1);
        self.edges.push((task, on));
    }

    /// How many tasks there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes
    }

    /// Whether there is no task.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes == 0
    }

    fn dependencies(&self) -> Rows {
        Rows::new(self.nodes, self.edges.iter().copied())
    }

    fn dependents(&self) -> Rows {
        Rows::new(self.nodes, self.edges.iter().map(|&(task, on)| (on, task)))
    }

    /// The path of one cycle, each task followed by a dependency of it, the last depending on the first; it begins with its smallest index.
    #[must_use]
    pub fn cycle(&self) -> Option<Vec<usize>> {
        self.cycles(1).pop()
    }

    /// Cycles as [`Self::cycle`] gives them, at most `cycles_max` of them: enough that without their last edges no other is left, when there are fewer.
    #[must_use]
    pub fn cycles(&self, cycles_max: usize) -> Vec<Vec<usize>> {
        const NEW: u8 = 0;
        const OPEN: u8 = 1;
        const DONE: u8 = 2;
        let rows = self.dependencies();
        let mut found = Vec::new();
        let mut state = vec![NEW; self.nodes];
        let mut path: Vec<(usize, usize)> = Vec::new();
        for root in 0..self.nodes {
            if state[root] != NEW {
                continue;
            }
            state[root] = OPEN;
            path.push((root, 0));
            while let Some((node, step)) = path.last_mut() {
                let Some(&next) = rows.of(*node).get(*step) else {
                    state[*node] = DONE;
                    path.pop();
                    continue;
                };
                *step += 1;
                if state[next] == NEW {
                    state[next] = OPEN;
                    path.push((next, 0));
                } else if state[next] == OPEN {
                    if found.len() == cycles_max {
                        return found;
                    }
                    let begin = path.iter().position(|&(on_path, _)| on_path == next).unwrap_or(0);
                    found.push(from_smallest(path[begin..].iter().map(|&(on_path, _)| on_path).collect()));
                }
            }
        }
        found
    }

    /// The tasks in an order in which each comes after what it depends on, and otherwise by index as far as it goes; `None` when there is a cycle.
    #[must_use]
    pub fn order(&self) -> Option<Vec<usize>> {
        let order = self.order_outside_cycles();
        (order.len() == self.nodes).then_some(order)
    }

    /// The same without the tasks that are on a cycle or behind one.
    fn order_outside_cycles(&self) -> Vec<usize> {
        let (dependencies, dependents) = (self.dependencies(), self.dependents());
        let mut open: Vec<usize> = (0..self.nodes).map(|node| dependencies.of(node).len()).collect();
        let mut order: Vec<usize> = (0..self.nodes).filter(|&node| open[node] == 0).collect();
        let mut done = 0;
        while done < order.len() {
            for &node in dependents.of(order[done]) {
                open[node] -= 1;
                if open[node] == 0 {
                    order.push(node);
                }
            }
            done += 1;
        }
        order
    }

    /// For each task the longest path from its beginning to the end of the graph, its own duration included, through those that depend on it.
    /// A duration that is missing counts as 0; a task on a cycle or behind one has no path but itself.
    #[must_use]
    pub fn critical_path(&self, durations_ms: &[u64]) -> Vec<u64> {
        let own = |node: usize| durations_ms.get(node).copied().unwrap_or(0);
        let dependencies = self.dependencies();
        let mut path: Vec<u64> = (0..self.nodes).map(own).collect();
        for &node in self.order_outside_cycles().iter().rev() {
            for &on in dependencies.of(node) {
                path[on] = path[on].max(own(on).saturating_add(path[node]));
            }
        }
        path
    }

    /// The tasks of the longest path through the whole graph in the order of work: what its duration hangs on. Of equals, the smallest index.
    #[must_use]
    pub fn longest_chain(&self, durations_ms: &[u64]) -> Vec<usize> {
        let path = self.critical_path(durations_ms);
        let order = self.order_outside_cycles();
        let dependents = self.dependents();
        let mut reachable = vec![false; self.nodes];
        for &node in &order {
            reachable[node] = true;
        }
        let longest = |nodes: &mut dyn Iterator<Item = usize>| {
            nodes.filter(|&node| reachable[node]).max_by(|&a, &b| path[a].cmp(&path[b]).then(b.cmp(&a)))
        };
        let mut chain = Vec::new();
        let mut next = longest(&mut (0..self.nodes));
        while let Some(node) = next {
            chain.push(node);
            next = longest(&mut dependents.of(node).iter().copied());
        }
        chain
    }
}

/// The same cycle, told from its smallest index on.
fn from_smallest(mut cycle: Vec<usize>) -> Vec<usize> {
    let smallest = cycle.iter().enumerate().min_by_key(|&(_, node)| node).map_or(0, |(place, _)| place);
    cycle.rotate_left(smallest);
    cycle
}

/// Whether a new edge from `task` to its dependency `on` would close a cycle: then the shortest one, from `task` over `on`
/// to the task that depends on `task`. `deps_of` gives the dependencies that a task has already; each task is asked for once.
///
/// # Errors
/// What `deps_of` fails with.
pub fn would_close<E>(
    task: TaskId,
    on: TaskId,
    mut deps_of: impl FnMut(TaskId) -> Result<Vec<TaskId>, E>,
) -> Result<Option<Vec<TaskId>>, E> {
    if task == on {
        return Ok(Some(vec![task]));
    }
    let mut came_from = HashMap::from([(on, task)]);
    let mut queue = vec![on];
    let mut done = 0;
    while done < queue.len() {
        let node = queue[done];
        done += 1;
        for next in deps_of(node)? {
            if next == task {
                let mut path = vec![node];
                while let Some(&before) = path.last().and_then(|last| came_from.get(last)) {
                    path.push(before);
                    if before == task {
                        break;
                    }
                }
                path.reverse();
                return Ok(Some(path));
            }
            came_from.entry(next).or_insert_with(|| {
                queue.push(next);
                node
            });
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    fn graph(nodes: usize, edges: &[(usize, usize)]) -> Graph {
        let mut graph = Graph::new(nodes);
        for &(task, on) in edges {
            graph.add(task, on);
        }
        graph
    }

    /// What reaches what, by trying everything.
    fn reach(nodes: usize, edges: &[(usize, usize)]) -> Vec<Vec<bool>> {
        let mut reach = vec![vec![false; nodes]; nodes];
        for &(task, on) in edges {
            reach[task][on] = true;
        }
        for via in 0..nodes {
            for a in 0..nodes {
                for b in 0..nodes {
                    reach[a][b] |= reach[a][via] && reach[via][b];
                }
            }
        }
        reach
    }

    fn is_cycle(cycle: &[usize], edges: &[(usize, usize)]) -> bool {
        !cycle.is_empty() && (0..cycle.len()).all(|i| edges.contains(&(cycle[i], cycle[(i + 1) % cycle.len()])))
    }

    #[test]
    fn an_empty_graph_has_nothing() {
        let empty = Graph::new(0);
        assert!(empty.is_empty() && empty.cycle().is_none() && empty.longest_chain(&[]).is_empty());
        assert_eq!(empty.order(), Some(vec![]));
        assert!(Graph::new(3).critical_path(&[]).iter().all(|&ms| ms == 0));
    }

    #[test]
    fn a_cycle_is_told_with_its_path() {
        assert_eq!(graph(1, &[(0, 0)]).cycle(), Some(vec![0]));
        assert_eq!(graph(4, &[(3, 2), (2, 1), (1, 3), (0, 1)]).cycle(), Some(vec![1, 3, 2]));
        assert_eq!(graph(4, &[(0, 1), (1, 0), (2, 3), (3, 2)]).cycles(9), vec![vec![0, 1], vec![2, 3]]);
        assert_eq!(graph(4, &[(0, 1), (1, 0), (2, 3), (3, 2)]).cycles(1).len(), 1);
        assert_eq!(graph(3, &[(1, 0), (2, 1), (2, 0), (2, 0)]).cycle(), None);
    }

    #[test]
    fn an_index_beyond_the_end_makes_the_graph_larger() {
        assert_eq!(graph(0, &[(4, 2)]).len(), 5);
    }

    #[test]
    fn the_longest_chain_is_in_the_order_of_work() {
        let diamond = graph(5, &[(1, 0), (2, 0), (3, 1), (3, 2)]);
        assert_eq!(diamond.critical_path(&[1, 10, 20, 2, 5]), vec![23, 12, 22, 2, 5]);
        assert_eq!(diamond.longest_chain(&[1, 10, 20, 2, 5]), vec![0, 2, 3]);
        assert_eq!(diamond.longest_chain(&[1, 1, 1, 1, 1]), vec![0, 1, 3], "of equals the smallest index");
    }

    #[test]
    fn a_cycle_has_no_length() {
        let knot = graph(4, &[(0, 1), (1, 0), (2, 1), (1, 3)]);
        assert_eq!(knot.critical_path(&[u64::MAX, 2, 3, 4]), vec![u64::MAX, 2, 3, 4]);
        assert_eq!(knot.longest_chain(&[9, 9, 9, 4]), vec![3]);
    }

    #[test]
    fn a_long_chain_and_a_long_cycle_overflow_nothing() {
        let tasks = 200_000;
        let mut chain = Graph::new(tasks);
        for task in 1..tasks {
            chain.add(task, task - 1);
        }
        assert_eq!(chain.cycle(), None);
        assert_eq!(chain.critical_path(&vec![1; tasks])[0], tasks as u64);
        assert_eq!(chain.longest_chain(&vec![1; tasks]).len(), tasks);
        chain.add(0, tasks - 1);
        assert_eq!(chain.cycle().map(|cycle| cycle.len()), Some(tasks));
        assert_eq!(chain.order(), None);
        let deps = |task: TaskId| Ok::<_, Infallible>(if task.0 > 1 { vec![TaskId(task.0 - 1)] } else { vec![] });
        assert_eq!(would_close(TaskId(1), TaskId(50_000), deps), Ok(Some([1].into_iter().chain((2..=50_000).rev()).map(TaskId).collect())));
        assert_eq!(would_close(TaskId(60_000), TaskId(50_000), deps), Ok(None));
    }

    #[test]
    fn a_store_that_fails_is_heard() {
        assert_eq!(would_close(TaskId(1), TaskId(2), |_| Err::<Vec<TaskId>, _>("gone")), Err("gone"));
        assert_eq!(would_close(TaskId(1), TaskId(1), |_| Err::<Vec<TaskId>, _>("gone")), Ok(Some(vec![TaskId(1)])));
    }

    proptest! {
        #[test]
        fn what_points_backwards_only_has_an_order(edges in prop::collection::vec((0usize..30, 0usize..30), 0..120), durations in prop::collection::vec(0u64..100, 30)) {
            let edges: Vec<_> = edges.into_iter().filter(|(a, b)| a != b).map(|(a, b)| (a.max(b), a.min(b))).collect();
            let dag = graph(30, &edges);
            prop_assert_eq!(dag.cycle(), None);
            let order = dag.order().unwrap_or_default();
            prop_assert_eq!(order.len(), 30);
            let mut place = [0; 30];
            for (at, &task) in order.iter().enumerate() {
                place[task] = at;
            }
            prop_assert!(edges.iter().all(|&(task, on)| place[on] < place[task]));
            let path = dag.critical_path(&durations);
            for task in 0..30 {
                let behind = edges.iter().filter(|&&(_, on)| on == task).map(|&(dependent, _)| path[dependent]).max().unwrap_or(0);
                prop_assert_eq!(path[task], durations[task] + behind);
            }
            let chain = dag.longest_chain(&durations);
            prop_assert_eq!(chain.iter().map(|&task| durations[task]).sum::<u64>(), path.iter().copied().max().unwrap_or(0));
            prop_assert!(chain.windows(2).all(|pair| edges.contains(&(pair[1], pair[0]))));
        }

        #[test]
        fn a_cycle_is_found_where_there_is_one(edges in prop::collection::vec((0usize..12, 0usize..12), 0..40)) {
            let any = graph(12, &edges);
            let reach = reach(12, &edges);
            let naive = (0..12).any(|node| reach[node][node]);
            prop_assert_eq!(any.cycle().is_some(), naive);
            prop_assert_eq!(any.order().is_none(), naive);
            let cycles = any.cycles(100);
            for cycle in &cycles {
                prop_assert!(is_cycle(cycle, &edges), "{:?}", cycle);
                prop_assert!((1..cycle.len()).all(|i| cycle[0] < cycle[i]));
            }
            let _ = (any.critical_path(&[1; 12]), any.longest_chain(&[1; 12]));
        }

        #[test]
        fn a_new_edge_closes_a_cycle_exactly_when_there_is_a_way_back(
            edges in prop::collection::vec((0usize..12, 0usize..12), 0..40), task in 0usize..12, on in 0usize..12,
        ) {
            let id = |node: usize| TaskId(node as u32);
            let deps = |asked: TaskId| Ok::<_, Infallible>(edges.iter().filter(|edge| id(edge.0) == asked).map(|edge| id(edge.1)).collect());
            let path = would_close(task_id(task), task_id(on), deps).unwrap_or_default();
            let naive = task == on || reach(12, &edges)[on][task];
            prop_assert_eq!(path.is_some(), naive);
            if let Some(path) = path {
                let path: Vec<usize> = path.into_iter().map(|found| found.0 as usize).collect();
                let mut all = edges.clone();
                all.push((task, on));
                prop_assert!(is_cycle(&path, &all), "{:?}", path);
                prop_assert_eq!(path[0], task);
            }
        }
    }

    fn task_id(node: usize) -> TaskId {
        TaskId(node as u32)
    }
}
