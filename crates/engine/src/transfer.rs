//! Carrying a project from one store to another: JSON Lines of everything, with ids and events as they are. The first line says what it is, the
//! last one counts what stands between and proves it by a hash. Claims are not carried: what was held is pending there, and said so.

pub mod export;
pub mod import;
mod line;
pub(crate) mod restore;

use std::collections::BTreeMap;

/// The version of the format.
pub const VERSION: u32 = 1;
/// The longest line that is read or written: far more than the largest plan may hold.
pub const LINE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// What was carried.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// How many of each kind.
    pub counts: BTreeMap<String, u64>,
    /// SHA-256 over all lines but the last, in hexadecimal.
    pub sha256: String,
    /// How many claims were put back.
    pub put_back: u64,
}
