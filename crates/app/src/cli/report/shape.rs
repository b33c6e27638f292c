//! The report as JSON: `docs/report.md` says what each field means, and scripts rely on it.

use std::path::Path;
use std::time::Duration;

use domain::id::TaskId;
use domain::report::{Failed, Line, Problems, Report, TestLine, Wait, Waiting, Why, WorkerLine};
use domain::task::Status;
use domain::time::Timestamp;
use engine::clock::rfc3339;
use serde_json::{Value, json};

pub(super) fn document(report: &Report, file: &Path) -> Value {
    let counts: serde_json::Map<String, Value> =
        Status::ALL.iter().map(|status| (status.as_str().to_owned(), report.counts.of(*status).into())).collect();
    let run = report.run.as_ref().map(|run| {
        let (ended_at, outcome) = run.ended.clone().unzip();
        json!({ "began_at": time(run.began_at), "ended_at": time(ended_at), "outcome": outcome })
    });
    let plans: Vec<Value> = report.plans.iter().map(|plan| json!({ "id": plan.plan.0, "title": plan.title, "goal": plan.goal })).collect();
    let (first, last) = report.wall.unzip();
    let wall = report.wall.map(|(first, last)| last.since(first));
    let tokens = report.cost.tokens.map(|(input, output)| json!({ "input": input, "output": output }));
    json!({
        "outcome": report.outcome.as_str(),
        "percent": report.percent,
        "counts": counts,
        "plans": plans,
        "run": run,
        "first_claim_at": time(first),
        "last_end_at": time(last),
        "wall_ms": wall.map(ms),
        "worked_ms": ms(report.worked),
        "cost": { "cost_usd": report.cost.usd, "tokens": tokens, "told_by": report.cost.told_by },
        "tasks": report.tasks.iter().map(line).collect::<Vec<_>>(),
        "tests": report.tests.iter().map(test).collect::<Vec<_>>(),
        "tests_wanted": report.tests_wanted,
        "untested": ids(&report.untested),
        "held_tests": report.held_tests.iter().map(|held| json!({ "tests": ids(&held.tests), "count": held.count, "on": held.on.to_string() })).collect::<Vec<_>>(),
        "workers": report.workers.iter().map(worker).collect::<Vec<_>>(),
        "problems": problems(&report.problems),
        "waits": report.waits.iter().map(wait).collect::<Vec<_>>(),
        "waits_more": report.waits_more,
        "left_out": report.left_out,
        "journal_is_cut": report.journal_is_cut,
        "report": file,
    })
}

fn line(line: &Line) -> Value {
    json!({
        "id": line.id.to_string(),
        "plan": line.plan.0,
        "title": line.title,
        "kind": line.kind.as_str(),
        "phase": line.phase,
        "status": line.status.as_str(),
        "reason": line.reason,
        "attempts": line.attempts,
        "worker": line.worker.as_ref().map(ToString::to_string),
        "took_ms": line.took.map(ms),
        "completed_at": time(line.completed_at),
        "note": line.note,
        "waits_for": ids(&line.waits_for),
        "tested_by": line.tested_by.map(|id| id.to_string()),
        "outputs": line.outputs,
        "files": line.files,
        "output": line.output,
    })
}

fn test(test: &TestLine) -> Value {
    let fixes: Vec<Value> = test.fixes.iter().map(|fix| json!({ "id": fix.id.to_string(), "status": fix.status.as_str() })).collect();
    json!({
        "id": test.id.to_string(),
        "feature": test.feature.map(|id| id.to_string()),
        "title": test.title,
        "verdict": test.verdict.as_str(),
        "status": test.status.as_str(),
        "cycles": test.cycles,
        "fixes": fixes,
        "attempts": test.attempts,
        "took_ms": test.took.map(ms),
        "note": test.note,
    })
}

fn worker(worker: &WorkerLine) -> Value {
    json!({
        "name": worker.name.as_str(),
        "number": worker.number,
        "completed": worker.completed,
        "failed": worker.failed,
        "holds": ids(&worker.holds),
        "worked_ms": ms(worker.worked),
        "idle_ms": ms(worker.idle),
    })
}

fn problems(problems: &Problems) -> Value {
    let failed = |list: &[Failed]| -> Vec<Value> {
        let shape = |task: &Failed| json!({ "id": task.id.to_string(), "title": task.title, "reason": task.reason.as_str(), "attempts": task.attempts, "note": task.note });
        list.iter().map(shape).collect()
    };
    let blocked = |task: &Waiting| json!({ "id": task.id.to_string(), "title": task.title, "reason": task.reason.as_str(), "note": task.note, "on": task.on.map(|on| on.to_string()), "command": task.command });
    let expired = problems.expired.iter().map(|task| json!({ "id": task.id.to_string(), "times": task.times, "reason": task.reason }));
    let lost = problems.lost.iter().map(|lost| json!({ "worker": lost.worker.as_str(), "times": lost.times, "why": lost.why }));
    let fallbacks = problems.fallbacks.iter().map(|task| {
        json!({ "id": task.task.to_string(), "worker": task.worker.as_str(), "lacking": task.lacking, "instead_of": task.instead_of })
    });
    json!({
        "failures": failed(&problems.failures),
        "quarantined": failed(&problems.quarantined),
        "blocked": problems.blocked.iter().map(blocked).collect::<Vec<_>>(),
        "expired": expired.collect::<Vec<_>>(),
        "lost": lost.collect::<Vec<_>>(),
        "fallbacks": fallbacks.collect::<Vec<_>>(),
        "fallbacks_more": problems.fallbacks_more,
        "unreadable": problems.unreadable,
    })
}

fn wait(wait: &Wait) -> Value {
    let (why, reason, worker) = match &wait.why {
        Why::Failed(reason) => ("failed", Some(reason.as_str()), None),
        Why::Cancelled => ("cancelled", None, None),
        Why::Blocked(reason) => ("blocked", Some(reason.as_str()), None),
        Why::ByHand => ("by_hand", None, None),
        Why::For(name) => ("for_worker", None, Some(name.as_str())),
        Why::Paused(name) => ("paused", None, Some(name.as_str())),
        Why::Nobody(_) => ("nobody_can", None, None),
        Why::Ready => ("ready", None, None),
    };
    let needs: Vec<&str> = match &wait.why {
        Why::Nobody(needs) => needs.iter().map(domain::id::Capability::as_str).collect(),
        Why::Failed(_) | Why::Cancelled | Why::Blocked(_) | Why::ByHand | Why::For(_) | Why::Paused(_) | Why::Ready => Vec::new(),
    };
    json!({
        "tasks": ids(&wait.tasks),
        "count": wait.count,
        "title": wait.title,
        "why": why,
        "reason": reason,
        "worker": worker,
        "needs": needs,
        "note": wait.note,
        "behind": wait.behind,
        "on": wait.on.map(|(on, _)| on.to_string()),
        "command": wait.command,
    })
}

fn ids(ids: &[TaskId]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}

fn time(at: Option<Timestamp>) -> Option<String> {
    at.map(rfc3339)
}

fn ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
