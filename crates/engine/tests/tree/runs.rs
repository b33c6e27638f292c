//! What runs under a guardian: its output, its surroundings, how its end is told.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use engine::tree::{Guardian, How, Obstacle, Order, Why, Word};

use crate::stage::{Room, begin, children_of, end, hear, run, start, until};

#[test]
fn output_is_byte_exact_and_both_streams_keep_their_order() {
    let room = Room::new("bytes");
    let mut guardian = start(&room.mark);
    let ended = run(&mut guardian, &room.order(r"printf a; printf b >&2; printf 'c\000\377\r\n'; printf d >&2"));
    assert_eq!(room.output(), b"abc\0\xff\r\nd");
    assert_eq!((ended.code, ended.signal, ended.why), (Some(0), None, Why::Itself));
    assert_eq!((ended.output_bytes, ended.output_left_out, ended.output_error), (8, 0, None));
    assert_eq!((ended.stragglers, ended.tree_empty), (0, true));

    let noise: Vec<u8> = (0..900_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let brief = room.folder.join("brief");
    fs::write(&brief, &noise).unwrap();
    let ended = run(&mut guardian, &Order { stdin: Some(brief), ..room.order("exec cat") });
    assert!(room.output() == noise);
    assert_eq!((ended.output_bytes, ended.output_left_out), (900_000, 0));
}

#[test]
fn too_much_output_keeps_its_beginning_and_its_end() {
    let room = Room::new("bound");
    let mut guardian = start(&room.mark);
    let ended = run(&mut guardian, &Order { output_bytes_max: 100, ..room.order("seq 1 100000") });
    assert_eq!((ended.output_bytes, ended.output_left_out), (588_895, 588_795));
    let text = String::from_utf8(room.output()).unwrap();
    assert!(text.starts_with("1\n2\n3\n"), "{text}");
    assert!(text.contains("\n[ganger: 588795 bytes of output left out here]\n"), "{text}");
    assert!(text.ends_with("\n99999\n100000\n"), "{text}");
}

#[test]
fn a_flood_blocks_nothing_and_takes_no_memory() {
    let room = Room::new("flood");
    let mut guardian = start(&room.mark);
    run(&mut guardian, &room.order("true"));
    let peak = |guardian: &Guardian| -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", guardian.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_ascii_whitespace().nth(1).unwrap().parse().unwrap()
    };
    let before = peak(&guardian);
    // Lines, and one line without an end.
    for script in ["yes | head -c 500000000", "head -c 500000000 /dev/zero"] {
        let ended = run(&mut guardian, &Order { output_bytes_max: 8 << 20, ..room.order(script) });
        assert_eq!((ended.code, ended.output_bytes), (Some(0), 500_000_000));
        assert_eq!(ended.output_left_out, 500_000_000 - (8 << 20));
        let size = fs::metadata(room.folder.join("output")).unwrap().len();
        assert!((8 << 20..(8 << 20) + 100).contains(&size), "{size}");
    }
    let grown = peak(&guardian) - before;
    assert!(grown < 4096, "{grown} KiB");
    // Nor does it keep the guardian from hearing and from its limits.
    begin(&mut guardian, &room.order("yes"));
    guardian.end(How::Gracefully);
    assert_eq!(end(&mut guardian).why, Why::Asked);
    let ended = run(&mut guardian, &Order { timeout: Some(Duration::from_millis(100)), ..room.order("yes") });
    assert_eq!((ended.why, ended.signal), (Why::Timeout, Some(15)));
    room.assert_none_left();
}

#[test]
fn codes_and_signals_are_told() {
    let room = Room::new("codes");
    let mut guardian = start(&room.mark);
    for (script, code, signal) in [
        ("exit 0", Some(0), None),
        ("exit 7", Some(7), None),
        ("exit 255", Some(255), None),
        ("kill -KILL $$", None, Some(9)),
        ("kill -SEGV $$", None, Some(11)),
        ("kill -TERM $$", None, Some(15)),
    ] {
        let ended = run(&mut guardian, &room.order(script));
        assert_eq!((ended.code, ended.signal, ended.why), (code, signal, Why::Itself), "{script}");
    }
}

#[test]
fn surroundings_are_those_of_the_order() {
    let room = Room::new("surroundings");
    let mut guardian = start(&room.mark);
    let order = Order {
        env: vec![("ADDED".into(), "$(id) `id` é".into()), ("REMOVED".into(), "set again".into())],
        env_remove: vec!["REMOVED".into(), "HOME".into()],
        ..room.order(r#"printf '%s|' "$ADDED" "$REMOVED" "${HOME-none}" "$GANGER_TREE" "${GANGER_GUARDIAN-none}" "$PWD"; cat"#)
    };
    run(&mut guardian, &order);
    let folder = room.folder.canonicalize().unwrap();
    let expected = format!("$(id) `id` é|set again|none|{}|none|{}|", room.mark, folder.display());
    assert_eq!(String::from_utf8(room.output()).unwrap(), expected);

    // In a group of its own, in the guardian's session, with nothing open but what a program started by this test has, out
    // of reach of any terminal.
    run(&mut guardian, &room.order("cut -d' ' -f1,5,6,7 /proc/$$/stat; cd /proc/$$/fd; echo *; : </dev/tty"));
    let text = String::from_utf8(room.output()).unwrap();
    let [ids, descriptors, error] = text.lines().collect::<Vec<_>>()[..] else { panic!("{text}") };
    let ids: Vec<i64> = ids.split(' ').map(|id| id.parse().unwrap()).collect();
    assert_eq!(ids[1..], [ids[0], i64::from(guardian.pid()), 0], "{text}");
    let plain = Command::new("sh").args(["-c", "cd /proc/$$/fd; echo *"]).stdin(Stdio::null()).output().unwrap();
    assert_eq!(descriptors, String::from_utf8(plain.stdout).unwrap().trim());
    assert!(error.contains("/dev/tty"), "{text}");

    // A PATH of the order's own decides, and arguments are handed on as they are.
    let program = room.folder.join("no-such-program-elsewhere");
    fs::write(&program, "#!/bin/sh\nprintf '%s,' \"$@\"\n").unwrap();
    Command::new("chmod").arg("755").arg(&program).status().unwrap();
    let path = format!("/nowhere:{}:{}", room.folder.display(), std::env::var("PATH").unwrap());
    let argv = ["no-such-program-elsewhere", "a b", "", "*", "-x;y"].map(String::from).to_vec();
    let ended = run(&mut guardian, &Order { argv: argv.clone(), env: vec![("PATH".into(), path)], ..room.order("") });
    assert_eq!((ended.code, room.output().as_slice()), (Some(0), &b"a b,,*,-x;y,"[..]));
    // One with a slash is looked for from the working folder.
    let argv = ["./no-such-program-elsewhere", "x"].map(String::from).to_vec();
    assert_eq!(run(&mut guardian, &Order { argv, ..room.order("") }).code, Some(0));
}

#[test]
fn what_cannot_be_started_is_told_and_the_next_order_runs() {
    let room = Room::new("not-started");
    let mut guardian = start(&room.mark);
    let plain = room.folder.join("plain");
    fs::write(&plain, "no program").unwrap();
    let link = room.folder.join("link");
    std::os::unix::fs::symlink(&plain, &link).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        room.folder.join("fifo"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    let argv = |program: &str| vec![program.to_owned()];
    let base = room.order("true");
    let orders = [
        (Order { argv: argv("ganger-no-such-program"), ..base.clone() }, Obstacle::ProgramMissing),
        (Order { argv: argv("/ganger/no/such/program"), ..base.clone() }, Obstacle::ProgramMissing),
        (Order { argv: argv("ganger-none"), env: vec![("PATH".into(), "/".into())], ..base.clone() }, Obstacle::ProgramMissing),
        (Order { argv: argv("./plain"), ..base.clone() }, Obstacle::ProgramRefused),
        (Order { argv: argv("/"), ..base.clone() }, Obstacle::ProgramRefused),
        (Order { argv: Vec::new(), ..base.clone() }, Obstacle::Other),
        (Order { argv: vec!["echo".into(), "a\0b".into()], ..base.clone() }, Obstacle::Other),
        (Order { argv: vec!["echo".into(), "x".repeat(3 << 20)], ..base.clone() }, Obstacle::Other),
        (Order { cwd: room.folder.join("missing"), ..base.clone() }, Obstacle::Folder),
        (Order { cwd: plain.clone(), ..base.clone() }, Obstacle::Folder),
        (Order { stdin: Some(room.folder.join("missing")), ..base.clone() }, Obstacle::Input),
        (Order { stdin: Some(room.folder.join("fifo")), ..base.clone() }, Obstacle::Input),
        (Order { stdin: Some(room.folder.clone()), ..base.clone() }, Obstacle::Input),
        (Order { output: room.folder.join("missing/output"), ..base.clone() }, Obstacle::Output),
        (Order { output: room.folder.join("fifo"), ..base.clone() }, Obstacle::Output),
        (Order { output: link, ..base.clone() }, Obstacle::Output),
    ];
    for (order, expected) in orders {
        guardian.begin(&order).unwrap();
        match hear(&mut guardian) {
            Word::NotStarted { obstacle, error } => assert_eq!(obstacle, expected, "{error} {:?}", order.cwd),
            other => panic!("{other:?} {order:?}"),
        }
    }
    assert_eq!(fs::read(&plain).unwrap(), b"no program");
    assert_eq!(run(&mut guardian, &base).code, Some(0));
    for bad in ["", "a,b", "a b"] {
        assert!(Guardian::start(bad).is_err());
    }
}

#[test]
fn one_order_at_a_time_and_words_come_in_order() {
    let room = Room::new("order");
    let mut guardian = start(&room.mark);
    assert!(guardian.alive());
    assert_eq!(guardian.hear(Some(Duration::ZERO)).unwrap(), None);
    begin(&mut guardian, &room.order("sleep NUMBER"));
    assert!(guardian.is_busy());
    let refused = guardian.begin(&room.order("true")).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ResourceBusy);
    assert_eq!(guardian.hear(Some(Duration::from_millis(20))).unwrap(), None);
    guardian.end(How::AtOnce);
    guardian.end(How::Gracefully);
    let ended = end(&mut guardian);
    assert_eq!((ended.signal, ended.why, ended.tree_empty), (Some(9), Why::Asked, true));
    // Asking what has ended already touches neither it nor the next.
    guardian.end(How::AtOnce);
    assert_eq!(run(&mut guardian, &room.order("exit 4")).code, Some(4));
    let long = Order { argv: vec!["echo".into(), "x".repeat(17 << 20)], ..room.order("") };
    assert_eq!(guardian.begin(&long).unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
    assert_eq!(run(&mut guardian, &room.order("exit 5")).code, Some(5));
}

#[test]
fn orphans_are_reaped_while_the_program_goes_on() {
    let room = Room::new("reaped");
    let mut guardian = start(&room.mark);
    let begun = begin(&mut guardian, &room.order("for i in 1 2 3 4 5; do (true &); done; touch all; sleep NUMBER"));
    until("all orphans to be reaped", || room.folder.join("all").exists() && children_of(guardian.pid()) == [begun]);
    guardian.end(How::AtOnce);
    assert_eq!(end(&mut guardian).why, Why::Asked);
}

#[test]
fn a_thousand_orders_leave_no_descriptor_and_no_zombie() {
    let room = Room::new("many");
    let mut guardian = start(&room.mark);
    let descriptors = |pid: u32| fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    let order = Order { argv: vec!["/bin/true".into()], ..room.order("") };
    run(&mut guardian, &order);
    let before = descriptors(guardian.pid());
    for n in 0..1_000 {
        // Some leave an orphan behind.
        let order = if n % 50 == 0 { room.order("(true &)") } else { order.clone() };
        let ended = run(&mut guardian, &order);
        assert_eq!((ended.code, ended.tree_empty), (Some(0), true), "{n}");
    }
    assert_eq!(descriptors(guardian.pid()), before);
    assert!(children_of(guardian.pid()).is_empty());
}
