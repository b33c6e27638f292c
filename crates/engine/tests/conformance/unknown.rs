//! When nobody can tell whether a commit happened, "unknown" is never told as "failed", and trying again does nothing twice (G3, T8).

use crate::shop::wish::{self, Wish, feature, features};
use crate::shop::{Shop, claimed, worker};
use domain::event::{Actor, EventKind};
use domain::id::TaskId;
use domain::lease::Claim;
use domain::task::{FailReason, Status};
use engine::error::{Error, Kind, Result};
use engine::orchestrator::group::Committer;
use engine::orchestrator::{Act, Answer, Orchestrator, Order};
use engine::store::{Snapshot, Store, Transaction, Waker};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

cases![
    a_commit_that_is_not_told_is_found_again,
    a_commit_that_did_not_happen_is_made,
    a_claim_is_found_again_by_its_nonce,
    a_claim_that_did_not_happen_is_made,
    a_completion_and_the_next_claim_are_found_again_together,
    what_cannot_be_known_again_is_told_as_unknown,
    who_asks_again_by_hand_gets_the_answer,
    what_stays_unknown_is_told_as_unknown,
    callers_who_share_a_commit_each_get_their_answer,
];

/// What happens to a commit.
#[derive(Clone, Copy)]
enum Fault {
    /// It is on disk, and nobody is told.
    Done,
    /// It is not, and nobody is told.
    Lost,
}

/// A store whose next commits go wrong like this.
struct Flaky {
    inner: Arc<dyn Store>,
    faults: Mutex<VecDeque<Fault>>,
}

impl Store for Flaky {
    fn write(&self, work: &mut dyn FnMut(&dyn Transaction) -> Result<()>) -> Result<()> {
        let unknown = || Error::new(Kind::Unknown, "outcome_unknown", "the disk did not answer");
        let fault = self.faults.lock().unwrap().pop_front();
        match fault {
            None => self.inner.write(work),
            Some(Fault::Done) => self.inner.write(work).and_then(|()| Err(unknown())),
            Some(Fault::Lost) => self.inner.write(&mut |tx| work(tx).and_then(|()| Err(unknown()))),
        }
    }

    fn read(&self, work: &mut dyn FnMut(&dyn Snapshot) -> Result<()>) -> Result<()> {
        self.inner.read(work)
    }

    fn is_shared(&self) -> bool {
        self.inner.is_shared()
    }

    fn integrity(&self) -> Result<Vec<String>> {
        self.inner.integrity()
    }

    fn waker(&self) -> &dyn Waker {
        self.inner.waker()
    }

    fn address(&self) -> String {
        self.inner.address()
    }
}

fn flaky(shop: &Shop, faults: &[Fault]) -> Arc<Orchestrator> {
    let store = Flaky { inner: shop.stand.open(), faults: Mutex::new(faults.iter().copied().collect()) };
    Arc::new(Orchestrator::new(Arc::new(store), shop.door.settings().clone()))
}

fn add(request: Option<&str>) -> Order {
    let order = Order::new(Actor::Human, Act::Add { tasks: features(1), plan: None });
    request.map_or(order.clone(), |id| order.repeatable(id.parse().unwrap()))
}

fn claim(shop: &Shop) -> Order {
    Order::new(Actor::Worker, Act::Claim { worker: worker("amy"), only: None, nonce: shop.nonce() })
}

fn complete(claim: Claim) -> Order {
    Order::new(Actor::Worker, wish::report(wish::complete(claim)))
}

fn a_commit_that_is_not_told_is_found_again(shop: &mut Shop) {
    let door = flaky(shop, &[Fault::Done, Fault::Done]);
    assert_eq!(crate::shop::added(&door.apply_one(add(Some("r"))).unwrap()), [TaskId(1)]);
    assert_eq!(shop.last_event(), 1);
}

fn a_commit_that_did_not_happen_is_made(shop: &mut Shop) {
    let door = flaky(shop, &[Fault::Lost, Fault::Lost, Fault::Done]);
    assert_eq!(crate::shop::added(&door.apply_one(add(Some("r"))).unwrap()), [TaskId(1)]);
    assert_eq!(shop.last_event(), 1);
}

fn a_claim_is_found_again_by_its_nonce(shop: &mut Shop) {
    shop.add(features(3));
    let held = claimed(flaky(shop, &[Fault::Done]).apply_one(claim(shop)));
    assert_eq!((held.task, shop.count(EventKind::TaskClaimed)), (TaskId(1), 1), "and not the next one as well");
    shop.complete(held);
}

fn a_claim_that_did_not_happen_is_made(shop: &mut Shop) {
    shop.add(features(3));
    let held = claimed(flaky(shop, &[Fault::Lost, Fault::Done, Fault::Lost]).apply_one(claim(shop)));
    assert_eq!((held.task, shop.count(EventKind::TaskClaimed)), (TaskId(1), 1));
}

fn a_completion_and_the_next_claim_are_found_again_together(shop: &mut Shop) {
    shop.add(vec![feature("a"), feature("b").after(0), feature("c")]);
    for faults in [[Fault::Done, Fault::Lost], [Fault::Lost, Fault::Done]] {
        let held = shop.claim("amy");
        let mut answers = flaky(shop, &faults).apply(&[complete(held), claim(shop)]).unwrap();
        let next = claimed(answers.pop().unwrap());
        assert_eq!(crate::shop::changed(answers.pop().unwrap()).status(), Status::Completed);
        shop.release(next);
    }
    assert_eq!(shop.count(EventKind::TaskCompleted), 2);
}

fn what_cannot_be_known_again_is_told_as_unknown(shop: &mut Shop) {
    shop.add(features(2));
    let held = shop.claim("amy");
    let events = shop.last_event();
    let fail = Order::new(Actor::Worker, wish::report(wish::fail(held, FailReason::Reported)));
    for (order, fault, written) in [(add(None), Fault::Done, 1), (add(None), Fault::Lost, 1), (fail, Fault::Done, 2)] {
        let told = flaky(shop, &[fault]).apply_one(order).unwrap_err();
        assert_eq!((told.kind, told.kind.exit_code()), (Kind::Unknown, 75));
        assert_eq!(shop.last_event(), events + written, "it was tried once");
    }
}

fn who_asks_again_by_hand_gets_the_answer(shop: &mut Shop) {
    let door = flaky(shop, &[Fault::Done]);
    let orders = [add(Some("r")), add(None)];
    assert_eq!(door.apply(&orders).unwrap_err().kind, Kind::Unknown, "one of the two cannot be known again");
    assert_eq!(crate::shop::added(&door.apply_one(add(Some("r"))).unwrap()), [TaskId(1)]);
    assert_eq!(shop.last_event(), 2);
}

fn what_stays_unknown_is_told_as_unknown(shop: &mut Shop) {
    let door = flaky(shop, &[Fault::Lost; 50]);
    assert_eq!(door.apply_one(add(Some("r"))).unwrap_err().kind, Kind::Unknown, "after a while");
    assert_eq!(shop.last_event(), 0);
}

fn callers_who_share_a_commit_each_get_their_answer(shop: &mut Shop) {
    for faults in [&[Fault::Done, Fault::Lost][..], &[Fault::Lost, Fault::Done], &[Fault::Lost, Fault::Done, Fault::Done]] {
        let before = shop.door.standing(None).unwrap().counts.all();
        let committer = Committer::start(flaky(shop, faults)).unwrap();
        let mut ids: Vec<TaskId> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..6)
                .map(|number| {
                    let caller = committer.caller();
                    let order = add(Some(&format!("{before}.{number}")));
                    scope.spawn(move || match caller.apply(vec![order]).unwrap().remove(0) {
                        Ok(answer @ Answer::Added { .. }) => crate::shop::added(&answer)[0],
                        other => panic!("{other:?}"),
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        ids.sort_unstable();
        assert_eq!(ids, (before + 1..=before + 6).map(TaskId).collect::<Vec<_>>());
    }
}
