//! What ganger does: stores, processes, files, clocks, services. It knows nothing of terminals, HTTP or the command line.

#[macro_use]
mod planted;
pub mod audit;
pub mod bench;
pub mod brief;
pub mod clock;
pub mod config;
pub mod error;
pub mod files;
pub mod orchestrator;
pub mod planning;
pub mod project;
pub mod random;
pub mod repair;
pub mod services;
pub mod store;
pub mod transfer;
pub mod tree;
pub mod worker;
