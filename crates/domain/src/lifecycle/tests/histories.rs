//! Random histories of one task, in and out of turn: what G2 and G7 promise holds after every command.

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::event::NewEvent;
use crate::event::fold::{Fold, Seen};
use crate::lifecycle::Edit;
use crate::task::{CRASHES_MAX, Status};

/// Whose claim a worker presents.
#[derive(Debug, Clone)]
enum Whose {
    /// The last one that was given out.
    Last,
    /// Any that was ever given out.
    Any(Index),
    /// The last one, with another nonce.
    Forged,
    /// The last one, with an attempt that nobody made.
    Guessed(u32),
    /// The last one, as if of another task.
    Elsewhere,
}

#[derive(Debug, Clone)]
enum Move {
    Claim {
        worker: u8,
        again: Option<Index>,
    },
    Report {
        whose: Whose,
        what: u8,
    },
    Manage(u8),
    /// The tasks around it move: dependencies, its phase.
    Around {
        waiting: u32,
        dead: u32,
        held: bool,
    },
    Pass {
        seconds: i64,
    },
}

fn moves() -> impl Strategy<Value = Move> {
    let whose = prop_oneof![
        6 => Just(Whose::Last),
        3 => any::<Index>().prop_map(Whose::Any),
        1 => Just(Whose::Forged),
        1 => (0_u32..5).prop_map(Whose::Guessed),
        1 => Just(Whose::Elsewhere),
    ];
    prop_oneof![
        8 => (0_u8..3, prop::option::weighted(0.2, any::<Index>())).prop_map(|(worker, again)| Move::Claim { worker, again }),
        8 => (whose, 0_u8..9).prop_map(|(whose, what)| Move::Report { whose, what }),
        4 => (0_u8..8).prop_map(Move::Manage),
        1 => (0_u32..2, 0_u32..2, prop::bool::weighted(0.1)).prop_map(|(waiting, dead, held)| Move::Around { waiting, dead: dead.min(waiting), held }),
        3 => prop::sample::select(vec![1, 60, 120, 700]).prop_map(|seconds| Move::Pass { seconds }),
    ]
}

fn report(claim: Claim, what: u8) -> Command {
    match what {
        0 => heartbeat(claim, Step::Running),
        1 | 2 => complete(claim),
        3 => fail(claim, FailReason::Reported),
        4 => fail(claim, FailReason::Check),
        5 => fail(claim, FailReason::Infrastructure),
        6 => fail(claim, FailReason::Silence),
        7 => block(claim),
        _ => release(claim),
    }
}

fn manage(what: u8) -> Command {
    match what {
        0 | 1 => Command::Expire,
        2 => Command::Lose,
        3 => Command::Cancel { note: String::new() },
        4 => Command::Retry,
        5 => Command::Unblock { note: String::new() },
        6 => Command::Answer { text: "8080".to_owned() },
        _ => Command::Edit(Edit { attempts_max: Some(2), ..Edit::default() }),
    }
}

/// A task with the test's own account of it: nothing here is read from the task but what a change says of a claim.
struct History {
    task: Task,
    now: i64,
    fold: Fold,
    given: Vec<Claim>,
    open: Option<Claim>,
    done_by: Option<Claim>,
}

impl History {
    fn new(kind: Kind, attempts_max: u32) -> Self {
        let mut fold = Fold::default();
        fold.tell(Seen::from(&NewEvent::new(EventKind::TaskAdded)));
        let task = Task { kind, tests: Some(TaskId(3)), attempts_max, timeout: Duration::from_secs(600), ..task() };
        Self { task, now: 0, fold, given: Vec::new(), open: None, done_by: None }
    }

    fn pick(&self, whose: &Whose) -> Claim {
        let last = self.given.last().copied().unwrap_or(Claim { task: self.task.id, attempt: Attempt(0), nonce: NONCE });
        match whose {
            Whose::Last => last,
            Whose::Any(_) if self.given.is_empty() => last,
            Whose::Any(index) => *index.get(&self.given),
            Whose::Forged => Claim { nonce: OLD_NONCE, ..last },
            Whose::Guessed(attempt) => Claim { attempt: Attempt(*attempt), ..last },
            Whose::Elsewhere => Claim { task: TaskId(9), ..last },
        }
    }

    fn make(&mut self, step: &Move) -> Result<(), TestCaseError> {
        let (command, presented) = match step {
            Move::Pass { seconds } => {
                self.now += seconds;
                return Ok(());
            }
            Move::Around { waiting, dead, held } => {
                if matches!(self.task.state, TaskState::Pending) {
                    (self.task.waiting, self.task.dead, self.task.held) = (*waiting, *dead, *held);
                }
                return Ok(());
            }
            Move::Claim { worker, again } => {
                let number = u8::try_from(self.given.len()).unwrap_or(u8::MAX).wrapping_add(100);
                let nonce = match again {
                    Some(index) if !self.given.is_empty() => index.get(&self.given).nonce,
                    Some(_) | None => Nonce([number; 16]),
                };
                (claim_as(["amp", "sid", "pi"][usize::from(*worker)], nonce), None)
            }
            Move::Report { whose, what } => {
                let claim = self.pick(whose);
                (report(claim, *what), Some(claim))
            }
            Move::Manage(what) => (manage(*what), None),
        };
        let answer = transition(&self.task, &command, at(self.now), Rules::default());
        if let Some(claim) = presented {
            let again = command.verb() == "complete" && self.done_by == Some(claim);
            match &answer {
                Ok(Decision::Change(_)) => prop_assert_eq!(self.open, Some(claim), "{} by a claim that is not current", command.verb()),
                Ok(Decision::Already) => prop_assert!(again, "{} by {claim} counts as done", command.verb()),
                Err(Refusal::StaleClaim { .. } | Refusal::OtherClaim { .. }) => {
                    prop_assert!(self.open != Some(claim) && !again, "{} by the current claim", command.verb())
                }
                Err(other) => prop_assert!(false, "{} by {claim}: {other}", command.verb()),
            }
        }
        if let Ok(Decision::Change(change)) = answer {
            self.take(&command, &change)?;
        }
        Ok(())
    }

    fn take(&mut self, command: &Command, change: &Change) -> Result<(), TestCaseError> {
        prop_assert_eq!(change.before(), &self.task);
        for event in change.events() {
            self.fold.tell(Seen::from(event));
        }
        self.task = change.after().clone();
        match command {
            Command::Claim { .. } => {
                self.open = self.task.claim();
                self.given.extend(self.open);
                prop_assert!(self.open.is_some());
            }
            Command::Heartbeat { .. } | Command::Edit(_) => {}
            Command::Complete { .. } => self.done_by = self.open.take(),
            Command::Fail { .. }
            | Command::Block { .. }
            | Command::Release { .. }
            | Command::Expire
            | Command::Lose
            | Command::Cancel { .. }
            | Command::Retry
            | Command::Unblock { .. }
            | Command::Answer { .. } => self.open = None,
        }
        Ok(())
    }

    fn holds(&self) -> Result<(), TestCaseError> {
        let task = &self.task;
        prop_assert_eq!(task.claim(), self.open, "G2 i, ii: in progress means one open claim, and nothing else does");
        prop_assert_eq!(task.attempt, Attempt(self.fold.claims), "G2 iii: the attempt counts the claims");
        prop_assert_eq!(self.given.len(), self.fold.claims as usize);
        prop_assert!(
            self.given.windows(2).all(|pair| pair[0].attempt < pair[1].attempt),
            "G6: no two claims share a fence: {:?}",
            self.given
        );
        prop_assert!(task.failures <= task.attempts_max, "G2 iii: {} failures of {}", task.failures, task.attempts_max);
        prop_assert!(task.crashes <= CRASHES_MAX && task.cycle <= Rules::default().cycles_max);
        prop_assert_eq!(self.fold.misfit, None, "the events make sense in their order");
        let own = if matches!(task.state, TaskState::Pending) { Status::Pending } else { task.status() };
        prop_assert_eq!(self.fold.status, Some(own), "G2 iv: the state is the fold of the events");
        if matches!(task.state, TaskState::Failed { .. }) {
            prop_assert!(task.failure.is_some(), "who fails says why");
        }
        Ok(())
    }
}

/// 1,500 cases where `PROPTEST_CASES` says nothing. A failing case is printed, shrunk, and not kept: planted bugs would leave theirs behind.
fn config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(1_500);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_history_keeps_the_promises(kind in prop::sample::select(Kind::ALL), attempts_max in 1_u32..4, moves in prop::collection::vec(moves(), 1..60)) {
        let mut history = History::new(kind, attempts_max);
        for step in &moves {
            history.make(step)?;
            history.holds()?;
        }
    }

    /// G8: from wherever a history leads, the task can be brought to its end by commands alone.
    #[test]
    fn no_history_leads_into_a_dead_end(kind in prop::sample::select(Kind::ALL), moves in prop::collection::vec(moves(), 1..40)) {
        let mut history = History::new(kind, 2);
        for step in &moves {
            history.make(step)?;
        }
        let mut task = Task { waiting: 0, dead: 0, held: false, ..history.task };
        let later = at(history.now + 10_000);
        if task.claim().is_some() {
            task = after(&task, &Command::Expire, later);
        }
        match &task.state {
            TaskState::Completed { .. } => return Ok(()),
            TaskState::Blocked(_) => task = after(&task, &Command::Unblock { note: String::new() }, later),
            TaskState::Failed { .. } | TaskState::Cancelled { .. } => task = after(&task, &Command::Retry, later),
            TaskState::Pending | TaskState::InProgress(_) => {}
        }
        let held = after(&task, &claim_as("new", Nonce([255; 16])), later);
        prop_assert_eq!(after(&held, &complete(open(&held)), later).status(), Status::Completed);
    }
}
