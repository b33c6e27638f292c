//! A project in a folder of its own, and the binary in a clean environment.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A project to try things on.
pub(crate) struct Shop {
    folder: tempfile::TempDir,
}

impl Shop {
    /// A new project with these settings.
    pub(crate) fn new(settings: &[(&str, &str)]) -> Self {
        let shop = Self { folder: tempfile::tempdir().unwrap() };
        shop.ok(&["init"]);
        for (key, value) in settings {
            let file = shop.path(".orchestrator/config.toml");
            let mut text = std::fs::read_to_string(&file).unwrap();
            text.push_str(&format!("{key} = \"{value}\"\n"));
            std::fs::write(&file, text).unwrap();
        }
        shop
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// The binary with these arguments.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ganger"));
        self.dress(&mut command);
        command.args(args);
        command
    }

    /// A clean environment and this folder.
    pub(crate) fn dress(&self, command: &mut Command) {
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.root())
            .env("TZ", "UTC")
            .env("LANG", "C.UTF-8");
        if let Some(plant) = std::env::var_os("GANGER_PLANT") {
            command.env("GANGER_PLANT", plant);
        }
        command.current_dir(self.root()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Runs it, expects success, gives stdout.
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {:?}\n{}{}", output.status, text(&output.stdout), text(&output.stderr));
        text(&output.stdout).trim().to_owned()
    }

    /// Runs it with `--json` and reads the document.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let mut args = args.to_vec();
        args.push("--json");
        serde_json::from_str(&self.ok(&args)).unwrap()
    }

    pub(crate) fn start(&self, args: &[&str]) -> Child {
        self.command(args).spawn().unwrap()
    }

    /// The task as JSON.
    pub(crate) fn task(&self, id: &str) -> Value {
        self.json(&["show", id])
    }

    pub(crate) fn status_of(&self, id: &str) -> String {
        self.task(id)["status"].as_str().unwrap().to_owned()
    }

    /// Claims the next task and gives its claim.
    pub(crate) fn claim(&self, worker: &str) -> String {
        self.json(&["claim", "--worker", worker])["claim"].as_str().unwrap().to_owned()
    }

    /// Every invariant holds.
    pub(crate) fn audit(&self) {
        let output = self.run(&["doctor", "--strict", "--json"]);
        assert!(output.status.success(), "doctor: {:?}\n{}\n{}", output.status, text(&output.stdout), text(&output.stderr));
    }

    /// The events of these kinds as (kind, task).
    pub(crate) fn events(&self, kind: &str) -> Vec<Value> {
        let all = self.ok(&["log", "--json"]);
        all.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).filter(|event| event["kind"] == kind).collect()
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Waits until `is` holds, at most `at_most`.
pub(crate) fn until(what: &str, at_most: Duration, mut is: impl FnMut() -> bool) {
    let end = Instant::now() + at_most;
    while !is() {
        assert!(Instant::now() < end, "{what}: not within {at_most:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Sends a signal by number.
pub(crate) fn signal(pid: u32, name: &str) {
    let done = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().unwrap();
    assert!(done.success(), "kill -{name} {pid}");
}

/// Whether a process is there and not a zombie.
pub(crate) fn lives(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z'))
}

/// A small source of numbers that a seed replays.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// From `GANGER_SEED`, else from the clock; printed, so that a failure can be replayed.
    pub(crate) fn new() -> Self {
        let seed = std::env::var("GANGER_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| {
            u64::try_from(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() % 1_000_000_007).unwrap()
        });
        eprintln_seed(seed);
        Self(seed)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

#[expect(clippy::disallowed_macros, reason = "the seed is what a failing test must tell")]
fn eprintln_seed(seed: u64) {
    eprintln!("GANGER_SEED={seed}");
}

/// How many times: the sample of a test run, or what `scripts/soak` asks for.
pub(crate) fn rounds(variable: &str, sample: u64) -> u64 {
    std::env::var(variable).ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(sample)
}
