//! Damage is found, named and not made worse: the file as a whole (G4, A44).

use super::{Place, add, shop, write_private};
use engine::error::Kind;
use engine::orchestrator::{Orchestrator, Settings};
use engine::store::Filter;
use engine::store::Store;
use engine::store::sqlite::Missing;
use std::sync::Arc;

/// It is refused as damaged, with what to do, and stays as it is.
#[track_caller]
fn is_damaged(place: &Place) {
    let before = std::fs::read(place.path()).unwrap();
    for missing in [Missing::Make, Missing::Refuse] {
        let refused = place.try_open(missing).err().expect("this should be refused");
        assert_eq!((refused.kind, refused.code, refused.kind.exit_code()), (Kind::Store, "damaged", 5), "{refused:?}");
        assert!(refused.hints.iter().any(|hint| hint.starts_with("ganger repair")), "{refused:?}");
    }
    assert!(std::fs::read(place.path()).unwrap() == before, "not one byte is changed");
}

/// Copies the log into the file, so that the file is all there is.
fn settle(place: &Place) {
    place.meddle("PRAGMA wal_checkpoint(TRUNCATE)");
}

/// Removes what an earlier look at the file has left beside it: its log, and what was noted of it.
fn forget(place: &Place) {
    for entry in std::fs::read_dir(place.folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            std::fs::remove_dir_all(path).unwrap();
        } else if path != place.path() {
            std::fs::remove_file(path).unwrap();
        }
    }
}

#[test]
fn garbage_is_no_store() {
    for garbage in [
        b"hello, this is a text of a hundred bytes or so, and no database at all, however long one looks at it...".to_vec(),
        vec![0; 5_000],
        vec![0xff; 40_000],
    ] {
        let place = Place::new();
        write_private(&place.path(), &garbage);
        is_damaged(&place);
    }
}

#[test]
fn a_store_that_was_cut_short_is_damaged() {
    let place = Place::with_tasks(300);
    settle(&place);
    let whole = std::fs::read(place.path()).unwrap();
    for keep in [17, 512, 4_096, 8_192, whole.len() / 2, whole.len() - 4_096] {
        write_private(&place.path(), &whole[..keep]);
        match place.try_open(Missing::Refuse) {
            Err(error) => assert_eq!((error.kind, error.code), (Kind::Store, "damaged"), "{keep}: {error:?}"),
            Ok(store) => assert_ne!(
                store.integrity().unwrap_or_else(|error| vec![error.message]),
                Vec::<String>::new(),
                "{keep} bytes of {}",
                whole.len()
            ),
        }
    }
}

#[test]
fn a_store_that_was_emptied_does_not_lose_its_log() {
    // Everything may still be in the log beside it: SQLite throws a log away when the file is empty.
    let place = Place::with_tasks(40);
    let log = place.folder.path().join("ganger.db-wal");
    let before = std::fs::read(&log).unwrap();
    assert!(!before.is_empty());
    write_private(&place.path(), b"");
    for missing in [Missing::Make, Missing::Refuse] {
        let refused = place.try_open(missing).err().expect("this should be refused");
        assert_eq!(refused.kind, Kind::Store, "{refused:?}");
    }
    assert!(std::fs::read(&log).unwrap() == before);
}

#[test]
fn an_overwritten_page_is_found() {
    let place = Place::with_tasks(300);
    settle(&place);
    let whole = std::fs::read(place.path()).unwrap();
    let (mut refused, mut found) = (0, 0);
    for page in 1..whole.len() / 4_096 {
        forget(&place);
        let mut bytes = whole.clone();
        bytes[page * 4_096..(page + 1) * 4_096].fill(0xa5);
        write_private(&place.path(), &bytes);
        match place.try_open(Missing::Refuse) {
            Err(error) => {
                assert_eq!((error.kind, error.code), (Kind::Store, "damaged"), "page {page}: {error:?}");
                refused += 1;
            }
            Ok(store) => {
                let said = store.integrity().unwrap_or_else(|error| vec![error.message]);
                assert_ne!(said, Vec::<String>::new(), "page {page}");
                found += 1;
                works_or_says_why(store);
            }
        }
    }
    assert!(refused > 0 && found > 0, "{refused} {found}");
}

/// Whatever is asked of a damaged store, the answer is right or an error of the store, and never a bug or a panic.
fn works_or_says_why(store: engine::store::sqlite::SqliteStore) {
    use domain::event::Actor;
    use engine::orchestrator::{Act, Order};
    let door = Orchestrator::new(Arc::new(store), Settings::default());
    let claim = Act::Claim { worker: "amy".parse().unwrap(), only: None, nonce: domain::lease::Nonce([1; 16]) };
    let told = [
        door.apply_one(Order::new(Actor::Worker, claim)).err(),
        door.apply_one(Order::new(Actor::Human, Act::Add { tasks: shop::wish::features(1), plan: None })).err(),
        door.standing(None).err(),
        door.list(&Filter::default(), |_| Ok(true)).err(),
        door.events(domain::id::EventSeq(0), u32::MAX).err(),
    ];
    for error in told.into_iter().flatten() {
        assert!(matches!(error.kind, Kind::Store | Kind::Refused), "{error:?}");
    }
}

#[test]
fn single_bits_that_flip_cause_no_panic_and_no_bug() {
    let place = Place::with_tasks(30);
    settle(&place);
    let whole = std::fs::read(place.path()).unwrap();
    for step in 0..120_u64 {
        forget(&place);
        let mut bytes = whole.clone();
        let at = usize::try_from(domain::retry::jitter(step, whole.len() as u64 * 8 - 1)).unwrap();
        bytes[at / 8] ^= 1 << (at % 8);
        write_private(&place.path(), &bytes);
        match place.try_open(Missing::Refuse) {
            Err(error) => assert!(matches!(error.kind, Kind::Store), "bit {at}: {error:?}"),
            Ok(store) => works_or_says_why(store),
        }
    }
}

#[test]
fn a_whole_store_is_whole() {
    let place = Place::with_tasks(50);
    let store = place.store();
    assert_eq!(store.integrity(), Ok(vec![]));
    add(&place.door(), 5);
    assert_eq!(store.integrity(), Ok(vec![]));
}

#[test]
fn what_names_something_that_is_not_there_is_found() {
    let place = Place::with_tasks(2);
    place.meddle("INSERT INTO edges VALUES (1, 77)");
    let said = place.store().integrity().unwrap();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("edges"), "{said:?}");
}
