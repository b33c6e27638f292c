//! Waiting for file descriptors until a moment on the clock that nobody can set. What they mean is not known here.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::clock::instant;

/// Waits until one of `fds` can be read (or has hung up), at most until `until`; says for each whether it can.
pub(super) fn readable<const N: usize>(fds: [Option<BorrowedFd<'_>>; N], until: Option<Instant>) -> io::Result<[bool; N]> {
    let mut polled: Vec<PollFd<'_>> = fds.iter().flatten().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
    wait(&mut polled, until)?;
    let mut answers = polled.iter().map(|fd| !fd.revents().is_empty());
    Ok(fds.map(|fd| fd.is_some() && answers.next().unwrap_or(false)))
}

/// Waits until `fd` takes bytes, at most until `until`; false when the time is over.
pub(super) fn writable(fd: BorrowedFd<'_>, until: Instant) -> io::Result<bool> {
    let mut polled = [PollFd::from_borrowed_fd(fd, PollFlags::OUT)];
    wait(&mut polled, Some(until))?;
    Ok(!polled[0].revents().is_empty())
}

/// Lets `pause` pass: for what the kernel announces through no file descriptor.
pub(super) fn pause(pause: Duration) {
    let until = instant().checked_add(pause);
    // Nothing is polled, so the only thing that can go wrong is that the pause is cut short.
    let _ = wait(&mut [], until);
}

fn wait(polled: &mut [PollFd<'_>], until: Option<Instant>) -> io::Result<()> {
    loop {
        let left = until.map(|until| until.saturating_duration_since(instant()));
        // A wait too long for the kernel's type is cut into pieces by the caller's own loop.
        let timeout = left.map(|left| Timespec::try_from(left.min(Duration::from_secs(86_400))).unwrap_or_default());
        match poll(polled, timeout.as_ref()) {
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
