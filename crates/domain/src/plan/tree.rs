//! What all three forms of a plan are turned into before it is checked: keys and values with their places, and no meaning yet.

use super::mistake::Span;

/// A plan as it is written.
pub(super) struct Tree {
    /// The keys at the top, in the order of the text; a key may stand there twice.
    pub(super) entries: Vec<Entry>,
    /// The ids of tasks that are done already, with their place: they are no tasks, and nothing waits for them.
    pub(super) done: Vec<(String, Span)>,
    /// Whether parts could not be read, so that what seems to be missing may be there.
    pub(super) partial: bool,
}

/// A key and its value.
pub(super) struct Entry {
    /// The key.
    pub(super) key: String,
    /// Where the key stands.
    pub(super) key_span: Span,
    /// What it is set to.
    pub(super) node: Node,
}

/// A value and its place.
pub(super) struct Node {
    /// Where it stands.
    pub(super) span: Span,
    /// What it is.
    pub(super) value: Value,
}

/// A value.
pub(super) enum Value {
    /// A text.
    Text(String),
    /// A whole number.
    Number(i64),
    /// Several values.
    List(Vec<Node>),
    /// Keys with values.
    Table(Vec<Entry>),
    /// A task of this plan by its place among the tasks, where it has no name.
    Task(usize),
    /// Something that no key takes, in words.
    Other(&'static str),
}

impl Value {
    /// What it is, in words.
    pub(super) fn what(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Number(_) => "a number",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
            Self::Task(_) => "a task",
            Self::Other(what) => what,
        }
    }
}
