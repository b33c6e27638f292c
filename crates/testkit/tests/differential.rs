//! The queue against its naive model: the same random commands, at the same moments, must get the same answers and leave the same tasks.
//! `PROPTEST_CASES` sets how many sequences (64 by default).
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod queue;

use std::collections::BTreeSet;
use std::time::Duration;

use domain::event::fold::fold;
use domain::id::{Attempt, TaskId};
use domain::lease::{Claim, Nonce};
use domain::task::{FailReason, Priority, Status, TaskState};
use domain::worker::WorkerState;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use testkit::model::{Ask, Figures, Item, Model, Need, Said, Sighting};

use queue::{Place, Queue, name};

const TASKS_MAX: usize = 8;
const FIGURES: Figures = Figures {
    lease: Duration::from_secs(120),
    quiet: Duration::from_secs(180),
    backoff_base: Duration::from_secs(1),
    backoff_cap: Duration::from_secs(300),
    crashes_max: 3,
};

/// Whose claim a worker presents.
#[derive(Debug, Clone)]
enum Whose {
    /// One that is open.
    Open(Index),
    /// Any that was ever given out.
    Any(Index),
    /// One that was given out, with another nonce.
    Forged(Index),
    /// One that was given out, with another attempt.
    Guessed(Index, u32),
}

#[derive(Debug, Clone)]
enum Move {
    Add(Vec<(Item, Vec<Index>)>),
    Claim {
        worker: usize,
        only: Option<Index>,
    },
    Report {
        whose: Whose,
        what: Report,
    },
    Manage {
        task: Index,
        what: Manage,
    },
    Wait {
        task: Index,
        on: Index,
    },
    Lose {
        worker: usize,
    },
    Sweep,
    /// The same request once more, as a client does that heard no answer.
    Again(Index),
    Pass {
        ms: u64,
    },
    JumpWall {
        hours: i64,
    },
    Reopen,
    Reboot,
}

#[derive(Debug, Clone, Copy)]
enum Report {
    Heartbeat,
    Complete,
    Fail(FailReason),
    Block,
    Release,
}

#[derive(Debug, Clone, Copy)]
enum Manage {
    Cancel,
    Retry,
    Unblock,
}

fn items() -> impl Strategy<Value = Vec<(Item, Vec<Index>)>> {
    let item = (
        prop::collection::vec(any::<Index>(), 0..3),
        prop::collection::vec(0_usize..3, 0..2),
        select(Priority::ALL),
        select(vec![30_000_u64, 60_000, 90_000]),
        select(vec![60_u64, 200, 3_600]),
        1_u32..4,
    );
    let batch = prop::collection::vec(item, 1..4);
    batch.prop_map(|batch| {
        let count = batch.len();
        let made = batch.into_iter().enumerate().map(|(own, (known, together, priority, estimate_ms, seconds, attempts_max))| {
            // Mostly on the earlier ones of the batch; on a later one now and then, which may close a circle.
            let needs = together.into_iter().filter(|other| *other < count && *other != own).map(Need::Together).collect();
            (Item { needs, priority, estimate_ms, timeout: Duration::from_secs(seconds), attempts_max }, known)
        });
        made.collect()
    })
}

fn moves() -> impl Strategy<Value = Move> {
    let whose = prop_oneof![
        8 => any::<Index>().prop_map(Whose::Open),
        3 => any::<Index>().prop_map(Whose::Any),
        1 => any::<Index>().prop_map(Whose::Forged),
        1 => (any::<Index>(), 0_u32..4).prop_map(|(index, attempt)| Whose::Guessed(index, attempt)),
    ];
    let reasons = vec![FailReason::Reported, FailReason::Check, FailReason::Timeout, FailReason::Silence, FailReason::Infrastructure];
    let report = prop_oneof![
        2 => Just(Report::Heartbeat),
        4 => Just(Report::Complete),
        3 => select(reasons).prop_map(Report::Fail),
        1 => Just(Report::Block),
        2 => Just(Report::Release),
    ];
    let manage = prop_oneof![1 => Just(Manage::Cancel), 3 => Just(Manage::Retry), 2 => Just(Manage::Unblock)];
    let pass = select(vec![1_u64, 700, 30_000, 59_999, 60_000, 119_999, 120_000, 180_001, 3_700_000]);
    prop_oneof![
        3 => items().prop_map(Move::Add),
        12 => (0_usize..3, prop::option::weighted(0.2, any::<Index>())).prop_map(|(worker, only)| Move::Claim { worker, only }),
        12 => (whose, report).prop_map(|(whose, what)| Move::Report { whose, what }),
        4 => (any::<Index>(), manage).prop_map(|(task, what)| Move::Manage { task, what }),
        2 => (any::<Index>(), any::<Index>()).prop_map(|(task, on)| Move::Wait { task, on }),
        1 => (0_usize..3).prop_map(|worker| Move::Lose { worker }),
        2 => Just(Move::Sweep),
        2 => any::<Index>().prop_map(Move::Again),
        6 => pass.prop_map(|ms| Move::Pass { ms }),
        1 => (-24_i64..24).prop_map(|hours| Move::JumpWall { hours }),
        1 => Just(Move::Reopen),
        1 => Just(Move::Reboot),
    ]
}

/// Both sides, with what was said so far.
struct Pair {
    model: Model,
    queue: Queue,
    given: Vec<Claim>,
    asked: Vec<(u32, Ask, Said)>,
    requests: u32,
}

type Outcome = Result<(), TestCaseError>;

impl Pair {
    fn new(place: Place) -> Self {
        Self { model: Model::new(FIGURES), queue: Queue::new(place), given: Vec::new(), asked: Vec::new(), requests: 0 }
    }

    /// A task that is there, or, now and then, one that is not.
    fn pick(&self, index: &Index) -> TaskId {
        let ids = self.model.ids();
        let at = index.index(ids.len() + 1);
        ids.get(at).copied().unwrap_or(TaskId(99))
    }

    fn pick_claim(&self, whose: &Whose) -> Claim {
        let open: Vec<Claim> = self.model.ids().into_iter().filter_map(|id| self.model.open_claim(id)).collect();
        let none = Claim { task: TaskId(1), attempt: Attempt(1), nonce: Nonce([0; 16]) };
        let any = |index: &Index| if self.given.is_empty() { none } else { *index.get(&self.given) };
        match whose {
            Whose::Open(index) if open.is_empty() => any(index),
            Whose::Open(index) => *index.get(&open),
            Whose::Any(index) => any(index),
            Whose::Forged(index) => Claim { nonce: Nonce([0; 16]), ..any(index) },
            Whose::Guessed(index, attempt) => Claim { attempt: Attempt(*attempt), ..any(index) },
        }
    }

    /// What a move asks for; `None` for those that ask for nothing.
    fn ask(&mut self, step: &Move) -> Option<Ask> {
        let ask = match step {
            Move::Add(batch) if self.model.ids().len() + batch.len() > TASKS_MAX => return None,
            Move::Add(batch) => {
                let known = self.model.ids();
                let with_known = |(item, picks): &(Item, Vec<Index>)| {
                    let picked = picks.iter().filter(|_| !known.is_empty()).map(|index| Need::Known(*index.get(&known)));
                    Item { needs: item.needs.iter().copied().chain(picked).collect(), ..item.clone() }
                };
                Ask::Add(batch.iter().map(with_known).collect())
            }
            Move::Claim { worker, only } => {
                let number = u8::try_from(self.requests % 255).unwrap_or(0) + 1;
                Ask::Claim { worker: name(*worker), only: only.as_ref().map(|index| self.pick(index)), nonce: Nonce([number; 16]) }
            }
            Move::Report { whose, what } => {
                let claim = self.pick_claim(whose);
                match what {
                    Report::Heartbeat => Ask::Heartbeat(claim),
                    Report::Complete => Ask::Complete(claim),
                    Report::Fail(reason) => Ask::Fail(claim, *reason),
                    Report::Block => Ask::Block(claim),
                    Report::Release => Ask::Release(claim),
                }
            }
            Move::Manage { task, what } => {
                let id = self.pick(task);
                match what {
                    Manage::Cancel => Ask::Cancel(id),
                    Manage::Retry => Ask::Retry(id),
                    Manage::Unblock => Ask::Unblock(id),
                }
            }
            Move::Wait { task, on } => Ask::Wait { task: self.pick(task), on: self.pick(on) },
            Move::Lose { worker } => Ask::Lose(name(*worker)),
            Move::Sweep => Ask::Sweep,
            Move::Again(_) | Move::Pass { .. } | Move::JumpWall { .. } | Move::Reopen | Move::Reboot => return None,
        };
        Some(ask)
    }

    fn make(&mut self, step: &Move) -> Outcome {
        match step {
            Move::Pass { ms } => self.queue.clock.pass(Duration::from_millis(*ms)),
            Move::JumpWall { hours } => self.queue.clock.jump_wall_ms(hours * 3_600_000),
            Move::Reopen => self.queue.reopen(),
            // On another machine a reboot here is one more handle.
            Move::Reboot if !self.queue.leases_end_with_the_boot() => self.queue.reopen(),
            Move::Reboot => {
                self.queue.clock.reboot();
                self.queue.reopen();
                self.model.at(self.queue.now());
                let held: Vec<TaskId> = self.model.ids().into_iter().filter(|id| self.model.open_claim(*id).is_some()).collect();
                prop_assert_eq!(self.model.over(), held, "after a new start every lease is over");
            }
            Move::Again(index) => {
                if let Some((request, ask, said)) = (!self.asked.is_empty()).then(|| index.get(&self.asked).clone()) {
                    let expected = match said {
                        Said::Changed(id, _) => Said::Changed(id, self.model.status(id)),
                        other => other,
                    };
                    prop_assert_eq!(self.queue.ask(&ask, request), expected, "the same request again: {:?}", ask);
                }
            }
            Move::Add(_)
            | Move::Claim { .. }
            | Move::Report { .. }
            | Move::Manage { .. }
            | Move::Wait { .. }
            | Move::Lose { .. }
            | Move::Sweep => {}
        }
        self.model.at(self.queue.now());
        if let Some(ask) = self.ask(step) {
            self.requests += 1;
            let (expected, said) = (self.model.ask(&ask), self.queue.ask(&ask, self.requests));
            prop_assert_eq!(&said, &expected, "left: the queue, right: the model, of {:?}", ask);
            if let Said::Claimed(claim) = said {
                self.given.push(claim);
            }
            if !matches!(said, Said::Nothing | Said::Refused(_)) {
                self.asked.push((self.requests, ask, said));
            }
        }
        self.compare()
    }

    /// Every task, the sums and the workers, as both sides see them.
    fn compare(&mut self) -> Outcome {
        let tasks = self.queue.tasks();
        let ids: Vec<TaskId> = tasks.iter().map(|task| task.id).collect();
        prop_assert_eq!(&ids, &self.model.ids());
        let now = self.queue.now();
        let mut by_status = [0_u32; 6];
        let mut moving = 0;
        for task in &tasks {
            let model = &mut self.model;
            prop_assert!(model.is_drawn(task.id, task.not_before), "{} may not be due at {:?}", task.id, task.not_before);
            let queue =
                (task.status(), (task.attempt.0, task.failures, task.crashes), task.claim(), (task.waiting, task.dead), task.is_ready(now));
            let naive = (
                model.status(task.id),
                model.counts(task.id),
                model.open_claim(task.id),
                (model.waiting(task.id), model.dead(task.id)),
                model.is_ready(task.id),
            );
            prop_assert_eq!(queue, naive, "left: the queue, right: the model, of {}", task.id);
            by_status[task.status() as usize] += 1;
            moving += u32::from(model.is_moving(task.id));
        }
        let standing = self.queue.standing();
        prop_assert_eq!((standing.counts.by_status, standing.counts.moving), (by_status, moving), "the tally");
        let stale: BTreeSet<TaskId> = standing.stale.into_iter().collect();
        prop_assert_eq!(stale, self.model.over().into_iter().collect());
        for view in standing.workers {
            let is_there = matches!(view.belief.state, WorkerState::Idle | WorkerState::Busy);
            let span = |span: Duration| domain::time::millis(span);
            let (idle_ms, runtime_ms) = (span(view.sight.idle), span(view.sight.runtime));
            let seen = Sighting { holding: view.worker.holding as usize, is_there, idle_ms, runtime_ms };
            prop_assert_eq!(
                Some(seen),
                self.model.sighting(&view.worker.name),
                "left: the queue, right: the model, of {}",
                view.worker.name
            );
        }
        Ok(())
    }

    /// G2: every row is what its events say, and the events are numbered without a gap.
    fn audit(&self) -> Outcome {
        let events = self.queue.events();
        prop_assert!(events.iter().map(|event| event.seq.0).eq(1..=events.len() as u64), "the positions are not dense");
        for task in self.queue.tasks() {
            let told = fold(queue::seen(&events, task.id));
            prop_assert_eq!(told.misfit, None, "an event of {} cannot follow: {:?}", task.id, queue::seen(&events, task.id));
            prop_assert_eq!(told.claims, task.attempt.0);
            let own = if matches!(task.state, TaskState::Pending) { Status::Pending } else { task.status() };
            prop_assert_eq!(told.status, Some(own), "{}", task.id);
        }
        Ok(())
    }
}

fn config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(64);
    ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 2_000, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_queue_does_what_its_model_does(first in items(), moves in prop::collection::vec(moves(), 1..=60)) {
        let mut pair = Pair::new(Place::file());
        pair.make(&Move::Add(first))?;
        for step in &moves {
            pair.make(step)?;
        }
        pair.audit()?;
    }

    #[test]
    fn both_stores_do_what_the_model_does_and_tell_the_same(first in items(), moves in prop::collection::vec(moves(), 1..=40)) {
        let moves: Vec<Move> = moves.into_iter().filter(|step| !matches!(step, Move::Reboot)).collect();
        let mut told = Vec::new();
        for place in [Place::file(), Place::schema()] {
            let mut pair = Pair::new(place);
            pair.make(&Move::Add(first.clone()))?;
            for step in &moves {
                pair.make(step)?;
            }
            pair.audit()?;
            let events: Vec<_> = pair.queue.events().into_iter().map(|event| (event.seq, event.kind, event.actor, event.task, event.attempt, event.worker, event.earlier, event.data)).collect();
            told.push((events, pair.queue.tasks()));
        }
        let [file, schema] = told.as_slice() else { unreachable!("two stores") };
        prop_assert_eq!(&file.0, &schema.0, "left: SQLite, right: PostgreSQL");
        prop_assert_eq!(&file.1, &schema.1, "left: SQLite, right: PostgreSQL");
    }
}

fn added(priority: Priority, estimate_ms: u64, needs: Vec<Need>) -> Ask {
    Ask::Add(vec![Item { needs, priority, estimate_ms, timeout: Duration::from_secs(60), attempts_max: 1 }])
}

/// Carries out what is asked on both sides; they must agree on each.
fn agree(asks: Vec<Ask>) {
    let mut pair = Pair::new(Place::file());
    for (request, ask) in (1..).zip(asks) {
        pair.model.at(pair.queue.now());
        assert_eq!(pair.queue.ask(&ask, request), pair.model.ask(&ask), "left: the queue, right: the model, of {ask:?}");
    }
}

fn claimed() -> Ask {
    Ask::Claim { worker: name(0), only: None, nonce: Nonce([1; 16]) }
}

#[test]
fn a_dependency_that_comes_later_lengthens_the_path() {
    let task = |estimate_ms| added(Priority::Med, estimate_ms, Vec::new());
    agree(vec![task(30_000), task(60_000), Ask::Wait { task: TaskId(2), on: TaskId(1) }, task(60_000), claimed()]);
}

#[test]
fn what_was_added_behind_a_cancelled_task_counts_when_that_is_retried() {
    let (first, behind) = (added(Priority::Med, 30_000, Vec::new()), added(Priority::Med, 60_000, vec![Need::Known(TaskId(1))]));
    let (cancel, retry) = (Ask::Cancel(TaskId(1)), Ask::Retry(TaskId(1)));
    agree(vec![first, cancel, behind, retry, added(Priority::Med, 60_000, Vec::new()), claimed()]);
}
