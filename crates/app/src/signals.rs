//! Ctrl-C and its relatives: counted, and told through a pipe that wakes whoever waits.

use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use engine::error::{Error, Result};
use engine::worker::run::Asked;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals as Iterator_;

/// Counts the signals that ask to stop.
pub(crate) struct Signals {
    pipe: UnixStream,
    times: Arc<AtomicU32>,
}

impl Signals {
    /// From now on SIGINT, SIGTERM and SIGHUP are counted instead of ending the process.
    pub(crate) fn watch() -> Result<Self> {
        let failed = |error: std::io::Error| Error::refused("no_signals", format!("cannot listen for signals: {error}"));
        let (pipe, mut other) = UnixStream::pair().map_err(failed)?;
        pipe.set_nonblocking(true).map_err(failed)?;
        other.set_nonblocking(true).map_err(failed)?;
        let times = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&times);
        let mut signals = Iterator_::new([SIGINT, SIGTERM, SIGHUP]).map_err(failed)?;
        let count = move || {
            for _ in signals.forever() {
                counted.fetch_add(1, Ordering::SeqCst);
                // A full pipe is readable already.
                let _ = other.write(&[0]);
            }
        };
        std::thread::Builder::new().name("signals".to_owned()).spawn(count).map_err(failed)?;
        Ok(Self { pipe, times })
    }
}

impl Asked for Signals {
    fn fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }

    fn times(&self) -> u32 {
        self.times.load(Ordering::SeqCst)
    }

    fn drain(&self) {
        let mut bytes = [0; 16];
        while matches!((&self.pipe).read(&mut bytes), Ok(count) if count > 0) {}
    }
}

impl Signals {
    /// Another listener to the same signals, for a worker that is played in this process.
    pub(crate) fn share(&self) -> Result<Self> {
        let pipe = self.pipe.try_clone().map_err(|error| Error::refused("no_signals", format!("cannot listen for signals: {error}")))?;
        Ok(Self { pipe, times: Arc::clone(&self.times) })
    }
}
