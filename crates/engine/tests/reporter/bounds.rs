//! However much there is, the files stay readable, and say what they leave out.

use domain::task::FailReason;
use engine::services::reporter::LISTED_MAX;
use engine::services::reporter::mermaid::{EDGES_MAX, NODES_MAX};

use crate::site::{Site, after, feature};

#[test]
fn beyond_the_limit_there_are_counts_and_what_went_wrong() {
    let site = Site::new();
    let count = LISTED_MAX as usize + 1_000;
    let tasks = (0..count)
        .map(|number| {
            let mut task = feature(&format!("task {number}"));
            task.attempts_max = 1;
            task
        })
        .collect();
    site.import("Many", None, tasks);
    let late = LISTED_MAX + 500;
    let claim = site.claim("agent-01", late);
    site.fail(claim, FailReason::Reported, "it broke");
    site.claim("agent-01", late + 1);
    let written = site.publish();
    assert_eq!(written.report.left_out, 1_000 - 2);
    assert_eq!(written.report.counts.all() as usize, count);
    assert!(written.text.contains("… 998 more: `ganger list`"), "{}", &written.text[..600]);
    assert!(written.text.contains(&format!("`ganger retry T-{late}`")));
    assert!(site.read("agent_tasks/agent-01.md").contains(&format!("T-{}", late + 1)));
    let plan = site.read("master_plan.md");
    assert_eq!(plan.lines().filter(|line| line.starts_with("  T")).count(), NODES_MAX);
    assert!(plan.contains(&format!("… {} more: `ganger graph`", count - NODES_MAX)));
}

#[test]
fn a_dense_graph_is_drawn_as_far_as_mermaid_can() {
    let site = Site::new();
    let tasks = (0..100).map(|number| after(feature("dense"), &(0..number).collect::<Vec<_>>())).collect();
    site.import("Dense", None, tasks);
    site.publish();
    let plan = site.read("master_plan.md");
    assert_eq!(plan.lines().filter(|line| line.contains(" --> ")).count(), EDGES_MAX);
    assert!(plan.contains("ganger graph"));
}

#[test]
fn notes_and_outputs_are_cut() {
    let site = Site::new();
    site.import("Long", None, vec![feature("One"), feature("Two")]);
    let claim = site.claim("agent-01", 1);
    site.complete(claim, &"long ".repeat(50_000));
    let claim = site.claim("agent-01", 2);
    site.write("log/T-002.1.log", &"a line of output\n".repeat(10_000));
    site.complete_with(
        claim,
        domain::task::TaskResult { output: Some(".orchestrator/log/T-002.1.log".to_owned()), ..domain::task::TaskResult::default() },
    );
    let text = site.publish().text;
    assert!(text.len() < 4_000, "{} bytes", text.len());
    assert!(text.contains("… all of it: `.orchestrator/log/T-002.1.log`"), "{text}");
}

#[test]
fn a_plan_can_be_told_alone() {
    let site = Site::new();
    site.import("First", None, vec![feature("One")]);
    site.import("Second", None, vec![feature("Two"), feature("Three")]);
    site.does("agent-01", 1, 10, "");
    let first = site.publish_plan(1);
    assert!(first.report.is_whole());
    assert!(first.text.starts_with("# First\n") && !first.text.contains("Two"), "{}", first.text);
    let claim = site.claim("agent-01", 2);
    let second = site.publish_plan(2);
    assert!(!second.report.is_whole() && second.report.wall.is_none());
    assert!(!second.text.contains("One"), "{}", second.text);
    site.complete(claim, "");
    site.publish_plan(2);
    // What a worker did is told whatever plan it is of.
    let done = site.read("results/agent-01-result.md");
    assert!(done.contains("One") && done.contains("Two"), "{done}");
    let unknown = engine::services::reporter::publish(&site.project, &site.door, Some(domain::id::PlanId(9)));
    assert_eq!(unknown.err().map(|error| (error.code, error.kind.exit_code())), Some(("no_such_plan", 3)));
}
