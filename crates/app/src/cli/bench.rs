//! `ganger bench`: the figures of the contract, taken on a throw-away store that lies on the same disk as the real one.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use engine::bench::{self, Figures, Tallied};
use engine::clock::instant;
use engine::error::{Error, Result};
use engine::store::address::Address;
use engine::store::postgres::PgAddress;
use engine::worker::run::Asked;
use engine::{files, random};
use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::output::table::{Table, terminal_width};
use crate::output::{Color, Printer};
use crate::signals::Signals;
use crate::{exit, wire};

/// Measure this machine: how fast tasks are added, claimed and completed, durably. It needs no project and leaves nothing behind.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many workers claim at once (else 16 in one process, and 4 processes)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    workers: Option<u32>,
    /// How many tasks each row does
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    tasks: u32,
}

/// What a process of the measurement is called with, as `ganger bench-worker FILE N`; it is no command of people's.
const WORKER: &str = "bench-worker";
const CALLERS: u32 = 16;
const PROCESSES: u32 = 4;

pub(crate) fn run(args: Args, context: &mut Context) -> Result<u8> {
    let signals = Signals::watch()?;
    let place = Place::make(context)?;
    let mut rows: Vec<Figures> = Vec::new();
    begin(context, &signals, "add and add_batch")?;
    rows.extend(bench::add(&*bench::open(&place.store_of("add"))?, args.tasks)?);
    begin(context, &signals, "claim_complete")?;
    rows.push(bench::claim_complete(&bench::open(&place.store_of("claim"))?, args.workers.unwrap_or(CALLERS), args.tasks)?);
    begin(context, &signals, "claim_complete_processes")?;
    rows.push(processes(&place.store_of("processes"), args.workers.unwrap_or(PROCESSES), args.tasks)?);
    begin(context, &signals, "pickup")?;
    rows.push(bench::pickup(&bench::open(&place.store_of("pickup"))?, (args.tasks / 20).clamp(20, 500))?);
    drop(place);
    show(context, &rows)
}

/// Says what comes next, unless somebody has interrupted.
fn begin(context: &mut Context, signals: &Signals, what: &str) -> Result<()> {
    if signals.times() > 0 {
        return Err(Error::refused("interrupted", "interrupted; the throw-away store is removed"));
    }
    if !context.json {
        context.printer.say(&format!("measuring {what} …"));
    }
    Ok(())
}

/// Where the throw-away stores are: gone when they are no longer needed, whatever happened.
enum Place {
    Folder(PathBuf),
    /// Schemas of a database, named by this beginning.
    Schemas(PgAddress, String),
}

/// The stores of a measurement.
const STORES: [&str; 4] = ["add", "claim", "processes", "pickup"];

impl Place {
    /// Beside the store that is named, else in the project, else here, else where the system keeps temporary files.
    fn make(context: &Context) -> Result<Self> {
        let named = context.around.store.clone().or_else(|| context.variable("GANGER_STORE").map(ToOwned::to_owned));
        let address = match named {
            Some(url) => Some(Address::parse(&url, &context.start)?),
            None => match context.project() {
                Ok(project) => Some(project.address().clone()),
                Err(error) if error.code == "no_project" => None,
                Err(error) => return Err(error),
            },
        };
        let name = random::hex()?;
        let places = match address {
            Some(Address::Postgres(address)) => return Ok(Self::Schemas(address, format!("bench_{}", name.get(..12).unwrap_or(&name)))),
            Some(Address::Sqlite(path)) => vec![path.parent().map_or_else(|| context.start.clone(), Path::to_owned)],
            None => vec![context.start.clone(), std::env::temp_dir()],
        };
        let mut failed = Error::bug("there is no place for a throw-away store");
        for place in places {
            let folder = place.join(format!(".ganger-bench-{name}"));
            match files::private_folder(&folder) {
                Ok(()) => return Ok(Self::Folder(folder)),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    fn store_of(&self, name: &str) -> Address {
        match self {
            Self::Folder(folder) => Address::Sqlite(folder.join(format!("{name}.db"))),
            Self::Schemas(address, beginning) => Address::Postgres(address.with_schema(&format!("{beginning}_{name}"))),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        match self {
            Self::Folder(folder) => {
                files::remove_folder(folder);
            }
            Self::Schemas(..) => STORES.iter().for_each(|name| {
                if let Address::Postgres(address) = self.store_of(name) {
                    // What was never made need not go.
                    let _ = engine::store::postgres::remove(&address);
                }
            }),
        }
    }
}

/// What a process of the measurement says at its end.
#[derive(Debug, Serialize, Deserialize)]
struct Told {
    tasks: u64,
    calls_us: Vec<u64>,
}

/// A process of the measurement that ends when we do.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `claim_complete_processes`: one process a worker, all let go at once.
fn processes(store: &Address, workers: u32, tasks: u32) -> Result<Figures> {
    let failed = |error: std::io::Error| Error::refused("no_worker_process", format!("a process of the measurement failed: {error}"));
    bench::fill(&*bench::open(store)?, tasks)?;
    let address = store.with_secrets();
    let program = std::env::current_exe().map_err(failed)?;
    let ended = || Error::refused("no_worker_process", "a process of the measurement ended early");
    let mut children = Vec::with_capacity(workers as usize);
    for number in 0..workers {
        let child = Command::new(&program)
            .arg(WORKER)
            .arg(number.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let mut process = Process(child);
        // Not among the arguments, where everybody could read its password.
        process.0.stdin.as_mut().ok_or_else(ended)?.write_all(format!("{address}\n").as_bytes()).map_err(failed)?;
        children.push(process);
    }
    let mut readers = Vec::with_capacity(children.len());
    for Process(child) in &mut children {
        let mut reader = BufReader::new(child.stdout.take().ok_or_else(ended)?);
        let mut ready = String::new();
        reader.read_line(&mut ready).map_err(failed)?;
        if ready.is_empty() {
            return Err(ended());
        }
        readers.push(reader);
    }
    let start = instant();
    for Process(child) in &mut children {
        child.stdin.take().ok_or_else(ended)?.write_all(b"go\n").map_err(failed)?;
    }
    let mut all = Vec::with_capacity(readers.len());
    for reader in &mut readers {
        let mut line = String::new();
        reader.read_line(&mut line).map_err(failed)?;
        let told: Told = serde_json::from_str(&line).map_err(|_| ended())?;
        all.push(Tallied { tasks: told.tasks, calls_us: told.calls_us });
    }
    Ok(Figures::of("claim_complete_processes", &all, start.elapsed()))
}

/// Whether the program was started as one of the processes of a measurement, and what that came to.
pub(crate) fn as_worker(args: &[OsString]) -> Option<u8> {
    let [_, word, number] = args else { return None };
    if word != WORKER {
        return None;
    }
    let mut printer = Printer::new(Color::Never);
    let number = number.to_str().and_then(|number| number.parse().ok())?;
    let code = match drain(&mut printer, number) {
        Ok(()) => exit::DONE,
        Err(error) => {
            printer.error(&error, false);
            error.kind.exit_code()
        }
    };
    printer.flush();
    Some(code)
}

/// Opens the store, says so, waits for the word, works, tells.
fn drain(printer: &mut Printer, number: u32) -> Result<()> {
    let mut address = String::new();
    if std::io::stdin().lock().read_line(&mut address).unwrap_or(0) == 0 {
        return Err(Error::refused("interrupted", "the measurement ended early"));
    }
    let door = bench::open(&Address::parse(address.trim_end(), Path::new("/"))?)?;
    printer.line("ready");
    printer.flush();
    let mut word = String::new();
    if std::io::stdin().lock().read_line(&mut word).unwrap_or(0) == 0 {
        return Err(Error::refused("interrupted", "the measurement ended early"));
    }
    let tallied = bench::drain_as(&door, number)?;
    printer.json(&Told { tasks: tallied.tasks, calls_us: tallied.calls_us })
}

fn show(context: &mut Context, figures: &[Figures]) -> Result<u8> {
    if context.json {
        context.printer.json(&wire::Bench::from(figures))?;
        return Ok(exit::DONE);
    }
    let mut table = Table::new(&["ROW", "WORKERS", "PER SECOND", "P50 MS", "P99 MS", "MAX MS", "SLOWEST SHARE"], 0);
    for row in figures {
        table.row(vec![
            row.name.into(),
            row.workers.to_string().into(),
            format!("{:.0}", row.per_second).into(),
            format!("{:.3}", row.p50_ms).into(),
            format!("{:.3}", row.p99_ms).into(),
            format!("{:.3}", row.max_ms).into(),
            format!("{:.3}", row.slowest_share).into(),
        ]);
    }
    let (width, color) = (terminal_width(), context.printer.color);
    for line in table.lines(width, color) {
        context.printer.line(&line);
    }
    Ok(exit::DONE)
}
