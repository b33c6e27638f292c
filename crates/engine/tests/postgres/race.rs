//! Many at once, each on a connection of its own as on a host of its own.

use super::*;
use std::collections::BTreeSet;
use std::sync::Barrier;

use domain::event::EventKind;
use domain::id::EventSeq;
use domain::task::After;

const WORKERS: usize = 12;

/// Completes what it holds and claims the next, until nothing is left; gives the tasks that it did.
fn drain(door: &Orchestrator, worker: usize) -> Vec<Claim> {
    let (mut done, mut held): (Vec<Claim>, Option<Claim>) = (Vec::new(), None);
    for round in 0_u128.. {
        let mut orders: Vec<Order> = held.iter().map(|claim| complete(*claim)).collect();
        orders.push(claim(&format!("w{worker}"), (worker as u128) << 64 | round));
        done.extend(held.take());
        match door.apply(&orders).unwrap().pop() {
            Some(Ok(Answer::Claimed { claim, .. })) => held = Some(claim),
            Some(Ok(_)) => return done,
            other => panic!("{other:?}"),
        }
    }
    done
}

#[test]
fn each_task_goes_to_one_worker_and_events_are_dense() {
    let place = Place::new();
    add(&place.door(), 240).unwrap();
    let start = Barrier::new(WORKERS);
    let done: Vec<Vec<Claim>> = std::thread::scope(|scope| {
        let start = &start;
        let place = &place;
        let threads: Vec<_> = (0..WORKERS)
            .map(|worker| {
                scope.spawn(move || {
                    let door = place.door();
                    start.wait();
                    drain(&door, worker)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let all: Vec<TaskId> = done.iter().flatten().map(|claim| claim.task).collect();
    let once: BTreeSet<TaskId> = all.iter().copied().collect();
    assert_eq!((all.len(), once.len()), (240, 240), "none twice, none left");
    assert!(done.iter().flatten().all(|claim| claim.attempt.0 == 1));
    let door = place.door();
    audit(&door);
    let events = door.events(EventSeq(0), u32::MAX).unwrap();
    assert!(events.iter().map(|event| event.seq.0).eq(1..=events.len() as u64));
    assert_eq!(events.iter().filter(|event| event.kind == EventKind::TaskCompleted).count(), 240);
    let least = done.iter().map(Vec::len).min().unwrap();
    assert!(least > 0, "somebody got nothing: {:?}", done.iter().map(Vec::len).collect::<Vec<_>>());
}

/// Two parents end at the same moment; each sees the other unfinished; somebody must release the child all the same (T14, G11).
#[test]
fn parents_that_end_at_once_release_their_child() {
    let place = Place::new();
    let door = place.door();
    for round in 0..20_u128 {
        let parents = [NewTask::titled("one"), NewTask::titled("two")];
        let child = NewTask { after: vec![After::Index(0), After::Index(1)], ..NewTask::titled("child") };
        let answer = door.apply_one(Order::new(Actor::Human, Act::Add { tasks: parents.into_iter().chain([child]).collect(), plan: None }));
        assert!(matches!(answer, Ok(Answer::Added { .. })), "{answer:?}");
        let child = last_task(&door);
        let claims: Vec<Claim> = (0..2)
            .map(|number| match door.apply_one(claim("amy", round << 8 | number)) {
                Ok(Answer::Claimed { claim, .. }) => claim,
                other => panic!("{other:?}"),
            })
            .collect();
        let start = Barrier::new(2);
        std::thread::scope(|scope| {
            for held in claims {
                let (start, place) = (&start, &place);
                scope.spawn(move || {
                    let door = place.door();
                    start.wait();
                    door.apply_one(complete(held)).unwrap();
                });
            }
        });
        match door.apply_one(claim("amy", round << 8 | 9)) {
            Ok(Answer::Claimed { claim, .. }) => {
                assert_eq!(claim.task, child);
                door.apply_one(complete(claim)).unwrap();
            }
            other => panic!("the child was forgotten: {other:?}"),
        }
    }
    audit(&door);
}

/// Two dependencies that together are a cycle: one of them is refused (T14).
#[test]
fn edges_that_meet_make_no_cycle() {
    let place = Place::new();
    let door = place.door();
    for _ in 0..20 {
        add(&door, 2).unwrap();
        let two = last_task(&door);
        let one = TaskId(two.0 - 1);
        let start = Barrier::new(2);
        let answers: Vec<bool> = std::thread::scope(|scope| {
            let threads = [(one, two), (two, one)].map(|(task, on)| {
                let (start, place) = (&start, &place);
                scope.spawn(move || {
                    let door = place.door();
                    let patch = engine::orchestrator::Patch { after: vec![on], ..engine::orchestrator::Patch::default() };
                    start.wait();
                    door.apply_one(Order::new(Actor::Human, Act::Edit { task, patch: Box::new(patch) })).is_ok()
                })
            });
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(answers.iter().filter(|ok| **ok).count(), 1, "{answers:?}");
    }
    audit(&door);
}
