//! Which part of a plan may begin: its phases one after another, and its tests when no feature can proceed any more.

use crate::task::{Kind, Status};

/// How many tasks of one plan, phase and kind stand how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// By status, in the order of [`Status::ALL`].
    pub by_status: [u32; 6],
    /// How many are held by a worker, or can be claimed now or when their time has come.
    pub moving: u32,
}

impl Counts {
    /// How many stand like this.
    #[must_use]
    pub fn of(&self, status: Status) -> u32 {
        self.by_status[status as usize]
    }

    /// How many there are.
    #[must_use]
    pub fn all(&self) -> u32 {
        self.by_status.iter().sum()
    }

    /// How many have not ended.
    #[must_use]
    pub fn open(&self) -> u32 {
        Status::ALL.iter().filter(|status| !status.is_final()).map(|&status| self.of(status)).sum()
    }
}

/// One row of a plan's tally.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// The phase, from 1.
    pub phase: u32,
    /// The kind.
    pub kind: Kind,
    /// How many stand how.
    pub counts: Counts,
}

/// What of a plan may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stage {
    /// Features of this phase and of earlier ones may.
    pub phase: u32,
    /// Whether tests may.
    pub tests: bool,
}

/// Decides what of a plan may begin. A phase is a barrier: nothing of it starts before every feature of the earlier ones has ended.
/// Tests start when no feature can proceed any more, and only where they are wanted.
#[must_use]
pub fn stage(tallies: &[Tally], tests_wanted: bool) -> Stage {
    let features = || tallies.iter().filter(|tally| tally.kind == Kind::Feature);
    let phase = features().filter(|tally| tally.counts.open() > 0).map(|tally| tally.phase).min().unwrap_or(u32::MAX);
    let moving: u32 = features().map(|tally| tally.counts.moving).sum();
    Stage { phase, tests: tests_wanted && moving == 0 }
}

/// Whether a task of this kind and phase is held back at a stage.
#[must_use]
pub fn is_held(stage: Stage, kind: Kind, phase: u32) -> bool {
    match kind {
        Kind::Feature => phase > stage.phase,
        Kind::Test => !stage.tests,
        Kind::Fix => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(phase: u32, kind: Kind, status: Status, moving: u32) -> Tally {
        let mut counts = Counts { moving, ..Counts::default() };
        counts.by_status[status as usize] = 1;
        Tally { phase, kind, counts }
    }

    #[test]
    fn a_phase_waits_for_the_end_of_the_earlier_ones() {
        let open = [tally(1, Kind::Feature, Status::InProgress, 1), tally(2, Kind::Feature, Status::Pending, 0)];
        assert_eq!(stage(&open, true), Stage { phase: 1, tests: false });
        let ended = [tally(1, Kind::Feature, Status::Failed, 0), tally(2, Kind::Feature, Status::Pending, 0)];
        assert_eq!(stage(&ended, true).phase, 2);
        let blocked = [tally(1, Kind::Feature, Status::Blocked, 0), tally(2, Kind::Feature, Status::Pending, 0)];
        assert_eq!(stage(&blocked, true).phase, 1, "what waits for a person has not ended");
    }

    #[test]
    fn tests_start_when_no_feature_can_proceed() {
        let blocked = [tally(1, Kind::Feature, Status::Blocked, 0), tally(1, Kind::Test, Status::Pending, 0)];
        assert!(stage(&blocked, true).tests, "a blocked feature cannot proceed by itself");
        assert!(!stage(&blocked, false).tests, "nobody wants them");
        let waiting_for_backoff = [tally(1, Kind::Feature, Status::Pending, 1)];
        assert!(!stage(&waiting_for_backoff, true).tests);
        let a_test_in_phase_one = [tally(1, Kind::Test, Status::Pending, 0), tally(2, Kind::Feature, Status::Pending, 1)];
        assert_eq!(
            stage(&a_test_in_phase_one, true),
            Stage { phase: 2, tests: false },
            "a test is no barrier, or both would wait for ever"
        );
    }

    #[test]
    fn an_empty_plan_holds_nothing_back() {
        let stage = stage(&[], true);
        assert!(!is_held(stage, Kind::Feature, 1) && !is_held(stage, Kind::Test, 1));
    }
}
