//! Who may have what, as a table of lanes against what the right worker is doing; the timing of the fallback; and which task comes first.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use proptest::prelude::*;

use super::*;
use crate::time::Timestamp;
use crate::worker::Driver;

const LIMITS: Limits = Limits {
    fallback_after: Duration::from_secs(180),
    patience: Patience { process: Duration::from_secs(120), pull: Duration::from_secs(180) },
};

fn at(seconds: i64) -> StoreTime {
    StoreTime(1_000_000 + seconds * 1_000)
}

/// The moment of every question; everything before it is in seconds below zero.
fn now() -> StoreTime {
    at(0)
}

fn caps(text: &str) -> Vec<Capability> {
    text.split_whitespace().map(|word| word.parse().unwrap()).collect()
}

/// An agent that was just heard of.
fn agent(name: &str, can: &str) -> Worker {
    Worker {
        name: name.parse().unwrap(),
        number: 1,
        driver: Driver::Headless,
        agent: Some("claude".to_owned()),
        target: None,
        can: caps(can),
        thinks: true,
        paused: false,
        limited_until: None,
        lost_at: None,
        registered_at: Timestamp(0),
        seen_at: Some(now()),
        last_heartbeat_at: None,
        last_claimed_at: None,
        last_completed_at: None,
        turned_at: None,
        runtime_ms: 0,
        holding: 0,
    }
}

/// A worker that runs commands and nothing else.
fn shell(name: &str, can: &str) -> Worker {
    Worker { driver: Driver::Shell, agent: None, thinks: false, ..agent(name, can) }
}

fn lane(assignee: &str, needs: &str) -> LaneKey {
    LaneKey { assignee: (!assignee.is_empty()).then(|| assignee.parse().unwrap()), needs: caps(needs), runs: false, waits: false }
}

/// What the right worker is doing when another one asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    Idle,
    Busy,
    Paused,
    LostJustNow,
    LostLongAgo,
    SilentFor,
    LimitedHeardOf,
    LimitedSilent,
    Unknown,
    NotOnRoster,
}

const DOINGS: [(Doing, &str); 10] = [
    (Doing::Idle, "idle"),
    (Doing::Busy, "busy"),
    (Doing::Paused, "paused"),
    (Doing::LostJustNow, "lost 10s"),
    (Doing::LostLongAgo, "lost 180s"),
    (Doing::SilentFor, "silent 179s"),
    (Doing::LimitedHeardOf, "limited"),
    (Doing::LimitedSilent, "limited 999s"),
    (Doing::Unknown, "unknown"),
    (Doing::NotOnRoster, "not there"),
];

/// The worker doing that; `None` when it is not on the roster.
fn doing(worker: Worker, what: Doing) -> Option<Worker> {
    let is = |state: WorkerState, worker: Worker| {
        assert_eq!(worker.belief(now(), LIMITS.patience).state, state);
        Some(worker)
    };
    match what {
        Doing::Idle => is(WorkerState::Idle, worker),
        Doing::Busy => is(WorkerState::Busy, Worker { holding: 1, ..worker }),
        Doing::Paused => is(WorkerState::Paused, Worker { paused: true, lost_at: Some(at(-999)), ..worker }),
        Doing::LostJustNow => is(WorkerState::Gone, Worker { lost_at: Some(at(-10)), ..worker }),
        Doing::LostLongAgo => is(WorkerState::Gone, Worker { lost_at: Some(at(-180)), ..worker }),
        Doing::SilentFor => is(WorkerState::Gone, Worker { seen_at: Some(at(-179)), ..worker }),
        Doing::LimitedHeardOf => is(WorkerState::Limited, Worker { limited_until: Some(at(3_600)), ..worker }),
        Doing::LimitedSilent => is(WorkerState::Limited, Worker { limited_until: Some(at(3_600)), seen_at: Some(at(-999)), ..worker }),
        Doing::Unknown => is(WorkerState::Unknown, Worker { seen_at: None, ..worker }),
        Doing::NotOnRoster => None,
    }
}

#[test]
fn every_belief_has_its_column() {
    for state in WorkerState::ALL {
        let columns: &[Doing] = match state {
            WorkerState::Idle => &[Doing::Idle],
            WorkerState::Busy => &[Doing::Busy],
            // Only a driver that reads a pane can see it; the rules take it for busy.
            WorkerState::Waiting => &[],
            WorkerState::Limited => &[Doing::LimitedHeardOf, Doing::LimitedSilent],
            WorkerState::Paused => &[Doing::Paused],
            WorkerState::Gone => &[Doing::LostJustNow, Doing::LostLongAgo, Doing::SilentFor],
            WorkerState::Unknown => &[Doing::Unknown],
        };
        for &column in columns {
            assert!(doing(agent("right", ""), column).is_some() && DOINGS.iter().any(|(doing, _)| *doing == column));
        }
    }
}

#[test]
fn who_may_have_what_while_the_right_worker_does_what() {
    // In each row `me` asks for a task of the lane, and `right` is the worker that it is meant for.
    let me = || agent("me", "sql");
    let helper = agent("helper", "css");
    let to_command = |key: LaneKey| LaneKey { runs: true, ..key };
    let waits = |key: LaneKey| LaneKey { waits: true, ..key };
    let rows: Vec<(&str, LaneKey, Worker, Worker, Vec<Worker>)> = vec![
        ("for everybody", lane("", ""), me(), agent("right", ""), vec![]),
        ("needs what I can", lane("", "sql"), me(), agent("right", "sql"), vec![]),
        ("assigned to me", lane("me", "css"), me(), agent("right", "css"), vec![]),
        ("needs what right can", lane("", "css"), me(), agent("right", "css"), vec![]),
        ("  and helper", lane("", "css"), me(), agent("right", "css"), vec![helper.clone()]),
        ("  and waits", waits(lane("", "css")), me(), agent("right", "css"), vec![]),
        ("assigned, I can", lane("right", "sql"), me(), agent("right", "sql"), vec![]),
        ("assigned, I lack", lane("right", "css"), me(), agent("right", "css"), vec![]),
        ("  right lacks too", lane("right", "css"), me(), agent("right", ""), vec![]),
        ("  helper can", lane("right", "css"), me(), agent("right", "css"), vec![helper]),
        ("  and waits", waits(lane("right", "sql")), me(), agent("right", "sql"), vec![]),
        ("to a shell, I can", lane("right", "sql"), me(), shell("right", "sql"), vec![]),
        ("to a shell, I lack", lane("right", "css"), me(), shell("right", "css"), vec![]),
        ("shell: no command", lane("", ""), shell("me", ""), agent("right", ""), vec![]),
        ("shell: command", to_command(lane("", "")), shell("me", ""), agent("right", ""), vec![]),
        ("shell: to right", lane("right", ""), shell("me", ""), agent("right", ""), vec![]),
        ("shell: to right, cmd", to_command(lane("right", "")), shell("me", ""), agent("right", ""), vec![]),
    ];
    let mut table = format!("{:<22}", "");
    DOINGS.iter().for_each(|(_, word)| table.push_str(&format!("{word:<13}")));
    for (title, key, me, right, others) in rows {
        table.push_str(&format!("\n{title:<22}"));
        for (what, _) in DOINGS {
            let roster: Vec<Worker> = [me.clone()].into_iter().chain(doing(right.clone(), what)).chain(others.clone()).collect();
            let word = match reach(&key, &me, &roster, now(), LIMITS) {
                Reach::Own => "own",
                Reach::Instead => "instead",
                Reach::ReadySince(since) => {
                    assert_eq!(since, at(-180));
                    "after 180s"
                }
                // In the table it is nothing: now there is nothing to have.
                Reach::NotYet(left) => {
                    let expected = if what == Doing::SilentFor { 1 } else { 170 };
                    assert_eq!(left, Duration::from_secs(expected), "{title}, {what:?}");
                    "-"
                }
                Reach::Nothing => "-",
            };
            table.push_str(&format!("{word:<13}"));
        }
    }
    let table: Vec<&str> = table.lines().map(str::trim_end).collect();
    insta::assert_snapshot!(table.join("\n"), @r#"
                          idle         busy         paused       lost 10s     lost 180s    silent 179s  limited      limited 999s unknown      not there
    for everybody         own          own          own          own          own          own          own          own          own          own
    needs what I can      own          own          own          own          own          own          own          own          own          own
    assigned to me        own          own          own          own          own          own          own          own          own          own
    needs what right can  -            -            -            -            after 180s   -            after 180s   after 180s   after 180s   after 180s
      and helper          -            -            -            -            -            -            -            -            -            -
      and waits           -            -            -            -            -            -            -            -            -            -
    assigned, I can       -            -            -            instead      instead      instead      instead      instead      after 180s   after 180s
    assigned, I lack      -            -            -            -            after 180s   -            after 180s   after 180s   after 180s   after 180s
      right lacks too     -            -            -            -            after 180s   -            after 180s   after 180s   after 180s   after 180s
      helper can          -            -            -            -            -            -            -            -            after 180s   after 180s
      and waits           -            -            -            -            -            -            -            -            -            -
    to a shell, I can     instead      instead      instead      instead      instead      instead      instead      instead      instead      after 180s
    to a shell, I lack    after 180s   after 180s   after 180s   after 180s   after 180s   after 180s   after 180s   after 180s   after 180s   after 180s
    shell: no command     -            -            -            -            -            -            -            -            -            -
    shell: command        own          own          own          own          own          own          own          own          own          own
    shell: to right       -            -            -            -            -            -            -            -            -            -
    shell: to right, cmd  -            -            -            instead      instead      instead      instead      instead      after 180s   after 180s
    "#);
}

#[test]
fn the_fallback_comes_when_the_last_who_could_has_been_away_for_long_enough() {
    let (key, me) = (lane("", "css"), agent("me", ""));
    let left = |seconds: i64| Worker { lost_at: Some(at(seconds)), ..agent("gone", "css") };
    let roster = [me.clone(), left(-5_000), left(0)];
    for (seconds, left) in [(0, 180), (179, 1), (180, 0), (9_999, 0)] {
        let reached = reach(&key, &me, &roster, at(seconds), LIMITS);
        let expected = if left == 0 { Reach::ReadySince(at(seconds - 180)) } else { Reach::NotYet(Duration::from_secs(left)) };
        assert_eq!(reached, expected, "{seconds} s after the last one left");
    }
}

#[test]
fn what_was_given_back_is_left_to_others_only_while_one_is_there() {
    let me = agent("me", "sql");
    let can = |key: LaneKey, others: Vec<Worker>| {
        let roster: Vec<Worker> = [me.clone()].into_iter().chain(others).collect();
        others_can(&key, &me.name, &roster, now(), LIMITS)
    };
    assert!(!can(lane("", "sql"), vec![]), "it is alone");
    for (what, word) in DOINGS {
        let others: Vec<Worker> = doing(agent("right", "sql"), what).into_iter().collect();
        assert_eq!(can(lane("", "sql"), others), matches!(what, Doing::Idle | Doing::Busy), "{word}");
    }
    assert!(!can(lane("", "sql"), vec![agent("right", "css")]), "the other lacks what it needs");
    assert!(!can(lane("", "sql"), vec![shell("right", "sql")]), "the other runs commands only");
    assert!(!can(lane("me", ""), vec![agent("right", "")]), "it is assigned to the one who gave it back");
    let gone = Worker { lost_at: Some(at(-1)), ..agent("gone", "sql") };
    assert!(can(lane("gone", "sql"), vec![gone.clone(), agent("right", "sql")]), "two can do it instead of one who is gone");
    assert!(!can(lane("gone", "sql"), vec![gone, agent("right", "css")]), "the other would have to wait for the fallback");
}

#[test]
fn order_is_phase_then_priority_then_path_then_age() {
    let rank = |phase, priority, path, id| Rank { phase, priority, path: std::cmp::Reverse(path), id: TaskId(id) };
    let ordered = [
        rank(1, Priority::High, 9, 7),
        rank(1, Priority::High, 5, 2),
        rank(1, Priority::High, 5, 3),
        rank(1, Priority::Med, 100, 1),
        rank(1, Priority::Low, 100, 4),
        rank(2, Priority::High, 1_000, 5),
    ];
    for (index, earliest) in ordered.iter().enumerate() {
        assert_eq!(first(ordered.iter().rev().copied().take(ordered.len() - index)), Some(*earliest));
    }
    assert_eq!(first([]), None);
}

fn workers() -> impl Strategy<Value = Vec<Worker>> {
    let one = (any::<bool>(), prop::sample::select(vec!["", "css", "sql", "css sql"]), prop::sample::select(DOINGS.to_vec()));
    prop::collection::vec(one, 1..5).prop_map(|specs| {
        let named = specs.into_iter().enumerate().filter_map(|(index, (thinks, can, (what, _)))| {
            let name = format!("w{index}");
            doing(if thinks { agent(&name, can) } else { shell(&name, can) }, what)
        });
        named.collect()
    })
}

fn lanes() -> impl Strategy<Value = LaneKey> {
    let assignee = prop::sample::select(vec!["", "w0", "w1", "w9"]);
    (assignee, prop::sample::select(vec!["", "css", "css sql"]), any::<bool>())
        .prop_map(|(assignee, needs, runs)| LaneKey { runs, ..lane(assignee, needs) })
}

proptest! {
    /// G8: a task that has been ready for long is refused to an idle worker who could do it only while one with a better right is there.
    #[test]
    fn nobody_waits_for_a_worker_that_cannot_come(key in lanes(), roster in workers()) {
        let long_after = at(100_000);
        let is_there = |worker: &Worker| match worker.belief(long_after, LIMITS.patience).state {
            WorkerState::Idle | WorkerState::Busy | WorkerState::Waiting | WorkerState::Paused => true,
            WorkerState::Limited | WorkerState::Gone | WorkerState::Unknown => false,
        };
        for me in &roster {
            let me = Worker { seen_at: Some(long_after), paused: false, limited_until: None, lost_at: None, holding: 0, ..me.clone() };
            let roster: Vec<Worker> = roster.iter().map(|other| if other.name == me.name { me.clone() } else { other.clone() }).collect();
            let better = |other: &Worker| is_there(other) && is_possible(&key, other) && (is_own(&key, other) || other.has(&key.needs));
            let refused = reach(&key, &me, &roster, long_after, LIMITS) == Reach::Nothing;
            if refused && is_possible(&key, &me) {
                prop_assert!(roster.iter().any(better), "{} waits, and nobody will come", me.name);
            }
        }
    }

    /// Whoever may have a task without waiting can do it, or it is meant for that worker.
    #[test]
    fn nobody_gets_at_once_what_it_cannot_do(key in lanes(), roster in workers()) {
        for me in &roster {
            match reach(&key, me, &roster, now(), LIMITS) {
                Reach::Own | Reach::Instead => prop_assert!(is_possible(&key, me) && (me.has(&key.needs) || key.assignee.as_ref() == Some(&me.name))),
                Reach::ReadySince(_) => prop_assert!(is_possible(&key, me) && !is_own(&key, me)),
                Reach::NotYet(left) => prop_assert!(!is_own(&key, me) && left <= LIMITS.fallback_after),
                Reach::Nothing => prop_assert!(!is_own(&key, me)),
            }
        }
    }
}
