//! Somebody's desk: a folder, the binary, a clean environment.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// What a call left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// The error object on stderr.
    pub(crate) fn error(&self) -> Value {
        let document: Value = serde_json::from_str(self.err.lines().last().unwrap_or_default()).unwrap_or_default();
        assert!(document["error"].is_object(), "no error object: {self:?}");
        document["error"].clone()
    }
}

/// A folder to try things in.
pub(crate) struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    /// A folder that is no project.
    pub(crate) fn bare() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// A new project.
    pub(crate) fn new() -> Self {
        let desk = Self::bare();
        desk.ok(&["init"]);
        desk
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ganger"));
        command
            .args(args)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.root())
            .env("USER", "kim")
            .env("TZ", "UTC")
            .env("LANG", "C.UTF-8")
            .current_dir(self.root())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        let output = self.command(args).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Ran { code: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// Expects success; gives stdout without its last line end.
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        let ran = self.run(args);
        assert_eq!(ran.code, 0, "{args:?}: {ran:?}");
        ran.out.trim_end_matches('\n').to_owned()
    }

    /// The same with `--json`, read.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let out = self.ok(&[&["--json"], args].concat());
        serde_json::from_str(&out).unwrap_or_else(|error| unreachable!("{args:?}: {error}: {out}"))
    }

    /// The same for a stream: one document a line.
    pub(crate) fn stream(&self, args: &[&str]) -> Vec<Value> {
        self.ok(&[&["--json"], args].concat()).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Expects this exit code; gives the error object.
    pub(crate) fn refused(&self, code: i32, args: &[&str]) -> Value {
        let ran = self.run(&[&["--json"], args].concat());
        assert_eq!(ran.code, code, "{args:?}: {ran:?}");
        assert_eq!(ran.out, "", "{args:?}: data beside an error");
        ran.error()
    }

    /// Takes a task and gives its claim.
    pub(crate) fn claim(&self, worker: &str, task: &str) -> String {
        self.json(&["claim", "--worker", worker, "--task", task])["claim"].as_str().unwrap().to_owned()
    }

    /// The text with what differs from run to run replaced.
    pub(crate) fn normal(&self, text: &str) -> String {
        let real = std::fs::canonicalize(self.root()).unwrap();
        let text = text.replace(&*real.to_string_lossy(), "<dir>").replace(&*self.root().to_string_lossy(), "<dir>");
        let mut normal = String::new();
        let mut rest = text.as_str();
        while let Some(c) = rest.chars().next() {
            let (word, length) = match rest {
                _ if fits(rest, "dddd-dd-ddTdd:dd:dd.dddZ") => ("<time>", 24),
                _ if fits(rest, "dddd-dd-dd dd:dd:dd+dd:dd") => ("<time>", 25),
                _ if fits(rest, "dd:dd:dd ") => ("<hour> ", 9),
                _ if fits(rest, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx") => ("<nonce>", 32),
                _ => ("", c.len_utf8()),
            };
            normal.push_str(if word.is_empty() { &rest[..length] } else { word });
            rest = &rest[length..];
        }
        normal
    }
}

/// Whether the text begins like this: `d` is a digit, `x` a hexadecimal one.
fn fits(text: &str, pattern: &str) -> bool {
    let mut chars = text.chars();
    pattern.chars().all(|wanted| {
        chars.next().is_some_and(|c| match wanted {
            'd' => c.is_ascii_digit(),
            'x' => c.is_ascii_hexdigit(),
            other => c == other,
        })
    })
}
