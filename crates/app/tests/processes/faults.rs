//! A fault at each system call of each mutating command: killed there (C1), or told that the disk is full or broken (C2). Afterwards the
//! store is whole, and the same call, repeated, has happened exactly once.

use std::process::Command;

use crate::shop::{Shop, rounds, text};

/// Every command that changes something, with what must be there before.
const COMMANDS: &[(&str, &[&str])] = &[
    ("add", &["add", "new", "--run", "true"]),
    ("claim", &["claim", "--worker", "w"]),
    ("heartbeat", &["heartbeat", "CLAIM"]),
    ("complete", &["complete", "CLAIM", "--note", "done"]),
    ("fail", &["fail", "CLAIM", "--note", "no"]),
    ("block", &["block", "CLAIM", "--reason", "question", "--note", "which?"]),
    ("release", &["release", "CLAIM"]),
    ("edit", &["edit", "T-001", "--title", "other"]),
    ("assign", &["assign", "T-001", "w"]),
    ("cancel", &["cancel", "T-001"]),
    ("plan", &["plan", "plan.toml"]),
    ("say", &["say", "hello"]),
    ("workers", &["workers", "add", "x", "--can", "a"]),
];

/// The calls at which something can go wrong between a process and the disk.
const CALLS: &[&str] = &["pwrite64", "fdatasync", "fsync", "write", "openat", "renameat,rename,renameat2", "flock", "ftruncate", "mmap"];

struct Case {
    shop: Shop,
    args: Vec<String>,
}

/// A project with one task, claimed where the command needs a claim.
fn prepare(args: &[&str]) -> Case {
    let shop = Shop::new(&[]);
    shop.ok(&["add", "there", "--run", "true", "--request-id", "first"]);
    std::fs::write(shop.path("plan.toml"), "title = \"p\"\n[[task]]\ntitle = \"one\"\nrun = \"true\"\n").unwrap();
    let claim = if args.contains(&"CLAIM") { shop.claim("w") } else { String::new() };
    let args = args.iter().map(|arg| if *arg == "CLAIM" { claim.clone() } else { (*arg).to_owned() }).collect();
    Case { shop, args }
}

/// What the world looks like, without times and random bits.
fn picture(shop: &Shop) -> String {
    let tasks = shop.json(&["list"]);
    let tasks: Vec<String> = tasks
        .as_array()
        .unwrap()
        .iter()
        .map(|task| {
            format!("{} {} {} {} {} {}", task["id"], task["title"], task["status"], task["attempt"], task["assignee"], task["failures"])
        })
        .collect();
    let events: Vec<String> = shop
        .ok(&["log", "--json"])
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["kind"].to_string())
        .collect();
    format!("{}\n{}", tasks.join("\n"), events.join(" "))
}

/// Runs the command under `strace` with one fault. Gives its exit code, what it said, and whether the fault was reached.
fn with_fault(case: &Case, call: &str, fault: &str, at: u64) -> (Option<i32>, String, bool) {
    let trace = case.shop.path("trace");
    let mut command = Command::new("strace");
    case.shop.dress(&mut command);
    command.args(["-f", "-qq", "-o"]).arg(&trace).arg(format!("--trace={call}")).arg(format!("--inject={call}:{fault}:when={at}"));
    command.arg(env!("CARGO_BIN_EXE_ganger")).args(&case.args).args(["--request-id", "faulted"]);
    let output = command.output().expect("strace runs: scripts/test installs it");
    let reached = std::fs::read_to_string(&trace).unwrap_or_default();
    let reached = reached.contains("INJECTED") || reached.contains("killed by SIGKILL");
    (output.status.code(), format!("{}{}", text(&output.stdout), text(&output.stderr)), reached)
}

fn try_all(fault: &str, calls: &[&str], stride: u64, mut judge: impl FnMut(&str, Option<i32>, &str)) -> u64 {
    let mut points = 0;
    for (number, (name, args)) in COMMANDS.iter().enumerate() {
        let wanted = {
            let case = prepare(args);
            let args: Vec<&str> = case.args.iter().map(String::as_str).chain(["--request-id", "faulted"]).collect();
            case.shop.ok(&args);
            picture(&case.shop)
        };
        for call in calls {
            // The first point always, the others in turn.
            let mut at = 1;
            loop {
                let case = prepare(args);
                let (code, said, reached) = with_fault(&case, call, fault, at);
                let place = format!("{name}, {fault} at {call} number {at}");
                if !reached {
                    assert_eq!(code, Some(0), "{place}: {said}");
                    break;
                }
                points += 1;
                judge(&place, code, &said);
                case.shop.audit();
                // The same call again: whatever happened the first time, now it has happened once.
                let args: Vec<&str> = case.args.iter().map(String::as_str).chain(["--request-id", "faulted"]).collect();
                let again = case.shop.run(&args);
                if *name == "claim" && text(&again.stderr).contains("is over") {
                    // Its brief could not be written, so it was given back: the repeat says so, and the task can be had.
                    case.shop.claim("w");
                    case.shop.audit();
                    at += stride;
                    continue;
                }
                assert!(again.status.success(), "{place}, repeated: {:?} {}", again.status, text(&again.stderr));
                assert_eq!(picture(&case.shop), wanted, "{place}");
                case.shop.audit();
                at += if at == 1 { 1 + (number as u64) % stride } else { stride };
            }
        }
    }
    points
}

/// In a test run every so manieth point; `GANGER_FAULT_STRIDE=1` tries them all.
fn stride(sample: u64) -> u64 {
    rounds("GANGER_FAULT_STRIDE", sample).max(1)
}

#[test]
fn a_command_killed_at_any_system_call_has_happened_or_not_and_can_be_repeated() {
    let calls = if stride(7) == 1 { CALLS } else { &CALLS[..6] };
    let points = try_all("signal=KILL", calls, stride(7), |place, code, said| {
        assert!(code.is_none() || code == Some(137), "{place}: {code:?} {said}");
    });
    assert!(points >= 40, "only {points} points were tried");
}

#[test]
fn a_full_or_broken_disk_is_told_and_loses_nothing() {
    for fault in ["error=ENOSPC", "error=EIO"] {
        let points = try_all(fault, &["fdatasync", "pwrite64", "write"], stride(9), |place, code, said| {
            // Either it went round the trouble, or it says what is wrong: never a panic, never a lie.
            assert!(matches!(code, Some(0 | 1 | 5 | 75)), "{place}: {code:?} {said}");
            assert!(!said.contains("panicked"), "{place}: {said}");
            // The first sync is the commit: whether it is on disk nobody can tell, so it is asked again, or called unknown (G3, T8).
            if place.ends_with("at fdatasync number 1") {
                assert!(matches!(code, Some(0 | 75)), "{place}: {code:?} {said}");
            }
        });
        assert!(points >= 10, "only {points} points were tried with {fault}");
    }
}

#[test]
fn a_confirmed_change_was_synced() {
    let case = prepare(&["add", "new"]);
    let trace = case.shop.path("trace");
    let mut command = Command::new("strace");
    case.shop.dress(&mut command);
    command.args(["-f", "-qq", "-o"]).arg(&trace).args(["--trace=fdatasync,fsync", env!("CARGO_BIN_EXE_ganger"), "add", "synced"]);
    assert!(command.status().unwrap().success());
    assert!(std::fs::read_to_string(&trace).unwrap().contains("sync("), "the log was not synced before the id was printed");
}
