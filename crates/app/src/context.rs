//! What every command gets: where it prints, where the project is, how repeats are recognised.

use std::path::PathBuf;

use domain::event::Actor;
use domain::id::RequestId;
use engine::error::{Error, Kind, Result};
use engine::orchestrator::{Act, Answer, Orchestrator, Order};
use engine::project::{Project, Surroundings};
use engine::store::sqlite::Use;
use engine::{files, random};

use crate::output::Printer;

/// What every command gets.
pub(crate) struct Context {
    /// Where it prints.
    pub(crate) printer: Printer,
    /// Whether programs read it.
    pub(crate) json: bool,
    /// The folder to start from.
    pub(crate) start: PathBuf,
    /// Flags and variables that settings come from.
    pub(crate) around: Surroundings,
    /// `--request-id`.
    pub(crate) request: Option<RequestId>,
}

impl Context {
    /// The project that the command is about.
    pub(crate) fn project(&self) -> Result<Project> {
        Project::find(&self.start, &self.around)
    }

    /// The project and the door to its store, for one command.
    pub(crate) fn open(&self) -> Result<(Project, Orchestrator)> {
        let project = self.project()?;
        let door = project.open(Use::OneShot)?;
        Ok((project, door))
    }

    /// Carries out one order of a person at the command line.
    pub(crate) fn apply(&mut self, door: &Orchestrator, actor: Actor, act: Act) -> Result<Answer> {
        let order = Order::new(actor, act);
        let order = match &self.request {
            Some(request) => order.repeatable(request.clone()),
            None if order.is_repeatable() => order,
            None => order.repeatable(random::request_id()?),
        };
        let answer = door.apply_one(order);
        self.notices(door);
        answer
    }

    /// Sees to dead workers before something is shown (G8). A store that cannot be written can still be read (G5).
    pub(crate) fn tend(&mut self, project: &Project, door: &Orchestrator) {
        if let Err(error) = engine::services::monitor::tend(project, door) {
            self.printer.say(&format!("warning: {}", domain::text::escaped_lines(&error.message)));
        }
    }

    /// Says what the store has to say about rows that do not decode.
    pub(crate) fn notices(&mut self, door: &Orchestrator) {
        for notice in door.notices() {
            self.printer.say(&format!("warning: {}", domain::text::escaped_lines(&notice)));
        }
    }

    /// Warns of files that a task names and that are not there; they may come in time.
    pub(crate) fn warn_missing<'f>(&mut self, project: &Project, paths: impl IntoIterator<Item = &'f String>) {
        for path in paths.into_iter().filter(|path| !path.is_empty()) {
            if !files::exists(&project.root().join(path)) {
                self.printer.say(&format!("warning: there is no file {} in the project", domain::text::escaped(path, 200)));
            }
        }
    }

    /// The text of a file that the user named, or of stdin for `-`.
    pub(crate) fn read(&self, name: &str, bytes_max: u64) -> Result<String> {
        if name == "-" {
            files::read_text_from(std::io::stdin().lock(), "stdin", bytes_max)
        } else {
            files::read_text(&self.start.join(name), bytes_max).map_err(named)
        }
    }

    /// A variable of the environment that is not empty.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        self.around.environment.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Who speaks when nobody says so: the worker of this environment, else the user.
    pub(crate) fn speaker(&self) -> String {
        self.variable("GANGER_WORKER").or_else(|| self.variable("USER")).unwrap_or("human").to_owned()
    }

    /// The claim that was given, or that of the environment.
    pub(crate) fn claim(&self, given: Option<&str>) -> Result<domain::lease::Claim> {
        let text = given.or_else(|| self.variable("GANGER_CLAIM")).ok_or_else(|| {
            Error::usage("no_claim", "no claim was given").hint("give the claim that `ganger claim` printed, or set GANGER_CLAIM")
        })?;
        text.parse().map_err(|error: domain::id::BadId| Error::usage("bad_claim", format!("failed to {error}")))
    }
}

/// A file that the user named and that is not there is bad input.
pub(crate) fn named(error: Error) -> Error {
    if error.code == "file" { Error { kind: Kind::Usage, ..error } } else { error }
}
