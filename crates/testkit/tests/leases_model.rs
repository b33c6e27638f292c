//! Every order of events: claims, heartbeats, completions, expiries and rescues with messages that come late, twice or never.
//! By default a sample that takes seconds; `GANGER_MODEL=full` visits the sizes of G6 to their end and prints how many states there are.

mod leases;

use leases::{Action, Leases, Release, State, Verbs};
use stateright::{Checker, Model, Property};

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
            Property::<Self>::always("G2 iii: the attempt counts the claims", |_, state| state.rows.iter().all(|row| row.attempt == row.claims)),
            Property::<Self>::always("G8: every task can go on to its end", |model, state| model.can_go_on(state)),
            Property::<Self>::sometimes("everything is completed", |_, state| state.rows.iter().all(|row| row.is_completed())),
            Property::<Self>::sometimes("a report comes late, while another claim is alive", |_, state| state.has_late_report()),
        ];
        if self.has_children() {
            properties.push(Property::<Self>::always("G11: a child waits for as many parents as are not done", |model, state| {
                model.counters_are_right(state)
            }));
            properties.push(Property::<Self>::always("G11: a child is let go once", |_, state| state.rows.iter().all(|row| row.released <= 1)));
        }
        if self.claims_max.is_none() {
            properties.push(Property::<Self>::eventually("G8: everything ends", |model, state| model.has_ended(state)));
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
            let count = |wanted: &dyn Fn(&leases::Row) -> bool| needs.iter().filter(|need| wanted(&state.rows[usize::from(**need)])).count();
            usize::from(row.waiting) == count(&|parent| !parent.is_completed()) && usize::from(row.dead) == count(&|parent| parent.is_final() && !parent.is_completed())
        })
    }

    /// Every task has ended, or waits behind one that did not complete.
    fn has_ended(&self, state: &State) -> bool {
        state.rows.iter().all(|row| row.is_final() || row.dead > 0)
    }

    /// Visits every state, and gives their number.
    fn visit(self) -> usize {
        let what = format!("{self:?}");
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let checker = self.checker().threads(threads).spawn_bfs().join();
        checker.assert_properties();
        let states = checker.unique_state_count();
        if is_full() {
            #[expect(clippy::disallowed_macros, reason = "the figure is what somebody who runs the full sizes wants to see")]
            {
                eprintln!("{states} states, depth {}: {what}", checker.max_depth());
            }
        }
        states
    }
}

fn is_full() -> bool {
    std::env::var("GANGER_MODEL").is_ok_and(|size| size == "full")
}

/// Workers, single tasks and claims of each, with every verb but those of people.
fn sized(workers: u8, tasks: usize, claims_max: u8) -> Leases {
    let verbs = Verbs { claim_again: true, heartbeat: true, fail: true, give_back: true, lose: true, time_over: true, ..Verbs::default() };
    Leases { workers, tasks: vec![Vec::new(); tasks], claims_max: Some(claims_max), failures_max: 2, verbs, release: Release::Counter }
}

#[test]
fn one_task_and_two_workers() {
    assert!(sized(2, 1, 3).visit() > 1);
}
