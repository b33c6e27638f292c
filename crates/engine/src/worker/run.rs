//! One attempt: the brief, the command under the guardian, heartbeats while it runs, its check. It ends in an order for the funnel.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use domain::event::Actor;
use domain::id::WorkerName;
use domain::lease::Claim;
use domain::lifecycle::Command;
use domain::task::{FailReason, Failure, Kind as TaskKind, Step, Task, TaskState};
use domain::time::Timestamp;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::outcome::{self, Finished};
use super::patiently;
use crate::brief;
use crate::clock::{Clock, MachineClock, instant};
use crate::error::{Error, Result};
use crate::files;
use crate::orchestrator::query::{TaskView, history_of};
use crate::orchestrator::{Act, Orchestrator, Order, Ran};
use crate::project::Project;
use crate::random;
use crate::store::rows::duration_key;
use crate::store::{Listen, Listener};
use crate::tree::{Ended, Guardian, How, Obstacle, Why, Word};

/// How long a command may run before the store is told that it runs; shorter ones tell it with their outcome.
const TELL_STARTED_AFTER: Duration = Duration::from_secs(1);
/// How many events of a task's past are looked at for its brief.
const HISTORY_MAX: u32 = 100;
/// How many times a guardian that died is replaced for one command.
const GUARDIANS_MAX: u32 = 3;

/// How a worker hears that it should stop: a descriptor that becomes readable, and how often it was asked.
pub trait Asked: Send {
    /// Readable after a signal.
    fn fd(&self) -> std::os::fd::BorrowedFd<'_>;
    /// How often it was asked so far: once means "take nothing new", twice "end what runs".
    fn times(&self) -> u32;
    /// Forgets what made the descriptor readable.
    fn drain(&self);
}

/// Whoever may interrupt.
pub type Interrupt = Box<dyn Asked>;

/// Runs attempts, one after another.
pub struct Runner<'p> {
    project: &'p Project,
    door: &'p Orchestrator,
    name: WorkerName,
    mark: String,
    guardian: Guardian,
    interrupt: Interrupt,
    bereft: Box<dyn Listener>,
    heartbeat: Duration,
    env: Vec<(String, String)>,
    unfit: Option<String>,
}

/// What was run came to an end, or the worker must let go of it.
enum Through {
    Ended(Ended),
    NotStarted(Obstacle, String),
    /// The claim is not ours any more.
    Bereft,
    /// Somebody asked twice.
    Interrupted,
}

/// What came of a heartbeat.
enum Renewed {
    Yes,
    /// The claim is over.
    No,
    /// The store does not answer.
    Unreachable,
}

struct Command_<'c> {
    argv: Vec<String>,
    stdin: Option<PathBuf>,
    output: &'c Path,
    timeout: Duration,
    step: Step,
}

impl<'p> Runner<'p> {
    /// A runner with a guardian of its own.
    ///
    /// # Errors
    /// `no_guardian` when it cannot be started.
    pub fn new(project: &'p Project, door: &'p Orchestrator, name: &WorkerName, mark: String, interrupt: Interrupt) -> Result<Self> {
        let bereft = door.store().waker().listen(Listen::Worker(name));
        let heartbeat = project.config().span("heartbeat")?;
        let env = project.config().worker_env(name);
        Ok(Self { project, door, name: name.clone(), guardian: guardian(&mark)?, mark, interrupt, bereft, heartbeat, env, unfit: None })
    }

    /// Whether somebody asked to stop.
    #[must_use]
    pub fn interrupted(&self) -> bool {
        self.interrupt.times() > 0
    }

    /// Why the worker's own command could not be started: then no task is to blame, and the worker is of no use.
    #[must_use]
    pub fn unfit(&self) -> Option<&str> {
        self.unfit.as_deref()
    }

    /// Notes something in the worker's log.
    pub fn say(&self, text: &str) {
        use std::io::Write;
        if let Ok(mut file) = files::append_to(&self.project.folder().join("log").join(format!("worker-{}.log", self.name))) {
            let _ = writeln!(file, "{} {}", crate::clock::rfc3339(MachineClock.read().wall), domain::text::escaped(text, 2_000));
        }
    }

    /// Waits for work or for a signal.
    pub fn wait_idle(&mut self, work: &mut dyn Listener, at_most: Duration) {
        match work.fd() {
            None => {
                work.wait(at_most.min(Duration::from_millis(50)));
            }
            Some(fd) => {
                let interrupt = self.interrupt.fd();
                let mut fds = [PollFd::new(&fd, PollFlags::IN), PollFd::new(&interrupt, PollFlags::IN)];
                let _ = poll(&mut fds, Some(&timespec(at_most)));
                self.interrupt.drain();
                work.drain();
            }
        }
    }

    /// Does one attempt and says what came of it.
    ///
    /// # Errors
    /// Those of the store and of a guardian that cannot be started. What goes wrong with the task itself is its outcome.
    pub fn attempt(&mut self, task: &Task, claim: Claim, own: Option<&[String]>) -> Result<Order> {
        self.bereft.drain();
        let view = self.door.task(task.id)?;
        let report = |command: Command| Order::new(Actor::Worker, Act::Report { command, result: None, ran: None });
        let infrastructure =
            |note: String| report(Command::Fail { claim, started_at: None, failure: Failure { reason: FailReason::Infrastructure, note } });
        let order = match self.prepare(&view, claim) {
            Err(error) => infrastructure(error.message),
            Ok(brief) => match own.map(<[String]>::to_vec).or_else(|| view.full.spec.run.as_deref().map(shell)) {
                None => report(Command::Release { claim, note: "it has no command, and this worker runs no agent".to_owned() }),
                Some(argv) => self.carry_out(&view, claim, argv, own.is_some().then_some(brief))?,
            },
        };
        Ok(if order.is_repeatable() { order } else { order.repeatable(random::request_id()?) })
    }

    /// Writes the brief. A task is not begun when its files cannot be written.
    fn prepare(&self, view: &TaskView, claim: Claim) -> Result<PathBuf> {
        write_brief(self.project, self.door, view, claim)
    }

    fn carry_out(&mut self, view: &TaskView, claim: Claim, argv: Vec<String>, stdin: Option<PathBuf>) -> Result<Order> {
        let (task, spec) = (&view.full.task, &view.full.spec);
        let began = instant();
        let started_at = MachineClock.read().wall;
        let left = |began: Instant| task.timeout.saturating_sub(began.elapsed());
        let output = self.project.output(task.id, claim.attempt.0, "");
        let command = Command_ { argv, stdin, output: &output, timeout: left(began), step: Step::Running };
        let mut told = false;
        let is_own = command.stdin.is_some();
        let through = self.run(&command, view, claim, Some(started_at), &mut told)?;
        let ended = match through {
            Through::Ended(ended) => ended,
            Through::NotStarted(Obstacle::ProgramMissing | Obstacle::ProgramRefused, error) if is_own => {
                let command = Command::Release { claim, note: format!("its worker failed to {error}") };
                self.unfit = Some(error);
                return Ok(Order::new(Actor::Worker, Act::Report { command, result: None, ran: None }));
            }
            other => return Ok(self.let_go(other, claim)),
        };
        let started_at = (!told).then_some(started_at);
        let mut finished = Finished { ended, output, check: None };
        let passed = finished.ended.code == Some(0) && finished.ended.why == Why::Itself;
        if passed && let Some(check) = &spec.check {
            let output = self.project.output(task.id, claim.attempt.0, ".check");
            let command = Command_ { argv: shell(check), stdin: None, output: &output, timeout: left(began), step: Step::Checking };
            match self.run(&command, view, claim, None, &mut told)? {
                Through::Ended(ended) => finished.check = Some((check.clone(), ended, output)),
                other => return Ok(self.let_go(other, claim)),
            }
        }
        let judged = outcome::judge(self.project, view, claim, &finished, started_at, &self.name);
        let ran = spec
            .run
            .as_deref()
            .filter(|_| matches!(judged.command, Command::Complete { .. }) && task.kind != TaskKind::Fix)
            .map(|run| Ran { key: duration_key(run), ms: finished.ended.elapsed_ms });
        // A task is never completed when its files could not be written.
        let command = match files::replace(&self.project.result(task.id), &judged.page) {
            Ok(_) => judged.command,
            Err(error) => Command::Fail { claim, started_at, failure: Failure { reason: FailReason::Infrastructure, note: error.message } },
        };
        Ok(Order::new(Actor::Worker, Act::Report { command, result: Some(judged.result), ran }))
    }

    /// What to report when the command did not come to its own end.
    fn let_go(&self, through: Through, claim: Claim) -> Order {
        let command = match through {
            Through::NotStarted(obstacle, error) => {
                let reason = match obstacle {
                    Obstacle::ProgramMissing | Obstacle::ProgramRefused | Obstacle::Folder | Obstacle::Other => FailReason::Reported,
                    Obstacle::Input | Obstacle::Output | Obstacle::Exhausted => FailReason::Infrastructure,
                };
                Command::Fail { claim, started_at: None, failure: Failure { reason, note: format!("failed to {error}") } }
            }
            Through::Interrupted => Command::Release { claim, note: "its worker was stopped".to_owned() },
            Through::Bereft | Through::Ended(_) => Command::Release { claim, note: "its claim was taken away".to_owned() },
        };
        Order::new(Actor::Worker, Act::Report { command, result: None, ran: None })
    }

    /// Runs one command to its end under the guardian. Renews the lease; stops when the claim is lost or somebody asks twice.
    fn run(
        &mut self,
        command: &Command_<'_>,
        view: &TaskView,
        claim: Claim,
        started_at: Option<Timestamp>,
        told: &mut bool,
    ) -> Result<Through> {
        let order = self.order(command, view, claim)?;
        let mut guardians = 0;
        self.begin(&order)?;
        let mut beat = instant();
        let (began, mut accepted) = (beat, beat);
        let mut ending: Option<Through> = None;
        loop {
            let next_beat = if started_at.is_some() && !*told {
                TELL_STARTED_AFTER.saturating_sub(began.elapsed())
            } else {
                self.heartbeat.saturating_sub(beat.elapsed())
            };
            self.wait(next_beat);
            if ending.is_none() {
                if self.interrupt.times() > 1 {
                    ending = Some(Through::Interrupted);
                    self.guardian.end(How::Gracefully);
                } else if self.bereft.fd().is_none_or(|fd| is_readable(&fd)) && self.is_bereft(claim)? {
                    ending = Some(Through::Bereft);
                    self.guardian.end(How::Gracefully);
                } else {
                    let tell = started_at.is_some() && !*told && began.elapsed() >= TELL_STARTED_AFTER;
                    if tell || beat.elapsed() >= self.heartbeat {
                        let started_at = started_at.filter(|_| !*told);
                        beat = instant();
                        match self.renew(claim, command.step, started_at)? {
                            Renewed::Yes => {
                                // Counted from the sending, not from the answer (T18).
                                accepted = beat;
                                *told |= started_at.is_some();
                            }
                            Renewed::Unreachable if accepted.elapsed() < self.alone_max() => {}
                            Renewed::Unreachable | Renewed::No => {
                                ending = Some(Through::Bereft);
                                self.guardian.end(How::Gracefully);
                            }
                        }
                    }
                }
            }
            let heard = self
                .guardian
                .hear(Some(Duration::ZERO))
                .map_err(|error| Error::refused("no_guardian", format!("cannot hear the guardian: {error}")))?;
            match heard {
                None | Some(Word::Started { .. }) => {}
                Some(Word::Ended(ended)) => return Ok(ending.unwrap_or(Through::Ended(ended))),
                Some(Word::NotStarted { obstacle, error }) => return Ok(ending.unwrap_or(Through::NotStarted(obstacle, error))),
                Some(Word::Lost) => {
                    self.guardian = guardian(&self.mark)?;
                    guardians += 1;
                    self.say("the guardian died; what it ran was ended");
                    if let Some(ending) = ending {
                        return Ok(ending);
                    }
                    if guardians >= GUARDIANS_MAX {
                        return Ok(Through::NotStarted(Obstacle::Exhausted, "keep a guardian alive".to_owned()));
                    }
                    return Ok(Through::NotStarted(
                        Obstacle::Exhausted,
                        "go on: the guardian of the command was killed, and everything that it ran with it".to_owned(),
                    ));
                }
            }
        }
    }

    fn begin(&mut self, order: &crate::tree::Order) -> Result<()> {
        if !self.guardian.alive() {
            self.guardian = guardian(&self.mark)?;
        }
        self.guardian.begin(order).map_err(|error| Error::refused("no_guardian", format!("cannot give the guardian an order: {error}")))
    }

    /// Sleeps until the guardian speaks, the claim is lost, somebody interrupts, or the time is over.
    fn wait(&self, at_most: Duration) {
        let guardian = self.guardian.fd();
        let interrupt = self.interrupt.fd();
        let bereft = self.bereft.fd();
        let mut fds = vec![PollFd::new(&guardian, PollFlags::IN), PollFd::new(&interrupt, PollFlags::IN)];
        if let Some(bereft) = &bereft {
            fds.push(PollFd::new(bereft, PollFlags::IN));
        }
        let at_most = if bereft.is_some() { at_most } else { at_most.min(SLOW_LOOK) };
        let _ = poll(&mut fds, Some(&timespec(at_most)));
        self.interrupt.drain();
    }

    /// Whether the claim is somebody else's by now.
    fn is_bereft(&mut self, claim: Claim) -> Result<bool> {
        self.bereft.drain();
        let mine = self.door.look(|snapshot| Ok(matches!(snapshot.task(claim.task)?, Some(Ok(task)) if matches!(&task.state, TaskState::InProgress(held) if held.nonce == claim.nonce))))?;
        Ok(!mine)
    }

    /// How long to go on without hearing from the store: a little less than the lease, so that what runs has ended before somebody else
    /// may have the task.
    fn alone_max(&self) -> Duration {
        let lease = self.door.settings().lease;
        lease - (lease / 4).min(Duration::from_secs(30))
    }

    /// Renews the lease.
    fn renew(&self, claim: Claim, step: Step, started_at: Option<Timestamp>) -> Result<Renewed> {
        let lease = self.door.settings().lease;
        let command = Command::Heartbeat { claim, lease, step, started_at };
        let order = Order::new(Actor::Worker, Act::Report { command, result: None, ran: None });
        match self.door.apply_one(order) {
            Ok(_) => Ok(Renewed::Yes),
            Err(error) if error.code == "stale_claim" => Ok(Renewed::No),
            // The store is away: the next beat tries again, and the lease is what decides.
            Err(error) if super::is_passing(&error) => {
                self.say(&error.message);
                Ok(Renewed::Unreachable)
            }
            Err(error) => Err(error),
        }
    }

    fn order(&self, command: &Command_<'_>, view: &TaskView, claim: Claim) -> Result<crate::tree::Order> {
        let config = self.project.config();
        let silence = config.span("silence")?;
        let mut env = environment(self.project, view, claim);
        env.push(("GANGER_WORKER".to_owned(), self.name.to_string()));
        env.extend(self.env.iter().cloned());
        Ok(crate::tree::Order {
            argv: command.argv.clone(),
            cwd: self.project.root().to_owned(),
            env,
            env_remove: if self.project.address().has_secret() { vec![STORE.to_owned()] } else { Vec::new() },
            stdin: command.stdin.clone(),
            output: command.output.to_owned(),
            output_bytes_max: config.number("output_bytes_max")?,
            timeout: Some(command.timeout),
            silence: (!silence.is_zero()).then_some(silence),
            grace: config.span("grace")?,
        })
    }
}

/// How often to look for a lost claim where nothing wakes.
const SLOW_LOOK: Duration = Duration::from_secs(1);

fn guardian(mark: &str) -> Result<Guardian> {
    Guardian::start(mark).map_err(|error| Error::refused("no_guardian", format!("cannot start the guardian of what a task runs: {error}")))
}

fn shell(command: &str) -> Vec<String> {
    vec!["/bin/sh".to_owned(), "-c".to_owned(), command.to_owned()]
}

fn timespec(span: Duration) -> Timespec {
    Timespec { tv_sec: i64::try_from(span.as_secs()).unwrap_or(i64::MAX), tv_nsec: i64::from(span.subsec_nanos()) }
}

fn is_readable(fd: &impl AsFd) -> bool {
    let mut fds = [PollFd::new(fd, PollFlags::IN)];
    matches!(poll(&mut fds, Some(&timespec(Duration::ZERO))), Ok(count) if count > 0)
}

/// What every command of an attempt finds in its environment.
fn environment(project: &Project, view: &TaskView, claim: Claim) -> Vec<(String, String)> {
    let task = view.full.task.id;
    let mut env = vec![
        ("GANGER_PROJECT".to_owned(), project.root().to_string_lossy().into_owned()),
        ("GANGER_TASK".to_owned(), task.to_string()),
        ("GANGER_CLAIM".to_owned(), claim.to_string()),
        ("GANGER_ATTEMPT".to_owned(), claim.attempt.0.to_string()),
        ("GANGER_BRIEF".to_owned(), project.brief(task, claim.attempt.0).to_string_lossy().into_owned()),
    ];
    // The store that this worker uses, also where a flag chose it; a secret of ours is not theirs.
    if !project.address().has_secret() {
        env.push((STORE.to_owned(), project.address().to_string()));
    }
    env
}

/// The variable that says where the store is.
const STORE: &str = "GANGER_STORE";

/// Writes the brief of an attempt and gives its path.
///
/// # Errors
/// `file`, those of the store.
pub fn write_brief(project: &Project, door: &Orchestrator, view: &TaskView, claim: Claim) -> Result<PathBuf> {
    let task = &view.full.task;
    // One look for everything: a worker does this between any two tasks.
    let (titles, lacking, history) = door.look(|snapshot| {
        let mut titles = Vec::with_capacity(view.full.after.len());
        for id in &view.full.after {
            if let Some(Ok(need)) = snapshot.full(*id)? {
                titles.push((*id, need.spec.title));
            }
        }
        let lacking = match &task.state {
            TaskState::InProgress(held) if !view.full.spec.needs.is_empty() => {
                snapshot.worker(&held.worker)?.map(|worker| worker.lacks(&view.full.spec.needs)).unwrap_or_default()
            }
            TaskState::InProgress(_)
            | TaskState::Pending
            | TaskState::Completed { .. }
            | TaskState::Blocked(_)
            | TaskState::Failed { .. }
            | TaskState::Cancelled { .. } => Vec::new(),
        };
        let history = history_of(snapshot, task.id, view.full.last_event, HISTORY_MAX)?;
        Ok((titles, lacking, history))
    })?;
    let needs = titles
        .into_iter()
        .map(|(id, title)| {
            let result = project.result(id);
            (id, title, files::exists(&result).then(|| project.short(&result)))
        })
        .collect();
    let facts = brief::Facts {
        view,
        claim,
        needs,
        history: &history,
        lacking,
        root: project.root().to_string_lossy().into_owned(),
        language: project.language(),
    };
    let path = project.brief(task.id, claim.attempt.0);
    files::create(&path, &brief::render(&facts))?;
    Ok(path)
}

/// Runs the check of a claimed task as `ganger complete` does, renewing the lease. Gives the output file and whether it passed.
///
/// # Errors
/// Those of the store and of the guardian; `stale_claim` when the claim is lost meanwhile.
pub fn check(
    project: &Project,
    door: &Orchestrator,
    view: &TaskView,
    claim: Claim,
    interrupt: Interrupt,
) -> Result<(PathBuf, Result<(), Failure>)> {
    let Some(check) = &view.full.spec.check else { return Err(Error::bug("a check was asked for where there is none")) };
    let name = match &view.full.task.state {
        TaskState::InProgress(held) => held.worker.clone(),
        TaskState::Pending
        | TaskState::Completed { .. }
        | TaskState::Blocked(_)
        | TaskState::Failed { .. }
        | TaskState::Cancelled { .. } => {
            return Err(Error::refused(
                "stale_claim",
                format!("the claim {}#{} is over: the task is {}", claim.task, claim.attempt.0, view.full.task.status()),
            ));
        }
    };
    let mut runner = Runner::new(project, door, &name, format!("ganger-{}", random::hex()?), interrupt)?;
    let output = project.output(claim.task, claim.attempt.0, ".check");
    let command = Command_ { argv: shell(check), stdin: None, output: &output, timeout: view.full.task.timeout, step: Step::Checking };
    patiently(|| {
        door.apply_one(Order::new(
            Actor::Worker,
            Act::Report {
                command: Command::Heartbeat { claim, lease: door.settings().lease, step: Step::Checking, started_at: None },
                result: None,
                ran: None,
            },
        ))
    })?;
    let mut told = true;
    match runner.run(&command, view, claim, None, &mut told)? {
        Through::Ended(ended) => {
            let verdict = outcome::verdict(&ended, check, &output).map_or(Ok(()), Err);
            Ok((output, verdict))
        }
        Through::NotStarted(_, error) => Err(Error::refused("check_not_started", format!("failed to {error}"))),
        Through::Bereft => {
            Err(Error::refused("stale_claim", format!("the claim {}#{} was taken away while its check ran", claim.task, claim.attempt.0)))
        }
        Through::Interrupted => Err(Error::refused("interrupted", "the check was interrupted; the claim is still yours")),
    }
}
