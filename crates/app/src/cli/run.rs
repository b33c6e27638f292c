//! `ganger run`.

mod progress;

use std::os::unix::process::CommandExt;
use std::time::Duration;

use domain::id::{PlanId, WorkerName};
use domain::report::{Report, Wait, words};
use domain::task::Status;
use engine::clock::instant;
use engine::error::{Error, Result};
use engine::orchestrator::query::Standing;
use engine::orchestrator::{Answer, Orchestrator};
use engine::project::Project;
use engine::services::foreman::{Foreman, wanted};
use engine::store::Listen;
use engine::store::sqlite::Use;
use engine::worker::run::Asked;
use engine::worker::{Terms, Worker};
use engine::{files, planning, random};
use serde_json::json;

use self::progress::Progress;
use super::{plan, values, waits};
use crate::context::Context;
use crate::exit;
use crate::output::{Tint, tinted};
use crate::signals::Signals;

/// Do everything: add the plan, start workers, follow them, test, repair, and report at the end. Ctrl-C once lets what runs end; twice ends it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A plan to add first; only its tasks are waited for
    #[arg(value_name = "PLAN")]
    plan: Option<String>,
    /// How many shell workers, or the names of workers
    #[arg(long, value_name = "N|NAME,…")]
    workers: Option<String>,
    /// Play the workers one after another in this process
    #[arg(long)]
    local: bool,
    /// Leave the tests out
    #[arg(long)]
    no_tests: bool,
    /// How many repairs a failing test may ask for
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=100))]
    cycles: Option<u32>,
    /// Look at least this often, also when nothing wakes us
    #[arg(long, value_name = "D", value_parser = values::duration)]
    poll_interval: Option<Duration>,
    /// Stop handing out after so many hours; what runs then may end
    #[arg(long, value_name = "H")]
    max_hours: Option<f64>,
    /// Go on in the background
    #[arg(long)]
    detach: bool,
}

/// The outcome of a run that did everything.
const DONE: &str = "done";
/// Looks come at least this far apart, however much happens: each costs the workers a little of the machine.
const LOOK_APART: Duration = Duration::from_millis(100);
/// Near the end they come closer, so that it is noticed at once; near means that so few tasks are open.
const LOOK_APART_NEAR_END: Duration = Duration::from_millis(10);
const NEAR_END: u32 = 4;
/// And at most this far, since a dead worker on another host tells nobody.
const LOOK_AT_LEAST: Duration = Duration::from_secs(1);
/// How long to wait for workers that were asked to leave; one that still does another plan's task ends by itself.
const LEAVE_MAX: Duration = Duration::from_secs(2);
/// What is said when somebody, or the clock, stops a run.
const STOPPING: &str = "stopping: what runs may end (Ctrl-C again ends it)";
const LATE: &str = "stopping: the time of --max-hours is over, and what runs may end (Ctrl-C twice ends it)";
const ENDED: &str = "stopping";
const ENDING: &str = "ending what runs";
/// How many names or workers `--workers` takes.
const WORKERS_MAX: u32 = 256;

pub(crate) fn run(args: Args, context: &mut Context) -> Result<u8> {
    let project = project(&args, context)?;
    if args.detach {
        return detach(context, &project);
    }
    let door = project.open(Use::Resident)?;
    let scope = match &args.plan {
        Some(name) => Some(import(context, &project, &door, name)?),
        None => None,
    };
    let cycles = args.cycles.map_or_else(|| project.config().number("cycles").map(|n| u32::try_from(n).unwrap_or(3)), Ok)?;
    let (named, count) = workers(args.workers.as_deref())?;
    let roster = door.look(|snapshot| snapshot.workers())?;
    let elsewhere = engine::services::roster::elsewhere(&project, &door)?;
    let names = wanted(named, count, &roster, &elsewhere);
    let signals = Signals::watch()?;
    let last_before = door.look(|snapshot| snapshot.last_event())?;
    let mut foreman = Foreman::new(&project, &door, scope, !args.no_tests, if args.local { Vec::new() } else { names.clone() });
    foreman.begin(cycles)?;
    let deadline = args.max_hours.map(|hours| instant() + Duration::from_secs_f64(hours.clamp(0.0, 8_784.0) * 3_600.0));
    let mut progress = Progress::new(context, last_before);
    let ended = if args.local {
        local(context, &project, &door, &mut foreman, &names, (signals, deadline), &mut progress)?
    } else {
        let every = args.poll_interval.unwrap_or(LOOK_AT_LEAST).min(LOOK_AT_LEAST);
        follow(context, &door, &mut foreman, &signals, &mut progress, every, deadline)?
    };
    let standing = door.standing(scope)?;
    let success = foreman.is_success(&standing);
    let outcome = match (success, ended) {
        (true, _) => DONE,
        (false, Ended::Over) => "unfinished",
        (false, Ended::Stopped) => "stopped",
    };
    let report = foreman.finish(outcome)?;
    progress.show(context, &door, &standing)?;
    progress.clear(context);
    foreman.roster().wait_for_end(LEAVE_MAX);
    context.notices(&door);
    tell(context, &project, &standing, outcome, &report)?;
    Ok(if success { exit::DONE } else { exit::REFUSED })
}

/// The project; with a plan and without a project one is made beside the plan.
fn project(args: &Args, context: &mut Context) -> Result<Project> {
    let Some(plan) = args.plan.as_deref().filter(|plan| *plan != "-") else { return context.project() };
    let path = context.start.join(plan);
    if !files::is_file(&path) {
        return Err(Error::usage("file", format!("there is no plan {}", files::shown(&path)))
            .hint("give the path of a plan, or leave it out to do the open tasks: ganger run"));
    }
    match context.project() {
        Err(error) if error.code == "no_project" => {
            let folder = path.parent().unwrap_or(&context.start).to_owned();
            let folder = files::real(&folder).unwrap_or(folder);
            let (project, is_new) = Project::init(&folder, &[], &context.around)?;
            if is_new {
                context.printer.say(&format!("made a project in {}", files::shown(&folder)));
            }
            Ok(project)
        }
        found => found,
    }
}

fn import(context: &mut Context, project: &Project, door: &Orchestrator, name: &str) -> Result<PlanId> {
    let read = plan::read(context, project, name, None)?;
    let request = context.request.clone().map_or_else(random::request_id, Ok)?;
    match planning::import(project, door, read.plan, &read.text, Some(name), request)? {
        Answer::Added { plan, first, count, resumed } => {
            let last = domain::id::TaskId(first.0 + count.saturating_sub(1));
            let what = if resumed { "going on with" } else { "added" };
            let which = if first == last { first.to_string() } else { format!("{first} to {last}") };
            context.printer.say(&format!("{what} {}, {which}", domain::text::counted(count, "task")));
            Ok(plan)
        }
        other => Err(Error::bug(format!("importing a plan was answered with {other:?}"))),
    }
}

fn workers(text: Option<&str>) -> Result<(Option<Vec<WorkerName>>, Option<u32>)> {
    let Some(text) = text else { return Ok((None, None)) };
    if let Ok(count) = text.parse::<u32>() {
        if !(1..=WORKERS_MAX).contains(&count) {
            return Err(Error::usage("bad_workers", format!("--workers takes 1 to {WORKERS_MAX} workers, or names")));
        }
        return Ok((None, Some(count)));
    }
    let names = text
        .split(',')
        .map(|name| name.trim().parse().map_err(|error: domain::id::BadId| Error::usage("bad_worker", format!("failed to {error}"))))
        .collect::<Result<Vec<WorkerName>>>()?;
    Ok((Some(names), None))
}

/// Starts the same command without `--detach` in a session of its own.
fn detach(context: &mut Context, project: &Project) -> Result<u8> {
    let failed = |error: std::io::Error| Error::refused("no_detach", format!("cannot go on in the background: {error}"));
    let log = project.folder().join("log").join("run.log");
    let errors = files::append_to(&log)?;
    let output = errors.try_clone().map_err(failed)?;
    let args = std::env::args_os().skip(1).filter(|arg| arg != "--detach");
    let child = std::process::Command::new(std::env::current_exe().map_err(failed)?)
        .args(args)
        .stdin(std::process::Stdio::null())
        .stdout(output)
        .stderr(errors)
        .process_group(0)
        .spawn()
        .map_err(failed)?;
    if context.json {
        context.printer.json(&json!({ "pid": child.id(), "log": log }))?;
    } else {
        context.printer.line(&format!("running in the background as process {}; its words go to {}", child.id(), project.short(&log)));
        context.printer.line("next: ganger status, ganger log -f");
    }
    Ok(exit::DONE)
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// Nothing goes on by itself.
    Over,
    /// Somebody, or the clock, stopped it.
    Stopped,
}

/// Looks, shows, waits, until it is over.
fn follow(
    context: &mut Context,
    door: &Orchestrator,
    foreman: &mut Foreman<'_>,
    signals: &Signals,
    progress: &mut Progress,
    every: Duration,
    deadline: Option<std::time::Instant>,
) -> Result<Ended> {
    let mut listener = door.store().waker().listen(Listen::Any);
    let mut asked = 0;
    loop {
        listener.drain();
        let looked = instant();
        let mut apart = LOOK_APART;
        let (pressed, is_late) = (signals.times(), deadline.is_some_and(|deadline| instant() >= deadline));
        let times = pressed.max(u32::from(is_late));
        if times > asked {
            foreman.roster().ask_to_stop();
            progress.stopping(
                context,
                if times > 1 {
                    ENDING
                } else if pressed > 0 {
                    STOPPING
                } else {
                    LATE
                },
            );
            asked = times;
        }
        if asked > 0 {
            let standing = foreman.standing()?;
            progress.show(context, door, &standing)?;
            if !foreman.roster().any_running() {
                return Ok(Ended::Stopped);
            }
        } else {
            let seen = foreman.tick()?;
            progress.linger(context, &seen.lingering);
            progress.show(context, door, &seen.standing)?;
            if seen.standing.counts.open() <= NEAR_END {
                apart = LOOK_APART_NEAR_END;
            }
            if seen.over {
                foreman.roster().ask_to_stop();
                return Ok(Ended::Over);
            }
        }
        engine::services::wait(&*listener, signals, foreman.roster(), every);
        // However much happens, a look now and then is enough.
        std::thread::sleep(apart.saturating_sub(looked.elapsed()));
    }
}

/// Plays the workers one after another in this process.
fn local(
    context: &mut Context,
    project: &Project,
    door: &Orchestrator,
    foreman: &mut Foreman<'_>,
    names: &[WorkerName],
    (signals, deadline): (Signals, Option<std::time::Instant>),
    progress: &mut Progress,
) -> Result<Ended> {
    let is_late = || deadline.is_some_and(|deadline| instant() >= deadline);
    let mut workers = Vec::with_capacity(names.len());
    for name in names {
        let terms = Terms { name: name.clone(), can: None, command: None, idle_exit: None, once: false };
        workers.push(Worker::start(project, door, terms, Box::new(signals.share()?))?);
    }
    let mut listener = door.store().waker().listen(Listen::Any);
    let ended = loop {
        listener.drain();
        let mut worked = false;
        for worker in &mut workers {
            if signals.times() > 0 || is_late() {
                break;
            }
            worked |= worker.turn()?;
            let standing = foreman.standing()?;
            progress.show(context, door, &standing)?;
        }
        if signals.times() > 0 || is_late() {
            progress.stopping(context, if signals.times() > 0 { ENDED } else { LATE });
            break Ended::Stopped;
        }
        let seen = foreman.tick()?;
        progress.linger(context, &seen.lingering);
        progress.show(context, door, &seen.standing)?;
        if seen.over {
            break Ended::Over;
        }
        if !worked {
            listener.wait(LOOK_AT_LEAST);
        }
    };
    for worker in &mut workers {
        worker.leave()?;
    }
    Ok(ended)
}

/// The last word: how it stands, what waits for a person, where the report is.
fn tell(context: &mut Context, project: &Project, standing: &Standing, outcome: &str, report: &Report) -> Result<()> {
    let counts: serde_json::Map<String, serde_json::Value> =
        Status::ALL.iter().map(|status| (status.as_str().to_owned(), standing.counts.of(*status).into())).collect();
    let (file, language) = (project.report(), project.language());
    // A run without tests that did all the rest leaves nothing to do, though its tests are there.
    let waiting = if outcome == DONE { &[] as &[Wait] } else { &report.waits };
    if context.json {
        let stuck: Vec<_> = waiting
            .iter()
            .map(|wait| {
                let id = wait.tasks.first().map(ToString::to_string);
                json!({ "id": id, "count": wait.count, "title": wait.title, "why": waits::why(wait, language), "command": wait.command })
            })
            .collect();
        return context
            .printer
            .json(&json!({ "outcome": outcome, "counts": counts, "percent": standing.percent(), "stuck": stuck, "report": file }));
    }
    let color = context.printer.color;
    let word = match outcome {
        DONE => tinted(DONE, Tint::Green, color),
        other => tinted(other, Tint::Red, color),
    };
    let parts: Vec<String> = Status::ALL
        .iter()
        .filter(|status| standing.counts.of(**status) > 0)
        .map(|status| format!("{} {status}", standing.counts.of(*status)))
        .collect();
    context.printer.line(&format!("{word}: {}", if parts.is_empty() { "there was nothing to do".to_owned() } else { parts.join(", ") }));
    for line in waits::lines(waiting, if waiting.is_empty() { 0 } else { report.waits_more }, language, color) {
        context.printer.line(&line);
    }
    if outcome != DONE {
        for held in &report.held_tests {
            context.printer.line(&format!("  {}", words::held_tests(language, held)));
        }
    }
    context.printer.line(&format!("report: {}", files::shown(&file)));
    Ok(())
}
