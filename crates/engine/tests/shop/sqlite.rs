//! The embedded store as a [`Bench`].

use super::*;
use engine::store::sqlite::{Missing, SqliteStore, Use};

pub(crate) struct Sqlite;

struct File {
    clock: Arc<ManualClock>,
    folder: tempfile::TempDir,
}

impl Bench for Sqlite {
    fn fresh(&self) -> Box<dyn Stand> {
        Box::new(File { clock: Arc::new(ManualClock::new()), folder: folder() })
    }
}

/// In memory where there is such a place: what is on disk after a crash is not asked here, and waiting for the disk is most of the time.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

impl Stand for File {
    fn open(&self) -> Arc<dyn Store> {
        let clock = Arc::clone(&self.clock);
        Arc::new(SqliteStore::open(&self.folder.path().join("ganger.db"), Use::Resident, Missing::Make, clock).unwrap())
    }

    fn clock(&self) -> &ManualClock {
        &self.clock
    }

    fn leases_end_with_the_boot(&self) -> bool {
        true
    }

    fn wakes_at_once(&self) -> bool {
        true
    }
}
