//! What only the embedded store can get wrong: the file, its permissions and names, damage, locks, and the rules that the schema repeats.
//! The live file is never opened here by any other means (T1): what a test changes behind the store's back, it changes while nobody has it open.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods, reason = "tests")]

#[expect(dead_code, reason = "shared with other suites")]
#[path = "../shop/mod.rs"]
mod shop;

mod copies;
mod damage;
mod locks;
mod opening;
mod permissions;
mod rows;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::clock::ManualClock;
use engine::error::{Error, Result};
use engine::orchestrator::{Orchestrator, Settings};
use engine::store::sqlite::{Missing, SqliteStore, Use};

/// A folder for one store.
struct Place {
    folder: tempfile::TempDir,
    clock: Arc<ManualClock>,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), clock: Arc::new(ManualClock::new()) }
    }

    /// A place with a store that has so many tasks in it, and that nobody has open.
    fn with_tasks(count: usize) -> Self {
        let place = Self::new();
        let door = place.door();
        add(&door, count);
        place
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("ganger.db")
    }

    fn try_open(&self, missing: Missing) -> Result<SqliteStore> {
        open(&self.path(), missing, &self.clock)
    }

    fn store(&self) -> Arc<SqliteStore> {
        Arc::new(self.try_open(Missing::Make).unwrap())
    }

    fn door(&self) -> Orchestrator {
        Orchestrator::new(self.store(), Settings::default())
    }

    /// Why it cannot be opened, whether it may be made or not.
    #[track_caller]
    fn refusal(&self) -> Error {
        let refused = [Missing::Make, Missing::Refuse].map(|missing| self.try_open(missing).err().expect("this should be refused"));
        assert_eq!(refused[0], refused[1]);
        let [refused, _] = refused;
        refused
    }

    /// Changes the file behind the store's back; nobody may have it open.
    fn meddle(&self, sql: &str) {
        let connection = rusqlite::Connection::open(self.path()).unwrap();
        connection.execute_batch("PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF").unwrap();
        connection.execute_batch(sql).unwrap();
    }

    /// Every file of the place with its bytes.
    fn bytes(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files: Vec<_> =
            std::fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect();
        files.sort();
        files.into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
    }
}

fn open(path: &Path, missing: Missing, clock: &Arc<ManualClock>) -> Result<SqliteStore> {
    let clock: Arc<ManualClock> = Arc::clone(clock);
    SqliteStore::open(path, Use::OneShot, missing, clock)
}

fn add(door: &Orchestrator, count: usize) {
    use domain::event::Actor;
    use engine::orchestrator::{Act, Order};
    let tasks = shop::wish::features(count);
    door.apply_one(Order::new(Actor::Human, Act::Add { tasks, plan: None })).unwrap();
}

/// Makes a file that nobody else may read.
fn write_private(path: &Path, bytes: &[u8]) {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path).unwrap();
    file.write_all(bytes).unwrap();
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn chmod(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}
