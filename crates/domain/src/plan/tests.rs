//! What plans of all three forms read as, every mistake, and that manual and schema say the same as the parser.

mod accepted;
mod accepted_markdown;
mod documents;
mod properties;
mod refused;
mod refused_markdown;
mod test_tasks;

use super::{Format, Plan, Severity, line_column, read};

/// The mistakes and warnings of a text as lines.
fn shown(text: &str, format: Format) -> String {
    let found = match read(text, format) {
        Ok(plan) => plan.warnings,
        Err(mistakes) => mistakes,
    };
    let lines = found.iter().map(|mistake| {
        let (line, column) = line_column(text, mistake.span.start);
        let severity = if mistake.severity == Severity::Warning { "warning: " } else { "" };
        let hint = mistake.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        format!("{line}:{column}: {severity}{}{hint}", mistake.message)
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// A plan that must be one.
fn plan(text: &str, format: Format) -> Plan {
    read(text, format).unwrap_or_else(|_| unreachable!("refused:\n{}", shown(text, format)))
}
