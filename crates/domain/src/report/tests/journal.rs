//! What the journal comes to: hours, trails, walls, also when it begins in the middle.

use super::*;

#[test]
fn time_at_work_is_counted_once_whatever_is_held_at_once() {
    let mut world = World::default();
    world.workers.push(process("W"));
    world.add(completed(1, 30)).add(completed(2, 40));
    world.happened(10, EventKind::TaskClaimed, Some(1), Some("W"), &[]);
    world.happened(20, EventKind::TaskClaimed, Some(2), Some("W"), &[]);
    world.happened(30, EventKind::TaskCompleted, Some(1), Some("W"), &[]);
    world.happened(40, EventKind::TaskCompleted, Some(2), Some("W"), &[]);
    world.happened(60, EventKind::TaskClaimed, Some(3), Some("V"), &[]);
    world.happened(100, EventKind::TaskReleased, Some(3), Some("V"), &[]);
    let report = world.report();
    assert_eq!(report.wall, Some((Timestamp(10), Timestamp(100))));
    assert_eq!(report.worked, Duration::from_millis(80), "two tasks took twenty each, and one that is not listed forty");
    let [line, other] = report.workers.as_slice() else { panic!("{:?}", report.workers) };
    assert_eq!((other.name.as_str(), other.worked, other.completed), ("V", Duration::from_millis(40), 0));
    assert_eq!((line.worked, line.idle), (Duration::from_millis(30), Duration::from_millis(60)));
    assert_eq!((line.completed, line.failed), (2, 0));
}

#[test]
fn all_attempts_of_a_task_count() {
    let mut world = World::default();
    world.add(completed(1, 90));
    for (at, kind) in [
        (0, EventKind::TaskClaimed),
        (10, EventKind::TaskFailed),
        (20, EventKind::TaskClaimed),
        (25, EventKind::TaskExpired),
        // A timeout tells both; the claim ends once.
        (25, EventKind::TaskFailed),
        (80, EventKind::TaskClaimed),
        (90, EventKind::TaskCompleted),
        (95, EventKind::TaskEdited),
    ] {
        world.happened(at, kind, Some(1), Some("W"), &[]);
    }
    assert_eq!(world.report().tasks[0].took, Some(Duration::from_millis(25)));
}

#[test]
fn a_cancelled_claim_has_ended() {
    let mut world = World::default();
    world.add(cancelled(1));
    world.happened(0, EventKind::TaskClaimed, Some(1), Some("W"), &[]).happened(7, EventKind::TaskCancelled, Some(1), None, &[]);
    assert_eq!(world.report().worked, Duration::from_millis(7));
}

#[test]
fn what_has_not_ended_has_no_length() {
    let mut world = World::default();
    world.add(running(1));
    world.happened(5, EventKind::TaskClaimed, Some(1), Some("W"), &[]);
    let report = world.report();
    assert_eq!((report.wall, report.worked, report.tasks[0].took), (None, Duration::ZERO, None));
    assert_eq!(report.workers[0].holds, [TaskId(1)]);
}

#[test]
fn a_journal_that_begins_in_the_middle_is_told_as_such() {
    let mut world = World { journal: Journal::without_the_earliest(), ..World::default() };
    let mut old = completed(1, 50);
    old.task.claimed = Some((Timestamp(20), name("W")));
    old.task.crashes = 2;
    world.add(old);
    world.happened(50, EventKind::TaskCompleted, Some(1), Some("W"), &[]);
    let report = world.report();
    assert!(report.journal_is_cut);
    assert_eq!(report.tasks[0].took, Some(Duration::from_millis(30)), "its last attempt is known from the task");
    assert_eq!(report.problems.expired, [Expired { id: TaskId(1), times: 2, reason: String::new() }]);
    assert_eq!(report.wall, None);
}

#[test]
fn a_wall_clock_that_goes_back_makes_nothing_negative() {
    let mut world = World::default();
    world.add(completed(1, 5));
    world.happened(100, EventKind::TaskClaimed, Some(1), Some("W"), &[]).happened(5, EventKind::TaskCompleted, Some(1), Some("W"), &[]);
    let report = world.report();
    assert_eq!((report.wall, report.worked), (None, Duration::ZERO));
}

#[test]
fn fallbacks_are_bounded() {
    let mut world = World::default();
    for _ in 0..FALLBACKS_MAX + 7 {
        world.happened(1, EventKind::TaskFellBack, Some(1), Some("W"), &[]);
    }
    let problems = world.report().problems;
    assert_eq!((problems.fallbacks.len(), problems.fallbacks_more), (FALLBACKS_MAX, 7));
}

#[test]
fn a_worker_that_was_lost_is_not_idle_after_that() {
    let mut world = World::default();
    world.add(completed(1, 10)).add(failed(2, FailReason::Quarantined));
    world.tasks[1].task.claimed = Some((Timestamp(0), name("V")));
    world.happened(0, EventKind::TaskClaimed, Some(2), Some("V"), &[]).happened(0, EventKind::TaskClaimed, Some(1), Some("W"), &[]);
    world.happened(20, EventKind::TaskExpired, Some(2), Some("V"), &[]).happened(30, EventKind::WorkerLost, None, Some("V"), &[]);
    world.happened(1_000, EventKind::TaskCompleted, Some(1), Some("W"), &[]);
    let report = world.report();
    let idle: Vec<_> = report.workers.iter().map(|line| (line.name.as_str(), line.number, line.idle.as_millis())).collect();
    assert_eq!(idle, [("V", None, 10), ("W", None, 0)]);
}

#[test]
fn what_was_done_about_tasks_that_are_not_listed_counts() {
    let mut world = World::default();
    world.add(completed(1, 10));
    for id in 1_u32..=3 {
        world.happened(10 * i64::from(id), EventKind::TaskClaimed, Some(id), Some("V"), &[]);
        world.happened(10 * i64::from(id) + 5, EventKind::TaskCompleted, Some(id), Some("V"), &[]);
    }
    let report = world.report();
    assert_eq!(report.worked, Duration::from_millis(15));
    let told: Vec<_> = report.workers.iter().map(|line| (line.name.as_str(), line.completed)).collect();
    assert_eq!(told, [("V", 3), ("W", 1)]);
}
