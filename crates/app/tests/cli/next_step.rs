//! What an error or a warning says that a newcomer runs into: what it is about, once, and what to do next.

use crate::desk::Desk;

/// The message and the first hint of what is refused.
fn told(desk: &Desk, code: i32, args: &[&str]) -> (String, String) {
    let error = desk.refused(code, args);
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    (text(&error["message"]), text(&error["hints"][0]))
}

#[test]
fn a_task_that_was_given_up_is_set_going_again_not_added_anew() {
    let desk = Desk::new();
    desk.ok(&["add", "a"]);
    desk.ok(&["cancel", "T-001"]);
    assert_eq!(told(&desk, 1, &["assign", "T-001", "zoe"]), ("cannot assign T-001: it is CANCELLED".into(), "ganger retry T-001".into()));
    assert_eq!(told(&desk, 1, &["edit", "T-001", "--title", "b"]).1, "ganger retry T-001");
    let ran = desk.run(&["add", "b", "--after", "T-001"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "T-002\n"));
    assert_eq!(ran.err, "warning: T-002 is BLOCKED, because T-001 is CANCELLED; ganger retry T-001 sets both going\n");
    desk.ok(&["retry", "T-001"]);
    assert_eq!(desk.json(&["show", "T-002"])["status"], "PENDING", "the warning was right");
    desk.ok(&["add", "c"]);
    assert_eq!(desk.run(&["add", "d", "--after", "T-003"]).err, "");
}

#[test]
fn a_cycle_is_told_closed() {
    let desk = Desk::new();
    desk.ok(&["add", "a"]);
    desk.ok(&["add", "b", "--after", "T-001"]);
    desk.ok(&["add", "c", "--after", "T-002"]);
    let (message, hint) = told(&desk, 1, &["edit", "T-001", "--after", "T-003"]);
    assert!(message.ends_with("(T-001 → T-003 → T-002 → T-001)"), "{message}");
    assert!(hint.starts_with("ganger graph"), "{hint}");
}

#[test]
fn another_claim_than_the_one_that_holds_is_not_called_over() {
    let desk = Desk::new();
    desk.ok(&["add", "a"]);
    let claim = desk.claim("amp", "T-001");
    let (start, nonce) = claim.split_at(claim.len() - 1);
    let wrong = format!("{start}{}", if nonce == "0" { "1" } else { "0" });
    let error = desk.refused(1, &["heartbeat", &wrong]);
    assert_eq!(error["code"], "stale_claim");
    assert_eq!(error["message"], "T-001 is held by amp, and not under this claim");
    desk.ok(&["release", &claim]);
    let over = told(&desk, 1, &["heartbeat", &claim]).0;
    assert!(over.contains("is over"), "{over}");
}

#[test]
fn a_file_that_was_named_and_is_not_there_is_bad_input() {
    let desk = Desk::new();
    for args in [&["import", "nope"] as &[&str], &["plan", "nope.toml"], &["run", "nope.toml"]] {
        assert_eq!(desk.refused(2, args)["code"], "file", "{args:?}");
    }
    desk.write("there", "");
    let (message, hint) = told(&desk, 1, &["export", "there"]);
    assert!(message.contains("there") && hint.starts_with("ganger export "), "{message} {hint}");
    assert_eq!(std::fs::read(desk.path("there")).unwrap(), b"");
}

#[test]
fn an_import_that_fails_leaves_nothing() {
    let from = Desk::new();
    from.ok(&["add", "a"]);
    from.ok(&["export", "all.jsonl"]);
    let whole = std::fs::read_to_string(from.path("all.jsonl")).unwrap();
    let to = Desk::bare();
    let lines: Vec<&str> = whole.lines().collect();
    for cut in 1..lines.len() {
        to.write("cut.jsonl", &lines[..cut].join("\n"));
        to.refused(2, &["import", "cut.jsonl"]);
        assert!(!to.path(".orchestrator").exists(), "cut behind line {cut}");
    }
    to.write("cut.jsonl", &whole[..whole.len() - 20]);
    let (message, _) = told(&to, 2, &["import", "cut.jsonl"]);
    assert_eq!(message.matches("line").count(), 1, "{message}");
    to.write("all.jsonl", &whole);
    let ran = to.run(&["import", "all.jsonl"]);
    assert!(ran.code == 0 && ran.out.starts_with("imported 1 task and "), "{ran:?}");
    assert!(ran.err.starts_with("made a project in "), "{ran:?}");
}

#[test]
fn a_plan_that_is_not_there_is_told_with_those_that_are() {
    let desk = Desk::new();
    for command in ["report", "status", "graph", "list"] {
        let (message, hint) = told(&desk, 3, &[command, "--plan", "99"]);
        assert_eq!((message.as_str(), hint.starts_with("the plans are 0 ")), ("there is no plan 99", true), "{command}: {hint}");
    }
}

#[test]
fn the_mistakes_of_a_plan_lead_to_help_that_is_there() {
    let desk = Desk::new();
    desk.write("plan.toml", "title = \"p\"\n[[task]]\ntitle = \"a\"\nrun = \"true\"\ncolour = 1\n[[task]]\ntitle = \"b\"\n");
    let ran = desk.run(&["plan", "plan.toml"]);
    assert!(ran.err.contains("plan.toml has 1 mistake; nothing") && !ran.err.contains("docs/"), "{ran:?}");
    assert!(ran.err.contains("ganger plan --help"), "{ran:?}");
    let help = desk.ok(&["plan", "--help"]);
    for key in domain::plan::TaskKey::ALL {
        assert!(help.contains(key.as_str()), "{key} is not in the help");
    }
    for key in domain::plan::PlanKey::ALL {
        assert!(help.contains(key.as_str()), "{key} is not in the help");
    }
    let example = help.split("\n\n").find(|part| part.contains("title = \"Leads sync\"")).unwrap();
    let example: String = example.to_owned() + "\n" + help.split("\n\n").find(|part| part.contains("[[task]]")).unwrap();
    desk.write("help.toml", &example.replace("after = [\"other-id\"]", ""));
    desk.ok(&["plan", "--dry-run", "help.toml"]);
}

#[test]
fn a_plan_from_stdin_is_called_so_and_half_a_task_gets_no_advice() {
    use std::io::Write;
    let desk = Desk::new();
    let mut child = desk.command(&["plan", "-"]).stdin(std::process::Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"title = \"p\"\n[[task]]\ntitle = \"a\"\n[[task]]\ntitle = b\nrun = \"true\"\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(err.contains("stdin has 1 mistake; nothing was added"), "{err}");
    assert!(!err.contains("neither inputs nor outputs"), "{err}");
}

#[test]
fn a_value_that_cannot_be_read_is_named_once() {
    let desk = Desk::new();
    for args in [&["show", "foo"] as &[&str], &["claim", "--worker", "a b"], &["poll", "foo"], &["add", "x", "--after", "foo"]] {
        let (message, _) = told(&desk, 2, args);
        let given = args.last().unwrap();
        assert_eq!(message.matches(given).count(), 1, "{message}");
        assert!(message.contains(": expected a "), "{message}");
        let ran = desk.run(args);
        assert!(ran.code == 2 && ran.err.contains(&message) && ran.out.is_empty(), "{ran:?}");
    }
}

#[test]
fn files_that_are_not_there_yet_are_worth_a_warning() {
    let desk = Desk::new();
    let ran = desk.run(&["add", "a", "--instructions", "nothere.md", "--context", "nor-this.md"]);
    assert_eq!((ran.code, ran.err.matches("warning: there is no file ").count()), (0, 2), "{ran:?}");
    let claim = desk.claim("amp", "T-001");
    let ran = desk.run(&["complete", &claim, "--file", "nothere.txt"]);
    assert!(ran.code == 0 && ran.err == "warning: there is no file nothere.txt in the project\n", "{ran:?}");
    desk.write("there.md", "");
    assert_eq!(desk.run(&["add", "b", "--context", "there.md"]).err, "");
}

#[test]
fn a_check_that_says_nothing_prints_nothing() {
    let desk = Desk::new();
    desk.ok(&["add", "a", "--check", "exit 3"]);
    let claim = desk.claim("amp", "T-001");
    let ran = desk.run(&["complete", &claim]);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{ran:?}");
}

#[test]
fn one_is_not_told_as_many() {
    let desk = Desk::new();
    desk.write("plan.toml", "title = \"p\"\n[[task]]\ntitle = \"a\"\nrun = \"true\"\n");
    assert!(desk.ok(&["plan", "--dry-run", "plan.toml"]).starts_with("p (1 task; nothing was added)"));
    assert!(desk.ok(&["plan", "plan.toml"]).starts_with("added 1 task, T-001\n"));
    assert_eq!(desk.ok(&["plan", "plan.toml"]), "this plan is here already: T-001; nothing was added");
    let text = desk.ok(&["doctor"]);
    assert!(text.contains("1 task,") || text.contains("1 task)"), "{text}");
    assert!(desk.ok(&["repair", "--force"]).contains("1 task\n") || desk.ok(&["repair", "--force"]).contains("1 task,"));
}
