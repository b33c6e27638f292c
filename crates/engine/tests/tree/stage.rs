//! What the tests share: a place and a mark for each, the processes they start, and how to see what lives.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use engine::tree::{Ended, Guardian, Order, Word};
use rustix::process::{Pid, Signal, kill_process};

/// After so long what is waited for will not come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// This process inherits the orphans of all tests (guardians too, when their loop is killed), and ends what it has
/// inherited when a guardian of its own dies. So tests that leave orphans, and those whose guardian dies, take turns.
pub(crate) fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A folder, a mark and a number that no other test has; `sleep NUMBER` is findable whatever its environment.
pub(crate) struct Room {
    pub(crate) folder: PathBuf,
    pub(crate) mark: String,
    pub(crate) number: String,
}

impl Room {
    pub(crate) fn new(name: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(70_000);
        let number = format!("{}.{}", NEXT.fetch_add(1, Ordering::Relaxed), std::process::id());
        let folder = std::env::temp_dir().join(format!("ganger-tree-{number}"));
        fs::create_dir_all(&folder).unwrap();
        Self { folder, mark: format!("{name}-{number}"), number }
    }

    pub(crate) fn order(&self, script: &str) -> Order {
        Order {
            argv: ["sh", "-c", &script.replace("NUMBER", &self.number)].map(String::from).to_vec(),
            cwd: self.folder.clone(),
            env: Vec::new(),
            env_remove: Vec::new(),
            stdin: None,
            output: self.folder.join("output"),
            output_bytes_max: 1 << 20,
            timeout: None,
            silence: None,
            grace: Duration::from_millis(300),
        }
    }

    pub(crate) fn output(&self) -> Vec<u8> {
        fs::read(self.folder.join("output")).unwrap()
    }

    /// Those that live and carry the mark, or the number in their command line; not the tests' own helpers.
    pub(crate) fn alive(&self) -> BTreeSet<u32> {
        let mut alive = BTreeSet::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
            let read = |file| String::from_utf8_lossy(&fs::read(entry.path().join(file)).unwrap_or_default()).into_owned();
            let marked = read("environ").split('\0').any(|one| one.starts_with("GANGER_TREE=") && one.contains(&self.mark));
            let numbered = read("cmdline").split('\0').any(|word| word == self.number);
            if (marked || numbered) && lives(pid) {
                alive.insert(pid);
            }
        }
        alive
    }

    #[track_caller]
    pub(crate) fn wait_for_alive(&self, fits: impl Fn(usize) -> bool) -> BTreeSet<u32> {
        let mut alive = BTreeSet::new();
        until("the processes of the tree to be as many as expected", || {
            alive = self.alive();
            fits(alive.len())
        });
        alive
    }

    #[track_caller]
    pub(crate) fn assert_none_left(&self) {
        let alive = self.alive();
        let lines: Vec<_> = alive.iter().map(|pid| fs::read_to_string(format!("/proc/{pid}/cmdline"))).collect();
        assert!(alive.is_empty(), "{alive:?} {lines:?}");
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

pub(crate) fn state(pid: u32) -> Option<char> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    String::from_utf8_lossy(&stat).rsplit_once(") ")?.1.chars().next()
}

pub(crate) fn lives(pid: u32) -> bool {
    state(pid).is_some_and(|state| state != 'Z' && state != 'X')
}

/// All children, ended or not.
pub(crate) fn children_of(pid: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    let lists: Vec<String> = threads.map(|thread| fs::read_to_string(thread.path().join("children")).unwrap()).collect();
    lists.iter().flat_map(|list| list.split_ascii_whitespace()).map(|child| child.parse().unwrap()).collect()
}

pub(crate) fn kill(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal).unwrap();
}

#[track_caller]
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[track_caller]
pub(crate) fn hear(guardian: &mut Guardian) -> Word {
    guardian.hear(Some(PATIENCE)).unwrap().unwrap()
}

#[track_caller]
pub(crate) fn begin(guardian: &mut Guardian, order: &Order) -> u32 {
    guardian.begin(order).unwrap();
    match hear(guardian) {
        Word::Started { pid } => pid,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
pub(crate) fn end(guardian: &mut Guardian) -> Ended {
    match hear(guardian) {
        Word::Ended(ended) => ended,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
pub(crate) fn run(guardian: &mut Guardian, order: &Order) -> Ended {
    begin(guardian, order);
    end(guardian)
}

pub(crate) fn entry(name: &str) -> [&str; 4] {
    ["--exact", name, "--nocapture", "--test-threads=1"]
}

pub(crate) fn start(mark: &str) -> Guardian {
    Guardian::start_with(&std::env::current_exe().unwrap(), &entry("guardian_entry"), mark).unwrap()
}

/// A loop in a process of its own.
pub(crate) struct Loop {
    pub(crate) child: Child,
    pub(crate) guardian: u32,
    /// Open, so that it can say that it has passed.
    _says: BufReader<ChildStdout>,
}

pub(crate) fn start_loop(room: &Room, order: Option<&Order>) -> Loop {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(entry("loop_entry"))
        .env("GANGER_TEST_ORDER", order.map(|order| serde_json::to_string(order).unwrap()).unwrap_or_default())
        .env("GANGER_TEST_MARK", &room.mark)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut says = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("guardian ") {
        line.clear();
        assert!(says.read_line(&mut line).unwrap() > 0, "the loop has not started");
    }
    let guardian = line.split(' ').nth(1).unwrap().parse().unwrap();
    Loop { child, guardian, _says: says }
}

/// Forks five ways, out of the group, out of the session, out of the line of parents, out of the environment.
pub(crate) const STRAYS: &str = "sleep NUMBER & \
    setsid sleep NUMBER & \
    (setsid sh -c 'sleep NUMBER & sleep NUMBER' &) & \
    nohup sh -c 'trap \"\" TERM HUP; (setsid sleep NUMBER &); while :; do sleep NUMBER; done' >/dev/null 2>&1 & \
    env -i PATH=\"$PATH\" setsid sh -c '(sleep NUMBER &) & exec sleep NUMBER' & ";
