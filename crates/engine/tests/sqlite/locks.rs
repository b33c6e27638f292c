//! Several writers on one file: nobody is lost, nobody starves, nobody waits for long, and who dies holds nothing up.

use super::opening::hammer;
use super::{Place, add, shop};
use domain::event::Actor;
use engine::orchestrator::{Act, Orchestrator, Order, Settings};
use engine::store::Store;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Barrier};

#[test]
fn two_handles_and_eight_threads() {
    let place = Place::new();
    let handles = [place.store(), place.store()];
    hammer((0..8).map(|number| Arc::clone(&handles[number % 2]) as Arc<dyn Store>).collect(), 40);
    assert_eq!(handles[0].integrity(), Ok(vec![]));
}

#[test]
fn eight_handles() {
    let place = Place::new();
    hammer((0..8).map(|_| place.store() as Arc<dyn Store>).collect(), 25);
}

#[test]
fn no_writer_is_left_behind() {
    // SQLite's own waiting gave one worker one turn while another had 8,792. What a busy machine does to a thread is far less than this.
    const LEAST: u32 = 40;
    const MOST: u32 = 800;
    let place = Place::with_tasks(1);
    let doors: Vec<Orchestrator> = (0..4).map(|_| place.door()).collect();
    let counts: Vec<AtomicU32> = doors.iter().map(|_| AtomicU32::new(0)).collect();
    let is_over = || {
        counts.iter().all(|count| count.load(Ordering::Relaxed) >= LEAST) || counts.iter().any(|count| count.load(Ordering::Relaxed) > MOST)
    };
    let start = Barrier::new(doors.len());
    std::thread::scope(|scope| {
        for (door, count) in doors.iter().zip(&counts) {
            let (is_over, start) = (&is_over, &start);
            scope.spawn(move || {
                start.wait();
                while !is_over() {
                    // Another value each time: SQLite does not write what is there already.
                    let round = count.fetch_add(1, Ordering::Relaxed);
                    door.apply_one(Order::new(Actor::Human, Act::Cycles(round))).unwrap();
                }
            });
        }
    });
    let counts: Vec<u32> = counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
    assert!(counts.iter().all(|count| *count >= LEAST), "{counts:?}");
}

#[test]
fn a_reader_sees_one_state_while_others_write() {
    let place = Place::with_tasks(1);
    let (writer, reader) = (place.door(), place.door());
    reader
        .look(|snapshot| {
            let before = snapshot.last_event()?;
            add(&writer, 3);
            assert_eq!((snapshot.last_event()?, snapshot.last_task()?), (before, 1));
            Ok(())
        })
        .unwrap();
    assert_eq!(reader.standing(None).unwrap().counts.all(), 4);
}

#[test]
fn readers_and_writers_do_not_stop_each_other() {
    let place = Place::with_tasks(5);
    let (reader, ended) = (place.door(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            hammer((0..3).map(|_| place.store() as Arc<dyn Store>).collect(), 20);
            ended.store(true, Ordering::Relaxed);
        });
        while !ended.load(Ordering::Relaxed) {
            shop::audit::audit(reader.store().as_ref());
        }
    });
}

#[test]
fn work_that_is_given_up_leaves_nothing_behind() {
    let place = Place::with_tasks(1);
    let store = place.store();
    let error = engine::error::Error::refused("changed_my_mind", "no");
    for _ in 0..3 {
        let mut work = |tx: &dyn engine::store::Transaction| {
            tx.put_meta("left", "behind")?;
            Err(error.clone())
        };
        assert_eq!(store.write(&mut work), Err(error.clone()));
        assert_eq!(store.read(&mut |_| Err(error.clone())), Err(error.clone()));
    }
    let door = Orchestrator::new(store, Settings::default());
    assert_eq!(door.look(|snapshot| snapshot.meta("left")), Ok(None));
    add(&door, 1);
}
