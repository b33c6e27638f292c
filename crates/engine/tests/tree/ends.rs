//! Limits, and ends that are not easy: the deaf, the stopped, the strays, and the many.

use std::fs;
use std::time::{Duration, Instant};

use engine::tree::{How, Order, Why};

use crate::stage::{PATIENCE, Room, STRAYS, begin, end, run, start, until};

#[test]
fn time_and_silence_are_limited() {
    let room = Room::new("limits");
    let mut guardian = start(&room.mark);
    let short = Some(Duration::from_millis(300));
    let ended = run(&mut guardian, &Order { timeout: short, ..room.order("while :; do echo; sleep 0.05; done") });
    assert_eq!((ended.why, ended.signal, ended.tree_empty), (Why::Timeout, Some(15), true));
    assert!((300..10_000).contains(&ended.elapsed_ms), "{}", ended.elapsed_ms);

    let ended = run(&mut guardian, &Order { silence: short, ..room.order("echo once; sleep NUMBER") });
    assert_eq!((ended.why, ended.signal, ended.output_bytes), (Why::Silence, Some(15), 5));
    // Not by closing its output, either.
    let ended = run(&mut guardian, &Order { silence: short, ..room.order("exec >&- 2>&-; sleep NUMBER") });
    assert_eq!((ended.why, ended.signal), (Why::Silence, Some(15)));

    let talks = "for i in 1 2 3 4 5 6 7 8 9 10; do echo $i; sleep 0.1; done";
    let ended = run(&mut guardian, &Order { silence: Some(Duration::from_millis(900)), ..room.order(talks) });
    assert_eq!((ended.why, ended.code), (Why::Itself, Some(0)));
    room.assert_none_left();
}

#[test]
fn asked_to_end_it_may_clean_up() {
    let room = Room::new("clean-up");
    let mut guardian = start(&room.mark);
    let tidy = "trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.02; done";
    let order = Order { grace: PATIENCE, ..room.order(tidy) };
    begin(&mut guardian, &order);
    until("it to be ready", || room.output() == b"ready\n");
    guardian.end(How::Gracefully);
    let ended = end(&mut guardian);
    assert_eq!((ended.code, ended.why, ended.tree_empty), (Some(3), Why::Asked, true));
    // In between a shell may have said what it thinks of the end of its `sleep`.
    assert!(room.output().ends_with(b"bye\n"));

    // So may one that a shell has put behind itself, and that the shell does not wait for.
    let behind = "(trap 'echo asked >>asked; [ $(wc -l <asked) = 1 ] && sleep 0.7 && echo done >done; exit' TERM; \
        echo ready; while :; do sleep 0.02; done) & wait";
    begin(&mut guardian, &Order { grace: PATIENCE, ..room.order(behind) });
    until("it to be ready", || room.output() == b"ready\n");
    guardian.end(How::Gracefully);
    let ended = end(&mut guardian);
    assert_eq!((ended.signal, ended.why, ended.tree_empty), (Some(15), Why::Asked, true));
    assert_eq!(fs::read(room.folder.join("asked")).unwrap(), b"asked\n");
    assert!(room.folder.join("done").exists());
}

#[test]
fn who_ignores_term_is_killed_after_the_grace() {
    let room = Room::new("deaf");
    let mut guardian = start(&room.mark);
    let deaf = "trap '' TERM HUP INT; echo ready; while :; do sleep NUMBER; done";
    begin(&mut guardian, &room.order(deaf));
    until("it to be ready", || room.output() == b"ready\n");
    let asked = Instant::now();
    guardian.end(How::Gracefully);
    let ended = end(&mut guardian);
    assert_eq!((ended.signal, ended.why, ended.tree_empty), (Some(9), Why::Asked, true));
    assert!(asked.elapsed() >= Duration::from_millis(300));
    room.assert_none_left();
    // A grace without end can be cut short.
    begin(&mut guardian, &Order { grace: Duration::MAX, ..room.order(deaf) });
    until("it to be ready", || room.output() == b"ready\n");
    guardian.end(How::Gracefully);
    assert_eq!(guardian.hear(Some(Duration::from_millis(500))).unwrap(), None);
    guardian.end(How::AtOnce);
    assert_eq!(end(&mut guardian).signal, Some(9));
    room.assert_none_left();
}

#[test]
fn who_stops_itself_is_ended() {
    let room = Room::new("stopped");
    let mut guardian = start(&room.mark);
    let timeout = Some(Duration::from_millis(200));
    let ended = run(&mut guardian, &Order { timeout, ..room.order("kill -STOP $$; sleep NUMBER") });
    assert_eq!((ended.signal, ended.why, ended.tree_empty), (Some(15), Why::Timeout, true));
    let deaf = "trap '' TERM; setsid sh -c 'trap \"\" TERM; kill -STOP $$; sleep NUMBER' & kill -STOP $$; sleep NUMBER";
    let ended = run(&mut guardian, &Order { timeout, ..room.order(deaf) });
    assert_eq!((ended.signal, ended.why, ended.tree_empty), (Some(9), Why::Timeout, true));
    let left = "setsid sh -c 'kill -STOP $$; sleep NUMBER' & exit 6";
    let ended = run(&mut guardian, &room.order(left));
    assert_eq!((ended.code, ended.why, ended.tree_empty), (Some(6), Why::Itself, true));
    room.assert_none_left();
}

#[test]
fn the_end_is_seen_by_pid_and_not_by_end_of_file() {
    let room = Room::new("eof");
    let mut guardian = start(&room.mark);
    let ended = run(&mut guardian, &room.order("echo before; exec >&- 2>&-; sleep 0.3; exit 5"));
    assert_eq!((ended.code, ended.why), (Some(5), Why::Itself));
    assert!(ended.elapsed_ms >= 300);
    let begun = Instant::now();
    let ended = run(&mut guardian, &room.order("setsid sleep NUMBER & echo said; exit 0"));
    assert_eq!((ended.code, ended.stragglers, ended.tree_empty), (Some(0), 1, true));
    assert_eq!(room.output(), b"said\n");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    // What a straggler says while it ends is kept, and does not keep it.
    let script =
        "(trap 'echo late; exit' TERM; echo set; while :; do sleep 0.02; done) & until grep -q set output; do sleep 0.02; done; exit 0";
    let ended = run(&mut guardian, &room.order(script));
    assert!(room.output().ends_with(b"late\n") && ended.tree_empty, "{ended:?}");
    // One that floods what it inherited.
    let ended = run(&mut guardian, &room.order("(trap '' TERM; setsid yes) & exit 0"));
    assert_eq!((ended.code, ended.tree_empty), (Some(0), true));
    room.assert_none_left();
}

#[test]
fn nothing_is_left_of_those_that_stray() {
    let room = Room::new("strays");
    let mut guardian = start(&room.mark);
    begin(&mut guardian, &room.order(&format!("{STRAYS} until test -e go; do sleep 0.02; done; exit 2")));
    room.wait_for_alive(|alive| alive >= 9);
    fs::write(room.folder.join("go"), "").unwrap();
    let ended = end(&mut guardian);
    assert_eq!((ended.code, ended.why, ended.tree_empty), (Some(2), Why::Itself, true));
    assert!(ended.stragglers >= 8, "{ended:?}");
    room.assert_none_left();
    begin(&mut guardian, &room.order(&format!("{STRAYS} wait; sleep NUMBER")));
    room.wait_for_alive(|alive| alive >= 9);
    guardian.end(How::AtOnce);
    assert!(end(&mut guardian).tree_empty);
    room.assert_none_left();
}

#[test]
fn a_thousand_children_are_ended() {
    let room = Room::new("thousand");
    let mut guardian = start(&room.mark);
    let script = "trap '' TERM; i=0; while [ $i -lt 1000 ]; do sleep NUMBER & i=$((i+1)); done; echo all; exit 0";
    let ended = run(&mut guardian, &room.order(script));
    assert_eq!((ended.code, ended.tree_empty, room.output().as_slice()), (Some(0), true, &b"all\n"[..]));
    assert!(ended.stragglers >= 1_000, "{ended:?}");
    room.assert_none_left();
}

/// About a thousand, each of which starts again what it loses, in its own group and in sessions of their own.
#[test]
fn a_fork_bomb_that_fights_back_is_ended() {
    let room = Room::new("bomb");
    let mut guardian = start(&room.mark);
    let bomb =
        "trap '' TERM; b() { if [ $1 -gt 0 ]; then while :; do b $(($1-1)) & b $(($1-1)) & wait; done; else exec sleep NUMBER; fi; }; ";
    let script = format!("{bomb} b 8 & setsid sh -c '{}b 7' & wait", bomb.replace('\'', "\""));
    begin(&mut guardian, &Order { timeout: None, ..room.order(&script) });
    room.wait_for_alive(|alive| alive >= 700);
    let asked = Instant::now();
    guardian.end(How::Gracefully);
    let ended = end(&mut guardian);
    assert_eq!((ended.why, ended.tree_empty), (Why::Asked, true));
    room.assert_none_left();
    println!("bomb ended after {:?}", asked.elapsed());
}
