//! Plans without mistakes: every key, defaults, and the same plan in all three forms.

use std::time::Duration;

use insta::assert_debug_snapshot;

use super::super::{EDGES_MAX, Format, Plan, TASKS_MAX, TestsWanted};
use super::{plan, shown};
use crate::task::{After, Kind, Priority};

const TOML: &str = r#"
title = "Leads sync"
goal = "Leads of the CRM are in the app."
isolation = "worktree"
on_blocked = "leave"
fallback = "wait"

[defaults]
priority = "low"
check = "cargo test"
tests = "none"

[[task]]
id = "api"
title = "Build the API"
description = "Three routes.\n\nAnd their errors."
kind = "feature"
phase = 1
priority = "high"
needs = ["Backend", "rust", "backend"]
assign = "AMP"
agent = "@agents_library/backend-developer.md"
instructions = "docs/leads.md"
context = ["docs/api.md", "src/lib.rs"]
inputs = ["the CRM's export"]
outputs = ["src/leads.rs"]
accept = ["GET /leads gives 200", "errors are JSON, always"]
check = "cargo test -p api"
test = "scripts/test-api"
fix = "cargo fix"
timeout = "1h30m"
attempts = 5
estimate = "15m"
tests = "auto"

[[task]]
id = "ui"
title = "Show them"
phase = 2
after = "api"
agent = "none"
run = "make ui"
"#;

const JSON: &str = r#"{
  "title": "Leads sync", "goal": "Leads of the CRM are in the app.", "isolation": "worktree", "on_blocked": "leave", "fallback": "wait",
  "defaults": {"priority": "low", "check": "cargo test", "tests": "none"},
  "task": [
    {"id": "api", "title": "Build the API", "description": "Three routes.\n\nAnd their errors.", "kind": "feature", "phase": 1, "priority": "high",
     "needs": ["Backend", "rust", "backend"], "assign": "AMP", "agent": "@agents_library/backend-developer.md", "instructions": "docs/leads.md",
     "context": ["docs/api.md", "src/lib.rs"], "inputs": ["the CRM's export"], "outputs": ["src/leads.rs"],
     "accept": ["GET /leads gives 200", "errors are JSON, always"], "check": "cargo test -p api", "test": "scripts/test-api", "fix": "cargo fix",
     "timeout": "1h30m", "attempts": 5, "estimate": "15m", "tests": "auto"},
    {"id": "ui", "title": "Show them", "phase": 2, "after": "api", "agent": "none", "run": "make ui"}
  ]
}"#;

const MARKDOWN: &str = "# Leads sync

Leads of the CRM are in the app.

- isolation: worktree
- on_blocked: leave
- fallback: wait
- priority: low
- check: `cargo test`
- tests: none

## Phase 1: the server

- [ ] `api` Build the API
  - kind: feature
  - priority: high
  - needs: Backend, rust, backend
  - assign: AMP
  - agent: @agents_library/backend-developer.md
  - instructions: docs/leads.md
  - context: `docs/api.md`, src/lib.rs
  - inputs: the CRM's export
  - outputs: `src/leads.rs`
  - accept: GET /leads gives 200
  - accept: errors are JSON, always
  - check: `cargo test -p api`
  - test: scripts/test-api
  - fix: cargo fix
  - timeout: 1h30m
  - attempts: 5
  - estimate: 15m
  - tests: auto

  Three routes.

  And their errors.

## Notes

Nothing of this counts.

## Phase 2

1. [ ] `ui`: Show them
   - After: api
   - **agent:** none
   - run:
     ```sh
     make ui
     ```
";

/// The plan without what differs between forms: places.
fn without_places(mut plan: Plan) -> Plan {
    for task in &mut plan.tasks {
        task.span = 0..0;
        task.paths.iter_mut().for_each(|(_, span)| *span = 0..0);
    }
    plan.warnings.iter_mut().for_each(|warning| warning.span = 0..0);
    plan
}

#[test]
fn every_key_is_read() {
    let plan = plan(TOML, Format::Toml);
    assert_eq!(
        plan.tasks[0].paths.iter().map(|(path, span)| (&**path, &TOML[span.clone()])).collect::<Vec<_>>(),
        [("docs/leads.md", "\"docs/leads.md\""), ("docs/api.md", "\"docs/api.md\""), ("src/lib.rs", "\"src/lib.rs\""),]
    );
    assert_eq!(&TOML[plan.tasks[0].span.clone()], "[[task]]");
    assert_debug_snapshot!(without_places(plan), @r#"
    Plan {
        title: "Leads sync",
        goal: Some(
            "Leads of the CRM are in the app.",
        ),
        isolation: Worktree,
        on_blocked: Leave,
        fallback: Wait,
        tasks: [
            PlanTask {
                local_id: Some(
                    "api",
                ),
                task: NewTask {
                    spec: Spec {
                        title: "Build the API",
                        description: "Three routes.\n\nAnd their errors.",
                        agent: Some(
                            "backend-developer",
                        ),
                        assignee: Some(
                            WorkerName(
                                "AMP",
                            ),
                        ),
                        needs: [
                            Capability(
                                "backend",
                            ),
                            Capability(
                                "rust",
                            ),
                        ],
                        instructions: Some(
                            "docs/leads.md",
                        ),
                        context: [
                            "docs/api.md",
                            "src/lib.rs",
                        ],
                        inputs: [
                            "the CRM's export",
                        ],
                        outputs: [
                            "src/leads.rs",
                        ],
                        accept: [
                            "GET /leads gives 200",
                            "errors are JSON, always",
                        ],
                        run: None,
                        check: Some(
                            "cargo test -p api",
                        ),
                        test: Some(
                            "scripts/test-api",
                        ),
                        fix: Some(
                            "cargo fix",
                        ),
                        estimate: Some(
                            900s,
                        ),
                    },
                    kind: Feature,
                    phase: 1,
                    priority: High,
                    timeout: 5400s,
                    attempts_max: 5,
                    after: [],
                    tests: None,
                },
                tests: Auto,
                paths: [
                    (
                        "docs/leads.md",
                        0..0,
                    ),
                    (
                        "docs/api.md",
                        0..0,
                    ),
                    (
                        "src/lib.rs",
                        0..0,
                    ),
                ],
                span: 0..0,
            },
            PlanTask {
                local_id: Some(
                    "ui",
                ),
                task: NewTask {
                    spec: Spec {
                        title: "Show them",
                        description: "",
                        agent: None,
                        assignee: None,
                        needs: [],
                        instructions: None,
                        context: [],
                        inputs: [],
                        outputs: [],
                        accept: [],
                        run: Some(
                            "make ui",
                        ),
                        check: Some(
                            "cargo test",
                        ),
                        test: None,
                        fix: None,
                        estimate: None,
                    },
                    kind: Feature,
                    phase: 2,
                    priority: Low,
                    timeout: 3600s,
                    attempts_max: 3,
                    after: [
                        Index(
                            0,
                        ),
                    ],
                    tests: None,
                },
                tests: None,
                paths: [],
                span: 0..0,
            },
        ],
        warnings: [
            Mistake {
                span: 0..0,
                message: "'isolation' is not in this version: tasks share the project's folder",
                hint: Some(
                    "let tasks that change the same files come after one another",
                ),
                severity: Warning,
            },
        ],
    }
    "#);
}

#[test]
fn the_same_plan_reads_the_same_in_all_forms() {
    let toml = without_places(plan(TOML, Format::Toml));
    assert_eq!(without_places(plan(JSON, Format::Json)), toml);
    assert_eq!(without_places(plan(MARKDOWN, Format::Markdown)), toml);
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_change_nothing() {
    for (text, format) in [(TOML, Format::Toml), (JSON, Format::Json), (MARKDOWN, Format::Markdown)] {
        let with_mark = format!("\u{feff}{}", text.replace('\n', "\r\n"));
        let marked = plan(&with_mark, format);
        for task in &marked.tasks {
            for (path, span) in &task.paths {
                assert_eq!(with_mark[span.clone()].trim_matches(['"', '`', ' ']), path);
            }
        }
        assert_eq!(without_places(marked), without_places(plan(text, format)));
    }
    assert_eq!(
        shown("\u{feff}titel = 1\ntitle = 'x'\n[[task]]\ntitle = 'x'\nrun = 'x'", Format::Toml),
        "1:1: unknown key 'titel' (did you mean 'title'?)"
    );
}

#[test]
fn a_task_has_defaults_of_its_own() {
    let plan = plan("title = 'P'\n[[task]]\ntitle = 'A'\nrun = 'x'\n", Format::Toml);
    let task = &plan.tasks[0];
    assert_eq!(
        task.task,
        crate::task::NewTask {
            spec: crate::task::Spec { run: Some("x".into()), ..task.task.spec.clone() },
            ..crate::task::NewTask::titled("A")
        }
    );
    assert_eq!((task.tests, &task.local_id), (TestsWanted::Auto, &None));
}

#[test]
fn a_task_says_more_than_the_defaults() {
    let plan = plan(
        "title = 'P'\n[defaults]\nafter = ['base']\ncontext = ['a.md']\ntimeout = '5m'\nattempts = 1\nphase = 3\nagent = 'auto'\nkind = 'feature'\naccept = 'x'\n\
         [[task]]\nid = 'base'\ntitle = 'A'\n\
         [[task]]\ntitle = 'B'\n\
         [[task]]\ntitle = 'C'\nafter = []\ncontext = []\nphase = 4\nagent = 'NONE'\nkind = 'test'\ntimeout = '6m'\nattempts = 2\n",
        Format::Toml,
    );
    let tasks: Vec<_> = plan.tasks.iter().map(|planned| &planned.task).collect();
    assert_eq!(tasks.iter().map(|task| task.after.clone()).collect::<Vec<_>>(), [vec![], vec![After::Index(0)], vec![]]);
    assert_eq!(tasks.iter().map(|task| task.spec.context.len()).collect::<Vec<_>>(), [1, 1, 0]);
    assert_eq!((tasks[1].timeout, tasks[1].attempts_max, tasks[1].phase), (Duration::from_secs(300), 1, 3));
    assert_eq!((tasks[2].timeout, tasks[2].attempts_max, tasks[2].phase, tasks[2].kind), (Duration::from_secs(360), 2, 4, Kind::Test));
    assert_eq!((tasks[1].spec.agent.as_deref(), tasks[2].spec.agent.as_deref()), (Some("auto"), None));
    assert_eq!(plan.tasks[1].paths.len(), 1, "a path of the defaults is checked with each task");
}

#[test]
fn words_may_be_written_in_more_than_one_way() {
    let plan = plan(
        "title = 'P'\n[[task]]\ntitle = '  A '\nrun = ' x '\npriority = 'Medium'\nagent = 'backend/developer.md'\nestimate = '10m'\n",
        Format::Toml,
    );
    let task = &plan.tasks[0].task;
    assert_eq!((&*task.spec.title, task.priority, task.spec.run.as_deref()), ("A", Priority::Med, Some("x")));
    assert_eq!(task.spec.agent.as_deref(), Some("backend/developer"));
}

#[test]
fn tasks_may_come_in_any_order_and_name_one_twice() {
    let plan = plan(
        "title = 'P'\n[[task]]\ntitle = 'A'\nrun = 'x'\nafter = ['b', 'b']\n[[task]]\nid = 'b'\ntitle = 'B'\nrun = 'x'\n",
        Format::Toml,
    );
    assert_eq!(plan.tasks[0].task.after, [After::Index(1)]);
}

#[test]
fn a_test_of_the_plans_own_names_its_feature() {
    let plan = plan(
        "title = 'P'\n[[task]]\nid = 'a'\ntitle = 'A'\nrun = 'x'\n[[task]]\nid = 'b'\ntitle = 'B'\nrun = 'x'\n\
         [[task]]\ntitle = 'T'\nkind = 'test'\nrun = 'x'\nafter = 'a'\n[[task]]\ntitle = 'U'\nkind = 'test'\nrun = 'x'\nafter = ['a', 'b']\n\
         [[task]]\ntitle = 'F'\nkind = 'fix'\nrun = 'x'\nafter = 'b'\n",
        Format::Toml,
    );
    assert_eq!(
        plan.tasks.iter().map(|planned| planned.task.tests).collect::<Vec<_>>(),
        [None, None, Some(After::Index(0)), None, Some(After::Index(1))]
    );
}

#[test]
fn a_plan_at_all_limits_is_taken() {
    let (mut toml, mut json, mut markdown) = (String::from("title = \"P\"\n"), Vec::new(), String::from("# P\n"));
    let keys = [
        ("description", "What there is to know."),
        ("kind", "feature"),
        ("priority", "high"),
        ("assign", "AMP"),
        ("agent", "auto"),
        ("instructions", "a/b.md"),
        ("run", "make"),
        ("check", "make check"),
        ("test", "make test"),
        ("fix", "make fix"),
        ("timeout", "5m"),
        ("estimate", "5m"),
        ("tests", "auto"),
    ];
    for index in 0..TASKS_MAX {
        let after: Vec<String> = (1..=10).filter_map(|back| index.checked_sub(back * 7)).map(|on| format!("t{on}")).collect();
        let quoted: Vec<String> = after.iter().map(|id| format!("\"{id}\"")).collect();
        toml.push_str(
            &format!(
                "\n[[task]]\nid = \"t{index}\"\ntitle = \"Task {index}\"\nafter = [\n  {},\n]\nphase = 1\nattempts = 2\n",
                quoted.join(",\n  ")
            )
            .replace("  ,\n", ""),
        );
        markdown.push_str(&format!("\n- [ ] `t{index}` Task {index}\n  - after: {}\n  - phase: 1\n  - attempts: 2\n", after.join(", ")));
        let mut object = vec![format!(
            "\"id\": \"t{index}\", \"title\": \"Task {index}\", \"after\": [{}], \"phase\": 1, \"attempts\": 2",
            quoted.join(", ")
        )];
        for (key, value) in keys {
            toml.push_str(&format!("{key} = \"{value}\"\n"));
            markdown.push_str(&format!("  - {key}: `{value}`\n"));
            object.push(format!("\"{key}\": \"{value}\""));
        }
        for key in ["needs", "context", "inputs", "outputs", "accept"] {
            toml.push_str(&format!("{key} = [\"a\", \"b\"]\n"));
            markdown.push_str(&format!("  - {key}: a\n  - {key}: b\n"));
            object.push(format!("\"{key}\": [\"a\", \"b\"]"));
        }
        json.push(format!("{{{}}}", object.join(", ")));
    }
    let toml = plan(&toml, Format::Toml);
    let edges: usize = toml.tasks.iter().map(|planned| planned.task.after.len()).sum();
    assert!(toml.tasks.len() == TASKS_MAX && edges > EDGES_MAX - 1_000);
    let toml = without_places(toml);
    assert!(without_places(plan(&format!("{{\"title\": \"P\", \"task\": [{}]}}", json.join(",\n")), Format::Json)) == toml);
    assert!(without_places(plan(&markdown, Format::Markdown)) == toml);
}
