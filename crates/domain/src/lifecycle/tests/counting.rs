//! What counts as what: failures are bounded by `attempts_max`, deaths of workers by three, repairs of a test by the cycles; nothing else counts (G10).

use super::*;
use crate::lifecycle::Edit;
use crate::retry::Backoff;
use crate::task::{CRASHES_MAX, Status};

const EVERY_FAILURE: [FailReason; 5] =
    [FailReason::Reported, FailReason::Check, FailReason::Timeout, FailReason::Silence, FailReason::Infrastructure];

fn counts(task: &Task) -> (u32, u32, u32) {
    (task.failures, task.crashes, task.cycle)
}

fn reason(task: &Task) -> Option<FailReason> {
    task.failure.as_ref().map(|failure| failure.reason)
}

/// Long after everything that was claimed at second 0.
fn much_later() -> Now {
    at(100_000)
}

/// Claims the task at `now` and carries out what `then` says with the claim, at the same moment.
fn round(task: &Task, now: Now, then: impl Fn(Claim) -> Command) -> Task {
    let held = after(task, &claim_as("amp", NONCE), now);
    after(&held, &then(open(&held)), now)
}

#[test]
fn attempts_max_bounds_the_failures() {
    for attempts_max in 1..=4 {
        for why in EVERY_FAILURE {
            let mut task = Task { attempts_max, ..task() };
            for failed in 1..=attempts_max {
                assert_eq!(task.status(), Status::Pending, "after {} of {attempts_max}", failed - 1);
                task = round(&Task { not_before: None, ..task }, at(0), |claim| fail(claim, why));
                assert_eq!(counts(&task), (failed, 0, 0));
                assert_eq!(reason(&task), Some(why));
            }
            assert_eq!(task.status(), Status::Failed, "{why} {attempts_max} times");
        }
    }
}

#[test]
fn the_third_death_is_quarantine_however_many_failures_are_left() {
    let lost = |task: &Task, by: Command, now: Now| after(&claimed(task), &by, now);
    for deaths in [
        [Command::Lose, Command::Lose, Command::Lose],
        [Command::Expire, Command::Expire, Command::Expire],
        [Command::Lose, Command::Expire, Command::Lose],
    ] {
        let mut task = Task { attempts_max: 1_000, ..task() };
        for (died, death) in (1..).zip(deaths) {
            task = lost(&task, death, at(120));
            assert_eq!(counts(&task), (0, died, 0));
            assert_eq!(task.status() == Status::Failed, died == CRASHES_MAX);
        }
        assert_eq!(reason(&task), Some(FailReason::Quarantined));
    }
}

#[test]
fn claims_releases_leases_and_blocks_are_no_failures() {
    let once = Task { attempts_max: 1, ..task() };
    let held = claimed(&once);
    assert_eq!(counts(&held), (0, 0, 0));
    for (command, now) in [(release(open(&held)), at(1)), (block(open(&held)), at(1)), (Command::Expire, at(120)), (Command::Lose, at(1))] {
        let freed = after(&held, &command, now);
        assert_eq!(freed.failures, 0, "{}", command.verb());
        assert_ne!(freed.status(), Status::Failed, "{}", command.verb());
        assert_eq!(reason(&freed), None, "{}", command.verb());
    }
}

#[test]
fn a_timeout_is_a_failure_however_the_worker_heartbeats() {
    let task = Task { attempts_max: 2, timeout: Duration::from_secs(200), ..task() };
    let held = claimed(&task);
    let alive = after(&held, &heartbeat(open(&held), Step::Running), at(119));
    assert_eq!(refusal(&alive, &Command::Expire, at(199)), Refusal::StillAlive { task: task.id });
    let over = after(&alive, &Command::Expire, at(200));
    assert_eq!((over.status(), counts(&over), reason(&over)), (Status::Pending, (1, 0, 0), Some(FailReason::Timeout)));
    assert_eq!(over.not_before, None, "a timeout is no trouble of the surroundings");
}

#[test]
fn an_expiry_comes_to_the_same_whenever_somebody_looks() {
    for (timeout, heartbeat_at, end) in
        [(3_600, None, (0, 1, 0)), (60, None, (1, 0, 0)), (120, None, (1, 0, 0)), (200, Some(100), (1, 0, 0)), (300, Some(100), (0, 1, 0))]
    {
        let mut held = claimed(&Task { timeout: Duration::from_secs(timeout), ..task() });
        if let Some(second) = heartbeat_at {
            held = after(&held, &heartbeat(open(&held), Step::Running), at(second));
        }
        let ends: Vec<_> =
            (0..=4_000).step_by(20).filter_map(|second| transition(&held, &Command::Expire, at(second), Rules::default()).ok()).collect();
        for decision in &ends {
            let Decision::Change(change) = decision else { panic!("{decision:?}") };
            assert_eq!(counts(change.after()), end, "timeout {timeout} s, heartbeat {heartbeat_at:?}");
        }
        assert!(ends.len() > 10);
    }
}

#[test]
fn lease_and_time_are_over_at_their_last_millisecond() {
    let held = claimed(&Task { timeout: Duration::from_secs(120), ..task() });
    let last = Now { store: StoreTime(at(120).store.0 - 1), ..at(120) };
    assert_eq!(refusal(&held, &Command::Expire, last).code(), "still_alive");
    assert_eq!(after(&held, &Command::Expire, at(120)).status(), Status::Pending);
}

#[test]
fn a_failing_test_returns_behind_its_fix_and_spends_no_failure() {
    let rules = Rules { cycles_max: 2, ..Rules::default() };
    for why in [FailReason::Reported, FailReason::Check] {
        let mut test = Task { attempts_max: 1, ..test_task() };
        for cycle in 1..=2 {
            let held = claimed(&test);
            let change = change(&held, &fail(open(&held), why), at(1), rules);
            test = change.after().clone();
            assert!(change.wants_fix(), "cycle {cycle}");
            assert_eq!((test.status(), counts(&test), reason(&test)), (Status::Pending, (0, 0, cycle), Some(why)));
        }
        let held = claimed(&test);
        let last = change(&held, &fail(open(&held), why), at(1), rules);
        assert!(!last.wants_fix());
        assert_eq!((last.after().status(), counts(last.after())), (Status::Failed, (0, 0, 2)));
        assert_eq!(reason(last.after()), Some(FailReason::Cycles));
    }
}

#[test]
fn without_cycles_a_failing_test_fails_at_once_for_its_own_reason() {
    let held = claimed(&test_task());
    let end = change(&held, &fail(open(&held), FailReason::Check), at(1), Rules { cycles_max: 0, ..Rules::default() });
    assert!(!end.wants_fix());
    assert_eq!((end.after().status(), counts(end.after()), reason(end.after())), (Status::Failed, (0, 0, 0), Some(FailReason::Check)));
}

#[test]
fn only_a_verdict_asks_for_a_fix() {
    for why in [FailReason::Timeout, FailReason::Silence, FailReason::Infrastructure] {
        let held = claimed(&test_task());
        let change = change(&held, &fail(open(&held), why), at(1), Rules::default());
        assert!(!change.wants_fix(), "{why} says nothing about the feature");
        assert_eq!(counts(change.after()), (1, 0, 0));
    }
    for kind in [Kind::Feature, Kind::Fix] {
        let held = claimed(&Task { kind, tests: Some(TaskId(3)), ..task() });
        let change = change(&held, &fail(open(&held), FailReason::Check), at(1), Rules::default());
        assert!(!change.wants_fix(), "a {kind} is not mended");
        assert_eq!(counts(change.after()), (1, 0, 0));
    }
    let orphan = claimed(&Task { tests: None, ..test_task() });
    assert_eq!(counts(&after(&orphan, &fail(open(&orphan), FailReason::Check), at(1))), (1, 0, 0), "a test of nothing cannot be mended");
}

#[test]
fn troubles_of_the_surroundings_wait_and_others_do_not() {
    let backoff = Backoff { base: Duration::from_secs(10), cap: Duration::from_secs(25) };
    let rules = Rules { backoff, ..Rules::default() };
    for why in EVERY_FAILURE {
        let mut task = Task { attempts_max: 20, ..task() };
        for failures in 1..20 {
            let held = after(&Task { not_before: None, ..task }, &claim_as("amp", NONCE), at(0));
            task = change(&held, &fail(open(&held), why), at(50), rules).after().clone();
            match task.not_before {
                Some(due) => {
                    assert_eq!(why, FailReason::Infrastructure);
                    let longest = [10, 20, 25][(failures - 1).min(2)];
                    assert!(due >= at(50).store && due <= at(50 + longest).store, "failure {failures}: {due:?}");
                    let code = refusal(&Task { not_before: Some(at(51).store), ..task.clone() }, &claim_as("sid", NONCE), at(50)).code();
                    assert_eq!(code, "not_ready");
                }
                None => assert_ne!(why, FailReason::Infrastructure),
            }
        }
    }
}

#[test]
fn waits_differ_from_attempt_to_attempt() {
    let backoff = Backoff { base: Duration::from_secs(300), cap: Duration::from_secs(300) };
    let waits: std::collections::HashSet<_> = (1..=100)
        .map(|attempt| {
            let held = claimed(&Task { attempt: Attempt(attempt), ..task() });
            change(&held, &fail(open(&held), FailReason::Infrastructure), at(0), Rules { backoff, ..Rules::default() }).after().not_before
        })
        .collect();
    assert!(waits.len() > 90, "only {} waits in 100 are different: workers would come back together", waits.len());
}

#[test]
fn retry_sets_every_count_to_zero_but_the_fence() {
    let mut task = Task { attempts_max: 1, ..task() };
    for command in [Command::Lose, Command::Lose] {
        task = after(&claimed(&task), &command, at(1));
    }
    task = round(&task, at(1), |claim| fail(claim, FailReason::Reported));
    assert_eq!((task.status(), counts(&task), task.attempt), (Status::Failed, (1, 2, 0), Attempt(3)));
    let again = after(&Task { cycle: 2, ..task }, &Command::Retry, much_later());
    assert_eq!((again.status(), counts(&again), again.attempt), (Status::Pending, (0, 0, 0), Attempt(3)));
    assert_eq!(reason(&again), Some(FailReason::Reported), "the next attempt is told why the last one failed");
    assert!(again.is_ready(much_later().store));
}

#[test]
fn success_forgets_the_failure_but_not_the_count() {
    let failed = round(&task(), at(0), |claim| fail(claim, FailReason::Check));
    let done = round(&failed, at(0), complete);
    assert_eq!((counts(&done), reason(&done)), ((1, 0, 0), None));
}

#[test]
fn no_edit_moves_a_task_or_lets_it_have_failed_more_than_it_may() {
    let failed_twice = Task { failures: 2, ..task() };
    let held = claimed(&failed_twice);
    let blocked = after(&held, &block(open(&held)), at(1));
    let failed = Task { state: TaskState::Failed { at: at(1).wall }, ..failed_twice.clone() };
    for task in [failed_twice, held, blocked, failed] {
        for attempts_max in [0, 1, 2, 5] {
            let edit = Edit {
                fields: vec!["attempts"],
                lane: Some(LaneId(9)),
                priority: Some(Priority::Low),
                timeout: Some(Duration::from_secs(5)),
                attempts_max: Some(attempts_max),
            };
            let edited = after(&task, &Command::Edit(edit), much_later());
            let unmoved =
                Task { lane: task.lane, priority: task.priority, timeout: task.timeout, attempts_max: task.attempts_max, ..edited.clone() };
            assert_eq!(unmoved, task, "an edit changes what was asked for and nothing else");
            assert_eq!((edited.lane, edited.priority, edited.timeout), (LaneId(9), Priority::Low, Duration::from_secs(5)));
            assert_eq!(edited.attempts_max, attempts_max.max(2));
        }
    }
    let none_left = after(&task(), &Command::Edit(Edit { attempts_max: Some(0), ..Edit::default() }), at(0));
    assert_eq!(none_left.attempts_max, 1, "a task may fail once at least");
}
