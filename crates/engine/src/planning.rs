//! From the text of a plan to tasks in the store: reading, looking at the files that it names, importing it once.

use std::path::Path;

use domain::event::Actor;
use domain::id::RequestId;
use domain::plan::{self, Format, Mistake, Plan, Severity};
use sha2::{Digest, Sha256};

use crate::error::Result;
use crate::files;
use crate::orchestrator::{Act, Answer, NewPlan, Orchestrator, Order};
use crate::project::Project;

/// Reads a plan for a project in `root`: the text, and whether the paths in it stay inside, symlinks included (G22).
///
/// # Errors
/// All mistakes at once, by position.
pub fn read(root: &Path, text: &str, format: Format) -> Result<Plan, Vec<Mistake>> {
    let plan = plan::read(text, format)?;
    let mut mistakes = Vec::new();
    for (path, span) in plan.tasks.iter().flat_map(|task| &task.paths) {
        if let Err(error) = files::contained(root, path) {
            mistakes.push(Mistake {
                span: span.clone(),
                message: error.message,
                hint: error.hints.into_iter().next(),
                severity: Severity::Error,
            });
        }
    }
    if mistakes.is_empty() {
        return Ok(plan);
    }
    mistakes.extend(plan.warnings);
    mistakes.sort_by_key(|mistake| mistake.span.start);
    Err(mistakes)
}

/// Imports a plan with its test tasks, all or nothing. The same bytes again resume: then nothing is added.
///
/// # Errors
/// Those of the store.
pub fn import(project: &Project, door: &Orchestrator, plan: Plan, text: &str, source: Option<&str>, request: RequestId) -> Result<Answer> {
    let options = serde_json::json!({ "isolation": plan.isolation.as_str(), "on_blocked": plan.on_blocked.as_str(), "fallback": plan.fallback.as_str() });
    let new = NewPlan {
        title: plan.title.clone(),
        goal: plan.goal.clone(),
        digest: Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect(),
        source: source.map(str::to_owned),
        options: options.to_string(),
        waits: plan.fallback == plan::Fallback::Wait,
    };
    let test_command = project.config().text("test_command")?;
    let tasks = plan.into_tasks(project.language(), (!test_command.is_empty()).then_some(test_command));
    door.apply_one(Order::new(Actor::Human, Act::Add { tasks, plan: Some(new) }).repeatable(request))
}
