//! The exit codes and the error object that scripts rely on.

use crate::desk::Desk;
use crate::help::commands;

/// Arguments with which a command gets as far as looking for its project; `None` for one that needs none.
fn arguments(name: &str) -> Option<&'static [&'static str]> {
    const CLAIM: &str = "T-001#1:00000000000000000000000000000000";
    Some(match name {
        "init" | "import" | "completions" | "man" | "bench" | "skill" | "hook" => return None,
        "plan" => &["plan.toml"],
        "add" => &["a title"],
        "edit" | "cancel" | "retry" | "unblock" | "show" => &["T-001"],
        "assign" => &["T-001", "amp"],
        "answer" => &["T-001", "yes"],
        "claim" | "work" => &["--worker", "amp"],
        "heartbeat" | "complete" | "fail" | "release" => &[CLAIM],
        "block" => &[CLAIM, "--reason", "other"],
        "say" => &["hello"],
        _ => &[],
    })
}

#[test]
fn outside_of_a_project_every_command_says_how_to_make_one() {
    let desk = Desk::bare();
    desk.write("plan.toml", "title = \"t\"\n[[task]]\ntitle = \"a\"\nrun = \"true\"\n");
    for name in commands(&desk) {
        let Some(args) = arguments(&name) else { continue };
        let error = desk.refused(2, &[&[name.as_str()], args].concat());
        assert_eq!(error["code"], "no_project", "{name}: {error}");
        assert_eq!(error["hints"][0], "ganger init", "{name}: {error}");
        let ran = desk.run(&[&[name.as_str()], args].concat());
        assert!(ran.code == 2 && ran.err.contains("hint: ganger init"), "{name}: {ran:?}");
    }
    assert_eq!(desk.run(&["config", "set", "lease", "60s"]).code, 2);
    assert!(!desk.path(".orchestrator").exists());
}

#[test]
fn the_project_is_found_from_below_and_from_elsewhere() {
    let desk = Desk::new();
    desk.ok(&["add", "a"]);
    std::fs::create_dir_all(desk.path("deep/er")).unwrap();
    assert!(desk.ok(&["-C", "deep/er", "list"]).contains("T-001"));
    let elsewhere = Desk::bare();
    let root = desk.root().to_string_lossy().into_owned();
    assert!(elsewhere.ok(&["-C", &root, "list"]).contains("T-001"));
    let output = elsewhere.command(&["list"]).env("GANGER_PROJECT", &root).output().unwrap();
    assert!(output.status.success() && String::from_utf8_lossy(&output.stdout).contains("T-001"));
    assert_eq!(elsewhere.run(&["-C", "nowhere", "list"]).code, 2);
}

#[test]
fn refused_is_1() {
    let desk = Desk::new();
    desk.ok(&["add", "a"]);
    let claim = desk.claim("amp", "T-001");
    desk.ok(&["complete", &claim]);
    let error = desk.refused(1, &["retry", "T-001"]);
    assert_eq!(error["kind"], "refused", "{error}");
    // The claim of an attempt that is over.
    desk.ok(&["add", "b"]);
    let first = desk.claim("amp", "T-002");
    desk.ok(&["release", &first]);
    let _second = desk.claim("kiro", "T-002");
    for command in ["heartbeat", "complete", "fail", "release"] {
        let error = desk.refused(1, &[command, &first]);
        assert_eq!(error["code"], "stale_claim", "{command}: {error}");
    }
    assert_eq!(desk.refused(1, &["block", &first, "--reason", "other"])["code"], "stale_claim");
    // A check that fails.
    desk.ok(&["add", "c", "--check", "echo not yet; exit 3"]);
    let claim = desk.claim("amp", "T-003");
    let ran = desk.run(&["complete", &claim]);
    assert!(ran.code == 1 && ran.out.contains("not yet"), "{ran:?}");
    assert_eq!(desk.json(&["show", "T-003"])["status"], "IN_PROGRESS");
}

#[test]
fn bad_input_is_2() {
    let desk = Desk::new();
    let long = "x".repeat(1_001);
    for (args, code) in [
        (&["add", ""] as &[&str], "bad_text"),
        (&["add", " \t "], "bad_text"),
        (&["add", &long], "bad_text"),
        (&["add", "a", "--context", "../x"], "outside_project"),
        (&["add", "a", "--context", "/etc/passwd"], "outside_project"),
        (&["add", "a", "--timeout", "0s"], "bad_timeout"),
        (&["add", "a", "--timeout", "soon"], "usage"),
        (&["add", "a", "--kind", "chore"], "usage"),
        (&["add", "a", "--after", "T-0"], "usage"),
        (&["list", "--status", "DONE"], "usage"),
        (&["list", "--all", "--limit", "3"], "usage"),
        (&["show", "--upload-pack=x"], "usage"),
        (&["show", "T-１"], "usage"),
        (&["log", "--kind", "task_done"], "usage"),
        (&["graph", "--format", "png"], "usage"),
        (&["say", "  "], "bad_text"),
        (&["poll", "--every", "0s"], "bad_interval"),
        (&["complete", "T-001"], "bad_claim"),
        (&["complete"], "no_claim"),
        (&["list", "--request-id", "a b"], "bad_request_id"),
        (&["list", "--store", "https://me:secret@h/db"], "store_not_built"),
        (&["list", "--store", "mysql://x"], "bad_store"),
        (&["bench", "--store", "https://me:secret@h/db"], "store_not_built"),
        (&["frobnicate"], "usage"),
    ] {
        let error = desk.refused(2, args);
        assert_eq!(error["code"], code, "{args:?}: {error}");
        assert_eq!(error["kind"], "usage", "{args:?}: {error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    assert_eq!(desk.json(&["list"]), serde_json::json!([]), "nothing was added by any of them");
}

#[test]
fn not_found_is_3() {
    let desk = Desk::new();
    for args in [
        &["show", "T-009"] as &[&str],
        &["edit", "T-009", "--title", "x"],
        &["cancel", "9"],
        &["claim", "--worker", "amp", "--task", "T-009"],
        &["add", "x", "--after", "T-009"],
        &["log", "--task", "T-009"],
        &["say", "x", "--task", "T-009"],
        &["poll", "T-009"],
        &["poll", "--once", "T-009"],
        &["complete", "T-009#1:00000000000000000000000000000000"],
    ] {
        let error = desk.refused(3, args);
        assert_eq!((&error["kind"], &error["code"]), (&"not_found".into(), &"no_such_task".into()), "{args:?}: {error}");
    }
    assert_eq!(desk.refused(3, &["workers", "show", "amp"])["code"], "no_such_worker");
    for command in ["status", "list", "graph"] {
        let error = desk.refused(3, &[command, "--plan", "7"]);
        assert_eq!(error["code"], "no_such_plan", "{command}: {error}");
    }
}

#[test]
fn nothing_to_claim_is_4() {
    let desk = Desk::new();
    assert_eq!(desk.refused(4, &["claim", "--worker", "amp"])["kind"], "nothing");
    desk.ok(&["add", "a"]);
    desk.claim("amp", "T-001");
    assert_eq!(desk.refused(4, &["claim", "--worker", "amp", "--wait", "50ms"])["code"], "nothing_to_claim");
}

#[test]
fn a_store_that_is_missing_or_damaged_is_5() {
    let desk = Desk::new();
    let error = desk.refused(5, &["list", "--store", "sqlite:nowhere.db"]);
    assert_eq!((&error["kind"], &error["code"]), (&"store".into(), &"store_missing".into()), "{error}");
    desk.write("other.db", "this is no store, and was never one\n");
    std::fs::set_permissions(desk.path("other.db"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    for args in [&["status"] as &[&str], &["list"], &["add", "x"], &["log"], &["graph"], &["messages"], &["poll", "--once"]] {
        let error = desk.refused(5, &[args, &["--store", "sqlite:other.db"]].concat());
        assert_eq!(error["kind"], "store", "{args:?}: {error}");
    }
    assert_eq!(std::fs::read_to_string(desk.path("other.db")).unwrap(), "this is no store, and was never one\n");
}

#[test]
fn an_error_object_has_these_keys_and_no_others() {
    let desk = Desk::new();
    for args in [&["show", "T-009"] as &[&str], &["add", ""], &["list", "--bogus"], &["claim", "--worker", "a"]] {
        let error = desk.run(&[args, &["--json"]].concat()).error();
        let keys: Vec<&String> = error.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["code", "hints", "kind", "message"], "{args:?}");
        assert!(error["hints"].is_array() && error["message"].as_str().is_some_and(|message| !message.is_empty()), "{error}");
    }
    let ran = desk.run(&["show", "T-009"]);
    insta::assert_snapshot!(ran.err, @"
    error: there is no task T-009
     hint: ganger list
    ");
}

#[test]
fn the_same_request_id_has_one_effect_and_one_answer() {
    let desk = Desk::new();
    let first = desk.ok(&["add", "once", "--request-id", "r-1"]);
    assert_eq!(desk.ok(&["add", "once", "--request-id", "r-1"]), first);
    assert_eq!(desk.json(&["list"]).as_array().unwrap().len(), 1);
    let said = desk.json(&["say", "hello", "--request-id", "r-2"]);
    assert_eq!(desk.json(&["say", "hello", "--request-id", "r-2"]), said);
    assert_eq!(desk.json(&["messages"]).as_array().unwrap().len(), 1);
}
