//! When the right worker does not come: gone, limited or never there, its tasks go to those who can, and after `fallback_after` to anybody.
//! A paused worker is not away.

use crate::shop::wish::{Wish, feature, plan, process};
use crate::shop::{Shop, added, secs, worker};
use domain::event::EventKind;
use domain::id::TaskId;
use domain::time::StoreTime;
use engine::orchestrator::WorkerAct;

cases![
    what_nobody_can_do_goes_to_anybody_after_a_while,
    the_while_counts_from_when_the_task_was_ready,
    the_while_counts_from_when_the_last_who_could_left,
    a_worker_who_can_and_is_busy_is_waited_for,
    a_worker_who_can_and_is_paused_is_waited_for,
    a_plan_may_forbid_it,
    a_fix_of_a_plan_that_forbids_it_waits_too,
    an_assignee_that_is_gone_is_stood_in_for_at_once_by_who_can,
    an_assignee_that_is_gone_is_stood_in_for_by_anybody_after_a_while,
    an_assignee_that_is_limited_is_stood_in_for_by_who_can,
    an_assignee_that_is_limited_and_polls_is_stood_in_for_by_anybody_after_a_while,
    an_assignee_that_is_paused_is_waited_for,
    an_assignee_that_was_never_seen_is_waited_for_a_while,
    an_assignee_that_is_on_no_roster_is_waited_for_a_while,
    an_assignee_that_comes_back_is_waited_for_again,
    a_process_is_gone_after_its_lease_and_a_person_later,
    falling_back_is_told,
];

const WHILE: u64 = 180;

/// Events `task_fell_back` of this task, as JSON.
fn fell_back(shop: &Shop, id: TaskId) -> Vec<String> {
    let events = shop.door.history(id, u32::MAX).unwrap();
    events.into_iter().filter(|event| event.kind == EventKind::TaskFellBack).map(|event| event.data).collect()
}

/// Sets a worker aside for so long, as the service that sees its account empty does.
fn limit(shop: &Shop, name: &str, seconds: u64) {
    let mut work = |tx: &dyn engine::store::Transaction| {
        let mut limited = tx.worker(&worker(name))?.unwrap();
        limited.limited_until = Some(tx.now().store.plus(secs(seconds)));
        tx.put_worker(&limited)
    };
    shop.door.store().write(&mut work).unwrap();
}

fn what_nobody_can_do_goes_to_anybody_after_a_while(shop: &mut Shop) {
    let id = shop.add_one(feature("a").needs("cobol"));
    shop.idles("amy");
    shop.pass(WHILE - 1);
    shop.idles("amy");
    shop.pass(1);
    assert_eq!(shop.claim("amy").task, id);
}

fn the_while_counts_from_when_the_task_was_ready(shop: &mut Shop) {
    let ids = shop.add(vec![feature("a"), feature("b").needs("cobol").after(0)]);
    shop.pass(1_000);
    shop.complete(shop.claim("amy"));
    shop.idles("amy");
    shop.pass(WHILE);
    assert_eq!(shop.claim("amy").task, ids[1]);
}

fn the_while_counts_from_when_the_last_who_could_left(shop: &mut Shop) {
    let id = shop.add_one(feature("a").needs("cobol"));
    shop.is_there("able", "cobol");
    shop.pass(100);
    shop.must_change_worker("able", WorkerAct::Seen);
    shop.pass(100);
    shop.must_change_worker("able", WorkerAct::Lost { why: "killed".to_owned(), session: None });
    shop.idles("amy");
    shop.pass(WHILE - 1);
    shop.idles("amy");
    shop.pass(1);
    assert_eq!(shop.claim("amy").task, id);
}

fn a_worker_who_can_and_is_busy_is_waited_for(shop: &mut Shop) {
    let ids = shop.add(vec![feature("first").needs("cobol").timeout(100_000), feature("second").needs("cobol")]);
    shop.is_there("able", "cobol");
    let claim = shop.claim("able");
    for _ in 0..20 {
        shop.pass(100);
        shop.heartbeat(claim);
        shop.idles("amy");
    }
    shop.complete(claim);
    assert_eq!(shop.claim("able").task, ids[1]);
}

fn a_worker_who_can_and_is_paused_is_waited_for(shop: &mut Shop) {
    shop.add_one(feature("a").needs("cobol"));
    shop.is_there("able", "cobol");
    shop.must_change_worker("able", WorkerAct::Pause);
    shop.pass(100_000);
    shop.idles("amy");
}

fn a_plan_may_forbid_it(shop: &mut Shop) {
    let tasks = vec![feature("a").needs("cobol"), feature("b").assigned("bob")];
    let waiting = engine::orchestrator::NewPlan { waits: true, ..plan("p") };
    let ids = added(&shop.try_add(tasks, Some(waiting)).unwrap());
    shop.is_there("bob", "");
    shop.must_change_worker("bob", WorkerAct::Left);
    shop.pass(100_000);
    shop.idles("amy");
    shop.is_there("able", "cobol");
    assert_eq!(shop.drain("able"), [ids[0]]);
    assert_eq!(shop.drain("bob"), [ids[1]]);
}

fn a_fix_of_a_plan_that_forbids_it_waits_too(shop: &mut Shop) {
    let tasks = crate::shop::wish::tested(vec![feature("a").needs("cobol")]);
    let waiting = engine::orchestrator::NewPlan { waits: true, ..plan("p") };
    let ids = added(&shop.try_add(tasks, Some(waiting)).unwrap());
    shop.is_there("able", "cobol");
    shop.complete(shop.claim("able"));
    shop.fail(shop.claim_task("able", ids[1]), domain::task::FailReason::Reported);
    shop.must_change_worker("able", WorkerAct::Left);
    shop.pass(100_000);
    shop.idles("amy");
}

fn an_assignee_that_is_gone_is_stood_in_for_at_once_by_who_can(shop: &mut Shop) {
    let id = shop.add_one(feature("a").needs("cobol").assigned("bob"));
    shop.is_there("bob", "cobol");
    shop.is_there("able", "cobol");
    shop.idles("able");
    shop.must_change_worker("bob", WorkerAct::Lost { why: "killed".to_owned(), session: None });
    assert_eq!(shop.claim("able").task, id);
    assert_eq!(fell_back(shop, id), [r#"{"instead_of":"bob"}"#]);
}

fn an_assignee_that_is_gone_is_stood_in_for_by_anybody_after_a_while(shop: &mut Shop) {
    let id = shop.add_one(feature("a").needs("cobol").assigned("bob"));
    shop.is_there("bob", "cobol");
    shop.must_change_worker("bob", WorkerAct::Left);
    shop.idles("amy");
    shop.pass(WHILE);
    assert_eq!(shop.claim("amy").task, id);
    assert_eq!(fell_back(shop, id), [r#"{"instead_of":"bob","lacking":["cobol"]}"#]);
}

fn an_assignee_that_is_limited_is_stood_in_for_by_who_can(shop: &mut Shop) {
    let id = shop.add_one(feature("a").needs("cobol").assigned("bob"));
    shop.is_there("bob", "cobol");
    shop.is_there("able", "cobol");
    limit(shop, "bob", 3_600);
    assert_eq!(shop.state_of("bob"), domain::worker::WorkerState::Limited);
    assert_eq!(shop.claim("able").task, id);
}

fn an_assignee_that_is_limited_and_polls_is_stood_in_for_by_anybody_after_a_while(shop: &mut Shop) {
    // Its process lives and is heard of; only its account is empty.
    let id = shop.add_one(feature("a").needs("cobol").assigned("bob"));
    shop.is_there("bob", "cobol");
    limit(shop, "bob", 36_000);
    shop.idles("amy");
    for _ in 0..6 {
        shop.pass(60);
        shop.must_change_worker("bob", WorkerAct::Seen);
    }
    assert_eq!(shop.claim("amy").task, id);
}

fn an_assignee_that_is_paused_is_waited_for(shop: &mut Shop) {
    let id = shop.add_one(feature("a").assigned("bob"));
    shop.is_there("bob", "");
    shop.must_change_worker("bob", WorkerAct::Pause);
    shop.pass(100_000);
    shop.idles("amy");
    shop.must_change_worker("bob", WorkerAct::Resume);
    assert_eq!(shop.claim("bob").task, id);
}

fn an_assignee_that_was_never_seen_is_waited_for_a_while(shop: &mut Shop) {
    let id = shop.add_one(feature("a").assigned("bob"));
    shop.join("bob", "");
    shop.idles("amy");
    shop.pass(WHILE - 1);
    shop.idles("amy");
    shop.pass(1);
    assert_eq!(shop.claim("amy").task, id);
}

fn an_assignee_that_is_on_no_roster_is_waited_for_a_while(shop: &mut Shop) {
    let id = shop.add_one(feature("a").assigned("bob"));
    shop.idles("amy");
    shop.pass(WHILE);
    assert_eq!(shop.claim("amy").task, id);
    let other = shop.add_one(feature("b").assigned("bob"));
    assert_eq!(shop.claim("bob").task, other, "and when it comes after all, it has it at once");
}

fn an_assignee_that_comes_back_is_waited_for_again(shop: &mut Shop) {
    let id = shop.add_one(feature("a").assigned("bob"));
    shop.is_there("bob", "");
    shop.pass(WHILE + 1);
    shop.must_change_worker("bob", WorkerAct::Seen);
    shop.idles("amy");
    assert_eq!(shop.claim("bob").task, id);
}

fn a_process_is_gone_after_its_lease_and_a_person_later(shop: &mut Shop) {
    let ids = shop.add(vec![feature("p").assigned("process"), feature("q").assigned("person")]);
    shop.join_as(process("process", ""));
    shop.is_there("person", "");
    shop.pass(121);
    assert_eq!(shop.claim("amy").task, ids[0]);
    shop.idles("amy");
    shop.pass(60);
    assert_eq!(shop.claim("amy").task, ids[1]);
}

fn falling_back_is_told(shop: &mut Shop) {
    let id = shop.add_one(feature("a").needs("cobol,db"));
    shop.is_there("amy", "db");
    shop.pass(WHILE);
    shop.claim("amy");
    assert_eq!(fell_back(shop, id), [r#"{"lacking":["cobol"]}"#]);
    assert!(shop.task(id).ready_at >= StoreTime(0));
}
