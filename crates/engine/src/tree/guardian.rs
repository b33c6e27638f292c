//! The loop's side: a guardian that is started, told what to run and heard. When it dies, what it ran is ended from
//! here. What the loop does with the outcome is not known here.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use crate::clock::instant;

use super::family::{self, Family};
use super::frame::{Heard, Line};
use super::mark::{self, GUARDIAN_VARIABLE, Guarding};
use super::order::{How, Order, Word};
use super::room;
use super::serve::Request;

/// How long a guardian has to end itself and all that it runs once its line is closed; then it is done from here.
const CLOSING_PATIENCE: Duration = Duration::from_secs(4);

/// The guardians of this process: what one leaves behind is told from what the others run. Held while one is started,
/// so that a new one is not mistaken for an orphan.
static GUARDIANS: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// A guardian process, child of the calling process, and the way to talk to it.
///
/// It runs one order after the other; starting it anew for each would only cost time. If this process dies, however it
/// dies, the guardian ends what it runs within 3 s (G19). If the guardian dies, `hear` ends it and says `Lost`.
///
/// A process that has guardians inherits the orphans of their trees. Any child of it that is not in its own process
/// group, and is no guardian, counts as such an orphan when a guardian dies: start none.
#[derive(Debug)]
pub struct Guardian {
    child: Child,
    line: Line,
    mark: String,
    /// An order was begun and its last word not heard.
    busy: bool,
    /// What runs, or ran last.
    leader: Option<Pid>,
    /// It is dead, and so is everything that it ran.
    lost: bool,
}

impl Guardian {
    /// Starts the program that is running now, with the one argument `guardian`, which must lead to
    /// [`serve_stdin`](super::serve_stdin). Does not wait for it: it hears its first order when it is there.
    ///
    /// `mark` goes into the environment of all that it will start, for [`leftovers`](super::leftovers): 1 to 128 visible
    /// ASCII characters without a comma, best with something random in it.
    ///
    /// # Errors
    /// The mark is none (`InvalidInput`), this process cannot inherit orphans, or the program cannot be started.
    pub fn start(mark: &str) -> io::Result<Self> {
        Self::start_with(&room::this_program()?, &["guardian"], mark)
    }

    /// As [`start`](Self::start) with another program, for tests.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_with<A: AsRef<OsStr>>(program: &Path, args: &[A], mark: &str) -> io::Result<Self> {
        mark::check(mark)?;
        room::Processes::adopt_orphans()?;
        let (ours, theirs) = UnixStream::pair()?;
        let line = Line::new(ours)?;
        let mut guardians = guardians();
        let (loop_pid, loop_start) = room::this_process();
        let guarding = Guarding { loop_pid, loop_start, mark: mark.to_owned() };
        let child = Command::new(program)
            .args(args)
            .env(GUARDIAN_VARIABLE, guarding.print())
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .spawn()?;
        guardians.push(Pid::from_child(&child));
        Ok(Self { child, line, mark: mark.to_owned(), busy: false, leader: None, lost: false })
    }

    /// Lets it run `order`. `hear` then gives `Started` and, when all is over, `Ended`; or `NotStarted`; or `Lost`.
    ///
    /// # Errors
    /// `ResourceBusy`: the order before has not ended. `InvalidInput`: the order is longer than 16 MiB. Neither changes
    /// anything. Any other: the guardian is lost, and `hear` will say so.
    pub fn begin(&mut self, order: &Order) -> io::Result<()> {
        if self.lost {
            return Err(io::ErrorKind::NotConnected.into());
        }
        if self.busy {
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        self.leader = None;
        match self.line.send(&Request::Begin(order)) {
            Ok(()) => {
                self.busy = true;
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Err(error),
            Err(error) => {
                self.line.close();
                Err(error)
            }
        }
    }

    /// Readable when there is something to `hear`.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.line.as_fd()
    }

    /// Whether an order was begun whose last word was not heard yet.
    pub fn is_busy(&self) -> bool {
        self.busy
    }

    /// The guardian's own process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next word, after at most `timeout` (for ever without one; zero never waits); `None` when none came.
    ///
    /// When the guardian is gone this ends all that it ran (TERM, 2 s, KILL: at most 12 s, and other threads that start
    /// or lose a guardian wait) and gives `Lost`, at every further call as well.
    ///
    /// # Errors
    /// Only when the kernel cannot wait (out of memory): nothing has changed then.
    pub fn hear(&mut self, timeout: Option<Duration>) -> io::Result<Option<Word>> {
        if self.lost {
            return Ok(Some(Word::Lost));
        }
        let until = timeout.and_then(|timeout| instant().checked_add(timeout));
        match self.line.receive_until::<Word>(until) {
            Ok(Heard::Nothing) => Ok(None),
            Ok(Heard::Message(word)) => {
                match &word {
                    Word::Started { pid } => self.leader = i32::try_from(*pid).ok().and_then(Pid::from_raw),
                    Word::NotStarted { .. } | Word::Ended(_) => self.busy = false,
                    Word::Lost => {}
                }
                Ok(Some(word))
            }
            Err(error) if error.kind() == io::ErrorKind::OutOfMemory => Err(error),
            Ok(Heard::Closed) | Err(_) => {
                self.lose();
                Ok(Some(Word::Lost))
            }
        }
    }

    /// Asks it to end what it runs; `Ended` will come as always, and nothing happens if it has come already. May be
    /// called again to be less patient. Never waits for the end.
    pub fn end(&mut self, how: How) {
        if self.lost || !self.busy {
            return;
        }
        // Somebody may have stopped it: it could not keep its limits either.
        let _ = kill_process(Pid::from_child(&self.child), Signal::CONT);
        if self.line.send(&Request::<&Order>::End(how)).is_err() {
            self.line.close();
        }
    }

    /// Whether the guardian process lives. When it does not, `hear` says `Lost`.
    pub fn alive(&self) -> bool {
        !self.lost && !has_ended(Pid::from_child(&self.child))
    }

    /// Kills the guardian and then everything that it leaves behind.
    fn lose(&mut self) {
        if self.lost {
            return;
        }
        self.lost = true;
        self.busy = false;
        self.line.close();
        let mut guardians = guardians();
        // The line closes before the kernel hands the guardian's children to this process; after `wait` it has.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let pid = Pid::from_child(&self.child);
        guardians.retain(|guardian| *guardian != pid);
        family::end(room::Processes::inherited(&self.mark, self.leader, guardians.clone()));
    }
}

impl Drop for Guardian {
    /// Ends the guardian and all that it runs: at once when that is nothing, else as when this process dies.
    fn drop(&mut self) {
        if self.lost {
            return;
        }
        self.line.close();
        let pid = Pid::from_child(&self.child);
        let _ = kill_process(pid, Signal::CONT);
        let until = instant() + CLOSING_PATIENCE;
        while !has_ended(pid) && instant() < until {
            room::wait_for_end(pid, until);
        }
        if !has_ended(pid) {
            return self.lose();
        }
        let mut guardians = guardians();
        guardians.retain(|guardian| *guardian != pid);
        let success = self.child.wait().is_ok_and(|status| status.success());
        self.lost = true;
        if !success {
            family::end(room::Processes::inherited(&self.mark, self.leader, guardians.clone()));
        }
    }
}

fn guardians() -> MutexGuard<'static, Vec<Pid>> {
    // A list of numbers is not left half-written by a panic elsewhere.
    GUARDIANS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a child of this process has ended; leaves it to be waited for.
fn has_ended(pid: Pid) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    !matches!(waitid(WaitId::Pid(pid), options), Ok(None))
}
