//! Runs: killed and taken up again, interrupted, played in one process, with tests and repairs.

use std::io::BufRead;
use std::time::Duration;

use crate::shop::{Shop, signal, text, until};

fn lines(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn a_killed_run_stops_no_worker_and_the_next_one_carries_on() {
    let shop = Shop::new(&[]);
    shop.ok(&["add", "first", "--run", "echo first >> done; while [ ! -e go ]; do sleep 0.02; done"]);
    for number in 2..=9 {
        shop.ok(&["add", &format!("task {number}"), "--run", &format!("echo {number} >> done"), "--after", "T-001"]);
    }
    let mut run = shop.start(&["run", "--workers", "2"]);
    until("it runs", Duration::from_secs(20), || shop.path("done").exists());
    run.kill().unwrap();
    run.wait().unwrap();
    std::fs::write(shop.path("go"), "").unwrap();
    // The workers go on by themselves.
    until("they drain what is ready", Duration::from_secs(20), || shop.json(&["status"])["counts"]["COMPLETED"] == 9);
    let again = shop.run(&["run", "--workers", "2"]);
    assert!(again.status.success(), "{}", text(&again.stderr));
    assert_eq!(lines(&shop.read("done")), ["2", "3", "4", "5", "6", "7", "8", "9", "first"], "nothing was done twice");
    shop.audit();
}

#[test]
fn ctrl_c_once_lets_what_runs_end() {
    let shop = Shop::new(&[]);
    shop.ok(&["add", "first", "--run", "echo > started; while [ ! -e go ]; do sleep 0.02; done"]);
    shop.ok(&["add", "second", "--run", "true", "--after", "T-001"]);
    let mut run = shop.start(&["run", "--workers", "1"]);
    until("it runs", Duration::from_secs(20), || shop.path("started").exists());
    signal(run.id(), "INT");
    // Once it has said so, the workers were told; they take nothing new after what they hold.
    let mut said = std::io::BufReader::new(run.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("stopping") {
        line.clear();
        assert!(said.read_line(&mut line).unwrap() > 0, "it ended without a word");
    }
    std::fs::write(shop.path("go"), "").unwrap();
    assert_eq!(run.wait().unwrap().code(), Some(1));
    assert_eq!(shop.status_of("T-001"), "COMPLETED");
    shop.audit();
}

const REPAIR: &str = r#"
title = "repair"
[[task]]
title = "make it"
run = "echo wrong > product"
test = "grep -q right product"
fix = "echo right > product"
"#;

#[test]
fn a_failing_test_is_repaired_in_one_cycle_and_the_report_says_so() {
    let shop = Shop::new(&[]);
    std::fs::write(shop.path("plan.toml"), REPAIR).unwrap();
    let run = shop.run(&["run", "plan.toml", "--workers", "2", "--json"]);
    assert!(run.status.success(), "{}{}", text(&run.stdout), text(&run.stderr));
    let told: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(told["outcome"], "done");
    let test = shop.task("T-002");
    assert_eq!((test["status"].as_str(), test["cycle"].as_u64(), test["failures"].as_u64()), (Some("COMPLETED"), Some(1), Some(0)));
    assert_eq!(shop.task("T-003")["kind"], "fix");
    assert!(shop.read(".orchestrator/final_output.md").contains("make it"));
    shop.audit();
}

#[test]
fn cycles_are_bounded_and_the_exit_code_tells() {
    let shop = Shop::new(&[]);
    std::fs::write(shop.path("plan.toml"), REPAIR.replace("echo right", "echo still wrong")).unwrap();
    let run = shop.run(&["run", "plan.toml", "--workers", "1", "--cycles", "2"]);
    assert_eq!(run.status.code(), Some(1), "{}", text(&run.stdout));
    let test = shop.task("T-002");
    assert_eq!(
        (test["status"].as_str(), test["cycle"].as_u64(), test["failure"]["reason"].as_str()),
        (Some("FAILED"), Some(2), Some("cycles"))
    );
    assert!(text(&run.stdout).contains("ganger retry T-002"), "{}", text(&run.stdout));
    shop.audit();
}

#[test]
fn no_tests_leaves_them_out_and_a_later_run_makes_up_for_it() {
    let shop = Shop::new(&[]);
    std::fs::write(shop.path("plan.toml"), REPAIR).unwrap();
    let run = shop.run(&["run", "plan.toml", "--no-tests", "--workers", "1"]);
    assert!(run.status.success(), "{}", text(&run.stderr));
    assert_eq!(shop.status_of("T-002"), "PENDING");
    let run = shop.run(&["run", "plan.toml", "--workers", "1"]);
    assert!(run.status.success(), "{}", text(&run.stderr));
    assert_eq!(shop.status_of("T-002"), "COMPLETED");
    shop.audit();
}

#[test]
fn what_nobody_can_do_is_listed_with_the_command_that_moves_it() {
    let shop = Shop::new(&[]);
    shop.ok(&["add", "a person's work"]);
    shop.ok(&["add", "a command", "--run", "true"]);
    let run = shop.run(&["run", "--workers", "1"]);
    assert_eq!(run.status.code(), Some(1));
    assert!(text(&run.stdout).contains("ganger claim --worker NAME --task T-001"), "{}", text(&run.stdout));
    assert_eq!(shop.status_of("T-002"), "COMPLETED");
}

#[test]
fn a_run_in_one_process_leaves_the_same_files() {
    let names = |shop: &Shop, folder: &str| -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(shop.path(folder))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.starts_with("worker-"))
            .collect();
        names.sort();
        names
    };
    let pictures: Vec<Vec<Vec<String>>> =
        [vec!["run", "plan.toml", "--workers", "1"], vec!["run", "plan.toml", "--workers", "1", "--local"]]
            .iter()
            .map(|args| {
                let shop = Shop::new(&[]);
                std::fs::write(shop.path("plan.toml"), REPAIR).unwrap();
                let run = shop.run(args);
                assert!(run.status.success(), "{args:?}: {}", text(&run.stderr));
                shop.audit();
                ["", "/briefs", "/log", "/results", "/agent_tasks"]
                    .iter()
                    .map(|part| names(&shop, &format!(".orchestrator{part}")))
                    .collect()
            })
            .collect();
    assert_eq!(pictures[0], pictures[1]);
}

#[test]
fn without_a_project_one_is_made_beside_the_plan() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Shop::new(&[]);
    std::fs::write(folder.path().join("plan.toml"), "title = \"t\"\n[[task]]\ntitle = \"one\"\nrun = \"true\"\n").unwrap();
    let mut command = shop.command(&["run", folder.path().join("plan.toml").to_str().unwrap(), "--workers", "1"]);
    let run = command.current_dir("/").output().unwrap();
    assert!(run.status.success(), "{}", text(&run.stderr));
    assert!(text(&run.stderr).contains("made a project"), "{}", text(&run.stderr));
    assert!(folder.path().join(".orchestrator/final_output.md").exists());
}
