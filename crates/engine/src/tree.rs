//! The process tree of one agent or command, and the two processes that see to it that nothing of it is left (G19).
//!
//! A worker's *loop* has the store and starts a small *guardian* that has none. The guardian starts what it is ordered
//! to, pumps the output into a bounded file, keeps the limits, and ends the whole tree; whichever of the two dies, the
//! other ends the tree. Tasks, claims and checks are not known here.

mod command;
mod family;
mod frame;
mod guardian;
mod leftover;
mod mark;
mod order;
mod phase;
pub(crate) mod program;
mod serve;
mod spool;
mod wait;

// The one place that chooses a platform's room. On Linux the other one is built for the tests too.
#[cfg(target_os = "linux")]
mod linux;
#[cfg(any(not(target_os = "linux"), test))]
mod posix;
#[cfg(target_os = "linux")]
use linux as room;
#[cfg(not(target_os = "linux"))]
use posix as room;

pub use guardian::Guardian;
pub use leftover::{Leftover, Swept, end_leftovers, leftovers};
pub use mark::MARK_VARIABLE;
pub use order::{Ended, How, Obstacle, Order, Why, Word};
pub use serve::{serve, serve_stdin};
