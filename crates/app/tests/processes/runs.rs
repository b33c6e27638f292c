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

#[test]
fn a_run_that_waits_for_somebody_who_is_not_there_says_so_once() {
    let shop = Shop::new(&[("fallback_after", "2s")]);
    shop.ok(&["add", "for zoe", "--run", "true", "--assign", "zoe"]);
    shop.ok(&["add", "for an editor", "--run", "true", "--needs", "editor"]);
    shop.ok(&["add", "for anybody", "--run", "true"]);
    let run = shop.run(&["run", "--workers", "1"]);
    let said = text(&run.stderr);
    assert!(run.status.success(), "{said}");
    for why in [
        "T-001 waits for zoe, who is not on the roster; anybody may have it in ",
        "T-002 needs editor, which nobody here can do; anybody may have it in ",
    ] {
        let lines: Vec<&str> = said.lines().filter(|line| line.starts_with(why)).collect();
        assert!(matches!(lines.as_slice(), [line] if line.ends_with("0s") || line.ends_with("1s") || line.ends_with("2s")), "{said}");
    }
    assert!(!said.contains("T-003 waits") && !said.contains("T-003 needs"), "{said}");
}

#[test]
fn a_run_whose_time_is_over_says_so_and_not_who_pressed_what() {
    for args in [&["run", "--workers", "1", "--max-hours", "0"] as &[&str], &["run", "--local", "--workers", "1", "--max-hours", "0"]] {
        let shop = Shop::new(&[]);
        shop.ok(&["add", "one", "--run", "true"]);
        let run = shop.run(args);
        let said = text(&run.stderr);
        assert_eq!(run.status.code(), Some(1), "{said}");
        assert!(said.contains("stopping: the time of --max-hours is over") && !said.contains("Ctrl-C again"), "{said}");
        assert_eq!(shop.task("T-001")["attempt"], 0);
        let out = text(&run.stdout);
        assert!(out.starts_with("stopped: 1 PENDING\n  T-001 one: ready, and no run goes on\n    ganger run\n"), "{out}");
    }
}

#[test]
fn a_failure_is_told_by_its_last_words_and_the_last_one_is_no_other() {
    let shop = Shop::new(&[]);
    shop.ok(&["add", "build", "--run", "echo compiling; echo no rule to make target; exit 2", "--attempts", "2"]);
    let run = shop.run(&["run", "--workers", "1"]);
    let said = text(&run.stderr);
    let lines: Vec<&str> = said.lines().filter_map(|line| Some(line.split_once("T-001 ")?.1)).collect();
    assert_eq!(
        lines,
        ["failed     agent-01  build: no rule to make target", "FAILED (2 of 2) agent-01  build: no rule to make target"],
        "{said}"
    );
}

/// What a terminal shows at the end of what was written to it, line by line; those that have scrolled away are there, too.
fn screen(written: &str) -> Vec<String> {
    let mut lines: Vec<Vec<char>> = vec![Vec::new()];
    let (mut row, mut column) = (0, 0);
    let mut chars = written.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' => column = 0,
            '\n' => {
                row += 1;
                lines.resize_with(lines.len().max(row + 1), Vec::new);
            }
            '\u{1b}' if chars.peek() == Some(&'[') => {
                chars.next();
                let mut digits = String::new();
                let end = loop {
                    match chars.next() {
                        Some(c) if c.is_ascii_digit() || c == ';' || c == '?' => digits.push(c),
                        other => break other,
                    }
                };
                let count: usize = digits.parse().unwrap_or(0);
                match (end, count) {
                    (Some('A'), _) => row = row.saturating_sub(count.max(1)),
                    (Some('B'), _) => {
                        row += count.max(1);
                        lines.resize_with(lines.len().max(row + 1), Vec::new);
                    }
                    (Some('K'), 0) => lines[row].truncate(column),
                    (Some('K'), _) => lines[row].clear(),
                    (Some('J'), 0) => {
                        lines[row].truncate(column);
                        lines.truncate(row + 1);
                    }
                    _ => {}
                }
            }
            c => {
                let line = &mut lines[row];
                if line.len() <= column {
                    line.resize(column + 1, ' ');
                }
                line[column] = c;
                column += 1;
            }
        }
    }
    lines.into_iter().map(|line| line.into_iter().collect::<String>().trim_end().to_owned()).collect()
}

#[test]
fn on_a_terminal_the_word_about_the_end_stays_and_the_bar_fits() {
    let shop = Shop::new(&[]);
    let long = "a title that is so long that no terminal of eighty columns has room for all of it and then some more";
    shop.ok(&["add", long, "--run", "echo no brush; false", "--attempts", "1", "--priority", "high"]);
    shop.ok(&["add", "paint it", "--run", "echo > started; while [ ! -e go ]; do sleep 0.02; done"]);
    shop.ok(&["add", "never", "--run", "true", "--after", "T-002"]);
    let ganger = env!("CARGO_BIN_EXE_ganger");
    let inner = format!("stty cols 80 rows 24; echo $$ > pid; exec {ganger} run --workers 1");
    let mut terminal = std::process::Command::new("script");
    terminal.args(["-qefc", &inner, "typescript"]);
    shop.dress(&mut terminal);
    let mut run = terminal.env("TERM", "xterm").env("SHELL", "/bin/sh").spawn().unwrap();
    until("it runs", Duration::from_secs(20), || shop.path("started").exists());
    // A frame while it runs, one while it stops, each seen before what comes next.
    until("the bar is there", Duration::from_secs(20), || shop.read("typescript").contains(" 1 running"));
    signal(shop.read("pid").trim().parse().unwrap(), "INT");
    until("the bar says that it stops", Duration::from_secs(20), || shop.read("typescript").contains("% · stopping · 1 running"));
    let shown = screen(&shop.read("typescript"));
    assert!(shown.iter().any(|line| line == "stopping: what runs may end (Ctrl-C again ends it)"), "{shown:#?}");
    assert!(shown.iter().any(|line| line.contains(" FAILED (1 of 1) agent-01  a title") && line.ends_with('…')), "{shown:#?}");
    std::fs::write(shop.path("go"), "").unwrap();
    assert_eq!(run.wait().unwrap().code(), Some(1));
    let shown = screen(&shop.read("typescript"));
    let said: Vec<&String> =
        shown.iter().take_while(|line| !line.starts_with("stopped: ")).filter(|line| !line.starts_with("Script ")).collect();
    assert!(said.iter().all(|line| line.chars().count() <= 80), "{said:#?}");
    assert!(shown.iter().any(|line| line == "stopping: what runs may end (Ctrl-C again ends it)"), "{shown:#?}");
    assert!(shop.read("typescript").contains("███") || shop.read("typescript").contains("░░░"));
}

#[test]
fn a_run_waits_for_what_anybody_may_have_soon() {
    let shop = Shop::new(&[("fallback_after", "2s")]);
    let mut able = shop.start(&["work", "--worker", "able", "--can", "gpu"]);
    until("it is on the roster", Duration::from_secs(10), || shop.json(&["workers"]).as_array().is_some_and(|all| !all.is_empty()));
    able.kill().unwrap();
    able.wait().unwrap();
    shop.ok(&["add", "needs", "--needs", "gpu", "--run", "true"]);
    let run = shop.run(&["run", "--workers", "1"]);
    assert_eq!(run.status.code(), Some(0), "{}", text(&run.stderr));
    assert_eq!(shop.status_of("T-001"), "COMPLETED");
}
