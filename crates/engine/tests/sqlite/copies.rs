//! Whole copies of a store, taken while it is used.

use super::opening::hammer;
use super::{Place, add, mode, open, shop, write_private};
use engine::orchestrator::{Orchestrator, Settings};
use engine::store::Store;
use engine::store::sqlite::Missing;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[test]
fn a_copy_is_a_store_like_any_other() {
    let place = Place::with_tasks(30);
    let store = place.store();
    let target = place.folder.path().join("copy of 'it'.db");
    store.copy_to(&target).unwrap();
    assert_eq!(mode(&target), 0o600, "it holds what the store holds");
    let copy = open(&target, Missing::Refuse, &place.clock).unwrap();
    assert_eq!(copy.integrity(), Ok(vec![]));
    let copy = Orchestrator::new(Arc::new(copy), Settings::default());
    shop::audit::audit(copy.store().as_ref());
    assert_eq!(copy.events(domain::id::EventSeq(0), 100).unwrap(), place.door().events(domain::id::EventSeq(0), 100).unwrap());
    add(&copy, 1);
    assert_eq!(place.door().standing(None).unwrap().counts.all(), 30, "and one of its own");
}

#[test]
fn a_copy_never_overwrites() {
    let place = Place::with_tasks(1);
    let target = place.folder.path().join("mine");
    write_private(&target, b"mine");
    assert!(place.store().copy_to(&target).is_err());
    assert_eq!(std::fs::read(&target).unwrap(), b"mine");
    assert!(place.store().copy_to(&place.path()).is_err(), "least of all the store itself");
    assert!(place.store().copy_to(&place.folder.path().join("none").join("copy.db")).is_err());
    add(&place.door(), 1);
}

#[test]
fn copies_that_are_taken_while_others_write_are_whole() {
    let place = Place::with_tasks(10);
    let (store, ended) = (place.store(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            hammer((0..3).map(|_| place.store() as Arc<dyn Store>).collect(), 15);
            ended.store(true, Ordering::Relaxed);
        });
        let mut number = 0;
        while !ended.load(Ordering::Relaxed) {
            let target = place.folder.path().join(format!("copy-{number}.db"));
            number += 1;
            store.copy_to(&target).unwrap();
            let copy = open(&target, Missing::Refuse, &place.clock).unwrap();
            assert_eq!(copy.integrity(), Ok(vec![]));
            shop::audit::audit(&copy);
        }
        assert!(number > 0);
    });
}
