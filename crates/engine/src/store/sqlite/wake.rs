//! Wake-ups between the processes of one machine, through three kinds of small file beside the store: a commit touches `any`, new work
//! touches `work`, the loss of a claim touches the worker's own. Losing a wake-up costs one slow poll, never work.
//!
//! Where the kernel tells of it, a touch is a read of one byte: a change, be it of a time only, would make the inode dirty, and a file system
//! may write it out with the log that is synced next (on ext4 without a journal: one write more in each commit, a third of its time).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::id::WorkerName;

use super::turnstile::lock_file;
use crate::store::{Listen, Listener, Waker};

/// Wake-ups through files.
#[derive(Debug)]
pub(crate) struct FileWaker {
    folder: PathBuf,
    any: OwnedFd,
    work: OwnedFd,
}

impl FileWaker {
    pub(crate) fn open(folder: &Path) -> std::io::Result<Self> {
        Ok(Self { folder: folder.to_owned(), any: platform::bell(&folder.join("any"))?, work: platform::bell(&folder.join("work"))? })
    }

    fn path(&self, what: Listen<'_>) -> PathBuf {
        match what {
            Listen::Any => self.folder.join("any"),
            Listen::Work => self.folder.join("work"),
            Listen::Worker(name) => self.folder.join(format!("worker-{name}")),
        }
    }
}

impl Waker for FileWaker {
    fn any(&self) {
        platform::ring(self.any.as_fd());
    }

    fn work(&self) {
        platform::ring(self.work.as_fd());
    }

    fn worker(&self, name: &WorkerName) {
        if let Ok(bell) = platform::bell(&self.path(Listen::Worker(name))) {
            platform::ring(bell.as_fd());
        }
    }

    fn listen(&self, what: Listen<'_>) -> Box<dyn Listener> {
        let path = self.path(what);
        // The file must exist to be watched.
        let _ = platform::bell(&path);
        platform::listen(&path)
    }
}

#[cfg(target_os = "linux")]
mod platform {
    use super::{AsFd, BorrowedFd, Duration, Listener, OwnedFd, Path, lock_file};
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};
    use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

    /// Opens a file to ring by: it holds one byte, and reading that one leaves no trace.
    pub(super) fn bell(path: &Path) -> std::io::Result<OwnedFd> {
        let file = lock_file(path)?;
        if rustix::fs::fstat(&file)?.st_size == 0 {
            rustix::io::pwrite(&file, b"\n", 0)?;
        }
        // Only for its owner, who we are; without it the time of access is written now and then.
        let _ = fcntl_getfl(&file).and_then(|flags| fcntl_setfl(&file, flags | OFlags::NOATIME));
        Ok(file)
    }

    pub(super) fn ring(file: BorrowedFd<'_>) {
        let _ = rustix::io::pread(file, &mut [0; 1], 0);
    }

    /// A watch by the kernel.
    struct Watch(Option<OwnedFd>);

    pub(super) fn listen(path: &Path) -> Box<dyn Listener> {
        let watch = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok().filter(|fd| add_watch(fd, path, WatchFlags::ACCESS).is_ok());
        Box::new(Watch(watch))
    }

    impl Listener for Watch {
        fn wait(&mut self, at_most: Duration) -> bool {
            let Some(fd) = &self.0 else {
                std::thread::sleep(at_most.min(Duration::from_millis(50)));
                return true;
            };
            let timeout =
                Timespec { tv_sec: i64::try_from(at_most.as_secs()).unwrap_or(i64::MAX), tv_nsec: i64::from(at_most.subsec_nanos()) };
            let mut fds = [PollFd::new(fd, PollFlags::IN)];
            let happened = matches!(poll(&mut fds, Some(&timeout)), Ok(count) if count > 0);
            if happened {
                self.drain();
            }
            happened
        }

        fn fd(&self) -> Option<BorrowedFd<'_>> {
            self.0.as_ref().map(AsFd::as_fd)
        }

        fn drain(&mut self) {
            let mut buffer = [0; 4_096];
            if let Some(fd) = &self.0 {
                while matches!(rustix::io::read(fd, &mut buffer), Ok(count) if count > 0) {}
            }
        }
    }
}

/// Where the kernel has no watches: look at the file's time now and then.
#[cfg(not(target_os = "linux"))]
mod platform {
    use super::{BorrowedFd, Duration, Listener, OwnedFd, Path, lock_file};
    use rustix::fs::{Timespec, Timestamps, UTIME_NOW, futimens};

    pub(super) fn bell(path: &Path) -> std::io::Result<OwnedFd> {
        lock_file(path)
    }

    pub(super) fn ring(file: BorrowedFd<'_>) {
        let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        let _ = futimens(file, &Timestamps { last_access: now, last_modification: now });
    }

    struct Look {
        path: std::path::PathBuf,
        seen: Option<(i64, i64)>,
    }

    pub(super) fn listen(path: &Path) -> Box<dyn Listener> {
        Box::new(Look { seen: time_of(path), path: path.to_owned() })
    }

    fn time_of(path: &Path) -> Option<(i64, i64)> {
        rustix::fs::stat(path).ok().map(|stat| (stat.st_mtime as i64, stat.st_mtime_nsec as i64))
    }

    impl Listener for Look {
        fn wait(&mut self, at_most: Duration) -> bool {
            let until = crate::clock::instant() + at_most;
            loop {
                let now = time_of(&self.path);
                if now != self.seen {
                    self.seen = now;
                    return true;
                }
                let left = until.saturating_duration_since(crate::clock::instant());
                if left.is_zero() {
                    return false;
                }
                std::thread::sleep(left.min(Duration::from_millis(20)));
            }
        }

        fn fd(&self) -> Option<BorrowedFd<'_>> {
            None
        }

        fn drain(&mut self) {
            self.seen = time_of(&self.path);
        }
    }
}
