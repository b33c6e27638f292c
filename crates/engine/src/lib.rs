//! What ganger does: stores, processes, files, clocks, services. It knows nothing of terminals, HTTP or the command line.

#[macro_use]
mod planted;
pub mod bench;
pub mod clock;
pub mod error;
pub mod orchestrator;
pub mod random;
pub mod store;
