//! Which files are opened, and which are left alone: missing, foreign, newer, of two names, reached by two paths.

use super::{Place, add, open, shop, write_private};
use domain::event::Actor;
use engine::clock::ManualClock;
use engine::error::Kind;
use engine::orchestrator::{Act, Orchestrator, Order, Settings};
use engine::store::Store;
use engine::store::sqlite::Missing;
use std::sync::{Arc, Barrier};

#[test]
fn a_missing_store_is_made_or_refused() {
    let place = Place::new();
    let refused = place.try_open(Missing::Refuse).err().unwrap();
    assert_eq!((refused.kind, refused.code, refused.hints.is_empty()), (Kind::Store, "store_missing", false));
    assert!(refused.hints.iter().any(|hint| hint.starts_with("ganger import FILE ")), "{refused:?}");
    assert_eq!(place.bytes(), [], "looking for it makes nothing");
    add(&place.door(), 2);
    assert_eq!(place.try_open(Missing::Refuse).unwrap().integrity(), Ok(vec![]));
}

#[test]
fn a_store_that_cannot_be_reached_is_not_called_missing() {
    let place = Place::new();
    std::fs::write(place.folder.path().join("file"), "").unwrap();
    std::os::unix::fs::symlink("circle", place.folder.path().join("circle")).unwrap();
    for name in ["file/ganger.db", "circle"] {
        for missing in [Missing::Make, Missing::Refuse] {
            let refused = open(&place.folder.path().join(name), missing, &place.clock).err().unwrap();
            assert_eq!((refused.kind, refused.code), (Kind::Store, "store_unreachable"), "{name}: {refused}");
            assert!(!refused.hints.iter().any(|hint| hint.starts_with("ganger ")), "nothing that makes a new store: {refused:?}");
        }
    }
}

#[test]
fn a_store_in_no_folder_is_refused() {
    let place = Place::new();
    let path = place.folder.path().join("none").join("ganger.db");
    for missing in [Missing::Make, Missing::Refuse] {
        assert!(open(&path, missing, &place.clock).is_err());
    }
    assert!(!path.parent().unwrap().exists());
}

#[test]
fn an_empty_file_is_no_store_unless_it_may_be_made() {
    let place = Place::new();
    write_private(&place.path(), b"");
    assert_eq!(place.try_open(Missing::Refuse).err().unwrap().code, "store_empty");
    assert_eq!(place.bytes(), [(place.path(), vec![])], "and it stays empty");
    add(&place.door(), 1);
}

#[test]
fn another_programs_file_is_refused_unchanged() {
    for (journal, mark) in [("WAL", ""), ("DELETE", ""), ("DELETE", "PRAGMA application_id = 77;"), ("DELETE", "PRAGMA user_version = 1;")]
    {
        let place = Place::new();
        write_private(&place.path(), b"");
        place.meddle(&format!("PRAGMA journal_mode = {journal}; {mark} CREATE TABLE notes (text); INSERT INTO notes VALUES ('mine');"));
        let before = place.bytes();
        let refused = place.refusal();
        assert_eq!((refused.code, refused.kind.exit_code()), ("foreign_file", 5), "{journal} {mark}");
        assert_eq!(place.bytes()[0], before[0], "not one byte of it");
        assert!(!place.folder.path().join("ganger.db.d").exists(), "nor anything beside it");
    }
}

#[test]
fn a_newer_schema_is_refused_before_any_write() {
    let place = Place::with_tasks(40);
    place.meddle("PRAGMA user_version = 2");
    refused_as_newer(&place);
}

#[test]
fn a_newer_schema_is_refused_before_any_write_also_with_a_log_beside_it() {
    // The newer ganger was killed, or leaves its log as we do: the log must not be copied into the file by us.
    let place = Place::with_tasks(40);
    {
        let connection = rusqlite::Connection::open(place.path()).unwrap();
        connection.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
        connection.execute_batch("PRAGMA user_version = 2").unwrap();
    }
    assert!(std::fs::metadata(place.folder.path().join("ganger.db-wal")).unwrap().len() > 0);
    refused_as_newer(&place);
}

fn refused_as_newer(place: &Place) {
    // What SQLite keeps of who reads what is no content, nor is an empty log.
    let kept = |place: &Place| {
        let files = place.bytes().into_iter();
        files.filter(|(path, bytes)| !path.to_string_lossy().ends_with("-shm") && !bytes.is_empty()).collect::<Vec<_>>()
    };
    let before = kept(place);
    let refused = place.refusal();
    assert_eq!((refused.code, refused.kind.exit_code()), ("newer_schema", 5));
    assert!(kept(place) == before, "not one byte is changed");
    place.meddle("PRAGMA user_version = 1");
    assert_eq!(place.door().standing(None).unwrap().counts.all(), 40, "and the newer one finds all of it");
}

#[test]
fn a_file_of_two_names_is_refused() {
    let place = Place::with_tasks(1);
    let other = place.folder.path().join("other.db");
    std::fs::hard_link(place.path(), &other).unwrap();
    assert_eq!(place.refusal().code, "two_names");
    assert_eq!(open(&other, Missing::Refuse, &place.clock).err().unwrap().code, "two_names");
    std::fs::remove_file(other).unwrap();
    place.door();
}

#[test]
fn two_paths_to_one_file_share_its_locks() {
    let place = Place::with_tasks(1);
    let (link, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let by_link = link.path().join("linked.db");
    std::os::unix::fs::symlink(place.path(), &by_link).unwrap();
    let by_folder = folder.path().join("project");
    std::os::unix::fs::symlink(place.folder.path(), &by_folder).unwrap();
    let stores = [place.path(), by_link, by_folder.join("ganger.db")].map(|path| open(&path, Missing::Make, &place.clock).unwrap());
    assert!(stores.iter().all(|store| store.path() == stores[0].path() && store.side_folder() == stores[0].side_folder()));
    assert_eq!(std::fs::read_dir(link.path()).unwrap().count(), 1, "nothing is made beside the link");
    hammer(stores.into_iter().map(|store| Arc::new(store) as Arc<dyn Store>).collect(), 15);
}

/// Every store from a thread of its own, adding and claiming; in the end everything must be there.
pub(super) fn hammer(stores: Vec<Arc<dyn Store>>, rounds: u32) {
    let doors: Vec<Orchestrator> = stores.into_iter().map(|store| Orchestrator::new(store, Settings::default())).collect();
    let before = doors[0].standing(None).unwrap().counts.all();
    std::thread::scope(|scope| {
        for (number, door) in doors.iter().enumerate() {
            scope.spawn(move || {
                for round in 0..rounds {
                    let tasks = shop::wish::features(1);
                    door.apply_one(Order::new(Actor::Human, Act::Add { tasks, plan: None })).unwrap();
                    let nonce = domain::lease::Nonce([u8::try_from(number).unwrap(); 16]);
                    let claim = Act::Claim { worker: format!("w{number}").parse().unwrap(), only: None, nonce };
                    let claim = shop::claimed(door.apply_one(Order::new(Actor::Worker, claim)));
                    let complete = shop::wish::report(shop::wish::complete(claim));
                    door.apply_one(Order::new(Actor::Worker, complete)).unwrap_or_else(|error| panic!("round {round}: {error}"));
                }
            });
        }
    });
    let total = rounds * u32::try_from(doors.len()).unwrap();
    assert_eq!(doors[0].standing(None).unwrap().counts.all(), before + total);
    shop::audit::audit(doors[0].store().as_ref());
}

#[test]
fn many_may_make_it_at_once() {
    for _ in 0..5 {
        let place = Place::new();
        let start = Barrier::new(8);
        let stores: Vec<Arc<dyn Store>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        start.wait();
                        place.store() as Arc<dyn Store>
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        hammer(stores, 2);
    }
}

#[test]
fn a_file_that_was_replaced_under_us_is_not_written() {
    let (place, other) = (Place::with_tasks(1), Place::with_tasks(3));
    let door = place.door();
    add(&door, 1);
    std::fs::rename(other.path(), place.path()).unwrap();
    let order = || Order::new(Actor::Human, Act::Add { tasks: shop::wish::features(1), plan: None });
    for _ in 0..2 {
        let refused = door.apply_one(order()).unwrap_err();
        assert_eq!((refused.code, refused.kind), ("store_replaced", Kind::Store));
    }
    std::fs::remove_file(place.path()).unwrap();
    assert_eq!(door.apply_one(order()).unwrap_err().code, "store_missing");
}

#[test]
fn an_address_names_the_file() {
    let place = Place::with_tasks(1);
    let store = place.store();
    assert_eq!(store.address(), format!("sqlite:{}", std::fs::canonicalize(place.path()).unwrap().display()));
    let clock: Arc<ManualClock> = Arc::clone(&place.clock);
    assert!(matches!(open(std::path::Path::new("/"), Missing::Make, &clock), Err(error) if error.code == "bad_store"));
}
