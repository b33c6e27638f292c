//! Changing what a task asks for while the queue runs.

use crate::shop::wish::{Wish, feature, features};
use crate::shop::{Shop, changed, code, secs, worker};
use domain::event::EventKind;
use domain::id::TaskId;
use domain::task::{FailReason, Priority, Status};
use engine::error::Kind;
use engine::orchestrator::Patch;

cases![
    every_field_can_be_changed,
    an_edit_is_told_with_its_fields,
    what_changes_nothing_is_refused,
    an_edit_of_nothing_is_not_found,
    an_edit_of_what_has_ended_is_refused,
    another_assignee_is_another_lane,
    another_command_is_another_lane,
    another_priority_is_another_order,
    an_edit_of_a_running_task_counts_from_the_next_claim,
    a_new_dependency_holds_the_task_back,
    a_new_dependency_that_is_done_holds_nothing_back,
    a_new_dependency_that_failed_blocks,
    a_new_dependency_of_a_blocked_task_counts,
    a_dependency_that_is_there_already_changes_nothing,
    a_new_dependency_of_a_running_task_is_refused,
    a_dependency_that_closes_a_cycle_is_refused_and_told,
    two_edges_that_together_close_a_cycle_are_refused,
    an_unknown_dependency_is_refused,
    edges_from_two_handles_never_close_a_cycle,
    the_budget_never_falls_below_what_is_spent,
    a_budget_of_nothing_is_bad_input,
    a_new_dependency_makes_the_path_of_what_it_waits_for_longer,
];

fn patch() -> Patch {
    Patch::default()
}

fn after(ids: &[TaskId]) -> Patch {
    Patch { after: ids.to_vec(), ..patch() }
}

fn every_field_can_be_changed(shop: &mut Shop) {
    let id = shop.add_one(feature("a").runs("old").fixed_by("old"));
    let lines = |text: &str| Some(vec![text.to_owned()]);
    let text = |text: &str| Some(text.to_owned());
    let wanted = Patch {
        title: text("b"),
        description: text("long"),
        priority: Some(Priority::High),
        assignee: Some(Some(worker("amy"))),
        agent: Some(text("tester")),
        needs: Some(vec!["b".parse().unwrap(), "a".parse().unwrap(), "b".parse().unwrap()]),
        instructions: text("docs/how.md"),
        context: lines("c"),
        inputs: lines("i"),
        outputs: lines("o"),
        accept: lines("x"),
        run: text(""),
        check: text("check"),
        test: text("test"),
        fix: text("fix"),
        timeout: Some(secs(5)),
        attempts_max: Some(9),
        estimate: Some(secs(6)),
        after: vec![],
    };
    let task = changed(shop.edit(id, wanted));
    let full = shop.second_door().task(id).unwrap().full;
    assert_eq!(full.task, task);
    assert_eq!((task.priority, task.timeout, task.attempts_max), (Priority::High, secs(5), 9));
    let spec = full.spec;
    assert_eq!((spec.title.as_str(), spec.description.as_str(), spec.agent.as_deref()), ("b", "long", Some("tester")));
    assert_eq!(spec.needs.iter().map(ToString::to_string).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!((spec.run, spec.check.as_deref(), spec.fix.as_deref(), spec.estimate), (None, Some("check"), Some("fix"), Some(secs(6))));
    assert_eq!(
        (spec.context, spec.inputs, spec.outputs, spec.accept),
        (vec!["c".into()], vec!["i".into()], vec!["o".into()], vec!["x".to_owned()])
    );
    changed(shop.edit(id, Patch { assignee: Some(None), agent: Some(None), ..patch() }));
    let spec = shop.door.task(id).unwrap().full.spec;
    assert_eq!((spec.assignee, spec.agent), (None, None));
}

fn an_edit_is_told_with_its_fields(shop: &mut Shop) {
    let ids = shop.add(features(2));
    shop.edit(ids[1], Patch { title: Some("x".to_owned()), priority: Some(Priority::Low), after: vec![ids[0]], ..patch() }).unwrap();
    let event = shop.events().pop().unwrap();
    assert_eq!((event.kind, event.data.as_str()), (EventKind::TaskEdited, r#"{"fields":["title","after","priority"]}"#));
}

fn what_changes_nothing_is_refused(shop: &mut Shop) {
    let id = shop.add_one(feature("a"));
    assert_eq!(code(shop.edit(id, patch())), "nothing_to_change");
    assert_eq!(code(shop.edit(id, Patch { title: Some("a".to_owned()), run: Some(String::new()), ..patch() })), "nothing_to_change");
    assert_eq!(shop.last_event(), 1);
}

fn an_edit_of_nothing_is_not_found(shop: &mut Shop) {
    let refused = shop.edit(TaskId(4), Patch { title: Some("b".to_owned()), ..patch() }).unwrap_err();
    assert_eq!((refused.kind, refused.code), (Kind::NotFound, "no_such_task"));
}

fn an_edit_of_what_has_ended_is_refused(shop: &mut Shop) {
    let ids = shop.add(features(2));
    shop.complete(shop.claim("amy"));
    shop.cancel(ids[1]);
    for id in ids {
        let title = shop.door.task(id).unwrap().full.spec.title;
        assert_eq!(code(shop.edit(id, Patch { title: Some("b".to_owned()), ..patch() })), "illegal_transition");
        assert_eq!(shop.door.task(id).unwrap().full.spec.title, title);
    }
}

fn another_assignee_is_another_lane(shop: &mut Shop) {
    let id = shop.add_one(feature("a").assigned("amy"));
    shop.is_there("amy", "");
    shop.is_there("bob", "");
    shop.edit(id, Patch { assignee: Some(Some(worker("bob"))), ..patch() }).unwrap();
    shop.idles("amy");
    assert_eq!(shop.claim("bob").task, id);
}

fn another_command_is_another_lane(shop: &mut Shop) {
    let id = shop.add_one(feature("a"));
    shop.join_as(engine::orchestrator::Card { thinks: false, ..crate::shop::wish::process("shell", "") });
    shop.idles("shell");
    shop.edit(id, Patch { run: Some("true".to_owned()), ..patch() }).unwrap();
    assert_eq!(shop.claim("shell").task, id);
}

fn another_priority_is_another_order(shop: &mut Shop) {
    let ids = shop.add(features(3));
    shop.edit(ids[2], Patch { priority: Some(Priority::High), ..patch() }).unwrap();
    shop.edit(ids[0], Patch { priority: Some(Priority::Low), ..patch() }).unwrap();
    assert_eq!(shop.drain("amy"), [ids[2], ids[1], ids[0]]);
}

fn an_edit_of_a_running_task_counts_from_the_next_claim(shop: &mut Shop) {
    let id = shop.add_one(feature("a").timeout(100));
    let claim = shop.claim("amy");
    shop.edit(id, Patch { timeout: Some(secs(10)), assignee: Some(Some(worker("bob"))), ..patch() }).unwrap();
    shop.pass(50);
    assert_eq!(shop.sweep(), 0);
    shop.release(claim);
    shop.claim("bob");
    shop.pass(10);
    assert_eq!(shop.sweep(), 1);
}

fn a_new_dependency_holds_the_task_back(shop: &mut Shop) {
    let ids = shop.add(features(3));
    let task = changed(shop.edit(ids[0], after(&[ids[2], ids[1], ids[2]])));
    assert_eq!((task.waiting, shop.door.task(ids[0]).unwrap().full.after), (2, vec![ids[1], ids[2]]));
    assert_eq!(shop.drain("amy"), [ids[1], ids[2], ids[0]]);
}

fn a_new_dependency_that_is_done_holds_nothing_back(shop: &mut Shop) {
    let ids = shop.add(features(2));
    shop.complete(shop.claim("amy"));
    assert_eq!(changed(shop.edit(ids[1], after(&[ids[0]]))).waiting, 0);
    assert_eq!(shop.claim("amy").task, ids[1]);
}

fn a_new_dependency_that_failed_blocks(shop: &mut Shop) {
    let ids = shop.add(features(2));
    shop.cancel(ids[0]);
    assert_eq!(changed(shop.edit(ids[1], after(&[ids[0]]))).status(), Status::Blocked);
    shop.retry(ids[0]);
    assert_eq!(shop.drain("amy"), ids);
}

fn a_new_dependency_of_a_blocked_task_counts(shop: &mut Shop) {
    let ids = shop.add(features(2));
    shop.block(shop.claim("amy"));
    shop.edit(ids[0], after(&[ids[1]])).unwrap();
    shop.unblock(ids[0]);
    assert_eq!(shop.drain("amy"), [ids[1], ids[0]]);
}

fn a_dependency_that_is_there_already_changes_nothing(shop: &mut Shop) {
    let ids = shop.add(vec![feature("a"), feature("b").after(0)]);
    assert_eq!(code(shop.edit(ids[1], after(&[ids[0]]))), "nothing_to_change");
    assert_eq!(shop.task(ids[1]).waiting, 1);
}

fn a_new_dependency_of_a_running_task_is_refused(shop: &mut Shop) {
    let ids = shop.add(features(2));
    shop.claim("amy");
    assert_eq!(code(shop.edit(ids[0], after(&[ids[1]]))), "illegal_transition");
    assert_eq!(shop.door.task(ids[0]).unwrap().full.after, []);
}

fn a_dependency_that_closes_a_cycle_is_refused_and_told(shop: &mut Shop) {
    let ids = shop.add(vec![feature("a"), feature("b").after(0), feature("c").after(1)]);
    let refused = shop.edit(ids[0], after(&[ids[2]])).unwrap_err();
    assert_eq!(refused.code, "cycle");
    assert!(refused.message.contains("T-001 → T-003 → T-002"), "{}", refused.message);
    assert_eq!(code(shop.edit(ids[0], after(&[ids[0]]))), "cycle");
    assert_eq!(shop.drain("amy"), ids);
}

fn two_edges_that_together_close_a_cycle_are_refused(shop: &mut Shop) {
    let ids = shop.add(vec![feature("a"), feature("b"), feature("c").after(0)]);
    let events = shop.last_event();
    assert_eq!(code(shop.edit(ids[0], after(&[ids[1], ids[2]]))), "cycle");
    assert_eq!((shop.last_event(), shop.task(ids[0]).waiting), (events, 0), "the good one is not added either");
}

fn an_unknown_dependency_is_refused(shop: &mut Shop) {
    let id = shop.add_one(feature("a"));
    assert_eq!(code(shop.edit(id, Patch { title: Some("b".to_owned()), after: vec![TaskId(2)], ..patch() })), "no_such_task");
    assert_eq!(shop.door.task(id).unwrap().full.spec.title, "a");
}

fn edges_from_two_handles_never_close_a_cycle(shop: &mut Shop) {
    use domain::event::Actor;
    use engine::orchestrator::{Act, Order};
    let doors = [shop.second_door(), shop.second_door()];
    for _ in 0..20 {
        let ids = shop.add(features(2));
        let edit = |task, on| Order::new(Actor::Human, Act::Edit { task, patch: Box::new(after(&[on])) });
        let edits = [edit(ids[0], ids[1]), edit(ids[1], ids[0])];
        let done: Vec<bool> = std::thread::scope(|scope| {
            let threads: Vec<_> = doors.iter().zip(edits).map(|(door, order)| scope.spawn(move || door.apply_one(order).is_ok())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(done.iter().filter(|done| **done).count(), 1, "one of the two edges is refused");
    }
}

fn the_budget_never_falls_below_what_is_spent(shop: &mut Shop) {
    let id = shop.add_one(feature("a").attempts(5));
    shop.fail(shop.claim("amy"), FailReason::Reported);
    shop.fail(shop.claim("amy"), FailReason::Reported);
    assert_eq!(changed(shop.edit(id, Patch { attempts_max: Some(1), ..patch() })).attempts_max, 2);
    assert_eq!(shop.fail(shop.claim("amy"), FailReason::Reported).status(), Status::Failed);
    shop.edit(id, Patch { attempts_max: Some(7), ..patch() }).unwrap();
    assert_eq!(shop.status(id), Status::Failed, "a larger budget is no retry");
    shop.retry(id);
}

fn a_budget_of_nothing_is_bad_input(shop: &mut Shop) {
    // Not a bug of ours (exit 70), and above all nothing that spoils the batch of others.
    let id = shop.add_one(feature("a"));
    for timeout in [secs(0), std::time::Duration::from_nanos(1)] {
        assert_eq!(shop.edit(id, Patch { timeout: Some(timeout), ..patch() }).unwrap_err().kind, Kind::Usage);
    }
    assert_eq!(changed(shop.edit(id, Patch { attempts_max: Some(0), ..patch() })).attempts_max, 1, "the life cycle knows the least");
    for bad in [feature("b").attempts(0), feature("b").timeout(0), feature("b").phase(0)] {
        assert_eq!(shop.try_add(vec![bad], None).unwrap_err().kind, Kind::Usage);
    }
}

fn a_new_dependency_makes_the_path_of_what_it_waits_for_longer(shop: &mut Shop) {
    let ids = shop.add(vec![feature("a").estimate(10), feature("b").estimate(5), feature("c").estimate(100)]);
    shop.edit(ids[2], after(&[ids[1]])).unwrap();
    assert_eq!(shop.claim("amy").task, ids[1], "105 s hang on it");
}
