//! `ganger init`.

use engine::error::Result;
use engine::files;
use engine::project::{FOLDER, Project};

use super::config;
use crate::context::Context;
use crate::exit;

/// Make this folder a project: .orchestrator/ with its settings and its store. Doing it twice is harmless.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Kept for a later version: the file that holds the board
    #[arg(long, value_name = "FILE")]
    board: Option<String>,
    /// Kept for a later version: the folder with agent roles
    #[arg(long, value_name = "DIR")]
    agents_library: Option<String>,
}

pub(crate) fn run(args: Args, context: &mut Context) -> Result<u8> {
    let mut values = Vec::new();
    for (key, value) in [("claude_md_path", args.board), ("agents_library", args.agents_library)] {
        if let Some(value) = value {
            files::named_path(&value)?;
            config::warn_without_effect(context, key);
            values.push((key, value));
        }
    }
    if let Some(store) = &context.around.store {
        values.push(("store", store.clone()));
    }
    if let Some(language) = &context.around.language {
        values.push(("language", language.clone()));
    }
    let (project, is_new) = Project::init(&context.start, &values, &context.around)?;
    if context.json {
        let shape = serde_json::json!({ "project": project.root(), "store": project.address().to_string(), "new": is_new });
        context.printer.json(&shape)?;
    } else {
        let folder = files::shown(&project.root().join(FOLDER));
        context.printer.line(&if is_new { format!("made {folder}") } else { format!("{folder} is complete") });
        context.printer.line("next:");
        context.printer.line("  ganger plan PLAN.toml        add the tasks of a plan (ganger plan --help)");
        context.printer.line("  ganger add \"…\" --run CMD     or a single one");
        context.printer.line("  ganger run                   do them all");
    }
    Ok(exit::DONE)
}
