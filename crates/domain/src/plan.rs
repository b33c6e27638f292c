//! A plan: the text that a person or an LLM wrote, read into tasks, with every mistake found at once.
//! Three parsers make one tree of keys and values; everything after that is the same for all forms. Files, symbolic links and what is in the store are not known here.

mod bounds;
mod check;
mod fields;
mod key_line;
mod keys;
mod links;
mod markdown;
mod mistake;
mod nearest;
mod parse_json;
mod parse_markdown;
mod parse_toml;
mod path;
mod position;
mod test_tasks;
#[cfg(test)]
mod tests;
mod tree;
mod values;
mod words;

use std::ops::Range;

pub use keys::{PlanKey, TaskKey};
pub use mistake::{MISTAKES_MAX, Mistake, Severity};
pub use path::check_path;
pub use position::{Lines, guess_format, line_column};
pub use words::{Language, fix_title, test_title};

use crate::event::words;
use crate::task::NewTask;

/// The most bytes that a plan may have (G24).
pub const PLAN_BYTES_MAX: usize = 10 * 1024 * 1024;
/// The most tasks that a plan may have, without the test tasks that it asks for.
pub const TASKS_MAX: usize = 10_000;
/// The most dependencies that a plan may name.
pub const EDGES_MAX: usize = 100_000;
/// How deep lists, tables and objects may be nested.
pub const DEPTH_MAX: usize = 64;
/// The most values, lines and marks that a plan may have: what bounds the memory that reading it takes. A plan at all other limits has fewer.
pub const SYMBOLS_MAX: usize = 2_500_000;
/// The last phase.
pub const PHASE_MAX: u32 = 1_000;

/// How a plan is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// TOML, with `[[task]]` tables.
    Toml,
    /// The same shape in JSON.
    Json,
    /// A Markdown task list.
    Markdown,
}

words! {
    /// Where the tasks of a plan work.
    Isolation {
        /// All in the project's folder.
        None = "none",
        /// Each in a work tree of its own.
        Worktree = "worktree",
    }
}

words! {
    /// What happens to a task that is blocked.
    OnBlocked {
        /// ganger tries what can be tried without a person.
        Handle = "handle",
        /// It waits for a person.
        Leave = "leave",
    }
}

words! {
    /// What happens to a task for which the right worker does not come.
    Fallback {
        /// After a while any worker may have it.
        Any = "any",
        /// It waits.
        Wait = "wait",
    }
}

words! {
    /// Whether a feature gets a test task.
    TestsWanted {
        /// Where it can be tested: see [`Plan::into_tasks`].
        Auto = "auto",
        /// Never.
        None = "none",
    }
}

/// A plan without mistakes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// One line.
    pub title: String,
    /// What it is all for.
    pub goal: Option<String>,
    /// Where its tasks work.
    pub isolation: Isolation,
    /// What happens to a task that is blocked.
    pub on_blocked: OnBlocked,
    /// What happens to a task for which the right worker does not come.
    pub fallback: Fallback,
    /// Its tasks in the order of the text. Their dependencies are [`crate::task::After::Index`] into this list.
    pub tasks: Vec<PlanTask>,
    /// What is odd about it, by position.
    pub warnings: Vec<Mistake>,
}

/// A task of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanTask {
    /// The name that other tasks of the plan know it by.
    pub local_id: Option<String>,
    /// What is to be added.
    pub task: NewTask,
    /// Whether it gets a test task.
    pub tests: TestsWanted,
    /// Every path that it names, with its place in the text, so that symbolic links can be checked where files are known.
    pub paths: Vec<(String, Range<usize>)>,
    /// Where it stands in the text.
    pub span: Range<usize>,
}

/// Reads a plan.
///
/// # Errors
/// Every mistake by position, up to [`MISTAKES_MAX`] errors and as many warnings.
pub fn read(text: &str, format: Format) -> Result<Plan, Vec<Mistake>> {
    let mut found = mistake::Mistakes::new(text);
    let (bom, body) = position::without_bom(text);
    let plan = read_body(body, format, &mut found);
    found.finish(bom, plan)
}

fn read_body(body: &str, format: Format, found: &mut mistake::Mistakes<'_>) -> Option<Plan> {
    bounds::check(body, format, found)?;
    let tree = match format {
        Format::Toml => parse_toml::parse(body, found),
        Format::Json => parse_json::parse(body, found),
        Format::Markdown => Some(parse_markdown::parse(body, found)),
    };
    check::plan(tree?, format, found)
}
