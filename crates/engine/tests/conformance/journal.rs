//! The journal: one order without gaps, each task's own chain, messages, and what listing finds.

use crate::shop::wish::{self, Wish, feature, features, tested};
use crate::shop::{Shop, code, secs, worker};
use domain::event::{Actor, EventKind};
use domain::id::{EventSeq, TaskId};
use domain::lifecycle::Command;
use domain::task::{FailReason, Kind, Status, Step};
use domain::time::Timestamp;
use engine::orchestrator::{Act, Order};
use engine::store::Filter;

cases![
    events_are_dense_over_handles_and_refusals,
    every_event_says_who_caused_it,
    events_come_in_pages,
    a_task_has_its_own_history,
    a_history_may_be_cut_to_its_newest,
    a_start_that_is_told_later_stands_before_its_end,
    messages_are_posted_and_read,
    the_newest_messages_come_first_to_mind,
    a_message_about_nothing_is_refused,
    a_task_is_found_by_every_filter,
    times_are_those_of_the_wall,
];

fn say(shop: &Shop, text: &str, task: Option<TaskId>) -> engine::error::Result<engine::orchestrator::Answer> {
    shop.human(Act::Say { from: "amy".to_owned(), text: text.to_owned(), task })
}

fn events_are_dense_over_handles_and_refusals(shop: &mut Shop) {
    let doors = [shop.second_door(), shop.second_door()];
    std::thread::scope(|scope| {
        for number in 0..6_usize {
            let door = &doors[number % 2];
            scope.spawn(move || {
                for round in 0..8 {
                    let text = format!("{number}.{round}");
                    let task = (round % 3 == 0).then_some(TaskId(99));
                    let told = door.apply_one(Order::new(Actor::Human, Act::Say { from: "x".to_owned(), text, task }));
                    assert_eq!(told.is_ok(), task.is_none());
                }
            });
        }
    });
    assert_eq!(shop.last_event(), 6 * 5);
}

fn every_event_says_who_caused_it(shop: &mut Shop) {
    let id = shop.add_one(feature("a"));
    let claim = shop.claim("amy");
    shop.pass(120);
    shop.sweep();
    shop.cancel(id);
    let told: Vec<_> =
        shop.events().iter().map(|event| (event.kind, event.actor, event.attempt.map(|attempt| attempt.0), event.worker.clone())).collect();
    let amy = || Some(worker("amy"));
    assert_eq!(
        told,
        [
            (EventKind::TaskAdded, Actor::Human, None, None),
            (EventKind::WorkerAdded, Actor::Worker, None, amy()),
            (EventKind::TaskClaimed, Actor::Worker, Some(claim.attempt.0), amy()),
            (EventKind::TaskExpired, Actor::Orchestrator, Some(1), amy()),
            (EventKind::TaskCancelled, Actor::Human, Some(1), None),
        ]
    );
}

fn events_come_in_pages(shop: &mut Shop) {
    shop.add(features(25));
    let mut seen = Vec::new();
    loop {
        let page = shop.door.events(EventSeq(seen.last().copied().unwrap_or(0)), 10).unwrap();
        assert!(page.len() <= 10);
        if page.is_empty() {
            break;
        }
        seen.extend(page.iter().map(|event| event.seq.0));
    }
    assert_eq!(seen, (1..=25).collect::<Vec<_>>());
}

fn a_task_has_its_own_history(shop: &mut Shop) {
    let ids = shop.add(vec![feature("a"), feature("b")]);
    let (one, two) = (shop.claim("amy"), shop.claim("bob"));
    say(shop, "about a", Some(ids[0])).unwrap();
    say(shop, "about nothing", None).unwrap();
    shop.fail(one, FailReason::Check);
    shop.complete(two);
    shop.complete(shop.claim("bob"));
    assert_eq!(
        shop.kinds(ids[0]),
        [
            EventKind::TaskAdded,
            EventKind::TaskClaimed,
            EventKind::MessagePosted,
            EventKind::CheckFailed,
            EventKind::TaskFailed,
            EventKind::TaskClaimed,
            EventKind::TaskCompleted
        ]
    );
    assert_eq!(shop.kinds(ids[1]), [EventKind::TaskAdded, EventKind::TaskClaimed, EventKind::TaskCompleted]);
}

fn a_history_may_be_cut_to_its_newest(shop: &mut Shop) {
    let id = shop.add_one(feature("a"));
    for _ in 0..5 {
        shop.release(shop.claim("amy"));
    }
    let newest = shop.door.history(id, 3).unwrap();
    assert_eq!(
        newest.iter().map(|event| event.kind).collect::<Vec<_>>(),
        [EventKind::TaskReleased, EventKind::TaskClaimed, EventKind::TaskReleased]
    );
    assert_eq!(newest.last().unwrap().seq.0, shop.last_event());
}

fn a_start_that_is_told_later_stands_before_its_end(shop: &mut Shop) {
    let ids = shop.add(features(2));
    let at = Some(Timestamp(1_767_225_600_500));
    let claim = shop.claim("amy");
    shop.report(Command::Complete { claim, started_at: at, checked: Some("make check".to_owned()), note: "fine".to_owned() }).unwrap();
    assert_eq!(shop.kinds(ids[0])[2..], [EventKind::TaskStarted, EventKind::CheckPassed, EventKind::TaskCompleted]);
    let claim = shop.claim("amy");
    shop.report(Command::Heartbeat { claim, lease: secs(9), step: Step::Running, started_at: at }).unwrap();
    shop.heartbeat(claim);
    assert_eq!(shop.kinds(ids[1])[2..], [EventKind::TaskStarted], "a heartbeat alone is no event");
}

fn messages_are_posted_and_read(shop: &mut Shop) {
    let id = shop.add_one(feature("a"));
    let hostile = "'; DROP TABLE events; -- \u{1b}[31m \"{{7*7}}\" $(id)\nline two";
    say(shop, hostile, Some(id)).unwrap();
    say(shop, "second", None).unwrap();
    let messages = shop.second_door().messages(EventSeq(0), 10).unwrap();
    let told: serde_json::Value = serde_json::from_str(&messages[0].data).unwrap();
    assert_eq!((told["from"].as_str(), told["text"].as_str(), messages[0].task), (Some("amy"), Some(hostile), Some(id)));
    assert_eq!(shop.door.messages(messages[0].seq, 10).unwrap().len(), 1);
}

fn the_newest_messages_come_first_to_mind(shop: &mut Shop) {
    for number in 0..6 {
        say(shop, &number.to_string(), None).unwrap();
        shop.add_one(feature("noise"));
    }
    let texts: Vec<_> = shop.door.messages(EventSeq(0), 2).unwrap().into_iter().map(|event| event.data).collect();
    assert_eq!(texts, [r#"{"from":"amy","text":"4"}"#, r#"{"from":"amy","text":"5"}"#], "the last two, in their order");
}

fn a_message_about_nothing_is_refused(shop: &mut Shop) {
    assert_eq!(code(say(shop, "hello", Some(TaskId(3)))), "no_such_task");
    assert_eq!(shop.last_event(), 0);
}

fn a_task_is_found_by_every_filter(shop: &mut Shop) {
    let ids = shop.import("p", tested(vec![feature("Alpha 50%_"), feature("beta").after(0), feature("gamma").assigned("bob")]));
    shop.complete(shop.claim_task("amy", ids[0]));
    shop.claim_task("amy", ids[1]);
    shop.cancel(ids[2]);
    let found = |filter: Filter| {
        let mut found = Vec::new();
        shop.door
            .list(&filter, |view| {
                found.push(view.full.task.id.0);
                Ok(true)
            })
            .unwrap();
        found
    };
    let none = Filter::default;
    assert_eq!(found(none()), [1, 2, 3, 4, 5, 6]);
    assert_eq!(found(Filter { statuses: vec![Status::Completed, Status::InProgress], ..none() }), [1, 2]);
    assert_eq!(found(Filter { statuses: vec![Status::Blocked], ..none() }), [6], "behind the cancelled one");
    assert_eq!(found(Filter { statuses: vec![Status::Pending], ..none() }), [4, 5]);
    assert_eq!(found(Filter { kind: Some(Kind::Test), ..none() }), [4, 5, 6]);
    assert_eq!(found(Filter { worker: Some(worker("amy")), ..none() }), [1, 2]);
    assert_eq!(found(Filter { worker: Some(worker("bob")), ..none() }), [3]);
    assert_eq!(found(Filter { text: Some("ALPHA 50%_".to_owned()), ..none() }), [1]);
    assert_eq!(found(Filter { text: Some("a%b".to_owned()), ..none() }), Vec::<u32>::new());
    assert_eq!(found(Filter { after: Some(ids[1]), limit: Some(2), ..none() }), [3, 4]);
    let mut seen = 0;
    shop.door
        .list(&none(), |_| {
            seen += 1;
            Ok(seen < 2)
        })
        .unwrap();
    assert_eq!(seen, 2, "until it says no");
}

fn times_are_those_of_the_wall(shop: &mut Shop) {
    let id = shop.add_one(feature("a"));
    shop.pass(60);
    let claim = shop.claim("amy");
    let view = shop.door.task(id).unwrap();
    let begin = 1_767_225_600_000;
    assert_eq!((view.full.task.created_at, view.full.task.claimed.unwrap().0), (Timestamp(begin), Timestamp(begin + 60_000)));
    assert_eq!(view.lease_until, Some(Timestamp(begin + 180_000)));
    shop.report(wish::complete(claim)).unwrap();
    assert_eq!(shop.door.standing(None).unwrap().updated_at, Some(Timestamp(begin + 60_000)));
}
