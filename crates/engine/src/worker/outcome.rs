//! What came of an attempt: judged by how its command and its check ended, and told in its result file.

use std::fmt::Write;
use std::path::PathBuf;

use domain::id::WorkerName;
use domain::lease::Claim;
use domain::lifecycle::Command;
use domain::task::{FailReason, Failure, TaskResult};
use domain::time::{Timestamp, show_duration};

use crate::files;
use crate::orchestrator::query::TaskView;
use crate::project::Project;
use crate::tree::{Ended, Why};

/// How much of an output a note tells: its end.
const NOTE_BYTES_MAX: u64 = 4_000;
/// How much of an output a result file shows.
const PAGE_BYTES_MAX: u64 = 64 * 1024;

/// A command, and perhaps a check, that came to their end.
pub(super) struct Finished {
    pub(super) ended: Ended,
    pub(super) output: PathBuf,
    pub(super) check: Option<(String, Ended, PathBuf)>,
}

/// What to tell the funnel, and the world.
pub(super) struct Judged {
    pub(super) command: Command,
    pub(super) result: TaskResult,
    pub(super) page: String,
}

pub(super) fn judge(
    project: &Project,
    view: &TaskView,
    claim: Claim,
    finished: &Finished,
    started_at: Option<Timestamp>,
    worker: &WorkerName,
) -> Judged {
    let run = view.full.spec.run.as_deref().unwrap_or("the worker's own command");
    let failure = verdict(&finished.ended, run, &finished.output).or_else(|| {
        finished.check.as_ref().and_then(|(check, ended, output)| {
            let failure = verdict(ended, check, output)?;
            Some(if failure.reason == FailReason::Reported { Failure { reason: FailReason::Check, ..failure } } else { failure })
        })
    });
    let note = last_line(&files::tail(&finished.output, NOTE_BYTES_MAX));
    let output = project.short(&finished.output);
    let result = TaskResult { note: note.clone(), output: Some(output.clone()), ..TaskResult::default() };
    let page = page(view, claim, finished, failure.as_ref(), worker, &output);
    let command = match failure {
        None => Command::Complete { claim, started_at, checked: finished.check.as_ref().map(|(check, _, _)| check.clone()), note },
        Some(failure) => Command::Fail { claim, started_at, failure },
    };
    Judged { command, result, page }
}

/// Why a command that ended counts as failed; `None` when it counts as done.
pub(super) fn verdict(ended: &Ended, command: &str, output: &std::path::Path) -> Option<Failure> {
    let tail = files::tail(output, NOTE_BYTES_MAX);
    let tail = domain::text::escaped_lines(tail.trim_end());
    let fail = |reason, how: String| {
        let note = if tail.is_empty() { how } else { format!("{how}\n{tail}") };
        Some(Failure { reason, note })
    };
    let shown = domain::text::escaped(command, 120);
    match ended.why {
        Why::Timeout => fail(FailReason::Timeout, format!("`{shown}` was ended: it ran longer than its time")),
        Why::Silence => fail(FailReason::Silence, format!("`{shown}` was ended: it printed nothing for too long")),
        Why::Asked => fail(FailReason::Infrastructure, format!("`{shown}` was ended")),
        Why::Itself => match (ended.code, ended.signal) {
            // What it printed could not be kept: that is no success to build on.
            (Some(0), _) if ended.output_error.is_some() => fail(
                FailReason::Infrastructure,
                format!("the output of `{shown}` could not be written: {}", ended.output_error.as_deref().unwrap_or_default()),
            ),
            (Some(0), _) => None,
            (Some(code), _) => fail(FailReason::Reported, format!("`{shown}` ended with exit code {code}")),
            (None, Some(signal)) => fail(FailReason::Reported, format!("`{shown}` was killed by signal {signal}")),
            (None, None) => fail(FailReason::Infrastructure, format!("`{shown}` could not be ended")),
        },
    }
}

fn last_line(text: &str) -> String {
    let line = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().trim();
    domain::text::escaped(line, 200)
}

fn page(view: &TaskView, claim: Claim, finished: &Finished, failure: Option<&Failure>, worker: &WorkerName, output: &str) -> String {
    let spec = &view.full.spec;
    let mut page = String::new();
    let _ = writeln!(page, "# {} {}\n", claim.task, spec.title);
    let _ = writeln!(page, "- attempt {} by {worker}", claim.attempt.0);
    let _ = writeln!(page, "- took {}", show_duration(std::time::Duration::from_millis(finished.ended.elapsed_ms)));
    match failure {
        None => {
            let _ = writeln!(page, "- done{}", if finished.check.is_some() { ", its check passed" } else { "" });
        }
        Some(failure) => {
            let _ = writeln!(page, "- failed ({})", failure.reason);
        }
    }
    if finished.ended.stragglers > 0 {
        let _ = writeln!(page, "- {} processes that it left behind were ended", finished.ended.stragglers);
    }
    let _ = writeln!(page, "- output: `{output}`");
    if finished.ended.output_left_out > 0 {
        let _ = writeln!(page, "- {} bytes of its output were left out", finished.ended.output_left_out);
    }
    if let Some(run) = &spec.run {
        let _ = writeln!(page, "\n## Command\n\n{}", indented(run));
    }
    let shown = files::tail(&finished.output, PAGE_BYTES_MAX);
    if !shown.trim().is_empty() {
        let _ = writeln!(page, "\n## Output\n\n{}", indented(&domain::text::escaped_lines(&shown)));
    }
    if let Some((check, ended, output)) = &finished.check {
        let _ = writeln!(
            page,
            "\n## Check\n\n{}\n\nexit code {}",
            indented(check),
            ended.code.map_or_else(|| "none".to_owned(), |code| code.to_string())
        );
        let shown = files::tail(output, PAGE_BYTES_MAX);
        if !shown.trim().is_empty() {
            let _ = writeln!(page, "\n{}", indented(&domain::text::escaped_lines(&shown)));
        }
    }
    page
}

/// Foreign text as an indented block: no fence in it can end it.
fn indented(text: &str) -> String {
    text.trim_end().lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}
