//! Real processes: races, kills at any moment, faults at any system call, workers and runs that die. The judge stands outside: it knows
//! what was acknowledged and looks at what is there.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods, reason = "tests")]

#[path = "processes/faults.rs"]
mod faults;
#[path = "processes/hosts.rs"]
mod hosts;
#[path = "processes/kills.rs"]
mod kills;
#[path = "processes/race.rs"]
mod race;
#[path = "processes/runs.rs"]
mod runs;
#[path = "processes/shop.rs"]
mod shop;
#[path = "processes/workers.rs"]
mod workers;
