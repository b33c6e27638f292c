//! Rows that do not decode are told once and skipped while all others go on; and the schema says the rules again.

use super::{Place, shop};
use domain::event::{Actor, EventKind};
use domain::id::{EventSeq, TaskId};
use domain::lease::Nonce;
use engine::error::Result;
use engine::orchestrator::{Act, Answer, Orchestrator, Order};
use engine::store::Filter;

fn claim(door: &Orchestrator, name: &str, only: Option<u32>, nonce: u8) -> Result<Answer> {
    let act = Act::Claim { worker: name.parse().unwrap(), only: only.map(TaskId), nonce: Nonce([nonce; 16]) };
    door.apply_one(Order::new(Actor::Worker, act))
}

fn told(door: &Orchestrator) -> usize {
    door.events(EventSeq(0), u32::MAX).unwrap().iter().filter(|event| event.kind == EventKind::RowUnreadable).count()
}

/// Claims and completes until nothing is left.
fn drain(door: &Orchestrator) -> Vec<u32> {
    let mut done = Vec::new();
    for nonce in 0..=u8::MAX {
        let Answer::Claimed { claim, .. } = claim(door, "amy", None, nonce).unwrap() else { return done };
        door.apply_one(Order::new(Actor::Worker, shop::wish::report(shop::wish::complete(claim)))).unwrap();
        done.push(claim.task.0);
    }
    done
}

/// What a row of `tasks` may come to hold that does not decode, whatever the schema says.
const GARBAGE: [&str; 8] = [
    "kind = 9",
    "avoid = 'no name at all'",
    "timeout_ms = -5",
    "phase = 5000000000",
    "priority = 7",
    "path_ms = -1",
    "attempt = 5000000000",
    "fail_reason = 99",
];

#[test]
fn a_task_that_does_not_decode_is_told_once_and_skipped() {
    for garbage in GARBAGE {
        let place = Place::with_tasks(4);
        place.meddle(&format!("UPDATE tasks SET {garbage} WHERE id = 2"));
        let door = place.door();
        assert_eq!(drain(&door), [1, 3, 4], "{garbage}");
        assert_eq!((told(&door), door.notices().len()), (1, 1), "{garbage}");
        assert!(drain(&door).is_empty());
        assert_eq!((told(&door), door.notices().len()), (1, 0), "{garbage}: once");
        assert_eq!(door.look(|snapshot| snapshot.unreadable()).unwrap(), [TaskId(2)]);
        assert_eq!(door.task(TaskId(2)).unwrap_err().code, "row_unreadable");
        assert_eq!(claim(&door, "amy", Some(2), 200).unwrap_err().code, "row_unreadable");
        let mut listed = Vec::new();
        door.list(&Filter::default(), |view| {
            listed.push(view.full.task.id.0);
            Ok(true)
        })
        .unwrap();
        assert_eq!(listed, [1, 3, 4], "{garbage}");
        assert!(door.notices()[0].contains("row 2 of tasks"));
        door.standing(None).unwrap();
    }
}

#[test]
fn a_spec_that_does_not_decode_is_skipped_like_its_task() {
    let place = Place::with_tasks(3);
    place.meddle("UPDATE specs SET more = '{\"needs\":3' WHERE task = 2");
    let door = place.door();
    assert_eq!(drain(&door), [1, 3], "nobody could write a brief for it");
    assert_eq!(told(&door), 1);
}

#[test]
fn a_held_task_that_does_not_decode_does_not_stop_the_sweep() {
    for garbage in ["worker = 'no name at all'", "step = 44", "attempt = 5000000000"] {
        let place = Place::with_tasks(3);
        {
            let door = place.door();
            claim(&door, "amy", None, 1).unwrap();
            claim(&door, "bob", None, 2).unwrap();
        }
        place.meddle(&format!("UPDATE tasks SET {garbage} WHERE id = 1"));
        place.clock.pass(shop::secs(120));
        let door = place.door();
        assert_eq!(door.apply_one(Order::new(Actor::Orchestrator, Act::Sweep)), Ok(Answer::Swept(1)), "{garbage}");
        assert_eq!((told(&door), door.notices().len()), (1, 1));
        assert_eq!(drain(&door), [2, 3]);
        assert_eq!(door.apply_one(Order::new(Actor::Orchestrator, Act::Sweep)), Ok(Answer::Swept(0)));
        assert_eq!(told(&door), 1);
        assert!(door.look(|snapshot| snapshot.due(snapshot.now().store)).unwrap().is_empty(), "or a foreman would sweep again and again");
    }
}

#[test]
fn a_child_that_does_not_decode_does_not_stop_its_parent() {
    let place = Place::with_tasks(3);
    place.meddle("INSERT INTO edges VALUES (2, 1), (3, 1); UPDATE tasks SET waiting = 1 WHERE id > 1; UPDATE tasks SET kind = 9 WHERE id = 2; UPDATE tallies SET moving = 1");
    let door = place.door();
    assert_eq!(drain(&door), [1, 3]);
}

#[test]
fn events_cannot_be_changed_or_removed() {
    let place = Place::with_tasks(3);
    let connection = rusqlite::Connection::open(place.path()).unwrap();
    for sql in [
        "UPDATE events SET kind = 4",
        "UPDATE events SET seq = seq + 10",
        "DELETE FROM events",
        "DELETE FROM events WHERE seq = 2",
        "INSERT INTO events (seq, at, kind, actor) VALUES (1, 0, 0, 0) ON CONFLICT (seq) DO UPDATE SET kind = 9",
    ] {
        let refused = connection.execute(sql, []).expect_err(sql).to_string();
        assert!(refused.contains("append-only"), "{sql}: {refused}");
    }
    drop(connection);
    shop::audit::audit(place.store().as_ref());
}

#[test]
fn the_schema_says_the_rules_again() {
    let place = Place::with_tasks(3);
    {
        let door = place.door();
        claim(&door, "amy", None, 1).unwrap();
    }
    let connection = rusqlite::Connection::open(place.path()).unwrap();
    connection.execute_batch("PRAGMA foreign_keys = ON").unwrap();
    for sql in [
        "UPDATE tasks SET worker = NULL WHERE id = 1",
        "UPDATE tasks SET nonce = NULL WHERE id = 1",
        "UPDATE tasks SET nonce = x'00' WHERE id = 1",
        "UPDATE tasks SET lease_until = NULL WHERE id = 1",
        "UPDATE tasks SET status = 0 WHERE id = 1",
        "UPDATE tasks SET status = 2 WHERE id = 1",
        "UPDATE tasks SET status = 1 WHERE id = 2",
        "UPDATE tasks SET status = 6 WHERE id = 2",
        "UPDATE tasks SET status = 3 WHERE id = 2",
        "UPDATE tasks SET failures = attempts_max + 1 WHERE id = 2",
        "UPDATE tasks SET attempts_max = 0 WHERE id = 2",
        "UPDATE tasks SET crashes = 4 WHERE id = 2",
        "UPDATE tasks SET dead = 1 WHERE id = 2",
        "UPDATE tasks SET waiting = -1 WHERE id = 2",
        "UPDATE tasks SET lane = 99 WHERE id = 2",
        "UPDATE tasks SET plan = 99 WHERE id = 2",
        "INSERT INTO edges VALUES (2, 2)",
        "INSERT INTO edges VALUES (2, 99)",
        "UPDATE tallies SET moving = 4",
        "UPDATE tallies SET pending = -1",
        "UPDATE workers SET holding = -1",
        "DELETE FROM tasks WHERE id = 3",
        "INSERT INTO requests VALUES ('r', 0, 'done'), ('r', 0, 'done')",
    ] {
        assert!(connection.execute(sql, []).is_err(), "{sql}");
    }
}
