//! What people see of tasks and of what happened.

use crate::desk::Desk;

/// Tasks in every state, with a test, a dependency and a worker.
fn desk() -> Desk {
    let desk = Desk::new();
    desk.ok(&["add", "lay the ground", "--priority", "high", "--estimate", "10m"]);
    desk.ok(&[
        "add",
        "build the wall",
        "--after",
        "T-001",
        "--description",
        "of stone\nand mortar",
        "--needs",
        "masonry",
        "--test",
        "true",
    ]);
    desk.ok(&["add", "paint it", "--after", "T-002", "--assign", "kiro", "--check", "test -f paint"]);
    desk.ok(&["add", "ask for the colour"]);
    desk.ok(&["add", "order a crane", "--attempts", "1"]);
    desk.ok(&["add", "lift the roof", "--after", "T-006,T-002"]);
    desk.ok(&["add", "gild it"]);
    desk.ok(&["cancel", "T-008"]);
    let claim = desk.claim("amp", "T-001");
    desk.ok(&["complete", &claim, "--note", "flat now", "--file", "ground.md"]);
    let claim = desk.claim("amp", "T-005");
    desk.ok(&["block", &claim, "--reason", "question", "--note", "red or blue?"]);
    let claim = desk.claim("amp", "T-006");
    desk.ok(&["fail", &claim, "--note", "no crane is free"]);
    desk.ok(&["workers", "add", "kiro", "--can", "paint"]);
    desk.ok(&["workers", "add", "amp", "--can", "masonry"]);
    desk.claim("amp", "T-002");
    desk
}

/// The lines without what depends on how fast the machine is.
fn calm(desk: &Desk, text: &str) -> String {
    let text = desk.normal(text);
    let lines: Vec<String> = text
        .lines()
        .map(|line| match line.split_once(" pull ") {
            Some((name, rest)) => format!("{name} pull {}", rest.split_whitespace().next().unwrap_or_default()),
            None => line.to_owned(),
        })
        .collect();
    lines.join("\n")
}

#[test]
fn status_says_what_waits_and_what_would_move_it() {
    let desk = desk();
    insta::assert_snapshot!(calm(&desk, &desk.ok(&["status"])), @r#"
    14% · phase features · 2 PENDING, 1 IN_PROGRESS, 1 COMPLETED, 2 BLOCKED, 1 FAILED, 1 CANCELLED

    WORKER  DRIVER  STATE    TASK   IDLE  WORKED  CAN      WHY
    amp     pull busy
    kiro    pull unknown

    Waits for you:
      T-005 ask for the colour: BLOCKED (a question): red or blue?
        ganger answer T-005 "…"
      T-006 order a crane: FAILED (it reported a failure): no crane is free; 1 task waits behind it
        ganger retry T-006
    "#);
    let bare = Desk::new();
    insta::assert_snapshot!(bare.ok(&["status"]), @"there are no tasks: `ganger add`, `ganger plan`");
}

#[test]
fn list_is_a_table_that_can_be_narrowed() {
    let desk = desk();
    insta::assert_snapshot!(desk.ok(&["list"]), @"
    ID     TASK                              STATUS                 PRIORITY  WORKER  AFTER
    T-001  lay the ground                    COMPLETED              HIGH      amp
    T-002  build the wall                    IN_PROGRESS (claimed)  MED       amp     T-001
    T-003  Run the tests for build the wall  PENDING                MED               T-002
    T-004  paint it                          PENDING                MED       kiro    T-002
    T-005  ask for the colour                BLOCKED                MED
    T-006  order a crane                     FAILED                 MED
    T-007  lift the roof                     BLOCKED                MED               T-002 T-006
    T-008  gild it                           CANCELLED              MED
    ");
    let ids = |args: &[&str]| -> Vec<String> {
        desk.json(args).as_array().unwrap().iter().map(|task| task["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&["list", "--status", "failed,BLOCKED"]), ["T-005", "T-006", "T-007"]);
    assert_eq!(ids(&["list", "--status", "in-progress"]), ["T-002"]);
    assert_eq!(ids(&["list", "--kind", "test"]), ["T-003"]);
    assert_eq!(ids(&["list", "--worker", "kiro"]), ["T-004"]);
    assert_eq!(ids(&["list", "--worker", "amp"]), ["T-001", "T-002"]);
    assert_eq!(ids(&["list", "--text", "THE"]), ["T-001", "T-002", "T-003", "T-005", "T-007"]);
    assert_eq!(ids(&["list", "--ready"]), [] as [&str; 0]);
    assert_eq!(ids(&["list", "--limit", "2"]), ["T-001", "T-002"]);
    assert_eq!(ids(&["list", "--plan", "0"]).len(), 8);
    let none = desk.run(&["list", "--text", "nothing like it"]);
    assert_eq!((none.code, none.out.as_str(), none.err.as_str()), (0, "", "no task is like that\n"));
}

#[test]
fn a_long_list_is_cut_for_people_and_whole_for_programs() {
    let desk = Desk::new();
    let tasks: String = (1..=1_203).map(|n| format!("[[task]]\ntitle = \"task {n}\"\nrun = \"true\"\n")).collect();
    desk.write("plan.toml", &format!("title = \"many\"\n{tasks}"));
    desk.ok(&["plan", "plan.toml"]);
    let shown = desk.ok(&["list"]);
    assert_eq!(shown.lines().count(), 102);
    assert_eq!(shown.lines().last(), Some("… 1103 more: ganger list --all"));
    let shown = desk.ok(&["list", "--ready", "--text", "task 1"]);
    assert_eq!(shown.lines().last(), Some("… 215 more: ganger list --all --text 'task 1' --ready"));
    // The cut part can be pasted.
    assert_eq!(desk.ok(&["list", "--all", "--text", "task 1", "--ready"]).lines().count(), 315 + 1);
    assert_eq!(desk.ok(&["list", "--all"]).lines().count(), 1_204);
    assert_eq!(desk.ok(&["list", "--limit", "3"]).lines().count(), 4);
    let listed = desk.json(&["list"]);
    let ids: Vec<&str> = listed.as_array().unwrap().iter().map(|task| task["id"].as_str().unwrap()).collect();
    assert_eq!((ids.len(), ids[0], ids[1_202]), (1_203, "T-001", "T-1203"));
    assert_eq!(desk.json(&["list", "--limit", "700"]).as_array().unwrap().len(), 700);
}

#[test]
fn show_tells_everything_about_a_task() {
    let desk = desk();
    insta::assert_snapshot!(desk.normal(&desk.ok(&["show", "T-001"])), @r#"
    T-001 lay the ground
    status        COMPLETED
    attempts      1 (0 of at most 3 failed)
    added         <time>
    claimed       <time> by amp
    completed     <time> by amp
    kind          feature, phase 1, plan 0
    priority      HIGH
    timeout       1h, estimated 10m
    before        T-002 IN_PROGRESS build the wall
    note          flat now
    files         ground.md
    brief         .orchestrator/briefs/T-001.1.md
    result        .orchestrator/results/T-001.md

    <time>     1 task_added         T-001    -          kind=feature  title="lay the ground"
    <time>    11 task_claimed       T-001#1  amp
    <time>    12 task_completed     T-001#1  amp        note="flat now"
    "#);
    insta::assert_snapshot!(desk.normal(&desk.ok(&["show", "2"])), @r#"
    T-002 build the wall
    status        IN_PROGRESS (claimed)
    held by       amp (attempt 1), lease until <time>
    attempts      1 (0 of at most 3 failed)
    added         <time>
    claimed       <time> by amp
    kind          feature, phase 1, plan 0
    priority      MED
    needs         masonry
    timeout       1h
    description
      │ of stone
      │ and mortar
    test          true
    after         T-001 COMPLETED   lay the ground
    before        T-004 PENDING     paint it
                  T-007 BLOCKED     lift the roof
    tested by     T-003 PENDING     Run the tests for build the wall
    brief         .orchestrator/briefs/T-002.1.md

    <time>     2 task_added         T-002    -          kind=feature  title="build the wall"
    <time>    18 task_claimed       T-002#1  amp
    "#);
    insta::assert_snapshot!(desk.normal(&desk.ok(&["show", "t-7"])), @r#"
    T-007 lift the roof
    status        BLOCKED
    why           dependency: T-006 did not complete
    to move it    ganger retry T-006
    attempts      0 (0 of at most 3 failed)
    added         <time>
    kind          feature, phase 1, plan 0
    priority      MED
    timeout       1h
    after         T-002 IN_PROGRESS build the wall
                  T-006 FAILED      order a crane

    <time>     7 task_added         T-007    -          kind=feature  title="lift the roof"
    "#);
}

#[test]
fn a_worker_is_shown_with_all_that_its_row_says_and_more() {
    let desk = desk();
    let shown = desk.normal(&desk.ok(&["workers", "show", "amp"]));
    let names: Vec<&str> = shown.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(names, ["driver", "can", "task", "idle", "worked", "registered", "heartbeat", "claimed", "completed"], "{shown}");
    assert!(shown.starts_with("amp: busy (") && shown.contains("can         masonry") && shown.contains("task        T-002"), "{shown}");
    assert!(shown.contains("registered  <time>"), "{shown}");
}

#[test]
fn people_are_told_the_time_of_their_own_clock_and_its_zone() {
    let desk = Desk::new();
    desk.ok(&["add", "a"]);
    let at = |args: &[&str], zone: &str| {
        let output = desk.command(args).env("TZ", zone).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    for args in [&["log"] as &[&str], &["show", "T-001"]] {
        assert!(at(args, "UTC-5:30").contains("+05:30"), "{args:?}: {}", at(args, "UTC-5:30"));
    }
    assert_eq!(at(&["--json", "log"], "UTC-5:30"), at(&["--json", "log"], "UTC"), "programs get UTC");
}

#[test]
fn the_graph_is_drawn_three_ways() {
    let desk = desk();
    // How long the first one took is the machine's.
    let text = desk.ok(&["graph"]);
    let (span, path) = text.split_once("critical path, ").and_then(|(_, rest)| rest.split_once(": ")).unwrap();
    assert!(span.starts_with("2m") && path.starts_with("T-001 → T-002 → T-003\n"), "{text}");
    insta::assert_snapshot!(text.replace(span, "…"), @"
    level 1
    * ✓ T-001  lay the ground
      ! T-005  ask for the colour
      ✗ T-006  order a crane
      – T-008  gild it
    level 2
    * ▶ T-002  build the wall  ← T-001
    level 3
    * ○ T-003  Run the tests for build the wall  ← T-002
      ○ T-004  paint it  ← T-002
      ! T-007  lift the roof  ← T-002 T-006

    * critical path, …: T-001 → T-002 → T-003
    ○ PENDING  ▶ IN_PROGRESS  ✓ COMPLETED  ! BLOCKED  ✗ FAILED  – CANCELLED
    ");
    assert!(desk.ok(&["graph", "--format", "mermaid"]).starts_with("flowchart LR\n  T1[\"T-001 lay the ground\"]:::completed\n"));
    assert!(desk.ok(&["graph", "--format", "dot"]).contains("\"T-001\" -> \"T-002\""));
}

#[test]
fn the_log_is_one_line_an_event() {
    let desk = desk();
    insta::assert_snapshot!(desk.normal(&desk.ok(&["log", "--task", "T-006"])), @r#"
    <time>     6 task_added         T-006    -          kind=feature  title="order a crane"
    <time>    15 task_claimed       T-006#1  amp
    <time>    16 task_failed        T-006#1  amp        1 failure so far  given up  note="no crane is free"  reason=reported
    "#);
    let seqs = |args: &[&str]| -> Vec<u64> { desk.stream(args).iter().map(|event| event["seq"].as_u64().unwrap()).collect() };
    let all = seqs(&["log"]);
    assert_eq!(all, (1..=all.len() as u64).collect::<Vec<_>>());
    assert_eq!(seqs(&["log", "--after", "3"]), all[3..]);
    assert_eq!(seqs(&["log", "--after", "3", "--limit", "2"]), [4, 5], "the next ones, so that a reader can go on from there");
    assert_eq!(seqs(&["log", "--limit", "2"]), all[all.len() - 2..], "the newest ones");
    assert_eq!(seqs(&["log", "--limit", "0"]), [] as [u64; 0]);
    assert_eq!(seqs(&["log", "--limit", "999999"]), all);
    let claimed = seqs(&["log", "--kind", "task_claimed"]);
    assert_eq!(seqs(&["log", "--kind", "task_claimed", "--limit", "2"]), claimed[claimed.len() - 2..]);
    assert_eq!(desk.stream(&["log", "--kind", "task_failed,task_blocked"]).len(), 2);
}

#[test]
fn poll_prints_lines_and_ends_with_the_verdict() {
    let desk = desk();
    let polled = desk.run(&["poll", "--once", "T-001"]);
    assert_eq!((polled.code, desk.normal(&polled.out).as_str()), (0, "<hour> T-001: COMPLETED\n"));
    let polled = desk.run(&["poll", "T-001", "2", "--once"]);
    assert_eq!((polled.code, desk.normal(&polled.out).as_str()), (1, "<hour> T-001: COMPLETED\n<hour> T-002: IN_PROGRESS\n"));
    let polled = desk.run(&["poll"]);
    assert_eq!(polled.code, 1, "one failed: {polled:?}");
    assert_eq!(polled.out.lines().count(), 7, "all but the one that was given up: {polled:?}");
    assert_eq!(desk.run(&["poll", "T-008"]).code, 1, "it was given up");
    let line = &desk.stream(&["poll", "--once", "T-001"])[0];
    assert_eq!(line.as_object().unwrap().keys().collect::<Vec<_>>(), ["at", "id", "status"]);
    assert_eq!(Desk::new().run(&["poll"]).code, 0, "nothing to wait for");
}

#[test]
fn a_task_that_is_blocked_on_another_says_on_which() {
    let desk = Desk::new();
    desk.ok(&["add", "paint it"]);
    desk.ok(&["add", "build the wall"]);
    let claim = desk.claim("amp", "T-001");
    desk.ok(&["block", &claim, "--reason", "dependency", "--on", "T-002", "--note", "no wall yet"]);
    assert!(desk.ok(&["show", "T-001"]).contains("dependency on T-002: no wall yet\n"));
    let claim = desk.claim("amp", "T-002");
    desk.ok(&["complete", &claim]);
    assert_eq!(desk.json(&["show", "T-001"])["ready"], true, "it goes on by itself");
}

#[test]
fn every_task_that_waits_for_somebody_is_shown_with_what_moves_it() {
    let desk = Desk::new();
    desk.ok(&["add", "build the wall", "--run", "true", "--test", "true"]);
    desk.ok(&["add", "proofread it", "--needs", "editor"]);
    desk.ok(&["add", "paint it", "--assign", "amp"]);
    desk.ok(&["workers", "add", "amp"]);
    let shown = desk.ok(&["status"]);
    let waits = shown.split_once("\n\nWaits for you:\n").unwrap().1;
    insta::assert_snapshot!(waits, @r"
      T-001 build the wall: ready, and no run goes on
        ganger run
      T-003 proofread it: it has no command: a person or an agent must do it
        ganger workers add NAME --can editor && ganger claim --worker NAME --task T-003
      T-004 paint it: it waits for amp
        ganger claim --worker amp --task T-004
    ");
    // What is shown can be pasted.
    desk.ok(&["workers", "add", "eve", "--can", "editor"]);
    desk.ok(&["claim", "--worker", "eve", "--task", "T-003"]);
    desk.ok(&["claim", "--worker", "amp", "--task", "T-004"]);
}

#[test]
fn tests_say_which_feature_they_wait_for() {
    let desk = Desk::new();
    desk.ok(&["add", "build the wall", "--run", "true", "--test", "true"]);
    desk.ok(&["add", "proofread it", "--needs", "editor"]);
    let ran = desk.run(&["run", "--workers", "1"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let why = "T-002 waits: T-003 is still open, and tests begin when no feature can go on";
    assert!(ran.out.contains(why) && ran.out.contains("ganger workers add NAME --can editor && ganger claim"), "{ran:?}");
    assert!(!ran.out.contains("nobody on the roster takes it"), "{ran:?}");
    assert!(desk.ok(&["status"]).contains(why));
    assert!(desk.ok(&["report"]).contains(&format!("{why}.\n")));
    assert!(desk.ok(&["show", "T-002"]).contains("PENDING, tests begin when no feature can go on"));
    assert_eq!(desk.json(&["report"])["held_tests"], serde_json::json!([{ "tests": ["T-002"], "count": 1, "on": "T-003" }]));
}

#[test]
fn the_end_is_told_as_it_is() {
    let desk = Desk::new();
    desk.ok(&["add", "build the wall", "--run", "true"]);
    assert_eq!(desk.run(&["run", "--workers", "1"]).code, 0);
    let shown = desk.ok(&["status"]);
    assert!(shown.starts_with("100% · done · 1 COMPLETED\n"), "{shown}");
    // Whoever left in order is not told as if he had died; programs read what they always read.
    let worker = shown.lines().find(|line| line.starts_with("agent-01")).unwrap();
    assert!(worker.contains("  left  ") && worker.contains("it left ") && !worker.contains("gone"), "{shown}");
    assert_eq!(desk.json(&["status"])["workers"][0]["state"], "gone");
    desk.ok(&["add", "order a crane", "--run", "echo no crane is free; exit 3", "--attempts", "1"]);
    let ran = desk.run(&["run", "--workers", "1"]);
    let why = "T-002 order a crane: FAILED (it reported a failure): no crane is free\n    ganger retry T-002\n";
    assert!(ran.code == 1 && ran.out.contains(why), "{ran:?}");
    let shown = desk.ok(&["status"]);
    assert!(shown.starts_with("50% · over, with failures · ") && shown.contains(why.trim_end()), "{shown}");
    assert_eq!(desk.json(&["status"])["phase"], "done");
}
