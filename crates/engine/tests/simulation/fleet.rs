//! Five workers who do everything that workers do: crash, stall past the lease, answer late, answer twice, give back, fail, block, leave and join.

use domain::event::Actor;
use domain::id::WorkerName;
use domain::lease::Claim;
use domain::lifecycle::Command;
use domain::task::{FailReason, Kind, Task};
use domain::worker::Driver;
use engine::error::Result;
use engine::orchestrator::{Act, Answer, Card, WorkerAct};

use crate::shop::wish;
use crate::world::World;

pub(crate) struct Fleet {
    agents: Vec<Agent>,
}

struct Agent {
    name: WorkerName,
    card: Card,
    is_reliable: bool,
    /// Away until then; 0 while it is there.
    away_until: u64,
    jobs: Vec<Job>,
    /// Claims of long ago, which it may still speak of.
    old: Vec<Claim>,
}

struct Job {
    claim: Claim,
    fate: Fate,
    due: u64,
    beat_at: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Complete,
    CompleteTwice,
    Fail(FailReason),
    Release,
    Block,
    Crash,
    /// Falls silent, and completes when it wakes up.
    Stall,
}

impl Fleet {
    pub(crate) fn new(world: &mut World) -> Self {
        let can = ["a,b,c", "a", "b", "", "c"];
        let agents = (0..5)
            .map(|number| {
                let name = format!("w{number}");
                // The last one runs commands only; the third is somebody who calls now and then.
                let driver = if number == 2 { Driver::Pull } else { Driver::Shell };
                let session = (driver == Driver::Shell).then(|| "{}".to_owned());
                let card = Card { thinks: number != 4, session, ..wish::card(&name, driver, can[number]) };
                Agent {
                    name: name.parse().unwrap(),
                    card,
                    is_reliable: false,
                    away_until: world.dice.between(0, 100),
                    jobs: Vec::new(),
                    old: Vec::new(),
                }
            })
            .collect();
        Self { agents }
    }

    pub(crate) fn names(&self) -> Vec<WorkerName> {
        self.agents.iter().map(|agent| agent.name.clone()).collect()
    }

    pub(crate) fn act(&mut self, world: &mut World) {
        let first = world.dice.below(self.agents.len());
        self.agents.rotate_left(first);
        for agent in &mut self.agents {
            agent.act(world);
        }
    }

    /// The machine restarts: nobody says a word.
    pub(crate) fn all_crash(&mut self, world: &mut World) {
        for agent in &mut self.agents {
            agent.crash(world);
        }
    }

    /// From now on everybody is there and does what it should.
    pub(crate) fn mend_their_ways(&mut self, world: &mut World) {
        for agent in &mut self.agents {
            agent.is_reliable = true;
            agent.away_until = agent.away_until.min(world.now);
            for job in &mut agent.jobs {
                (job.fate, job.due) = (Fate::Complete, job.due.min(world.now + 40));
            }
            // Removed or not, paused or not: it is there again.
            world.one(Actor::Human, Act::Join(agent.card.clone())).unwrap();
            let resume = Act::Worker { name: agent.name.clone(), what: WorkerAct::Resume };
            world.one(Actor::Human, resume).unwrap();
        }
    }
}

impl Agent {
    fn act(&mut self, world: &mut World) {
        if self.away_until > world.now {
            return;
        }
        if self.away_until > 0 {
            self.away_until = 0;
            world.one(Actor::Worker, Act::Join(self.card.clone())).unwrap();
        }
        let mut jobs = std::mem::take(&mut self.jobs);
        while let Some(job) = jobs.pop() {
            if let Some(job) = self.go_on(world, job) {
                self.jobs.push(job);
            }
            if self.away_until > 0 {
                self.old.extend(jobs.drain(..).map(|job| job.claim));
            }
        }
        if self.away_until > 0 {
            return;
        }
        let holds_most = if world.dice.percent(20) { 2 } else { 1 };
        if self.jobs.len() < holds_most && (self.is_reliable || world.dice.percent(80)) {
            let act = world.claim_act(&self.name);
            let answer = world.one(Actor::Worker, act);
            self.take(world, &answer);
        }
        if let Some(old) = world.dice.pick(&self.old)
            && world.dice.percent(8)
        {
            let command = wish::all_with(old)[world.dice.below(5)].clone();
            world.report(old, command, None);
        }
        if !self.is_reliable && self.jobs.is_empty() && world.dice.percent(2) {
            let left = Act::Worker { name: self.name.clone(), what: WorkerAct::Left };
            // Somebody may have taken it off the roster.
            let _ = world.one(Actor::Worker, left);
            self.away_until = world.now + world.dice.between(1, 300);
        }
    }

    /// One more moment of a job; gives it back while it goes on.
    fn go_on(&mut self, world: &mut World, mut job: Job) -> Option<Job> {
        if world.now < job.due {
            if job.fate != Fate::Stall && job.fate != Fate::Crash && world.now >= job.beat_at {
                job.beat_at = world.now + 30;
                if !world.report(job.claim, wish::heartbeat(job.claim), None).0 {
                    self.old.push(job.claim);
                    return None;
                }
            }
            return Some(job);
        }
        let claim = job.claim;
        self.old.push(claim);
        let command = match job.fate {
            Fate::Complete | Fate::CompleteTwice | Fate::Stall => wish::complete(claim),
            Fate::Fail(reason) => wish::fail(claim, reason),
            Fate::Release => wish::release(claim),
            Fate::Block => wish::block(claim),
            Fate::Crash => {
                self.crash(world);
                return None;
            }
        };
        self.report(world, claim, command);
        if job.fate == Fate::CompleteTwice {
            self.report(world, claim, wish::complete(claim));
        }
        None
    }

    /// Reports, and now and then takes the next task in the same breath.
    fn report(&mut self, world: &mut World, claim: Claim, command: Command) {
        let next = (self.jobs.is_empty() && world.dice.percent(50)).then(|| world.claim_act(&self.name));
        let (_, next) = world.report(claim, command, next);
        if let Some(answer) = next {
            self.take(world, &answer);
        }
    }

    fn take(&mut self, world: &mut World, answer: &Result<Answer>) {
        match answer {
            Ok(Answer::Claimed { task, claim }) => {
                world.note_claim(*claim);
                let (fate, seconds) = if self.is_reliable { (Fate::Complete, world.dice.between(0, 40)) } else { fate(world, task) };
                self.jobs.push(Job { claim: *claim, fate, due: world.now + seconds, beat_at: world.now + 30 });
            }
            Ok(Answer::Nothing { .. }) => {}
            other => panic!("a claim was answered with {other:?}"),
        }
    }

    /// Ends without a word; what it held it may speak of when it is back. On this host somebody may see it at once.
    fn crash(&mut self, world: &mut World) {
        self.old.extend(self.jobs.drain(..).map(|job| job.claim));
        self.away_until = world.now + world.dice.between(5, 400);
        if self.card.session.is_some() && world.dice.percent(50) {
            let lost = WorkerAct::Lost { why: "its process ended".to_owned(), session: None };
            let _ = world.one(Actor::Orchestrator, Act::Worker { name: self.name.clone(), what: lost });
        }
    }
}

/// What becomes of an attempt, and after how many seconds.
fn fate(world: &mut World, task: &Task) -> (Fate, u64) {
    let dice = &mut world.dice;
    let seconds = dice.between(0, 150);
    if task.kind == Kind::Test && dice.percent(35) {
        return (Fate::Fail(FailReason::Reported), seconds);
    }
    match dice.between(1, 100) {
        1..=55 => (Fate::Complete, seconds),
        56..=63 => (Fate::CompleteTwice, seconds),
        64..=68 => (Fate::Fail(FailReason::Reported), seconds),
        69..=72 => (Fate::Fail(FailReason::Check), seconds),
        73..=77 => (Fate::Fail(FailReason::Infrastructure), seconds),
        78..=82 => (Fate::Release, seconds),
        83..=86 => (Fate::Block, seconds),
        87..=92 => (Fate::Crash, seconds),
        93..=98 => (Fate::Stall, dice.between(100, 700)),
        // Longer than any but the largest timeout, heartbeating all the while.
        _ => (Fate::Complete, 900),
    }
}
