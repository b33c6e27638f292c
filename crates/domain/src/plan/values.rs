//! Single values: what a key takes, and the mistake that says so when it got something else.

use std::str::FromStr;
use std::time::Duration;

use super::mistake::{Mistakes, Span};
use super::path::check_path;
use super::tree::{Node, Value};
use crate::id::{BadId, WorkerName};
use crate::text::{self, BadText, escaped};
use crate::time::parse_duration;

/// The longest id that a task may have within a plan.
const ID_BYTES_MAX: usize = 64;

fn wrong(key: &str, takes: &str, node: &Node, found: &mut Mistakes<'_>) {
    let message = format!("'{key}' takes {takes}, found {}", node.value.what());
    if matches!(node.value, Value::Other("null")) {
        found.error_with(&node.span, message, "leave the key out");
    } else {
        found.error(&node.span, message);
    }
}

fn raw<'n>(key: &str, takes: &str, node: &'n Node, found: &mut Mistakes<'_>) -> Option<&'n str> {
    if let Value::Text(text) = &node.value {
        return Some(text);
    }
    wrong(key, takes, node, found);
    None
}

fn refused(key: &str, node: &Node, bad: &BadText, found: &mut Mistakes<'_>) {
    match bad {
        BadText::Empty => found.error(&node.span, format!("'{key}' is empty")),
        BadText::TooLong { .. } => found.error(&node.span, format!("'{key}' is too long: {bad}")),
        BadText::Control { found: control, .. } => {
            let span = found.span_of(*control, &node.span);
            found.error(&span, format!("'{key}' is refused: {bad}"));
        }
    }
}

/// One line.
pub(super) fn line(key: &str, node: &Node, found: &mut Mistakes<'_>) -> Option<String> {
    match text::title(raw(key, "one line of text", node, found)?) {
        Ok(line) if line.is_empty() => refused(key, node, &BadText::Empty, found),
        Ok(line) => return Some(line),
        Err(bad) => refused(key, node, &bad, found),
    }
    None
}

/// Any text; blank ones count as not given.
pub(super) fn long(key: &str, node: &Node, found: &mut Mistakes<'_>) -> Option<String> {
    match text::long(raw(key, "a text", node, found)?) {
        Ok(long) => Some(long.trim_end().to_owned()).filter(|long| !long.is_empty()),
        Err(bad) => {
            refused(key, node, &bad, found);
            None
        }
    }
}

/// A text that says something.
pub(super) fn filled(key: &str, node: &Node, found: &mut Mistakes<'_>) -> Option<String> {
    match text::long(raw(key, "a text", node, found)?) {
        Ok(long) if long.trim().is_empty() => refused(key, node, &BadText::Empty, found),
        Ok(long) => return Some(long.trim().to_owned()),
        Err(bad) => refused(key, node, &bad, found),
    }
    None
}

/// A whole number from 1.
pub(super) fn number(key: &str, number_max: u32, node: &Node, found: &mut Mistakes<'_>) -> Option<u32> {
    let takes = format!("a whole number from 1 to {number_max}");
    match &node.value {
        Value::Number(number) => match u32::try_from(*number) {
            Ok(number) if (1..=number_max).contains(&number) => return Some(number),
            Ok(_) | Err(_) => found.error(&node.span, format!("'{key}' takes {takes}, found {number}")),
        },
        Value::Text(text) => found.error(&node.span, format!("'{key}' takes {takes}, found the text '{}'", escaped(text, 40))),
        Value::List(_) | Value::Table(_) | Value::Task(_) | Value::Other(_) => wrong(key, &takes, node, found),
    }
    None
}

/// One of a few words, given as a function from the word, and the words for the mistake.
pub(super) fn choice<T>(key: &str, known: &[&str], read: impl Fn(&str) -> Option<T>, node: &Node, found: &mut Mistakes<'_>) -> Option<T> {
    let takes = format!("one of {}", known.join(", "));
    let text = raw(key, &takes, node, found)?;
    let chosen = read(text.trim());
    if chosen.is_none() {
        let message = format!("'{key}' takes {takes}, found '{}'", escaped(text, 40));
        found.unknown(&node.span, message, text, known.iter().copied(), None);
    }
    chosen
}

/// How long something takes; not zero.
pub(super) fn duration(key: &str, node: &Node, found: &mut Mistakes<'_>) -> Option<Duration> {
    if let Value::Number(number) = node.value {
        let message = format!("'{key}' takes a duration such as 90s, 15m or 2h, found {number} without a unit");
        found.error_with(&node.span, message, format!("write \"{number}s\" for seconds or \"{number}m\" for minutes"));
        return None;
    }
    match parse_duration(raw(key, "a duration such as 90s, 15m or 2h", node, found)?) {
        Ok(Duration::ZERO) => found.error(&node.span, format!("'{key}' must be longer than nothing")),
        Ok(span) => return Some(span),
        Err(message) => found.error(&node.span, format!("'{key}' is no duration: {message}")),
    }
    None
}

/// The values of a list; a single value counts as a list of one.
pub(super) fn list(node: &Node) -> &[Node] {
    match &node.value {
        Value::List(nodes) => nodes,
        Value::Text(_) | Value::Number(_) | Value::Table(_) | Value::Task(_) | Value::Other(_) => std::slice::from_ref(node),
    }
}

/// Several texts that say something.
pub(super) fn texts(key: &str, node: &Node, found: &mut Mistakes<'_>) -> Vec<String> {
    list(node).iter().filter_map(|node| filled(key, node, found)).collect()
}

/// A name of ours, read by its own rules.
pub(super) fn name<T: FromStr<Err = BadId>>(key: &str, node: &Node, found: &mut Mistakes<'_>) -> Option<T> {
    match raw(key, "a name", node, found)?.trim().parse() {
        Ok(name) => Some(name),
        Err(bad) => {
            found.error(&node.span, format!("'{key}' cannot {bad}"));
            None
        }
    }
}

/// Whether a word can be the id of a task within a plan.
pub(super) fn is_id(word: &str) -> bool {
    (1..=ID_BYTES_MAX).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

/// The id of a task within the plan.
pub(super) fn id(node: &Node, found: &mut Mistakes<'_>) -> Option<(String, Span)> {
    let text = raw("id", "a text", node, found)?.trim();
    if is_id(text) {
        return Some((text.to_owned(), node.span.clone()));
    }
    found.error(&node.span, format!("the id '{}' is not made of 1 to 64 letters, digits, '.', '_' and '-'", escaped(text, 40)));
    None
}

/// A file of the project.
pub(super) fn path(key: &str, node: &Node, found: &mut Mistakes<'_>) -> Option<(String, Span)> {
    let text = raw(key, "a path", node, found)?;
    match check_path(text) {
        Ok(()) => Some((text.to_owned(), node.span.clone())),
        Err(wrong) => {
            found.error(&node.span, wrong);
            None
        }
    }
}

/// An agent role: a name in the agents library, also as `@library/name.md`; `none` is no role.
pub(super) fn agent(node: &Node, found: &mut Mistakes<'_>) -> Option<Option<String>> {
    let given = line("agent", node, found)?;
    if given.eq_ignore_ascii_case("none") {
        return Some(None);
    }
    let role = match given.strip_prefix('@') {
        Some(path) => path.split_once('/').map_or(path, |(_, role)| role),
        None => &given,
    };
    let role = role.strip_suffix(".md").unwrap_or(role);
    match check_path(role) {
        Ok(()) => Some(Some(role.to_owned())),
        Err(_) => {
            found.error(
                &node.span,
                format!("'agent' takes the name of a role in the agents library, auto or none, found '{}'", escaped(&given, 80)),
            );
            None
        }
    }
}

/// The worker that a task waits for.
pub(super) fn worker(node: &Node, found: &mut Mistakes<'_>) -> Option<WorkerName> {
    name("assign", node, found)
}
