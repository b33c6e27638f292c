//! What the journal is told of each change, what a claim may still do when its lease is over, and what a repeated call gets.

use super::*;
use crate::event::Fact;
use crate::lifecycle::Edit;
use crate::task::Status;

/// A change as one line: the kinds of its events in order, each with its attempt, its worker and its facts.
fn told(task: &Task, command: &Command, now: Now, rules: Rules) -> String {
    let change = change(task, command, now, rules);
    let lines: Vec<String> = change
        .events()
        .iter()
        .map(|event| {
            assert_eq!(event.task, Some(task.id));
            let attempt = event.attempt.map_or_else(|| "-".to_owned(), |attempt| format!("#{}", attempt.0));
            let worker = event.worker.as_ref().map_or("-", WorkerName::as_str);
            let facts: Vec<String> = event
                .data
                .iter()
                .map(|(name, fact)| match fact {
                    Fact::Text(text) => format!("{name}={text}"),
                    Fact::Number(number) => format!("{name}={number}"),
                    Fact::Flag(flag) => format!("{name}={flag}"),
                    Fact::List(list) => format!("{name}=[{}]", list.join(" ")),
                })
                .collect();
            format!("{} {attempt} {worker} {}", event.kind, facts.join(" ")).trim_end().to_owned()
        })
        .collect();
    format!("{}: {}", command.verb(), if lines.is_empty() { "nothing".to_owned() } else { lines.join(" | ") })
}

#[test]
fn each_change_tells_what_happened_in_order() {
    let rules = Rules { cycles_max: 1, ..Rules::default() };
    let ready = task();
    let fell_back = Command::Claim {
        worker: name("sid"),
        nonce: NONCE,
        lease: LEASE,
        lacking: vec!["backend".parse().unwrap(), "sql".parse().unwrap()],
        instead_of: Some(name("amp")),
    };
    let held = claimed(&ready);
    let last = Task { failures: 2, crashes: 2, ..held.clone() };
    let claim = open(&held);
    let started_at = Some(Timestamp(42));
    let failure = |reason| Failure { reason, note: "why".to_owned() };
    let blocked = after(&held, &block(claim), at(1));
    let cancelled = after(&ready, &Command::Cancel { note: String::new() }, at(1));
    let test = claimed(&test_task());
    let tested = claimed(&Task { cycle: 1, ..test_task() });
    let lines = [
        told(&ready, &claim_as("amp", NONCE), at(0), rules),
        told(&ready, &fell_back, at(0), rules),
        told(&held, &heartbeat(claim, Step::Running), at(1), rules),
        told(&held, &Command::Heartbeat { claim, lease: LEASE, step: Step::Running, started_at }, at(1), rules),
        told(&held, &complete(claim), at(1), rules),
        told(&held, &Command::Complete { claim, started_at, checked: Some("make".to_owned()), note: "ok".to_owned() }, at(1), rules),
        told(&held, &Command::Fail { claim, started_at, failure: failure(FailReason::Check) }, at(1), rules),
        told(&last, &fail(claim, FailReason::Reported), at(1), rules),
        told(&test, &fail(open(&test), FailReason::Check), at(1), rules),
        told(&tested, &fail(open(&tested), FailReason::Reported), at(1), rules),
        told(&held, &block(claim), at(1), rules),
        told(
            &held,
            &Command::Block { claim, blocked: Blocked { reason: BlockReason::Dependency, note: String::new(), on: Some(TaskId(2)) } },
            at(1),
            rules,
        ),
        told(&held, &release(claim), at(1), rules),
        told(&held, &Command::Expire, at(120), rules),
        told(&after(&held, &heartbeat(claim, Step::Running), at(3_599)), &Command::Expire, at(3_600), rules),
        told(&held, &Command::Lose, at(1), rules),
        told(&last, &Command::Lose, at(1), rules),
        told(&ready, &Command::Cancel { note: "not now".to_owned() }, at(1), rules),
        told(&held, &Command::Cancel { note: String::new() }, at(1), rules),
        told(&cancelled, &Command::Retry, at(1), rules),
        told(&blocked, &Command::Unblock { note: "paid".to_owned() }, at(1), rules),
        told(&blocked, &Command::Answer { text: "8080".to_owned() }, at(1), rules),
        told(&ready, &Command::Edit(Edit { fields: vec!["title", "needs"], ..Edit::default() }), at(1), rules),
    ];
    insta::assert_snapshot!(lines.join("\n"), @"
    claim: task_claimed #1 amp
    claim: task_claimed #1 sid | task_fell_back #1 sid lacking=[backend sql] instead_of=amp
    heartbeat: nothing
    heartbeat: task_started #1 amp started_at_ms=42
    complete: task_completed #1 amp
    complete: task_started #1 amp started_at_ms=42 | check_passed #1 amp check=make | task_completed #1 amp note=ok
    fail: task_started #1 amp started_at_ms=42 | check_failed #1 amp note=why | task_failed #1 amp reason=check note=why final=false failures=1
    fail: task_failed #1 amp reason=reported note=why final=true failures=3
    fail: check_failed #1 amp note=why | task_failed #1 amp reason=check note=why final=false failures=0 | task_retried #1 - reason=cycle cycle=1
    fail: task_failed #1 amp reason=cycles note=it still failed after 1 repair: why final=true failures=0
    block: task_blocked #1 amp reason=question note=which port?
    block: task_blocked #1 amp reason=dependency on=T-002
    release: task_released #1 amp note=not mine
    expire: task_expired #1 amp reason=lease crashes=1
    expire: task_expired #1 amp reason=timeout | task_failed #1 amp reason=timeout note=it was not done 1h after the claim final=false failures=1
    lose: task_expired #1 amp reason=worker_lost crashes=1
    lose: task_expired #1 amp reason=worker_lost crashes=3 | task_failed #1 amp reason=quarantined note=its worker died 3 times while it held this task final=true
    cancel: task_cancelled - - note=not now
    cancel: task_cancelled #1 -
    retry: task_retried - -
    unblock: task_unblocked #1 - note=paid
    answer: task_unblocked #1 - answer=8080
    edit: task_edited - - fields=[title needs]
    ");
}

#[test]
fn a_repeated_completion_counts_as_done_and_every_other_repetition_is_stale() {
    let held = claimed(&task());
    let claim = open(&held);
    let done = after(&held, &complete(claim), at(1));
    assert_eq!(transition(&done, &complete(claim), at(9_999), Rules::default()), Ok(Decision::Already));
    for ended in [fail(claim, FailReason::Reported), block(claim), release(claim), heartbeat(claim, Step::Running)] {
        assert_eq!(refusal(&done, &ended, at(2)).code(), "stale_claim", "{}", ended.verb());
    }
    for once in [fail(claim, FailReason::Reported), block(claim), release(claim)] {
        assert_eq!(refusal(&after(&held, &once, at(1)), &once, at(2)).code(), "stale_claim", "{}", once.verb());
    }
}

#[test]
fn a_claim_whose_nonce_came_back_does_not_pass_for_the_newer_attempt() {
    // A claim that arrives twice, late: the same nonce holds the task a second time.
    let first = claimed(&task());
    let second = claimed(&after(&first, &release(open(&first)), at(1)));
    assert_eq!((open(&first).nonce, open(&second).attempt), (open(&second).nonce, Attempt(2)));
    assert_eq!(refusal(&second, &complete(open(&first)), at(2)).code(), "stale_claim");
    let done = after(&second, &complete(open(&second)), at(2));
    assert_eq!(refusal(&done, &complete(open(&first)), at(3)).code(), "stale_claim", "attempt 1 did not do it");
}

#[test]
fn nobody_takes_a_task_over_with_its_holders_nonce() {
    let held = claimed(&task());
    assert_eq!(transition(&held, &claim_as("amp", NONCE), at(1), Rules::default()), Ok(Decision::Already));
    assert_eq!(refusal(&held, &claim_as("sid", NONCE), at(1)), Refusal::Taken { task: held.id, holder: name("amp") });
}

#[test]
fn a_late_worker_may_still_end_its_attempt_while_nobody_took_it() {
    let held = claimed(&Task { timeout: Duration::from_secs(60), ..task() });
    let claim = open(&held);
    for command in [complete(claim), fail(claim, FailReason::Reported), block(claim), release(claim)] {
        assert_ne!(after(&held, &command, at(500)).status(), Status::InProgress, "{}", command.verb());
    }
    let alive = after(&held, &heartbeat(claim, Step::Running), at(500));
    assert_eq!(open(&alive), claim);
    let TaskState::InProgress(again) = &alive.state else { panic!("{:?}", alive.state) };
    assert_eq!((again.lease_until, again.timeout_at), (at(620).store, at(60).store), "the lease is renewed, the time is not");
}

#[test]
fn a_step_never_goes_back() {
    let mut held = claimed(&task());
    for (said, is) in
        [(Step::Claimed, Step::Claimed), (Step::Checking, Step::Checking), (Step::Running, Step::Checking), (Step::Claimed, Step::Checking)]
    {
        held = after(&held, &heartbeat(open(&held), said), at(1));
        let TaskState::InProgress(at) = &held.state else { panic!("{:?}", held.state) };
        assert_eq!(at.step, is);
    }
}

#[test]
fn who_gave_it_back_is_asked_last_until_the_next_claim() {
    let held = claimed(&task());
    let back = after(&held, &release(open(&held)), at(5));
    assert_eq!((back.avoid.as_ref(), back.ready_at), (Some(&name("amp")), at(5).store));
    assert!(back.is_ready(at(5).store), "and it is claimable at once");
    assert_eq!(claimed(&back).avoid, None);
}

/// A task whose first claim is over.
fn claimed_and_back() -> Task {
    let held = claimed(&task());
    after(&held, &release(open(&held)), at(5))
}

#[test]
fn a_refusal_says_what_it_waits_for() {
    let why = |task: Task| refusal(&task, &claim_as("sid", NONCE), at(0)).to_string();
    let lines = [
        why(Task { waiting: 2, ..task() }),
        why(Task { waiting: 2, dead: 1, ..task() }),
        why(Task { held: true, ..task() }),
        why(Task { held: true, ..test_task() }),
        why(Task { not_before: Some(at(1).store), ..task() }),
        why(Task { state: TaskState::Blocked(question()), ..task() }),
        Refusal::Taken { task: TaskId(4), holder: name("amp") }.to_string(),
        refusal(&claimed(&claimed_and_back()), &complete(Claim { task: TaskId(4), attempt: Attempt(1), nonce: NONCE }), at(0)).to_string(),
        refusal(&claimed(&task()), &complete(Claim { task: TaskId(4), attempt: Attempt(1), nonce: Nonce([9; 16]) }), at(0)).to_string(),
        refusal(&task(), &complete(Claim { task: TaskId(4), attempt: Attempt(7), nonce: NONCE }), at(0)).to_string(),
        refusal(&task(), &Command::Retry, at(0)).to_string(),
        refusal(&task(), &Command::Expire, at(0)).to_string(),
    ];
    insta::assert_snapshot!(lines.join("\n"), @"
    T-004 cannot be claimed yet: 2 of its dependencies are open
    T-004 cannot be claimed yet: a task that it depends on FAILED or was CANCELLED
    T-004 cannot be claimed yet: an earlier phase has not ended
    T-004 cannot be claimed yet: the test phase has not begun
    T-004 cannot be claimed yet: it waits before its next attempt
    T-004 cannot be claimed yet: it is BLOCKED
    T-004 is held by amp
    the claim T-004#1 is over: the task is IN_PROGRESS, held by amp
    T-004 is held by amp, and not under this claim
    the claim T-004#7 is over: the task is PENDING
    cannot retry T-004: it is PENDING
    no claim on T-004 is over
    ");
}

#[test]
fn a_refusal_offers_what_would_help() {
    let state = |state| Task { state, ..task() };
    let hint = |task: Task, command: Command| refusal(&task, &command, at(0)).hint().unwrap_or_default();
    let unblock = || Command::Unblock { note: String::new() };
    assert_eq!(hint(state(TaskState::Blocked(question())), Command::Retry), "ganger unblock T-004");
    assert_eq!(hint(state(TaskState::Failed { at: at(0).wall }), unblock()), "ganger retry T-004");
    assert!(hint(Task { waiting: 1, dead: 1, ..task() }, unblock()).contains("ganger retry"));
    assert!(hint(state(TaskState::Cancelled { at: at(0).wall }), Command::Edit(Edit::default())) == "ganger retry T-004");
    let done = || state(TaskState::Completed { at: at(0).wall, by: None, nonce: None });
    assert!(hint(done(), Command::Edit(Edit::default())).contains("--after T-004"));
    let assign = Command::Edit(Edit { fields: vec!["assign"], ..Edit::default() });
    assert_eq!(refusal(&done(), &assign, at(0)).to_string(), "cannot assign T-004: it is COMPLETED", "what the user called");
}
