//! The store is nobody else's business: 0600 in a side folder of 0700, whatever the umask, and looser ones are refused (A22).

use super::{Place, add, chmod, mode, open, write_private};
use domain::id::WorkerName;
use engine::store::sqlite::Missing;
use engine::store::{Listen, Store};
use std::sync::Arc;

/// Everything that a store makes, made with no umask at all. The umask is the whole process's, so this runs in one of its own.
#[test]
fn whatever_the_umask_nobody_else_may_read_it() {
    let (me, test) = (std::env::current_exe().unwrap(), "permissions::in_a_process_without_umask");
    let done = std::process::Command::new(me).args(["--exact", test]).env(ALONE, "1").output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
    assert!(String::from_utf8_lossy(&done.stdout).contains("1 passed"), "the test is still called {test}");
}

/// Set in the process that has no umask.
const ALONE: &str = "GANGER_TEST_ALONE";

/// Does its work in a process of its own only, which the test above starts: the umask is everybody's.
#[test]
fn in_a_process_without_umask() {
    if std::env::var_os(ALONE).is_none() {
        return;
    }
    rustix::process::umask(rustix::fs::Mode::empty());
    let place = Place::new();
    let store = place.store();
    let name: WorkerName = "amy".parse().unwrap();
    let _listening = store.waker().listen(Listen::Worker(&name));
    store.waker().worker(&"bob".parse().unwrap());
    add(&place.door(), 100);
    store.copy_to(&place.folder.path().join("copy.db")).unwrap();
    let mut seen = Vec::new();
    for entry in std::fs::read_dir(place.folder.path()).unwrap().chain(std::fs::read_dir(store.side_folder()).unwrap()) {
        let path = entry.unwrap().path();
        let wanted = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode(&path), wanted, "{}", path.display());
        seen.push(path.file_name().unwrap().to_string_lossy().into_owned());
    }
    for expected in [
        "ganger.db",
        "ganger.db-wal",
        "ganger.db-shm",
        "ganger.db.d",
        "turn",
        "store",
        "any",
        "work",
        "worker-amy",
        "worker-bob",
        "copy.db",
    ] {
        assert!(seen.iter().any(|name| name == expected), "{expected} of {seen:?}");
    }
}

#[test]
fn a_store_that_others_may_read_is_refused() {
    for loose in [0o604, 0o640, 0o660, 0o666, 0o601] {
        let place = Place::with_tasks(1);
        chmod(&place.path(), loose);
        let before = place.bytes();
        let refused = place.refusal();
        assert_eq!((refused.code, refused.kind.exit_code()), ("loose_permissions", 5));
        assert!(refused.hints[0].starts_with("chmod 600 "), "{refused:?}");
        assert_eq!((place.bytes(), mode(&place.path())), (before, loose), "and nothing is changed");
        chmod(&place.path(), 0o600);
        place.door();
    }
}

#[test]
fn a_side_folder_that_others_may_use_is_refused() {
    for loose in [0o777, 0o750, 0o701] {
        let place = Place::with_tasks(1);
        chmod(&place.store().side_folder(), loose);
        assert_eq!(place.refusal().code, "loose_permissions");
    }
}

#[test]
fn a_side_folder_that_is_none_is_refused() {
    let place = Place::new();
    let elsewhere = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), place.folder.path().join("ganger.db.d")).unwrap();
    assert!(place.try_open(Missing::Make).is_err(), "a link may point anywhere");
    assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    let place = Place::new();
    write_private(&place.folder.path().join("ganger.db.d"), b"mine");
    assert!(place.try_open(Missing::Make).is_err());
}

#[test]
fn a_link_planted_at_a_lock_is_not_followed() {
    let place = Place::with_tasks(1);
    let turn = place.store().side_folder().join("turn");
    let victim = place.folder.path().join("victim");
    write_private(&victim, b"mine");
    std::fs::remove_file(&turn).unwrap();
    std::os::unix::fs::symlink(&victim, &turn).unwrap();
    assert!(place.try_open(Missing::Refuse).is_err());
    assert_eq!(std::fs::read(&victim).unwrap(), b"mine");
}

#[test]
fn what_is_no_file_is_refused_without_waiting() {
    let place = Place::new();
    std::fs::create_dir(place.path()).unwrap();
    assert_eq!(place.refusal().code, "foreign_file");
    let fifo = place.folder.path().join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, rustix::fs::Mode::from_raw_mode(0o600), 0).unwrap();
    for missing in [Missing::Make, Missing::Refuse] {
        assert_eq!(open(&fifo, missing, &Arc::clone(&place.clock)).err().unwrap().code, "foreign_file");
    }
}
