//! Damage: found, never spread, and repaired into a new store that is right, with everything that could still be read (G4, A44).
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods, reason = "tests")]

#[path = "repair/damage.rs"]
mod damage;
#[path = "scene/mod.rs"]
mod scene;
#[expect(dead_code, reason = "shared with other suites")]
#[path = "shop/mod.rs"]
mod shop;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::event::EventKind;
use domain::id::TaskId;
use domain::task::Status;
use engine::audit::{self, Report};
use engine::clock::{Clock, ManualClock};
use engine::error::{Error, Kind};
use engine::repair::{Outcome, Rebuilt, Wish, repair};
use engine::store::sqlite::{Missing, SqliteStore, Use};
use rusqlite::types::Value;
use scene::{Scene, codes, request, titled};

fn mend(scene: &Scene, wish: Wish) -> Result<Outcome, Error> {
    let clock: Arc<dyn Clock> = scene.clock.clone();
    repair(&scene.path(), wish, &clock)
}

#[track_caller]
fn done(outcome: Result<Outcome, Error>) -> (Rebuilt, PathBuf) {
    match outcome {
        Ok(Outcome::Done(rebuilt, old)) => (rebuilt, old),
        other => panic!("should be repaired, got {other:?}"),
    }
}

/// The names beside the store, without what changes in every one.
fn names(scene: &Scene) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(scene.folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn forget_log(scene: &Scene) {
    for ending in ["ganger.db-wal", "ganger.db-shm"] {
        let _ = std::fs::remove_file(scene.folder.path().join(ending));
    }
}

/// Every row of a file that can be read by reading its tables from both ends, by table and key.
fn readable(path: &Path) -> BTreeMap<(&'static str, String), Vec<Value>> {
    let mut found = BTreeMap::new();
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let Ok(connection) = rusqlite::Connection::open_with_flags(path, flags) else { return found };
    let _ = connection.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
    for (table, key) in [("tasks", "id"), ("specs", "task"), ("results", "task"), ("events", "seq"), ("plans", "id"), ("workers", "name")] {
        for order in ["", "ORDER BY 1 DESC"] {
            let sql = format!("SELECT {key}, * FROM {table} NOT INDEXED {order}");
            let Ok(mut statement) = connection.prepare(&sql) else { continue };
            let columns = statement.column_count();
            let Ok(mut rows) = statement.query([]) else { continue };
            while let Ok(Some(row)) = rows.next() {
                let values: Vec<Value> = (1..columns).map(|index| row.get(index).unwrap_or(Value::Null)).collect();
                found.insert((table, format!("{:?}", row.get::<_, Value>(0).unwrap_or(Value::Null))), values);
            }
        }
    }
    found
}

/// The columns of a row that repair may change: counters, lanes, claims, deadlines of the store's clock, the epoch's own.
fn kept_columns(table: &str, columns: &[Value]) -> Vec<Value> {
    let dropped: &[usize] = match table {
        // lane, status and what belongs to a claim, counters, not_before, ready_at, avoid, last_event
        "tasks" => &[6, 7, 8, 9, 10, 11, 12, 19, 20, 21, 22, 23, 24, 36],
        "plans" => &[10, 11],
        // The one before it about the same task, which may be lost.
        "events" => &[7],
        "workers" => &[8, 9, 11, 15, 16, 17, 18],
        _ => &[],
    };
    columns.iter().enumerate().filter(|(index, _)| !dropped.contains(index)).map(|(_, value)| value.clone()).collect()
}

#[test]
fn a_whole_store_is_left_alone() {
    let scene = Scene::played();
    let before = (names(&scene), std::fs::read(scene.path()).unwrap());
    assert_eq!(mend(&scene, Wish::Repair), Ok(Outcome::Healthy));
    assert_eq!(mend(&scene, Wish::DryRun), Ok(Outcome::Healthy));
    assert!((names(&scene), std::fs::read(scene.path()).unwrap()) == before);
}

#[test]
fn a_forced_repair_loses_nothing_but_claims() {
    let scene = Scene::played();
    let old = readable(&scene.path());
    let epoch = |scene: &Scene| scene.door().look(|snapshot| snapshot.meta("epoch")).unwrap().unwrap();
    let (shop, before) = (scene.shop(), epoch(&scene));
    let open: Vec<_> = shop.door.look(|snapshot| snapshot.live()).unwrap().into_iter().filter_map(|task| task.claim()).collect();
    let ended = shop.claim("amp");
    shop.complete(ended);
    drop(shop);
    let (rebuilt, file) = done(mend(&scene, Wish::Force));
    assert_eq!((rebuilt.lost.count, rebuilt.put_back, rebuilt.restored), (0, 2, 0), "{rebuilt:?}");
    assert_eq!(codes(&scene.audit()), Vec::<&str>::new());
    assert_ne!(epoch(&scene), before);
    let new = readable(&scene.path());
    for ((table, key), row) in &old {
        let kept = new.get(&(*table, key.clone())).unwrap_or_else(|| panic!("{table} {key} is gone"));
        if (*table, open.len()) != ("tasks", 0) {
            let same = kept_columns(table, row) == kept_columns(table, kept);
            assert!(same || key.contains(&ended.task.0.to_string()) || *table == "workers", "{table} {key}: {row:?} {kept:?}");
        }
    }
    // The old file is there with its log, and says why it is not used.
    let name = file.file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with("ganger.db.broken-2026") && name.ends_with('Z'), "{name}");
    assert_eq!(names(&scene).iter().filter(|other| other.starts_with("ganger.db.broken-")).count(), 3, "{:?}", names(&scene));
    assert!(!names(&scene).iter().any(|name| name.contains(".new-")));
    let clock: Arc<ManualClock> = scene.clock.clone();
    let mut report = Report::default();
    audit::strict(&SqliteStore::open(&file, Use::OneShot, Missing::Refuse, clock).unwrap(), &mut report).unwrap();
    assert!(report.is_ok(), "{:?}", report.findings());
    // No claim of before counts.
    let shop = scene.shop();
    assert_eq!(open.len(), 2);
    for claim in open.into_iter().chain([ended]) {
        for command in shop::wish::all_with(claim) {
            assert_eq!(shop::code(shop.report(command)), "stale_claim");
        }
    }
    let id = titled(&shop.door, "feature 8");
    assert_eq!((shop.status(id), shop.task(id).attempt.0), (Status::Pending, 1));
    let told = shop.door.history(id, 1).unwrap().pop().unwrap();
    assert_eq!(told.kind, EventKind::TaskReleased);
    assert!(told.data.contains("repaired"), "{told:?}");
    assert_eq!(shop.count(EventKind::ProjectRepaired), 1);
    // What was asked before is answered as before, but for claims.
    let known = |id: &str| shop.door.look(|snapshot| snapshot.request(&request(id))).unwrap();
    assert!(known("added").is_some() && known("claim-of-pi").is_none());
    shop.complete(shop.claim_task("amp", id));
    shop.audit();
}

#[test]
fn somebody_at_work_is_not_disturbed() {
    let scene = Scene::played();
    scene.meddle("UPDATE tasks SET attempt = 9 WHERE id = 1");
    let clock: Arc<ManualClock> = scene.clock.clone();
    let resident = SqliteStore::open(&scene.path(), Use::Resident, Missing::Refuse, clock).unwrap();
    let before = names(&scene);
    let refused = mend(&scene, Wish::Repair).unwrap_err();
    assert_eq!((refused.code, refused.kind), ("store_in_use", Kind::Refused));
    assert!(names(&scene).len() <= before.len() + 1, "only a lock file may be new: {:?}", names(&scene));
    drop(resident);
    let (rebuilt, _) = done(mend(&scene, Wish::Repair));
    assert_eq!(rebuilt.restored, 1, "{rebuilt:?}");
    assert!(scene.audit().is_ok());
    assert_eq!(scene.shop().task(TaskId(1)).attempt.0, 9, "a fence never goes back");
}

#[test]
fn a_dry_run_says_what_a_repair_does() {
    let scene = Scene::played();
    scene.meddle("UPDATE tasks SET kind = 9 WHERE id = 4; DELETE FROM events WHERE seq = 17; UPDATE specs SET more = '{' WHERE task = 40");
    scene.settle();
    let before = (names(&scene), std::fs::read(scene.path()).unwrap());
    let Ok(Outcome::Would(would)) = mend(&scene, Wish::DryRun) else { panic!("a dry run should say what it would do") };
    forget_log(&scene);
    assert!((names(&scene), std::fs::read(scene.path()).unwrap()) == before);
    let (did, _) = done(mend(&scene, Wish::Repair));
    assert_eq!(would, did);
    let lost: Vec<(&str, &str)> = did.lost.listed.iter().map(|lost| (lost.table, lost.key.as_str())).collect();
    assert!(lost.contains(&("tasks", "T-004")) && lost.contains(&("events", "17")) && lost.contains(&("specs", "T-040")), "{lost:?}");
}

/// Every statement of the audit's that makes something wrong inside the file can be repaired; and then nothing is wrong.
#[test]
fn whatever_was_planted_is_repaired() {
    let scene = Scene::played();
    scene.settle();
    let whole = std::fs::read(scene.path()).unwrap();
    let last = scene.shop().door.look(|snapshot| snapshot.last_task()).unwrap();
    for sql in [
        "UPDATE tasks SET worker = NULL, nonce = NULL WHERE status = 1",
        "UPDATE tasks SET worker = 'nobody' WHERE status = 1",
        "DELETE FROM workers",
        "UPDATE workers SET holding = 7, driver = 99 WHERE name = 'amp'",
        "UPDATE tasks SET nonce = randomblob(16) WHERE status = 4",
        "UPDATE tasks SET failures = attempts_max + 1 WHERE id = 3",
        "UPDATE tasks SET status = 5 WHERE id = (SELECT min(id) FROM tasks WHERE status = 4)",
        "UPDATE tasks SET status = 0, ended_at = NULL WHERE status = 5",
        "UPDATE events SET kind = 2, attempt = 2 WHERE kind = 4 AND task = 1",
        "INSERT OR IGNORE INTO edges SELECT needs, task FROM edges",
        "INSERT INTO edges VALUES (2, 2), (1, 9999), (9999, 1)",
        "INSERT INTO edges SELECT 1, id FROM tasks WHERE status = 0",
        "UPDATE tasks SET plan = 77, lane = 77 WHERE id = 2",
        "UPDATE tasks SET tests = 9999 WHERE tests IS NOT NULL; UPDATE tasks SET block_on = 9999 WHERE block_on IS NOT NULL",
        "DELETE FROM plans; DELETE FROM lanes; DELETE FROM tallies; DELETE FROM meta WHERE name = 'epoch'",
        "DELETE FROM tasks WHERE id IN (5, 6, 40)",
        "DELETE FROM tasks",
        "DELETE FROM specs",
        "DELETE FROM events",
        "DELETE FROM events WHERE seq % 3 = 0",
        "DELETE FROM events WHERE seq > 40",
        "DELETE FROM edges",
        "UPDATE events SET seq = seq + 100000 WHERE seq IN (50, 60)",
        "UPDATE events SET task = 9999, worker = '-' WHERE seq % 7 = 0",
        "UPDATE events SET data = '{' WHERE seq % 5 = 0",
        "UPDATE tasks SET id = id + 100000 WHERE id = 7",
        "UPDATE tasks SET last_event = 77, waiting = 9, dead = 3, held = 1 - held",
        "UPDATE plans SET options = 'x', first_task = 9, last_task = 3, title = ' x'",
        "UPDATE specs SET title = title || char(10) WHERE task = 9",
        "INSERT INTO unreadable VALUES (3)",
        "DELETE FROM tasks WHERE id > 30; DELETE FROM events WHERE seq > 60; DELETE FROM specs WHERE task > 35",
    ] {
        std::fs::write(scene.path(), &whole).unwrap();
        scene.meddle(sql);
        let _ = std::fs::remove_file(scene.folder.path().join("ganger.db.d/newest"));
        let (rebuilt, file) = done(mend(&scene, Wish::Repair));
        let report = scene.audit();
        assert!(report.is_ok(), "{sql}: {:?} {rebuilt:?}", report.findings());
        // Ids are never used again, whatever of them was lost.
        if sql != "DELETE FROM tasks WHERE id > 30; DELETE FROM events WHERE seq > 60; DELETE FROM specs WHERE task > 35" {
            assert_eq!(scene.door().look(|snapshot| snapshot.last_task()).unwrap(), last, "{sql}");
        }
        scene.clock.pass(shop::secs(2));
        for ending in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{ending}", file.display()));
        }
        forget_log(&scene);
    }
}

#[test]
fn what_stands_in_for_a_lost_task_runs_nothing() {
    let scene = Scene::played();
    let (open, ended, child) = {
        let shop = scene.shop();
        let open = shop.add_one(shop::wish::feature("Deploy"));
        let child = shop.add_one(shop::wish::Wish::after_task(shop::wish::feature("After it"), open));
        (open, TaskId(1), child)
    };
    scene.meddle(&format!("UPDATE tasks SET kind = 77 WHERE id IN ({}, {})", open.0, ended.0));
    done(mend(&scene, Wish::Repair));
    let shop = scene.shop();
    assert_eq!((shop.status(open), shop.status(ended), shop.status(child)), (Status::Blocked, Status::Completed, Status::Pending));
    let view = shop.door.task(open).unwrap();
    assert_eq!(view.full.spec.title, "Deploy");
    assert!(view.blocked.unwrap().note.contains(&format!("ganger unblock {open}")));
    assert!(!shop.is_ready(child));
    shop.unblock(open);
    shop.complete(shop.claim_task("amp", open));
    assert!(shop.is_ready(child));
    assert!(scene.audit().is_ok());
}

#[test]
fn a_row_and_a_journal_that_contradict_each_other_wait_for_a_person() {
    let scene = Scene::played();
    let id = titled(&scene.door(), "feature 7");
    scene.meddle(&format!("UPDATE tasks SET status = 2, ended_at = 5 WHERE id = {}", id.0));
    let (rebuilt, _) = done(mend(&scene, Wish::Repair));
    assert!(rebuilt.lost.listed.iter().any(|lost| lost.why == "its row says COMPLETED, its journal PENDING"), "{rebuilt:?}");
    assert_eq!(scene.shop().status(id), Status::Blocked);
}

#[test]
fn a_log_that_was_removed_is_missed() {
    let scene = Scene::empty();
    scene.shop().add(shop::wish::features(3));
    scene.settle();
    let before = scene.shop().last_event();
    let added = scene.shop().add(shop::wish::features(2));
    forget_log(&scene);
    assert_eq!(scene.try_open().err().map(|error| error.code), Some("store_went_back"));
    let (rebuilt, _) = done(mend(&scene, Wish::Repair));
    assert!(
        rebuilt.lost.listed.iter().any(|lost| lost.table == "events" && lost.why.contains(&format!("ends with event {before}"))),
        "{rebuilt:?}"
    );
    assert!(scene.audit().is_ok());
    assert_eq!(shop::code(scene.shop().door.task(added[0])), "no_such_task");
    // It is not missed twice.
    assert_eq!(mend(&scene, Wish::Repair), Ok(Outcome::Healthy));
}

#[test]
fn a_file_that_was_emptied_comes_back_from_its_log() {
    let scene = Scene::empty();
    scene.shop().add(shop::wish::features(10));
    let whole = readable(&scene.path());
    std::fs::write(scene.path(), b"").unwrap();
    assert_eq!(scene.try_open().err().map(|error| error.code), Some("damaged"));
    match mend(&scene, Wish::Repair) {
        Ok(Outcome::Done(rebuilt, old)) => {
            assert!(scene.audit().is_ok());
            assert_eq!(std::fs::metadata(&old).unwrap().len(), 0);
            let new = readable(&scene.path());
            assert!(whole.keys().all(|key| new.contains_key(key)), "{rebuilt:?}");
            assert_eq!(rebuilt.lost.count, 0, "{rebuilt:?}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn memory_of_readers_may_be_removed() {
    let scene = Scene::played();
    let _ = std::fs::remove_file(scene.folder.path().join("ganger.db-shm"));
    assert!(scene.audit().is_ok());
    assert_eq!(mend(&scene, Wish::Repair), Ok(Outcome::Healthy));
}

#[test]
fn what_is_no_store_is_refused_and_left_alone() {
    let noise: Vec<u8> = (0..60_000_u64).map(|at| domain::retry::jitter(at, 255) as u8).collect();
    for garbage in [b"hello".to_vec(), vec![0; 5_000], vec![0xff; 40_000], noise] {
        let scene = Scene::empty();
        shop_file(&scene, &garbage);
        let refused = mend(&scene, Wish::Repair).unwrap_err();
        assert_eq!((refused.code, refused.kind), ("beyond_repair", Kind::Store), "{refused:?}");
        assert!(std::fs::read(scene.path()).unwrap() == garbage);
        assert!(!names(&scene).iter().any(|name| name.contains(".new-") || name.contains("broken")), "{:?}", names(&scene));
    }
    let scene = Scene::empty();
    shop_file(&scene, b"");
    assert_eq!(mend(&scene, Wish::Repair).unwrap_err().code, "store_empty");
    rusqlite::Connection::open(scene.path())
        .unwrap()
        .execute_batch("CREATE TABLE notes (text); INSERT INTO notes VALUES ('mine')")
        .unwrap();
    let before = std::fs::read(scene.path()).unwrap();
    assert_eq!(mend(&scene, Wish::Force).unwrap_err().code, "foreign_file");
    assert!(std::fs::read(scene.path()).unwrap() == before);
    let scene = Scene::played();
    scene.meddle("PRAGMA user_version = 2; CREATE TABLE newer (text)");
    assert_eq!(mend(&scene, Wish::Repair).unwrap_err().code, "newer_schema");
    assert_eq!(
        repair(&scene.folder.path().join("none.db"), Wish::Repair, &(scene.clock.clone() as Arc<dyn Clock>)).unwrap_err().code,
        "store_missing"
    );
}

fn shop_file(scene: &Scene, bytes: &[u8]) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(scene.path(), bytes).unwrap();
    std::fs::set_permissions(scene.path(), std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn a_head_that_lies_does_not_stop_a_repair() {
    // The number of the schema and the mark of the program are damaged, and everything else says whose file it is.
    for sql in ["PRAGMA user_version = 65", "PRAGMA application_id = 77"] {
        let scene = Scene::played();
        scene.meddle(sql);
        let (rebuilt, _) = done(mend(&scene, Wish::Repair));
        assert_eq!(rebuilt.lost.count, 0, "{sql}: {rebuilt:?}");
        assert!(scene.audit().is_ok());
    }
}

#[test]
fn a_swap_that_was_interrupted_is_undone() {
    let scene = Scene::played();
    let whole = readable(&scene.path());
    let broken = scene.folder.path().join("ganger.db.broken-20260101T000000Z");
    std::fs::hard_link(scene.path(), &broken).unwrap();
    std::fs::rename(scene.folder.path().join("ganger.db-wal"), scene.folder.path().join("ganger.db.broken-20260101T000000Z-wal")).unwrap();
    assert_eq!(scene.try_open().err().map(|error| error.code), Some("two_names"), "nobody opens it without its log");
    assert_eq!(mend(&scene, Wish::Repair), Ok(Outcome::Healthy));
    assert!(readable(&scene.path()) == whole && !broken.exists());
}

#[test]
fn two_repairs_at_once_do_not_meet() {
    for _ in 0..4 {
        let scene = Scene::played();
        scene.meddle("UPDATE tasks SET attempt = 9 WHERE id = 1");
        let outcomes: Vec<Result<Outcome, Error>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..3).map(|_| scope.spawn(|| mend(&scene, Wish::Repair))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        for outcome in &outcomes {
            let fine = match outcome {
                Ok(Outcome::Done(..) | Outcome::Healthy) => true,
                Ok(Outcome::Would(_)) => false,
                Err(error) => matches!(error.code, "store_in_use" | "two_names" | "store_replaced"),
            };
            assert!(fine, "{outcomes:?}");
        }
        assert_eq!(outcomes.iter().filter(|outcome| matches!(outcome, Ok(Outcome::Done(..)))).count(), 1, "{outcomes:?}");
        assert!(scene.audit().is_ok());
    }
}
