//! `ganger workers`.

use domain::event::Actor;
use domain::id::{Capability, WorkerName};
use domain::time::Timestamp;
use domain::worker::{Driver, WorkerState};
use engine::clock::local_time;
use engine::error::{Error, Result};
use engine::orchestrator::query::WorkerView;
use engine::orchestrator::{Act, Card, WorkerAct};

use super::values;
use crate::context::Context;
use crate::output::table::{Cell, Table, terminal_width};
use crate::output::{Tint, tinted};
use crate::{exit, wire};

/// The roster: who is there, what each does, and why that is believed.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Put a worker on the roster, or change what it can do
    Add {
        /// Its name
        name: WorkerName,
        /// How it is driven: pull (it calls `ganger claim`) or shell (a process of ganger's)
        #[arg(long, value_name = "D", value_parser = driver)]
        driver: Option<Driver>,
        /// The agent that it runs
        #[arg(long, value_name = "A")]
        agent: Option<String>,
        /// Kept for a later version: its pane, as session:window
        #[arg(long, value_name = "T")]
        target: Option<String>,
        /// What it can do
        #[arg(long, value_name = "CAP,…", value_delimiter = ',')]
        can: Option<Vec<Capability>>,
    },
    /// Show one worker
    Show {
        /// Its name
        name: WorkerName,
    },
    /// Set a worker aside: it gets nothing, and keeps what it has
    Pause {
        /// Its name
        name: WorkerName,
    },
    /// Take a worker up again
    Resume {
        /// Its name
        name: WorkerName,
    },
    /// Take a worker off the roster; what it holds is taken back
    Remove {
        /// Its name
        name: WorkerName,
    },
}

fn driver(text: &str) -> Result<Driver, String> {
    match Driver::from_word(text) {
        Some(driver @ (Driver::Pull | Driver::Shell)) => Ok(driver),
        Some(Driver::Headless | Driver::Tmux) => Err("this version of ganger drives no agents itself: use pull or shell".to_owned()),
        None => Err("expected pull or shell".to_owned()),
    }
}

pub(crate) fn run(args: Args, context: &mut Context) -> Result<u8> {
    let (project, door) = context.open()?;
    let name = match args.what {
        None => {
            engine::services::monitor::tend(&project, &door)?;
            return list(context, &door.workers()?);
        }
        Some(What::Show { name }) => {
            engine::services::monitor::tend(&project, &door)?;
            name
        }
        Some(What::Add { name, driver, agent, target, can }) => {
            let known = door.workers()?.into_iter().find(|view| view.worker.name == name);
            let driver = driver.or(known.map(|view| view.worker.driver)).unwrap_or(Driver::Pull);
            if target.is_some() {
                context.printer.say("warning: --target: not in this version: ganger writes into no pane; it is kept, and has no effect");
            }
            let line = |field: &str, text: Option<String>| text.map(|text| values::title(field, &text)).transpose();
            let card = Card {
                name: name.clone(),
                driver,
                agent: line("agent", agent)?,
                target: line("target", target)?,
                can: can.map(values::sorted),
                thinks: driver == Driver::Pull,
                session: None,
            };
            context.apply(&door, Actor::Human, Act::Join(card))?;
            name
        }
        Some(What::Pause { name }) => change(context, &door, name, WorkerAct::Pause)?,
        Some(What::Resume { name }) => change(context, &door, name, WorkerAct::Resume)?,
        Some(What::Remove { name }) => {
            let name = change(context, &door, name, WorkerAct::Remove)?;
            if context.json {
                context.printer.json(&serde_json::json!({ "name": name.as_str(), "removed": true }))?;
            } else {
                context.printer.line(&format!("{name}: removed"));
            }
            return Ok(exit::DONE);
        }
    };
    let view = door.workers()?.into_iter().find(|view| view.worker.name == name).ok_or_else(|| Error::no_worker(&name))?;
    if context.json {
        context.printer.json(&wire::Worker::from(&view))?;
    } else {
        show(context, &view);
    }
    Ok(exit::DONE)
}

/// Everything about one worker: what its row says, and when it did what.
fn show(context: &mut Context, view: &WorkerView) {
    let worker = &view.worker;
    let (time, text) =
        (|at: Option<Timestamp>| at.map_or_else(String::new, local_time), |text: &Option<String>| text.clone().unwrap_or_default());
    let fields = [
        ("driver", worker.driver.as_str().to_owned()),
        ("agent", text(&worker.agent)),
        ("target", text(&worker.target)),
        ("can", worker.can.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
        ("task", view.sight.task.map_or_else(String::new, |id| id.to_string())),
        ("idle", span(view.sight.idle)),
        ("worked", span(view.sight.runtime)),
        ("registered", time(Some(worker.registered_at))),
        ("heartbeat", time(worker.last_heartbeat_at)),
        ("claimed", time(worker.last_claimed_at)),
        ("completed", time(worker.last_completed_at)),
    ];
    context.printer.line(&format!("{}: {} ({})", worker.name, view.belief.state, view.belief.why));
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
        let name = tinted(&format!("{name:<12}"), Tint::Dim, context.printer.color);
        context.printer.line(&format!("{name}{}", domain::text::escaped(value, 300)));
    }
}

fn span(span: std::time::Duration) -> String {
    domain::time::show_duration(std::time::Duration::from_secs(span.as_secs())).replace("0ms", "0s")
}

fn change(context: &mut Context, door: &engine::orchestrator::Orchestrator, name: WorkerName, what: WorkerAct) -> Result<WorkerName> {
    context.apply(door, Actor::Human, Act::Worker { name: name.clone(), what })?;
    Ok(name)
}

fn list(context: &mut Context, views: &[WorkerView]) -> Result<u8> {
    if context.json {
        let shapes: Vec<wire::Worker> = views.iter().map(wire::Worker::from).collect();
        context.printer.json(&shapes)?;
        return Ok(exit::DONE);
    }
    if views.is_empty() {
        context.printer.say("nobody is on the roster: `ganger run` starts workers, `ganger workers add NAME` adds one");
        return Ok(exit::DONE);
    }
    let (width, color) = (terminal_width(), context.printer.color);
    for line in table(views).lines(width, color) {
        context.printer.line(&line);
    }
    Ok(exit::DONE)
}

/// The roster for people.
pub(super) fn table(views: &[WorkerView]) -> Table {
    let mut table = Table::new(&["WORKER", "DRIVER", "STATE", "TASK", "IDLE", "WORKED", "CAN", "WHY"], 7);
    for view in views {
        table.row(vec![
            view.worker.name.as_str().into(),
            view.worker.driver.as_str().into(),
            state(view),
            view.sight.task.map_or_else(String::new, |id| id.to_string()).into(),
            span(view.sight.idle).into(),
            span(view.sight.runtime).into(),
            view.worker.can.iter().map(ToString::to_string).collect::<Vec<_>>().join(",").into(),
            view.belief.why.as_str().into(),
        ]);
    }
    table
}

/// What is believed of it; one that said good-bye is nothing to worry about.
fn state(view: &WorkerView) -> Cell {
    match view.belief.state {
        WorkerState::Gone if view.worker.has_left() => Cell::new("left").tint(Tint::Dim),
        state => Cell::new(state.as_str()).tint(tint(state)),
    }
}

fn tint(state: WorkerState) -> Tint {
    match state {
        WorkerState::Idle => Tint::Blue,
        WorkerState::Busy => Tint::Green,
        WorkerState::Waiting | WorkerState::Limited | WorkerState::Paused => Tint::Yellow,
        WorkerState::Gone => Tint::Red,
        WorkerState::Unknown => Tint::Dim,
    }
}
