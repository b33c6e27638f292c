//! Importing plans: all or nothing, and the same bytes never twice.

use crate::shop::wish::{Wish, feature, plan, tested};
use crate::shop::{Shop, added, code};
use domain::event::{Actor, EventKind};
use domain::id::{PlanId, TaskId};
use domain::task::{FailReason, Status};
use engine::orchestrator::{Act, Answer, NewPlan, Order};
use engine::store::Filter;

cases![
    the_same_plan_twice_resumes,
    it_resumes_from_where_things_are,
    many_who_import_it_at_once_import_it_once,
    other_bytes_are_another_plan,
    a_plan_with_a_mistake_leaves_nothing,
    an_empty_plan_is_refused,
    a_plan_is_remembered_as_it_was,
    a_plan_may_wait_for_tasks_of_the_project,
    a_plan_behind_a_failed_task_is_not_stuck_unseen,
    standings_are_told_by_plan,
    a_plan_of_many_tasks_and_edges,
];

fn the_same_plan_twice_resumes(shop: &mut Shop) {
    let tasks = || tested(vec![feature("a"), feature("b").after(0)]);
    let first = shop.try_add(tasks(), Some(plan("p"))).unwrap();
    assert_eq!(first, Answer::Added { plan: PlanId(1), first: TaskId(1), count: 4, resumed: false });
    let events = shop.last_event();
    let again = shop.try_add(tasks(), Some(plan("p"))).unwrap();
    assert_eq!(again, Answer::Added { plan: PlanId(1), first: TaskId(1), count: 4, resumed: true });
    assert_eq!((shop.last_event(), shop.count(EventKind::PlanImported)), (events, 1));
}

fn it_resumes_from_where_things_are(shop: &mut Shop) {
    let ids = shop.import("p", vec![feature("a"), feature("b").attempts(1), feature("c").after(1)]);
    shop.complete(shop.claim_task("amy", ids[0]));
    shop.fail(shop.claim_task("amy", ids[1]), FailReason::Reported);
    shop.add_one(feature("in between"));
    assert!(matches!(shop.try_add(vec![feature("a")], Some(plan("p"))), Ok(Answer::Added { resumed: true, count: 3, .. })));
    assert_eq!((shop.status(ids[0]), shop.status(ids[1]), shop.status(ids[2])), (Status::Completed, Status::Failed, Status::Blocked));
}

fn many_who_import_it_at_once_import_it_once(shop: &mut Shop) {
    let doors = [shop.second_door(), shop.second_door()];
    let order = Order::new(Actor::Human, Act::Add { tasks: tested(vec![feature("a")]), plan: Some(plan("p")) });
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8_usize)
            .map(|number| {
                scope.spawn({
                    let (door, order) = (&doors[number % 2], order.clone());
                    move || door.apply_one(order).unwrap()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(answers.iter().filter(|answer| matches!(answer, Answer::Added { resumed: false, .. })).count(), 1);
    assert_eq!(shop.door.standing(None).unwrap().counts.all(), 2);
}

fn other_bytes_are_another_plan(shop: &mut Shop) {
    shop.import("p", vec![feature("a")]);
    let other = NewPlan { digest: "other".to_owned(), ..plan("p") };
    assert_eq!(added(&shop.try_add(vec![feature("a")], Some(other)).unwrap()), [TaskId(2)]);
    assert_eq!(shop.door.plans().unwrap().iter().map(|row| row.id.0).collect::<Vec<_>>(), [0, 1, 2]);
}

fn a_plan_with_a_mistake_leaves_nothing(shop: &mut Shop) {
    let mut many: Vec<_> = (0..50).map(|number| feature(&format!("task {number}"))).collect();
    many.push(feature("wrong").after_task(TaskId(1_000)));
    assert_eq!(code(shop.try_add(many, Some(plan("p")))), "no_such_task");
    assert_eq!(code(shop.try_add(vec![feature("a").after(1), feature("b").after(0)], Some(plan("p")))), "cycle");
    assert_eq!((shop.last_event(), shop.door.plans().unwrap().len()), (0, 1));
    assert_eq!(shop.import("p", vec![feature("right")]), [TaskId(1)], "mended, the same plan is imported");
}

fn an_empty_plan_is_refused(shop: &mut Shop) {
    let refused = shop.try_add(vec![], Some(plan("p"))).unwrap_err();
    assert_eq!((refused.code, refused.kind.exit_code()), ("empty_plan", 2));
}

fn a_plan_is_remembered_as_it_was(shop: &mut Shop) {
    let wanted = NewPlan {
        goal: Some("all of it".to_owned()),
        source: Some("plans/a.toml".to_owned()),
        options: r#"{"isolation":"none"}"#.to_owned(),
        ..plan("p")
    };
    shop.try_add(tested(vec![feature("a")]), Some(wanted.clone())).unwrap();
    let row = shop.second_door().plans().unwrap().pop().unwrap();
    assert_eq!(
        (row.title, row.goal, row.digest, row.source, row.options),
        (wanted.title, wanted.goal, Some(wanted.digest), wanted.source, wanted.options)
    );
    assert_eq!((row.tasks, row.tests_wanted), (Some((TaskId(1), TaskId(2))), true));
}

fn a_plan_may_wait_for_tasks_of_the_project(shop: &mut Shop) {
    let first = shop.add_one(feature("first"));
    let ids = shop.import("p", tested(vec![feature("a").after_task(first)]));
    assert_eq!(shop.drain("amy"), [first, ids[0], ids[1]]);
}

fn a_plan_behind_a_failed_task_is_not_stuck_unseen(shop: &mut Shop) {
    let first = shop.add_one(feature("first"));
    shop.cancel(first);
    let ids = shop.import("p", vec![feature("a").after_task(first), feature("b").phase(2)]);
    assert_eq!(shop.door.standing(None).unwrap().blockers[0].full.task.id, ids[0]);
    shop.idles("amy");
    shop.retry(first);
    assert_eq!(shop.drain("amy"), [first, ids[0], ids[1]]);
}

fn standings_are_told_by_plan(shop: &mut Shop) {
    shop.import("one", vec![feature("a"), feature("b")]);
    let two = shop.import("two", vec![feature("c")]);
    shop.add_one(feature("single"));
    let claim = shop.claim_task("amy", two[0]);
    let standing = |plan| shop.door.standing(Some(PlanId(plan))).unwrap();
    assert_eq!((standing(0).counts.all(), standing(1).counts.all(), standing(2).counts.all()), (1, 2, 1));
    assert_eq!((standing(1).running.len(), standing(2).running.len()), (0, 1));
    shop.pass(120);
    assert_eq!((standing(1).stale, standing(2).stale), (vec![], vec![two[0]]), "and nothing of another plan is in it");
    shop.complete(claim);
    assert_eq!((standing(2).percent(), standing(1).percent()), (100, 0));
    let mut seen = Vec::new();
    shop.door
        .list(&Filter { plan: Some(PlanId(1)), ..Filter::default() }, |view| {
            seen.push(view.full.task.id.0);
            Ok(true)
        })
        .unwrap();
    assert_eq!(seen, [1, 2]);
}

fn a_plan_of_many_tasks_and_edges(shop: &mut Shop) {
    let tasks =
        (0..400_usize).map(|number| (number.saturating_sub(8)..number).fold(feature(&format!("task {number}")), Wish::after)).collect();
    let ids = shop.import("p", tasks);
    assert_eq!((ids.len(), shop.task(ids[399]).waiting), (400, 8));
    assert_eq!(shop.claim("amy").task, ids[0]);
    shop.idles("bob");
}
