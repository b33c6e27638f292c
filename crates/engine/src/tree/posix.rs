//! Elsewhere than on Linux: a tree is a process group, looked at again and again. What left its group (`setsid`) is not
//! found, orphans are not inherited, and other processes' environments are not read; the documents say so.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, getpid, kill_process_group, test_kill_process_group, waitid};

use crate::clock::instant;

use super::family::{Exit, Family};
use super::leftover::{Leftover, Swept};
use super::wait;

/// The path of this program.
pub(super) fn this_program() -> io::Result<PathBuf> {
    std::env::current_exe()
}

/// This process: its id; when it started is not known.
pub(super) fn this_process() -> (i32, u64) {
    (getpid().as_raw_nonzero().get(), 0)
}

/// Names it nothing.
pub(super) fn name_this_process() {}

/// Leaves a pipe as it is.
pub(super) fn widen(_pipe: impl AsFd) {}

/// Waits a moment for a child of this process to end.
pub(super) fn wait_for_end(_child: Pid, until: Instant) {
    wait::pause(until.saturating_duration_since(instant()).min(Duration::from_millis(5)));
}

/// Finds nothing.
pub(super) fn leftovers(_mark: &str) -> io::Result<Vec<Leftover>> {
    Ok(Vec::new())
}

/// Ends nothing.
pub(super) fn end_leftovers(_mark: &str) -> io::Result<Swept> {
    Ok(Swept { ended: Vec::new(), left: Vec::new() })
}

/// One process group.
pub(super) struct Processes {
    /// Until nobody is left in it.
    group: Option<Pid>,
    /// The leader is a child of this process, and not waited for yet.
    leads: bool,
    exit: Option<Exit>,
}

impl Family for Processes {
    fn adopt_orphans() -> io::Result<()> {
        Ok(())
    }

    fn led_by(leader: Pid) -> Self {
        Self { group: Some(leader), leads: true, exit: None }
    }

    fn inherited(_mark: &str, leader: Option<Pid>, _others: Vec<Pid>) -> Self {
        Self { group: leader, leads: false, exit: None }
    }

    fn end_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// Waits for the leader for good: as long as it is a zombie, its group never looks empty. From then on the group's
    /// id is kept by its living members, and is not used again once it had none.
    fn leader_end(&mut self) -> Option<Exit> {
        if self.leads {
            let leader = self.group?;
            self.exit = match waitid(WaitId::Pid(leader), WaitIdOptions::EXITED | WaitIdOptions::NOHANG) {
                Ok(Some(status)) => Some(Exit { code: status.exit_status(), signal: status.terminating_signal() }),
                Ok(None) | Err(rustix::io::Errno::INTR) => None,
                Err(_) => Some(Exit { code: None, signal: None }),
            };
            self.leads = self.exit.is_none();
        }
        self.exit
    }

    /// Whether there is any: how many is not known.
    fn living(&mut self) -> u32 {
        u32::from(!self.is_empty())
    }

    fn ask_leader(&mut self) {
        self.signal(Signal::TERM);
        self.signal(Signal::CONT);
    }

    /// There are none that are known.
    fn ask_rest(&mut self) {}

    fn kill(&mut self) {
        self.signal(Signal::KILL);
    }

    fn is_empty(&mut self) -> bool {
        if self.leads {
            return false;
        }
        // Another error (another user's processes) means that there are some.
        if self.group.is_some_and(|group| test_kill_process_group(group) == Err(rustix::io::Errno::SRCH)) {
            self.group = None;
        }
        self.group.is_none()
    }

    fn reap(&mut self) {}
}

impl Processes {
    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            let _ = kill_process_group(group, signal);
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "tests")]
mod tests {
    use super::*;
    use crate::tree::family;
    use crate::tree::frame::{Heard, Line};
    use crate::tree::mark::GUARDIAN_VARIABLE;
    use crate::tree::order::{Ended, How, Order, Why, Word};
    use crate::tree::serve::{Request, serve_in};
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command, ExitCode, Stdio};

    /// What the tests below start: this test alone, as a guardian of this platform.
    #[test]
    fn guardian_entry() -> ExitCode {
        if std::env::var_os(GUARDIAN_VARIABLE).is_none() {
            return ExitCode::SUCCESS;
        }
        serve_in::<Processes>(io::stdin().as_fd().try_clone_to_owned().unwrap())
    }

    fn guardian() -> (Child, Line) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (_, module) = module_path!().split_once("::").unwrap();
        let child = Command::new(this_program().unwrap())
            .args(["--exact", &format!("{module}::guardian_entry"), "--nocapture", "--test-threads=1"])
            .env(GUARDIAN_VARIABLE, "1:0:posix")
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        (child, Line::new(ours).unwrap())
    }

    fn order(script: &str) -> Order {
        Order {
            argv: ["sh", "-c", script].map(String::from).to_vec(),
            cwd: "/".into(),
            env: Vec::new(),
            env_remove: Vec::new(),
            stdin: None,
            output: std::env::temp_dir().join(format!("ganger-posix-{}", std::process::id())),
            output_bytes_max: 1 << 20,
            timeout: None,
            silence: None,
            grace: Duration::from_millis(200),
        }
    }

    fn hear(line: &mut Line) -> Word {
        let until = instant() + Duration::from_secs(20);
        match line.receive_until::<Word>(Some(until)).unwrap() {
            Heard::Message(word) => word,
            other => panic!("{other:?}"),
        }
    }

    /// Runs an order to its end. Orphans are inherited by this process if another test made it a subreaper, by init
    /// else: somebody has to reap them, or their group lives on.
    fn run(line: &mut Line, order: &Order) -> Ended {
        line.send(&Request::Begin(order)).unwrap();
        let Word::Started { pid } = hear(line) else { panic!("not started") };
        let group = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
        let until = instant() + Duration::from_secs(20);
        while instant() < until {
            let _ = waitid(WaitId::Pgid(Some(group)), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
            match line.receive_until::<Word>(Some(instant() + Duration::from_millis(5))).unwrap() {
                Heard::Message(Word::Ended(ended)) => return ended,
                Heard::Nothing => {}
                other => panic!("{other:?}"),
            }
        }
        panic!("{order:?} has no end")
    }

    #[test]
    fn a_guardian_without_linux() {
        let (mut child, mut line) = guardian();
        let ended = run(&mut line, &order("echo out; exit 7"));
        assert_eq!((ended.code, ended.why, ended.tree_empty, ended.stragglers), (Some(7), Why::Itself, true, 0));
        assert_eq!(std::fs::read(order("").output).unwrap(), b"out\n");

        let deaf = "trap '' TERM; sleep 600 & while :; do sleep 600; done";
        let ended = run(&mut line, &Order { timeout: Some(Duration::from_millis(100)), ..order(deaf) });
        assert_eq!((ended.signal, ended.why, ended.tree_empty), (Some(9), Why::Timeout, true));

        let ended = run(&mut line, &order("(trap '' TERM; sleep 600) & exit 3"));
        assert_eq!((ended.code, ended.why, ended.tree_empty, ended.stragglers), (Some(3), Why::Itself, true, 1));

        line.send(&Request::Begin(&order("sleep 600"))).unwrap();
        let Word::Started { pid } = hear(&mut line) else { panic!("not started") };
        line.send(&Request::<&Order>::End(How::Gracefully)).unwrap();
        let Word::Ended(ended) = hear(&mut line) else { panic!("not ended") };
        assert_eq!((ended.signal, ended.why), (Some(15), Why::Asked));
        let group = Pid::from_raw(i32::try_from(pid).unwrap());
        assert!(test_kill_process_group(group.unwrap()).is_err());

        // The loop is gone.
        line.send(&Request::Begin(&order("sleep 600"))).unwrap();
        assert!(matches!(hear(&mut line), Word::Started { .. }));
        drop(line);
        assert!(child.wait().unwrap().success());
        std::fs::remove_file(order("").output).unwrap();
        // Nothing can be told about anybody else's processes.
        assert_eq!(leftovers("posix").unwrap(), []);
        assert_eq!(end_leftovers("posix").unwrap().ended, []);
    }

    #[test]
    fn a_group_that_lost_its_guardian() {
        let mut child = Command::new("sleep").arg("600").process_group(0).spawn().unwrap();
        let group = Pid::from_child(&child);
        let ended = std::thread::scope(|scope| {
            let ended = scope.spawn(|| family::end(Processes::inherited("posix", Some(group), Vec::new())));
            wait_for_end(group, instant());
            assert!(!child.wait().unwrap().success());
            ended.join().unwrap()
        });
        assert!(ended);
        assert!(family::end(Processes::inherited("posix", None, Vec::new())));
        let (pid, start) = this_process();
        assert_eq!((pid, start), (getpid().as_raw_nonzero().get(), 0));
        Processes::adopt_orphans().unwrap();
        name_this_process();
        widen(io::stdin());
    }
}
