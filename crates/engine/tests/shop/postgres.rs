//! The shared store as a [`Bench`], on a server that this test process starts for itself and that ends with it.

use std::path::Path;

use super::*;
use engine::store::address::Address;
use engine::store::postgres::{PgAddress, PgStore, Time};
use engine::store::sqlite::{Missing, Use};

pub(crate) struct Postgres;

struct Schema {
    clock: Arc<ManualClock>,
    address: PgAddress,
}

impl Bench for Postgres {
    fn fresh(&self) -> Box<dyn Stand> {
        let url = testkit::postgres::fresh_address();
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
