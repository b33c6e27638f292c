//! `ganger doctor`.

use engine::audit::{self, Report, Severity};
use engine::error::Result;
use serde_json::json;

use crate::context::Context;
use crate::exit;
use crate::output::{Tint, tinted};

/// Say what is wrong with the project, and what to do about it. Exits 0 when nothing is, 1 when something is, 5 when the store cannot be read.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Read everything and hold it against every rule
    #[arg(long)]
    strict: bool,
}

pub(crate) fn run(args: Args, context: &mut Context) -> Result<u8> {
    let mut report = Report::default();
    let store = audit::quick::quick(&context.start, &context.around, &mut report)?;
    if args.strict
        && let Some(store) = &store
    {
        audit::strict(store.as_ref(), &mut report)?;
    }
    if context.json {
        let findings: Vec<_> = report
            .findings()
            .iter()
            .map(|found| json!({ "severity": found.severity.as_str(), "code": found.code, "message": found.message, "hint": found.hint }))
            .collect();
        context.printer.json(&json!({ "ok": report.is_ok(), "findings": findings, "checked": report.checked() }))?;
    } else {
        show(context, &report);
    }
    Ok(match (report.is_ok(), report.is_damaged()) {
        (true, _) => exit::DONE,
        (false, false) => exit::REFUSED,
        (false, true) => exit::STORE,
    })
}

fn show(context: &mut Context, report: &Report) {
    let color = context.printer.color;
    for found in report.findings() {
        let tint = match found.severity {
            Severity::Warning => Tint::Yellow,
            Severity::Error => Tint::Red,
        };
        let message = domain::text::escaped_lines(&found.message);
        context.printer.line(&format!("{}: {message} [{}]", tinted(found.severity.as_str(), tint, color), found.code));
        if !found.hint.is_empty() {
            context.printer.line(&format!("  {}", tinted(&domain::text::escaped_lines(&found.hint), Tint::Blue, color)));
        }
    }
    let counts = report.checked().iter().filter(|(what, _)| **what != "schema");
    let counts: Vec<String> = counts.map(|(what, count)| domain::text::counted_of(*count, what)).collect();
    let checked = if counts.is_empty() { String::new() } else { format!(" ({})", counts.join(", ")) };
    let last = match report.findings().len() {
        0 => format!("{}{checked}", tinted("nothing is wrong", Tint::Green, color)),
        1 => format!("one thing is wrong{checked}"),
        count => format!("{count} things are wrong{checked}"),
    };
    context.printer.line(&last);
}
