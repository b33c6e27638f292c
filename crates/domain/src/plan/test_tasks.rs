//! The tasks that test what a plan asks for: made with it, so that ids are stable and the percentage is honest from the beginning.

use std::collections::HashSet;

use super::words::{test_description, test_title};
use super::{Language, Plan, PlanTask, TestsWanted};
use crate::task::{After, Kind, NewTask, Spec};

impl Plan {
    /// The plan's tasks in the order of the text, then the test tasks. A feature with `test` gets one; a feature without `run`, which an agent or a person does,
    /// gets one also without `test`, unless the plan has a test of it already: its command is the feature's `check`, else `project_test`, else none.
    /// Of the others, and of those with `tests = "none"`, there is none.
    #[must_use]
    pub fn into_tasks(self, language: Language, project_test: Option<&str>) -> Vec<NewTask> {
        let tested: HashSet<usize> = self.tasks.iter().filter_map(|planned| tested_by(&planned.task)).collect();
        let tests: Vec<NewTask> = self
            .tasks
            .iter()
            .enumerate()
            .filter_map(|(index, planned)| test_of(index, planned, tested.contains(&index), language, project_test))
            .collect();
        self.tasks.into_iter().map(|planned| planned.task).chain(tests).collect()
    }
}

/// The feature that a test of the plan's own belongs to.
fn tested_by(task: &NewTask) -> Option<usize> {
    match (task.kind, task.tests) {
        (Kind::Test, Some(After::Index(feature))) => Some(feature),
        (Kind::Test, Some(After::Task(_)) | None) | (Kind::Feature | Kind::Fix, _) => None,
    }
}

fn test_of(index: usize, planned: &PlanTask, is_tested: bool, language: Language, project_test: Option<&str>) -> Option<NewTask> {
    let feature = &planned.task;
    if planned.tests == TestsWanted::None || feature.kind != Kind::Feature {
        return None;
    }
    let spec = &feature.spec;
    let run = match (&spec.test, &spec.run) {
        (Some(test), _) => Some(test.clone()),
        (None, Some(_)) => return None,
        (None, None) if is_tested => return None,
        (None, None) => spec.check.clone().or_else(|| project_test.map(str::to_owned)),
    };
    // A command can be run by anyone; to find out without one takes the same knowledge as the feature did.
    let by_hand = run.is_none();
    Some(NewTask {
        spec: Spec {
            title: test_title(language, &spec.title),
            description: test_description(language, &spec.title, run.as_deref()),
            agent: spec.agent.clone(),
            assignee: spec.assignee.clone().filter(|_| by_hand),
            needs: if by_hand { spec.needs.clone() } else { Vec::new() },
            instructions: None,
            context: if by_hand { spec.context.clone() } else { Vec::new() },
            inputs: spec.outputs.clone(),
            outputs: Vec::new(),
            accept: spec.accept.clone(),
            run,
            check: None,
            test: None,
            fix: None,
            estimate: None,
        },
        kind: Kind::Test,
        phase: feature.phase,
        priority: feature.priority,
        timeout: feature.timeout,
        attempts_max: feature.attempts_max,
        after: vec![After::Index(index)],
        tests: Some(After::Index(index)),
    })
}
