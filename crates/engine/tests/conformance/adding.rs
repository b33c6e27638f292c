//! Adding tasks: ids, all or nothing, and what is refused.

use crate::shop::wish::{Wish, feature, features, test_of};
use crate::shop::{Shop, added, code};
use domain::event::{Actor, EventKind};
use domain::id::TaskId;
use domain::task::{After, Kind, NewTask, Status};
use engine::orchestrator::{Act, Order};

cases![
    ids_are_sequential_over_calls_and_handles,
    a_batch_is_added_whole_with_its_edges,
    an_edge_may_point_to_a_later_task_of_the_batch,
    an_unknown_dependency_is_refused_and_nothing_is_written,
    an_unknown_dependency_leaves_the_numbers_alone,
    a_task_that_waits_for_itself_is_refused,
    a_cycle_is_refused_and_told_with_its_titles,
    nothing_is_no_batch,
    a_dependency_named_twice_counts_once,
    a_dependency_that_is_done_is_no_wait,
    a_dependency_that_failed_makes_the_new_task_read_blocked,
    a_test_may_stand_before_its_feature,
    every_added_task_has_its_event,
    what_was_asked_for_comes_back,
];

fn ids_are_sequential_over_calls_and_handles(shop: &mut Shop) {
    assert_eq!(shop.add(features(2)), [TaskId(1), TaskId(2)]);
    let other = shop.second_door();
    let answer = other.apply_one(Order::new(Actor::Human, Act::Add { tasks: features(2), plan: None })).unwrap();
    assert_eq!(added(&answer), [TaskId(3), TaskId(4)]);
    assert_eq!(shop.add_one(feature("last")), TaskId(5));
    shop.cancel(TaskId(5));
    assert_eq!(shop.add_one(feature("after a cancelled one")), TaskId(6), "ids are never used again");
}

fn a_batch_is_added_whole_with_its_edges(shop: &mut Shop) {
    let ids = shop.add(vec![feature("a"), feature("b").after(0), feature("c").after(0).after(1)]);
    let after = |id| shop.door.task(id).unwrap().full.after;
    assert_eq!(after(ids[2]), [ids[0], ids[1]]);
    assert_eq!((shop.task(ids[0]).waiting, shop.task(ids[1]).waiting, shop.task(ids[2]).waiting), (0, 1, 2));
    assert!(shop.is_ready(ids[0]) && !shop.is_ready(ids[1]) && !shop.is_ready(ids[2]));
}

fn an_edge_may_point_to_a_later_task_of_the_batch(shop: &mut Shop) {
    let ids = shop.add(vec![feature("second").after(1), feature("first")]);
    assert_eq!(shop.drain("amy"), [ids[1], ids[0]]);
}

fn an_unknown_dependency_is_refused_and_nothing_is_written(shop: &mut Shop) {
    let refused = shop.try_add(vec![feature("a"), feature("b").after_task(TaskId(9))], None);
    assert_eq!(code(refused), "no_such_task");
    assert_eq!(code(shop.door.task(TaskId(1))), "no_such_task");
    assert_eq!(shop.last_event(), 0);
}

fn an_unknown_dependency_leaves_the_numbers_alone(shop: &mut Shop) {
    // T-002 does not exist while the batch that would make it is checked.
    shop.add_one(feature("a"));
    assert_eq!(code(shop.try_add(vec![feature("b").after_task(TaskId(2))], None)), "no_such_task");
    assert_eq!(shop.add_one(feature("c")), TaskId(2));
}

fn a_task_that_waits_for_itself_is_refused(shop: &mut Shop) {
    assert_eq!(code(shop.try_add(vec![feature("a").after(0)], None)), "cycle");
    assert_eq!(shop.last_event(), 0);
}

fn a_cycle_is_refused_and_told_with_its_titles(shop: &mut Shop) {
    let refused = shop.try_add(vec![feature("a").after(2), feature("b").after(0), feature("c").after(1)], None).unwrap_err();
    assert_eq!((refused.code, refused.kind.exit_code()), ("cycle", 2));
    assert_eq!(refused.message, "the tasks wait for each other: a → c → b");
    assert_eq!(shop.last_event(), 0);
}

fn nothing_is_no_batch(shop: &mut Shop) {
    assert_eq!(code(shop.try_add(vec![], None)), "empty_plan");
}

fn a_dependency_named_twice_counts_once(shop: &mut Shop) {
    let first = shop.add_one(feature("a"));
    let id = shop.add_one(feature("b").after_task(first).after_task(first));
    assert_eq!(shop.task(id).waiting, 1);
    let ids = shop.add(vec![feature("c").after(1).after(1), feature("d")]);
    assert_eq!(shop.task(ids[0]).waiting, 1);
}

fn a_dependency_that_is_done_is_no_wait(shop: &mut Shop) {
    let first = shop.add_one(feature("a"));
    shop.complete(shop.claim("amy"));
    let id = shop.add_one(feature("b").after_task(first));
    assert!(shop.is_ready(id));
}

fn a_dependency_that_failed_makes_the_new_task_read_blocked(shop: &mut Shop) {
    let first = shop.add_one(feature("a"));
    shop.cancel(first);
    let id = shop.add_one(feature("b").after_task(first));
    assert_eq!(shop.status(id), Status::Blocked);
    assert_eq!(shop.door.task(id).unwrap().blocked.unwrap().on, Some(first));
}

fn a_test_may_stand_before_its_feature(shop: &mut Shop) {
    // A plan may list its own test first: the feature has the higher id then.
    let ids = shop.import("test first", vec![test_of(1), feature("a")]);
    assert_eq!(shop.door.task(ids[1]).unwrap().tested_by, Some(ids[0]));
    assert_eq!(shop.drain("amy"), [ids[1], ids[0]]);
}

fn every_added_task_has_its_event(shop: &mut Shop) {
    shop.add(vec![feature("a"), feature("b")]);
    let events = shop.events();
    assert_eq!(
        events.iter().map(|event| (event.kind, event.task)).collect::<Vec<_>>(),
        [(EventKind::TaskAdded, Some(TaskId(1))), (EventKind::TaskAdded, Some(TaskId(2)))]
    );
    assert_eq!(events[0].data, r#"{"kind":"feature","title":"a"}"#);
}

fn what_was_asked_for_comes_back(shop: &mut Shop) {
    let mut wanted = NewTask { phase: 1, kind: Kind::Feature, ..feature("a | b — 'quoted' \u{202e}") }
        .needs("backend,db")
        .assigned("amy")
        .runs("make x")
        .fixed_by("fix x");
    wanted.spec.description = "line\nline\ttab".to_owned();
    wanted.spec.context = vec!["docs/a b.md".to_owned()];
    wanted.spec.accept = vec![String::new(), "100 %".to_owned()];
    wanted.spec.agent = Some("auto".to_owned());
    let wanted = wanted.estimate(600).timeout(7).attempts(9);
    let first = shop.add_one(feature("first"));
    let id = shop.add_one(NewTask { after: vec![After::Task(first)], ..wanted.clone() });
    let full = shop.second_door().task(id).unwrap().full;
    assert_eq!(full.spec, wanted.spec);
    assert_eq!((full.task.timeout, full.task.attempts_max, full.after), (wanted.timeout, 9, vec![first]));
}
