//! The graph of tasks as Mermaid. A label is made of letters, digits and what Mermaid reads as nothing else; everything else is written
//! as the number of its character, so that no title can end a label, open a directive or close the block of code around it.

use std::fmt::Write;

use domain::id::TaskId;
use domain::task::{Kind, Status};
use domain::text::escaped;

/// How many tasks a drawing shows.
pub const NODES_MAX: usize = 200;
/// How many edges: Mermaid itself refuses more than 500.
pub const EDGES_MAX: usize = 480;
/// How long it may get: Mermaid itself refuses more than 50,000 characters.
const BYTES_MAX: usize = 45_000;
/// How much of a title is shown.
const LABEL_CHARS_MAX: usize = 48;

/// A task of a drawing.
#[derive(Debug, Clone, Copy)]
pub struct Node<'n> {
    /// Its id.
    pub id: TaskId,
    /// Its title.
    pub title: &'n str,
    /// What it is for.
    pub kind: Kind,
    /// How it stands.
    pub status: Status,
    /// What it depends on.
    pub after: &'n [TaskId],
    /// The feature that a fix mends.
    pub mends: Option<TaskId>,
}

/// A drawing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drawing {
    /// The text between the fences, with a line end.
    pub text: String,
    /// How many tasks are not in it.
    pub nodes_more: u32,
    /// How many edges between tasks that are in it are not.
    pub edges_more: u32,
}

/// Draws the first tasks that there is room for.
#[must_use]
pub fn draw(nodes: &[Node<'_>]) -> Drawing {
    let mut text = String::from("graph TD\n");
    let mut shown = std::collections::HashSet::new();
    for node in nodes.iter().take(NODES_MAX) {
        let label = label(&format!("{} {}", node.id, node.title));
        let (open, close) = match node.kind {
            Kind::Feature => ("[", "]"),
            Kind::Test => ("(", ")"),
            Kind::Fix => ("([", "])"),
        };
        let line = format!("  T{}{open}\"{label}\"{close}:::{}\n", node.id.0, class(node.status));
        if text.len() + line.len() > BYTES_MAX / 2 && shown.len() > 50 {
            break;
        }
        text.push_str(&line);
        shown.insert(node.id);
    }
    let (mut edges, mut edges_more) = (0, 0);
    for node in nodes.iter().filter(|node| shown.contains(&node.id)) {
        let mends = node.mends.iter().filter(|feature| !node.after.contains(feature));
        for on in node.after.iter().chain(mends).filter(|on| shown.contains(on)) {
            if edges == EDGES_MAX || text.len() > BYTES_MAX {
                edges_more += 1;
                continue;
            }
            edges += 1;
            let _ = writeln!(text, "  T{} --> T{}", on.0, node.id.0);
        }
    }
    text.push_str(CLASSES);
    Drawing { text, nodes_more: u32::try_from(nodes.len() - shown.len()).unwrap_or(u32::MAX), edges_more }
}

const CLASSES: &str = "  classDef pending fill:#eee,stroke:#888,color:#000
  classDef running fill:#cfe2ff,stroke:#27c,color:#000
  classDef completed fill:#d3f0d3,stroke:#284,color:#000
  classDef blocked fill:#ffe9b3,stroke:#a70,color:#000
  classDef failed fill:#f8c9c9,stroke:#b22,color:#000
  classDef cancelled fill:#fff,stroke:#aaa,color:#777,stroke-dasharray:4
";

fn class(status: Status) -> &'static str {
    match status {
        Status::Pending => "pending",
        Status::InProgress => "running",
        Status::Completed => "completed",
        Status::Blocked => "blocked",
        Status::Failed => "failed",
        Status::Cancelled => "cancelled",
    }
}

/// A foreign text as the label of a node, to stand between quotation marks.
#[must_use]
pub fn label(text: &str) -> String {
    let mut out = String::new();
    for c in escaped(text.trim(), LABEL_CHARS_MAX).chars() {
        match c {
            ' ' | '.' | ',' | ':' | '-' | '/' | '+' | '=' | '(' | ')' | '\'' => out.push(c),
            _ if c.is_alphanumeric() || !c.is_ascii() => out.push(c),
            _ => {
                let _ = write!(out, "#{};", u32::from(c));
            }
        }
    }
    out
}
