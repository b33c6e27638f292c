//! A claim that is not the current one changes nothing and is refused with its own code, whatever it says and why ever it is stale (G7).

use crate::shop::wish::{self, Wish, feature};
use crate::shop::{Shop, changed, code, secs};
use domain::id::{Attempt, TaskId};
use domain::lease::{Claim, Nonce};
use domain::task::{FailReason, Status, TaskResult};
use engine::error::Kind;
use engine::orchestrator::{Act, WorkerAct};

cases![
    after_another_took_it,
    of_the_same_workers_older_attempt,
    while_the_task_waits_again,
    after_it_was_completed_by_another,
    after_a_cancel,
    after_a_block,
    after_the_last_failure,
    after_the_worker_was_removed,
    after_the_worker_was_lost,
    with_a_guessed_nonce,
    with_another_attempt,
    with_the_nonce_of_another_task,
    of_a_task_that_was_never_claimed,
    of_a_task_that_is_not_there,
    a_stale_result_is_not_kept,
    complete_repeated_gives_the_same_answer,
    a_complete_that_is_forged_in_part_is_no_repetition,
    other_reports_are_no_repetition_after_complete,
];

/// Every command with this claim is refused, and nothing changes.
#[track_caller]
fn is_stale(shop: &Shop, claim: Claim) {
    let (events, workers) = (shop.events(), shop.door.workers().unwrap());
    let task = shop.task(claim.task);
    for command in wish::all_with(claim) {
        let refused = shop.report(command.clone()).expect_err(command.verb());
        assert_eq!((refused.kind, refused.code), (Kind::Refused, "stale_claim"), "{}", command.verb());
    }
    assert_eq!(shop.task(claim.task), task);
    assert_eq!(shop.events(), events);
    assert_eq!(shop.door.workers().unwrap(), workers);
}

fn after_another_took_it(shop: &mut Shop) {
    shop.add_one(feature("a"));
    let stale = shop.claim("amy");
    shop.pass(120);
    let current = shop.claim("bob");
    is_stale(shop, stale);
    shop.heartbeat(current);
    shop.complete(current);
    is_stale(shop, stale);
}

fn of_the_same_workers_older_attempt(shop: &mut Shop) {
    shop.add_one(feature("a"));
    let stale = shop.claim("amy");
    shop.pass(120);
    let current = shop.claim("amy");
    assert_eq!(current.task, stale.task);
    is_stale(shop, stale);
    shop.complete(current);
    is_stale(shop, stale);
}

fn while_the_task_waits_again(shop: &mut Shop) {
    shop.add_one(feature("a"));
    let stale = shop.claim("amy");
    shop.pass(120);
    shop.sweep();
    is_stale(shop, stale);
    let stale = shop.claim("amy");
    shop.release(stale);
    is_stale(shop, stale);
    let stale = shop.claim("amy");
    shop.fail(stale, FailReason::Reported);
    is_stale(shop, stale);
}

fn after_it_was_completed_by_another(shop: &mut Shop) {
    shop.add_one(feature("a"));
    let stale = shop.claim("amy");
    shop.pass(120);
    shop.complete(shop.claim("bob"));
    is_stale(shop, stale);
}

fn after_a_cancel(shop: &mut Shop) {
    let id = shop.add_one(feature("a"));
    let stale = shop.claim("amy");
    shop.cancel(id);
    is_stale(shop, stale);
    shop.retry(id);
    is_stale(shop, stale);
    shop.claim("amy");
    is_stale(shop, stale);
}

fn after_a_block(shop: &mut Shop) {
    let id = shop.add_one(feature("a"));
    let stale = shop.claim("amy");
    shop.block(stale);
    is_stale(shop, stale);
    shop.unblock(id);
    is_stale(shop, stale);
}

fn after_the_last_failure(shop: &mut Shop) {
    shop.add_one(feature("a").attempts(1));
    let stale = shop.claim("amy");
    shop.fail(stale, FailReason::Reported);
    is_stale(shop, stale);
}

fn after_the_worker_was_removed(shop: &mut Shop) {
    shop.add_one(feature("a"));
    let stale = shop.claim("amy");
    shop.must_change_worker("amy", WorkerAct::Remove);
    is_stale(shop, stale);
    assert_eq!(shop.door.workers().unwrap(), [], "a refused report brings nobody back");
}

fn after_the_worker_was_lost(shop: &mut Shop) {
    shop.add_one(feature("a"));
    let stale = shop.claim("amy");
    shop.must_change_worker("amy", WorkerAct::Lost { why: "killed".to_owned(), session: None });
    is_stale(shop, stale);
}

fn with_a_guessed_nonce(shop: &mut Shop) {
    shop.add_one(feature("a"));
    let claim = shop.claim("amy");
    is_stale(shop, Claim { nonce: Nonce([0xab; 16]), ..claim });
    is_stale(shop, Claim { nonce: Nonce([0; 16]), ..claim });
    shop.complete(claim);
    is_stale(shop, Claim { nonce: Nonce([0; 16]), ..claim });
}

fn with_another_attempt(shop: &mut Shop) {
    shop.add_one(feature("a"));
    let claim = shop.claim("amy");
    is_stale(shop, Claim { attempt: Attempt(0), ..claim });
    is_stale(shop, Claim { attempt: Attempt(2), ..claim });
}

fn with_the_nonce_of_another_task(shop: &mut Shop) {
    shop.add(vec![feature("a"), feature("b")]);
    let (one, two) = (shop.claim("amy"), shop.claim("amy"));
    is_stale(shop, Claim { task: two.task, ..one });
    is_stale(shop, Claim { task: one.task, ..two });
}

fn of_a_task_that_was_never_claimed(shop: &mut Shop) {
    let id = shop.add_one(feature("a"));
    is_stale(shop, Claim { task: id, attempt: Attempt(0), nonce: Nonce([0; 16]) });
    is_stale(shop, Claim { task: id, attempt: Attempt(1), nonce: Nonce([1; 16]) });
}

fn of_a_task_that_is_not_there(shop: &mut Shop) {
    for command in wish::all_with(Claim { task: TaskId(7), attempt: Attempt(1), nonce: Nonce([1; 16]) }) {
        assert_eq!(code(shop.report(command)), "no_such_task");
    }
    assert_eq!(shop.last_event(), 0);
}

fn a_stale_result_is_not_kept(shop: &mut Shop) {
    let id = shop.add_one(feature("a"));
    let result =
        |note: &str| Some(TaskResult { note: note.to_owned(), cost_usd: Some(0.25), tokens: Some((1, 2)), ..TaskResult::default() });
    let hand_in = |claim, note| shop.worker(Act::Report { command: wish::complete(claim), result: result(note), ran: None });
    let stale = shop.claim("amy");
    shop.pass(120);
    let current = shop.claim("bob");
    assert_eq!(code(hand_in(stale, "late")), "stale_claim");
    assert_eq!(shop.door.task(id).unwrap().full.result, None);
    hand_in(current, "in time").unwrap();
    assert_eq!(code(hand_in(stale, "later still")), "stale_claim");
    hand_in(current, "once more").unwrap();
    assert_eq!(shop.door.task(id).unwrap().full.result, result("in time"), "a repetition changes nothing");
}

fn complete_repeated_gives_the_same_answer(shop: &mut Shop) {
    let ids = shop.add(vec![feature("a"), feature("b").after(0)]);
    let claim = shop.claim("amy");
    let first = shop.complete(claim);
    let events = shop.events();
    shop.stand.clock().pass(secs(5));
    for _ in 0..3 {
        assert_eq!(shop.complete(claim), first);
    }
    assert_eq!(shop.events(), events);
    assert_eq!(shop.task(ids[1]).waiting, 0);
}

fn a_complete_that_is_forged_in_part_is_no_repetition(shop: &mut Shop) {
    shop.add_one(feature("a"));
    let claim = shop.claim("amy");
    shop.complete(claim);
    is_refused(shop, Claim { attempt: Attempt(9), ..claim });
    is_refused(shop, Claim { nonce: Nonce([5; 16]), ..claim });
}

#[track_caller]
fn is_refused(shop: &Shop, claim: Claim) {
    assert_eq!(code(shop.report(wish::complete(claim))), "stale_claim");
}

fn other_reports_are_no_repetition_after_complete(shop: &mut Shop) {
    shop.add_one(feature("a"));
    let claim = shop.claim("amy");
    shop.complete(claim);
    for command in wish::all_with(claim) {
        match command.verb() {
            "complete" => assert_eq!(changed(shop.report(command)).status(), Status::Completed),
            _ => assert_eq!(code(shop.report(command)), "stale_claim"),
        }
    }
}
