//! What nobody needs any more: answers to requests older than a week (G3 promises seven days).

use std::time::{Duration, Instant};

use domain::time::Timestamp;

use crate::clock::instant;
use crate::error::Result;
use crate::orchestrator::Orchestrator;

/// How long the answer to a request is kept.
const REQUESTS_KEPT: Duration = Duration::from_secs(8 * 24 * 3_600);
/// How often to look.
const EVERY: Duration = Duration::from_secs(600);
/// How many go at once.
const AT_ONCE: u32 = 10_000;

/// Removes now and then what is too old.
#[derive(Debug, Default)]
pub struct Pruner {
    last: Option<Instant>,
}

impl Pruner {
    /// One look.
    ///
    /// # Errors
    /// Those of the store.
    pub fn tick(&mut self, door: &Orchestrator) -> Result<u32> {
        if self.last.is_some_and(|last| last.elapsed() < EVERY) {
            return Ok(0);
        }
        self.last = Some(instant());
        let mut gone = 0;
        door.store().write(&mut |tx| {
            let before = Timestamp(tx.now().wall.0.saturating_sub(domain::time::millis(REQUESTS_KEPT)));
            gone = tx.prune_requests(before, AT_ONCE)?;
            Ok(())
        })?;
        Ok(gone)
    }
}
