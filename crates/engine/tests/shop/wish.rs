//! What can be asked for, in few words: tasks, commands, cards.

use super::*;
use domain::task::{After, BlockReason, Kind, Priority};

/// A task that is described word by word: `feature("a").after(0).phase(2)`.
pub(crate) trait Wish: Sized {
    fn after(self, index: usize) -> Self;
    fn after_task(self, id: TaskId) -> Self;
    fn phase(self, phase: u32) -> Self;
    fn priority(self, priority: Priority) -> Self;
    fn needs(self, capabilities: &str) -> Self;
    fn assigned(self, name: &str) -> Self;
    fn runs(self, command: &str) -> Self;
    fn fixed_by(self, command: &str) -> Self;
    fn estimate(self, seconds: u64) -> Self;
    fn timeout(self, seconds: u64) -> Self;
    fn attempts(self, attempts: u32) -> Self;
}

impl Wish for NewTask {
    fn after(mut self, index: usize) -> Self {
        self.after.push(After::Index(index));
        self
    }

    fn after_task(mut self, id: TaskId) -> Self {
        self.after.push(After::Task(id));
        self
    }

    fn phase(mut self, phase: u32) -> Self {
        self.phase = phase;
        self
    }

    fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    fn needs(mut self, capabilities: &str) -> Self {
        self.spec.needs = capabilities.split(',').map(|word| word.parse().unwrap()).collect();
        self
    }

    fn assigned(mut self, name: &str) -> Self {
        self.spec.assignee = Some(worker(name));
        self
    }

    fn runs(mut self, command: &str) -> Self {
        self.spec.run = Some(command.to_owned());
        self
    }

    fn fixed_by(mut self, command: &str) -> Self {
        self.spec.fix = Some(command.to_owned());
        self
    }

    fn estimate(mut self, seconds: u64) -> Self {
        self.spec.estimate = Some(secs(seconds));
        self
    }

    fn timeout(mut self, seconds: u64) -> Self {
        self.timeout = secs(seconds);
        self
    }

    fn attempts(mut self, attempts: u32) -> Self {
        self.attempts_max = attempts;
        self
    }
}

pub(crate) fn feature(title: &str) -> NewTask {
    NewTask::titled(title)
}

pub(crate) fn features(count: usize) -> Vec<NewTask> {
    (0..count).map(|number| feature(&format!("feature {number}"))).collect()
}

/// The test of the task with this index in the same batch, as an import makes it.
pub(crate) fn test_of(index: usize) -> NewTask {
    NewTask { kind: Kind::Test, tests: Some(After::Index(index)), ..feature(&format!("test of {index}")) }.after(index)
}

/// Each task with its test behind all of them, as an import makes them.
pub(crate) fn tested(mut tasks: Vec<NewTask>) -> Vec<NewTask> {
    for index in 0..tasks.len() {
        let feature = &tasks[index];
        let (phase, priority, timeout, attempts_max) = (feature.phase, feature.priority, feature.timeout, feature.attempts_max);
        tasks.push(NewTask { phase, priority, timeout, attempts_max, ..test_of(index) });
    }
    tasks
}

pub(crate) fn plan(title: &str) -> NewPlan {
    NewPlan {
        title: title.to_owned(),
        goal: None,
        digest: format!("digest of {title}"),
        source: None,
        options: "{}".to_owned(),
        waits: false,
    }
}

pub(crate) fn card(name: &str, driver: Driver, can: &str) -> Card {
    let can = can.split(',').filter(|word| !word.is_empty()).map(|word| word.parse().unwrap()).collect();
    Card { name: worker(name), driver, agent: None, target: None, can: Some(can), thinks: true, session: None }
}

/// A process that begins.
pub(crate) fn process(name: &str, can: &str) -> Card {
    Card { session: Some("{}".to_owned()), ..card(name, Driver::Shell, can) }
}

pub(crate) fn report(command: Command) -> Act {
    Act::Report { command, result: None, ran: None }
}

pub(crate) fn complete(claim: Claim) -> Command {
    Command::Complete { claim, started_at: None, checked: None, note: String::new() }
}

pub(crate) fn fail(claim: Claim, reason: FailReason) -> Command {
    Command::Fail { claim, started_at: None, failure: Failure { reason, note: "it said no".to_owned() } }
}

pub(crate) fn release(claim: Claim) -> Command {
    Command::Release { claim, note: String::new() }
}

pub(crate) fn block(claim: Claim) -> Command {
    Command::Block { claim, blocked: Blocked { reason: BlockReason::Question, note: "which colour?".to_owned(), on: None } }
}

pub(crate) fn heartbeat(claim: Claim) -> Command {
    Command::Heartbeat { claim, lease: secs(120), step: Step::Running, started_at: None }
}

/// Every command that needs a claim.
pub(crate) fn all_with(claim: Claim) -> [Command; 5] {
    [heartbeat(claim), complete(claim), fail(claim, FailReason::Reported), block(claim), release(claim)]
}
