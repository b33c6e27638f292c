//! A store in which everything has happened that can happen to a task, in a folder of its own, for tests that damage, repair, carry and check.

use super::shop::{self, Bench, Shop, Stand, wish};
use std::path::PathBuf;
use std::sync::Arc;

use domain::event::Actor;
use domain::id::{RequestId, TaskId};
use domain::lifecycle::Command;
use domain::task::{BlockReason, Blocked, FailReason, NewTask, TaskResult};
use engine::audit::{self, Report};
use engine::clock::ManualClock;
use engine::error::Result;
use engine::orchestrator::{Act, Orchestrator, Order, Patch, Ran, Settings, WorkerAct};
use engine::store::Store;
use engine::store::sqlite::{Missing, SqliteStore, Use};
use shop::wish::Wish;

/// A folder for one store, and the clock that its handles read.
pub(crate) struct Scene {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) clock: Arc<ManualClock>,
}

/// A new folder, in memory where there is such a place: what is tested here is what is in files, not whether it outlives the machine.
pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// The store of a scene, as the shop wants it.
struct Here(PathBuf, Arc<ManualClock>);

impl Stand for Here {
    fn open(&self) -> Arc<dyn Store> {
        let clock = Arc::clone(&self.1);
        Arc::new(SqliteStore::open(&self.0, Use::OneShot, Missing::Make, clock).unwrap())
    }

    fn clock(&self) -> &ManualClock {
        &self.1
    }

    fn leases_end_with_the_boot(&self) -> bool {
        true
    }

    fn wakes_at_once(&self) -> bool {
        true
    }
}

impl Bench for Scene {
    fn fresh(&self) -> Box<dyn Stand> {
        Box::new(Here(self.path(), Arc::clone(&self.clock)))
    }
}

impl Scene {
    pub(crate) fn empty() -> Self {
        Self { folder: folder(), clock: Arc::new(ManualClock::new()) }
    }

    /// A scene in which everything has happened; nobody has its store open.
    pub(crate) fn played() -> Self {
        let scene = Self::empty();
        scene.play();
        scene
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("ganger.db")
    }

    pub(crate) fn try_open(&self) -> Result<SqliteStore> {
        let clock: Arc<ManualClock> = Arc::clone(&self.clock);
        SqliteStore::open(&self.path(), Use::OneShot, Missing::Refuse, clock)
    }

    pub(crate) fn shop(&self) -> Shop {
        Shop::fresh(self, Settings::default())
    }

    pub(crate) fn door(&self) -> Orchestrator {
        Orchestrator::new(Arc::new(self.try_open().unwrap()), Settings::default())
    }

    /// What the strict check finds.
    pub(crate) fn audit(&self) -> Report {
        let mut report = Report::default();
        audit::strict(&self.try_open().unwrap(), &mut report).unwrap();
        report
    }

    /// Changes the file behind the store's back.
    pub(crate) fn meddle(&self, sql: &str) {
        let connection = rusqlite::Connection::open(self.path()).unwrap();
        connection
            .execute_batch("PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF; PRAGMA recursive_triggers = OFF")
            .unwrap();
        connection.execute_batch("DROP TRIGGER IF EXISTS events_stay; DROP TRIGGER IF EXISTS events_remain").unwrap();
        connection.execute_batch(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        for (name, what) in [("events_stay", "UPDATE"), ("events_remain", "DELETE")] {
            let trigger =
                format!("CREATE TRIGGER {name} BEFORE {what} ON events BEGIN SELECT RAISE (ABORT, 'events are append-only'); END");
            // Where the statement has broken the schema, it stays broken.
            let _ = connection.execute_batch(&trigger);
        }
    }

    /// Copies the log into the file, so that the file is all there is.
    pub(crate) fn settle(&self) {
        let connection = rusqlite::Connection::open(self.path()).unwrap();
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        drop(connection);
        for ending in ["ganger.db-wal", "ganger.db-shm"] {
            let path = self.folder.path().join(ending);
            if path.exists() {
                std::fs::remove_file(path).unwrap();
            }
        }
    }

    fn play(&self) {
        let shop = self.shop();
        let features: Vec<NewTask> = (0..16)
            .map(|number| {
                let task =
                    wish::feature(&format!("Build part {number} of the thing")).phase(1 + number / 8).runs(&format!("make part-{number}"));
                let task = NewTask {
                    spec: domain::task::Spec { description: format!("Part {number}, é \u{2028} and all.\n\tMore."), ..task.spec },
                    ..task
                };
                if number % 8 > 2 { task.after(number as usize - 1).after(number as usize - 3) } else { task }
            })
            .collect();
        let mut plan = wish::plan("The thing");
        plan.options = r#"{"fallback":"wait","isolation":"none"}"#.to_owned();
        let tasks = super::shop::added(&shop.try_add(wish::tested(features), Some(plan)).unwrap());
        shop.join("amp", "backend,db");
        shop.join_as(wish::process("sid", ""));
        // The first phase: some done, some failed, one repaired, one given up, one that waits for an answer.
        for _ in 0..3 {
            let claim = shop.claim("amp");
            shop.pass(3);
            let result = TaskResult {
                note: "done".to_owned(),
                files: vec!["src/a.rs".to_owned()],
                output: Some("log/a.log".to_owned()),
                cost_usd: Some(0.12),
                tokens: Some((10, 20)),
            };
            let act = Act::Report {
                command: wish::complete(claim),
                result: Some(result),
                ran: Some(Ran { key: i64::from(claim.task.0) * 7, ms: 3_000 }),
            };
            shop.worker(act).unwrap();
        }
        let claim = shop.claim("sid");
        shop.heartbeat(claim);
        shop.fail(claim, FailReason::Infrastructure);
        shop.pass(400);
        shop.release(shop.claim("sid"));
        shop.complete(shop.claim("amp"));
        shop.complete(shop.claim("amp"));
        let claim = shop.claim("sid");
        shop.pass(200);
        assert_eq!(shop.sweep(), 1, "{claim}");
        shop.drain("sid");
        // Single tasks: what ends in every way.
        let single = shop.add(wish::features(12));
        shop.add(vec![
            wish::feature("After two").after_task(single[0]).after_task(single[1]).needs("db"),
            wish::feature("For amp").assigned("amp"),
        ]);
        for _ in 0..3 {
            let claim = shop.claim_task("amp", single[0]);
            shop.fail(claim, FailReason::Reported);
        }
        let claim = shop.claim_task("amp", single[1]);
        shop.worker(wish::report(Command::Block {
            claim,
            blocked: Blocked { reason: BlockReason::Dependency, note: "needs the other".to_owned(), on: Some(single[2]) },
        }))
        .unwrap();
        shop.cancel(single[3]);
        shop.cancel(single[4]);
        shop.retry(single[4]);
        shop.edit(single[5], Patch { title: Some("Another title".to_owned()), after: vec![single[6]], ..Patch::default() }).unwrap();
        shop.block(shop.claim_task("amp", single[6]));
        shop.unblock(single[6]);
        shop.human(Act::Say { from: "me".to_owned(), text: "hello".to_owned(), task: Some(single[7]) }).unwrap();
        shop.human(Act::Say { from: "me".to_owned(), text: "all".to_owned(), task: None }).unwrap();
        shop.human(Act::Cycles(2)).unwrap();
        // A test that fails once, with its fix, and another plan in which nothing has begun.
        for test in tasks.iter().skip(16) {
            if shop.is_ready(*test) {
                shop.fail(shop.claim_task("amp", *test), FailReason::Check);
                break;
            }
        }
        shop.import(
            "Later",
            wish::tested(vec![wish::feature("One"), wish::feature("Two").after(0).phase(2), wish::feature("Three").after(3)]),
        );
        shop.must_change_worker("sid", WorkerAct::Pause);
        shop.must_change_worker("amp", WorkerAct::Seen);
        shop.join("gone", "");
        shop.must_change_worker("gone", WorkerAct::Remove);
        // Two claims are open when the curtain falls, one of them made by a request that may be repeated.
        shop.claim_task("amp", single[8]);
        let claim = Act::Claim { worker: shop::worker("pi"), only: Some(single[9]), nonce: shop.nonce() };
        shop.door.apply_one(Order::new(Actor::Worker, claim).repeatable(request("claim-of-pi"))).unwrap();
        shop.human(Act::Add { tasks: wish::features(1), plan: None }).unwrap();
        shop.door
            .apply_one(Order::new(Actor::Human, Act::Add { tasks: wish::features(1), plan: None }).repeatable(request("added")))
            .unwrap();
        shop.audit();
    }
}

pub(crate) fn request(id: &str) -> RequestId {
    id.parse().unwrap()
}

/// The codes of what a report has found, without doubles.
pub(crate) fn codes(report: &Report) -> Vec<&'static str> {
    let mut codes: Vec<&'static str> = report.findings().iter().map(|finding| finding.code).collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}

/// The task with this title.
pub(crate) fn titled(door: &Orchestrator, title: &str) -> TaskId {
    let mut found = None;
    door.list(&engine::store::Filter::default(), |view| {
        if view.full.spec.title == title {
            found = Some(view.full.task.id);
        }
        Ok(true)
    })
    .unwrap();
    found.unwrap()
}
