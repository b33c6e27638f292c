//! Several orders in one transaction: in their order, together, and a refused one leaves the others alone.

use crate::shop::wish::{self, Wish, feature, features, tested};
use crate::shop::{Shop, changed, claimed, code, worker};
use domain::event::{Actor, EventKind};
use domain::id::TaskId;
use domain::lease::Claim;
use domain::lifecycle::Command;
use domain::task::{FailReason, Status};
use engine::error::{Kind, Result};
use engine::orchestrator::{Act, Answer, Order, Patch, WorkerAct};

cases![
    complete_and_claim_the_next,
    the_next_is_what_the_completion_released,
    the_next_is_the_test_that_the_last_feature_let_go,
    a_refused_order_in_the_middle_leaves_the_others,
    an_order_sees_what_those_before_it_did,
    what_says_that_we_are_wrong_takes_everything_back,
    nothing_is_a_batch_too,
    a_worker_may_be_added_changed_and_removed_in_one,
    a_whole_life_in_one,
    claims_of_several_workers_in_one,
    a_fix_that_is_made_in_the_batch_can_be_claimed_in_it,
];

fn by_worker(act: Act) -> Order {
    Order::new(Actor::Worker, act)
}

fn claim(shop: &Shop, name: &str) -> Order {
    by_worker(Act::Claim { worker: worker(name), only: None, nonce: shop.nonce() })
}

fn complete(claim: Claim) -> Order {
    by_worker(wish::report(wish::complete(claim)))
}

fn apply(shop: &Shop, orders: &[Order]) -> Vec<Result<Answer>> {
    let answers = shop.door.apply(orders).unwrap();
    assert_eq!(answers.len(), orders.len());
    answers
}

fn complete_and_claim_the_next(shop: &mut Shop) {
    let ids = shop.add(features(4));
    let mut held = shop.claim("amy");
    for id in &ids[1..] {
        let mut answers = apply(shop, &[complete(held), claim(shop, "amy")]);
        held = claimed(answers.remove(1));
        assert_eq!(held.task, *id);
        assert_eq!(changed(answers.remove(0)).status(), Status::Completed);
    }
    let answers = apply(shop, &[complete(held), claim(shop, "amy")]);
    assert!(matches!(answers[1], Ok(Answer::Nothing { .. })));
}

fn the_next_is_what_the_completion_released(shop: &mut Shop) {
    let ids = shop.add(vec![feature("a"), feature("b").after(0)]);
    let held = shop.claim("amy");
    let mut answers = apply(shop, &[complete(held), claim(shop, "amy")]);
    assert_eq!(claimed(answers.remove(1)).task, ids[1]);
}

fn the_next_is_the_test_that_the_last_feature_let_go(shop: &mut Shop) {
    let ids = shop.import("p", tested(vec![feature("a"), feature("b").phase(2)]));
    let held = shop.claim("amy");
    let mut answers = apply(shop, &[complete(held), claim(shop, "amy")]);
    let held = claimed(answers.remove(1));
    assert_eq!(held.task, ids[1]);
    let mut answers = apply(shop, &[complete(held), claim(shop, "amy"), claim(shop, "bob")]);
    assert_eq!([claimed(answers.remove(1)).task, claimed(answers.remove(1)).task], [ids[2], ids[3]]);
}

fn a_refused_order_in_the_middle_leaves_the_others(shop: &mut Shop) {
    let ids = shop.add(vec![feature("a"), feature("b"), feature("c").after(0).after(1)]);
    let (one, two) = (shop.claim("amy"), shop.claim("bob"));
    let forged = Claim { nonce: shop.nonce(), ..two };
    let cycle = Act::Edit { task: ids[0], patch: Box::new(Patch { after: vec![ids[2]], ..Patch::default() }) };
    let orders = [
        complete(one),
        complete(forged),
        Order::new(Actor::Human, cycle),
        by_worker(Act::Claim { worker: worker("cy"), only: Some(ids[2]), nonce: shop.nonce() }),
        Order::new(Actor::Human, Act::Add { tasks: vec![feature("d").after_task(TaskId(77))], plan: None }),
        Order::new(Actor::Human, Act::Manage { task: ids[0], command: Command::Retry }),
        complete(two),
        claim(shop, "amy"),
    ];
    let answers = apply(shop, &orders);
    let codes: Vec<&str> = answers.iter().map(|answer| answer.as_ref().map_or_else(|error| error.code, |_| "")).collect();
    assert_eq!(codes, ["", "stale_claim", "cycle", "not_ready", "no_such_task", "illegal_transition", "", ""]);
    assert_eq!(claimed(answers.into_iter().next_back().unwrap()).task, ids[2]);
}

fn an_order_sees_what_those_before_it_did(shop: &mut Shop) {
    let answers = apply(
        shop,
        &[
            Order::new(Actor::Human, Act::Add { tasks: features(1), plan: None }),
            Order::new(Actor::Human, Act::Add { tasks: vec![feature("b").after_task(TaskId(1))], plan: None }),
            claim(shop, "amy"),
            claim(shop, "bob"),
            Order::new(Actor::Human, Act::Manage { task: TaskId(1), command: Command::Cancel { note: String::new() } }),
            Order::new(Actor::Human, Act::Manage { task: TaskId(2), command: Command::Unblock { note: String::new() } }),
        ],
    );
    assert!(matches!(answers[2], Ok(Answer::Claimed { .. })) && matches!(answers[3], Ok(Answer::Nothing { .. })));
    assert_eq!(code(answers.into_iter().next_back().unwrap()), "illegal_transition");
    assert_eq!((shop.status(TaskId(1)), shop.status(TaskId(2))), (Status::Cancelled, Status::Blocked));
}

fn what_says_that_we_are_wrong_takes_everything_back(shop: &mut Shop) {
    shop.add(features(2));
    let events = shop.events();
    let wrong = by_worker(Act::Report { command: Command::Retry, result: None, ran: None });
    let refused =
        shop.door.apply(&[claim(shop, "amy"), Order::new(Actor::Human, Act::Add { tasks: features(3), plan: None }), wrong]).unwrap_err();
    assert_eq!(refused.kind, Kind::Bug);
    assert_eq!((shop.events(), shop.door.workers().unwrap()), (events, vec![]));
    assert_eq!(shop.claim("amy").task, TaskId(1), "and the store goes on");
}

fn nothing_is_a_batch_too(shop: &mut Shop) {
    assert_eq!(shop.door.apply(&[]), Ok(vec![]));
    assert_eq!(shop.last_event(), 0);
}

fn a_worker_may_be_added_changed_and_removed_in_one(shop: &mut Shop) {
    shop.add(features(1));
    let change = |what| Order::new(Actor::Human, Act::Worker { name: worker("amy"), what });
    let answers = apply(
        shop,
        &[
            Order::new(Actor::Human, Act::Join(wish::process("amy", "x"))),
            claim(shop, "amy"),
            change(WorkerAct::Pause),
            claim(shop, "amy"),
            change(WorkerAct::Remove),
            change(WorkerAct::Resume),
            claim(shop, "amy"),
        ],
    );
    assert_eq!(answers[5].as_ref().unwrap_err().code, "no_such_worker");
    assert!(matches!(answers[3], Ok(Answer::Nothing { .. })));
    assert_eq!(claimed(answers.into_iter().next_back().unwrap()).attempt.0, 2);
    let workers = shop.door.workers().unwrap();
    assert_eq!((workers.len(), workers[0].worker.number, workers[0].worker.holding), (1, 2, 1));
}

fn a_whole_life_in_one(shop: &mut Shop) {
    shop.add(vec![feature("a").attempts(1)]);
    let nonces = [shop.nonce(), shop.nonce()];
    let held = |attempt: u32| Claim { task: TaskId(1), attempt: domain::id::Attempt(attempt), nonce: nonces[attempt as usize - 1] };
    let take = |attempt: usize| by_worker(Act::Claim { worker: worker("amy"), only: None, nonce: nonces[attempt - 1] });
    let answers = apply(
        shop,
        &[
            take(1),
            by_worker(wish::report(wish::heartbeat(held(1)))),
            by_worker(wish::report(wish::fail(held(1), FailReason::Reported))),
            Order::new(Actor::Human, Act::Manage { task: TaskId(1), command: Command::Retry }),
            take(2),
            by_worker(wish::report(wish::complete(held(1)))),
            by_worker(wish::report(wish::complete(held(2)))),
            by_worker(wish::report(wish::complete(held(2)))),
        ],
    );
    let refused: Vec<usize> = answers.iter().enumerate().filter(|(_, answer)| answer.is_err()).map(|(index, _)| index).collect();
    assert_eq!(refused, [5], "only the older attempt");
    assert_eq!(answers[6], answers[7]);
    assert_eq!(
        shop.kinds(TaskId(1))[1..],
        [EventKind::TaskClaimed, EventKind::TaskFailed, EventKind::TaskRetried, EventKind::TaskClaimed, EventKind::TaskCompleted]
    );
}

fn claims_of_several_workers_in_one(shop: &mut Shop) {
    let ids = shop.add(features(3));
    let answers = apply(shop, &[claim(shop, "amy"), claim(shop, "bob"), claim(shop, "amy"), claim(shop, "cy")]);
    let given: Vec<TaskId> = answers.into_iter().take(3).map(|answer| claimed(answer).task).collect();
    assert_eq!(given, ids);
}

fn a_fix_that_is_made_in_the_batch_can_be_claimed_in_it(shop: &mut Shop) {
    shop.import("p", tested(vec![feature("a")]));
    shop.complete(shop.claim("amy"));
    let test = shop.claim("amy");
    let mut answers = apply(shop, &[by_worker(wish::report(wish::fail(test, FailReason::Reported))), claim(shop, "bob")]);
    let fix = claimed(answers.remove(1));
    assert_eq!(fix.task, TaskId(3));
    let mut answers = apply(shop, &[complete(fix), claim(shop, "bob")]);
    assert_eq!(claimed(answers.remove(1)).task, test.task);
}
