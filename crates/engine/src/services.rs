//! What goes on beside the workers: one small room a service, each with one `tick` that reads, decides, acts and records. Nothing long
//! happens inside a tick, and nobody is told anything twice: what a crash left undone the next tick finds.

pub mod foreman;
pub mod monitor;
pub mod pruner;
pub mod reporter;
pub mod roster;

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::store::Listener;
use crate::worker::run::Asked;

/// Sleeps until something was committed, somebody interrupts, a worker's process ends, or the time is over.
pub fn wait(listener: &dyn Listener, asked: &dyn Asked, roster: &roster::Roster, at_most: Duration) {
    let news = listener.fd();
    let interrupt = asked.fd();
    let mut fds = vec![PollFd::new(&interrupt, PollFlags::IN)];
    fds.extend(news.iter().map(|fd| PollFd::new(fd, PollFlags::IN)));
    let workers: Vec<_> = roster.fds().map(AsFd::as_fd).collect();
    fds.extend(workers.iter().map(|fd| PollFd::new(fd, PollFlags::IN)));
    let at_most = if news.is_some() { at_most } else { at_most.min(Duration::from_millis(100)) };
    let timeout = Timespec { tv_sec: i64::try_from(at_most.as_secs()).unwrap_or(i64::MAX), tv_nsec: i64::from(at_most.subsec_nanos()) };
    let _ = poll(&mut fds, Some(&timeout));
    asked.drain();
}

/// The same for a command that shows news to somebody. Says whether the reader of `out` is still there.
pub fn wait_for_news(listener: &dyn Listener, asked: &dyn Asked, out: BorrowedFd<'_>, at_most: Duration) -> bool {
    let news = listener.fd();
    let interrupt = asked.fd();
    // The end of a pipe's reader is told without being asked for.
    let mut fds = vec![PollFd::new(&out, PollFlags::empty()), PollFd::new(&interrupt, PollFlags::IN)];
    fds.extend(news.iter().map(|fd| PollFd::new(fd, PollFlags::IN)));
    let at_most = if news.is_some() { at_most } else { at_most.min(Duration::from_millis(100)) };
    let timeout = Timespec { tv_sec: i64::try_from(at_most.as_secs()).unwrap_or(i64::MAX), tv_nsec: i64::from(at_most.subsec_nanos()) };
    let _ = poll(&mut fds, Some(&timeout));
    let is_there = !fds.first().is_some_and(|out| out.revents().intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL));
    asked.drain();
    is_there
}
