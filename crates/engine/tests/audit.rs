//! The strict check finds each thing that can be wrong with a store, and nothing in one that is right. What is planted here is planted behind the
//! store's back, by statements that it would refuse itself.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods, reason = "tests")]

#[path = "scene/mod.rs"]
mod scene;
#[expect(dead_code, reason = "shared with other suites")]
#[path = "shop/mod.rs"]
mod shop;

use domain::id::TaskId;
use engine::audit::Severity;
use scene::{Scene, codes, titled};

#[test]
fn nothing_is_wrong_with_a_store_that_was_only_used() {
    let scene = Scene::played();
    let report = scene.audit();
    assert_eq!(report.findings(), []);
    assert!(report.is_ok() && !report.is_damaged());
    let checked = report.checked();
    assert!(checked["tasks"] > 50 && checked["events"] > 150 && checked["edges"] > 30, "{checked:?}");
    assert_eq!((checked["workers"], checked["plans"]), (3, 3), "{checked:?}");
}

/// What each statement makes wrong: the invariant, the statement, and a code that must be among what is found.
const PLANTED: &[(&str, &str, &str)] = &[
    // (i) A task is in progress exactly when it has one open claim, whose holder is on the roster and counts it.
    ("i", "UPDATE tasks SET worker = NULL, nonce = NULL WHERE status = 1", "row_unreadable"),
    ("i", "UPDATE tasks SET worker = NULL, nonce = NULL WHERE status = 1", "integrity"),
    ("i", "UPDATE tasks SET worker = 'nobody' WHERE status = 1", "holder_unknown"),
    ("i", "UPDATE tasks SET worker = 'sid' WHERE status = 1 AND worker = 'amp'", "state_wrong"),
    ("i", "DELETE FROM workers WHERE name = 'amp'", "holder_unknown"),
    ("i", "UPDATE workers SET holding = holding + 1 WHERE name = 'sid'", "holding_wrong"),
    ("i", "UPDATE workers SET holding = 0", "holding_wrong"),
    // (ii) What has ended has no claim.
    ("ii", "UPDATE tasks SET nonce = randomblob(16) WHERE status = 4", "stray_claim"),
    ("ii", "UPDATE tasks SET worker = 'amp' WHERE status = 2", "stray_claim"),
    ("ii", "UPDATE tasks SET lease_until = 1 WHERE status = 0", "stray_claim"),
    // (iii) Attempts are claims; failures and crashes are bounded.
    ("iii", "UPDATE tasks SET attempt = attempt + 1 WHERE status = 2", "attempt_wrong"),
    ("iii", "UPDATE tasks SET attempt = 0 WHERE status = 1", "attempt_wrong"),
    ("iii", "UPDATE tasks SET failures = attempts_max + 1 WHERE id = 3", "count_out_of_bounds"),
    ("iii", "UPDATE tasks SET crashes = 4 WHERE id = 3", "count_out_of_bounds"),
    (
        "iii",
        "INSERT INTO events (seq, at, kind, actor, task, attempt, earlier) SELECT max(seq) + 1, 0, 2, 3, 1, 2, (SELECT last_event FROM tasks WHERE id = 1) FROM events",
        "attempt_wrong",
    ),
    // (iv) A state is what its events come to.
    ("iv", "UPDATE tasks SET status = 5 WHERE id = (SELECT min(id) FROM tasks WHERE status = 4)", "state_wrong"),
    ("iv", "UPDATE tasks SET status = 0, ended_at = NULL WHERE id = (SELECT min(id) FROM tasks WHERE status = 5)", "state_wrong"),
    ("iv", "UPDATE events SET kind = 7 WHERE kind = 4 AND task = 1", "state_wrong"),
    ("iv", "UPDATE events SET kind = 2, attempt = 2 WHERE kind = 4 AND task = 1", "journal_impossible"),
    ("iv", "UPDATE specs SET title = 'Bild part 0 of the thing' WHERE task = 1", "row_and_journal_differ"),
    ("iv", "UPDATE tasks SET created_at = created_at + 1 WHERE id = 2", "row_and_journal_differ"),
    ("iv", "UPDATE tasks SET ended_at = ended_at + 64 WHERE id = 1", "row_and_journal_differ"),
    ("iv", "UPDATE tasks SET claimed_at = claimed_at - 1 WHERE id = 1", "row_and_journal_differ"),
    // (v) Nothing waits for itself.
    ("v", "INSERT OR IGNORE INTO edges SELECT needs, task FROM edges LIMIT 1", "cycle"),
    ("v", "INSERT INTO edges VALUES (2, 2)", "cycle"),
    ("v", "INSERT INTO edges VALUES (50, 51), (51, 52), (52, 50)", "cycle"),
    // (vi) Whatever is named is there.
    ("vi", "INSERT INTO edges VALUES (1, 9999)", "dangling"),
    ("vi", "INSERT INTO edges VALUES (9999, 1)", "dangling"),
    ("vi", "UPDATE tasks SET plan = 77 WHERE id = 2", "dangling"),
    ("vi", "UPDATE tasks SET lane = 77 WHERE id = 2", "dangling"),
    ("vi", "UPDATE tasks SET tests = 9999 WHERE tests IS NOT NULL", "dangling"),
    ("vi", "UPDATE tasks SET block_on = 9999 WHERE block_on IS NOT NULL", "dangling"),
    ("vi", "UPDATE plans SET last_task = 9999 WHERE id = 1", "dangling"),
    ("vi", "UPDATE events SET task = 9999 WHERE seq = 30", "dangling"),
    ("vi", "INSERT INTO specs VALUES (9999, 'x', NULL)", "dangling"),
    ("vi", "INSERT INTO results VALUES (9999, '{}')", "dangling"),
    ("vi", "INSERT INTO tallies VALUES (77, 0, 1, 0, 0, 0, 0, 0, 0, 0)", "dangling"),
    ("vi", "INSERT INTO unreadable VALUES (9999)", "dangling"),
    ("vi", "DELETE FROM plans WHERE id = 1", "dangling"),
    ("vi", "DELETE FROM tasks WHERE id = 5", "task_missing"),
    ("vi", "DELETE FROM tasks WHERE id = (SELECT max(id) FROM tasks)", "dangling"),
    ("vi", "DELETE FROM specs WHERE task = 5", "spec_missing"),
    // (vii) The journal has no gap, and the events of each task are a chain.
    ("vii", "DELETE FROM events WHERE seq = 17", "event_missing"),
    ("vii", "DELETE FROM events WHERE seq BETWEEN 1 AND 5", "event_missing"),
    ("vii", "UPDATE events SET seq = seq + 100000 WHERE seq = (SELECT max(seq) FROM events)", "event_missing"),
    ("vii", "UPDATE events SET earlier = 3 WHERE task = 1 AND kind = 4", "event_chain"),
    ("vii", "UPDATE events SET earlier = 3 WHERE task IS NULL", "event_chain"),
    ("vii", "UPDATE tasks SET last_event = last_event - 1 WHERE id = 1", "event_chain"),
    ("vii", "UPDATE tasks SET last_event = 0 WHERE id = 1", "event_chain"),
    ("vii", "DELETE FROM events WHERE seq = (SELECT max(seq) FROM events)", "event_chain"),
    // (viii) Counts are what is counted.
    ("viii", "UPDATE tasks SET waiting = waiting + 1 WHERE status = 0", "counter_wrong"),
    ("viii", "UPDATE tasks SET waiting = waiting - 1, dead = 0 WHERE waiting > 0", "counter_wrong"),
    ("viii", "UPDATE tasks SET dead = 0 WHERE dead > 0", "counter_wrong"),
    ("viii", "UPDATE tasks SET held = 1 - held WHERE status = 0", "counter_wrong"),
    ("viii", "UPDATE tallies SET pending = pending + 1", "tally_wrong"),
    ("viii", "UPDATE tallies SET moving = moving - 1 WHERE moving > 0", "tally_wrong"),
    ("viii", "DELETE FROM tallies WHERE plan = 1 AND kind = 1", "tally_wrong"),
    ("viii", "INSERT INTO tallies VALUES (1, 2, 9, 1, 0, 0, 0, 0, 0, 0)", "tally_wrong"),
    // (ix) The stage of a plan is what its tallies come to.
    ("ix", "UPDATE plans SET stage_phase = 1 + stage_phase % 2 WHERE id = 2", "stage_wrong"),
    ("ix", "UPDATE plans SET stage_tests = 1 - stage_tests WHERE id = 2", "stage_wrong"),
    // (x) Every row decodes.
    ("x", "UPDATE tasks SET kind = 9 WHERE id = 4", "row_unreadable"),
    ("x", "UPDATE tasks SET priority = -1 WHERE id = 4", "row_unreadable"),
    ("x", "UPDATE tasks SET avoid = 'a b' WHERE id = 4", "row_unreadable"),
    ("x", "UPDATE specs SET more = '{' WHERE task = 4", "row_unreadable"),
    ("x", "UPDATE specs SET more = '{\"colour\":1}' WHERE task = 4", "row_unreadable"),
    ("x", "UPDATE results SET result = '{'", "row_unreadable"),
    ("x", "UPDATE events SET data = '{' WHERE seq = 9", "row_unreadable"),
    ("x", "UPDATE events SET data = '[]' WHERE seq = 9", "row_unreadable"),
    ("x", "UPDATE events SET kind = 999 WHERE seq = 9", "row_unreadable"),
    ("x", "UPDATE events SET worker = '-' WHERE seq = 9", "row_unreadable"),
    ("x", "UPDATE lanes SET key = 'x' WHERE id = 1", "damaged"),
    ("x", "UPDATE workers SET driver = 77 WHERE name = 'amp'", "damaged"),
    ("x", "UPDATE workers SET can = 'a,,b c' WHERE name = 'amp'", "damaged"),
    ("x", "UPDATE plans SET stage_phase = -1 WHERE id = 1", "damaged"),
    ("x", "UPDATE tallies SET pending = -1", "damaged"),
    ("x", "INSERT INTO unreadable VALUES (3)", "set_aside"),
    ("x", "DELETE FROM meta WHERE name = 'epoch'", "no_epoch"),
    // A task is in the lane of those who can do it, and did not begin before its time (G11).
    ("lane", "UPDATE tasks SET lane = 1 + lane % 2", "lane_wrong"),
    ("lane", "UPDATE lanes SET key = '{\"needs\":[\"x\"]}' WHERE id = 1", "lane_wrong"),
    ("early", "INSERT INTO edges SELECT 1, id FROM tasks WHERE status = 0 LIMIT 1", "started_early"),
    // SQLite's own checks.
    (
        "sqlite",
        "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = 'edges_needs') WHERE name = 'tasks_live'",
        "integrity",
    ),
];

#[test]
fn whatever_is_wrong_is_found() {
    let scene = Scene::played();
    scene.settle();
    let whole = std::fs::read(scene.path()).unwrap();
    for (invariant, sql, code) in PLANTED {
        std::fs::write(scene.path(), &whole).unwrap();
        scene.meddle(sql);
        // What was noted of the newest event is another test's.
        let _ = std::fs::remove_file(scene.folder.path().join("ganger.db.d/newest"));
        let report = scene.audit();
        assert!(codes(&report).contains(code), "({invariant}) {sql}: {:#?}", report.findings());
        assert!(!report.is_ok());
        for finding in report.findings() {
            assert!(
                finding.severity == Severity::Error && !finding.message.is_empty() && finding.hint.starts_with("ganger "),
                "{finding:?}"
            );
        }
        forget_log(&scene);
    }
}

fn forget_log(scene: &Scene) {
    for ending in ["ganger.db-wal", "ganger.db-shm"] {
        let _ = std::fs::remove_file(scene.folder.path().join(ending));
    }
}

#[test]
fn a_finding_names_the_task() {
    let scene = Scene::played();
    let id = titled(&scene.door(), "feature 7");
    scene.meddle(&format!("UPDATE tasks SET attempt = 5 WHERE id = {}", id.0));
    let report = scene.audit();
    let messages: Vec<&str> = report.findings().iter().map(|finding| finding.message.as_str()).collect();
    assert_eq!(messages, [format!("{id} is at attempt 5, and was claimed 0 times")]);
}

#[test]
fn many_findings_of_a_kind_are_counted() {
    let scene = Scene::played();
    scene.meddle("UPDATE tasks SET attempt = attempt + 1");
    let report = scene.audit();
    let tasks = report.checked()["tasks"];
    assert_eq!(report.count("attempt_wrong"), tasks);
    let told = report.findings().iter().filter(|finding| finding.code == "attempt_wrong").count();
    assert_eq!(told, 21);
    assert_eq!(report.findings().iter().filter(|finding| finding.message == format!("and {} more of the same", tasks - 20)).count(), 1);
}

#[test]
fn the_audit_agrees_with_the_one_of_the_conformance_suite() {
    let scene = Scene::played();
    shop::audit::audit(&scene.try_open().unwrap());
    assert!(scene.audit().is_ok());
    let shop = scene.shop();
    assert_eq!(shop.task(TaskId(1)).attempt.0, 1);
}

#[test]
fn a_store_that_went_back_is_refused_until_it_is_repaired() {
    let scene = Scene::played();
    scene.settle();
    let yesterday = std::fs::read(scene.path()).unwrap();
    scene.shop().add_one(shop::wish::feature("Of today"));
    scene.settle();
    // The same file, older: a copy that was put back, or a log that was removed (A44).
    std::fs::write(scene.path(), &yesterday).unwrap();
    let refused = scene.try_open().err().expect("this should be refused");
    assert_eq!((refused.code, refused.kind.exit_code()), ("store_went_back", 5));
    assert!(refused.hints.iter().any(|hint| hint.starts_with("ganger repair")), "{refused:?}");
    // A copy in another folder has no note beside it, and is a store like any other.
    let other = Scene { folder: scene::folder(), clock: scene.clock.clone() };
    drop(other.shop());
    forget_log(&other);
    std::fs::write(other.path(), &yesterday).unwrap();
    assert!(other.audit().is_ok());
}
