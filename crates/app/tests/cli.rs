//! The command line as its users meet it: the built binary in folders of its own, with a clean environment. What people see stands in
//! snapshots; what programs rely on (exit codes, shapes of JSON) is spelled out against the contract.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

#[path = "cli/briefs.rs"]
mod briefs;
#[path = "cli/codes.rs"]
mod codes;
#[path = "cli/desk.rs"]
mod desk;
#[path = "cli/follow.rs"]
mod follow;
#[path = "cli/foreign.rs"]
mod foreign;
#[path = "cli/help.rs"]
mod help;
#[path = "cli/look.rs"]
mod look;
#[path = "cli/next_step.rs"]
mod next_step;
#[path = "cli/settings.rs"]
mod settings;
#[path = "cli/shapes.rs"]
mod shapes;
