//! The only door for every surface: the command line, workers, the board, HTTP and MCP all come through here.
//! It knows no terminal and no transport; what it answers is what happened.

mod act;
pub mod apply;
mod book;
mod claim;
pub mod group;
mod manage;
pub mod query;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::lifecycle::Rules;
use domain::plan::Language;
use domain::schedule::Limits;
use domain::worker::Patience;

pub use self::act::{Act, Answer, Card, NewPlan, Order, Patch, Ran, WorkerAct};
pub(crate) use self::manage::lane_key;
use crate::store::Store;

/// The rules of a project as its configuration sets them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How long a worker counts as alive without a heartbeat.
    pub lease: Duration,
    /// Who waits how long for whom.
    pub limits: Limits,
    /// Retries and repairs.
    pub rules: Rules,
    /// Which language titles of ganger's own tasks have.
    pub language: Language,
}

impl Default for Settings {
    fn default() -> Self {
        let lease = Duration::from_secs(120);
        let fallback_after = Duration::from_secs(180);
        Self {
            lease,
            limits: Limits { fallback_after, patience: Patience { process: lease, pull: fallback_after } },
            rules: Rules::default(),
            language: Language::En,
        }
    }
}

/// The door. Cheap to share between threads; every call is one transaction.
pub struct Orchestrator {
    store: Arc<dyn Store>,
    settings: Settings,
    notices: Mutex<Vec<String>>,
}

impl Orchestrator {
    /// A door to this store with these rules.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, settings: Settings) -> Self {
        Self { store, settings, notices: Mutex::new(Vec::new()) }
    }

    /// The rules.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The store behind the door, for waiting on it.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// What should be said on stderr since the last call: rows that do not decode.
    pub fn notices(&self) -> Vec<String> {
        std::mem::take(&mut *self.notices.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn notice(&self, text: String) {
        self.notices.lock().unwrap_or_else(PoisonError::into_inner).push(text);
    }
}
