//! Values of flags that several commands take.

use std::time::Duration;

use domain::id::{Capability, TaskId};
use domain::text::BadText;
use engine::error::{Error, Result};

/// `90s`, `15m`, `2h`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    domain::time::parse_duration(text)
}

/// `T-001,T-002`.
pub(crate) fn task_ids(text: &str) -> Result<TaskId, String> {
    text.trim().parse().map_err(|error: domain::id::BadId| format!("expected {}", error.expected))
}

/// A priority in any case.
pub(crate) fn priority(text: &str) -> Result<domain::task::Priority, String> {
    domain::task::Priority::parse(text).ok_or_else(|| format!("expected low, med or high, found '{}'", domain::text::escaped(text, 40)))
}

/// A kind of task.
pub(crate) fn kind(text: &str) -> Result<domain::task::Kind, String> {
    domain::task::Kind::from_word(text).ok_or_else(|| format!("expected feature, test or fix, found '{}'", domain::text::escaped(text, 40)))
}

/// A status in any case.
pub(crate) fn status(text: &str) -> Result<domain::task::Status, String> {
    domain::task::Status::from_word(&text.to_ascii_uppercase().replace('-', "_")).ok_or_else(|| {
        format!("expected one of PENDING, IN_PROGRESS, COMPLETED, BLOCKED, FAILED, CANCELLED, found '{}'", domain::text::escaped(text, 40))
    })
}

/// Capabilities, sorted, no doubles.
pub(crate) fn sorted(mut capabilities: Vec<Capability>) -> Vec<Capability> {
    capabilities.sort_unstable();
    capabilities.dedup();
    capabilities
}

fn bad_text(field: &str, error: &BadText) -> Error {
    Error::usage("bad_text", format!("the {field} is refused: {error}"))
}

/// A title or anything else of one line.
pub(crate) fn title(field: &str, text: &str) -> Result<String> {
    domain::text::title(text).map_err(|error| bad_text(field, &error))
}

/// A text of any length.
pub(crate) fn long(field: &str, text: &str) -> Result<String> {
    domain::text::long(text).map_err(|error| bad_text(field, &error))
}

/// A command, or nothing.
pub(crate) fn maybe_long(field: &str, text: Option<String>) -> Result<Option<String>> {
    text.map(|text| long(field, &text)).transpose()
}

/// Several texts.
pub(crate) fn all_long(field: &str, texts: Vec<String>) -> Result<Vec<String>> {
    texts.iter().map(|text| long(field, text)).collect()
}

/// An agent role: a name in the agents library, or none.
pub(crate) fn role(text: &str) -> Result<Option<String>> {
    let text = title("agent", text)?;
    let name = text.strip_prefix('@').and_then(|rest| rest.split_once('/').map(|(_, role)| role)).unwrap_or(&text);
    let name = name.strip_suffix(".md").unwrap_or(name);
    if name == "none" || name == "auto" {
        return Ok(None);
    }
    domain::plan::check_path(name).map_err(|why| Error::usage("bad_text", format!("the agent is no name of a role: {why}")))?;
    Ok(Some(name.to_owned()))
}

/// Which of these tasks will not be COMPLETED by themselves, with what to do about it.
pub(crate) fn warn_ended(
    context: &mut crate::context::Context,
    door: &engine::orchestrator::Orchestrator,
    task: TaskId,
    after: &[TaskId],
) -> Result<()> {
    use domain::task::Status;
    for on in after {
        let status = door.task(*on)?.full.task.status();
        let is_over = match status {
            Status::Failed | Status::Cancelled => true,
            Status::Pending | Status::InProgress | Status::Completed | Status::Blocked => false,
        };
        if is_over {
            context.printer.say(&format!("warning: {task} is BLOCKED, because {on} is {status}; ganger retry {on} sets both going"));
        }
    }
    Ok(())
}

/// A plan that exists, by its number.
pub(crate) fn plan(door: &engine::orchestrator::Orchestrator, number: Option<u32>) -> Result<Option<domain::id::PlanId>> {
    let Some(plan) = number.map(domain::id::PlanId) else { return Ok(None) };
    let plans = door.plans()?;
    if plans.iter().any(|row| row.id == plan) {
        return Ok(Some(plan));
    }
    let known = plans.iter().map(|row| format!("{} '{}'", row.id.0, domain::text::escaped(&row.title, 40))).collect::<Vec<_>>();
    Err(Error::new(engine::error::Kind::NotFound, "no_such_plan", format!("there is no plan {}", plan.0))
        .hint(format!("the plans are {}", known.join(", "))))
}

/// A value as it is shown behind its name: quoted when somebody could take it for more than one.
pub(crate) fn shown(text: &str, chars_max: usize) -> String {
    let escaped = domain::text::escaped(text, chars_max);
    if escaped.is_empty() || escaped.contains([' ', '=', '"']) { format!("\"{}\"", escaped.replace('"', "\\\"")) } else { escaped }
}
