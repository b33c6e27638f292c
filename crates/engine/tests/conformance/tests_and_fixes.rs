//! A test that fails returns behind a fix, spends no attempt, counts a cycle, and ends after the last one.

use crate::shop::Shop;
use crate::shop::wish::{self, Wish, feature, tested};
use domain::event::EventKind;
use domain::id::TaskId;
use domain::task::{FailReason, Kind, NewTask, Status};
use engine::orchestrator::Act;

cases![
    a_failing_test_gets_a_fix_in_front,
    a_fix_takes_after_its_feature,
    a_fix_without_a_command_goes_to_the_features_worker,
    a_test_that_fails_spends_no_attempt,
    after_the_last_cycle_the_test_has_failed,
    the_number_of_cycles_can_be_set,
    without_cycles_a_test_fails_at_once,
    a_retry_of_a_failed_test_starts_the_cycles_anew,
    a_test_that_takes_too_long_is_an_ordinary_failure,
    a_test_whose_worker_dies_is_no_failure,
    a_fix_that_fails_blocks_the_test,
    the_others_go_on_meanwhile,
    a_test_without_a_feature_fails_like_a_task,
    tests_of_two_plans_count_their_own_cycles,
];

/// A plan of one feature with its test; the feature is done.
fn done_feature(shop: &Shop, task: NewTask) -> (TaskId, TaskId) {
    let ids = shop.import("p", tested(vec![task]));
    shop.complete(shop.claim_task("amy", ids[0]));
    (ids[0], ids[1])
}

fn a_failing_test_gets_a_fix_in_front(shop: &mut Shop) {
    let (feature, test) = done_feature(shop, feature("a"));
    shop.fail(shop.claim("amy"), FailReason::Reported);
    let task = shop.task(test);
    assert_eq!((task.status(), task.waiting, task.cycle, task.failures), (Status::Pending, 1, 1, 0));
    let fix = shop.claim("amy");
    let full = shop.door.task(fix.task).unwrap().full;
    assert_eq!((full.task.kind, full.task.tests, full.task.plan), (Kind::Fix, Some(feature), task.plan));
    assert_eq!(full.spec.description, "it said no", "the output of the test is in its brief");
    assert_eq!(shop.door.task(test).unwrap().full.after, [feature, fix.task]);
    shop.complete(fix);
    shop.complete(shop.claim_task("amy", test));
    assert_eq!(
        shop.kinds(test)[1..],
        [EventKind::TaskClaimed, EventKind::TaskFailed, EventKind::TaskRetried, EventKind::TaskClaimed, EventKind::TaskCompleted]
    );
    assert_eq!(shop.door.standing(None).unwrap().percent(), 100);
}

fn a_fix_takes_after_its_feature(shop: &mut Shop) {
    let wanted = feature("a").needs("backend").assigned("amy").fixed_by("make fix").timeout(77).attempts(5);
    done_feature(shop, wanted);
    shop.fail(shop.claim("amy"), FailReason::Check);
    let full = shop.door.task(TaskId(3)).unwrap().full;
    assert_eq!(full.spec.run.as_deref(), Some("make fix"));
    assert_eq!((full.spec.assignee, full.spec.needs.len()), (None, 0), "a command needs nobody in particular");
    assert_eq!((full.task.timeout, full.task.attempts_max), (crate::shop::secs(77), 5));
    assert_eq!(shop.claim("bob").task, TaskId(3));
}

fn a_fix_without_a_command_goes_to_the_features_worker(shop: &mut Shop) {
    done_feature(shop, feature("a").needs("backend").assigned("amy"));
    shop.fail(shop.claim("bob"), FailReason::Check);
    shop.idles("bob");
    assert_eq!(shop.claim("amy").task, TaskId(3));
}

fn a_test_that_fails_spends_no_attempt(shop: &mut Shop) {
    let (_, test) = done_feature(shop, feature("a").attempts(1));
    for cycle in 1..=3 {
        shop.fail(shop.claim_task("amy", test), FailReason::Reported);
        assert_eq!((shop.task(test).failures, shop.task(test).cycle), (0, cycle));
        shop.complete(shop.claim("amy"));
    }
    assert_eq!(shop.complete(shop.claim("amy")).status(), Status::Completed);
}

fn after_the_last_cycle_the_test_has_failed(shop: &mut Shop) {
    let (_, test) = done_feature(shop, feature("a"));
    for _ in 0..3 {
        shop.fail(shop.claim_task("amy", test), FailReason::Reported);
        shop.complete(shop.claim("amy"));
    }
    let task = shop.fail(shop.claim_task("amy", test), FailReason::Reported);
    assert_eq!((task.status(), task.cycle, task.failures), (Status::Failed, 3, 0));
    assert_eq!(task.failure.unwrap().reason, FailReason::Cycles);
    shop.idles("amy");
    let standing = shop.door.standing(None).unwrap();
    assert_eq!((standing.counts.all(), standing.phase()), (5, "done"));
}

fn the_number_of_cycles_can_be_set(shop: &mut Shop) {
    let (_, test) = done_feature(shop, feature("a"));
    shop.human(Act::Cycles(1)).unwrap();
    shop.fail(shop.claim("amy"), FailReason::Reported);
    shop.complete(shop.claim("amy"));
    assert_eq!(shop.fail(shop.claim_task("amy", test), FailReason::Reported).status(), Status::Failed);
    shop.human(Act::Cycles(2)).unwrap();
    shop.retry(test);
    shop.fail(shop.claim("amy"), FailReason::Reported);
    assert_eq!(shop.task(test).cycle, 1);
}

fn without_cycles_a_test_fails_at_once(shop: &mut Shop) {
    let (_, test) = done_feature(shop, feature("a"));
    shop.human(Act::Cycles(0)).unwrap();
    let task = shop.fail(shop.claim("amy"), FailReason::Reported);
    assert_eq!((task.status(), task.failure.unwrap().reason), (Status::Failed, FailReason::Reported));
    assert_eq!(shop.status(test), Status::Failed);
    shop.idles("amy");
}

fn a_retry_of_a_failed_test_starts_the_cycles_anew(shop: &mut Shop) {
    let (_, test) = done_feature(shop, feature("a"));
    shop.human(Act::Cycles(0)).unwrap();
    shop.fail(shop.claim("amy"), FailReason::Reported);
    shop.human(Act::Cycles(3)).unwrap();
    assert_eq!(shop.retry(test).cycle, 0);
    shop.fail(shop.claim("amy"), FailReason::Reported);
    assert_eq!((shop.status(test), shop.task(test).cycle), (Status::Pending, 1));
}

fn a_test_that_takes_too_long_is_an_ordinary_failure(shop: &mut Shop) {
    let (_, test) = done_feature(shop, feature("a").timeout(10).attempts(2));
    for _ in 0..2 {
        shop.claim_task("amy", test);
        shop.pass(10);
        shop.sweep();
    }
    let task = shop.task(test);
    assert_eq!((task.status(), task.failures, task.cycle), (Status::Failed, 2, 0));
    assert_eq!(shop.door.standing(None).unwrap().counts.all(), 2, "no fix was made");
}

fn a_test_whose_worker_dies_is_no_failure(shop: &mut Shop) {
    let (_, test) = done_feature(shop, feature("a"));
    shop.claim("amy");
    shop.pass(120);
    shop.sweep();
    let task = shop.task(test);
    assert_eq!((task.status(), task.crashes, task.cycle, task.waiting), (Status::Pending, 1, 0, 0));
    assert_eq!(shop.claim("amy").task, test);
}

fn a_fix_that_fails_blocks_the_test(shop: &mut Shop) {
    let (_, test) = done_feature(shop, feature("a").attempts(1));
    shop.fail(shop.claim("amy"), FailReason::Reported);
    let fix = shop.claim("amy");
    shop.fail(fix, FailReason::Reported);
    assert_eq!((shop.status(fix.task), shop.status(test)), (Status::Failed, Status::Blocked));
    shop.retry(fix.task);
    assert_eq!(shop.drain("amy"), [fix.task, test]);
}

fn the_others_go_on_meanwhile(shop: &mut Shop) {
    let ids = shop.import("p", tested(vec![feature("a"), feature("b")]));
    shop.complete(shop.claim("amy"));
    shop.complete(shop.claim("amy"));
    let (one, two) = (shop.claim("amy"), shop.claim("bob"));
    shop.fail(one, FailReason::Reported);
    shop.heartbeat(two);
    let fix = shop.claim("amy");
    assert_eq!(fix.task, TaskId(5));
    shop.complete(two);
    shop.complete(fix);
    assert_eq!(shop.drain("amy"), [ids[2]]);
}

fn a_test_without_a_feature_fails_like_a_task(shop: &mut Shop) {
    let id = shop.add_one(NewTask { kind: Kind::Test, ..feature("alone") }.attempts(2));
    shop.fail(shop.claim("amy"), FailReason::Reported);
    assert_eq!((shop.task(id).failures, shop.status(id)), (1, Status::Pending));
    shop.fail(shop.claim("amy"), FailReason::Reported);
    assert_eq!(shop.status(id), Status::Failed);
}

fn tests_of_two_plans_count_their_own_cycles(shop: &mut Shop) {
    let one = shop.import("one", tested(vec![feature("a")]));
    let two = shop.import("two", tested(vec![feature("b")]));
    shop.complete(shop.claim("amy"));
    shop.complete(shop.claim("amy"));
    shop.fail(shop.claim_task("amy", one[1]), FailReason::Reported);
    assert_eq!((shop.task(one[1]).cycle, shop.task(two[1]).cycle), (1, 0));
    assert_eq!(shop.task(TaskId(5)).plan, shop.task(one[1]).plan);
    shop.report(wish::complete(shop.claim_task("amy", two[1]))).unwrap();
    assert_eq!(shop.drain("amy"), [TaskId(5), one[1]]);
}
