//! `ganger import`.

use std::io::{BufRead, BufReader};

use domain::text::counted;
use engine::error::Result;
use engine::files;
use engine::project::Project;
use engine::store::sqlite::{Missing, Use};
use engine::transfer::import::Import;
use serde_json::json;

use crate::context::{Context, named};
use crate::exit;

/// Read what `ganger export` wrote into an empty store: everything or nothing. Makes the project where there is none. What was being worked on is
/// pending again.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The export, or - for stdin
    #[arg(value_name = "FILE", default_value = "-")]
    file: String,
}

pub(crate) fn run(args: Args, context: &mut Context) -> Result<u8> {
    let (mut from, name): (Box<dyn BufRead>, String) = if args.file == "-" {
        (Box::new(std::io::stdin().lock()), "stdin".to_owned())
    } else {
        let path = context.start.join(&args.file);
        (Box::new(BufReader::with_capacity(64 * 1024, files::open(&path).map_err(named)?)), files::shown(&path))
    };
    // Nothing is made for what is no export.
    let import = Import::begin(&mut from, &name)?;
    let mut made = None;
    let project = match context.project() {
        Err(error) if error.code == "no_project" => {
            let store = context.around.store.clone().map(|store| ("store", store));
            let (project, is_new) = Project::init(&context.start, store.as_slice(), &context.around)?;
            made = is_new.then(|| project.folder());
            project
        }
        found => found?,
    };
    let done = project.open_store(Use::OneShot, Missing::Make).and_then(|store| import.into_store(store.as_ref()));
    let summary = done.inspect_err(|_| {
        // Everything or nothing: the project that was made for it goes, too.
        if let Some(folder) = &made {
            files::remove_folder(folder);
        }
    })?;
    if made.is_some() {
        context.printer.say(&format!("made a project in {}", files::shown(project.root())));
    }
    engine::services::reporter::write(&project, &project.open(Use::OneShot)?, None)?;
    let count = |kind: &str| summary.counts.get(kind).copied().unwrap_or(0);
    if context.json {
        let shape = json!({ "project": project.root(), "counts": summary.counts, "sha256": summary.sha256, "put_back": summary.put_back });
        context.printer.json(&shape)?;
        return Ok(exit::DONE);
    }
    context.printer.line(&format!("imported {} and {} from {name}", counted(count("task"), "task"), counted(count("event"), "event")));
    if summary.put_back > 0 {
        let (tasks, were, are) = match summary.put_back {
            1 => ("1 task".to_owned(), "was", "is"),
            count => (counted(count, "task"), "were", "are"),
        };
        context.printer.line(&format!("{tasks} that {were} being worked on {are} pending again"));
    }
    context.printer.line("next: ganger status, ganger run");
    Ok(exit::DONE)
}
