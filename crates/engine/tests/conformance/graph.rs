//! Dependencies: nothing starts early, the last parent releases the child once, and a parent that failed shows in the child (G11).

use crate::shop::wish::{self, Wish, feature, features};
use crate::shop::{Shop, claimed, code};
use domain::event::{Actor, EventKind};
use domain::id::TaskId;
use domain::lifecycle::Command;
use domain::task::{BlockReason, Blocked, FailReason, Status};
use engine::orchestrator::{Answer, Order};
use std::sync::Arc;

cases![
    a_chain_goes_in_order,
    a_diamond_is_released_once,
    two_parents_that_end_in_one_batch_release_the_child_once,
    two_parents_that_end_at_once_release_the_child_once,
    many_parents_that_end_at_once_release_the_child_once,
    a_failed_parent_blocks_the_child_visibly,
    a_cancelled_parent_blocks_the_child_visibly,
    a_retry_of_the_parent_undoes_it,
    two_dead_parents_must_both_be_set_going,
    the_children_of_a_blocked_child_wait,
    a_blocked_parent_is_no_dead_parent,
    unblocking_a_child_of_a_dead_parent_is_refused,
    a_cancelled_child_does_not_come_back_by_itself,
    a_child_that_is_set_going_again_waits_as_before,
    what_is_blocked_on_another_task_goes_on_when_that_is_done,
    nobody_waits_for_what_is_done_or_for_itself,
    what_cannot_be_is_refused,
];

fn a_chain_goes_in_order(shop: &mut Shop) {
    let ids = shop.add((0..10).map(|number| if number == 0 { feature("a") } else { feature("b").after(number - 1) }).collect());
    for id in &ids {
        let claim = shop.claim("amy");
        assert_eq!(claim.task, *id);
        shop.idles("bob");
        shop.complete(claim);
    }
}

fn a_diamond_is_released_once(shop: &mut Shop) {
    let ids = shop.add(vec![feature("top"), feature("left").after(0), feature("right").after(0), feature("bottom").after(1).after(2)]);
    shop.complete(shop.claim("amy"));
    let (left, right) = (shop.claim("amy"), shop.claim("bob"));
    shop.complete(left);
    assert_eq!(shop.task(ids[3]).waiting, 1);
    shop.idles("cy");
    shop.complete(left);
    assert_eq!(shop.task(ids[3]).waiting, 1, "a repetition releases nothing");
    shop.complete(right);
    assert_eq!(shop.claim("cy").task, ids[3]);
    shop.idles("amy");
}

fn two_parents_that_end_in_one_batch_release_the_child_once(shop: &mut Shop) {
    let ids = shop.add(vec![feature("a"), feature("b"), feature("c").after(0).after(1)]);
    let orders: Vec<Order> =
        [shop.claim("amy"), shop.claim("bob")].map(|claim| Order::new(Actor::Worker, wish::report(wish::complete(claim)))).to_vec();
    assert!(shop.door.apply(&orders).unwrap().iter().all(Result::is_ok));
    assert_eq!(shop.claim("amy").task, ids[2]);
}

fn two_parents_that_end_at_once_release_the_child_once(shop: &mut Shop) {
    let doors = [Arc::clone(&shop.door), shop.second_door()];
    for _ in 0..20 {
        let ids = shop.add(vec![feature("a"), feature("b"), feature("c").after(0).after(1)]);
        let claims = [shop.claim_task("amy", ids[0]), shop.claim_task("bob", ids[1])];
        std::thread::scope(|scope| {
            for (door, claim) in doors.iter().zip(claims) {
                scope.spawn(move || door.apply_one(Order::new(Actor::Worker, wish::report(wish::complete(claim)))).unwrap());
            }
        });
        assert_eq!(shop.task(ids[2]).waiting, 0);
        shop.complete(shop.claim("amy"));
    }
}

fn many_parents_that_end_at_once_release_the_child_once(shop: &mut Shop) {
    let mut tasks = features(24);
    let child = (0..24).fold(feature("child"), Wish::after);
    tasks.push(child);
    let ids = shop.add(tasks);
    let doors = [Arc::clone(&shop.door), shop.second_door()];
    let shop = &*shop;
    std::thread::scope(|scope| {
        for number in 0..8_usize {
            let door = &doors[number % 2];
            scope.spawn(move || {
                for _ in 0..3 {
                    let claim = shop.claim(&format!("w{number}"));
                    door.apply_one(Order::new(Actor::Worker, wish::report(wish::complete(claim)))).unwrap();
                }
            });
        }
    });
    assert_eq!(shop.claim("amy").task, ids[24]);
    assert_eq!(shop.count(EventKind::TaskCompleted), 24);
}

fn a_failed_parent_blocks_the_child_visibly(shop: &mut Shop) {
    let ids = shop.add(vec![feature("a").attempts(1), feature("b").after(0)]);
    shop.fail(shop.claim("amy"), FailReason::Reported);
    assert_eq!(shop.status(ids[1]), Status::Blocked);
    let view = shop.door.task(ids[1]).unwrap();
    let blocked = view.blocked.unwrap();
    assert_eq!((blocked.reason, blocked.on), (BlockReason::Dependency, Some(ids[0])));
    assert_eq!(code(shop.try_claim_task("amy", ids[1])), "not_ready");
    let standing = shop.door.standing(None).unwrap();
    assert_eq!(standing.blockers.len(), 1);
    assert_eq!((standing.counts.of(Status::Blocked), standing.counts.of(Status::Failed)), (1, 1));
}

fn a_cancelled_parent_blocks_the_child_visibly(shop: &mut Shop) {
    let ids = shop.add(vec![feature("a"), feature("b").after(0)]);
    shop.cancel(ids[0]);
    assert_eq!(shop.status(ids[1]), Status::Blocked);
    shop.idles("amy");
}

fn a_retry_of_the_parent_undoes_it(shop: &mut Shop) {
    let ids = shop.add(vec![feature("a").attempts(1), feature("b").after(0)]);
    for _ in 0..3 {
        shop.fail(shop.claim("amy"), FailReason::Reported);
        let events = shop.last_event();
        assert_eq!(shop.status(ids[1]), Status::Blocked);
        shop.retry(ids[0]);
        assert_eq!((shop.status(ids[1]), shop.last_event()), (Status::Pending, events + 1), "without a write of its own");
    }
    assert_eq!(shop.drain("amy"), ids);
}

fn two_dead_parents_must_both_be_set_going(shop: &mut Shop) {
    let ids = shop.add(vec![feature("a"), feature("b"), feature("c").after(0).after(1)]);
    shop.cancel(ids[0]);
    shop.cancel(ids[1]);
    assert_eq!((shop.task(ids[2]).dead, shop.task(ids[2]).waiting), (2, 2));
    shop.retry(ids[1]);
    assert_eq!(shop.status(ids[2]), Status::Blocked);
    shop.retry(ids[0]);
    assert_eq!(shop.drain("amy"), ids);
}

fn the_children_of_a_blocked_child_wait(shop: &mut Shop) {
    let ids = shop.add(vec![feature("a"), feature("b").after(0), feature("c").after(1)]);
    shop.cancel(ids[0]);
    assert_eq!((shop.status(ids[1]), shop.status(ids[2])), (Status::Blocked, Status::Pending));
    shop.idles("amy");
    shop.cancel(ids[1]);
    assert_eq!(shop.status(ids[2]), Status::Blocked);
}

fn a_blocked_parent_is_no_dead_parent(shop: &mut Shop) {
    let ids = shop.add(vec![feature("a"), feature("b").after(0)]);
    shop.block(shop.claim("amy"));
    assert_eq!((shop.status(ids[1]), shop.task(ids[1]).dead), (Status::Pending, 0));
    shop.unblock(ids[0]);
    assert_eq!(shop.drain("amy"), ids);
}

/// Says that a task waits for another one.
fn block_on(shop: &mut Shop, claim: domain::lease::Claim, reason: BlockReason, on: TaskId) -> engine::error::Result<()> {
    let blocked = Blocked { reason, note: "it needs the other one".to_owned(), on: Some(on) };
    shop.door.apply_one(Order::new(Actor::Worker, wish::report(Command::Block { claim, blocked }))).map(|_| ())
}

fn what_is_blocked_on_another_task_goes_on_when_that_is_done(shop: &mut Shop) {
    let ids = shop.add(vec![feature("a"), feature("asks"), feature("b")]);
    let (first, second) = (shop.claim_task("amy", ids[0]), shop.claim_task("amy", ids[1]));
    block_on(shop, first, BlockReason::Dependency, ids[2]).unwrap();
    block_on(shop, second, BlockReason::Question, ids[2]).unwrap();
    let other = shop.claim("bob");
    assert_eq!((other.task, shop.status(ids[0])), (ids[2], Status::Blocked));
    shop.fail(other, FailReason::Reported);
    assert_eq!(shop.status(ids[0]), Status::Blocked, "it is not done yet");
    let other = shop.claim("bob");
    shop.complete(other);
    assert_eq!((shop.status(ids[0]), shop.status(ids[1])), (Status::Pending, Status::Blocked), "a question wants an answer");
    let history = shop.door.history(ids[0], 10).unwrap();
    let last = history.last().unwrap();
    assert_eq!((last.kind, last.actor), (EventKind::TaskUnblocked, Actor::Orchestrator));
    assert!(last.data.contains(&format!("{} is COMPLETED", ids[2])), "{}", last.data);
    assert_eq!(shop.claim("cy").task, ids[0]);
}

fn nobody_waits_for_what_is_done_or_for_itself(shop: &mut Shop) {
    let ids = shop.add(vec![feature("a"), feature("b")]);
    shop.complete(shop.claim("amy"));
    let claim = shop.claim("amy");
    for on in ids {
        assert_eq!(block_on(shop, claim, BlockReason::Dependency, on).unwrap_err().code, "nothing_to_wait_for");
    }
    shop.complete(claim);
    assert_eq!(block_on(shop, claim, BlockReason::Dependency, claim.task).unwrap_err().code, "stale_claim");
}

fn unblocking_a_child_of_a_dead_parent_is_refused(shop: &mut Shop) {
    let ids = shop.add(vec![feature("a"), feature("b").after(0)]);
    shop.cancel(ids[0]);
    let unblock = domain::lifecycle::Command::Unblock { note: String::new() };
    let refused = shop.manage(ids[1], unblock).unwrap_err();
    assert_eq!(refused.code, "illegal_transition");
    assert!(!refused.hints.is_empty(), "it says what would help");
}

fn a_cancelled_child_does_not_come_back_by_itself(shop: &mut Shop) {
    let ids = shop.add(vec![feature("a"), feature("b").after(0)]);
    shop.cancel(ids[1]);
    shop.complete(shop.claim("amy"));
    assert_eq!(shop.status(ids[1]), Status::Cancelled);
    shop.idles("amy");
    shop.retry(ids[1]);
    assert_eq!(shop.claim("amy").task, ids[1], "its counters went on meanwhile");
}

fn a_child_that_is_set_going_again_waits_as_before(shop: &mut Shop) {
    let ids = shop.add(vec![feature("a"), feature("b").after(0)]);
    shop.cancel(ids[1]);
    shop.retry(ids[1]);
    shop.cancel(ids[0]);
    shop.retry(ids[0]);
    assert_eq!(shop.task(ids[1]).waiting, 1);
    assert_eq!(shop.drain("amy"), ids);
}

fn what_cannot_be_is_refused(shop: &mut Shop) {
    use domain::lifecycle::Command;
    let id = shop.add_one(feature("a"));
    let cancel = || Command::Cancel { note: String::new() };
    let unblock = || Command::Unblock { note: String::new() };
    let refused = |shop: &Shop, commands: Vec<Command>| {
        let events = shop.last_event();
        for command in commands {
            assert_eq!(code(shop.manage(id, command)), "illegal_transition");
        }
        assert_eq!(shop.last_event(), events);
    };
    refused(shop, vec![Command::Retry, unblock()]);
    let claim = claimed(shop.try_claim("amy"));
    refused(shop, vec![Command::Retry, unblock()]);
    shop.block(claim);
    refused(shop, vec![Command::Retry]);
    shop.cancel(id);
    refused(shop, vec![cancel(), unblock()]);
    shop.retry(id);
    let claim = shop.claim("amy");
    shop.complete(claim);
    refused(shop, vec![cancel(), unblock(), Command::Retry]);
    assert!(matches!(shop.try_claim("amy"), Ok(Answer::Nothing { .. })));
}
