//! Who dies, and what the others end: the loop, the guardian, both.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use engine::tree::{self, How, Why, Word};
use rustix::process::Signal;

use crate::stage::{Room, STRAYS, begin, end, entry, hear, kill, lives, run, start, start_loop, state, turn, until};

#[test]
fn when_the_loop_is_killed_nothing_is_left() {
    let _turn = turn();
    let room = Room::new("loop-killed");
    let deaf = format!("{STRAYS} trap '' TERM; echo ready; while :; do sleep NUMBER; done");
    let mut the_loop = start_loop(&room, Some(&room.order(&deaf)));
    room.wait_for_alive(|alive| alive >= 10);
    let killed = Instant::now();
    the_loop.child.kill().unwrap();
    the_loop.child.wait().unwrap();
    until("the guardian to end", || !lives(the_loop.guardian));
    let elapsed = killed.elapsed();
    room.assert_none_left();
    assert!(elapsed < Duration::from_secs(6), "{elapsed:?}");
    assert_eq!(room.output(), b"ready\n");
    // And of an idle one, nor its guardian.
    let mut idle = start_loop(&room, None);
    idle.child.kill().unwrap();
    idle.child.wait().unwrap();
    until("the idle guardian to end", || !lives(idle.guardian));
}

#[test]
fn when_the_guardian_is_killed_nothing_is_left_but_what_is_not_its_own() {
    let _turn = turn();
    let room = Room::new("guardian-killed");
    let other_room = Room::new("guardian-unharmed");
    let mut other = start(&other_room.mark);
    begin(&mut other, &other_room.order("sleep NUMBER & setsid sleep NUMBER & wait"));
    let others = other_room.wait_for_alive(|alive| alive == 3);
    let mut own_child = Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().unwrap();

    let mut guardian = start(&room.mark);
    begin(&mut guardian, &room.order(&format!("{STRAYS} trap '' TERM; while :; do sleep NUMBER; done")));
    room.wait_for_alive(|alive| alive >= 10);
    kill(guardian.pid(), Signal::KILL);
    assert_eq!(hear(&mut guardian), Word::Lost);
    room.assert_none_left();
    assert!(!guardian.alive() && !guardian.is_busy());
    assert_eq!(hear(&mut guardian), Word::Lost);
    assert!(guardian.begin(&room.order("true")).is_err());

    // While idle, too.
    let mut guardian = start(&room.mark);
    assert_eq!(run(&mut guardian, &room.order("exit 0")).code, Some(0));
    kill(guardian.pid(), Signal::KILL);
    until("its death to be seen", || !guardian.alive());
    let begun = guardian.begin(&room.order("true"));
    assert_eq!(hear(&mut guardian), Word::Lost, "{begun:?}");
    // The next one serves.
    let mut guardian = start(&room.mark);
    assert_eq!(run(&mut guardian, &room.order("exit 9")).code, Some(9));

    assert_eq!(other_room.alive(), others);
    assert!(own_child.try_wait().unwrap().is_none());
    own_child.kill().unwrap();
    own_child.wait().unwrap();
    other.end(How::Gracefully);
    assert_eq!(end(&mut other).why, Why::Asked);
    other_room.assert_none_left();
}

/// A process that is never there for long: it starts the next, in a session of its own, and exits.
const RELAY: &str = "export R='echo >>beat; setsid sh -c \"$R\" relay NUMBER &'; sh -c \"$R\" relay NUMBER; sleep NUMBER";

#[test]
fn one_that_moves_on_by_forking_is_ended() {
    let _turn = turn();
    let room = Room::new("relay");
    let beats = || std::fs::metadata(room.folder.join("beat")).map_or(0, |beat| beat.len());
    let mut guardian = start(&room.mark);
    for death in [false, true, true, true] {
        let before = beats();
        begin(&mut guardian, &room.order(RELAY));
        until("it to be on its way", || beats() > before + 20);
        if death {
            kill(guardian.pid(), Signal::KILL);
            assert_eq!(hear(&mut guardian), Word::Lost);
            guardian = start(&room.mark);
        } else {
            guardian.end(How::AtOnce);
            assert!(end(&mut guardian).tree_empty);
        }
        let at_the_end = beats();
        run(&mut guardian, &room.order("sleep 0.1"));
        assert_eq!(beats(), at_the_end);
        room.assert_none_left();
    }
}

#[test]
fn a_guardian_that_was_stopped_still_obeys() {
    let _turn = turn();
    let room = Room::new("guardian-stopped");
    let mut guardian = start(&room.mark);
    begin(&mut guardian, &room.order("sleep NUMBER"));
    kill(guardian.pid(), Signal::STOP);
    until("it to be stopped", || state(guardian.pid()) == Some('T'));
    guardian.end(How::Gracefully);
    assert_eq!(end(&mut guardian).why, Why::Asked);
    begin(&mut guardian, &room.order("sleep NUMBER"));
    kill(guardian.pid(), Signal::STOP);
    until("it to be stopped", || state(guardian.pid()) == Some('T'));
    let pid = guardian.pid();
    drop(guardian);
    assert!(!lives(pid));
    room.assert_none_left();
}

#[test]
fn dropping_a_guardian_ends_everything() {
    let _turn = turn();
    let room = Room::new("drop");
    let guardian = start(&room.mark);
    let pid = guardian.pid();
    drop(guardian);
    assert!(state(pid).is_none());
    let mut guardian = start(&room.mark);
    let pid = guardian.pid();
    begin(&mut guardian, &room.order(&format!("{STRAYS} trap '' TERM; wait; wait; while :; do sleep NUMBER; done")));
    room.wait_for_alive(|alive| alive >= 10);
    drop(guardian);
    assert!(state(pid).is_none());
    room.assert_none_left();
}

#[test]
fn leftovers_are_found_by_their_mark_and_ended() {
    let _turn = turn();
    let room = Room::new("leftovers");
    let other_room = Room::new("leftovers-other");
    let script = format!("{STRAYS} trap '' TERM; while :; do sleep NUMBER; done");
    let mut killed = start_loop(&room, Some(&room.order(&script)));
    // Another worker's with the same mark that is well, and one with another mark that is as orphaned.
    let mut well = start(&room.mark);
    let well_room = Room::new("leftovers-well");
    begin(&mut well, &well_room.order("sleep NUMBER & setsid sleep NUMBER & wait"));
    let unharmed = well_room.wait_for_alive(|alive| alive >= 2);
    let mut other = start_loop(&other_room, Some(&other_room.order("sleep NUMBER & wait")));
    let others = other_room.wait_for_alive(|alive| alive >= 2);
    room.wait_for_alive(|alive| alive >= 10);

    let mine = |found: &[tree::Leftover]| found.iter().any(|one| one.command.contains(&room.number));
    assert!(!mine(&tree::leftovers(&room.mark).unwrap()), "it is watched over");
    // First stopped, so that it cannot end its tree when it sees its loop gone.
    for one in [&mut killed, &mut other] {
        kill(one.guardian, Signal::STOP);
        until("it to be stopped", || state(one.guardian) == Some('T'));
        one.child.kill().unwrap();
        one.child.wait().unwrap();
    }
    let found = tree::leftovers(&room.mark).unwrap();
    assert!(mine(&found) && found.iter().any(|one| one.pid == killed.guardian), "{found:?}");
    for one in [&killed, &other] {
        kill(one.guardian, Signal::KILL);
        until("the guardian to be dead", || !lives(one.guardian));
    }
    let found = tree::leftovers(&room.mark).unwrap();
    assert!(mine(&found) && found.iter().all(|one| !unharmed.contains(&one.pid)), "{found:?}");

    let swept = tree::end_leftovers(&room.mark).unwrap();
    assert_eq!(swept.left, []);
    assert!(swept.ended.len() >= 9, "{swept:?}");
    assert_eq!(tree::leftovers(&room.mark).unwrap(), []);
    assert_eq!(other_room.alive(), others);
    assert_eq!(well_room.alive(), unharmed);
    let swept = tree::end_leftovers(&other_room.mark).unwrap();
    assert_eq!((swept.ended.len(), swept.left.len()), (2, 0));
    other_room.assert_none_left();
    assert!(tree::leftovers("").is_err() && tree::end_leftovers("a,b").is_err());
    drop(well);
    well_room.assert_none_left();
    // Those without a mark of their own were orphans that nobody could know: their parents had gone before.
    let unmarked = room.alive();
    unmarked.iter().for_each(|pid| kill(*pid, Signal::KILL));
    until("the rest to be dead", || room.alive().is_empty());
}

#[test]
fn who_ends_leftovers_spares_itself_and_those_above_it() {
    let _turn = turn();
    let room = Room::new("sweep");
    let mut leftover = Command::new("sleep").arg(&room.number).env("GANGER_TREE", format!("outer,{}", room.mark)).spawn().unwrap();
    let swept = Command::new("sh")
        .args(["-c", "\"$@\"; echo \"and $?\"", "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(entry("sweep_entry"))
        .env("GANGER_TREE", &room.mark)
        .env("GANGER_TEST_SWEEP", &room.mark)
        .output()
        .unwrap();
    let text = String::from_utf8(swept.stdout).unwrap();
    assert!(text.contains("\nswept 1 left 0\n") && text.ends_with("and 0\n"), "{text}");
    assert_eq!(leftover.wait().unwrap().code(), None);
    room.assert_none_left();
}

/// O1: forks five ways, and death at any moment; `GANGER_SOAK` says how often.
#[test]
fn whoever_dies_at_whatever_moment_nothing_is_left() {
    let _turn = turn();
    let times: u64 = std::env::var("GANGER_SOAK").ok().and_then(|times| times.parse().ok()).unwrap_or(12);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || (thread..times).step_by(4).for_each(dies_once));
        }
    });
}

fn dies_once(n: u64) {
    let room = Room::new("dies");
    // Three kinds of death: of the loop, of the guardian, of both.
    let chance = n.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    // Whoever clears its environment while nobody watches cannot be known again by anybody.
    let strays = if n % 3 == 2 { STRAYS.split_once("env -i").unwrap().0 } else { STRAYS };
    let mut the_loop = start_loop(&room, Some(&room.order(&format!("{strays} wait; sleep NUMBER"))));
    std::thread::sleep(Duration::from_micros(chance % 40_000));
    let guardian = the_loop.guardian;
    if !n.is_multiple_of(3) {
        kill(guardian, Signal::KILL);
    }
    if n % 3 == 1 {
        // The loop hears that it is lost, and ends by itself when it has ended everything.
        assert!(the_loop.child.wait().unwrap().success());
        room.assert_none_left();
        return;
    }
    the_loop.child.kill().unwrap();
    the_loop.child.wait().unwrap();
    until("the guardian to end", || !lives(guardian));
    if n % 3 == 2 {
        assert_eq!(tree::end_leftovers(&room.mark).unwrap().left, []);
    }
    room.assert_none_left();
}
