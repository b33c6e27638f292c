//! Leases and timeouts: who is silent loses its task, who takes too long fails it, and who dies three times over one ends it (G8, G9, G10).

use crate::shop::wish::{self, Wish, feature, features};
use crate::shop::{Shop, code, secs};
use domain::event::EventKind;
use domain::lifecycle::Command;
use domain::retry::{self, Backoff};
use domain::task::{FailReason, Status, Step, TaskState};
use domain::worker::WorkerState;

cases![
    a_silent_worker_loses_its_task_when_the_lease_is_over,
    a_heartbeat_renews_the_lease,
    a_heartbeat_never_goes_back_a_step,
    a_claim_sweeps_by_itself,
    a_late_answer_counts_while_nobody_has_taken_the_task,
    a_late_heartbeat_saves_the_claim_while_nobody_has_taken_it,
    a_timeout_counts_from_the_claim_however_it_heartbeats,
    the_last_timeout_fails_the_task,
    a_timeout_comes_before_the_lease,
    the_third_crash_quarantines,
    crashes_and_failures_are_counted_apart,
    a_retry_starts_every_count_anew,
    failures_are_bounded,
    failures_of_the_surroundings_back_off,
    waits_are_spread_so_that_not_all_come_back_at_once,
    failures_of_the_task_do_not_back_off,
    nobody_expires_what_is_alive,
    a_sweep_of_many,
    the_stale_are_shown_before_they_are_swept,
];

fn a_silent_worker_loses_its_task_when_the_lease_is_over(shop: &mut Shop) {
    let id = shop.add_one(feature("a"));
    shop.claim("amy");
    shop.pass(119);
    assert_eq!(shop.sweep(), 0);
    shop.pass(1);
    assert_eq!(shop.sweep(), 1);
    let task = shop.task(id);
    assert_eq!((task.status(), task.crashes, task.failures), (Status::Pending, 1, 0));
    assert_eq!(shop.kinds(id).last(), Some(&EventKind::TaskExpired));
    assert!(shop.is_ready(id), "claimable at once");
    assert_eq!(shop.claim("bob").attempt.0, 2);
}

fn a_heartbeat_renews_the_lease(shop: &mut Shop) {
    shop.add_one(feature("a"));
    let claim = shop.claim("amy");
    for _ in 0..20 {
        shop.pass(119);
        shop.heartbeat(claim);
        assert_eq!(shop.sweep(), 0);
    }
    assert_eq!(shop.state_of("amy"), WorkerState::Busy);
    shop.complete(claim);
}

fn a_heartbeat_never_goes_back_a_step(shop: &mut Shop) {
    let id = shop.add_one(feature("a"));
    let claim = shop.claim("amy");
    for (told, expected) in [(Step::Running, Step::Running), (Step::Checking, Step::Checking), (Step::Claimed, Step::Checking)] {
        let command = Command::Heartbeat { claim, lease: secs(120), step: told, started_at: None };
        shop.report(command).unwrap();
        assert!(matches!(shop.task(id).state, TaskState::InProgress(held) if held.step == expected));
    }
}

fn a_claim_sweeps_by_itself(shop: &mut Shop) {
    let id = shop.add_one(feature("a"));
    shop.claim("amy");
    shop.pass(120);
    assert_eq!(shop.claim("bob").task, id, "without any service running");
    assert_eq!(shop.task(id).crashes, 1);
}

fn a_late_answer_counts_while_nobody_has_taken_the_task(shop: &mut Shop) {
    shop.add_one(feature("a"));
    let claim = shop.claim("amy");
    shop.pass(100_000);
    assert_eq!(shop.complete(claim).status(), Status::Completed);
    assert_eq!(shop.sweep(), 0);
}

fn a_late_heartbeat_saves_the_claim_while_nobody_has_taken_it(shop: &mut Shop) {
    shop.add_one(feature("a"));
    let claim = shop.claim("amy");
    shop.pass(500);
    shop.heartbeat(claim);
    assert_eq!(shop.sweep(), 0);
    shop.complete(claim);
}

fn a_timeout_counts_from_the_claim_however_it_heartbeats(shop: &mut Shop) {
    let id = shop.add_one(feature("a").timeout(300));
    let claim = shop.claim("amy");
    for _ in 0..2 {
        shop.pass(100);
        shop.heartbeat(claim);
        assert_eq!(shop.sweep(), 0);
    }
    shop.pass(99);
    shop.heartbeat(claim);
    assert_eq!(shop.sweep(), 0);
    shop.pass(1);
    assert_eq!(shop.sweep(), 1);
    let task = shop.task(id);
    assert_eq!((task.status(), task.failures, task.crashes), (Status::Pending, 1, 0));
    assert_eq!(task.failure.unwrap().reason, FailReason::Timeout);
}

fn the_last_timeout_fails_the_task(shop: &mut Shop) {
    let id = shop.add_one(feature("a").timeout(10).attempts(2));
    for failures in 1..=2 {
        shop.claim("amy");
        shop.pass(10);
        shop.sweep();
        assert_eq!(shop.task(id).failures, failures);
    }
    assert_eq!(shop.status(id), Status::Failed);
    assert_eq!(shop.kinds(id)[3..], [EventKind::TaskFailed, EventKind::TaskClaimed, EventKind::TaskExpired, EventKind::TaskFailed]);
}

fn a_timeout_comes_before_the_lease(shop: &mut Shop) {
    let id = shop.add_one(feature("a").timeout(10));
    shop.claim("amy");
    shop.pass(100_000);
    shop.sweep();
    assert_eq!((shop.task(id).failures, shop.task(id).crashes), (1, 0), "both are over, and one counts");
}

fn the_third_crash_quarantines(shop: &mut Shop) {
    let ids = shop.add(vec![feature("poison").attempts(1_000), feature("behind").after(0)]);
    for crashes in 1..=3 {
        assert_eq!(shop.claim("amy").task, ids[0]);
        shop.pass(120);
        assert_eq!(shop.sweep(), 1);
        assert_eq!(shop.task(ids[0]).crashes, crashes);
    }
    let task = shop.task(ids[0]);
    assert_eq!((task.status(), task.failures), (Status::Failed, 0));
    assert_eq!(task.failure.unwrap().reason, FailReason::Quarantined);
    assert_eq!(shop.status(ids[1]), Status::Blocked);
    shop.idles("amy");
}

fn crashes_and_failures_are_counted_apart(shop: &mut Shop) {
    let id = shop.add_one(feature("a").attempts(3));
    for _ in 0..2 {
        shop.claim("amy");
        shop.pass(120);
        shop.sweep();
        shop.fail(shop.claim("amy"), FailReason::Reported);
    }
    assert_eq!((shop.task(id).failures, shop.task(id).crashes, shop.task(id).attempt.0), (2, 2, 4));
    assert_eq!(shop.status(id), Status::Pending);
}

fn a_retry_starts_every_count_anew(shop: &mut Shop) {
    let id = shop.add_one(feature("a").attempts(1));
    shop.claim("amy");
    shop.pass(120);
    shop.sweep();
    shop.fail(shop.claim("amy"), FailReason::Reported);
    assert_eq!(shop.status(id), Status::Failed);
    let task = shop.retry(id);
    assert_eq!((task.failures, task.crashes, task.attempt.0), (0, 0, 2), "but the fence goes on");
    assert_eq!(shop.claim("amy").attempt.0, 3);
}

fn failures_are_bounded(shop: &mut Shop) {
    let ids = shop.add(vec![feature("a"), feature("b").after(0)]);
    for reason in [FailReason::Reported, FailReason::Check, FailReason::Silence] {
        assert_eq!(shop.status(ids[0]), Status::Pending);
        shop.fail(shop.claim("amy"), reason);
    }
    assert_eq!((shop.status(ids[0]), shop.task(ids[0]).failures, shop.status(ids[1])), (Status::Failed, 3, Status::Blocked));
    assert_eq!(shop.count(EventKind::CheckFailed), 1);
    shop.idles("amy");
}

fn failures_of_the_surroundings_back_off(shop: &mut Shop) {
    let id = shop.add_one(feature("a").attempts(4));
    for failures in 1..4 {
        let claim = shop.claim("amy");
        let task = shop.fail(claim, FailReason::Infrastructure);
        let wait = retry::wait(Backoff::default(), id, claim.attempt, failures);
        assert!(wait <= secs(1 << (failures - 1)), "{wait:?}");
        assert_eq!(task.not_before.unwrap().since(task.ready_at), wait);
        if !wait.is_zero() {
            shop.idles("amy");
            assert_eq!(code(shop.try_claim_task("amy", id)), "not_ready");
            shop.stand.clock().pass(wait.checked_sub(std::time::Duration::from_millis(1)).unwrap());
            shop.idles("amy");
            shop.stand.clock().pass(std::time::Duration::from_millis(1));
        }
    }
    assert_eq!(shop.fail(shop.claim("amy"), FailReason::Infrastructure).status(), Status::Failed);
}

fn waits_are_spread_so_that_not_all_come_back_at_once(shop: &mut Shop) {
    let ids = shop.add((0..12).map(|_| feature("a").attempts(9)).collect());
    let mut waits = std::collections::BTreeSet::new();
    for id in ids {
        for _ in 0..3 {
            let task = shop.fail(shop.claim_task("amy", id), FailReason::Infrastructure);
            let wait = task.not_before.unwrap().since(task.ready_at);
            shop.stand.clock().pass(wait);
            waits.insert((task.failures, wait));
        }
    }
    assert!(waits.len() > 30, "of 36 waits only {} are different", waits.len());
}

fn failures_of_the_task_do_not_back_off(shop: &mut Shop) {
    let id = shop.add_one(feature("a"));
    shop.fail(shop.claim("amy"), FailReason::Check);
    assert_eq!(shop.claim("amy").task, id);
}

fn nobody_expires_what_is_alive(shop: &mut Shop) {
    let id = shop.add_one(feature("a"));
    assert_eq!(code(shop.manage(id, Command::Expire)), "still_alive");
    assert_eq!(code(shop.manage(id, Command::Lose)), "still_alive");
    let claim = shop.claim("amy");
    assert_eq!(code(shop.manage(id, Command::Expire)), "still_alive");
    shop.complete(claim);
    shop.pass(100_000);
    assert_eq!(code(shop.manage(id, Command::Expire)), "still_alive");
}

fn a_sweep_of_many(shop: &mut Shop) {
    shop.add(features(40));
    for number in 0..40 {
        shop.claim(&format!("w{}", number % 7));
    }
    let kept = shop.task(domain::id::TaskId(40)).claim().unwrap();
    shop.pass(60);
    shop.report(wish::heartbeat(kept)).unwrap();
    shop.pass(60);
    assert_eq!(shop.sweep(), 39);
    assert_eq!(shop.sweep(), 0);
    let standing = shop.door.standing(None).unwrap();
    assert_eq!((standing.counts.of(Status::Pending), standing.counts.of(Status::InProgress)), (39, 1));
}

fn the_stale_are_shown_before_they_are_swept(shop: &mut Shop) {
    let id = shop.add_one(feature("a"));
    shop.claim("amy");
    assert_eq!(shop.door.standing(None).unwrap().stale, []);
    shop.pass(120);
    assert_eq!(shop.door.standing(None).unwrap().stale, [id]);
    shop.sweep();
    assert_eq!(shop.door.standing(None).unwrap().stale, []);
}
