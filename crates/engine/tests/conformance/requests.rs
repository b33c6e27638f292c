//! The same request id gets the same answer and has one effect, for every act (G3).

use crate::shop::wish::{self, Wish, card, feature, features, plan};
use crate::shop::{Shop, claimed, code, worker};
use domain::event::{Actor, EventKind, NewEvent};
use domain::id::{RequestId, TaskId};
use domain::lifecycle::Command;
use domain::task::{FailReason, Status};
use domain::worker::Driver;
use engine::error::Result;
use engine::orchestrator::{Act, Answer, Order, Patch, WorkerAct};

cases![
    adding_is_repeatable,
    importing_is_repeatable,
    claiming_is_repeatable,
    a_repeated_claim_is_told_again_when_it_is_over,
    every_report_is_repeatable,
    every_command_of_a_person_is_repeatable,
    editing_is_repeatable,
    everything_about_workers_is_repeatable,
    sweeping_is_repeatable,
    talking_is_repeatable,
    settings_are_repeatable,
    a_refusal_is_not_kept,
    having_got_nothing_is_not_kept,
    twice_in_one_batch_is_once,
    another_handle_knows_the_request,
    many_at_once_have_one_effect,
    old_requests_are_forgotten_few_at_a_time,
];

fn request(id: &str) -> RequestId {
    id.parse().unwrap()
}

fn ask(shop: &Shop, id: &str, act: Act) -> Result<Answer> {
    shop.door.apply_one(Order::new(Actor::Worker, act).repeatable(request(id)))
}

/// Asks three times, and once more through another handle: one effect, one answer.
#[track_caller]
fn once(shop: &Shop, act: Act) -> Answer {
    let id = format!("request-{}", shop.last_event());
    let before = shop.last_event();
    let answer = ask(shop, &id, act.clone()).unwrap();
    let (events, workers) = (shop.events(), shop.door.workers().unwrap());
    assert!(
        events.len() as u64 > before
            || matches!(act, Act::Report { .. } | Act::Worker { .. } | Act::Join(_) | Act::Sweep | Act::Cycles(_) | Act::Tests { .. }),
        "it had an effect: {act:?}"
    );
    for _ in 0..2 {
        assert_eq!(ask(shop, &id, act.clone()), Ok(answer.clone()));
    }
    assert_eq!(shop.second_door().apply_one(Order::new(Actor::Worker, act).repeatable(request(&id))), Ok(answer.clone()));
    assert_eq!(shop.events(), events);
    assert_eq!(shop.door.workers().unwrap(), workers);
    answer
}

fn claim(shop: &Shop, name: &str) -> Act {
    Act::Claim { worker: worker(name), only: None, nonce: shop.nonce() }
}

fn adding_is_repeatable(shop: &mut Shop) {
    let answer = once(shop, Act::Add { tasks: features(3), plan: None });
    assert_eq!(crate::shop::added(&answer).len(), 3);
    assert_eq!(shop.door.standing(None).unwrap().counts.all(), 3);
}

fn importing_is_repeatable(shop: &mut Shop) {
    let answer = once(shop, Act::Add { tasks: features(3), plan: Some(plan("p")) });
    assert!(matches!(answer, Answer::Added { resumed: false, count: 3, .. }), "{answer:?}");
}

fn claiming_is_repeatable(shop: &mut Shop) {
    shop.add(features(3));
    let answer = once(shop, claim(shop, "amy"));
    assert_eq!(claimed(Ok(answer)).task, TaskId(1));
    assert_eq!(shop.door.standing(None).unwrap().counts.of(Status::InProgress), 1);
    once(shop, Act::Claim { worker: worker("amy"), only: Some(TaskId(3)), nonce: shop.nonce() });
}

fn a_repeated_claim_is_told_again_when_it_is_over(shop: &mut Shop) {
    shop.add_one(feature("a"));
    let act = claim(shop, "amy");
    let first = claimed(ask(shop, "r", act.clone()));
    shop.pass(120);
    let second = claimed(shop.try_claim("bob"));
    match ask(shop, "r", act).unwrap() {
        Answer::Claimed { claim, .. } => assert_eq!(claim, first, "not the claim of somebody else"),
        other => panic!("{other:?}"),
    }
    assert_eq!(code(shop.report(wish::complete(first))), "stale_claim");
    shop.complete(second);
}

fn every_report_is_repeatable(shop: &mut Shop) {
    shop.add(features(5).into_iter().map(|task| task.attempts(2)).collect());
    for pick in 0..5 {
        let held = shop.claim("amy");
        let command = wish::all_with(held)[pick].clone();
        once(shop, wish::report(command));
        if let Some(held) = shop.task(held.task).claim() {
            shop.complete(held);
        }
    }
    let held = shop.claim("amy");
    once(shop, wish::report(wish::fail(held, FailReason::Infrastructure)));
    assert!(shop.task(held.task).failures <= 2);
}

fn every_command_of_a_person_is_repeatable(shop: &mut Shop) {
    let id = shop.add_one(feature("a"));
    let manage = |command| Act::Manage { task: id, command };
    once(shop, manage(Command::Cancel { note: "no".to_owned() }));
    once(shop, manage(Command::Retry));
    shop.block(shop.claim("amy"));
    once(shop, manage(Command::Unblock { note: String::new() }));
    shop.block(shop.claim("amy"));
    once(shop, manage(Command::Answer { text: "yes".to_owned() }));
    shop.claim("amy");
    once(shop, manage(Command::Lose));
    shop.claim("amy");
    shop.pass(120);
    once(shop, manage(Command::Expire));
    assert_eq!(shop.task(id).crashes, 2);
}

fn editing_is_repeatable(shop: &mut Shop) {
    let ids = shop.add(features(2));
    let patch = Patch { title: Some("b".to_owned()), after: vec![ids[0]], attempts_max: Some(5), ..Patch::default() };
    once(shop, Act::Edit { task: ids[1], patch: Box::new(patch) });
    assert_eq!(shop.task(ids[1]).waiting, 1);
}

fn everything_about_workers_is_repeatable(shop: &mut Shop) {
    once(shop, Act::Join(card("amy", Driver::Shell, "backend")));
    shop.add(features(3));
    let act = |what| Act::Worker { name: worker("amy"), what };
    once(shop, act(WorkerAct::Seen));
    shop.claim("amy");
    once(shop, act(WorkerAct::Pause));
    once(shop, act(WorkerAct::Resume));
    once(shop, act(WorkerAct::Lost { why: "killed".to_owned(), session: None }));
    assert_eq!(shop.task(TaskId(1)).crashes, 1);
    once(shop, act(WorkerAct::Left));
    shop.claim("amy");
    once(shop, Act::Join(wish::process("amy", "")));
    shop.claim("amy");
    once(shop, act(WorkerAct::Remove));
    assert_eq!(shop.door.workers().unwrap(), []);
    assert_eq!(shop.task(TaskId(1)).crashes + shop.task(TaskId(2)).crashes + shop.task(TaskId(3)).crashes, 2, "a removal is no crash");
}

fn sweeping_is_repeatable(shop: &mut Shop) {
    shop.add(features(2));
    shop.claim("amy");
    shop.claim("amy");
    shop.pass(120);
    assert_eq!(once(shop, Act::Sweep), Answer::Swept(2));
}

fn talking_is_repeatable(shop: &mut Shop) {
    shop.add_one(feature("a"));
    once(shop, Act::Say { from: "amy".to_owned(), text: "hello".to_owned(), task: Some(TaskId(1)) });
    once(shop, Act::Note(NewEvent::new(EventKind::RunStarted).text("why", "because")));
    assert_eq!((shop.count(EventKind::MessagePosted), shop.count(EventKind::RunStarted)), (1, 1));
}

fn settings_are_repeatable(shop: &mut Shop) {
    shop.import("p", wish::tested(features(1)));
    once(shop, Act::Tests { plan: None, wanted: false });
    once(shop, Act::Cycles(7));
}

fn a_refusal_is_not_kept(shop: &mut Shop) {
    let ids = shop.add(vec![feature("a"), feature("b").after(0)]);
    let act = Act::Claim { worker: worker("amy"), only: Some(ids[1]), nonce: shop.nonce() };
    assert_eq!(code(ask(shop, "r", act.clone())), "not_ready");
    shop.complete(shop.claim("amy"));
    assert_eq!(claimed(ask(shop, "r", act)).task, ids[1]);
}

fn having_got_nothing_is_not_kept(shop: &mut Shop) {
    let act = claim(shop, "amy");
    assert!(matches!(ask(shop, "r", act.clone()), Ok(Answer::Nothing { .. })));
    let id = shop.add_one(feature("a"));
    assert_eq!(claimed(ask(shop, "r", act)).task, id);
}

fn twice_in_one_batch_is_once(shop: &mut Shop) {
    let order = Order::new(Actor::Human, Act::Add { tasks: features(2), plan: None }).repeatable(request("r"));
    let answers = shop.door.apply(&[order.clone(), order]).unwrap();
    assert_eq!(answers[0], answers[1]);
    assert_eq!(shop.door.standing(None).unwrap().counts.all(), 2);
}

fn another_handle_knows_the_request(shop: &mut Shop) {
    let order = Order::new(Actor::Human, Act::Add { tasks: features(1), plan: None }).repeatable(request("r"));
    let first = shop.door.apply_one(order.clone());
    assert_eq!(shop.second_door().apply_one(order), first);
}

fn many_at_once_have_one_effect(shop: &mut Shop) {
    shop.add(features(9));
    let doors = [shop.second_door(), shop.second_door()];
    let order = Order::new(Actor::Worker, claim(shop, "amy")).repeatable(request("r"));
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
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
    assert_eq!(shop.count(EventKind::TaskClaimed), 1);
}

fn old_requests_are_forgotten_few_at_a_time(shop: &mut Shop) {
    for number in 0..5 {
        ask(shop, &format!("r{number}"), Act::Cycles(number)).unwrap();
        shop.pass(10);
    }
    let mut gone = Vec::new();
    for _ in 0..3 {
        let mut work = |tx: &dyn engine::store::Transaction| {
            let before = domain::time::Timestamp(tx.now().wall.0 - 15_000);
            gone.push(tx.prune_requests(before, 3)?);
            Ok(())
        };
        shop.door.store().write(&mut work).unwrap();
    }
    assert_eq!(gone, [3, 1, 0]);
    let kept = shop.door.look(|snapshot| snapshot.request(&request("r4"))).unwrap();
    assert_eq!(kept.as_deref(), Some("done"));
}
