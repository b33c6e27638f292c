//! The guardian: one thread that waits for orders, runs one at a time, and ends all of it when the loop is gone.
//! Knows no task and no store, and lets no output or limit depend on the loop.

use std::fs::File;
use std::io::{self, PipeReader, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::clock::instant;

use super::command::{self, Started};
use super::family::{ENDING_TICK, Exit, Family};
use super::frame::{Heard, Line};
use super::mark::{GUARDIAN_VARIABLE, Guarding};
use super::order::{Ended, How, Obstacle, Order, Why, Word};
use super::phase::{self, Act, Limits, Phase, Seen};
use super::spool::Spool;
use super::{room, wait};

/// What the loop says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "request", content = "of", rename_all = "snake_case")]
pub(super) enum Request<O> {
    Begin(O),
    End(How),
}

/// How often orphans that have ended are reaped while a program runs.
const REAP_TICK: Duration = Duration::from_secs(1);
/// How often a leader is looked at where nothing announces its end.
const LOOK_TICK: Duration = Duration::from_millis(5);
/// How long, and how much at least, is read after the end, should somebody outside of the tree go on writing: what the
/// tree itself wrote is no more than fits into a pipe.
const DRAIN_PATIENCE: Duration = Duration::from_millis(200);
const DRAIN_BYTES: u64 = 2 << 20;
/// How many reads may follow each other before the guardian looks around again.
const READS_MAX: u32 = 32;
const BUFFER_BYTES: usize = 128 << 10;

/// Serves the loop at the other end of stdin: what `ganger guardian` does.
///
/// Ends when the loop is gone, having ended all that was running (TERM, 2 s, KILL): with success when it is certain
/// that nothing is left.
pub fn serve_stdin() -> ExitCode {
    match io::stdin().as_fd().try_clone_to_owned() {
        Ok(control) => serve(control),
        Err(_) => ExitCode::FAILURE,
    }
}

/// As [`serve_stdin`], for the other end of `control`. The calling process must have no children and nothing else to do:
/// it gets a session of its own, and inherits, reaps and kills whatever its children start.
pub fn serve(control: OwnedFd) -> ExitCode {
    serve_in::<room::Processes>(control)
}

/// As [`serve`], by the means of one platform.
pub(super) fn serve_in<F: Family>(control: OwnedFd) -> ExitCode {
    let Ok(mut line) = Line::new(UnixStream::from(control)) else {
        return ExitCode::FAILURE;
    };
    let mut guard = Guard::prepare::<F>();
    loop {
        match line.receive_until::<Request<Order>>(None) {
            Ok(Heard::Message(Request::Begin(order))) => guard.run::<F>(&mut line, &order),
            // It crossed the word that there is nothing to end any more.
            Ok(Heard::Message(Request::End(_)) | Heard::Nothing) => {}
            Ok(Heard::Closed) => return if guard.all_empty { ExitCode::SUCCESS } else { ExitCode::FAILURE },
            Err(_) => return ExitCode::FAILURE,
        }
    }
}

/// What stays from one order to the next.
struct Guard {
    marks: String,
    /// What made it unfit to run anything.
    unfit: Option<String>,
    /// Every tree so far was empty in the end.
    all_empty: bool,
    buffer: Vec<u8>,
}

impl Guard {
    fn prepare<F: Family>() -> Self {
        room::name_this_process();
        // Out of the terminal's reach: no Ctrl-C, no hang-up, and no agent stopped because it opens /dev/tty.
        // It fails when that is so already.
        let _ = rustix::process::setsid();
        let guarding = std::env::var(GUARDIAN_VARIABLE).ok().and_then(|text| Guarding::parse(&text));
        let unfit = match (F::adopt_orphans(), &guarding) {
            (Err(error), _) => Some(format!("inherit orphaned processes: {error}")),
            (_, None) => Some(format!("find a mark in {GUARDIAN_VARIABLE}")),
            (Ok(()), Some(_)) => None,
        };
        let marks = guarding.map(|guarding| command::marks_for(&guarding.mark)).unwrap_or_default();
        Self { marks, unfit, all_empty: true, buffer: vec![0; BUFFER_BYTES] }
    }

    /// Runs one order to its end. A loop that does not listen is noticed by the next `receive`.
    fn run<F: Family>(&mut self, line: &mut Line, order: &Order) {
        let started_at = instant();
        let started = match &self.unfit {
            Some(error) => Err((Obstacle::Other, error.clone())),
            None => command::start(order, &self.marks),
        };
        let started = match started {
            Ok(started) => started,
            Err((obstacle, error)) => {
                let _ = line.send(&Word::NotStarted { obstacle, error });
                return;
            }
        };
        let _ = line.send(&Word::Started { pid: started.leader.as_raw_nonzero().get().unsigned_abs() });
        let mut run = Run::<F>::of(started, started_at, &mut self.buffer);
        let limits = Limits::of(order, started_at);
        run.see_it_through(line, &limits);
        let ended = run.report();
        self.all_empty &= ended.tree_empty;
        let _ = line.send(&Word::Ended(ended));
    }
}

/// A program that runs.
struct Run<'a, F> {
    family: F,
    /// Until the last writer has closed it.
    output: Option<PipeReader>,
    spool: Spool<File>,
    buffer: &'a mut [u8],
    phase: Phase,
    why: Why,
    asked: Option<How>,
    loop_gone: bool,
    started_at: Instant,
    output_at: Instant,
    reap_at: Instant,
    exit: Option<(Exit, Instant)>,
    empty: bool,
    stragglers: u32,
}

impl<'a, F: Family> Run<'a, F> {
    fn of(started: Started, started_at: Instant, buffer: &'a mut [u8]) -> Self {
        Self {
            family: F::led_by(started.leader),
            output: Some(started.output),
            spool: started.spool,
            buffer,
            phase: Phase::Running,
            why: Why::Itself,
            asked: None,
            loop_gone: false,
            started_at,
            output_at: started_at,
            reap_at: started_at + REAP_TICK,
            exit: None,
            empty: false,
            stragglers: 0,
        }
    }

    fn see_it_through(&mut self, line: &mut Line, limits: &Limits) {
        let mut may_have_ended = true;
        loop {
            let seen = self.look_around(may_have_ended);
            let decision = phase::next(self.phase, &seen, limits);
            self.phase = decision.phase;
            self.why = decision.why.unwrap_or(self.why);
            let until = match decision.act {
                Act::Finish => return,
                Act::Wait { until } => until,
                Act::AskLeader => {
                    self.family.ask_leader();
                    Some(seen.now)
                }
                Act::AskRest => {
                    self.family.ask_rest();
                    Some(seen.now)
                }
                Act::AskAll => {
                    self.family.ask_leader();
                    self.family.ask_rest();
                    Some(seen.now)
                }
                Act::Kill => {
                    self.family.kill();
                    Some(seen.now + ENDING_TICK)
                }
            };
            may_have_ended = self.wait(line, until, seen.now);
        }
    }

    /// Looks at the tree, as far as the phase needs it.
    fn look_around(&mut self, may_have_ended: bool) -> Seen {
        let now = instant();
        if self.exit.is_none() && may_have_ended {
            self.exit = self.family.leader_end().map(|exit| (exit, now));
            if self.exit.is_some() {
                self.empty = self.family.is_empty();
                self.stragglers = if self.empty { 0 } else { self.family.living() };
            }
        } else if self.exit.is_some() || matches!(self.phase, Phase::Killing { .. }) {
            self.empty = self.family.is_empty();
        }
        Seen {
            now,
            output_at: self.output_at,
            asked: self.asked,
            loop_gone: self.loop_gone,
            leader_ended: self.exit.is_some(),
            empty: self.empty,
        }
    }

    /// Waits until something happens and takes it in; says whether the leader may have ended.
    fn wait(&mut self, line: &mut Line, until: Option<Instant>, now: Instant) -> bool {
        let end_fd = self.family.end_fd().filter(|_| self.exit.is_none());
        let tick = match (self.phase, &self.exit, end_fd) {
            (Phase::Killing { .. } | Phase::Straggling { .. }, ..) | (_, Some(_), _) => ENDING_TICK,
            (_, None, None) => LOOK_TICK,
            (Phase::Running | Phase::Ending { .. }, None, Some(_)) => REAP_TICK,
        };
        let tick_at = if tick == REAP_TICK { self.reap_at } else { now + tick };
        let until = until.map_or(tick_at, |until| until.min(tick_at));
        let control = (!self.loop_gone).then(|| line.as_fd());
        let fds = [control, self.output.as_ref().map(AsFd::as_fd), end_fd];
        let Ok([spoke, wrote, ended]) = wait::readable(fds, Some(until)) else {
            // Out of memory in the kernel, at worst: try again a little later.
            wait::pause(LOOK_TICK);
            return true;
        };
        if spoke {
            self.listen(line);
        }
        if wrote {
            self.pump(READS_MAX);
        }
        if now >= self.reap_at {
            self.family.reap();
            self.reap_at = now + REAP_TICK;
        }
        ended || tick != REAP_TICK
    }

    fn listen(&mut self, line: &mut Line) {
        loop {
            match line.receive::<Request<Order>>() {
                Ok(Heard::Message(Request::End(how))) => self.asked = self.asked.max(Some(how)),
                Ok(Heard::Nothing) => return,
                // A second order is no loop of ours: it is as good as gone.
                Ok(Heard::Closed | Heard::Message(Request::Begin(_))) | Err(_) => {
                    self.loop_gone = true;
                    line.close();
                    return;
                }
            }
        }
    }

    /// Reads what has been written, at most so many times; says whether there may be more.
    fn pump(&mut self, reads_max: u32) -> bool {
        for _ in 0..reads_max {
            let Some(output) = &mut self.output else { return false };
            match output.read(self.buffer) {
                Ok(0) => self.output = None,
                Ok(read) => {
                    self.spool.push(&self.buffer[..read]);
                    self.output_at = instant();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                Err(_) => self.output = None,
            }
        }
        true
    }

    /// Takes what is still in the pipe and says how it all ended (T23: the end was seen by pid, never by end of file).
    fn report(mut self) -> Ended {
        let until = instant() + DRAIN_PATIENCE;
        let enough = self.spool.bytes() + DRAIN_BYTES;
        while self.pump(READS_MAX) && (instant() < until || self.spool.bytes() < enough) {}
        let ended_at = self.exit.map_or_else(instant, |(_, ended_at)| ended_at);
        let exit = self.exit.map(|(exit, _)| exit);
        let spooled = self.spool.finish();
        Ended {
            code: exit.and_then(|exit| exit.code),
            signal: exit.and_then(|exit| exit.signal),
            why: self.why,
            output_bytes: spooled.bytes,
            output_left_out: spooled.left_out,
            output_error: spooled.error,
            stragglers: self.stragglers,
            elapsed_ms: u64::try_from((ended_at - self.started_at).as_millis()).unwrap_or(u64::MAX),
            tree_empty: self.empty,
        }
    }
}
