//! `ganger report`.

mod shape;

use engine::error::Result;
use engine::services::{monitor, reporter};

use super::values;
use crate::context::Context;
use crate::exit;

/// How it all stands and what came of it: writes the runtime files, and prints the report.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only this plan; 0 for the tasks that were added one by one
    #[arg(long, value_name = "N")]
    plan: Option<u32>,
}

pub(crate) fn run(args: Args, context: &mut Context) -> Result<u8> {
    let (project, door) = context.open()?;
    let plan = values::plan(&door, args.plan)?;
    monitor::tend(&project, &door)?;
    let written = reporter::publish(&project, &door, plan)?;
    context.notices(&door);
    if context.json {
        context.printer.json(&shape::document(&written.report, &project.report()))?;
    } else {
        context.printer.write(&written.text);
    }
    Ok(exit::DONE)
}
