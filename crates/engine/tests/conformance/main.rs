//! One suite on the orchestrator's door for every store (G26): a case knows a [`shop::Shop`], never what kind of store is behind it.
//! After each case the books are audited. A new store is one more line in `cases!`.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "../shop/mod.rs"]
mod shop;

/// Runs these functions of the module on each store.
macro_rules! cases {
    ($($case:ident,)*) => {
        mod sqlite {
            $(#[test] fn $case() { crate::shop::run(&crate::shop::sqlite::Sqlite, super::$case); })*
        }
        mod postgres {
            $(#[test] fn $case() { crate::shop::run(&crate::shop::postgres::Postgres, super::$case); })*
        }
    };
}

mod adding;
mod batches;
mod capabilities;
mod claiming;
mod clocks;
mod commits;
mod editing;
mod fallback;
mod graph;
mod journal;
mod leases;
mod phases;
mod plans;
mod releasing;
mod requests;
mod roster;
mod stale;
mod tests_and_fixes;
mod unknown;
mod wakeups;
