//! Phases are barriers, and tests wait until no feature can proceed any more.

use crate::shop::wish::{self, Wish, feature, tested};
use crate::shop::{Shop, code};
use domain::id::{PlanId, TaskId};
use domain::task::{FailReason, NewTask, Status};
use engine::orchestrator::{Act, Answer, Patch};

cases![
    nothing_of_a_phase_starts_before_all_of_the_earlier_ones_ended,
    a_phase_of_which_everything_failed_has_ended,
    a_blocked_task_keeps_its_phase_open,
    phases_may_have_gaps,
    a_retry_in_an_earlier_phase_holds_the_later_ones_back_again,
    what_runs_when_its_phase_is_held_back_goes_on_and_does_not_come_back,
    phases_of_two_plans_do_not_meet,
    tests_wait_until_no_feature_moves,
    a_feature_that_waits_for_its_time_still_moves,
    tests_start_when_every_feature_is_done_or_stuck,
    tests_wait_again_when_a_feature_moves_again,
    tests_of_the_first_phase_are_no_barrier,
    tests_that_nobody_wants_wait,
    tests_that_are_wanted_again_run,
    tests_of_one_plan_only,
    who_finds_the_dead_worker_gets_what_that_lets_go,
    tests_start_although_the_claim_that_found_the_dead_worker_is_refused,
    the_next_phase_starts_although_the_claim_that_found_the_dead_worker_is_refused,
    a_feature_behind_a_test_gets_its_turn,
    the_standing_tells_the_phase,
];

fn phased(phases: &[u32]) -> Vec<NewTask> {
    phases.iter().map(|phase| feature(&format!("phase {phase}")).phase(*phase)).collect()
}

fn nothing_of_a_phase_starts_before_all_of_the_earlier_ones_ended(shop: &mut Shop) {
    let ids = shop.import("p", phased(&[2, 1, 1, 3, 2]));
    let (one, two) = (shop.claim("amy"), shop.claim("bob"));
    assert_eq!([one.task, two.task], [ids[1], ids[2]]);
    shop.idles("cy");
    assert_eq!(code(shop.try_claim_task("cy", ids[0])), "not_ready");
    shop.complete(one);
    shop.idles("cy");
    shop.complete(two);
    assert_eq!(shop.drain("cy"), [ids[0], ids[4], ids[3]]);
}

fn a_phase_of_which_everything_failed_has_ended(shop: &mut Shop) {
    let ids = shop.import("p", vec![feature("a").attempts(1), feature("b"), feature("c").phase(2)]);
    shop.fail(shop.claim_task("amy", ids[0]), FailReason::Reported);
    shop.cancel(ids[1]);
    assert_eq!(shop.claim("amy").task, ids[2]);
}

fn a_blocked_task_keeps_its_phase_open(shop: &mut Shop) {
    let ids = shop.import("p", phased(&[1, 2]));
    shop.block(shop.claim("amy"));
    shop.idles("amy");
    shop.unblock(ids[0]);
    assert_eq!(shop.drain("amy"), ids);
}

fn phases_may_have_gaps(shop: &mut Shop) {
    let ids = shop.import("p", phased(&[900, 7, 40]));
    assert_eq!(shop.drain("amy"), [ids[1], ids[2], ids[0]]);
}

fn a_retry_in_an_earlier_phase_holds_the_later_ones_back_again(shop: &mut Shop) {
    let ids = shop.import("p", phased(&[1, 2, 2, 3]));
    shop.cancel(ids[0]);
    assert!(shop.is_ready(ids[1]) && shop.is_ready(ids[2]) && !shop.is_ready(ids[3]));
    shop.complete(shop.claim("amy"));
    shop.retry(ids[0]);
    assert!(!shop.is_ready(ids[2]));
    assert_eq!(shop.drain("amy"), [ids[0], ids[2], ids[3]]);
}

fn what_runs_when_its_phase_is_held_back_goes_on_and_does_not_come_back(shop: &mut Shop) {
    let ids = shop.import("p", phased(&[1, 2, 2, 2]));
    shop.cancel(ids[0]);
    let (one, two, three) = (shop.claim("amy"), shop.claim("bob"), shop.claim("cy"));
    shop.retry(ids[0]);
    shop.complete(one);
    shop.release(two);
    shop.fail(three, FailReason::Reported);
    assert!(!shop.is_ready(ids[2]) && !shop.is_ready(ids[3]));
    assert_eq!(shop.drain("amy"), [ids[0], ids[2], ids[3]]);
}

fn phases_of_two_plans_do_not_meet(shop: &mut Shop) {
    let one = shop.import("one", phased(&[1, 2]));
    let two = shop.import("two", phased(&[2, 3]));
    let single = shop.add_one(feature("single"));
    shop.claim_task("amy", one[0]);
    assert_eq!(shop.drain("bob"), [single, two[0], two[1]]);
}

fn tests_wait_until_no_feature_moves(shop: &mut Shop) {
    let ids = shop.import("p", tested(vec![feature("a"), feature("b")]));
    let (one, two) = (shop.claim("amy"), shop.claim("bob"));
    shop.complete(one);
    assert_eq!(shop.task(ids[2]).waiting, 0);
    assert_eq!(code(shop.try_claim_task("cy", ids[2])), "not_ready");
    shop.idles("cy");
    shop.complete(two);
    assert_eq!(shop.drain("cy"), [ids[2], ids[3]]);
}

fn a_feature_that_waits_for_its_time_still_moves(shop: &mut Shop) {
    let ids = shop.import("p", tested(vec![feature("a"), feature("b")]));
    shop.complete(shop.claim("amy"));
    let task = shop.fail(shop.claim("amy"), FailReason::Infrastructure);
    if task.not_before.is_some_and(|at| at > task.ready_at) {
        shop.idles("amy");
    }
    shop.pass(1);
    assert_eq!(shop.drain("amy"), [ids[1], ids[2], ids[3]]);
}

fn tests_start_when_every_feature_is_done_or_stuck(shop: &mut Shop) {
    let ids = shop.import(
        "p",
        tested(vec![feature("done"), feature("asks"), feature("behind").after(1), feature("fails").attempts(1), feature("later").phase(2)]),
    );
    shop.complete(shop.claim_task("amy", ids[0]));
    shop.fail(shop.claim_task("amy", ids[3]), FailReason::Reported);
    assert!(!shop.is_ready(ids[5]));
    shop.block(shop.claim_task("amy", ids[1]));
    assert_eq!(shop.drain("amy"), [ids[5]], "the test of what is done, and nothing else");
}

fn tests_wait_again_when_a_feature_moves_again(shop: &mut Shop) {
    let ids = shop.import("p", tested(vec![feature("a"), feature("b")]));
    shop.complete(shop.claim("amy"));
    shop.block(shop.claim("amy"));
    assert!(shop.is_ready(ids[2]));
    shop.unblock(ids[1]);
    assert!(!shop.is_ready(ids[2]));
    shop.block(shop.claim("amy"));
    let running = shop.claim("amy");
    shop.unblock(ids[1]);
    shop.release(running);
    assert_eq!(shop.drain("amy"), [ids[1], ids[3], ids[2]], "who gave a test back is asked last");
}

fn tests_of_the_first_phase_are_no_barrier(shop: &mut Shop) {
    let ids = shop.import("p", tested(phased(&[1, 2])));
    assert_eq!(shop.drain("amy"), ids, "features of every phase before any test");
}

fn tests_that_nobody_wants_wait(shop: &mut Shop) {
    let ids = shop.import("p", tested(vec![feature("a")]));
    shop.human(Act::Tests { plan: None, wanted: false }).unwrap();
    assert_eq!(shop.drain("amy"), [ids[0]]);
    shop.idles("amy");
    assert_eq!(code(shop.try_claim_task("amy", ids[1])), "not_ready");
}

fn tests_that_are_wanted_again_run(shop: &mut Shop) {
    let ids = shop.import("p", tested(vec![feature("a")]));
    shop.complete(shop.claim("amy"));
    let running = shop.claim("amy");
    shop.human(Act::Tests { plan: None, wanted: false }).unwrap();
    shop.release(running);
    shop.idles("amy");
    shop.human(Act::Tests { plan: None, wanted: true }).unwrap();
    assert_eq!(shop.drain("amy"), [ids[1]]);
}

fn tests_of_one_plan_only(shop: &mut Shop) {
    let one = shop.import("one", tested(vec![feature("a")]));
    let two = shop.import("two", tested(vec![feature("b")]));
    shop.human(Act::Tests { plan: Some(PlanId(2)), wanted: false }).unwrap();
    assert_eq!(shop.drain("amy"), [one[0], two[0], one[1]]);
}

fn who_finds_the_dead_worker_gets_what_that_lets_go(shop: &mut Shop) {
    let ids = shop.import("p", phased(&[1, 2]));
    for _ in 0..3 {
        assert_eq!(shop.claim("amy").task, ids[0]);
        shop.pass(120);
    }
    assert_eq!(shop.claim("amy").task, ids[1], "at once, and not at the next call");
}

/// A worker dies over a feature for the third time, and who finds out asks for something that it cannot have.
fn found_by_a_refused_claim(shop: &Shop, feature: TaskId, waits: TaskId) {
    for _ in 0..2 {
        shop.claim_task("amy", feature);
        shop.pass(120);
        shop.sweep();
    }
    shop.claim_task("amy", feature);
    shop.pass(120);
    let claim = Act::Claim { worker: crate::shop::worker("bob"), only: Some(feature), nonce: shop.nonce() };
    assert_eq!(code(shop.worker(claim)), "not_ready");
    // Whether or not the sweep counts, in the end it must have had its effect.
    shop.sweep();
    assert_eq!(shop.status(feature), Status::Failed);
    assert_eq!(shop.claim("amy").task, waits);
}

fn tests_start_although_the_claim_that_found_the_dead_worker_is_refused(shop: &mut Shop) {
    let ids = shop.import("p", tested(vec![feature("done"), feature("poison")]));
    shop.complete(shop.claim_task("amy", ids[0]));
    found_by_a_refused_claim(shop, ids[1], ids[2]);
}

fn the_next_phase_starts_although_the_claim_that_found_the_dead_worker_is_refused(shop: &mut Shop) {
    let ids = shop.import("p", phased(&[1, 2]));
    found_by_a_refused_claim(shop, ids[0], ids[1]);
}

fn a_feature_behind_a_test_gets_its_turn(shop: &mut Shop) {
    let ids = shop.import("p", tested(vec![feature("a")]));
    let id = shop.add_one(feature("b"));
    shop.edit(id, Patch { after: vec![ids[1]], ..Patch::default() }).unwrap();
    let own = shop.import("q", vec![feature("c"), wish::test_of(0), feature("d").after(1)]);
    assert_eq!(shop.drain("amy"), [ids[0], own[0], ids[1], own[1], id, own[2]]);
}

fn the_standing_tells_the_phase(shop: &mut Shop) {
    let phase = |shop: &Shop| shop.door.standing(None).unwrap().phase();
    assert_eq!(phase(shop), "done");
    shop.import("p", tested(vec![feature("a")]));
    assert_eq!((phase(shop), shop.door.standing(None).unwrap().percent()), ("features", 0));
    shop.complete(shop.claim("amy"));
    assert_eq!((phase(shop), shop.door.standing(None).unwrap().percent()), ("tests", 50));
    let answer = shop.try_claim("amy");
    assert_eq!(phase(shop), "tests");
    let Ok(Answer::Claimed { claim, .. }) = answer else { panic!("{answer:?}") };
    shop.complete(claim);
    assert_eq!((phase(shop), shop.door.standing(None).unwrap().percent()), ("done", 100));
}
