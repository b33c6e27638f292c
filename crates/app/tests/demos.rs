//! The demos of `examples/`, each in a copy of its own: they end well, and leave nothing beside what they say.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

/// Runs the demo of an example; gives what it said on stdout.
fn demo(name: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join(name);
    let copied = Command::new("cp").arg("-R").arg(examples().join(name)).arg(&copy).status().unwrap();
    assert!(copied.success());
    let ran = Command::new("sh")
        .arg(copy.join("demo.sh"))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", folder.path())
        .env("TZ", "UTC")
        .env("LANG", "C.UTF-8")
        .env("GANGER", env!("CARGO_BIN_EXE_ganger"))
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{name}: {:?}\n{out}\n{err}", ran.status);
    out.into_owned()
}

#[test]
fn every_demo_is_tried() {
    let mut demos: Vec<String> = std::fs::read_dir(examples())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|folder| folder.join("demo.sh").exists())
        .map(|folder| folder.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    demos.sort_unstable();
    assert_eq!(demos, ["capabilities", "progress", "recovery"], "a new demo needs a test of its own here");
}

#[test]
fn recovery() {
    let said = demo("recovery");
    assert!(said.contains("second: part 9"), "the second worker does all of it: {said}");
    assert!(said.contains("primes below 20000: 2262"), "{said}");
}

#[test]
fn capabilities() {
    let said = demo("capabilities");
    assert!(!said.contains("PENDING") && !said.contains("FAILED"), "{said}");
}

#[test]
fn progress() {
    let said = demo("progress");
    assert!(said.contains("the run has ended well"), "{said}");
}
