//! The commands. One file each; the doc comment of its arguments is its help. What is common to all stands here.

mod bench;
mod claim;
mod completions;
mod config;
mod doctor;
mod export;
mod graph;
mod holding;
mod import;
mod init;
mod list;
mod log;
mod man;
mod manage;
mod messages;
mod plan;
mod poll;
mod repair;
mod report;
mod run;
mod say;
mod show;
mod status;
mod task;
mod values;
mod waits;
mod work;
mod workers;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Args as _, FromArgMatches};
use engine::error::{Error, Kind, Result};
use engine::files;
use engine::project::Surroundings;

use crate::context::Context;
use crate::exit;
use crate::output::{Color, Printer};

/// A command of `ganger`.
struct Entry {
    name: &'static str,
    about: &'static str,
    args: fn(clap::Command) -> clap::Command,
    run: fn(&ArgMatches, &mut Context) -> Result<u8>,
}

macro_rules! commands {
    ($($name:literal: $($module:ident)::+ = $about:literal,)*) => {
        &[$(Entry {
            name: $name,
            about: $about,
            args: |command| $($module)::+::Args::augment_args(command),
            run: |matches, context| {
                let args = $($module)::+::Args::from_arg_matches(matches).map_err(|error| Error::usage("usage", error.to_string()))?;
                $($module)::+::run(args, context)
            },
        },)*]
    };
}

/// Every command, in the order of the help.
const COMMANDS: &[Entry] = commands! {
    "init": init = "Make this folder a project",
    "plan": plan = "Read a plan and add its tasks",
    "run": run = "Do everything: start workers, follow them, test, repair, report",
    "add": task::add = "Add a task",
    "edit": task::edit = "Change what a task asks for",
    "assign": manage::assign = "Let a task wait for one worker, or for anybody",
    "cancel": manage::cancel = "Give a task up",
    "retry": manage::retry = "Set a failed or cancelled task going again",
    "unblock": manage::unblock = "What a task waited for is there",
    "answer": manage::answer = "Answer the question that a task waits for",
    "claim": claim = "Take the next task",
    "heartbeat": holding::heartbeat = "Say that you still work on a task",
    "complete": holding::complete = "A task is done (its check runs first)",
    "fail": holding::fail = "An attempt failed",
    "block": holding::block = "A task must wait for somebody",
    "release": holding::release = "Give a task back",
    "work": work = "Be a worker: claim, run, check, record, again",
    "workers": workers = "The roster: list, add, pause, resume, remove",
    "status": status = "How things stand, and what waits for somebody",
    "list": list = "List tasks",
    "show": show = "Show everything about one task",
    "graph": graph = "Draw what waits for what",
    "log": log = "Show what happened",
    "say": say = "Say something to everybody",
    "messages": messages = "Show what was said",
    "poll": poll = "Print how tasks stand until all are done",
    "report": report = "Write and show the report: what was done, what went wrong, what waits for you",
    "doctor": doctor = "Say what is wrong, and what to do about it",
    "repair": repair = "Make a new store of what is whole in a damaged one",
    "export": export = "Write everything out, one JSON object a line",
    "import": import = "Read an export into an empty store",
    "config": config = "List, get and set settings",
    "completions": completions = "Print completions for a shell",
    "man": man = "Print or write the manual pages",
    "bench": bench = "Measure this machine",
};

/// Runs the command line and gives the exit code.
pub(crate) fn run(args: &[OsString]) -> u8 {
    if let Some(code) = bench::as_worker(args) {
        return code;
    }
    let wants_json = args.iter().skip(1).take_while(|arg| *arg != "--").any(|arg| arg == "--json");
    let matches = match command().try_get_matches_from(args) {
        Ok(matches) => matches,
        Err(error) => return usage(&error, wants_json),
    };
    let color = matches.get_one::<Color>("color").copied().unwrap_or(Color::Auto);
    let json = matches.get_flag("json");
    let done = context(&matches, color, json).and_then(|mut context| {
        let done = dispatch(&matches, &mut context);
        context.printer.flush();
        done
    });
    match done {
        Ok(code) => code,
        Err(error) => {
            Printer::new(color).error(&error, json);
            error.kind.exit_code()
        }
    }
}

/// What scripts look at first.
const EXIT_CODES: &str = "\
Exit codes:
   0  done
   1  refused or failed
   2  usage or bad input
   3  not found
   4  nothing to claim
   5  store unreachable or damaged
  70  a bug
  75  outcome unknown: repeat with the same --request-id";

/// The whole command line. The arguments of a command are made only when it is the one that is called.
pub(crate) fn command() -> clap::Command {
    let everywhere = |name: &'static str, help: &'static str| Arg::new(name).global(true).help_heading("Global options").help(help);
    let global = |name: &'static str, help: &'static str| everywhere(name, help).long(name);
    let mut command = clap::Command::new("ganger")
        .version(env!("CARGO_PKG_VERSION"))
        .about("The foreman for a gang of coding agents: one queue, each task to exactly one worker, proven, tested, reported.")
        .after_help(EXIT_CODES)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .arg(
            everywhere("directory", "Start in this folder instead of the current one")
                .short('C')
                .value_name("DIR")
                .value_parser(clap::value_parser!(PathBuf)),
        )
        .arg(global("store", "Where the tasks are kept: sqlite:PATH or postgres://…").value_name("URL"))
        .arg(global("language", "Language of titles, briefs and reports").value_name("L").value_parser(["en", "fr", "auto"]))
        .arg(global("json", "Print one JSON document; poll, log and messages --follow: one object a line").action(ArgAction::SetTrue))
        .arg(global("color", "When to use colour").value_name("WHEN").value_parser(clap::builder::EnumValueParser::<Color>::new()))
        .arg(global("request-id", "Repeating a command with the same id has one effect and gives the same answer").value_name("ID"));
    for entry in COMMANDS {
        command = command.subcommand(clap::Command::new(entry.name).about(entry.about).defer(entry.args));
    }
    command
}

/// The same with the arguments of every command, for completions and manual pages.
fn whole() -> clap::Command {
    let mut command = command();
    command.build();
    command
}

fn dispatch(matches: &ArgMatches, context: &mut Context) -> Result<u8> {
    let (name, matches) = matches.subcommand().ok_or_else(|| Error::usage("usage", "no command was given").hint("ganger --help"))?;
    let entry =
        COMMANDS.iter().find(|entry| entry.name == name).ok_or_else(|| Error::bug(format!("the command '{name}' is not in the table")))?;
    (entry.run)(matches, context)
}

fn context(matches: &ArgMatches, color: Color, json: bool) -> Result<Context> {
    let environment: std::collections::HashMap<String, String> =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect();
    let given = |name: &str| environment.get(name).filter(|value| !value.is_empty());
    let current = std::env::current_dir().map_err(|error| Error::refused("no_folder", format!("cannot tell the current folder: {error}")));
    let start = match matches.get_one::<PathBuf>("directory").cloned().or_else(|| given("GANGER_PROJECT").map(PathBuf::from)) {
        Some(folder) => {
            let folder = if folder.is_absolute() { folder } else { current?.join(folder) };
            if !files::is_folder(&folder) {
                return Err(Error::usage("no_folder", format!("there is no folder {}", files::shown(&folder))));
            }
            folder
        }
        None => current?,
    };
    // One name for the project's folder, whatever way leads to it.
    let start = files::real(&start).unwrap_or(start);
    let user_config = given("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| given("HOME").map(|home| PathBuf::from(home).join(".config")))
        .map(|folder| folder.join("ganger/config.toml"));
    let request = matches
        .get_one::<String>("request-id")
        .map(|id| id.parse().map_err(|error: domain::id::BadId| Error::usage("bad_request_id", format!("failed to {error}"))))
        .transpose()?;
    let around = Surroundings {
        store: matches.get_one::<String>("store").cloned(),
        language: matches.get_one::<String>("language").cloned(),
        user_config,
        environment,
    };
    Ok(Context { printer: Printer::new(color), json, start, around, request })
}

/// What is wrong with the command line itself. Help and version are no errors.
fn usage(error: &clap::Error, json: bool) -> u8 {
    use clap::error::ErrorKind;
    use std::error::Error as _;
    let is_help = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    if is_help {
        let _ = error.print();
        return exit::DONE;
    }
    // Clap names the value already, as an id does that cannot be read.
    let once = |text: String| match error.source().and_then(|source| source.downcast_ref::<domain::id::BadId>()) {
        Some(bad) => text.replace(&bad.to_string(), &format!("expected {}", bad.expected)),
        None => text,
    };
    if json {
        let text = once(error.render().to_string());
        let message = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        Printer::new(Color::Auto).error(&Error::new(Kind::Usage, "usage", message).hint("ganger --help"), true);
    } else {
        let printer = &mut Printer::new(Color::Auto);
        let text = if printer.color_err { error.render().ansi().to_string() } else { error.render().to_string() };
        printer.say(once(text).trim_end_matches('\n'));
    }
    exit::USAGE
}
