//! The exit codes that scripts rely on.

/// Done.
pub(crate) const DONE: u8 = 0;
/// Refused or failed.
pub(crate) const REFUSED: u8 = 1;
/// Usage or bad input.
pub(crate) const USAGE: u8 = 2;
/// The store cannot be reached or is damaged.
pub(crate) const STORE: u8 = 5;
