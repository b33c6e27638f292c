//! A PostgreSQL server for a test process: started when it is first asked for, ended with the process, however that goes.
#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

struct Server {
    url: String,
    /// Ends when its standard input does, and that is ours.
    _process: Child,
}

/// The address of a schema that nobody has used, on this process's server.
///
/// # Panics
/// When PostgreSQL is not installed: `scripts/test` does that.
#[must_use]
pub fn fresh_address() -> String {
    static SERVER: OnceLock<Server> = OnceLock::new();
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let server = SERVER.get_or_init(start);
    format!("{}?schema=test_{}_{}", server.url, std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed))
}

fn start() -> Server {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/postgres");
    let folder = std::env::temp_dir().join(format!("ganger-pg-{}", std::process::id()));
    let mut process = Command::new(script)
        .arg("--fast")
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("scripts/postgres can be started");
    let mut url = String::new();
    let output = process.stdout.take().expect("its output is ours");
    BufReader::new(output).read_line(&mut url).expect("it says something");
    assert!(url.starts_with("postgres://"), "scripts/postgres started no server: is PostgreSQL installed? scripts/test does that");
    Server { url: url.trim().to_owned(), _process: process }
}
