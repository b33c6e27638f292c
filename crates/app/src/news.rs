//! Waiting for news at the command line: until something was committed, somebody interrupts, or nobody reads any more.

use std::time::Duration;

use engine::error::Result;
use engine::orchestrator::Orchestrator;
use engine::services::wait_for_news;
use engine::store::{Listen, Listener};
use engine::worker::run::Asked;

use crate::output::Printer;
use crate::signals::Signals;

/// A lost wake-up costs no more than this.
const SLOW_POLL: Duration = Duration::from_secs(5);

/// Somebody who follows what happens. What is committed after it was made is not missed.
pub(crate) struct News {
    listener: Box<dyn Listener>,
    signals: Signals,
}

impl News {
    pub(crate) fn watch(door: &Orchestrator) -> Result<Self> {
        Ok(Self { signals: Signals::watch()?, listener: door.store().waker().listen(Listen::Any) })
    }

    /// Shows what was written, then waits for more at most this long. `false` means: end, quietly.
    pub(crate) fn wait(&mut self, printer: &mut Printer, at_most: Duration) -> bool {
        printer.flush();
        if printer.is_closed() || self.signals.times() > 0 {
            return false;
        }
        let is_there = wait_for_news(&*self.listener, &self.signals, printer.reader(), at_most.min(SLOW_POLL));
        self.listener.drain();
        is_there && self.signals.times() == 0
    }
}
