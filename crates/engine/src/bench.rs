//! The figures of `ganger bench`: the real funnel on a throw-away store, durable, with the events, leases and counters that a project has.

use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::event::Actor;
use domain::id::{RequestId, WorkerName};
use domain::lease::{Claim, Nonce};
use domain::lifecycle::Command;
use domain::task::NewTask;

use crate::clock::{MachineClock, instant};
use crate::error::{Error, Result};
use crate::orchestrator::group::{Caller, Committer};
use crate::orchestrator::{Act, Answer, Orchestrator, Order, Settings};
use crate::random;
use crate::store::address::Address;
use crate::store::postgres::{PgStore, Time};
use crate::store::sqlite::SqliteStore;
use crate::store::{Listen, Missing, Store, Use};

/// One row of figures.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// What was measured.
    pub name: &'static str,
    /// How many worked at once.
    pub workers: u32,
    /// Tasks a second.
    pub per_second: f64,
    /// Half of the calls took no longer, in milliseconds.
    pub p50_ms: f64,
    /// 99 of 100 calls took no longer.
    pub p99_ms: f64,
    /// The longest call.
    pub max_ms: f64,
    /// The slowest worker's tasks divided by the fastest's.
    pub slowest_share: f64,
}

/// What one worker measured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tallied {
    /// How many tasks it did.
    pub tasks: u64,
    /// How long each call took, in microseconds.
    pub calls_us: Vec<u64>,
}

impl Figures {
    /// Puts together what several workers measured in `took`.
    #[must_use]
    pub fn of(name: &'static str, all: &[Tallied], took: Duration) -> Self {
        let mut calls: Vec<u64> = all.iter().flat_map(|one| one.calls_us.iter().copied()).collect();
        calls.sort_unstable();
        let at = |per_thousand: usize| calls.get((calls.len().saturating_sub(1)) * per_thousand / 1_000).map_or(0.0, |us| to_ms(*us));
        let tasks: u64 = all.iter().map(|one| one.tasks).sum();
        let (least, most) = (all.iter().map(|one| one.tasks).min().unwrap_or(0), all.iter().map(|one| one.tasks).max().unwrap_or(0));
        Self {
            name,
            workers: u32::try_from(all.len()).unwrap_or(u32::MAX),
            per_second: ratio(tasks, 1) / took.as_secs_f64().max(1e-9),
            p50_ms: at(500),
            p99_ms: at(990),
            max_ms: at(1_000),
            slowest_share: if most == 0 { 0.0 } else { ratio(least, most) },
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

fn to_ms(us: u64) -> f64 {
    ratio(us, 1_000)
}

fn us(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// Makes the throw-away store of a measurement.
///
/// # Errors
/// Those of opening it.
pub fn open(address: &Address) -> Result<Arc<Orchestrator>> {
    let store: Arc<dyn Store> = match address {
        Address::Sqlite(file) => Arc::new(SqliteStore::open(file, Use::Resident, Missing::Make, Arc::new(MachineClock))?),
        Address::Postgres(address) => Arc::new(PgStore::open(address, Use::Resident, Missing::Make, Time::Database)?),
    };
    Ok(Arc::new(Orchestrator::new(store, Settings::default())))
}

fn batch(tasks: u32) -> Order {
    let tasks = (0..tasks).map(|number| NewTask::titled(&format!("measured task {number}"))).collect();
    Order::new(Actor::Human, Act::Add { tasks, plan: None })
}

/// `add`: one task a commit. `add_batch`: a thousand.
///
/// # Errors
/// Those of the store.
pub fn add(door: &Orchestrator, tasks: u32) -> Result<[Figures; 2]> {
    let one_by_one = (tasks / 10).clamp(100, 5_000);
    let mut single = Tallied::default();
    let start = instant();
    for _ in 0..one_by_one {
        let began = instant();
        door.apply_one(batch(1).repeatable(request()?))?;
        single.calls_us.push(us(began));
        single.tasks += 1;
    }
    let single = Figures::of("add", &[single], start.elapsed());
    let mut thousands = Tallied::default();
    let start = instant();
    for _ in 0..tasks.div_ceil(1_000) {
        let began = instant();
        door.apply_one(batch(1_000).repeatable(request()?))?;
        thousands.calls_us.push(us(began));
        thousands.tasks += 1_000;
    }
    Ok([single, Figures::of("add_batch", &[thousands], start.elapsed())])
}

fn request() -> Result<RequestId> {
    random::request_id()
}

fn worker(number: u32) -> Result<WorkerName> {
    format!("bench-{number:02}").parse().map_err(|error: domain::id::BadId| Error::bug(error.to_string()))
}

/// What a worker does: completes what it holds and claims the next in one commit, until nothing is left.
fn drain(name: &WorkerName, apply: &mut dyn FnMut(Vec<Order>) -> Result<Vec<Result<Answer>>>) -> Result<Tallied> {
    let mut tallied = Tallied::default();
    let mut held: Option<Claim> = None;
    loop {
        let mut orders = Vec::with_capacity(2);
        if let Some(claim) = held {
            let command = Command::Complete { claim, started_at: None, checked: None, note: String::new() };
            orders.push(Order::new(Actor::Worker, Act::Report { command, result: None, ran: None }));
        }
        orders.push(Order::new(Actor::Worker, Act::Claim { worker: name.clone(), only: None, nonce: Nonce(random::bytes()?) }));
        let began = instant();
        let answers = apply(orders)?;
        tallied.calls_us.push(us(began));
        tallied.tasks += u64::from(held.is_some());
        held = match answers.into_iter().last() {
            Some(Ok(Answer::Claimed { claim, .. })) => Some(claim),
            Some(Ok(_)) | None => return Ok(tallied),
            Some(Err(error)) => return Err(error),
        };
    }
}

/// `claim_complete`: `workers` callers of one process, who share the commits.
///
/// # Errors
/// Those of the store.
pub fn claim_complete(door: &Arc<Orchestrator>, workers: u32, tasks: u32) -> Result<Figures> {
    fill(door, tasks)?;
    let committer = Committer::start(Arc::clone(door))?;
    let callers: Vec<(WorkerName, Caller)> = (0..workers).map(|number| Ok((worker(number)?, committer.caller()))).collect::<Result<_>>()?;
    let start = instant();
    let all = std::thread::scope(|scope| {
        let threads: Vec<_> =
            callers.into_iter().map(|(name, caller)| scope.spawn(move || drain(&name, &mut |orders| caller.apply(orders)))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err(Error::bug("a measuring thread ended early"))))
            .collect::<Result<Vec<_>>>()
    })?;
    Ok(Figures::of("claim_complete", &all, start.elapsed()))
}

/// Adds tasks to do.
///
/// # Errors
/// Those of the store.
pub fn fill(door: &Orchestrator, tasks: u32) -> Result<()> {
    let mut left = tasks;
    while left > 0 {
        let part = left.min(1_000);
        door.apply_one(batch(part))?;
        left -= part;
    }
    Ok(())
}

/// One process's part of `claim_complete_processes`: a long-lived worker on the shared file.
///
/// # Errors
/// Those of the store.
pub fn drain_as(door: &Orchestrator, number: u32) -> Result<Tallied> {
    drain(&worker(number)?, &mut |orders| door.apply(&orders))
}

/// `pickup`: from the call that adds a task to the claim of an idle worker being on disk.
///
/// # Errors
/// Those of the store.
pub fn pickup(door: &Arc<Orchestrator>, rounds: u32) -> Result<Figures> {
    let name = worker(0)?;
    let (claimed, told) = std::sync::mpsc::channel::<Instant>();
    let waiting = Arc::clone(door);
    let idle = std::thread::spawn(move || -> Result<()> {
        let mut listener = waiting.store().waker().listen(Listen::Work);
        let mut left = rounds;
        while left > 0 {
            listener.drain();
            let order = Order::new(Actor::Worker, Act::Claim { worker: name.clone(), only: None, nonce: Nonce(random::bytes()?) });
            match waiting.apply_one(order)? {
                Answer::Claimed { claim, .. } => {
                    let _ = claimed.send(instant());
                    left -= 1;
                    let command = Command::Complete { claim, started_at: None, checked: None, note: String::new() };
                    waiting.apply_one(Order::new(Actor::Worker, Act::Report { command, result: None, ran: None }))?;
                }
                _ => {
                    listener.wait(Duration::from_millis(500));
                }
            }
        }
        Ok(())
    });
    let mut tallied = Tallied::default();
    let start = instant();
    for _ in 0..rounds {
        // The worker must be idle again: it is, when it has asked and got nothing.
        std::thread::sleep(Duration::from_millis(2));
        let began = instant();
        door.apply_one(batch(1))?;
        let at = told.recv().map_err(|_| Error::bug("the idle worker of the measurement ended early"))?;
        tallied.calls_us.push(u64::try_from(at.saturating_duration_since(began).as_micros()).unwrap_or(0));
        tallied.tasks += 1;
    }
    let took = start.elapsed();
    idle.join().map_err(|_| Error::bug("the idle worker of the measurement ended early"))??;
    Ok(Figures::of("pickup", &[tallied], took))
}
