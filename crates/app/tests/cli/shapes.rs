//! The shapes of JSON: exactly the keys of the contract, no more and no fewer. One more is a decision, not an accident.

use serde_json::Value;

use crate::desk::Desk;

const TASK: &str = "id title description kind phase status step ready priority agent assignee needs after instructions context inputs outputs \
    accept run check test fix attempt failures attempts_max crashes timeout_seconds estimate_seconds not_before lease created_at claimed_at \
    completed_at claimed_by completed_by blocked failure result tests tested_by cycle";
const WORKER: &str = "name driver agent target state active why can registered_at last_heartbeat_at last_claimed_at last_completed_at \
    idle_seconds runtime_seconds task";

/// The keys of an object, checked.
#[track_caller]
fn keys(value: &Value, expected: &str) {
    let mut expected: Vec<&str> = expected.split_whitespace().collect();
    expected.sort_unstable();
    let mut found: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    found.sort_unstable();
    assert_eq!(found, expected, "{value}");
}

#[test]
fn a_task_in_every_state_has_the_keys_of_the_contract() {
    let desk = Desk::new();
    for title in ["waits", "is held", "is done", "asks", "fails", "is given up"] {
        desk.ok(&["add", title, "--attempts", "1"]);
    }
    for id in ["T-002", "T-003", "T-004", "T-005"] {
        let claim = desk.claim("amp", id);
        match id {
            "T-003" => desk.ok(&["complete", &claim, "--note", "n", "--file", "a.rs"]),
            "T-004" => desk.ok(&["block", &claim, "--reason", "question", "--note", "which?"]),
            "T-005" => desk.ok(&["fail", &claim, "--note", "no"]),
            _ => String::new(),
        };
    }
    desk.ok(&["cancel", "T-006"]);
    let listed = desk.json(&["list"]);
    for (task, status) in listed.as_array().unwrap().iter().zip(["PENDING", "IN_PROGRESS", "COMPLETED", "BLOCKED", "FAILED", "CANCELLED"]) {
        assert_eq!(task["status"], status);
        keys(task, TASK);
        // A moment of the store's clock is shown on the wall clock: two readings may differ by a millisecond.
        let calm = |mut task: Value| {
            if let Some(lease) = task["lease"].as_object_mut() {
                assert!(lease.insert("expires_at".to_owned(), Value::Null).is_some_and(|at| at.is_string()));
            }
            task
        };
        assert_eq!(calm(task.clone()), calm(desk.json(&["show", task["id"].as_str().unwrap()])), "`list` and `show` say the same");
    }
    let of = |id: usize| &listed[id - 1];
    assert_eq!(of(2)["step"], "claimed");
    keys(&of(2)["lease"], "worker attempt expires_at");
    keys(&of(3)["result"], "note files output cost_usd tokens");
    keys(&of(4)["blocked"], "reason note on");
    assert_eq!(of(5)["failure"]["reason"], "reported");
    assert!(of(1)["lease"].is_null() && of(1)["result"].is_null() && of(1)["blocked"].is_null() && of(1)["failure"].is_null());
    assert_eq!((of(1)["ready"].as_bool(), of(2)["ready"].as_bool()), (Some(true), Some(false)));
}

#[test]
fn what_was_asked_for_comes_back_as_it_was_asked() {
    let desk = Desk::new();
    desk.write("doc.md", "text");
    desk.ok(&["add", "first"]);
    let added = desk.json(&[
        "add",
        "second",
        "--description",
        "d",
        "--priority",
        "high",
        "--after",
        "T-001",
        "--needs",
        "Backend,api",
        "--assign",
        "AMP",
        "--agent",
        "backend-developer",
        "--instructions",
        "doc.md",
        "--context",
        "doc.md",
        "--input",
        "i",
        "--output",
        "o",
        "--accept",
        "x",
        "--accept",
        "y",
        "--run",
        "true",
        "--check",
        "true",
        "--test",
        "true",
        "--fix",
        "true",
        "--timeout",
        "90s",
        "--attempts",
        "5",
        "--estimate",
        "10m",
    ]);
    assert_eq!(added, serde_json::json!({ "id": "T-002", "test": "T-003" }));
    let mut task = desk.json(&["show", "2"]);
    assert!(task["created_at"].as_str().unwrap().ends_with('Z'), "{task}");
    task["created_at"] = "".into();
    insta::assert_snapshot!(serde_json::to_string_pretty(&task).unwrap(), @r#"
    {
      "accept": [
        "x",
        "y"
      ],
      "after": [
        "T-001"
      ],
      "agent": "backend-developer",
      "assignee": "AMP",
      "attempt": 0,
      "attempts_max": 5,
      "blocked": null,
      "check": "true",
      "claimed_at": null,
      "claimed_by": null,
      "completed_at": null,
      "completed_by": null,
      "context": [
        "doc.md"
      ],
      "crashes": 0,
      "created_at": "",
      "cycle": 0,
      "description": "d",
      "estimate_seconds": 600,
      "failure": null,
      "failures": 0,
      "fix": "true",
      "id": "T-002",
      "inputs": [
        "i"
      ],
      "instructions": "doc.md",
      "kind": "feature",
      "lease": null,
      "needs": [
        "api",
        "backend"
      ],
      "not_before": null,
      "outputs": [
        "o"
      ],
      "phase": 1,
      "priority": "HIGH",
      "ready": false,
      "result": null,
      "run": "true",
      "status": "PENDING",
      "step": null,
      "test": "true",
      "tested_by": "T-003",
      "tests": null,
      "timeout_seconds": 90,
      "title": "second"
    }
    "#);
    assert_eq!(desk.json(&["show", "T-003"])["tests"], "T-002");
}

#[test]
fn a_claim_a_worker_and_the_status_have_the_keys_of_the_contract() {
    let desk = Desk::new();
    desk.ok(&["add", "a"]);
    desk.ok(&["add", "b"]);
    let claimed = desk.json(&["claim", "--worker", "amp"]);
    keys(&claimed, "task claim lease_seconds brief");
    keys(&claimed["task"], TASK);
    assert_eq!(claimed["lease_seconds"], 120);
    assert!(desk.normal(claimed["claim"].as_str().unwrap()) == "T-001#1:<nonce>", "{claimed}");
    assert!(std::path::Path::new(claimed["brief"].as_str().unwrap()).is_file());
    desk.ok(&["workers", "add", "kiro", "--can", "backend"]);
    let status = desk.json(&["status"]);
    keys(&status, "counts percent phase workers stale blockers updated_at");
    keys(&status["counts"], "PENDING IN_PROGRESS COMPLETED BLOCKED FAILED CANCELLED");
    assert_eq!(status["workers"], desk.json(&["workers"]));
    for worker in status["workers"].as_array().unwrap() {
        keys(worker, WORKER);
        assert_eq!(*worker, desk.json(&["workers", "show", worker["name"].as_str().unwrap()]));
    }
    let amp = &status["workers"][0];
    assert_eq!((&amp["state"], &amp["active"], &amp["task"]), (&"busy".into(), &true.into(), &"T-001".into()));
    let kiro = &status["workers"][1];
    assert_eq!((&kiro["can"], &kiro["task"]), (&serde_json::json!(["backend"]), &Value::Null));
    desk.ok(&["block", claimed["claim"].as_str().unwrap(), "--reason", "credits", "--note", "none left"]);
    let status = desk.json(&["status"]);
    keys(&status["blockers"][0], "id reason note");
    assert_eq!(status["blockers"], serde_json::json!([{ "id": "T-001", "reason": "credits", "note": "none left" }]));
}

#[test]
fn percent_and_phase_go_from_nothing_to_done() {
    let desk = Desk::new();
    let of = |desk: &Desk| {
        let status = desk.json(&["status"]);
        (status["percent"].as_u64().unwrap(), status["phase"].as_str().unwrap().to_owned())
    };
    assert_eq!(of(&desk), (0, "done".to_owned()));
    desk.ok(&["add", "a", "--test", "true"]);
    desk.ok(&["add", "given up"]);
    desk.ok(&["cancel", "T-003"]);
    assert_eq!(of(&desk), (0, "features".to_owned()));
    let claim = desk.claim("amp", "T-001");
    desk.ok(&["complete", &claim]);
    assert_eq!(of(&desk), (50, "tests".to_owned()));
    let claim = desk.claim("amp", "T-002");
    desk.ok(&["complete", &claim]);
    assert_eq!(of(&desk), (100, "done".to_owned()));
}

#[test]
fn events_and_messages_have_the_keys_of_the_contract_and_dense_numbers() {
    let desk = Desk::new();
    desk.ok(&["add", "a"]);
    let claim = desk.claim("amp", "T-001");
    desk.ok(&["say", "from a person", "--task", "T-001"]);
    desk.ok(&["say", "from a worker", "--as", "amp"]);
    desk.ok(&["complete", &claim]);
    let events = desk.stream(&["log"]);
    for (event, seq) in events.iter().zip(1..) {
        keys(event, "seq at kind task attempt worker actor data");
        assert_eq!(event["seq"], seq);
    }
    let told: Vec<(&str, &str)> = events.iter().map(|event| (event["kind"].as_str().unwrap(), event["actor"].as_str().unwrap())).collect();
    assert_eq!(
        told,
        [
            ("task_added", "human"),
            ("worker_added", "worker"),
            ("task_claimed", "worker"),
            ("message_posted", "human"),
            ("message_posted", "worker"),
            ("task_completed", "worker"),
        ]
    );
    let messages = desk.json(&["messages"]);
    for message in messages.as_array().unwrap() {
        keys(message, "seq at from text task");
    }
    assert_eq!((&messages[0]["from"], &messages[0]["task"]), (&"kim".into(), &"T-001".into()));
    assert_eq!((&messages[1]["from"], &messages[1]["task"]), (&"amp".into(), &Value::Null));
    assert_eq!(desk.json(&["messages", "--after", "4"]), serde_json::json!([messages[1]]));
    assert_eq!(desk.json(&["messages", "--limit", "1"]), serde_json::json!([messages[1]]));
}

#[test]
fn the_graph_names_tasks_edges_and_the_critical_path() {
    let desk = Desk::new();
    desk.ok(&["add", "a", "--estimate", "5m"]);
    desk.ok(&["add", "b", "--estimate", "5m", "--after", "T-001"]);
    desk.ok(&["add", "c", "--estimate", "15m", "--after", "T-001"]);
    let graph = desk.json(&["graph"]);
    keys(&graph, "nodes edges critical_path");
    keys(&graph["nodes"][0], "id title kind phase status level duration_ms");
    keys(&graph["edges"][0], "task after");
    assert_eq!(graph["critical_path"], serde_json::json!(["T-001", "T-003"]));
    let drawn = desk.json(&["graph", "--format", "mermaid"]);
    keys(&drawn, "format graph");
    assert_eq!(drawn["graph"].as_str().unwrap(), desk.run(&["graph", "--format", "mermaid"]).out);
}

#[test]
fn bench_prints_the_rows_of_the_contract_and_leaves_nothing_behind() {
    let desk = Desk::new();
    let before = std::fs::read_dir(desk.path(".orchestrator")).unwrap().count();
    let document = desk.json(&["bench", "--tasks", "60", "--workers", "2"]);
    keys(&document, "rows");
    let rows = document["rows"].as_array().unwrap();
    let names: Vec<&str> = rows.iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["add", "add_batch", "claim_complete", "claim_complete_processes", "pickup"]);
    for row in rows {
        keys(row, "name workers per_second p50_ms p99_ms max_ms slowest_share");
        assert!(row["per_second"].as_f64().unwrap() > 0.0, "{row}");
    }
    assert_eq!((&rows[2]["workers"], &rows[3]["workers"]), (&2.into(), &2.into()));
    assert_eq!(std::fs::read_dir(desk.path(".orchestrator")).unwrap().count(), before);
    assert_eq!(desk.json(&["list"]), serde_json::json!([]), "the project's own store is not touched");
    // It needs no project.
    let bare = Desk::bare();
    bare.json(&["bench", "--tasks", "20", "--workers", "1"]);
    assert_eq!(std::fs::read_dir(bare.root()).unwrap().count(), 0);
}
