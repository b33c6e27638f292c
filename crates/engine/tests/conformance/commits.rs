//! Group commit: many callers share transactions, each is answered after the commit, and none spoils another's.

use crate::shop::wish::{self, Wish, feature, features};
use crate::shop::{Shop, added, claimed, worker};
use domain::event::{Actor, EventKind};
use domain::id::TaskId;
use domain::lifecycle::Command;
use domain::task::Status;
use engine::error::Kind;
use engine::orchestrator::group::{Caller, Committer};
use engine::orchestrator::{Act, Answer, Order};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

cases![
    everybody_is_answered,
    what_is_answered_is_there_for_others,
    the_order_of_one_caller_is_kept,
    many_workers_share_a_queue,
    a_fatal_error_is_its_owners_alone,
    a_refusal_is_its_owners_alone,
    dropping_it_carries_out_what_waits,
    a_caller_that_outlives_it_is_told,
];

fn start(shop: &Shop) -> Committer {
    Committer::start(Arc::clone(&shop.door)).unwrap()
}

fn add(title: &str) -> Order {
    Order::new(Actor::Human, Act::Add { tasks: vec![feature(title)], plan: None })
}

fn one(caller: &Caller, order: Order) -> engine::error::Result<Answer> {
    caller.apply(vec![order])?.remove(0)
}

fn everybody_is_answered(shop: &mut Shop) {
    let committer = start(shop);
    let mut ids: Vec<TaskId> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..12)
            .map(|number| {
                let caller = committer.caller();
                scope.spawn(move || {
                    (0..10).map(|round| added(&one(&caller, add(&format!("{number}.{round}"))).unwrap())[0]).collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    ids.sort_unstable();
    assert_eq!(ids, (1..=120).map(TaskId).collect::<Vec<_>>(), "each with an id of its own");
}

fn what_is_answered_is_there_for_others(shop: &mut Shop) {
    let committer = start(shop);
    let other = shop.second_door();
    let caller = committer.caller();
    for round in 0..20 {
        let id = added(&one(&caller, add(&round.to_string())).unwrap())[0];
        assert_eq!(other.task(id).unwrap().full.spec.title, round.to_string());
    }
}

fn the_order_of_one_caller_is_kept(shop: &mut Shop) {
    let committer = start(shop);
    std::thread::scope(|scope| {
        for name in ["a", "b", "c", "d"] {
            let caller = committer.caller();
            scope.spawn(move || {
                for round in 0..10 {
                    let orders = (0..3).map(|part| add(&format!("{name} {:03}", round * 3 + part))).collect();
                    let answers = caller.apply(orders).unwrap();
                    let ids: Vec<u32> = answers.iter().map(|answer| added(answer.as_ref().unwrap())[0].0).collect();
                    assert_eq!((ids[1], ids[2]), (ids[0] + 1, ids[0] + 2), "orders of one call stay together");
                }
            });
        }
    });
    let mut titles = Vec::new();
    shop.door
        .list(&engine::store::Filter::default(), |view| {
            titles.push(view.full.spec.title);
            Ok(true)
        })
        .unwrap();
    titles.sort_by_key(|title| title[..1].to_owned());
    assert!(titles.windows(2).all(|pair| pair[0] < pair[1]), "{titles:?}");
}

fn many_workers_share_a_queue(shop: &mut Shop) {
    shop.add(features(80));
    let committer = start(shop);
    let shop = &*shop;
    std::thread::scope(|scope| {
        for number in 0..8 {
            let (caller, name) = (committer.caller(), worker(&format!("w{number}")));
            scope.spawn(move || {
                let mut held = None;
                loop {
                    let mut orders: Vec<Order> =
                        held.take().map(|claim| Order::new(Actor::Worker, wish::report(wish::complete(claim)))).into_iter().collect();
                    orders.push(Order::new(Actor::Worker, Act::Claim { worker: name.clone(), only: None, nonce: shop.nonce() }));
                    let mut answers = caller.apply(orders).unwrap();
                    match answers.pop().unwrap() {
                        Ok(Answer::Claimed { claim, .. }) => held = Some(claim),
                        other => return assert!(matches!(other, Ok(Answer::Nothing { .. })), "{other:?}"),
                    }
                    assert!(answers.iter().all(Result::is_ok));
                }
            });
        }
    });
    assert_eq!(shop.door.standing(None).unwrap().counts.of(Status::Completed), 80);
    assert_eq!(shop.count(EventKind::TaskClaimed), 80);
}

fn a_fatal_error_is_its_owners_alone(shop: &mut Shop) {
    let committer = start(shop);
    let wrong = || Order::new(Actor::Worker, Act::Report { command: Command::Retry, result: None, ran: None });
    let outcomes: Vec<(bool, Kind)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16)
            .map(|number| {
                let caller = committer.caller();
                scope.spawn(move || {
                    let mut wrongs = (true, Kind::Bug);
                    for round in 0..5 {
                        if number % 4 == 0 {
                            let error = caller.apply(vec![add("never"), wrong()]).unwrap_err();
                            wrongs = (wrongs.0 && error.kind == Kind::Bug, error.kind);
                        } else {
                            one(&caller, add(&format!("good {number}.{round}"))).unwrap();
                        }
                    }
                    wrongs
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(outcomes.iter().all(|(as_expected, _)| *as_expected), "{outcomes:?}");
    assert_eq!(shop.door.standing(None).unwrap().counts.all(), 12 * 5, "all the good ones, once, and none of the others");
}

fn a_refusal_is_its_owners_alone(shop: &mut Shop) {
    let committer = start(shop);
    std::thread::scope(|scope| {
        for number in 0..8 {
            let caller = committer.caller();
            scope.spawn(move || {
                for _ in 0..5 {
                    let cancel = Act::Manage { task: TaskId(9_999), command: Command::Cancel { note: String::new() } };
                    let answers = caller.apply(vec![Order::new(Actor::Human, cancel), add(&number.to_string())]).unwrap();
                    assert_eq!(answers[0].as_ref().unwrap_err().code, "no_such_task");
                    assert!(answers[1].is_ok());
                }
            });
        }
    });
    assert_eq!(shop.door.standing(None).unwrap().counts.all(), 40);
}

fn dropping_it_carries_out_what_waits(shop: &mut Shop) {
    shop.add(vec![feature("a").needs("x"), feature("b")]);
    for _ in 0..10 {
        let committer = start(shop);
        let caller = committer.caller();
        let thread = std::thread::spawn(move || one(&caller, add("waits")));
        drop(committer);
        // Either it came in time and is there, or it is told that it did not.
        let before = shop.door.standing(None).unwrap().counts.all();
        match thread.join().unwrap() {
            Ok(answer) => assert!(added(&answer)[0].0 <= before),
            Err(error) => assert_eq!(error.code, "stopped"),
        }
    }
    assert_eq!(claimed(shop.try_claim("amy")).task, TaskId(2));
}

fn a_caller_that_outlives_it_is_told(shop: &mut Shop) {
    let committer = start(shop);
    let caller = committer.caller();
    one(&caller, add("a")).unwrap();
    let (done, ended) = channel();
    std::thread::spawn(move || {
        drop(committer);
        let _ = done.send(());
    });
    match ended.recv_timeout(Duration::from_secs(20)) {
        Ok(()) => {}
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => panic!("ending waits for a caller that only exists"),
    }
    assert_eq!(one(&caller, add("b")).unwrap_err().code, "stopped");
    assert_eq!(shop.door.standing(None).unwrap().counts.all(), 1);
}
