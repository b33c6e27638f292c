//! Workers that die, stall, are asked to stop; what they run goes with them (G7, G8, G19, A38, A39, A41).

use std::time::Duration;

use crate::shop::{Shop, lives, signal, text, until};

/// A command that leaves the process ids of a small family in files: itself, a child of another session, one that was disowned.
const FAMILY: &str = "echo $$ > pid.leader; setsid sleep 1000 & echo $! > pid.session; (sleep 1001 & echo $! > pid.orphan); nohup sleep 1002 >/dev/null 2>&1 & echo $! > pid.nohup; sleep 1003";
const PIDS: [&str; 4] = ["pid.leader", "pid.session", "pid.orphan", "pid.nohup"];

fn pids(shop: &Shop) -> Vec<u32> {
    until("the family is there", Duration::from_secs(20), || PIDS.iter().all(|name| shop.read(name).trim().parse::<u32>().is_ok()));
    PIDS.iter().map(|name| shop.read(name).trim().parse().unwrap()).collect()
}

fn gone(pids: &[u32]) {
    until("nothing of the family lives", Duration::from_secs(20), || pids.iter().all(|pid| !lives(*pid)));
}

#[test]
fn a_killed_worker_takes_its_whole_tree_along_and_its_task_returns_at_once() {
    let shop = Shop::new(&[]);
    shop.ok(&["add", "family", "--run", FAMILY]);
    let mut worker = shop.start(&["work", "--worker", "a"]);
    let pids = pids(&shop);
    worker.kill().unwrap();
    worker.wait().unwrap();
    gone(&pids);
    // No daemon runs: the next command that looks tends to it.
    shop.ok(&["status"]);
    let task = shop.task("T-001");
    assert_eq!((task["status"].as_str(), task["crashes"].as_u64(), task["failures"].as_u64()), (Some("PENDING"), Some(1), Some(0)));
    shop.audit();
}

#[test]
fn a_killed_guardian_ends_the_tree_and_the_worker_goes_on() {
    let shop = Shop::new(&[]);
    shop.ok(&["add", "family", "--run", FAMILY, "--attempts", "1"]);
    shop.ok(&["add", "after", "--run", "echo ok > after", "--priority", "low"]);
    let mut worker = shop.start(&["work", "--worker", "a", "--idle-exit", "500ms"]);
    let pids = pids(&shop);
    let guardian =
        String::from_utf8(std::process::Command::new("pgrep").args(["-P", &worker.id().to_string()]).output().unwrap().stdout).unwrap();
    signal(guardian.trim().parse().unwrap(), "KILL");
    gone(&pids);
    assert!(worker.wait().unwrap().success());
    assert_eq!(shop.read("after"), "ok\n");
    assert_eq!(shop.status_of("T-001"), "FAILED");
    shop.audit();
}

#[test]
fn the_third_death_puts_a_task_aside() {
    let shop = Shop::new(&[]);
    // It kills the worker: its guardian's parent.
    shop.ok(&["add", "poison", "--run", "kill -9 $(ps -o ppid= -p $PPID)"]);
    for death in 1..=3 {
        let worker = shop.run(&["work", "--worker", "a", "--once"]);
        assert!(!worker.status.success(), "the task kills its worker: {}", text(&worker.stderr));
        shop.ok(&["status"]);
        assert_eq!(shop.task("T-001")["crashes"], death);
    }
    let task = shop.task("T-001");
    assert_eq!((task["status"].as_str(), task["failure"]["reason"].as_str()), (Some("FAILED"), Some("quarantined")));
    shop.audit();
}

#[test]
fn a_stopped_worker_is_refused_when_it_wakes_and_ends_what_it_ran() {
    let shop = Shop::new(&[("heartbeat", "200ms"), ("lease", "600ms")]);
    shop.ok(&["add", "slow", "--run", "echo $$ > pid.$GANGER_ATTEMPT; [ $GANGER_ATTEMPT = 2 ] || sleep 1000"]);
    let mut worker = shop.start(&["work", "--worker", "a"]);
    until("it runs", Duration::from_secs(10), || !shop.read("pid.1").is_empty());
    signal(worker.id(), "STOP");
    // Its lease ends; somebody else does it.
    until("the lease is over", Duration::from_secs(10), || {
        shop.ok(&["status"]);
        shop.status_of("T-001") == "PENDING"
    });
    let other = shop.run(&["work", "--worker", "b", "--once"]);
    assert!(other.status.success(), "{}", text(&other.stderr));
    assert_eq!(shop.status_of("T-001"), "COMPLETED");
    signal(worker.id(), "CONT");
    gone(&[shop.read("pid.1").trim().parse().unwrap()]);
    let task = shop.task("T-001");
    assert_eq!((task["status"].as_str(), task["completed_by"].as_str(), task["attempt"].as_u64()), (Some("COMPLETED"), Some("b"), Some(2)));
    signal(worker.id(), "TERM");
    worker.wait().unwrap();
    shop.audit();
}

#[test]
fn a_cancelled_task_stops_at_once() {
    let shop = Shop::new(&[]);
    shop.ok(&["add", "family", "--run", FAMILY]);
    let mut worker = shop.start(&["work", "--worker", "a", "--idle-exit", "300ms"]);
    let pids = pids(&shop);
    shop.ok(&["cancel", "T-001"]);
    gone(&pids);
    assert!(worker.wait().unwrap().success());
    assert_eq!(shop.status_of("T-001"), "CANCELLED");
    shop.audit();
}

#[test]
fn time_and_silence_have_limits() {
    let shop = Shop::new(&[("silence", "400ms"), ("grace", "200ms")]);
    shop.ok(&["add", "too long", "--run", "trap '' TERM; while :; do echo x; sleep 0.05; done", "--timeout", "700ms", "--attempts", "1"]);
    shop.ok(&["add", "silent", "--run", "sleep 1000", "--attempts", "1"]);
    let worker = shop.run(&["work", "--worker", "a", "--idle-exit", "100ms"]);
    assert!(worker.status.success(), "{}", text(&worker.stderr));
    assert_eq!(shop.task("T-001")["failure"]["reason"], "timeout");
    assert_eq!(shop.task("T-002")["failure"]["reason"], "silence");
    shop.audit();
}

#[test]
fn one_process_a_name() {
    let shop = Shop::new(&[]);
    // Should a second one get in, it ends at once.
    shop.ok(&["add", "hold", "--run", "[ -e held ] && exit; echo > held; sleep 1000"]);
    let mut worker = shop.start(&["work", "--worker", "a"]);
    until("it runs", Duration::from_secs(10), || shop.path("held").exists());
    let second = shop.run(&["work", "--worker", "a", "--once", "--json"]);
    assert_eq!(second.status.code(), Some(1));
    assert!(text(&second.stderr).contains("\"worker_running\""), "{}", text(&second.stderr));
    worker.kill().unwrap();
    worker.wait().unwrap();
}

#[test]
fn a_worker_lets_its_task_end_when_asked_once_and_gives_it_back_when_asked_twice() {
    let shop = Shop::new(&[("grace", "200ms")]);
    shop.ok(&["add", "short", "--run", "echo > one; while [ ! -e go ]; do sleep 0.02; done", "--priority", "high"]);
    shop.ok(&["add", "long", "--run", "echo > two; sleep 1000"]);
    let mut worker = shop.start(&["work", "--worker", "a"]);
    until("the first runs", Duration::from_secs(10), || shop.path("one").exists());
    signal(worker.id(), "TERM");
    std::fs::write(shop.path("go"), "").unwrap();
    assert!(worker.wait().unwrap().success());
    assert_eq!((shop.status_of("T-001").as_str(), shop.status_of("T-002").as_str()), ("COMPLETED", "PENDING"));

    let mut worker = shop.start(&["work", "--worker", "a"]);
    until("the second runs", Duration::from_secs(10), || shop.path("two").exists());
    signal(worker.id(), "TERM");
    until("it heard the first", Duration::from_secs(10), || {
        signal(worker.id(), "TERM");
        worker.try_wait().unwrap().is_some()
    });
    let task = shop.task("T-002");
    assert_eq!((task["status"].as_str(), task["crashes"].as_u64(), task["failures"].as_u64()), (Some("PENDING"), Some(0), Some(0)));
    shop.audit();
}

#[test]
fn a_flood_is_bounded_and_a_check_gates() {
    let shop = Shop::new(&[]);
    shop.ok(&["add", "flood", "--run", "yes flood | head -c 200000000", "--attempts", "1"]);
    shop.ok(&["add", "gated", "--run", "echo made > product", "--check", "grep -q right product", "--attempts", "2"]);
    let worker = shop.run(&["work", "--worker", "a", "--idle-exit", "100ms"]);
    assert!(worker.status.success(), "{}", text(&worker.stderr));
    assert_eq!(shop.status_of("T-001"), "COMPLETED");
    let size = std::fs::metadata(shop.path(".orchestrator/log/T-001.1.log")).unwrap().len();
    assert!(size <= 64 * 1024 * 1024 + 200, "{size}");
    let task = shop.task("T-002");
    assert_eq!(
        (task["status"].as_str(), task["failures"].as_u64(), task["failure"]["reason"].as_str()),
        (Some("FAILED"), Some(2), Some("check"))
    );
    shop.audit();
}

#[test]
fn complete_runs_the_check_and_a_failing_one_leaves_the_claim_alive() {
    let shop = Shop::new(&[]);
    shop.ok(&["add", "checked", "--check", "echo looking; test -e product"]);
    let claim = shop.claim("me");
    let refused = shop.run(&["complete", &claim]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stdout).contains("looking"), "its output is printed: {}", text(&refused.stdout));
    assert_eq!(shop.status_of("T-001"), "IN_PROGRESS");
    std::fs::write(shop.path("product"), "").unwrap();
    shop.ok(&["complete", &claim]);
    assert_eq!(shop.status_of("T-001"), "COMPLETED");
    shop.ok(&["complete", &claim]);
    let stale = shop.run(&["fail", &claim, "--json"]);
    assert_eq!(stale.status.code(), Some(1));
    assert!(text(&stale.stderr).contains("\"stale_claim\""));
    shop.audit();
}

/// A task that its first attempt never finishes.
const SECOND_TIME: &str = "echo $$ > pid.$GANGER_ATTEMPT; [ $GANGER_ATTEMPT = 2 ] || sleep 1000; echo $GANGER_WORKER > done";

#[test]
fn an_idle_worker_takes_over_at_once_when_a_colleague_is_killed() {
    let shop = Shop::new(&[]);
    shop.ok(&["add", "left behind", "--run", SECOND_TIME]);
    let mut first = shop.start(&["work", "--worker", "first"]);
    until("the first runs it", Duration::from_secs(20), || !shop.read("pid.1").is_empty());
    shop.ok(&["add", "quick", "--run", "echo > quick"]);
    let mut second = shop.start(&["work", "--worker", "second"]);
    until("the second has had all that is left", Duration::from_secs(20), || shop.path("quick").exists());
    first.kill().unwrap();
    first.wait().unwrap();
    // Nobody else looks: no run, no command. The lease would last for two minutes.
    until("the second does it", Duration::from_secs(20), || shop.read("done") == "second\n");
    signal(second.id(), "TERM");
    assert!(second.wait().unwrap().success());
    let task = shop.task("T-001");
    assert_eq!((task["completed_by"].as_str(), task["crashes"].as_u64()), (Some("second"), Some(1)));
    assert_eq!(shop.events("worker_lost").len(), 1);
    shop.audit();
}

#[test]
fn whoever_waits_with_claim_gets_what_a_killed_worker_held() {
    let shop = Shop::new(&[]);
    shop.ok(&["add", "left behind", "--run", SECOND_TIME]);
    let mut first = shop.start(&["work", "--worker", "first"]);
    until("the first runs it", Duration::from_secs(20), || !shop.read("pid.1").is_empty());
    let mut waiting = shop.start(&["claim", "--worker", "me", "--wait", "100s", "--json"]);
    until("somebody waits", Duration::from_secs(20), || shop.json(&["workers"]).as_array().unwrap().len() == 2);
    first.kill().unwrap();
    first.wait().unwrap();
    until("it got the task", Duration::from_secs(20), || waiting.try_wait().unwrap().is_some());
    let got: serde_json::Value = serde_json::from_slice(&waiting.wait_with_output().unwrap().stdout).unwrap();
    assert_eq!((got["task"]["id"].as_str(), got["task"]["attempt"].as_u64()), (Some("T-001"), Some(2)));
    shop.audit();
}

#[test]
fn a_worker_whose_own_command_is_no_program_claims_nothing() {
    let shop = Shop::new(&[]);
    shop.ok(&["add", "one"]);
    for command in ["my-agnet", "./my-agnet", ""] {
        let worker = shop.run(&["--json", "work", "--worker", "api", "--once", "--", command]);
        assert_eq!(worker.status.code(), Some(2), "{command:?}: {}", text(&worker.stderr));
        let error: serde_json::Value = serde_json::from_slice(&worker.stderr).unwrap();
        assert_eq!(error["error"]["code"], "no_program");
        assert!(error["error"]["message"].as_str().unwrap().contains(command), "{error}");
    }
    assert_eq!(shop.task("T-001")["attempt"], 0);
    assert_eq!(shop.json(&["workers"]).as_array().unwrap().len(), 0, "it did not join either");
    // By a path it is looked for from the project, wherever the worker was started.
    std::fs::create_dir(shop.path("sub")).unwrap();
    std::fs::write(shop.path("agent.sh"), "#!/bin/sh\ngrep -q Objective && pwd > done\n").unwrap();
    assert!(std::process::Command::new("chmod").args(["+x", "agent.sh"]).current_dir(shop.root()).status().unwrap().success());
    let worker = shop.command(&["work", "--worker", "api", "--once", "--", "./agent.sh"]).current_dir(shop.path("sub")).output().unwrap();
    assert!(worker.status.success(), "{}", text(&worker.stderr));
    assert_eq!(shop.status_of("T-001"), "COMPLETED");
    shop.audit();
}

#[test]
fn a_worker_whose_own_command_vanishes_gives_its_task_back_and_leaves() {
    let shop = Shop::new(&[]);
    for title in ["one", "two", "three"] {
        shop.ok(&["add", title]);
    }
    // Its interpreter is what vanishes: the file itself can be found all the time.
    std::os::unix::fs::symlink("/bin/sh", shop.path("interpreter")).unwrap();
    let script = format!("#!{}\nrm interpreter\n", shop.path("interpreter").display());
    std::fs::write(shop.path("agent.sh"), script).unwrap();
    assert!(std::process::Command::new("chmod").args(["+x", "agent.sh"]).current_dir(shop.root()).status().unwrap().success());
    let worker = shop.run(&["work", "--worker", "api", "--json", "--", "./agent.sh"]);
    assert_eq!(worker.status.code(), Some(1), "{}", text(&worker.stderr));
    assert!(text(&worker.stderr).contains("\"no_program\""), "{}", text(&worker.stderr));
    let two = shop.task("T-002");
    assert_eq!(shop.status_of("T-001"), "COMPLETED");
    assert_eq!((two["status"].as_str(), two["failures"].as_u64(), two["attempt"].as_u64()), (Some("PENDING"), Some(0), Some(1)));
    assert_eq!(shop.task("T-003")["attempt"], 0);
    let released = shop.events("task_released");
    assert!(released[0]["data"]["note"].as_str().unwrap().contains("agent.sh"), "{released:?}");
    shop.audit();
}
