//! Two hosts, each with its own folder, and one store in PostgreSQL between them.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// A folder as on another machine: its own settings and locks, the same store.
struct Host {
    folder: tempfile::TempDir,
    store: String,
}

impl Host {
    fn new(store: &str) -> Self {
        let host = Self { folder: tempfile::tempdir().unwrap(), store: store.to_owned() };
        assert!(host.run(&["init"]).status.success());
        host
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ganger"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("GANGER_")) {
            command.env_remove(name);
        }
        command.arg("-C").arg(self.path()).args(args).env("GANGER_STORE", &self.store).stdin(Stdio::null());
        command
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    fn json(&self, args: &[&str]) -> Value {
        let output = self.run(args);
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

/// Whatever this is called must go again, also when the test fails.
struct Schema(String);

impl Drop for Schema {
    fn drop(&mut self) {
        if let Ok(engine::store::address::Address::Postgres(address)) = engine::store::address::Address::parse(&self.0, Path::new("/")) {
            let _ = engine::store::postgres::remove(&address);
        }
    }
}

#[test]
fn two_runs_on_two_hosts_share_the_work_and_take_different_names() {
    let schema = Schema(testkit::postgres::fresh_address());
    let (one, two) = (Host::new(&schema.0), Host::new(&schema.0));
    let log = one.path().join("runs");
    let run = format!("echo \"$GANGER_TASK $GANGER_WORKER\" >> {}; sleep 0.2", log.display());
    for _ in 0..24 {
        assert!(one.run(&["add", "work", "--run", &run]).status.success());
    }
    // The second begins when the first one's workers are on the roster.
    let first = one.command(&["run", "--workers", "2"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let until = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while two.json(&["workers", "--json"]).as_array().unwrap().len() < 2 {
        assert!(std::time::Instant::now() < until, "the first host's workers do not come");
    }
    let second = two.run(&["run", "--workers", "2"]);
    let first = first.wait_with_output().unwrap();
    assert!(first.status.success() && second.status.success(), "{first:?}\n{second:?}");
    let ran = std::fs::read_to_string(&log).unwrap();
    let mut tasks: Vec<&str> = ran.lines().filter_map(|line| line.split_whitespace().next()).collect();
    tasks.sort_unstable();
    assert_eq!(tasks.len(), 24, "each once: {ran}");
    tasks.dedup();
    assert_eq!(tasks.len(), 24, "none twice: {ran}");
    let names: std::collections::BTreeSet<&str> = ran.lines().filter_map(|line| line.split_whitespace().nth(1)).collect();
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["agent-01", "agent-02", "agent-03", "agent-04"]);
    for host in [&one, &two] {
        assert!(host.path().join(".orchestrator/final_output.md").is_file());
    }
    assert!(one.run(&["doctor", "--strict"]).status.success());
}

#[test]
fn a_worker_of_another_host_keeps_its_name() {
    let schema = Schema(testkit::postgres::fresh_address());
    let (one, two) = (Host::new(&schema.0), Host::new(&schema.0));
    let mut worker = one.command(&["work", "--worker", "amy"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let until = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while two.json(&["workers", "--json"]).as_array().unwrap().is_empty() {
        assert!(std::time::Instant::now() < until, "the worker does not come");
    }
    let refused = two.run(&["work", "--worker", "amy", "--idle-exit", "0s", "--json"]);
    worker.kill().unwrap();
    worker.wait().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("worker_running"), "{refused:?}");
}

/// The lines of an export that are about the project: not its head, which names the moment and the epoch, nor its end, which sums up.
fn carried(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut lines: Vec<Value> = lines.filter(|line| line.get("task").is_some() || line.get("event").is_some()).collect();
    for line in &mut lines {
        // Distances from the moment of the export.
        if let Some(task) = line.get_mut("task").and_then(Value::as_object_mut) {
            task.remove("ready_ms");
            task.remove("not_before_ms");
        }
    }
    lines
}

#[test]
fn a_project_moves_to_the_database_and_back_with_ids_and_events() {
    let schema = Schema(testkit::postgres::fresh_address());
    let folder = tempfile::tempdir().unwrap();
    let file = Host { folder: tempfile::tempdir().unwrap(), store: format!("sqlite:{}/one.db", folder.path().display()) };
    assert!(file.run(&["init"]).status.success());
    for (title, run) in [("first", "true"), ("second", "false"), ("third — ünïcode\t", "true")] {
        assert!(file.run(&["add", title, "--run", run, "--attempts", "1"]).status.success());
    }
    assert!(file.run(&["add", "last", "--after", "T-001,T-003", "--run", "true"]).status.success());
    file.run(&["run", "--workers", "1"]);
    let mut exports = vec![folder.path().join("0.jsonl")];
    assert!(file.run(&["export", exports[0].to_str().unwrap()]).status.success());
    let back = format!("sqlite:{}/two.db", folder.path().display());
    for (number, store) in [(1, schema.0.as_str()), (2, back.as_str())] {
        let host = Host { folder: tempfile::tempdir().unwrap(), store: store.to_owned() };
        let from = exports.last().unwrap().to_str().unwrap().to_owned();
        let imported = host.run(&["import", &from]);
        assert!(imported.status.success(), "{imported:?}");
        assert!(host.run(&["doctor", "--strict"]).status.success());
        let again = host.run(&["import", &from]);
        assert_eq!(again.status.code(), Some(1), "a store that is not empty takes no import: {again:?}");
        let to = folder.path().join(format!("{number}.jsonl"));
        assert!(host.run(&["export", to.to_str().unwrap()]).status.success());
        exports.push(to);
    }
    let first = carried(&exports[0]);
    assert!(first.len() > 10, "{first:?}");
    for later in &exports[1..] {
        let carried = carried(later);
        assert_eq!(&carried[..first.len().min(carried.len())], &first[..], "{}", later.display());
    }
}
