//! The files are left alone when nothing changed, and follow when something did.

use std::os::unix::fs::MetadataExt;

use domain::event::Actor;
use engine::orchestrator::{Act, WorkerAct};

use crate::site::{Site, feature, worker};

type Mark = (std::path::PathBuf, u64, i64, i64);

fn marks(site: &Site) -> Vec<Mark> {
    let mark = |path: std::path::PathBuf| {
        let meta = path.metadata().unwrap();
        (path, meta.ino(), meta.mtime(), meta.mtime_nsec())
    };
    site.written().into_iter().map(mark).collect()
}

#[test]
fn nothing_is_written_when_nothing_changed() {
    let site = Site::new();
    site.import("Plan", Some("a goal"), vec![feature("One"), feature("Two")]);
    site.join("agent-01", "");
    site.does("agent-01", 1, 5, "done");
    site.claim("agent-01", 2);
    site.publish();
    let before = marks(&site);
    assert_eq!(before.len(), 4);
    // Time alone changes nothing: no file says what time it is.
    site.pass(100_000);
    site.publish();
    assert_eq!(marks(&site), before);
}

#[test]
fn only_what_changed_is_written() {
    let site = Site::new();
    site.import("Plan", None, vec![feature("One"), feature("Two")]);
    site.join("agent-01", "");
    site.join("agent-02", "");
    site.does("agent-01", 1, 5, "done");
    site.publish();
    let before = marks(&site);
    site.does("agent-01", 2, 5, "done");
    site.publish();
    let changed: Vec<String> = marks(&site)
        .iter()
        .filter(|mark| !before.contains(mark))
        .map(|(path, ..)| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(changed, ["agent-01.md", "final_output.md", "master_plan.md", "agent-01-result.md"]);
}

#[test]
fn the_files_are_private_and_their_folders_are_made_again() {
    let site = Site::new();
    site.import("Plan", None, vec![feature("One")]);
    site.join("agent-01", "");
    std::fs::remove_dir(site.path("agent_tasks")).unwrap();
    std::fs::remove_dir(site.path("results")).unwrap();
    site.publish();
    for path in site.written() {
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600, "{}", path.display());
    }
}

#[test]
fn a_worker_keeps_its_number_and_its_file_says_when_it_left() {
    let site = Site::new();
    site.import("Plan", None, vec![feature("One")]);
    for name in ["AMP", "agent-01"] {
        site.join(name, "");
    }
    site.claim("AMP", 1);
    site.publish();
    assert!(site.read("agent_tasks/agent-01.md").starts_with("# AMP\n"));
    assert!(site.read("agent_tasks/agent-01.md").contains("T-001"));
    site.apply(Actor::Human, Act::Worker { name: worker("AMP"), what: WorkerAct::Remove });
    site.join("LATER", "");
    site.publish();
    assert_eq!(site.read("agent_tasks/agent-01.md"), "# AMP\n\nNo longer on the roster.\n");
    assert!(site.read("agent_tasks/agent-02.md").starts_with("# agent-01\n"));
    assert!(site.read("agent_tasks/agent-03.md").starts_with("# LATER\n"));
}
