//! How it stands as a whole, what came of tests, what it cost.

use super::*;

#[test]
fn the_outcome_follows_from_the_tasks_and_the_newest_run() {
    let began = (EventKind::RunStarted, "");
    let ended = |word| (EventKind::RunFinished, word);
    let open = || vec![completed(1, 5), pending(2)];
    type Case<'c> = (&'c str, Vec<Owned>, Vec<(EventKind, &'c str)>, Outcome);
    let cases: Vec<Case<'_>> = vec![
        ("no task", vec![], vec![], Outcome::Nothing),
        ("a run without a task", vec![], vec![began, ended("done")], Outcome::Nothing),
        ("nobody began", vec![pending(1)], vec![], Outcome::NotBegun),
        ("somebody works without a run", vec![running(1)], vec![], Outcome::UnderWay),
        ("a run", open(), vec![began], Outcome::UnderWay),
        ("a run after another", open(), vec![began, ended("unfinished"), began], Outcome::UnderWay),
        ("a run that ended", open(), vec![began, ended("unfinished")], Outcome::Unfinished),
        ("it said done, and then something was added", open(), vec![began, ended("done")], Outcome::Unfinished),
        ("somebody works after the run", vec![running(1)], vec![began, ended("unfinished")], Outcome::UnderWay),
        ("a run that was stopped", open(), vec![began, ended("stopped")], Outcome::Stopped),
        ("everything is done, and the run says nothing yet", vec![completed(1, 5)], vec![began], Outcome::Done),
        ("a person cancelled the rest", vec![completed(1, 5), cancelled(2)], vec![began, ended("done")], Outcome::Done),
        ("a failure is no end", vec![failed(1, FailReason::Check)], vec![began, ended("unfinished")], Outcome::Unfinished),
        ("the word of a run is foreign text", open(), vec![began, ended("| stopped |")], Outcome::Unfinished),
    ];
    for (case, tasks, events, expected) in cases {
        let mut world = World { tasks, ..World::default() };
        for (kind, word) in events {
            world.happened(1, kind, None, None, &[("outcome", word)]);
        }
        assert_eq!(world.report().outcome, expected, "{case}");
    }
}

#[test]
fn tests_that_nobody_wanted_keep_nothing_open() {
    let mut world = World { without_tests: true, ..World::default() };
    world.add(completed(1, 5)).add(pending(2).kind(Kind::Test, 1).after(&[1]));
    let report = world.report();
    assert_eq!((report.outcome, report.tests_wanted, report.percent), (Outcome::Done, false, 50));
}

#[test]
fn percent_is_of_what_nobody_cancelled_and_rounded_down() {
    let mut world = World::default();
    assert_eq!(world.report().percent, 0);
    world.add(completed(1, 5)).add(completed(2, 6)).add(pending(3)).add(cancelled(4));
    assert_eq!((world.report().percent, world.report().wanted()), (66, 3));
}

#[test]
fn every_test_has_a_verdict() {
    let test = |owned: Owned| owned.kind(Kind::Test, 1).after(&[1, 9]);
    let cases = [
        (test(completed(2, 7)), completed(9, 6), Verdict::Passed),
        (test(failed(2, FailReason::Cycles)), completed(9, 6), Verdict::Failed),
        (test(running(2)), completed(9, 6), Verdict::Running),
        (test(pending(2).once_failed()), pending(9), Verdict::Repairing),
        (test(pending(2).once_failed()), running(9), Verdict::Repairing),
        (test(pending(2).once_failed()), blocked(9, BlockReason::Question), Verdict::Repairing),
        (test(pending(2).once_failed()).behind_dead(), failed(9, FailReason::Reported), Verdict::Failed),
        (test(pending(2)), completed(9, 6), Verdict::NotRun),
        (test(pending(2)).behind_dead(), completed(9, 6), Verdict::NotRun),
        (test(blocked(2, BlockReason::Credits)), completed(9, 6), Verdict::NotRun),
        (test(cancelled(2)), completed(9, 6), Verdict::NotRun),
    ];
    for (test, fix, expected) in cases {
        let shown = format!("{:?} behind {:?}", test.task.status(), fix.task.status());
        let fix_status = fix.task.status();
        let mut world = World::default();
        world.add(completed(1, 5)).add(test).add(completed(3, 5)).add(cancelled(4)).add(fix.kind(Kind::Fix, 1));
        let report = world.report();
        let [line] = report.tests.as_slice() else { panic!("one test is told: {:?}", report.tests) };
        assert_eq!(line.verdict, expected, "{shown}");
        assert_eq!((line.feature, line.title.as_str()), (Some(TaskId(1)), "task 1"));
        assert_eq!(line.fixes, [Fix { id: TaskId(9), status: fix_status }]);
        assert_eq!(report.untested, [TaskId(3)], "a feature that was cancelled needs no test");
        assert_eq!(report.tasks.iter().map(|line| (line.id.0, line.tested_by)).collect::<Vec<_>>()[0], (1, Some(TaskId(2))));
        assert_eq!(report.tasks.len(), 3, "tests and their repairs are told as tests");
    }
}

#[test]
fn costs_are_the_sum_of_what_was_told() {
    let told = |id, cost_usd, tokens| Owned { result: Some(TaskResult { cost_usd, tokens, ..TaskResult::default() }), ..completed(id, 5) };
    let mut world = World::default();
    world.add(completed(1, 5)).add(told(2, None, None));
    assert_eq!(world.report().cost, Cost::default());
    world.add(told(3, Some(0.25), Some((10, 2)))).add(told(4, Some(0.5), None)).add(told(5, None, Some((u64::MAX, 1))));
    world.add(told(6, Some(f64::NAN), None)).add(told(7, Some(f64::INFINITY), None));
    assert_eq!(world.report().cost, Cost { usd: Some(0.75), tokens: Some((u64::MAX, 3)), told_by: 3 });
}

#[test]
fn problems_are_told_by_class() {
    let mut world = World::default();
    world
        .add(failed(1, FailReason::Check))
        .add(failed(2, FailReason::Quarantined))
        .add(blocked(3, BlockReason::Credits))
        .add(pending(4).after(&[1]).behind_dead())
        .add(completed(5, 9));
    world.happened(1, EventKind::TaskClaimed, Some(5), Some("W"), &[]);
    world.happened(2, EventKind::TaskExpired, Some(5), Some("W"), &[("reason", "lease")]);
    world.happened(3, EventKind::TaskClaimed, Some(5), Some("V"), &[]);
    world.happened(3, EventKind::TaskFellBack, Some(5), Some("V"), &[("lacking", "web, db")]);
    world.happened(4, EventKind::WorkerLost, None, Some("W"), &[("why", "gone")]);
    world.happened(5, EventKind::WorkerLost, None, Some("W"), &[("why", "gone again")]);
    let problems = world.report().problems;
    let ids = |list: &[Failed]| list.iter().map(|task| task.id.0).collect::<Vec<_>>();
    assert_eq!((ids(&problems.failures), ids(&problems.quarantined)), (vec![1], vec![2]));
    let blocked: Vec<_> = problems.blocked.iter().map(|task| (task.id.0, task.reason, task.on, task.command.as_deref())).collect();
    assert_eq!(
        blocked,
        [
            (3, BlockReason::Credits, None, Some("ganger unblock T-003")),
            (4, BlockReason::Dependency, Some(TaskId(1)), Some("ganger retry T-001")),
        ]
    );
    assert_eq!(problems.expired, [Expired { id: TaskId(5), times: 1, reason: "lease".to_owned() }]);
    assert_eq!(problems.lost, [Lost { worker: name("W"), times: 2, why: "gone again".to_owned() }]);
    let fallback = Fallback { task: TaskId(5), worker: name("V"), lacking: Some("web, db".to_owned()), instead_of: None };
    assert_eq!(problems.fallbacks, [fallback]);
    assert!(Problems::default().is_empty() && !problems.is_empty());
}

#[test]
fn both_languages_have_every_sentence() {
    use crate::plan::Language::{En, Fr};
    for outcome in Outcome::ALL {
        assert_ne!(words::outcome(En, *outcome), words::outcome(Fr, *outcome));
        assert_eq!(words::caveat(En, *outcome).is_empty(), words::caveat(Fr, *outcome).is_empty());
    }
    for verdict in Verdict::ALL {
        assert_ne!(words::verdict(En, *verdict), words::verdict(Fr, *verdict));
    }
    assert_eq!(words::cost(En, Some(1.239), Some((1, 2)), 1), "$1.24, 1 token read, 2 written (told by 1 task)");
    assert_eq!(words::cost(Fr, Some(0.004), None, 2), "$0.0040 (communiqué par 2 tâches)");
}
