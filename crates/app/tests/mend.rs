//! Looking after a project from the command line: doctor, repair, export, import.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

#[expect(dead_code, reason = "shared with other suites")]
#[path = "cli/desk.rs"]
mod desk;

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use desk::Desk;
use serde_json::Value;

/// The exit code of a doctor and what it found, by code.
fn doctor(desk: &Desk, args: &[&str]) -> (i32, Vec<String>) {
    let ran = desk.run(&[&["--json", "doctor"], args].concat());
    let shape: Value = serde_json::from_str(&ran.out).unwrap_or_else(|error| unreachable!("{error}: {ran:?}"));
    let findings = shape["findings"].as_array().unwrap();
    assert_eq!(shape["ok"], Value::Bool(findings.is_empty()), "{ran:?}");
    assert!(shape["checked"].is_object() && ran.err.is_empty(), "{ran:?}");
    for finding in findings {
        for name in ["severity", "code", "message", "hint"] {
            assert!(finding[name].is_string(), "{finding}");
        }
    }
    (ran.code, findings.iter().map(|finding| finding["code"].as_str().unwrap().to_owned()).collect())
}

fn chmod(desk: &Desk, name: &str, mode: u32) {
    std::fs::set_permissions(desk.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn nothing_is_wrong_with_a_new_project() {
    let desk = Desk::new();
    desk.ok(&["add", "Build it", "--run", "true"]);
    assert_eq!(doctor(&desk, &[]), (0, vec![]));
    assert_eq!(doctor(&desk, &["--strict"]), (0, vec![]));
    let text = desk.ok(&["doctor", "--strict"]);
    assert!(text.starts_with("nothing is wrong (") && text.contains("1 task,"), "{text}");
    assert_eq!(desk.ok(&["repair"]), "nothing is wrong with the store, and nothing was changed");
    assert_eq!(desk.json(&["repair", "--dry-run"])["outcome"], "healthy");
    assert_eq!(Desk::bare().run(&["doctor"]).code, 2);
}

#[test]
fn what_stands_in_the_way_is_a_finding_with_its_remedy() {
    let desk = Desk::new();
    chmod(&desk, ".orchestrator", 0o755);
    assert_eq!(doctor(&desk, &[]), (1, vec!["loose_permissions".to_owned()]));
    let text = desk.run(&["doctor"]).out;
    let remedy = text.lines().find_map(|line| line.trim().strip_prefix("chmod ")).unwrap().to_owned();
    assert!(std::process::Command::new("sh").arg("-c").arg(format!("chmod {remedy}")).status().unwrap().success());
    assert_eq!(doctor(&desk, &[]), (0, vec![]));
    desk.write(".orchestrator/config.toml", "colour = \"red\"\n");
    assert_eq!(doctor(&desk, &["--strict"]), (1, vec!["bad_config".to_owned()]));
    desk.write(".orchestrator/config.toml", "");
    chmod(&desk, ".orchestrator/config.toml", 0o666);
    assert_eq!(doctor(&desk, &[]), (1, vec!["loose_permissions".to_owned()]));
    chmod(&desk, ".orchestrator/config.toml", 0o600);
    std::fs::create_dir(desk.path(".orchestrator/ganger.db.d/worker-amp")).unwrap();
    std::fs::write(desk.path(".orchestrator/ganger.db.new-0123"), "").unwrap();
    assert_eq!(doctor(&desk, &[]), (1, vec!["leftover".to_owned(), "lock_file".to_owned()]));
}

#[test]
fn a_store_that_cannot_be_read_is_5_and_comes_back() {
    let desk = Desk::new();
    for number in 0..30 {
        desk.ok(&["add", &format!("Task {number}"), "--description", &"long ".repeat(400)]);
    }
    // A rebuilt store stands in its file alone, with nothing in the log that would mend what is damaged below.
    let mut aside = std::collections::BTreeSet::new();
    for _ in 0..4 {
        aside.insert(desk.json(&["repair", "--force"])["old"].as_str().unwrap().to_owned());
    }
    assert!(aside.len() == 4 && aside.iter().all(|file| Path::new(file).is_file()), "names by the second do not collide: {aside:?}");
    let store = desk.path(".orchestrator/ganger.db");
    let whole = std::fs::read(&store).unwrap();
    let log = std::fs::read(desk.path(".orchestrator/ganger.db-wal")).unwrap_or_default();
    assert!(whole.len() > 4_096);
    std::fs::remove_file(&store).unwrap();
    assert_eq!(doctor(&desk, &[]).0, 5);
    desk.write(".orchestrator/ganger.db", "no store at all");
    chmod(&desk, ".orchestrator/ganger.db", 0o600);
    assert_eq!(doctor(&desk, &["--strict"]), (5, vec!["damaged".to_owned()]));
    assert_eq!(desk.run(&["list"]).code, 5);
    // The first pages are overwritten; what is behind them is still there.
    let mut damaged = whole.clone();
    damaged[..4_096].fill(0xa5);
    std::fs::write(&store, &damaged).unwrap();
    std::fs::write(desk.path(".orchestrator/ganger.db-wal"), &log).unwrap();
    assert_eq!(doctor(&desk, &["--strict"]).0, 5);
    let told = desk.run(&["doctor", "--strict"]).out;
    let mut errors: Vec<&str> = told.lines().filter(|line| line.starts_with("error: ")).collect();
    let count = errors.len();
    errors.dedup();
    assert!(count > 0 && errors.len() == count, "told twice: {told}");
    assert!(told.contains("\n  ganger repair") && !told.contains("\n  ganger doctor"), "{told}");
    let repaired = desk.json(&["repair"]);
    assert_eq!(repaired["outcome"], "done", "{repaired}");
    assert!(std::fs::metadata(repaired["old"].as_str().unwrap()).unwrap().len() == damaged.len() as u64);
    assert_eq!(doctor(&desk, &["--strict"]), (0, vec![]));
    assert_eq!(desk.json(&["list"]).as_array().unwrap().len(), 30);
}

/// A worker that is busy with a task for as long as it lives.
struct Busy(std::process::Child);

impl Busy {
    fn start(desk: &Desk) -> Self {
        let child = desk.command(&["work", "--worker", "amp", "--", "sleep", "600"]).spawn().unwrap();
        let busy = Self(child);
        for _ in 0..600 {
            if desk.json(&["list"])[0]["status"] == "IN_PROGRESS" {
                return busy;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        unreachable!("the worker took nothing");
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_repair_disturbs_nobody_and_ends_every_claim() {
    let desk = Desk::new();
    desk.ok(&["add", "Build it"]);
    desk.ok(&["add", "Another"]);
    let claim = desk.claim("pi", "T-002");
    let busy = Busy::start(&desk);
    assert_eq!(doctor(&desk, &["--strict"]), (0, vec![]));
    assert_eq!(desk.json(&["repair"])["outcome"], "healthy", "nothing needs it, so nobody is in the way");
    let error = desk.refused(1, &["repair", "--force"]);
    assert_eq!(error["code"], "store_in_use");
    assert!(error["hints"][0].as_str().unwrap().contains("amp"), "{error}");
    drop(busy);
    assert_eq!(doctor(&desk, &[]), (1, vec!["worker_dead".to_owned()]));
    let done = desk.json(&["repair", "--force"]);
    assert_eq!((&done["outcome"], &done["put_back"], &done["lost_count"]), (&"done".into(), &2.into(), &0.into()), "{done}");
    assert_eq!(desk.refused(1, &["complete", &claim])["code"], "stale_claim");
    assert_eq!(doctor(&desk, &["--strict"]), (0, vec![]));
    let standing = desk.json(&["status"]);
    assert_eq!(standing["counts"]["PENDING"], 2, "{standing}");
}

#[test]
fn a_worker_that_died_is_told_until_somebody_looks() {
    let desk = Desk::new();
    desk.ok(&["add", "Build it"]);
    drop(Busy::start(&desk));
    assert_eq!(doctor(&desk, &[]), (1, vec!["worker_dead".to_owned()]));
    assert_eq!(doctor(&desk, &[]), (1, vec!["worker_dead".to_owned()]), "to look changes nothing");
    desk.ok(&["workers"]);
    assert_eq!(doctor(&desk, &["--strict"]), (0, vec![]));
}

#[test]
fn a_project_moves_from_one_folder_to_another() {
    let desk = Desk::new();
    desk.ok(&["add", "Build é\tit", "--run", "true", "--needs", "db"]);
    desk.ok(&["workers", "add", "amp", "--can", "db"]);
    desk.ok(&["add", "Then this", "--after", "T-001"]);
    let claim = desk.claim("amp", "T-001");
    desk.ok(&["complete", &claim, "--note", "done"]);
    desk.claim("amp", "T-002");
    let text = desk.ok(&["export"]);
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&lines[0]["ganger"], &lines[0]["version"]), (&"export".into(), &1.into()));
    assert_eq!((&lines[lines.len() - 1]["ganger"], &lines[lines.len() - 1]["counts"]["task"]), (&"end".into(), &2.into()));
    let told = desk.json(&["export", "backup.jsonl"]);
    assert_eq!((&told["counts"]["task"], told["sha256"].as_str().unwrap().len()), (&2.into(), 64));
    assert_eq!(desk.refused(1, &["export", "backup.jsonl"])["code"], "file", "a backup is not overwritten");
    // By a file, into a folder that is no project yet.
    let other = Desk::bare();
    let backup = desk.path("backup.jsonl").to_string_lossy().into_owned();
    let imported = other.json(&["import", &backup]);
    assert_eq!((&imported["counts"], &imported["put_back"]), (&told["counts"], &1.into()));
    assert_eq!(doctor(&other, &["--strict"]), (0, vec![]));
    assert_eq!(other.json(&["show", "T-001"])["status"], "COMPLETED");
    assert_eq!(other.json(&["show", "T-002"])["status"], "PENDING");
    assert_eq!(other.refused(1, &["import", &backup])["code"], "store_not_empty");
    // By a pipe, into another store of the same project.
    let mut from = other.command(&["export"]).spawn().unwrap();
    let pipe = from.stdout.take().unwrap();
    let into = other.command(&["import", "--store", "sqlite:.orchestrator/second.db"]).stdin(pipe).output().unwrap();
    assert!(into.status.success() && from.wait().unwrap().success(), "{into:?}");
    assert_eq!(other.json(&["--store", "sqlite:.orchestrator/second.db", "list"]).as_array().unwrap().len(), 2);
}

#[test]
fn an_export_that_is_none_makes_no_project() {
    let desk = Desk::bare();
    desk.write("notes.txt", "hello\n");
    let error = desk.refused(2, &["import", "notes.txt"]);
    assert_eq!(error["code"], "bad_export");
    assert!(error["message"].as_str().unwrap().contains("notes.txt, line 1:"), "{error}");
    assert!(!desk.path(".orchestrator").exists());
    let desk = Desk::new();
    desk.ok(&["add", "a"]);
    let text = desk.ok(&["export"]);
    desk.write("cut.jsonl", &text[..text.len() / 2]);
    let other = Desk::new();
    let cut = desk.path("cut.jsonl").to_string_lossy().into_owned();
    assert_eq!(other.refused(2, &["import", &cut])["code"], "bad_export");
    assert_eq!(other.json(&["list"]), Value::Array(Vec::new()));
}

#[test]
fn an_export_whose_reader_goes_away_fails() {
    let desk = Desk::new();
    for number in 0..40 {
        desk.ok(&["add", &format!("Task {number}"), "--description", &"long ".repeat(1_000)]);
    }
    let mut child = desk.command(&["export"]).spawn().unwrap();
    let mut first = [0; 10];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1), "half an export is none");
}
