//! The shared store as a [`Bench`], on a server that this test process starts for itself and that ends with it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use super::*;
use engine::store::address::Address;
use engine::store::postgres::{PgAddress, PgStore, Time};
use engine::store::sqlite::{Missing, Use};

pub(crate) struct Postgres;

/// A server, which ends when its standard input does: with this process, however that goes.
struct Server {
    url: String,
    _process: Child,
}

fn server() -> &'static str {
    static SERVER: OnceLock<Server> = OnceLock::new();
    let started = || {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/postgres");
        let folder = std::env::temp_dir().join(format!("ganger-pg-{}", std::process::id()));
        let mut process =
            Command::new(script).arg("--fast").arg(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("scripts/postgres");
        let mut url = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut url).unwrap();
        assert!(url.starts_with("postgres://"), "scripts/postgres started no server: is PostgreSQL installed? scripts/test does that");
        Server { url: url.trim().to_owned(), _process: process }
    };
    &SERVER.get_or_init(started).url
}

struct Schema {
    clock: Arc<ManualClock>,
    address: PgAddress,
}

impl Bench for Postgres {
    fn fresh(&self) -> Box<dyn Stand> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let url = format!("{}?schema=shop_{}_{number}", server(), std::process::id());
        let Ok(Address::Postgres(address)) = Address::parse(&url, Path::new("/")) else { panic!("{url}") };
        Box::new(Schema { clock: Arc::new(ManualClock::new()), address })
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        // The server goes with this process; what is left until then only costs it time.
        let _ = engine::store::postgres::remove(&self.address);
    }
}

impl Stand for Schema {
    fn open(&self) -> Arc<dyn Store> {
        let clock = Arc::clone(&self.clock);
        Arc::new(PgStore::open(&self.address, Use::Resident, Missing::Make, Time::Given(clock)).unwrap())
    }

    fn clock(&self) -> &ManualClock {
        &self.clock
    }

    fn leases_end_with_the_boot(&self) -> bool {
        false
    }

    fn wakes_at_once(&self) -> bool {
        false
    }
}
