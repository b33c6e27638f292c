//! Which task a claim gives, and that it gives it to one worker only (G6).

use crate::shop::wish::{Wish, feature, features};
use crate::shop::{Shop, claimed, code, secs, worker};
use domain::event::{Actor, EventKind};
use domain::id::{Attempt, TaskId};
use domain::lease::Nonce;
use domain::task::{Priority, Status, TaskState};
use domain::worker::{Driver, WorkerState};
use engine::orchestrator::{Act, Answer, Order, WorkerAct};
use std::sync::Arc;

cases![
    phase_comes_before_priority,
    priority_comes_before_the_longest_path,
    the_longest_path_comes_before_age,
    the_oldest_of_equals_comes_first,
    a_task_that_is_added_behind_another_makes_its_path_longer,
    a_recorded_duration_counts_more_than_an_estimate,
    a_claim_by_id_takes_that_task,
    a_claim_by_id_tells_why_not,
    a_refused_claim_leaves_nothing_behind,
    the_same_task_is_never_given_twice,
    two_handles_never_give_the_same_task,
    many_threads_never_get_the_same_task,
    one_worker_may_hold_several,
    the_time_of_two_claims_at_once_is_worked_once,
    a_stranger_joins_the_roster,
    a_paused_worker_gets_nothing_and_keeps_what_it_has,
    a_claim_raises_the_attempt,
    nothing_ready_is_told_as_nothing,
];

fn phase_comes_before_priority(shop: &mut Shop) {
    // Both are free: the second joins while its phase has begun.
    let low = shop.add_one(feature("early").priority(Priority::Low));
    let high = shop.import("p", vec![feature("late").phase(2).priority(Priority::High)]);
    assert_eq!(shop.drain("amy"), [low, high[0]]);
}

fn priority_comes_before_the_longest_path(shop: &mut Shop) {
    let ids = shop.add(vec![
        feature("long").priority(Priority::Low).estimate(9_000),
        feature("med").estimate(1),
        feature("high").priority(Priority::High).estimate(1),
    ]);
    assert_eq!(shop.drain("amy"), [ids[2], ids[1], ids[0]]);
}

fn the_longest_path_comes_before_age(shop: &mut Shop) {
    let ids = shop.add(vec![
        feature("short").estimate(10),
        feature("head").estimate(10),
        feature("tail").after(1).estimate(5),
        feature("long").estimate(14),
    ]);
    assert_eq!(shop.drain("amy"), [ids[1], ids[3], ids[0], ids[2]]);
}

fn the_oldest_of_equals_comes_first(shop: &mut Shop) {
    let ids = shop.add(features(12));
    assert_eq!(shop.drain("amy"), ids);
}

fn a_task_that_is_added_behind_another_makes_its_path_longer(shop: &mut Shop) {
    let ids = shop.add(vec![feature("a"), feature("b"), feature("c").after(1)]);
    // The path of b through c grows by the newcomer, over c, beyond that of a.
    shop.add_one(feature("d").after_task(ids[2]).estimate(600));
    assert_eq!(shop.task(ids[1]).path_ms, 720_000);
    assert_eq!(shop.claim("amy").task, ids[1]);
}

fn a_recorded_duration_counts_more_than_an_estimate(shop: &mut Shop) {
    let key = engine::store::rows::duration_key("make slow");
    shop.add_one(feature("slow").runs("make slow"));
    let claim = shop.claim("amy");
    let ran = engine::orchestrator::Ran { key, ms: 500_000 };
    shop.worker(Act::Report { command: crate::shop::wish::complete(claim), result: None, ran: Some(ran) }).unwrap();
    let ids = shop.add(vec![feature("quick").estimate(100), feature("slow again").runs("make slow").estimate(1)]);
    assert_eq!(shop.task(ids[1]).path_ms, 500_000);
    assert_eq!(shop.claim("amy").task, ids[1]);
}

fn a_claim_by_id_takes_that_task(shop: &mut Shop) {
    let ids = shop.add(features(3));
    assert_eq!(shop.claim_task("amy", ids[2]).task, ids[2]);
    assert_eq!(shop.claim("amy").task, ids[0]);
}

fn a_claim_by_id_tells_why_not(shop: &mut Shop) {
    let ids = shop.add(vec![feature("a"), feature("b").after(0), feature("c")]);
    let claim = shop.claim_task("amy", ids[0]);
    assert_eq!(code(shop.try_claim_task("bob", ids[0])), "taken");
    assert_eq!(code(shop.try_claim_task("amy", ids[0])), "taken", "nor one that it holds already");
    assert_eq!(code(shop.try_claim_task("bob", ids[1])), "not_ready");
    assert_eq!(code(shop.try_claim_task("bob", TaskId(99))), "no_such_task");
    shop.complete(claim);
    assert_eq!(code(shop.try_claim_task("bob", ids[0])), "not_ready");
    shop.cancel(ids[2]);
    assert_eq!(code(shop.try_claim_task("bob", ids[2])), "not_ready");
}

fn a_refused_claim_leaves_nothing_behind(shop: &mut Shop) {
    let ids = shop.add(vec![feature("a"), feature("b").after(0)]);
    shop.claim_task("amy", ids[0]);
    let events = shop.events();
    assert_eq!(code(shop.try_claim_task("stranger", ids[0])), "taken");
    assert_eq!(code(shop.try_claim_task("stranger", ids[1])), "not_ready");
    assert_eq!(code(shop.try_claim_task("stranger", TaskId(99))), "no_such_task");
    assert_eq!(shop.events(), events, "refused means that nothing changed");
    assert_eq!(shop.door.workers().unwrap().len(), 1);
}

fn the_same_task_is_never_given_twice(shop: &mut Shop) {
    let ids = shop.add(features(2));
    assert_eq!([shop.claim("amy").task, shop.claim("bob").task], [ids[0], ids[1]]);
    shop.idles("amy");
    shop.idles("bob");
    shop.idles("cy");
}

fn two_handles_never_give_the_same_task(shop: &mut Shop) {
    let ids = shop.add(features(20));
    let doors = [Arc::clone(&shop.door), shop.second_door()];
    let mut given = Vec::new();
    for (turn, door) in doors.iter().cycle().take(20).enumerate() {
        let act = Act::Claim { worker: worker(&format!("w{}", turn % 3)), only: None, nonce: shop.nonce() };
        given.push(claimed(door.apply_one(Order::new(Actor::Worker, act))).task);
    }
    assert_eq!(given, ids);
}

fn many_threads_never_get_the_same_task(shop: &mut Shop) {
    let ids = shop.add(features(60));
    let doors = [Arc::clone(&shop.door), shop.second_door()];
    let shop = &*shop;
    let mut given: Vec<TaskId> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..6_usize)
            .map(|number| {
                let door = &doors[number % 2];
                scope.spawn(move || {
                    let mut given = Vec::new();
                    loop {
                        let act = Act::Claim { worker: worker(&format!("w{number}")), only: None, nonce: shop.nonce() };
                        match door.apply_one(Order::new(Actor::Worker, act)).unwrap() {
                            Answer::Claimed { claim, .. } => given.push(claim.task),
                            _ => return given,
                        }
                    }
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    given.sort_unstable();
    assert_eq!(given, ids);
}

fn one_worker_may_hold_several(shop: &mut Shop) {
    let ids = shop.add(features(3));
    let claims = [shop.claim("amy"), shop.claim("amy"), shop.claim("amy")];
    assert_eq!(claims.map(|claim| claim.task).to_vec(), ids);
    assert_eq!(shop.door.workers().unwrap()[0].worker.holding, 3);
    shop.complete(claims[1]);
    assert_eq!((shop.status(ids[0]), shop.status(ids[1])), (Status::InProgress, Status::Completed));
    assert_eq!(shop.state_of("amy"), WorkerState::Busy);
}

fn the_time_of_two_claims_at_once_is_worked_once(shop: &mut Shop) {
    shop.add(features(2));
    let sight = |shop: &Shop| shop.door.workers().unwrap()[0].sight.clone();
    let first = shop.claim("amy");
    shop.pass(10);
    let second = shop.claim("amy");
    shop.pass(10);
    shop.complete(first);
    shop.pass(10);
    assert_eq!((sight(shop).runtime, sight(shop).idle, sight(shop).task), (secs(30), secs(0), Some(second.task)));
    shop.complete(second);
    shop.pass(7);
    assert_eq!((sight(shop).runtime, sight(shop).idle, sight(shop).task), (secs(30), secs(7), None));
}

fn a_stranger_joins_the_roster(shop: &mut Shop) {
    shop.add_one(feature("a"));
    shop.claim("amy");
    shop.idles("bob");
    let workers = shop.door.workers().unwrap();
    let shown: Vec<_> = workers.iter().map(|view| (view.worker.name.as_str(), view.worker.number, view.worker.driver)).collect();
    assert_eq!(shown, [("amy", 1, Driver::Pull), ("bob", 2, Driver::Pull)]);
    assert_eq!(shop.count(EventKind::WorkerAdded), 2);
}

fn a_paused_worker_gets_nothing_and_keeps_what_it_has(shop: &mut Shop) {
    let ids = shop.add(features(3));
    let claim = shop.claim("amy");
    shop.must_change_worker("amy", WorkerAct::Pause);
    shop.idles("amy");
    assert!(matches!(shop.try_claim_task("amy", ids[1]), Ok(Answer::Nothing { .. })));
    shop.heartbeat(claim);
    shop.complete(claim);
    assert_eq!(shop.state_of("amy"), WorkerState::Paused);
    shop.must_change_worker("amy", WorkerAct::Resume);
    assert_eq!(shop.claim("amy").task, ids[1]);
}

fn a_claim_raises_the_attempt(shop: &mut Shop) {
    let id = shop.add_one(feature("a"));
    for attempt in 1..=4 {
        let claim = shop.claim("amy");
        assert_eq!(claim.attempt, Attempt(attempt));
        shop.release(claim);
    }
    let act = Act::Claim { worker: worker("amy"), only: Some(id), nonce: Nonce([9; 16]) };
    let claim = claimed(shop.worker(act));
    assert_eq!((claim.attempt, claim.nonce), (Attempt(5), Nonce([9; 16])));
    assert!(matches!(shop.task(id).state, TaskState::InProgress(held) if held.nonce == Nonce([9; 16])));
}

fn nothing_ready_is_told_as_nothing(shop: &mut Shop) {
    shop.idles("amy");
    let id = shop.add_one(feature("a"));
    shop.block(shop.claim("amy"));
    shop.idles("amy");
    shop.unblock(id);
    assert_eq!(shop.claim("amy").task, id);
}
