//! Giving back: free of charge, claimable at once, and not offered to who gave it back while another can take it.

use crate::shop::Shop;
use crate::shop::wish::{Wish, card, feature, features};
use domain::event::EventKind;
use domain::task::Status;
use domain::worker::Driver;
use engine::orchestrator::WorkerAct;

cases![
    a_release_is_free_and_the_task_is_claimable_at_once,
    the_releaser_is_not_offered_it_while_another_can_take_it,
    the_releaser_gets_it_when_it_is_alone,
    the_releaser_gets_it_when_the_others_are_gone,
    the_releaser_gets_it_when_the_others_cannot_do_it,
    the_releaser_gets_it_when_the_others_are_paused,
    the_releaser_gets_other_work_meanwhile,
    the_releaser_may_ask_for_it_by_id,
    only_the_last_releaser_is_asked_last,
    a_block_waits_for_a_person_and_comes_back,
];

fn a_release_is_free_and_the_task_is_claimable_at_once(shop: &mut Shop) {
    let id = shop.add_one(feature("a"));
    let task = shop.release(shop.claim("amy"));
    assert_eq!((task.failures, task.crashes, task.attempt.0, task.status()), (0, 0, 1, Status::Pending));
    assert!(shop.is_ready(id));
    assert_eq!(shop.kinds(id), [EventKind::TaskAdded, EventKind::TaskClaimed, EventKind::TaskReleased]);
    assert_eq!(shop.claim("bob").task, id);
}

fn the_releaser_is_not_offered_it_while_another_can_take_it(shop: &mut Shop) {
    let id = shop.add_one(feature("a"));
    shop.is_there("bob", "");
    shop.release(shop.claim("amy"));
    shop.idles("amy");
    shop.idles("amy");
    assert_eq!(shop.claim("bob").task, id);
}

fn the_releaser_gets_it_when_it_is_alone(shop: &mut Shop) {
    let id = shop.add_one(feature("a"));
    shop.release(shop.claim("amy"));
    assert_eq!(shop.claim("amy").task, id);
}

fn the_releaser_gets_it_when_the_others_are_gone(shop: &mut Shop) {
    let id = shop.add_one(feature("a"));
    shop.is_there("bob", "");
    shop.release(shop.claim("amy"));
    shop.idles("amy");
    shop.must_change_worker("bob", WorkerAct::Left);
    assert_eq!(shop.drain("amy"), [id]);
    let other = shop.add_one(feature("b"));
    shop.is_there("cy", "");
    shop.release(shop.claim("amy"));
    shop.idles("amy");
    shop.pass(181);
    assert_eq!(shop.claim("amy").task, other, "cy has been silent for too long");
}

fn the_releaser_gets_it_when_the_others_cannot_do_it(shop: &mut Shop) {
    let id = shop.add_one(feature("a").needs("backend"));
    shop.is_there("amy", "backend");
    shop.is_there("bob", "frontend");
    shop.join_as(crate::shop::wish::process("shell", ""));
    shop.release(shop.claim("amy"));
    assert_eq!(shop.claim("amy").task, id);
    shop.join_as(engine::orchestrator::Card { thinks: false, ..card("runner", Driver::Shell, "backend") });
    shop.must_change_worker("runner", WorkerAct::Seen);
    shop.release(shop.door.task(id).unwrap().full.task.claim().unwrap());
    assert_eq!(shop.claim("amy").task, id, "a worker that runs commands only cannot do a task without one");
}

fn the_releaser_gets_it_when_the_others_are_paused(shop: &mut Shop) {
    let id = shop.add_one(feature("a"));
    shop.is_there("bob", "");
    shop.must_change_worker("bob", WorkerAct::Pause);
    shop.release(shop.claim("amy"));
    assert_eq!(shop.claim("amy").task, id);
}

fn the_releaser_gets_other_work_meanwhile(shop: &mut Shop) {
    let ids = shop.add(features(2));
    shop.is_there("bob", "");
    shop.release(shop.claim("amy"));
    assert_eq!(shop.claim("amy").task, ids[1]);
    assert_eq!(shop.claim("bob").task, ids[0]);
}

fn the_releaser_may_ask_for_it_by_id(shop: &mut Shop) {
    let id = shop.add_one(feature("a"));
    shop.is_there("bob", "");
    shop.release(shop.claim("amy"));
    assert_eq!(shop.claim_task("amy", id).task, id);
}

fn only_the_last_releaser_is_asked_last(shop: &mut Shop) {
    let id = shop.add_one(feature("a"));
    shop.is_there("bob", "");
    shop.release(shop.claim("amy"));
    shop.release(shop.claim("bob"));
    shop.idles("bob");
    assert_eq!(shop.claim("amy").task, id);
}

fn a_block_waits_for_a_person_and_comes_back(shop: &mut Shop) {
    let id = shop.add_one(feature("a"));
    let task = shop.block(shop.claim("amy"));
    assert_eq!((task.status(), task.failures, task.crashes), (Status::Blocked, 0, 0));
    let standing = shop.door.standing(None).unwrap();
    assert_eq!(standing.blockers.iter().map(|view| view.full.task.id).collect::<Vec<_>>(), [id]);
    assert_eq!(standing.blockers[0].blocked.as_ref().unwrap().note, "which colour?");
    shop.pass(10_000);
    shop.idles("bob");
    let answer = domain::lifecycle::Command::Answer { text: "blue".to_owned() };
    let task = crate::shop::changed(shop.manage(id, answer));
    assert_eq!(task.status(), Status::Pending);
    assert_eq!(shop.claim("bob").task, id);
}
