//! What is believed of a worker, how long that lasts, and the arithmetic of idle and run time.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use super::*;

const PATIENCE: Patience = Patience { process: Duration::from_secs(120), pull: Duration::from_secs(180) };

fn at(seconds: i64) -> StoreTime {
    StoreTime(1_000_000 + seconds * 1_000)
}

/// A shell worker that was put on the roster and never heard of.
fn worker() -> Worker {
    Worker {
        name: "amp".parse().unwrap(),
        number: 1,
        driver: Driver::Shell,
        agent: None,
        target: None,
        can: Vec::new(),
        thinks: false,
        paused: false,
        limited_until: None,
        lost_at: None,
        registered_at: Timestamp(0),
        seen_at: None,
        last_heartbeat_at: None,
        last_claimed_at: None,
        last_completed_at: None,
        turned_at: None,
        runtime_ms: 0,
        holding: 0,
    }
}

/// The same, heard of at second 0.
fn seen() -> Worker {
    Worker { seen_at: Some(at(0)), ..worker() }
}

fn state(worker: &Worker, seconds: i64) -> WorkerState {
    worker.belief(at(seconds), PATIENCE).state
}

#[test]
fn silence_means_gone_sooner_for_a_process_than_for_a_person() {
    for (driver, patience) in [(Driver::Pull, 180), (Driver::Shell, 120), (Driver::Headless, 120), (Driver::Tmux, 120)] {
        let worker = Worker { driver, ..seen() };
        assert_eq!(state(&worker, patience), WorkerState::Idle, "{driver}");
        assert_eq!(worker.belief(StoreTime(at(patience).0 + 1), PATIENCE).state, WorkerState::Gone, "{driver}");
    }
    assert_eq!(Driver::ALL.len(), 4, "a new driver belongs into this test");
}

#[test]
fn what_is_known_best_decides() {
    let paused = Worker { paused: true, lost_at: Some(at(0)), limited_until: Some(at(99)), holding: 1, ..seen() };
    assert_eq!(state(&paused, 1), WorkerState::Paused, "a person's word is above all");
    let lost = Worker { paused: false, ..paused };
    assert_eq!(state(&lost, 1), WorkerState::Gone, "its process ended, whatever it held");
    let limited = Worker { lost_at: None, ..lost };
    assert_eq!(state(&limited, 98), WorkerState::Limited);
    assert_eq!(state(&limited, 99), WorkerState::Busy, "the limit is over at its last millisecond");
    let idle = Worker { holding: 0, ..limited };
    assert_eq!(state(&idle, 99), WorkerState::Idle);
}

#[test]
fn unknown_is_not_idle_and_never_becomes_gone_by_itself() {
    for seconds in [0, 1_000, 1_000_000] {
        assert_eq!(state(&worker(), seconds), WorkerState::Unknown);
    }
    assert_eq!(worker().away_since(at(1_000_000), PATIENCE), None);
}

#[test]
fn who_holds_a_claim_is_busy_however_long_it_is_silent() {
    let busy = Worker { holding: 1, ..seen() };
    assert_eq!(state(&busy, 100_000), WorkerState::Busy, "its lease decides, not its silence");
}

#[test]
fn each_belief_says_why() {
    let why = |worker: Worker, seconds| worker.belief(at(seconds), PATIENCE).why;
    let lines = [
        why(worker(), 5),
        why(seen(), 5),
        why(seen(), 7_200),
        why(Worker { holding: 1, ..seen() }, 5),
        why(Worker { holding: 3, ..seen() }, 5),
        why(Worker { limited_until: Some(at(3_605)), ..seen() }, 5),
        why(Worker { lost_at: Some(at(1)), ..seen() }, 5),
        why(Worker { paused: true, ..seen() }, 5),
    ];
    insta::assert_snapshot!(lines.join("\n"), @r#"
    on the roster, never seen
    holds nothing, last heard 5s ago
    last heard 2h ago
    holds a claim
    holds 3 claims
    out of credit or rate-limited for another 1h
    its process ended 4s ago
    set aside by `ganger workers pause`
    "#);
}

#[test]
fn away_is_counted_from_the_last_that_was_heard() {
    let since = |worker: Worker, seconds| worker.away_since(at(seconds), PATIENCE);
    assert_eq!(since(seen(), 120), None);
    assert_eq!(since(seen(), 121), Some(at(0)));
    assert_eq!(since(Worker { lost_at: Some(at(50)), ..seen() }, 51), Some(at(50)));
    assert_eq!(since(Worker { paused: true, lost_at: Some(at(50)), ..seen() }, 51), None, "a paused worker is not away");
    assert_eq!(since(Worker { holding: 1, ..seen() }, 9_999), None);
}

#[test]
fn capabilities_are_all_needed() {
    let caps = |text: &str| text.split_whitespace().map(|word| word.parse().unwrap()).collect::<Vec<Capability>>();
    let worker = Worker { can: caps("backend sql"), ..worker() };
    for (needs, lacks) in [("", ""), ("sql", ""), ("SQL backend", ""), ("css", "css"), ("backend css rust", "css rust")] {
        assert_eq!(worker.has(&caps(needs)), lacks.is_empty(), "{needs}");
        assert_eq!(worker.lacks(&caps(needs)), caps(lacks), "{needs}");
    }
}

#[test]
fn idle_time_stands_still_during_work_and_run_time_while_idle() {
    let sight = |worker: &Worker, seconds| {
        let sight = worker.sight(at(seconds), None);
        (sight.idle.as_secs(), sight.runtime.as_secs())
    };
    let idle = Worker { turned_at: Some(at(10)), runtime_ms: 30_000, ..seen() };
    assert_eq!([sight(&idle, 10), sight(&idle, 70)], [(0, 30), (60, 30)]);
    let busy = Worker { holding: 1, ..idle.clone() };
    assert_eq!([sight(&busy, 10), sight(&busy, 70)], [(0, 30), (0, 90)]);
    assert_eq!(sight(&idle, 5), (0, 30), "a clock that seems to go back shows no time");
    assert_eq!(sight(&worker(), 1_000), (0, 0), "who never began is not idle since the beginning");
    assert_eq!(busy.sight(at(70), Some(TaskId(4))).task, Some(TaskId(4)));
}
