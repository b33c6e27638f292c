//! Streams: each event once and in order, quiet ends, readers that go, waits that end when it is time.

use std::io::{BufRead, BufReader, Read};
use std::process::Child;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::desk::Desk;

/// A child that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    fn start(desk: &Desk, args: &[&str]) -> Self {
        Self(desk.command(args).spawn().unwrap())
    }

    fn lines(&mut self) -> std::io::Lines<BufReader<std::process::ChildStdout>> {
        BufReader::new(self.0.stdout.take().unwrap()).lines()
    }

    /// The exit code, soon; none after a signal.
    #[track_caller]
    fn ended(&mut self) -> Option<i32> {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(30) {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        unreachable!("it does not end");
    }

    fn signal(&self, name: &str) {
        assert!(std::process::Command::new("kill").args([name, &self.0.id().to_string()]).status().unwrap().success());
    }

    fn errors(&mut self) -> String {
        let mut text = String::new();
        self.0.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        text
    }
}

#[test]
fn a_follower_sees_each_event_once_and_in_order() {
    let desk = Desk::new();
    desk.ok(&["add", "before"]);
    let mut log = Running::start(&desk, &["log", "-f", "--json"]);
    let mut lines = log.lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    assert_eq!(next()["data"]["title"], "before");
    std::thread::scope(|scope| {
        for writer in 0..3 {
            let desk = &desk;
            scope.spawn(move || {
                for number in 0..10 {
                    desk.ok(&["say", &format!("{writer} {number}")]);
                }
            });
        }
        for seq in 2..=31 {
            assert_eq!(next()["seq"], seq);
        }
    });
    log.signal("-INT");
    assert_eq!(log.ended(), Some(0));
    assert_eq!(log.errors(), "", "a quiet end");
}

#[test]
fn followers_start_where_they_are_told() {
    let desk = Desk::new();
    for text in ["one", "two", "three"] {
        desk.ok(&["say", text]);
    }
    let mut newest = Running::start(&desk, &["log", "-f", "--limit", "1", "--json"]);
    let mut messages = Running::start(&desk, &["messages", "-f", "--limit", "0", "--json"]);
    let mut bounded = Running::start(&desk, &["log", "-f", "--after", "2", "--limit", "2", "--json"]);
    let (mut newest_lines, mut message_lines) = (newest.lines(), messages.lines());
    assert!(newest_lines.next().unwrap().unwrap().contains("three"));
    // The messages begin with what comes after they were asked for; that moment is not seen from here, so it is tried again.
    let seen = std::thread::scope(|scope| {
        let reader = scope.spawn(move || message_lines.next().unwrap().unwrap());
        while !reader.is_finished() {
            desk.ok(&["say", "later"]);
        }
        reader.join().unwrap()
    });
    assert!(seen.contains("later"), "{seen}");
    assert!(newest_lines.next().unwrap().unwrap().contains("later"));
    assert_eq!(bounded.ended(), Some(0), "so many and no more");
    assert_eq!(bounded.lines().count(), 2);
    messages.signal("-TERM");
    newest.signal("-TERM");
    assert_eq!((messages.ended(), newest.ended()), (Some(0), Some(0)));
}

#[test]
fn a_reader_that_goes_ends_a_follower_although_nothing_happens() {
    let desk = Desk::new();
    desk.ok(&["say", "hello"]);
    for args in [&["log", "-f"] as &[&str], &["messages", "-f"]] {
        let mut log = Running::start(&desk, args);
        let mut lines = log.lines();
        assert!(lines.next().unwrap().unwrap().contains("hello"));
        drop(lines);
        assert_eq!(log.ended(), Some(0), "{args:?}");
        assert_eq!(log.errors(), "", "{args:?}");
    }
}

#[test]
fn a_reader_that_goes_is_no_error_anywhere() {
    let desk = Desk::new();
    for _ in 0..3 {
        desk.ok(&["add", &"long ".repeat(199)]);
    }
    for args in [
        &["list"] as &[&str],
        &["list", "--json"],
        &["log"],
        &["status"],
        &["show", "T-001"],
        &["graph"],
        &["--help"],
        &["completions", "bash"],
    ] {
        let mut child = Running::start(&desk, args);
        drop(child.0.stdout.take());
        assert_eq!(child.ended(), Some(0), "{args:?}");
        assert_eq!(child.errors(), "", "{args:?}");
    }
}

#[test]
fn poll_ends_the_moment_that_all_is_done_or_lost() {
    let desk = Desk::new();
    for title in ["a", "b", "c"] {
        desk.ok(&["add", title, "--attempts", "1"]);
    }
    let first = desk.claim("amp", "T-001");
    let second = desk.claim("amp", "T-002");
    let third = desk.claim("amp", "T-003");
    desk.ok(&["block", &second, "--reason", "question", "--note", "which?"]);
    let begun = Instant::now();
    let mut both = Running::start(&desk, &["poll", "T-001", "T-002", "--every", "1h"]);
    let mut lost = Running::start(&desk, &["poll", "--every", "1h"]);
    let mut lines = both.lines();
    let mut next = || desk.normal(&lines.next().unwrap().unwrap());
    assert_eq!((next(), next()), ("<hour> T-001: IN_PROGRESS".to_owned(), "<hour> T-002: BLOCKED".to_owned()));
    desk.ok(&["complete", &first]);
    desk.ok(&["answer", "T-002", "the red one"]);
    let second = desk.claim("amp", "T-002");
    assert_eq!(both.0.try_wait().unwrap(), None, "what is blocked can go on");
    desk.ok(&["complete", &second]);
    assert_eq!((next(), next()), ("<hour> T-001: COMPLETED".to_owned(), "<hour> T-002: COMPLETED".to_owned()));
    assert_eq!(both.ended(), Some(0));
    assert_eq!(lost.0.try_wait().unwrap(), None);
    desk.ok(&["fail", &third]);
    assert_eq!(lost.ended(), Some(1));
    assert!(begun.elapsed() < Duration::from_secs(600), "nobody waited for the interval");
}

#[test]
fn poll_goes_on_round_after_round_and_an_interrupt_is_no_success() {
    let desk = Desk::new();
    desk.ok(&["add", "a"]);
    let mut poll = Running::start(&desk, &["poll", "--every", "20ms"]);
    let mut lines = poll.lines();
    for _ in 0..4 {
        assert!(lines.next().unwrap().unwrap().ends_with(" T-001: PENDING"));
    }
    poll.signal("-INT");
    assert_eq!(poll.ended(), Some(1));
    assert_eq!(poll.errors(), "");
}

#[test]
fn a_dead_worker_is_seen_by_whoever_looks_next() {
    for look in [&["status"] as &[&str], &["list"], &["show", "T-001"], &["graph"]] {
        let desk = Desk::new();
        desk.ok(&["add", "a", "--run", "exec sleep 600"]);
        let mut worker = Running::start(&desk, &["work", "--worker", "amp"]);
        // Ends with the first claim.
        desk.ok(&["log", "-f", "--after", "0", "--limit", "1", "--kind", "task_claimed"]);
        worker.signal("-KILL");
        assert_eq!(worker.ended(), None, "by a signal");
        desk.ok(look);
        let kinds: Vec<Value> = desk.stream(&["log"]).into_iter().map(|event| event["kind"].clone()).collect();
        assert!(kinds.contains(&"worker_lost".into()), "{look:?}: {kinds:?}");
        let status = desk.json(&["status"]);
        assert_eq!((&status["counts"]["PENDING"], &status["workers"][0]["state"]), (&1.into(), &"gone".into()), "{look:?}");
    }
}
