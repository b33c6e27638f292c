//! `ganger config`: what is set, where it came from, and that no command can break the settings.

use crate::desk::Desk;

#[test]
fn every_setting_is_listed_with_its_source() {
    let desk = Desk::new();
    desk.ok(&["config", "set", "lease", "60s"]);
    std::fs::create_dir_all(desk.path(".config/ganger")).unwrap();
    desk.write(".config/ganger/config.toml", "cycles = 1\nlease = \"90s\"\n");
    let output = desk.command(&["config"]).env("GANGER_ATTEMPTS", "5").output().unwrap();
    insta::assert_snapshot!(desk.normal(&String::from_utf8(output.stdout).unwrap()), @r#"
    # not in this version: the folder with agent roles
    agents_library = ""  (default)
    # how often a task of `ganger add` may fail, if it does not say so itself
    attempts = 5  (GANGER_ATTEMPTS)
    # not in this version: the file that holds the board
    claude_md_path = CLAUDE.md  (default)
    # how many repairs a failing test may ask for
    cycles = 1  (<dir>/.config/ganger/config.toml)
    # how long a task waits for the right worker before any other may have it
    fallback_after = 180s  (default)
    # how long a process that is asked to end has, before it is killed
    grace = 10s  (default)
    # how often a worker of ganger's says that it is alive
    heartbeat = 30s  (default)
    # of titles, briefs and reports; `auto` goes by `LC_ALL` and `LANG`
    language = auto  (default)
    # how long a worker counts as alive after it last said so; must not be shorter than `heartbeat`
    lease = 60s  (<dir>/.orchestrator/config.toml)
    # how many bytes of one attempt's output are kept
    output_bytes_max = 67108864  (default)
    # how many seconds `ganger poll` waits between two looks
    poll_interval_sec = 80  (default)
    # not in this version: the tmux session of the workers
    session = ""  (default)
    # a command that prints nothing for so long is ended; `0s`: never
    silence = 0s  (default)
    # where the tasks are kept: `sqlite:PATH`, relative to the project's folder, or `postgres://…`
    store = sqlite:.orchestrator/ganger.db  (default)
    # tests features of a plan that bring neither `run` nor `test` nor `check`
    test_command = ""  (default)
    # how long an attempt of a task of `ganger add` may take, if it does not say so itself
    timeout = 60m  (default)
    # not in this version: which worker has which tmux window
    window_map = ""  (default)
    "#);
    assert_eq!(desk.ok(&["config"]), desk.ok(&["config", "list"]));
    let listed = desk.json(&["config"]);
    let lease = listed.as_array().unwrap().iter().find(|setting| setting["key"] == "lease").unwrap();
    assert_eq!(*lease, desk.json(&["config", "get", "lease"]));
    assert_eq!(lease.as_object().unwrap().keys().collect::<Vec<_>>(), ["key", "meaning", "source", "value"]);
    assert_eq!(desk.ok(&["config", "get", "lease"]), "60s");
    assert_eq!(desk.ok(&["config", "get", "store", "--store", "sqlite:other.db"]), "sqlite:other.db");
}

#[test]
fn a_value_that_would_break_the_settings_is_refused_and_the_file_stays() {
    let desk = Desk::new();
    desk.ok(&["config", "set", "cycles", "2"]);
    let file = desk.path(".orchestrator/config.toml");
    let before = std::fs::read_to_string(&file).unwrap();
    for (key, value, found) in [
        ("nope", "1", "there is no setting 'nope'"),
        ("lease", "soon", "expected a duration"),
        ("lease", "0s", "longer than 0s"),
        ("lease", "10s", "shorter than heartbeat"),
        ("heartbeat", "10m", "shorter than heartbeat"),
        ("cycles", "-1", "whole number"),
        ("attempts", "many", "whole number"),
        ("language", "de", "expected en, fr or auto"),
        ("session", "a\nb", "one line"),
        ("store", "https://me:secret@h/db", "cannot open 'https://me:…@h/db'"),
        ("store", "mysql://x", "no address of a store"),
    ] {
        let error = desk.refused(2, &["config", "set", key, value]);
        assert!(error["message"].as_str().unwrap().contains(found), "{key} = {value}: {error}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), before, "{key} = {value}");
    }
    // What the environment says neither hides a mistake nor makes one.
    let output = desk.command(&["config", "set", "lease", "10s"]).env("GANGER_LEASE", "120s").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let output = desk.command(&["config", "set", "lease", "90s"]).env("GANGER_LEASE", "120s").output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stderr).contains("GANGER_LEASE"), "{output:?}");
}

#[test]
fn no_password_is_shown() {
    let desk = Desk::new();
    let shown = desk.ok(&["config", "set", "store", "postgres://me:secret@h/db?schema=s"]);
    assert_eq!(shown, "store = postgres://me:…@h/db?schema=s");
    let file = desk.path(".orchestrator/config.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("me:secret@h"), "{text}");
    std::fs::write(&file, format!("{text}\n[workers.amp.env]\nAPI_KEY = \"secret too\"\n")).unwrap();
    for args in [&["config"][..], &["config", "--json"], &["config", "get", "store"], &["config", "get", "store", "--json"]] {
        let said = desk.ok(args);
        assert!(said.contains("me:…@h/db") && !said.contains("secret"), "{args:?}: {said}");
    }
}

#[test]
fn settings_that_somebody_broke_can_be_mended() {
    let desk = Desk::new();
    desk.write(".orchestrator/config.toml", "# mine\nlease = \"1s\" # too short\n");
    assert_eq!(desk.refused(2, &["list"])["code"], "bad_config");
    assert_eq!(desk.json(&["config", "set", "lease", "120s"])["value"], "120s");
    assert_eq!(desk.ok(&["config", "get", "lease"]), "120s");
    let text = std::fs::read_to_string(desk.path(".orchestrator/config.toml")).unwrap();
    assert!(text.starts_with("# mine\n") && text.contains("# too short"), "{text}");
    // What the error says mends it.
    desk.write(".orchestrator/config.toml", "cycles = \"many\"\n");
    let error = desk.refused(2, &["status"]);
    assert!(error["message"].as_str().unwrap().contains("config.toml, line 1: cycles: "), "{error}");
    assert_eq!(error["hints"][0], "ganger config set cycles 3");
    desk.ok(&["config", "set", "cycles", "3"]);
    desk.ok(&["status"]);
    desk.write(".orchestrator/config.toml", "cycles 3\n");
    let error = desk.refused(2, &["config", "set", "cycles", "3"]);
    assert!(error["message"].as_str().unwrap().contains("config.toml, line 1: "), "{error}");
    assert!(error["hints"][0].as_str().unwrap().starts_with("mend line 1 of "), "{error}");
}

#[test]
fn the_help_lists_every_setting_also_where_a_file_is_broken() {
    let desk = Desk::new();
    let listed = desk.json(&["config"]);
    desk.write(".orchestrator/config.toml", "colour = 1\n");
    let error = desk.refused(2, &["config"]);
    assert!(error["hints"][0].as_str().unwrap().contains("ganger config --help"), "{error}");
    let help = desk.ok(&["config", "--help"]);
    for setting in listed.as_array().unwrap() {
        let name = setting["key"].as_str().unwrap();
        assert!(help.contains(&format!("\n  {name} = ")), "{name}: {help}");
    }
}

#[test]
fn what_has_no_effect_yet_is_told_where_it_is_set() {
    let desk = Desk::new();
    for (key, value) in [("claude_md_path", "NOTES.md"), ("session", "main"), ("window_map", "a=3"), ("agents_library", "agents")] {
        let ran = desk.run(&["config", "set", key, value]);
        assert!(ran.code == 0 && ran.err.contains("not in this version"), "{ran:?}");
        assert_eq!(desk.ok(&["config", "get", key]), value);
    }
    assert_eq!(desk.run(&["config", "set", "cycles", "2"]).err, "");
    let ran = desk.run(&["init", "--board", "CLAUDE.md", "--agents-library", "agents"]);
    assert!(ran.code == 0 && ran.err.matches("not in this version").count() == 2, "{ran:?}");
    let ran = desk.run(&["workers", "add", "amp", "--target", "main:3"]);
    assert!(ran.code == 0 && ran.err.contains("--target: not in this version"), "{ran:?}");
}
