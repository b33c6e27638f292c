//! What waits for a person, and the command that moves it.

use super::*;

/// A world after a run in which one task of this lane is free.
fn with_lane(key: LaneKey, workers: Vec<Worker>) -> World {
    let mut world = World { workers, lanes: vec![Lane { id: LaneId(1), key }], ..World::default() };
    world.add(pending(7));
    world.happened(1, EventKind::RunFinished, None, None, &[("outcome", "unfinished")]);
    world
}

fn needs(text: &str) -> Vec<crate::id::Capability> {
    text.split(',').filter_map(|word| word.parse().ok()).collect()
}

#[test]
fn whatever_is_free_has_a_command_that_moves_it() {
    let key = LaneKey { runs: true, ..LaneKey::default() };
    let by_hand = LaneKey::default();
    let meant_for = |text: &str, runs| LaneKey { assignee: Some(name(text)), runs, ..LaneKey::default() };
    let design = LaneKey { needs: needs("design"), ..key.clone() };
    let designer = |worker: Worker| Worker { can: needs("design,web"), ..worker };
    let paused = Worker { paused: true, ..process("W") };
    let thinker = || Worker { thinks: true, ..process("T") };
    let waits = |key: &LaneKey| LaneKey { waits: true, ..key.clone() };
    let cases: Vec<(&str, LaneKey, Vec<Worker>, Why, &str)> = vec![
        ("a command", key.clone(), vec![], Why::Ready, "ganger run"),
        ("no command", by_hand.clone(), vec![process("W")], Why::ByHand, "ganger claim --worker NAME --task T-007"),
        ("no command, and somebody is there", by_hand.clone(), vec![person("AMP")], Why::ByHand, "ganger claim --worker AMP --task T-007"),
        ("no command, and an agent of ours", by_hand.clone(), vec![thinker()], Why::Ready, "ganger run"),
        (
            "no command, and nobody said that he can",
            LaneKey { needs: needs("edit,spell"), ..by_hand.clone() },
            vec![process("W"), person("AMP")],
            Why::ByHand,
            "ganger workers add NAME --can edit,spell && ganger claim --worker NAME --task T-007",
        ),
        (
            "no command, and only somebody who is paused",
            by_hand.clone(),
            vec![Worker { paused: true, ..person("AMP") }],
            Why::ByHand,
            "ganger claim --worker NAME --task T-007",
        ),
        ("for a person", meant_for("AMP", true), vec![person("AMP")], Why::For(name("AMP")), "ganger claim --worker AMP --task T-007"),
        ("for a process", meant_for("W", true), vec![process("W")], Why::Ready, "ganger run"),
        ("for one that is paused", meant_for("W", true), vec![paused], Why::Paused(name("W")), "ganger workers resume W"),
        ("for one that cannot", meant_for("W", false), vec![process("W")], Why::ByHand, "ganger claim --worker NAME --task T-007"),
        ("for nobody known", meant_for("X", true), vec![], Why::Ready, "ganger run"),
        (
            "for nobody known, whatever comes",
            waits(&meant_for("X", true)),
            vec![],
            Why::For(name("X")),
            "ganger claim --worker X --task T-007",
        ),
        ("nobody can", design.clone(), vec![process("W")], Why::Ready, "ganger run"),
        (
            "nobody can, whatever comes",
            waits(&design),
            vec![process("W")],
            Why::Nobody(needs("design")),
            "ganger work --worker NAME --can design",
        ),
        ("somebody can", waits(&design), vec![designer(process("W"))], Why::Ready, "ganger run"),
        (
            "only a person can",
            waits(&design),
            vec![designer(person("AMP"))],
            Why::Nobody(needs("design")),
            "ganger work --worker NAME --can design",
        ),
    ];
    for (case, key, workers, why, command) in cases {
        let mut world = with_lane(key, workers);
        let report = world.report();
        let [wait] = report.waits.as_slice() else { panic!("{case}: {:?}", report.waits) };
        assert_eq!((&wait.why, wait.command.as_str()), (&why, command), "{case}");
        // While a run goes on, it needs nobody to begin one.
        world.happened(2, EventKind::RunStarted, None, None, &[]);
        assert_eq!(world.report().waits.is_empty(), why == Why::Ready, "{case}");
    }
}

#[test]
fn failures_and_questions_are_told_with_what_waits_behind_them() {
    let mut world = World::default();
    world
        .add(failed(1, FailReason::Timeout))
        .add(pending(2).after(&[1]).behind_dead())
        .add(pending(3).after(&[2]))
        .add(pending(4).after(&[2, 3, 6]))
        .add(completed(5, 9))
        .add(blocked(6, BlockReason::Question))
        .add(blocked(7, BlockReason::Dependency))
        .add(cancelled(8))
        .add(cancelled(9))
        .add(pending(10).after(&[9]).behind_dead());
    let told: Vec<_> = world.report().waits.into_iter().map(|wait| (wait.tasks[0].0, wait.why, wait.behind, wait.command)).collect();
    let expected = [
        (1, Why::Failed(FailReason::Timeout), 3, "ganger retry T-001"),
        (6, Why::Blocked(BlockReason::Question), 1, "ganger answer T-006 \"…\""),
        (7, Why::Blocked(BlockReason::Dependency), 0, "ganger unblock T-007"),
        (9, Why::Cancelled, 1, "ganger retry T-009"),
    ];
    assert_eq!(told, expected.map(|(id, why, behind, command)| (id, why, behind, command.to_owned())));
}

#[test]
fn what_one_command_moves_is_told_once() {
    let mut world = with_lane(LaneKey { runs: true, ..LaneKey::default() }, vec![]);
    world.lanes.push(Lane { id: LaneId(2), key: LaneKey { runs: true, needs: needs("web"), ..LaneKey::default() } });
    for id in 20..40 {
        world.add(pending(id).lane(1 + id % 2));
    }
    let report = world.report();
    let [wait] = report.waits.as_slice() else { panic!("{:?}", report.waits) };
    assert_eq!((wait.count, wait.tasks.len(), wait.tasks[0]), (21, 10, TaskId(7)));
}

#[test]
fn what_is_told_is_bounded_and_the_rest_is_counted() {
    let world = World { tasks: (1..=500).map(|id| failed(id, FailReason::Check)).collect(), ..World::default() };
    let report = world.report();
    assert_eq!((report.waits.len(), report.waits_more), (WAITS_MAX, 300));
}

#[test]
fn what_is_blocked_on_another_task_tells_how_that_one_stands() {
    let mut world = World::default();
    let on = |id, on| {
        let reason = BlockReason::Dependency;
        task(id, TaskState::Blocked(Blocked { reason, note: String::new(), on: Some(TaskId(on)) }))
    };
    world.add(on(1, 2)).add(completed(2, 9)).add(on(3, 99)).add(blocked(4, BlockReason::Other));
    let told: Vec<_> = world.report().waits.into_iter().map(|wait| (wait.on, wait.command)).collect();
    let expected = [
        (Some((TaskId(2), Some(Status::Completed))), "ganger unblock T-001"),
        (Some((TaskId(99), None)), "ganger unblock T-003"),
        (None, "ganger unblock T-004"),
    ];
    assert_eq!(told, expected.map(|(on, command)| (on, command.to_owned())));
}

#[test]
fn tests_that_are_held_back_say_by_which_feature() {
    let held = |id, of| {
        let mut test = pending(id).kind(Kind::Test, of);
        test.task.held = true;
        test
    };
    let mut world = World::default();
    world.add(completed(1, 5)).add(completed(2, 6)).add(pending(6)).add(held(7, 1)).add(held(8, 2)).add(pending(9));
    world.add(held(10, 6).after(&[6]));
    let report = world.report();
    assert_eq!(
        report.held_tests,
        [HeldTests { tests: vec![TaskId(7), TaskId(8)], count: 2, on: TaskId(6) }],
        "the third waits for its feature"
    );
    let said = words::held_tests(crate::plan::Language::En, &HeldTests { tests: vec![TaskId(7)], count: 1, on: TaskId(6) });
    assert_eq!(said, "T-007 waits: T-006 is still open, and tests begin when no feature can go on");
    // Without an open feature, or where nobody wants tests, that is not the reason.
    world.without_tests = true;
    assert_eq!(world.report().held_tests, []);
    let mut world = World::default();
    world.add(completed(1, 5)).add(held(7, 1));
    assert_eq!(world.report().held_tests, []);
}

#[test]
fn the_gist_of_a_failure_is_what_it_said_last() {
    for (note, gist) in [
        ("", ""),
        ("no crane is free\nreally", "no crane is free"),
        ("`make all` ended with exit code 2", "ended with exit code 2"),
        ("`echo '` x' && make` ended with exit code 2\nfirst\nno rule to make target\n\n", "no rule to make target"),
        ("failed to start: `x`", "failed to start: `x`"),
    ] {
        assert_eq!(words::gist(note), gist, "{note:?}");
    }
}
