//! Every state against every command. A new state or a new command breaks the build here first, and then the table.

use super::*;
use crate::lifecycle::Edit;
use crate::task::Status;

/// An enum that cannot leave a value out of its list.
macro_rules! listed {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        enum $name { $($variant,)* }
        impl $name {
            const ALL: &'static [(Self, &'static str)] = &[$((Self::$variant, $word),)*];
        }
    };
}

listed! {
    /// Where a task can be, as far as any command can tell.
    Place {
        Ready = "ready",
        Waiting = "waiting",
        Dead = "dead",
        HeldBack = "held",
        NotDue = "not due",
        Alive = "alive",
        LeaseOver = "lease over",
        TimeOver = "time over",
        BothOver = "both over",
        Completed = "completed",
        Blocked = "blocked",
        Failed = "failed",
        Cancelled = "cancelled",
    }
}

listed! {
    /// The commands.
    Verb {
        Claim = "claim",
        Heartbeat = "heartbeat",
        Complete = "complete",
        Fail = "fail",
        Block = "block",
        Release = "release",
        Expire = "expire",
        Lose = "lose",
        Cancel = "cancel",
        Retry = "retry",
        Unblock = "unblock",
        Answer = "answer",
        Edit = "edit",
    }
}

/// What a command presents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    /// Nothing, or a nonce that is new.
    Fresh,
    /// The claim that is, or was, the last one.
    Current,
    /// Another worker with that claim's nonce.
    Stolen,
    /// An older attempt of the same worker, with the newer one's nonce: the attempt alone must fence it.
    OldAttempt,
    /// Another nonce.
    OldNonce,
    /// The same attempt and nonce, of another task.
    OtherTask,
}

/// The ways to call a command. Matches every verb by name.
fn tokens(verb: Verb) -> &'static [(Token, &'static str)] {
    match verb {
        Verb::Claim => &[(Token::Fresh, ""), (Token::Current, "same nonce"), (Token::Stolen, "other's nonce")],
        Verb::Heartbeat | Verb::Complete | Verb::Fail | Verb::Block | Verb::Release => &[
            (Token::Current, ""),
            (Token::OldAttempt, "stale attempt"),
            (Token::OldNonce, "stale nonce"),
            (Token::OtherTask, "other task"),
        ],
        Verb::Expire | Verb::Lose | Verb::Cancel | Verb::Retry | Verb::Unblock | Verb::Answer | Verb::Edit => &[(Token::Fresh, "")],
    }
}

/// The moment of every call: ten seconds after the claim.
fn now() -> Now {
    at(10)
}

/// A task in this place that was claimed twice so far, the second time by `amp` under [`NONCE`].
fn stand(place: Place) -> Task {
    let pending = Task { attempt: Attempt(2), claimed: Some((at(0).wall, name("amp"))), ..task() };
    let held = |lease: i64, timeout: i64| {
        let held =
            Held { step: Step::Running, nonce: NONCE, worker: name("amp"), lease_until: at(lease).store, timeout_at: at(timeout).store };
        Task { state: TaskState::InProgress(held), ..pending.clone() }
    };
    match place {
        Place::Ready => pending,
        Place::Waiting => Task { waiting: 2, ..pending },
        Place::Dead => Task { waiting: 2, dead: 1, ..pending },
        Place::HeldBack => Task { held: true, ..pending },
        Place::NotDue => Task { not_before: Some(at(11).store), ..pending },
        Place::Alive => held(11, 11),
        Place::LeaseOver => held(10, 3_600),
        Place::TimeOver => held(120, 10),
        Place::BothOver => held(9, 10),
        Place::Completed => Task { state: TaskState::Completed { at: at(5).wall, by: Some(name("amp")), nonce: Some(NONCE) }, ..pending },
        Place::Blocked => Task { state: TaskState::Blocked(question()), ..pending },
        Place::Failed => Task { state: TaskState::Failed { at: at(5).wall }, ..pending },
        Place::Cancelled => Task { state: TaskState::Cancelled { at: at(5).wall }, ..pending },
    }
}

/// Where a task is. Matches every state by name.
fn place_of(task: &Task) -> Place {
    match &task.state {
        TaskState::Pending if task.dead > 0 => Place::Dead,
        TaskState::Pending if task.waiting > 0 => Place::Waiting,
        TaskState::Pending if task.held => Place::HeldBack,
        TaskState::Pending if task.not_before.is_some_and(|due| due > now().store) => Place::NotDue,
        TaskState::Pending => Place::Ready,
        TaskState::InProgress(held) => match (held.lease_until <= now().store, held.timeout_at <= now().store) {
            (false, false) => Place::Alive,
            (true, false) => Place::LeaseOver,
            (false, true) => Place::TimeOver,
            (true, true) => Place::BothOver,
        },
        TaskState::Completed { .. } => Place::Completed,
        TaskState::Blocked(_) => Place::Blocked,
        TaskState::Failed { .. } => Place::Failed,
        TaskState::Cancelled { .. } => Place::Cancelled,
    }
}

fn command(verb: Verb, token: Token) -> Command {
    let current = Claim { task: TaskId(4), attempt: Attempt(2), nonce: NONCE };
    let claim = match token {
        Token::Fresh | Token::Current | Token::Stolen => current,
        Token::OldAttempt => Claim { attempt: Attempt(1), ..current },
        Token::OldNonce => Claim { nonce: OLD_NONCE, ..current },
        Token::OtherTask => Claim { task: TaskId(5), ..current },
    };
    match verb {
        Verb::Claim if token == Token::Current => claim_as("amp", NONCE),
        Verb::Claim if token == Token::Stolen => claim_as("sid", NONCE),
        Verb::Claim => claim_as("sid", Nonce([9; 16])),
        Verb::Heartbeat => heartbeat(claim, Step::Running),
        Verb::Complete => complete(claim),
        Verb::Fail => fail(claim, FailReason::Reported),
        Verb::Block => block(claim),
        Verb::Release => release(claim),
        Verb::Expire => Command::Expire,
        Verb::Lose => Command::Lose,
        Verb::Cancel => Command::Cancel { note: String::new() },
        Verb::Retry => Command::Retry,
        Verb::Unblock => Command::Unblock { note: String::new() },
        Verb::Answer => Command::Answer { text: "8080".to_owned() },
        Verb::Edit => Command::Edit(Edit { fields: vec!["priority"], priority: Some(Priority::High), ..Edit::default() }),
    }
}

/// Which command this is. Matches every command by name.
fn verb_of(command: &Command) -> Verb {
    match command {
        Command::Claim { .. } => Verb::Claim,
        Command::Heartbeat { .. } => Verb::Heartbeat,
        Command::Complete { .. } => Verb::Complete,
        Command::Fail { .. } => Verb::Fail,
        Command::Block { .. } => Verb::Block,
        Command::Release { .. } => Verb::Release,
        Command::Expire => Verb::Expire,
        Command::Lose => Verb::Lose,
        Command::Cancel { .. } => Verb::Cancel,
        Command::Retry => Verb::Retry,
        Command::Unblock { .. } => Verb::Unblock,
        Command::Answer { .. } => Verb::Answer,
        Command::Edit(_) => Verb::Edit,
    }
}

/// What a call comes to: how the task stands then and what was counted, or why nothing changed.
fn outcome(task: &Task, command: &Command) -> String {
    match transition(task, command, now(), Rules::default()) {
        Ok(Decision::Already) => "=".to_owned(),
        Ok(Decision::Change(change)) => {
            assert_eq!(change.before(), task, "a change begins where the task stood");
            let after = change.after();
            let moved = std::mem::discriminant(&after.state) != std::mem::discriminant(&task.state);
            assert!(!moved || !change.events().is_empty(), "no state changes without its event");
            let status = match after.status() {
                Status::Pending => "PENDING",
                Status::InProgress => "PROGRESS",
                Status::Completed => "COMPLETED",
                Status::Blocked => "BLOCKED",
                Status::Failed => "FAILED",
                Status::Cancelled => "CANCELLED",
            };
            let mut told = status.to_owned();
            for (before, after, mark) in
                [(task.failures, after.failures, "+f"), (task.crashes, after.crashes, "+c"), (task.attempt.0, after.attempt.0, "+a")]
            {
                told.push_str(if after > before { mark } else { "" });
            }
            told
        }
        Err(Refusal::StaleClaim { .. } | Refusal::OtherClaim { .. }) => "stale".to_owned(),
        Err(Refusal::Taken { .. }) => "taken".to_owned(),
        Err(Refusal::NotReady { .. }) => "not ready".to_owned(),
        Err(Refusal::Illegal { .. }) => "illegal".to_owned(),
        Err(Refusal::StillAlive { .. }) => "not over".to_owned(),
    }
}

#[test]
fn the_table_leaves_nothing_out() {
    for &(place, word) in Place::ALL {
        assert_eq!(place_of(&stand(place)), place, "{word}");
    }
    for &(verb, word) in Verb::ALL {
        for &(token, _) in tokens(verb) {
            let command = command(verb, token);
            assert_eq!((verb_of(&command), command.verb()), (verb, word));
        }
    }
}

#[test]
fn every_state_answers_every_command() {
    let mut table = format!("{:<26}", "");
    Place::ALL.iter().for_each(|(_, word)| table.push_str(&format!("{word:<11}")));
    for &(verb, word) in Verb::ALL {
        for &(token, how) in tokens(verb) {
            let title = if how.is_empty() { word.to_owned() } else { format!("{word}, {how}") };
            table.push_str(&format!("\n{title:<26}"));
            for &(place, _) in Place::ALL {
                table.push_str(&format!("{:<11}", outcome(&stand(place), &command(verb, token))));
            }
        }
    }
    let table: Vec<&str> = table.lines().map(str::trim_end).collect();
    insta::assert_snapshot!(table.join("\n"), @r"
                              ready      waiting    dead       held       not due    alive      lease over time over  both over  completed  blocked    failed     cancelled
    claim                     PROGRESS+a not ready  not ready  not ready  not ready  taken      taken      taken      taken      not ready  not ready  not ready  not ready
    claim, same nonce         PROGRESS+a not ready  not ready  not ready  not ready  =          =          =          =          not ready  not ready  not ready  not ready
    claim, other's nonce      PROGRESS+a not ready  not ready  not ready  not ready  taken      taken      taken      taken      not ready  not ready  not ready  not ready
    heartbeat                 stale      stale      stale      stale      stale      PROGRESS   PROGRESS   PROGRESS   PROGRESS   stale      stale      stale      stale
    heartbeat, stale attempt  stale      stale      stale      stale      stale      stale      stale      stale      stale      stale      stale      stale      stale
    heartbeat, stale nonce    stale      stale      stale      stale      stale      stale      stale      stale      stale      stale      stale      stale      stale
    heartbeat, other task     stale      stale      stale      stale      stale      stale      stale      stale      stale      stale      stale      stale      stale
    complete                  stale      stale      stale      stale      stale      COMPLETED  COMPLETED  COMPLETED  COMPLETED  =          stale      stale      stale
    complete, stale attempt   stale      stale      stale      stale      stale      stale      stale      stale      stale      stale      stale      stale      stale
    complete, stale nonce     stale      stale      stale      stale      stale      stale      stale      stale      stale      stale      stale      stale      stale
    complete, other task      stale      stale      stale      stale      stale      stale      stale      stale      stale      stale      stale      stale      stale
    fail                      stale      stale      stale      stale      stale      PENDING+f  PENDING+f  PENDING+f  PENDING+f  stale      stale      stale      stale
    fail, stale attempt       stale      stale      stale      stale      stale      stale      stale      stale      stale      stale      stale      stale      stale
    fail, stale nonce         stale      stale      stale      stale      stale      stale      stale      stale      stale      stale      stale      stale      stale
    fail, other task          stale      stale      stale      stale      stale      stale      stale      stale      stale      stale      stale      stale      stale
    block                     stale      stale      stale      stale      stale      BLOCKED    BLOCKED    BLOCKED    BLOCKED    stale      stale      stale      stale
    block, stale attempt      stale      stale      stale      stale      stale      stale      stale      stale      stale      stale      stale      stale      stale
    block, stale nonce        stale      stale      stale      stale      stale      stale      stale      stale      stale      stale      stale      stale      stale
    block, other task         stale      stale      stale      stale      stale      stale      stale      stale      stale      stale      stale      stale      stale
    release                   stale      stale      stale      stale      stale      PENDING    PENDING    PENDING    PENDING    stale      stale      stale      stale
    release, stale attempt    stale      stale      stale      stale      stale      stale      stale      stale      stale      stale      stale      stale      stale
    release, stale nonce      stale      stale      stale      stale      stale      stale      stale      stale      stale      stale      stale      stale      stale
    release, other task       stale      stale      stale      stale      stale      stale      stale      stale      stale      stale      stale      stale      stale
    expire                    not over   not over   not over   not over   not over   not over   PENDING+c  PENDING+f  PENDING+c  not over   not over   not over   not over
    lose                      not over   not over   not over   not over   not over   PENDING+c  PENDING+c  PENDING+c  PENDING+c  not over   not over   not over   not over
    cancel                    CANCELLED  CANCELLED  CANCELLED  CANCELLED  CANCELLED  CANCELLED  CANCELLED  CANCELLED  CANCELLED  illegal    CANCELLED  illegal    illegal
    retry                     illegal    illegal    illegal    illegal    illegal    illegal    illegal    illegal    illegal    illegal    illegal    PENDING    PENDING
    unblock                   illegal    illegal    illegal    illegal    illegal    illegal    illegal    illegal    illegal    illegal    PENDING    illegal    illegal
    answer                    illegal    illegal    illegal    illegal    illegal    illegal    illegal    illegal    illegal    illegal    PENDING    illegal    illegal
    edit                      PENDING    PENDING    BLOCKED    PENDING    PENDING    PROGRESS   PROGRESS   PROGRESS   PROGRESS   illegal    BLOCKED    FAILED     illegal
    ");
}
