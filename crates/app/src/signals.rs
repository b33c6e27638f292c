//! Ctrl-C and its relatives: each one writes a byte into a pipe, so that whoever waits wakes, and the bytes are the count.

use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use engine::error::{Error, Result};
use engine::worker::run::Asked;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// Counts the signals that ask to stop.
pub(crate) struct Signals {
    pipe: UnixStream,
    times: Arc<AtomicU32>,
}

fn failed(error: std::io::Error) -> Error {
    Error::refused("no_signals", format!("cannot listen for signals: {error}"))
}

impl Signals {
    /// From now on SIGINT, SIGTERM and SIGHUP are counted instead of ending the process.
    pub(crate) fn watch() -> Result<Self> {
        let (pipe, other) = UnixStream::pair().map_err(failed)?;
        pipe.set_nonblocking(true).map_err(failed)?;
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::low_level::pipe::register(signal, other.try_clone().map_err(failed)?).map_err(failed)?;
        }
        Ok(Self { pipe, times: Arc::default() })
    }

    /// Another listener to the same signals, for a worker that is played in this process.
    pub(crate) fn share(&self) -> Result<Self> {
        Ok(Self { pipe: self.pipe.try_clone().map_err(failed)?, times: Arc::clone(&self.times) })
    }
}

impl Asked for Signals {
    fn fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }

    fn times(&self) -> u32 {
        self.drain();
        self.times.load(Ordering::SeqCst)
    }

    fn drain(&self) {
        let mut bytes = [0; 16];
        while let Ok(count @ 1..) = (&self.pipe).read(&mut bytes) {
            self.times.fetch_add(u32::try_from(count).unwrap_or(1), Ordering::SeqCst);
        }
    }
}
