//! What ganger decides, and nothing else: no clock, no file, no SQL, no async, no serde.
//! Every function here gives the same answer for the same arguments, so each rule can be tested in microseconds.
#![warn(clippy::wildcard_enum_match_arm)]

#[macro_use]
mod planted;
pub mod dependency;
pub mod event;
pub mod id;
pub mod lease;
pub mod lifecycle;
pub mod phase;
pub mod plan;
pub mod report;
pub mod retry;
pub mod schedule;
pub mod task;
pub mod text;
pub mod time;
pub mod worker;
