//! Every order of events: claims, heartbeats, completions, expiries and rescues with messages that come late, twice or never.
//! By default a sample that takes seconds; `GANGER_MODEL=full` visits the sizes of G6 to their end and prints how many states there are.

mod leases;

use leases::{Action, Leases, Release, Row, State, Verbs};
use stateright::{Checker, HasDiscoveries, Model, Property};

impl Model for Leases {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.start()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.all_actions(state, actions);
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        self.next(state, action)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::<Self>::always("G6: at most one live claim, G7: a stale claim changes nothing", |_, state| state.broken.is_none()),
            Property::<Self>::always("G2 i: in progress means exactly one open claim", |_, state| {
                (0..).zip(&state.rows).all(|(task, row)| row.token(task) == row.open)
            }),
            Property::<Self>::always("G2 iii: the attempt counts the claims", |_, state| {
                state.rows.iter().all(|row| row.attempt == row.claims)
            }),
            Property::<Self>::always("G8: every task can go on to its end", Self::can_go_on),
            Property::<Self>::sometimes("everything is completed", |_, state| state.rows.iter().all(|row| row.is_completed())),
            Property::<Self>::sometimes("a report comes late, while another claim is alive", |_, state| state.has_late_report()),
        ];
        if self.has_children() {
            properties.push(Property::<Self>::always("G11: a child counts its parents right", Self::counters_are_right));
            properties
                .push(Property::<Self>::always("G11: a child is let go once", |_, state| state.rows.iter().all(|row| row.released <= 1)));
            properties.push(Property::<Self>::always("G11: whose parents are done may begin", Self::nobody_is_forgotten));
        }
        if self.claims_max.is_none() {
            properties.push(Property::<Self>::eventually("G8: everything ends", Self::has_ended));
        }
        properties
    }
}

impl Leases {
    fn has_children(&self) -> bool {
        self.tasks.iter().any(|needs| !needs.is_empty())
    }

    fn counters_are_right(&self, state: &State) -> bool {
        self.tasks.iter().zip(&state.rows).all(|(needs, row)| {
            let count = |wanted: fn(&Row) -> bool| needs.iter().filter(|need| wanted(&state.rows[usize::from(**need)])).count();
            let (open, dead) = (count(|parent| !parent.is_completed()), count(|parent| parent.is_final() && !parent.is_completed()));
            (usize::from(row.waiting), usize::from(row.dead)) == (open, dead)
        })
    }

    fn nobody_is_forgotten(&self, state: &State) -> bool {
        state.is_writing()
            || self
                .tasks
                .iter()
                .zip(&state.rows)
                .all(|(needs, row)| row.waiting == 0 || needs.iter().any(|need| !state.rows[usize::from(*need)].is_completed()))
    }

    /// Every task has ended, or waits behind one that did not complete.
    fn has_ended(&self, state: &State) -> bool {
        state.rows.iter().all(|row| row.is_final() || row.dead > 0)
    }

    /// Visits every state, and gives their number.
    fn visit(self) -> usize {
        let what = format!("{self:?}");
        let checker = self.checker().threads(threads()).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
        checker.assert_properties();
        let states = checker.unique_state_count();
        if is_full() {
            #[expect(clippy::disallowed_macros, reason = "whoever asks for the full sizes wants to see them")]
            {
                eprintln!("{states} states, depth {}: {what}", checker.max_depth());
            }
        }
        states
    }
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn is_full() -> bool {
    std::env::var("GANGER_MODEL").is_ok_and(|size| size == "full")
}

/// Workers, tasks that wait for nothing, and how often each may be claimed.
fn sized(workers: u8, tasks: usize, claims_max: u8, verbs: Verbs) -> Leases {
    Leases { workers, tasks: vec![Vec::new(); tasks], claims_max: Some(claims_max), failures_max: 2, verbs, release: Release::Counter }
}

/// Two parents and their child.
fn family(claims_max: Option<u8>, verbs: Verbs, release: Release) -> Leases {
    Leases { workers: 2, tasks: vec![vec![], vec![], vec![0, 1]], claims_max, failures_max: 1, verbs, release }
}

const RESCUE: Verbs = Verbs {
    claim_again: false,
    heartbeat: true,
    fail: false,
    give_back: false,
    lose: true,
    time_over: false,
    people: false,
    restore: false,
};
const EVERY: Verbs = Verbs { claim_again: true, fail: true, give_back: true, time_over: true, ..RESCUE };
const AGAIN: Verbs = Verbs { claim_again: true, ..RESCUE };

#[test]
fn one_task_whatever_its_workers_say() {
    let states = sized(2, 1, 2, EVERY).visit() + sized(2, 1, 3, Verbs { claim_again: false, ..EVERY }).visit();
    assert!(states > 40_000, "only {states} states: the model has become too small to find anything");
}

#[test]
fn two_tasks_and_two_workers() {
    let states = sized(2, 2, 2, RESCUE).visit();
    assert!(states > 40_000, "only {states} states");
}

#[test]
fn every_path_ends() {
    // Without heartbeats there are no circles, so each path comes to its end: three deaths or two failures at the latest.
    let verbs = Verbs { claim_again: true, heartbeat: false, give_back: false, ..EVERY };
    let states = Leases { claims_max: None, failures_max: 1, ..sized(2, 1, 0, verbs) }.visit();
    assert!(states > 1_000, "only {states} states");
}

#[test]
fn no_claim_of_before_a_restore_passes_for_one_of_after_it() {
    let states = sized(2, 1, 2, Verbs { restore: true, lose: false, ..RESCUE }).visit();
    assert!(states > 10_000, "only {states} states");
}

#[test]
fn two_parents_let_their_child_go_once() {
    let verbs = Verbs { heartbeat: false, lose: false, people: true, ..RESCUE };
    let states = family(Some(2), verbs, Release::Counter).visit();
    assert!(states > 50_000, "only {states} states");
}

#[test]
fn counting_siblings_forgets_the_child() {
    // The model must have teeth: the well-known mistake (write skew) is found.
    let verbs = Verbs { heartbeat: false, ..RESCUE };
    let checker = family(Some(1), verbs, Release::Siblings).checker().threads(threads()).spawn_bfs().join();
    let forgotten = checker.discovery("G11: whose parents are done may begin");
    assert!(forgotten.is_some(), "two parents that end at once, each seeing the other open, were not found");
}

#[test]
fn the_sizes_of_the_guarantee() {
    if is_full() {
        let every_but_time = Verbs { time_over: false, ..EVERY };
        let states = sized(2, 2, 3, RESCUE).visit() + sized(3, 1, 4, every_but_time).visit() + sized(3, 2, 2, AGAIN).visit();
        assert!(states >= 5_000_000, "only {states} states");
        sized(2, 1, 3, Verbs { restore: true, lose: false, ..RESCUE }).visit();
        family(Some(2), Verbs { heartbeat: false, fail: true, people: true, ..RESCUE }, Release::Counter).visit();
    }
}
