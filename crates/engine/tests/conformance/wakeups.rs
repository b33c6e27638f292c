//! Who is woken by what. Losing a wake-up costs only time, but none of these may be forgotten: nobody polls fast.

use crate::shop::wish::{self, Wish, feature, tested};
use crate::shop::{Shop, code, worker};
use domain::event::Actor;
use domain::id::{TaskId, WorkerName};
use domain::task::FailReason;
use engine::orchestrator::{Act, Order, Patch, WorkerAct};
use engine::store::{Listen, Listener};
use std::time::Duration;

cases![
    any_commit_wakes_who_waits_for_any,
    it_wakes_over_handles_and_threads,
    what_happens_before_the_wait_is_not_missed,
    what_is_forgotten_does_not_wake,
    new_work_wakes_who_waits_for_work,
    what_is_not_ready_yet_wakes_nobody,
    whatever_makes_a_task_ready_wakes,
    work_for_another_worker_wakes_it,
    whoever_steps_aside_wakes_the_others,
    who_loses_its_claim_is_woken,
    who_ends_its_claim_is_not_woken,
    looking_wakes_nobody,
];

/// Far longer than it takes, so that only what never comes fails.
const LONG: Duration = Duration::from_secs(20);

fn listen(shop: &Shop, what: Listen<'_>) -> Box<dyn Listener> {
    shop.door.store().waker().listen(what)
}

#[track_caller]
fn wakes<T>(shop: &Shop, what: Listen<'_>, act: impl FnOnce(&Shop) -> T) {
    let mut listener = listen(shop, what);
    act(shop);
    assert!(listener.wait(LONG), "this should wake {what:?}");
}

#[track_caller]
fn leaves_asleep<T>(shop: &Shop, what: Listen<'_>, act: impl FnOnce(&Shop) -> T) {
    let mut listener = listen(shop, what);
    act(shop);
    assert!(!shop.stand.wakes_at_once() || !listener.wait(Duration::ZERO), "this should not wake {what:?}");
}

fn any_commit_wakes_who_waits_for_any(shop: &mut Shop) {
    wakes(shop, Listen::Any, |shop| shop.add_one(feature("a")));
    wakes(shop, Listen::Any, |shop| shop.claim("amy"));
    wakes(shop, Listen::Any, |shop| shop.join("bob", ""));
    let say = Act::Say { from: "amy".to_owned(), text: "hello".to_owned(), task: None };
    wakes(shop, Listen::Any, |shop| shop.human(say));
}

fn it_wakes_over_handles_and_threads(shop: &mut Shop) {
    let other = shop.second_door();
    let mut listener = listen(shop, Listen::Work);
    let waiting = std::thread::spawn(move || listener.wait(LONG));
    other.apply_one(Order::new(Actor::Human, Act::Add { tasks: vec![feature("a")], plan: None })).unwrap();
    assert!(waiting.join().unwrap());
}

fn what_happens_before_the_wait_is_not_missed(shop: &mut Shop) {
    let mut listener = listen(shop, Listen::Work);
    shop.add_one(feature("a"));
    shop.claim("amy");
    assert!(listener.wait(LONG));
    assert!(!shop.stand.wakes_at_once() || !listener.wait(Duration::ZERO), "once");
}

fn what_is_forgotten_does_not_wake(shop: &mut Shop) {
    let mut listener = listen(shop, Listen::Any);
    shop.add_one(feature("a"));
    assert!(listener.wait(LONG));
    shop.add_one(feature("b"));
    listener.drain();
    assert!(!shop.stand.wakes_at_once() || !listener.wait(Duration::ZERO));
    shop.add_one(feature("c"));
    assert!(listener.wait(LONG));
}

fn new_work_wakes_who_waits_for_work(shop: &mut Shop) {
    wakes(shop, Listen::Work, |shop| shop.add_one(feature("a")));
    wakes(shop, Listen::Work, |shop| shop.import("p", vec![feature("a")]));
}

fn what_is_not_ready_yet_wakes_nobody(shop: &mut Shop) {
    let id = shop.add_one(feature("a"));
    leaves_asleep(shop, Listen::Work, |shop| shop.add_one(feature("b").after_task(id)));
    leaves_asleep(shop, Listen::Work, |shop| shop.claim("amy"));
    leaves_asleep(shop, Listen::Work, |shop| shop.try_claim("bob"));
    leaves_asleep(shop, Listen::Work, |shop| shop.heartbeat(shop.task(id).claim().unwrap()));
}

fn whatever_makes_a_task_ready_wakes(shop: &mut Shop) {
    let ids = shop.import("p", tested(vec![feature("a"), feature("b").after(0), feature("c").phase(2)]));
    wakes(shop, Listen::Work, |shop| shop.release(shop.claim("amy")));
    wakes(shop, Listen::Work, |shop| shop.fail(shop.claim("amy"), FailReason::Reported));
    shop.claim("amy");
    shop.pass(120);
    wakes(shop, Listen::Work, |shop| shop.sweep());
    shop.block(shop.claim("amy"));
    wakes(shop, Listen::Work, |shop| shop.unblock(ids[0]));
    shop.cancel(ids[0]);
    wakes(shop, Listen::Work, |shop| shop.retry(ids[0]));
    wakes(shop, Listen::Work, |shop| shop.complete(shop.claim("amy")));
    // The next phase, the tests, a fix in front of a test, and the test behind it.
    wakes(shop, Listen::Work, |shop| shop.complete(shop.claim("amy")));
    wakes(shop, Listen::Work, |shop| shop.complete(shop.claim("amy")));
    wakes(shop, Listen::Work, |shop| shop.fail(shop.claim("amy"), FailReason::Check));
    wakes(shop, Listen::Work, |shop| shop.complete(shop.claim_task("amy", TaskId(7))));
    shop.human(Act::Tests { plan: None, wanted: false }).unwrap();
    wakes(shop, Listen::Work, |shop| shop.human(Act::Tests { plan: None, wanted: true }));
}

fn work_for_another_worker_wakes_it(shop: &mut Shop) {
    let id = shop.add_one(feature("a").assigned("amy"));
    let assign = |name: &str| Patch { assignee: Some(Some(worker(name))), ..Patch::default() };
    wakes(shop, Listen::Work, |shop| shop.edit(id, assign("bob")));
    shop.is_there("cy", "");
    shop.must_change_worker("cy", WorkerAct::Pause);
    shop.edit(id, assign("cy")).unwrap();
    wakes(shop, Listen::Work, |shop| shop.must_change_worker("cy", WorkerAct::Resume));
}

fn whoever_steps_aside_wakes_the_others(shop: &mut Shop) {
    shop.add_one(feature("a").assigned("bob"));
    for what in [WorkerAct::Left, WorkerAct::Lost { why: "killed".to_owned(), session: None }, WorkerAct::Remove] {
        shop.is_there("bob", "");
        wakes(shop, Listen::Work, |shop| shop.must_change_worker("bob", what));
    }
}

fn who_loses_its_claim_is_woken(shop: &mut Shop) {
    let (amy, bob): (WorkerName, WorkerName) = (worker("amy"), worker("bob"));
    let id = shop.add_one(feature("a"));
    shop.claim("amy");
    let mut other = listen(shop, Listen::Worker(&bob));
    wakes(shop, Listen::Worker(&amy), |shop| shop.cancel(id));
    shop.retry(id);
    shop.claim("amy");
    shop.pass(120);
    wakes(shop, Listen::Worker(&amy), |shop| shop.claim("cy"));
    shop.release(shop.task(id).claim().unwrap());
    shop.claim_task("amy", id);
    wakes(shop, Listen::Worker(&amy), |shop| shop.must_change_worker("amy", WorkerAct::Lost { why: String::new(), session: None }));
    shop.claim_task("amy", id);
    wakes(shop, Listen::Worker(&amy), |shop| shop.must_change_worker("amy", WorkerAct::Remove));
    assert!(!shop.stand.wakes_at_once() || !other.wait(Duration::ZERO), "and nobody else");
}

fn who_ends_its_claim_is_not_woken(shop: &mut Shop) {
    let amy = worker("amy");
    shop.add(wish::features(3));
    leaves_asleep(shop, Listen::Worker(&amy), |shop| {
        shop.release(shop.claim("amy"));
        let claim = shop.claim("amy");
        shop.heartbeat(claim);
        shop.complete(claim);
        assert_eq!(code(shop.report(wish::heartbeat(claim))), "stale_claim");
    });
}

fn looking_wakes_nobody(shop: &mut Shop) {
    let id = shop.add_one(feature("a"));
    leaves_asleep(shop, Listen::Any, |shop| {
        shop.door.standing(None).unwrap();
        shop.door.task(id).unwrap();
        shop.events();
        shop.door.has_work_for(&worker("amy")).unwrap();
        drop(shop.second_door());
    });
}
