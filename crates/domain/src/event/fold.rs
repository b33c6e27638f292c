//! What the events of one task come to: its status and its claims, told from the journal alone, to hold against its row (G2 iii, iv).
//! It knows nothing of the tasks around it: a pending task behind a failed dependency is PENDING here.

use super::{EventKind, Fact, NewEvent};
use crate::id::Attempt;
use crate::task::Status;

/// What the fold reads of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// What happened.
    pub kind: EventKind,
    /// In which attempt.
    pub attempt: Option<Attempt>,
    /// Whether its data says `final`.
    pub is_final: bool,
    /// The status that its data names, where it sets one: only a restored task has it.
    pub status: Option<Status>,
}

impl From<&NewEvent> for Seen {
    fn from(event: &NewEvent) -> Self {
        let is_final = event.data.iter().any(|(name, fact)| *name == "final" && *fact == Fact::Flag(true));
        let status = event.data.iter().find_map(|(name, fact)| match fact {
            Fact::Text(word) if *name == "status" => Status::from_word(word),
            Fact::Text(_) | Fact::Number(_) | Fact::Flag(_) | Fact::List(_) => None,
        });
        Self { kind: event.kind, attempt: event.attempt, is_final, status }
    }
}

/// What the events so far come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fold {
    /// How the task stands; `None` before it was added.
    pub status: Option<Status>,
    /// How often it was claimed: what its attempt must be.
    pub claims: u32,
    /// The first event, by index from 0, that cannot follow those before it: a second claim while one is open, an end without a claim.
    pub misfit: Option<usize>,
    told: usize,
}

impl Fold {
    /// Reads one more event of the task.
    pub fn tell(&mut self, event: Seen) {
        let index = self.told;
        self.told += 1;
        let Some((status, fits)) = self.after(event) else { return };
        if event.kind == EventKind::TaskClaimed {
            self.claims = self.claims.saturating_add(1);
        }
        if event.kind == EventKind::TaskRestored {
            // What came before has gaps; whoever restored the task said how it stands, and that counts.
            (self.claims, self.misfit) = (event.attempt.map_or(0, |attempt| attempt.0), None);
        }
        if !fits && self.misfit.is_none() {
            self.misfit = Some(index);
        }
        self.status = Some(status);
    }

    /// Where an event leads, and whether it can follow; `None` when it moves nothing.
    fn after(&self, event: Seen) -> Option<(Status, bool)> {
        let is = |status: Status| self.status == Some(status);
        let is_held = is(Status::InProgress);
        match event.kind {
            EventKind::TaskAdded => Some((Status::Pending, self.status.is_none())),
            EventKind::TaskClaimed => {
                let number = self.claims.saturating_add(1);
                Some((Status::InProgress, is(Status::Pending) && event.attempt == Some(Attempt(number))))
            }
            EventKind::TaskCompleted => Some((Status::Completed, is_held)),
            EventKind::TaskBlocked => Some((Status::Blocked, is_held)),
            EventKind::TaskReleased | EventKind::TaskExpired => Some((Status::Pending, is_held)),
            // An expiry that was a failure tells both, one after the other.
            EventKind::TaskFailed if event.is_final => Some((Status::Failed, is_held || is(Status::Pending))),
            EventKind::TaskFailed => Some((Status::Pending, is_held || is(Status::Pending))),
            // A failed test returns behind its fix from PENDING; everything else from where it had ended.
            EventKind::TaskRetried => Some((Status::Pending, is(Status::Pending) || is(Status::Failed) || is(Status::Cancelled))),
            EventKind::TaskCancelled => Some((Status::Cancelled, is_held || is(Status::Pending) || is(Status::Blocked))),
            EventKind::TaskUnblocked => Some((Status::Pending, is(Status::Blocked))),
            EventKind::TaskRestored => Some((event.status.unwrap_or(Status::Pending), true)),
            EventKind::TaskEdited
            | EventKind::TaskStarted
            | EventKind::TaskFellBack
            | EventKind::CheckPassed
            | EventKind::CheckFailed
            | EventKind::WorkerAdded
            | EventKind::WorkerLost
            | EventKind::WorkerLimited
            | EventKind::WorkerRemoved
            | EventKind::WorkerPaused
            | EventKind::WorkerResumed
            | EventKind::PromptDelivered
            | EventKind::PromptUnconfirmed
            | EventKind::MessagePosted
            | EventKind::BoardEditApplied
            | EventKind::BoardEditRefused
            | EventKind::RunStarted
            | EventKind::RunFinished
            | EventKind::PlanImported
            | EventKind::ProjectImported
            | EventKind::ProjectRepaired
            | EventKind::RowUnreadable => None,
        }
    }
}

/// What the events of one task, in their order, come to.
#[must_use]
pub fn fold(events: impl IntoIterator<Item = Seen>) -> Fold {
    let mut fold = Fold::default();
    events.into_iter().for_each(|event| fold.tell(event));
    fold
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(kind: EventKind, attempt: u32) -> Seen {
        Seen { kind, attempt: (attempt > 0).then_some(Attempt(attempt)), is_final: false, status: None }
    }

    #[test]
    fn a_life_folds_to_its_end() {
        use EventKind::*;
        let life = [
            seen(TaskAdded, 0),
            seen(TaskClaimed, 1),
            seen(TaskExpired, 1),
            seen(TaskClaimed, 2),
            seen(TaskStarted, 2),
            seen(TaskCompleted, 2),
        ];
        let told = fold(life);
        assert_eq!((told.status, told.claims, told.misfit), (Some(Status::Completed), 2, None));
        assert_eq!(fold(life[..3].iter().copied()).status, Some(Status::Pending));
    }

    #[test]
    fn only_a_final_failure_ends_a_task() {
        let begun = [seen(EventKind::TaskAdded, 0), seen(EventKind::TaskClaimed, 1)];
        let failed = |is_final| fold(begun.into_iter().chain([Seen { is_final, ..seen(EventKind::TaskFailed, 1) }])).status;
        assert_eq!((failed(false), failed(true)), (Some(Status::Pending), Some(Status::Failed)));
    }

    #[test]
    fn a_restored_task_stands_as_it_was_restored() {
        use EventKind::*;
        let restored = Seen { status: Some(Status::Blocked), ..seen(TaskRestored, 4) };
        let told = fold([seen(TaskClaimed, 3), restored, seen(TaskUnblocked, 4), seen(TaskClaimed, 5)]);
        assert_eq!((told.status, told.claims, told.misfit), (Some(Status::InProgress), 5, None));
    }

    #[test]
    fn what_cannot_follow_is_named() {
        use EventKind::*;
        for (events, index) in [
            (vec![seen(TaskClaimed, 1)], 0),
            (vec![seen(TaskAdded, 0), seen(TaskCompleted, 0)], 1),
            (vec![seen(TaskAdded, 0), seen(TaskClaimed, 1), seen(TaskClaimed, 2)], 2),
            (vec![seen(TaskAdded, 0), seen(TaskClaimed, 2)], 1),
            (vec![seen(TaskAdded, 0), seen(TaskClaimed, 1), seen(TaskReleased, 1), seen(TaskClaimed, 1)], 3),
            (vec![seen(TaskAdded, 0), seen(TaskUnblocked, 0)], 1),
        ] {
            assert_eq!(fold(events.clone()).misfit, Some(index), "{events:?}");
        }
    }
}
