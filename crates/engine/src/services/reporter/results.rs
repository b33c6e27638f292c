//! What came of tasks, merged in dependency order: the note of each, what it left behind, and the beginning of what it handed in or printed.

use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::path::PathBuf;

use domain::id::TaskId;
use domain::plan::Language;
use domain::report::words::{self, words};
use domain::report::{Line, Report, TestLine};
use domain::task::Status;

use super::markdown::{block_lines, code, fenced, inline};
use crate::files;
use crate::project::Project;

/// How much of an output is read.
const BYTES_MAX: u64 = 4_096;
/// How many lines of it are shown.
const LINES_MAX: usize = 12;
/// How long a line may be.
const CHARS_MAX: usize = 160;
/// Of how many tasks the output is shown: the last ones, which build on the others.
const EXCERPTS_MAX: usize = 200;
/// How much of a note stands on one line.
const NOTE_CHARS_MAX: usize = 300;

/// The result files that there are.
pub(super) struct Pages {
    root: PathBuf,
    there: HashSet<TaskId>,
}

impl Pages {
    /// Looks for those of the tasks that are listed: there may be a million in the folder.
    pub(super) fn of(project: &Project, listed: impl Iterator<Item = TaskId>) -> Self {
        let there = listed.filter(|id| files::is_file(&project.result(*id))).collect();
        Self { root: project.root().to_owned(), there }
    }

    /// The id as a link to its result, where it has one; `results` is the way to their folder.
    pub(super) fn link(&self, id: TaskId, results: &str) -> String {
        if self.there.contains(&id) { format!("[{id}]({results}{id}.md)") } else { id.to_string() }
    }

    /// The beginning of a task's output, and whether that is all of it.
    fn beginning(&self, line: &Line) -> Option<(Vec<String>, bool)> {
        // The path was told by a worker: it must lie in the project, and be a file that ends.
        let path = files::contained(&self.root, line.output.as_deref()?).ok().filter(|path| files::is_file(path))?;
        let mut bytes = Vec::new();
        files::open(&path).ok()?.take(BYTES_MAX).read_to_end(&mut bytes).ok()?;
        let is_cut = bytes.len() as u64 == BYTES_MAX;
        let text = String::from_utf8_lossy(&bytes);
        let mut lines = block_lines(&own_words(&text, line), CHARS_MAX);
        if is_cut {
            lines.pop();
        }
        let is_all = !is_cut && lines.len() <= LINES_MAX;
        lines.truncate(LINES_MAX);
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        (!lines.is_empty()).then_some((lines, is_all))
    }
}

/// What a page says beyond what is told of the task anyway: one that ganger made of a note begins with the id and ends with the files.
fn own_words(text: &str, line: &Line) -> String {
    let heading = format!("# {}", line.id);
    let files: HashSet<String> = line.files.iter().map(|file| format!("- `{file}`")).collect();
    let Some(body) = text.trim().strip_prefix(&heading).filter(|rest| rest.starts_with('\n')) else { return text.trim().to_owned() };
    let lines: Vec<&str> = body.lines().filter(|line| !files.contains(line.trim())).collect();
    lines.join("\n").trim().to_owned()
}

/// The section.
pub(super) fn render(report: &Report, pages: &Pages, language: Language) -> String {
    let done: Vec<&Line> = report.tasks.iter().filter(|line| line.status == Status::Completed).collect();
    if done.is_empty() {
        return String::new();
    }
    let mut out = format!("\n## {}\n\n", words(language).results);
    // What a test proved wrong is not told as if it still held.
    let fixed = |test: &TestLine| test.fixes.iter().rev().find(|fix| fix.status == Status::Completed).map(|fix| fix.id);
    let mended: HashMap<TaskId, TaskId> = report.tests.iter().filter_map(|test| Some((test.feature?, fixed(test)?))).collect();
    let quiet = done.len().saturating_sub(EXCERPTS_MAX);
    for (number, line) in done.into_iter().enumerate() {
        let beginning = if number < quiet { None } else { pages.beginning(line) };
        out.push_str(&item(line, beginning, mended.get(&line.id).copied(), pages, language));
    }
    out
}

/// The same thing is not told twice: an output of one line is the note already, and one that is shown to its end needs no note beside it.
fn item(line: &Line, beginning: Option<(Vec<String>, bool)>, mended: Option<TaskId>, pages: &Pages, language: Language) -> String {
    let mut notes = block_lines(line.note.trim(), NOTE_CHARS_MAX);
    notes.retain(|note| !note.is_empty());
    let (mut lines, is_all) = match beginning {
        Some((lines, is_all)) => (lines, is_all),
        None => (notes.iter().take(LINES_MAX).cloned().collect(), notes.len() <= LINES_MAX),
    };
    let last = notes.last().map(|note| squeezed(note));
    let mut note = notes.first().cloned().unwrap_or_default();
    let repeats_note = |line: &String| Some(squeezed(line)) == last;
    if is_all && lines.len() <= 1 {
        // Of one line there is nothing to put into a block.
        if let Some(only) = lines.pop().filter(|line| !repeats_note(line)) {
            note = if note.is_empty() { only } else { format!("{note} · {only}") };
        }
    } else if lines.first() == notes.first() || (is_all && lines.iter().any(repeats_note)) {
        note.clear();
    }
    let mended = mended.map(|fix| pages.link(fix, "results/"));
    told(line, &note, mended.as_deref(), (&lines, is_all), pages, language)
}

fn told(line: &Line, note: &str, mended: Option<&str>, (lines, is_all): (&[String], bool), pages: &Pages, language: Language) -> String {
    let mut out = format!("- **{}** {}", pages.link(line.id, "results/"), inline(&line.title, 200));
    let note = inline(note, NOTE_CHARS_MAX);
    let note = mended.map_or_else(|| note.clone(), |fix| words::mended(language, &note, fix));
    if !note.is_empty() {
        out.push_str(words(language).colon);
        out.push_str(&note);
    }
    let mut left: Vec<&String> = line.outputs.iter().collect();
    left.extend(line.files.iter().filter(|file| !line.outputs.contains(file)));
    if !left.is_empty() {
        let left: Vec<String> = left.into_iter().map(|text| if is_path(text) { code(text, 200) } else { inline(text, 200) }).collect();
        out.push_str(" → ");
        out.push_str(&left.join(", "));
    }
    out.push('\n');
    if !lines.is_empty() {
        out.push('\n');
        out.push_str(&fenced(lines, "  "));
        if !is_all {
            let page = pages.link(line.id, "results/");
            let page = if page.starts_with('[') { page } else { code(line.output.as_deref().unwrap_or_default(), 200) };
            out.push_str(&format!("\n  … {}{}{page}\n", words(language).whole, words(language).colon));
        }
        out.push('\n');
    }
    out
}

fn is_path(text: &str) -> bool {
    !text.contains(char::is_whitespace)
}

/// The text without white space and escapes of it, for comparing what was kept in two ways.
fn squeezed(text: &str) -> String {
    text.replace("\\t", "").chars().filter(|c| !c.is_whitespace()).collect()
}
