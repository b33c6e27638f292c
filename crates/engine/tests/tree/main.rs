//! Guardians and their trees as the loop sees them, with real processes: nothing of a tree is ever left (G19, A38, A39).
//!
//! The guardian is this test binary itself, run with the one test `guardian_entry`; so are the helpers that get killed.
#![expect(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests")]

mod deaths;
mod ends;
mod runs;
mod stage;

use std::process::ExitCode;

use engine::tree::{self, Word};

/// Serves as a guardian when it was started as one.
#[test]
fn guardian_entry() -> ExitCode {
    match std::env::var_os("GANGER_GUARDIAN") {
        Some(_) => tree::serve_stdin(),
        None => ExitCode::SUCCESS,
    }
}

/// A loop in a process of its own, to be killed: begins one order, says who its guardian and its leader are, and waits.
#[test]
fn loop_entry() {
    let Ok(order) = std::env::var("GANGER_TEST_ORDER") else { return };
    let mark = std::env::var("GANGER_TEST_MARK").unwrap();
    let mut guardian = stage::start(&mark);
    if order.is_empty() {
        println!("\nguardian {} leader 0", guardian.pid());
    } else {
        guardian.begin(&serde_json::from_str(&order).unwrap()).unwrap();
        let Some(Word::Started { pid }) = guardian.hear(None).unwrap() else { panic!("not started") };
        println!("\nguardian {} leader {pid}", guardian.pid());
    }
    guardian.hear(None).unwrap();
}

/// Ends leftovers from inside of the tree they belong to.
#[test]
fn sweep_entry() {
    let Ok(mark) = std::env::var("GANGER_TEST_SWEEP") else { return };
    let swept = tree::end_leftovers(&mark).unwrap();
    println!("\nswept {} left {}", swept.ended.len(), swept.left.len());
}
