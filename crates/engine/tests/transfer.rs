//! What is carried from one store to another: everything, as it is, or nothing.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods, reason = "tests")]

#[expect(dead_code, reason = "shared with other suites")]
#[path = "scene/mod.rs"]
mod scene;
#[expect(dead_code, reason = "shared with other suites")]
#[path = "shop/mod.rs"]
mod shop;

use std::collections::HashMap;

use domain::event::EventKind;
use domain::task::Status;
use engine::error::{Error, Kind};
use engine::store::Store;
use engine::transfer::Summary;
use engine::transfer::export::export;
use engine::transfer::import::Import;
use scene::{Scene, codes, titled};
use serde_json::Value;
use sha2::{Digest, Sha256};

fn exported(store: &dyn Store) -> String {
    let mut bytes = Vec::new();
    export(store, &mut bytes, "memory").unwrap();
    String::from_utf8(bytes).unwrap()
}

fn import_into(store: &dyn Store, text: &str) -> Result<Summary, Error> {
    Import::begin(&mut text.as_bytes(), "memory").and_then(|import| import.into_store(store))
}

/// An export of a played scene, and an empty scene with the same clock to import it into.
fn setting() -> (String, Scene) {
    let scene = Scene::played();
    let text = exported(scene.door().store().as_ref());
    let target = Scene { folder: scene::folder(), clock: scene.clock };
    target.shop();
    (text, target)
}

/// The lines without first and last, as values.
fn body(text: &str) -> Vec<Value> {
    let lines: Vec<&str> = text.lines().collect();
    lines[1..lines.len() - 1].iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The same export with other lines, counted and hashed anew.
fn sealed(lines: &[String]) -> String {
    let mut text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let mut counts: std::collections::BTreeMap<String, u64> = std::collections::BTreeMap::new();
    for line in &lines[1..] {
        let line: Value = serde_json::from_str(line).unwrap();
        *counts.entry(line.as_object().unwrap().keys().next().unwrap().clone()).or_insert(0) += 1;
    }
    let hash: String = Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    text += &format!("{{\"ganger\":\"end\",\"counts\":{},\"sha256\":\"{hash}\"}}\n", serde_json::to_string(&counts).unwrap());
    text
}

/// All lines but the last.
fn lines(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.pop();
    lines
}

#[test]
fn everything_comes_back() {
    let (text, target) = setting();
    let summary = import_into(target.door().store().as_ref(), &text).unwrap();
    assert_eq!(summary.put_back, 2);
    assert_eq!(codes(&target.audit()), Vec::<&str>::new());
    let again = exported(target.door().store().as_ref());
    let (before, mut after) = (body(&text), body(&again));
    // What import itself has told stands behind all that was carried.
    let told: Vec<String> = after
        .iter()
        .filter_map(|line| line.get("event"))
        .skip(before.iter().filter(|line| line.get("event").is_some()).count())
        .map(|event| event["kind"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(told, ["task_released", "task_released", "project_imported"]);
    after.truncate(after.len() - told.len());
    assert_eq!(before.len(), after.len());
    for (was, is) in before.iter().zip(&after) {
        if was == is {
            continue;
        }
        let kind = was.as_object().unwrap().keys().next().unwrap().as_str();
        match kind {
            "task" => {
                assert_eq!((&was["task"]["status"], &is["task"]["status"]), (&"IN_PROGRESS".into(), &"PENDING".into()));
                let (mut was, mut is) = (was.clone(), is.clone());
                for line in [&mut was, &mut is] {
                    let task = line["task"].as_object_mut().unwrap();
                    ["status", "held", "avoid", "ready_ms"].iter().for_each(|name| {
                        task.remove(*name);
                    });
                }
                assert_eq!(was, is);
            }
            "worker" => assert_eq!((&was["worker"]["holding"], &is["worker"].get("holding")), (&1.into(), &None)),
            other => panic!("a {other} has changed: {was} {is}"),
        }
    }
    // And what is carried a second time does not change at all.
    let third = Scene { folder: scene::folder(), clock: target.clock.clone() };
    third.shop();
    assert_eq!(import_into(third.door().store().as_ref(), &again).unwrap().put_back, 0);
    let last = exported(third.door().store().as_ref());
    let (before, after) = (body(&again), body(&last));
    assert_eq!(before[..], after[..after.len() - 1]);
}

#[test]
fn old_claims_do_not_count_in_the_new_store() {
    let scene = Scene::played();
    let shop = scene.shop();
    let open: Vec<_> = shop.door.look(|snapshot| snapshot.live()).unwrap().into_iter().filter_map(|task| task.claim()).collect();
    let ended = {
        let claim = shop.claim("amp");
        shop.complete(claim);
        claim
    };
    let text = exported(shop.door.store().as_ref());
    let target = Scene { folder: scene::folder(), clock: scene.clock.clone() };
    target.shop();
    import_into(target.door().store().as_ref(), &text).unwrap();
    let shop = target.shop();
    assert_eq!(open.len(), 2);
    for claim in open.into_iter().chain([ended]) {
        for command in shop::wish::all_with(claim) {
            assert_eq!(shop::code(shop.report(command)), "stale_claim");
        }
    }
    let epochs = [&scene, &target].map(|scene| scene.door().look(|snapshot| snapshot.meta("epoch")).unwrap().unwrap());
    assert_ne!(epochs[0], epochs[1]);
    // Work goes on where it was.
    let id = titled(&shop.door, "feature 8");
    assert_eq!((shop.status(id), shop.task(id).attempt.0), (Status::Pending, 1));
    shop.complete(shop.claim_task("amp", id));
    assert_eq!(shop.task(id).attempt.0, 2);
    shop.audit();
}

#[test]
fn time_goes_on_where_it_was() {
    let scene = Scene::played();
    let shop = scene.shop();
    let id = shop.add_one(shop::wish::feature("Later"));
    shop.fail(shop.claim_task("amp", id), domain::task::FailReason::Infrastructure);
    let left = |scene: &Scene| {
        let door = scene.door();
        let now = door.look(|snapshot| Ok(snapshot.now().store)).unwrap();
        door.task(id).unwrap().full.task.not_before.unwrap().since(now)
    };
    let text = exported(shop.door.store().as_ref());
    // Another machine: another clock.
    let target = Scene::empty();
    target.clock.pass(shop::secs(100_000));
    target.shop();
    import_into(target.door().store().as_ref(), &text).unwrap();
    assert_eq!(left(&target), left(&scene));
}

#[test]
fn only_an_empty_store_takes_an_import() {
    let (text, target) = setting();
    import_into(target.door().store().as_ref(), &text).unwrap();
    let before = exported(target.door().store().as_ref());
    let refused = import_into(target.door().store().as_ref(), &text).unwrap_err();
    assert_eq!((refused.code, refused.kind, refused.hints.is_empty()), ("store_not_empty", Kind::Refused, false));
    assert_eq!(exported(target.door().store().as_ref()), before);
}

/// It is refused with these words, and nothing of it is there.
#[track_caller]
fn refused(target: &Scene, text: &str, words: &[&str]) {
    let refused = import_into(target.door().store().as_ref(), text).expect_err(words[0]);
    assert_eq!((refused.code, refused.kind), ("bad_export", Kind::Usage), "{refused:?}");
    for word in words {
        assert!(format!("{} {:?}", refused.message, refused.hints).contains(word), "{word}: {refused:?}");
    }
    let door = target.door();
    assert_eq!((door.standing(None).unwrap().counts.all(), door.events(domain::id::EventSeq(0), 1).unwrap().len()), (0, 0));
    assert_eq!(door.look(|snapshot| snapshot.workers()).unwrap().len(), 0);
}

#[test]
fn a_file_that_is_cut_changed_or_of_another_kind_is_refused() {
    let (text, target) = setting();
    let all = text.lines().count();
    refused(&target, "", &["line 1", "empty"]);
    refused(&target, "hello\n", &["line 1", "no export"]);
    refused(&target, "{\"a\":1}\n", &["line 1", "no export"]);
    refused(&target, text.lines().next().unwrap(), &["cut off"]);
    let lines: Vec<&str> = text.lines().collect();
    refused(&target, &(lines[..all - 1].join("\n") + "\n"), &[&format!("line {all}:"), "cut off"]);
    refused(&target, &text[..text.len() / 2], &["memory, line"]);
    refused(&target, &format!("{text}{{}}\n"), &["behind the last line"]);
    refused(&target, &text.replacen("Part 3", "Port 3", 1), &["SHA-256"]);
    let mut swapped = lines.clone();
    swapped.remove(7);
    refused(&target, &(swapped.join("\n") + "\n"), &["not as many"]);
    let newer = text.replacen("\"version\":1", "\"version\":2", 1);
    assert_eq!(import_into(target.door().store().as_ref(), &newer).unwrap_err().code, "newer_export");
    let long = format!("{}\n{{\"meta\":{{\"name\":\"x\",\"value\":\"{}\"}}}}\n", lines[0], "x".repeat(engine::transfer::LINE_BYTES_MAX));
    refused(&target, &long, &["line 2", "bytes"]);
    // After all that, the whole one is taken.
    import_into(target.door().store().as_ref(), &text).unwrap();
}

#[test]
fn invalid_utf_8_is_refused_with_its_line() {
    let (text, target) = setting();
    let mut bytes = text.into_bytes();
    let at = bytes.windows(6).position(|six| six == b"Part 3").unwrap();
    bytes[at] = 0xff;
    let store = target.try_open().unwrap();
    let refused = Import::begin(&mut bytes.as_slice(), "memory").and_then(|import| import.into_store(&store)).unwrap_err();
    assert!(refused.message.contains("not UTF-8") && refused.message.contains("line"), "{refused:?}");
}

#[test]
fn a_line_that_is_wrong_is_named() {
    let (text, target) = setting();
    let lines = lines(&text);
    let place = |kind: &str| lines.iter().position(|line| line.starts_with(&format!("{{\"{kind}\":"))).unwrap();
    let (task, event, worker, plan) = (place("task"), place("event"), place("worker"), place("plan"));
    let change = |at: usize, from: &str, to: &str| {
        assert!(lines[at].contains(from), "{from}: {}", lines[at]);
        let mut lines = lines.clone();
        lines[at] = lines[at].replacen(from, to, 1);
        sealed(&lines)
    };
    let twice = |at: usize| {
        let mut lines = lines.clone();
        lines.insert(at, lines[at].clone());
        sealed(&lines)
    };
    let line = |at: usize| format!("line {}:", at + 1);
    for (text, words) in [
        (twice(task), vec![line(task + 1), "T-001 stands behind T-001".to_owned()]),
        (twice(event), vec![line(event + 1), "event 1 stands behind event 1".to_owned()]),
        (twice(worker), vec![line(worker + 1), "twice".to_owned()]),
        (twice(plan), vec![line(plan + 1), "twice".to_owned()]),
        (change(task, "\"plan\":", "\"plan\":7,\"plan\":"), vec![line(task), "duplicate field".to_owned()]),
        (change(task, "\"plan\":", "\"colour\":\"red\",\"plan\":"), vec![line(task), "unknown field".to_owned()]),
        (change(event, "\"data\":{", "\"data\":{\"title\":\"x\",\"title\":\"y\","), vec![line(event), "duplicate field".to_owned()]),
        (change(task, "\"phase\":1", "\"phase\":0"), vec![line(task), "rule".to_owned()]),
        (change(task, "\"title\":\"Build", "\"title\":\"Build\\n"), vec![line(task), "title".to_owned()]),
        (change(task, "\"status\":\"COMPLETED\"", "\"status\":\"DONE\""), vec![line(task), "no status".to_owned()]),
        (change(task, "\"status\":\"COMPLETED\"", "\"status\":\"CANCELLED\""), vec!["contradicts itself".to_owned(), "T-001".to_owned()]),
        (change(task, "\"attempt\":1", "\"attempt\":2"), vec!["contradicts itself".to_owned(), "T-001".to_owned()]),
        (change(task, "\"plan\":1", "\"plan\":9"), vec!["contradicts itself".to_owned(), "plan 9".to_owned()]),
        (change(task, "\"id\":\"T-001\"", "\"after\":[\"T-001\"],\"id\":\"T-001\""), vec![line(task), "itself".to_owned()]),
        (
            change(task, "\"id\":\"T-001\"", "\"after\":[\"T-999\"],\"id\":\"T-001\""),
            vec!["contradicts itself".to_owned(), "T-999".to_owned()],
        ),
        (change(event, "\"seq\":1,", "\"seq\":0,"), vec![line(event)]),
        (change(worker, "\"name\":\"amp\"", "\"name\":\"-x\""), vec![line(worker), "name".to_owned()]),
        (change(place("meta"), "\"name\":\"cycles\"", "\"name\":\"epoch\""), vec![line(place("meta")), "store".to_owned()]),
    ] {
        refused(&target, &text, &words.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let mut moved = lines.clone();
    moved.swap(task, worker);
    refused(&target, &sealed(&moved), &["belong"]);
    let mut circle = lines.clone();
    // T-004 depends on T-003 and T-001 already.
    circle[task + 2] = circle[task + 2].replacen("\"id\":", "\"after\":[\"T-004\"],\"id\":", 1);
    refused(&target, &sealed(&circle), &["contradicts itself"]);
    let mut missing = lines.clone();
    missing.remove(event + 3);
    refused(&target, &sealed(&missing), &["contradicts itself"]);
}

#[test]
fn what_cannot_be_read_is_not_left_out() {
    let scene = Scene::played();
    scene.meddle("UPDATE specs SET more = 'no json' WHERE task = 3");
    let refused = export(scene.door().store().as_ref(), &mut Vec::new(), "memory").unwrap_err();
    assert_eq!((refused.code, refused.kind), ("row_unreadable", Kind::Refused));
    let scene = Scene::played();
    scene.meddle("DELETE FROM specs WHERE task = 3");
    assert_eq!(export(scene.door().store().as_ref(), &mut Vec::new(), "memory").unwrap_err().code, "row_unreadable");
}

#[test]
fn an_export_is_one_moment() {
    // Somebody writes after each line that is read: what was not there at the beginning is not there at the end.
    struct Busy<'s> {
        shop: &'s shop::Shop,
        lines: u32,
    }
    impl std::io::Write for Busy<'_> {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.lines += 1;
            if self.lines < 40 {
                self.shop.add_one(shop::wish::feature("Meanwhile"));
            }
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let scene = Scene::played();
    let (shop, door) = (scene.shop(), scene.door());
    let before = door.standing(None).unwrap().counts.all();
    let summary = export(door.store().as_ref(), &mut Busy { shop: &shop, lines: 0 }, "memory").unwrap();
    assert_eq!(summary.counts.get("task"), Some(&u64::from(before)));
    assert!(door.standing(None).unwrap().counts.all() > before);
}

#[test]
fn the_journal_is_carried_word_by_word() {
    let (text, target) = setting();
    let mut kinds: HashMap<String, u32> = HashMap::new();
    for line in body(&text).iter().filter_map(|line| line.get("event")) {
        *kinds.entry(line["kind"].as_str().unwrap().to_owned()).or_insert(0) += 1;
    }
    for kind in
        ["task_added", "task_claimed", "task_completed", "task_failed", "task_blocked", "task_released", "task_expired", "task_retried"]
    {
        assert!(kinds.contains_key(kind), "{kind} did not happen: {kinds:?}");
    }
    import_into(target.door().store().as_ref(), &text).unwrap();
    let imported = target.door().events(domain::id::EventSeq(0), u32::MAX).unwrap();
    assert_eq!(imported.last().map(|event| event.kind), Some(EventKind::ProjectImported));
}
