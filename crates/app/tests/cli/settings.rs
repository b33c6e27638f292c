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
    agents_library = ""  (default)
    attempts = 5  (GANGER_ATTEMPTS)
    claude_md_path = CLAUDE.md  (default)
    cycles = 1  (<dir>/.config/ganger/config.toml)
    fallback_after = 180s  (default)
    grace = 10s  (default)
    heartbeat = 30s  (default)
    language = auto  (default)
    lease = 60s  (<dir>/.orchestrator/config.toml)
    output_bytes_max = 67108864  (default)
    poll_interval_sec = 80  (default)
    session = ""  (default)
    silence = 0s  (default)
    store = sqlite:.orchestrator/ganger.db  (default)
    test_command = ""  (default)
    timeout = 60m  (default)
    window_map = ""  (default)
    "#);
    assert_eq!(desk.ok(&["config"]), desk.ok(&["config", "list"]));
    let listed = desk.json(&["config"]);
    let lease = listed.as_array().unwrap().iter().find(|setting| setting["key"] == "lease").unwrap();
    assert_eq!(*lease, desk.json(&["config", "get", "lease"]));
    assert_eq!(lease.as_object().unwrap().keys().collect::<Vec<_>>(), ["key", "source", "value"]);
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
        ("store", "postgres://me:secret@h/db", "cannot open 'postgres://me:…@h/db'"),
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
fn settings_that_somebody_broke_can_be_mended() {
    let desk = Desk::new();
    desk.write(".orchestrator/config.toml", "# mine\nlease = \"1s\" # too short\n");
    assert_eq!(desk.refused(2, &["list"])["code"], "bad_config");
    assert_eq!(desk.json(&["config", "set", "lease", "120s"])["value"], "120s");
    assert_eq!(desk.ok(&["config", "get", "lease"]), "120s");
    let text = std::fs::read_to_string(desk.path(".orchestrator/config.toml")).unwrap();
    assert!(text.starts_with("# mine\n") && text.contains("# too short"), "{text}");
}
