//! The runtime files: what people find in them, that foreign text forges nothing in them, and that they are left alone when nothing changed.
#![expect(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "tests")]

mod bounds;
mod content;
mod hostile;
mod site;
mod stillness;
