//! What only the shared store has to answer for: many writers on many connections, connections that break, servers and schemas that are
//! not as they should be. The rules themselves are the conformance suite's.
#![expect(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "tests")]

mod breaks;
mod opening;
mod race;

use std::path::Path;
use std::sync::Arc;

use domain::event::Actor;
use domain::id::{TaskId, WorkerName};
use domain::lease::{Claim, Nonce};
use domain::lifecycle::Command;
use domain::task::NewTask;
use engine::error::Result;
use engine::orchestrator::{Act, Answer, Orchestrator, Order, Settings};
use engine::store::address::Address;
use engine::store::postgres::{PgAddress, PgStore, Time};
use engine::store::{Missing, Use};

/// A schema of its own; it goes with this.
struct Place(PgAddress);

impl Place {
    fn new() -> Self {
        Self(address(&testkit::postgres::fresh_address()))
    }

    fn store(&self) -> Arc<PgStore> {
        Arc::new(PgStore::open(&self.0, Use::Resident, Missing::Make, Time::Database).unwrap())
    }

    fn door(&self) -> Orchestrator {
        Orchestrator::new(self.store(), Settings::default())
    }

    /// What the server answers to statements of the test's own: the first column of the first row, as text.
    fn ask(&self, sql: &str) -> String {
        ask(&self.0, sql).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        engine::store::postgres::remove(&self.0).unwrap();
    }
}

fn address(url: &str) -> PgAddress {
    match Address::parse(url, Path::new("/")) {
        Ok(Address::Postgres(address)) => address,
        other => panic!("{url}: {other:?}"),
    }
}

/// Runs statements on a connection of the test's own, as an administrator would.
fn ask(address: &PgAddress, sql: &str) -> std::result::Result<String, tokio_postgres::Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let url = address.with_secrets();
    let url = url.split('?').next().unwrap();
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
        tokio::spawn(connection);
        let rows = client.simple_query(sql).await?;
        let first = rows.into_iter().find_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or_default().to_owned()),
            _ => None,
        });
        Ok(first.unwrap_or_default())
    })
}

fn name(text: &str) -> WorkerName {
    text.parse().unwrap()
}

fn add(door: &Orchestrator, count: u32) -> Result<Answer> {
    let tasks = (0..count).map(|number| NewTask::titled(&format!("task {number}"))).collect();
    door.apply_one(Order::new(Actor::Human, Act::Add { tasks, plan: None }))
}

fn claim(worker: &str, nonce: u128) -> Order {
    Order::new(Actor::Worker, Act::Claim { worker: name(worker), only: None, nonce: Nonce(nonce.to_be_bytes()) })
}

fn complete(claim: Claim) -> Order {
    let command = Command::Complete { claim, started_at: None, checked: None, note: String::new() };
    Order::new(Actor::Worker, Act::Report { command, result: None, ran: None })
}

/// Holds the whole store against every rule.
fn audit(door: &Orchestrator) {
    let mut report = engine::audit::Report::default();
    engine::audit::strict(door.store().as_ref(), &mut report).unwrap();
    assert!(report.is_ok(), "{:?}", report.findings());
}

fn last_task(door: &Orchestrator) -> TaskId {
    TaskId(door.look(|snapshot| snapshot.last_task()).unwrap())
}
