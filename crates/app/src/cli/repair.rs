//! `ganger repair`.

use std::sync::Arc;

use engine::clock::{Clock, MachineClock};
use engine::error::{Error, Result};
use engine::files;
use engine::repair::{LISTED_MAX, Outcome, Rebuilt, Wish};
use engine::store::address::Address;
use serde_json::{Value, json};

use crate::context::Context;
use crate::exit;
use crate::output::{Tint, tinted};

/// Make a new store of everything that is valid in a damaged one, keep the old one, and list what could not be kept. Changes nothing when nothing is
/// wrong.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only say what would be lost
    #[arg(long)]
    dry_run: bool,
    /// Make a new store also when nothing is wrong
    #[arg(long, conflicts_with = "dry_run")]
    force: bool,
}

pub(crate) fn run(args: Args, context: &mut Context) -> Result<u8> {
    let project = context.project()?;
    let Address::Sqlite(path) = project.address() else {
        return Err(Error::usage("not_a_file", format!("{} is no file: the database keeps it whole", project.address()))
            .hint("ganger doctor --strict   says what is wrong")
            .hint("docs/postgresql.md tells how to restore it from a backup"));
    };
    let wish = match (args.dry_run, args.force) {
        (true, _) => Wish::DryRun,
        (false, true) => Wish::Force,
        (false, false) => Wish::Repair,
    };
    let clock: Arc<dyn Clock> = Arc::new(MachineClock);
    let outcome = engine::repair::repair(path, wish, &clock)?;
    if context.json {
        context.printer.json(&shape(&outcome))?;
        return Ok(exit::DONE);
    }
    match &outcome {
        Outcome::Healthy => context.printer.line("nothing is wrong with the store, and nothing was changed"),
        Outcome::Would(rebuilt) => {
            context.printer.line("a repair would keep and lose this; nothing was changed");
            show(context, rebuilt);
        }
        Outcome::Done(rebuilt, old) => {
            context.printer.line(&format!("made a new store; the old one is {} now", files::shown(old)));
            show(context, rebuilt);
            context.printer.line("claims of before are over; next: ganger doctor --strict, ganger run");
        }
    }
    Ok(exit::DONE)
}

fn shape(outcome: &Outcome) -> Value {
    let (word, rebuilt, old) = match outcome {
        Outcome::Healthy => return json!({ "outcome": "healthy" }),
        Outcome::Would(rebuilt) => ("would", rebuilt, None),
        Outcome::Done(rebuilt, old) => ("done", rebuilt, Some(old)),
    };
    let lost: Vec<Value> =
        rebuilt.lost.listed.iter().map(|lost| json!({ "table": lost.table, "key": lost.key, "why": lost.why })).collect();
    json!({
        "outcome": word, "old": old, "kept": rebuilt.kept, "lost": lost, "lost_count": rebuilt.lost.count, "put_back": rebuilt.put_back,
        "restored": rebuilt.restored,
    })
}

fn show(context: &mut Context, rebuilt: &Rebuilt) {
    let color = context.printer.color;
    let kept: Vec<String> = rebuilt.kept.iter().map(|(table, count)| domain::text::counted_of(*count, table)).collect();
    context.printer.line(&format!("kept: {}", kept.join(", ")));
    if rebuilt.put_back > 0 {
        context.printer.line(&format!("put back: {}; the task of each is PENDING", domain::text::counted(rebuilt.put_back, "claim")));
    }
    if rebuilt.lost.count == 0 {
        context.printer.line(&format!("lost: {}", tinted("nothing", Tint::Green, color)));
        return;
    }
    context.printer.line(&format!("lost or changed: {}", tinted(&rebuilt.lost.count.to_string(), Tint::Red, color)));
    for lost in &rebuilt.lost.listed {
        context.printer.line(&format!("  {} {}: {}", lost.table, lost.key, domain::text::escaped(&lost.why, 300)));
    }
    if rebuilt.lost.count > LISTED_MAX as u64 {
        context.printer.line(&format!("  … and {} more", rebuilt.lost.count - LISTED_MAX as u64));
    }
}
