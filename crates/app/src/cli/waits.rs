//! What waits for somebody, in lines for people: the same at the end of a run and in `ganger status`.

use domain::plan::Language;
use domain::report::{Wait, Why, words};
use domain::task::Status;

use crate::output::{Tint, tinted};

/// How many of them people see.
const SHOWN_MAX: usize = 20;

/// Two lines for each: what waits and why, and the command that would move it; then how many more there are.
pub(super) fn lines(waits: &[Wait], more: u32, language: Language, color: bool) -> Vec<String> {
    let mut lines = Vec::new();
    for wait in waits.iter().take(SHOWN_MAX) {
        lines.push(format!("  {}: {}", subject(wait), why(wait, language)));
        lines.push(format!("    {}", tinted(&wait.command, Tint::Blue, color)));
    }
    let more = waits.len().saturating_sub(SHOWN_MAX) + more as usize;
    if more > 0 {
        lines.push(format!("  … {more} more: ganger report"));
    }
    lines
}

/// The task with its title, or several by their ids.
fn subject(wait: &Wait) -> String {
    if let ([id], 1) = (wait.tasks.as_slice(), wait.count) {
        return format!("{id} {}", domain::text::escaped(&wait.title, 80));
    }
    let ids: Vec<String> = wait.tasks.iter().map(ToString::to_string).collect();
    let more = wait.count.saturating_sub(u32::try_from(ids.len()).unwrap_or(0));
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", ids.join(", "))
}

/// Why, in one line.
pub(super) fn why(wait: &Wait, language: Language) -> String {
    let mut told = words::why(language, &wait.why);
    if let Some((on, status)) = wait.on {
        told.push_str(&format!(", {}", words::waits_for(language, &on.to_string(), status.map_or("?", Status::as_str))));
    }
    let note = match &wait.why {
        Why::Failed(_) => words::gist(&wait.note),
        Why::Blocked(_) => wait.note.lines().next().unwrap_or_default(),
        Why::Cancelled | Why::ByHand | Why::For(_) | Why::Paused(_) | Why::Nobody(_) | Why::Ready => "",
    };
    if !note.is_empty() {
        told.push_str(&format!(": {}", domain::text::escaped(note, 160)));
    }
    if wait.behind > 0 {
        told.push_str(&format!("; {}", words::behind(language, wait.behind)));
    }
    told
}
