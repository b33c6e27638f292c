//! Workers come and go: pause, resume, remove, lost, left, and what becomes of what they hold.

use crate::shop::wish::{self, Wish, card, feature, features, process};
use crate::shop::{Shop, code, worker};
use domain::event::{Actor, EventKind};
use domain::id::TaskId;
use domain::task::Status;
use domain::worker::{Driver, WorkerState};
use engine::orchestrator::{Act, Card, Order, WorkerAct};

cases![
    a_worker_that_joins_is_unknown_until_it_is_seen,
    joining_twice_says_anew_what_it_is,
    numbers_are_never_used_again,
    pausing_and_resuming_are_told,
    a_lost_worker_loses_what_it_holds_at_once,
    a_lost_worker_that_speaks_is_there_again,
    a_worker_that_left_is_gone,
    a_death_that_is_told_late_takes_nothing_from_a_successor,
    a_death_is_told_once_however_many_find_it,
    a_removed_worker_loses_what_it_holds_and_is_off_the_roster,
    a_removed_worker_may_come_back,
    removing_a_worker_is_no_crash_of_the_task,
    a_process_that_begins_takes_back_what_its_predecessor_held,
    somebody_who_joins_without_a_process_keeps_what_it_holds,
    a_worker_that_is_not_there_is_not_found,
    silence_makes_idle_workers_gone_and_busy_ones_not,
    a_session_is_kept_until_the_next,
    idle_time_stands_still_during_work,
    only_its_own_claims_are_taken_back,
    a_name_that_works_on_another_machine_is_taken,
];

fn there(shop: &Shop) -> Vec<(String, u32)> {
    shop.door.workers().unwrap().iter().map(|view| (view.worker.name.to_string(), view.worker.number)).collect()
}

fn lost(shop: &Shop, name: &str) {
    shop.must_change_worker(name, WorkerAct::Lost { why: "killed".to_owned(), session: None });
}

fn a_worker_that_joins_is_unknown_until_it_is_seen(shop: &mut Shop) {
    shop.join("amy", "");
    assert_eq!(shop.state_of("amy"), WorkerState::Unknown);
    shop.must_change_worker("amy", WorkerAct::Seen);
    assert_eq!(shop.state_of("amy"), WorkerState::Idle);
    shop.join_as(process("bob", ""));
    assert_eq!(shop.state_of("bob"), WorkerState::Idle);
}

fn joining_twice_says_anew_what_it_is(shop: &mut Shop) {
    shop.join_as(Card { agent: Some("claude".to_owned()), target: Some("work:3".to_owned()), ..card("amy", Driver::Tmux, "b,a,b") });
    shop.join_as(Card { can: None, ..card("amy", Driver::Headless, "") });
    let worker = shop.door.workers().unwrap()[0].worker.clone();
    assert_eq!((worker.driver, worker.agent.as_deref(), worker.target.as_deref()), (Driver::Headless, Some("claude"), Some("work:3")));
    assert_eq!(worker.can.iter().map(ToString::to_string).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(shop.count(EventKind::WorkerAdded), 1);
}

fn numbers_are_never_used_again(shop: &mut Shop) {
    for name in ["a", "b", "c"] {
        shop.join(name, "");
    }
    shop.must_change_worker("c", WorkerAct::Remove);
    shop.must_change_worker("a", WorkerAct::Remove);
    shop.join("d", "");
    shop.join("a", "");
    assert_eq!(there(shop), [("b".to_owned(), 2), ("d".to_owned(), 4), ("a".to_owned(), 5)]);
}

fn pausing_and_resuming_are_told(shop: &mut Shop) {
    shop.is_there("amy", "");
    shop.must_change_worker("amy", WorkerAct::Pause);
    assert_eq!(shop.state_of("amy"), WorkerState::Paused);
    shop.must_change_worker("amy", WorkerAct::Resume);
    assert_eq!(shop.state_of("amy"), WorkerState::Idle);
    assert_eq!((shop.count(EventKind::WorkerPaused), shop.count(EventKind::WorkerResumed)), (1, 1));
}

fn a_lost_worker_loses_what_it_holds_at_once(shop: &mut Shop) {
    let ids = shop.add(features(3));
    shop.claim("amy");
    shop.claim("amy");
    lost(shop, "amy");
    assert_eq!(shop.state_of("amy"), WorkerState::Gone);
    assert_eq!(ids.iter().map(|id| shop.task(*id).crashes).collect::<Vec<_>>(), [1, 1, 0]);
    assert_eq!(shop.drain("bob"), ids);
    let kinds: Vec<_> = shop
        .events()
        .iter()
        .map(|event| event.kind)
        .filter(|kind| matches!(kind, EventKind::WorkerLost | EventKind::TaskExpired))
        .collect();
    assert_eq!(kinds, [EventKind::WorkerLost, EventKind::TaskExpired, EventKind::TaskExpired]);
}

fn a_lost_worker_that_speaks_is_there_again(shop: &mut Shop) {
    shop.add_one(feature("a"));
    shop.is_there("amy", "");
    lost(shop, "amy");
    shop.claim("amy");
    assert_eq!(shop.state_of("amy"), WorkerState::Busy);
}

fn a_worker_that_left_is_gone(shop: &mut Shop) {
    shop.is_there("amy", "");
    shop.must_change_worker("amy", WorkerAct::Left);
    assert_eq!(shop.state_of("amy"), WorkerState::Gone);
    assert_eq!(shop.count(EventKind::WorkerLost), 0);
    // It is told apart from one that died, until it is back.
    let has_left = |shop: &Shop, name: &str| {
        shop.door.workers().unwrap().iter().any(|view| view.worker.name.as_str() == name && view.worker.has_left())
    };
    assert!(has_left(shop, "amy"));
    shop.is_there("amy", "");
    assert!(!has_left(shop, "amy"));
}

fn a_death_that_is_told_late_takes_nothing_from_a_successor(shop: &mut Shop) {
    let id = shop.add_one(feature("a"));
    let begin = |shop: &Shop, session: &str| {
        let card = Card { session: Some(session.to_owned()), ..process("amy", "") };
        shop.door.apply_one(Order::new(Actor::Worker, Act::Join(card))).unwrap();
    };
    begin(shop, "first");
    begin(shop, "second");
    shop.claim("amy");
    shop.must_change_worker("amy", WorkerAct::Lost { why: "the first ended".to_owned(), session: Some("first".to_owned()) });
    assert_eq!((shop.status(id), shop.count(EventKind::WorkerLost)), (Status::InProgress, 0));
    shop.must_change_worker("amy", WorkerAct::Lost { why: "the second ended".to_owned(), session: Some("second".to_owned()) });
    assert_eq!((shop.status(id), shop.count(EventKind::WorkerLost)), (Status::Pending, 1));
}

fn a_death_is_told_once_however_many_find_it(shop: &mut Shop) {
    let id = shop.add_one(feature("a"));
    shop.claim("amy");
    for _ in 0..3 {
        shop.must_change_worker("amy", WorkerAct::Lost { why: "killed".to_owned(), session: None });
    }
    assert_eq!((shop.count(EventKind::WorkerLost), shop.task(id).crashes), (1, 1));
    // With a claim that it got afterwards it is another death.
    shop.claim("amy");
    shop.must_change_worker("amy", WorkerAct::Lost { why: "killed".to_owned(), session: None });
    assert_eq!((shop.count(EventKind::WorkerLost), shop.task(id).crashes), (2, 2));
}

fn a_removed_worker_loses_what_it_holds_and_is_off_the_roster(shop: &mut Shop) {
    let id = shop.add_one(feature("a"));
    let claim = shop.claim("amy");
    shop.must_change_worker("amy", WorkerAct::Remove);
    assert_eq!(shop.door.workers().unwrap(), []);
    assert_eq!(shop.status(id), Status::Pending);
    assert_eq!(code(shop.report(wish::complete(claim))), "stale_claim");
    assert_eq!(shop.count(EventKind::WorkerRemoved), 1);
    assert_eq!(shop.claim("bob").task, id);
}

fn a_removed_worker_may_come_back(shop: &mut Shop) {
    let id = shop.add_one(feature("a").needs("backend"));
    shop.is_there("amy", "backend");
    shop.must_change_worker("amy", WorkerAct::Remove);
    shop.is_there("able", "backend");
    shop.idles("amy");
    assert_eq!(shop.door.workers().unwrap()[1].worker.can, [], "as somebody new");
    assert_eq!(shop.claim("able").task, id);
}

fn removing_a_worker_is_no_crash_of_the_task(shop: &mut Shop) {
    let id = shop.add_one(feature("a"));
    for name in ["amy", "bob", "cy"] {
        shop.claim(name);
        shop.must_change_worker(name, WorkerAct::Remove);
    }
    assert_eq!(shop.status(id), Status::Pending, "a person who removes three workers has not found a poison pill");
}

fn a_process_that_begins_takes_back_what_its_predecessor_held(shop: &mut Shop) {
    let ids = shop.add(features(2));
    shop.join_as(process("amy", ""));
    shop.claim("amy");
    shop.join_as(process("amy", ""));
    assert_eq!((shop.status(ids[0]), shop.task(ids[0]).crashes), (Status::Pending, 1));
    assert_eq!(shop.state_of("amy"), WorkerState::Idle);
    assert_eq!(shop.drain("amy"), ids);
}

fn somebody_who_joins_without_a_process_keeps_what_it_holds(shop: &mut Shop) {
    shop.add_one(feature("a"));
    let claim = shop.claim("amy");
    shop.join("amy", "backend");
    shop.complete(claim);
}

fn a_worker_that_is_not_there_is_not_found(shop: &mut Shop) {
    for what in [
        WorkerAct::Seen,
        WorkerAct::Pause,
        WorkerAct::Resume,
        WorkerAct::Remove,
        WorkerAct::Left,
        WorkerAct::Lost { why: String::new(), session: None },
    ] {
        assert_eq!(code(shop.change_worker("amy", what)), "no_such_worker");
    }
    assert_eq!((shop.last_event(), there(shop)), (0, vec![]));
}

fn silence_makes_idle_workers_gone_and_busy_ones_not(shop: &mut Shop) {
    shop.add_one(feature("a"));
    shop.join_as(process("idle", ""));
    shop.is_there("person", "");
    shop.claim("busy");
    shop.pass(121);
    assert_eq!(
        (shop.state_of("idle"), shop.state_of("person"), shop.state_of("busy")),
        (WorkerState::Gone, WorkerState::Idle, WorkerState::Busy)
    );
    shop.sweep();
    shop.pass(60);
    assert_eq!((shop.state_of("person"), shop.state_of("busy")), (WorkerState::Gone, WorkerState::Gone));
}

fn a_session_is_kept_until_the_next(shop: &mut Shop) {
    let session = |shop: &Shop| shop.door.look(|snapshot| snapshot.session(&worker("amy"))).unwrap();
    assert_eq!(session(shop), None);
    shop.join_as(Card { session: Some(r#"{"pid":7}"#.to_owned()), ..process("amy", "") });
    shop.join("amy", "");
    assert_eq!(session(shop).as_deref(), Some(r#"{"pid":7}"#));
    shop.join_as(Card { session: Some(r#"{"pid":8}"#.to_owned()), ..process("amy", "") });
    assert_eq!(session(shop).as_deref(), Some(r#"{"pid":8}"#));
}

fn idle_time_stands_still_during_work(shop: &mut Shop) {
    shop.add(features(2));
    let sight = |shop: &Shop| {
        let sight = shop.door.workers().unwrap()[0].sight.clone();
        (sight.idle.as_secs(), sight.runtime.as_secs())
    };
    shop.join_as(process("amy", ""));
    shop.pass(5);
    assert_eq!(sight(shop), (5, 0));
    let claim = shop.claim("amy");
    shop.pass(7);
    assert_eq!(sight(shop), (0, 7));
    shop.complete(claim);
    shop.pass(11);
    assert_eq!(sight(shop), (11, 7));
    shop.claim("amy");
    shop.pass(120);
    shop.sweep();
    shop.pass(1);
    assert_eq!(sight(shop), (1, 127));
}

fn only_its_own_claims_are_taken_back(shop: &mut Shop) {
    shop.add(features(2));
    shop.claim("amy");
    let other = shop.claim("amy-2");
    lost(shop, "amy");
    assert_eq!((shop.status(TaskId(1)), shop.status(TaskId(2))), (Status::Pending, Status::InProgress));
    shop.complete(other);
}

fn a_name_that_works_on_another_machine_is_taken(shop: &mut Shop) {
    let on = |host: &str, home: &str| {
        let session = format!(r#"{{"pid":7,"host":"{host}","boot":"boot of {host}","home":"{home}","mark":"m"}}"#);
        Act::Join(Card { session: Some(session), ..process("amy", "") })
    };
    shop.add(features(2));
    shop.human(on("one", "1:1")).unwrap();
    let claim = shop.claim("amy");
    if shop.door.store().is_shared() {
        for (host, home) in [("two", "1:1"), ("one", "1:2")] {
            let refused = shop.human(on(host, home)).unwrap_err();
            assert_eq!(refused.code, "worker_running");
            assert!(refused.message.contains("on one"), "{refused:?}");
        }
        assert_eq!(shop.task(claim.task).claim(), Some(claim), "and keeps what it holds");
        shop.pass(119);
        assert_eq!(code(shop.human(on("two", "1:1"))), "worker_running");
        shop.pass(1);
    }
    // Silent for a lease: then the name is free, and what it held as well.
    shop.human(on("two", "1:1")).unwrap();
    assert_eq!(shop.status(claim.task), Status::Pending);
    shop.must_change_worker("amy", WorkerAct::Left);
    shop.human(on("one", "1:1")).unwrap();
    // On its own machine a lock says who has the name, and whoever has it may begin anew.
    shop.human(on("one", "1:1")).unwrap();
}
