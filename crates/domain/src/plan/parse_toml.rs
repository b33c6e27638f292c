//! TOML text → [`Tree`]. The parser stops at the first mistake of syntax; then the text is read again task by task, so that the others are found too.

use std::borrow::Cow;
use std::ops::ControlFlow;

use toml_edit::{Array, Document, InlineTable, Item, Table, TomlError};

use super::bounds;
use super::mistake::{Mistakes, Span};
use super::tree::{Entry, Node, Tree, Value};
use crate::text::escaped;

/// How many lines are left out of one piece, and how large a piece is read again for it.
const LINES_LEFT_OUT_MAX: usize = 5;
const READ_AGAIN_BYTES_MAX: usize = 64 * 1024;

/// Reads a text that [`bounds::check`] has let through.
pub(super) fn parse(text: &str, found: &mut Mistakes<'_>) -> Option<Tree> {
    let whole = match Document::parse(text) {
        Ok(document) => return Some(Tree { entries: entries_of(document.as_table(), 0), done: Vec::new(), partial: false }),
        Err(error) => error,
    };
    let mut entries: Vec<Entry> = Vec::new();
    let before = found.errors();
    for piece in pieces(text) {
        for entry in read_piece(text, &piece, found) {
            add(&mut entries, entry, found);
        }
    }
    if found.errors() == before {
        report(&whole, text, &(0..text.len()), found);
    }
    Some(Tree { entries, done: Vec::new(), partial: true })
}

/// Reads a piece; where single lines are wrong by themselves it is read without them, so that the mistakes in the others are found too.
fn read_piece(text: &str, piece: &Span, found: &mut Mistakes<'_>) -> Vec<Entry> {
    let mut body = Cow::Borrowed(&text[piece.clone()]);
    for _ in 0..LINES_LEFT_OUT_MAX {
        let error = match Document::parse(&*body) {
            Ok(document) => return entries_of(document.as_table(), piece.start),
            Err(error) => error,
        };
        report(&error, text, piece, found);
        let Some(line) = line_at_fault(&body, &error) else { return Vec::new() };
        let blank = " ".repeat(line.len());
        body.to_mut().replace_range(line, &blank);
    }
    Vec::new()
}

/// The line that an error is in, when nothing else can be at fault: it is wrong also when it stands alone, or gives a key again.
fn line_at_fault(body: &str, error: &TomlError) -> Option<Span> {
    let at = error.span().filter(|_| body.len() <= READ_AGAIN_BYTES_MAX)?.start.min(body.len());
    let start = body[..at].rfind('\n').map_or(0, |end| end + 1);
    let line = start..body[at..].find('\n').map_or(body.len(), |length| at + length);
    let words = body[line.clone()].trim();
    let is_own = error.message() == "duplicate key" || Document::parse(words).is_err();
    (is_own && !words.is_empty() && !words.starts_with('[')).then_some(line)
}

/// Adds a key that stands at the top of a piece to those of the pieces before.
fn add(entries: &mut Vec<Entry>, entry: Entry, found: &mut Mistakes<'_>) {
    match (entries.iter_mut().find(|before| before.key == entry.key), entry.node.value) {
        (None, value) => entries.push(Entry { node: Node { value, ..entry.node }, ..entry }),
        (Some(Entry { node: Node { value: Value::List(tasks), .. }, .. }), Value::List(more)) if entry.key == "task" => tasks.extend(more),
        (Some(_), _) => found.error(&entry.key_span, format!("the key '{}' is given twice", escaped(&entry.key, 40))),
    }
}

fn report(error: &TomlError, text: &str, piece: &Span, found: &mut Mistakes<'_>) {
    let span = shifted(&error.span().unwrap_or(0..0), piece.start);
    let word = text.get(span.clone()).unwrap_or_default();
    match error.message() {
        "duplicate key" => found.error(&span, format!("the key '{}' is given twice", escaped(word, 40))),
        // The parser sees the end of the text; a reader wants to know where it began.
        message if message.contains("multi-line") && span.start == piece.end => {
            let quote = last_quote(&text[piece.clone()]);
            found.error(&shifted(&(quote..quote + 3), piece.start), "not valid TOML: the text that begins here does not end");
        }
        message => found.error(&span, format!("not valid TOML: {}", escaped(message, 200))),
    }
}

/// Where the last string of a text begins.
fn last_quote(text: &str) -> usize {
    let mut last = 0;
    bounds::outside_toml_strings(text, |at, byte| {
        if matches!(byte, b'"' | b'\'') {
            last = at;
        }
        ControlFlow::Continue(())
    });
    last
}

/// The text cut before each `[[task]]` and `[defaults]`: what stands between is read on its own.
fn pieces(text: &str) -> Vec<Span> {
    let mut cuts = vec![0];
    let mut line_is_blank = true;
    bounds::outside_toml_strings(text, |at, byte| {
        if byte == b'[' && line_is_blank && (text[at..].starts_with("[[task]]") || text[at..].starts_with("[defaults]")) {
            cuts.push(at);
        }
        line_is_blank = byte == b'\n' || (line_is_blank && matches!(byte, b' ' | b'\t'));
        ControlFlow::Continue(())
    });
    cuts.push(text.len());
    cuts.windows(2).map(|pair| pair[0]..pair[1]).filter(|piece| !piece.is_empty()).collect()
}

fn entry(key: &str, key_span: Option<Span>, node: Node, base: usize) -> Entry {
    let key_span = key_span.map_or_else(|| node.span.clone(), |span| shifted(&span, base));
    Entry { key: key.to_owned(), key_span, node }
}

fn shifted(span: &Span, base: usize) -> Span {
    span.start + base..span.end + base
}

fn of_item(item: &Item, base: usize) -> Node {
    let span = shifted(&item.span().unwrap_or(0..0), base);
    let value = match item {
        Item::None => Value::Other("nothing"),
        Item::Value(value) => return of_value(value, base),
        Item::Table(table) => Value::Table(entries_of(table, base)),
        Item::ArrayOfTables(tables) => Value::List(
            tables
                .iter()
                .map(|table| Node { span: shifted(&table.span().unwrap_or(0..0), base), value: Value::Table(entries_of(table, base)) })
                .collect(),
        ),
    };
    Node { span, value }
}

fn entries_of(table: &Table, base: usize) -> Vec<Entry> {
    table.iter().map(|(key, item)| entry(key, table.key(key).and_then(toml_edit::Key::span), of_item(item, base), base)).collect()
}

fn of_inline_table(table: &InlineTable, base: usize) -> Vec<Entry> {
    table.iter().map(|(key, value)| entry(key, table.key(key).and_then(toml_edit::Key::span), of_value(value, base), base)).collect()
}

fn of_array(array: &Array, base: usize) -> Vec<Node> {
    array.iter().map(|value| of_value(value, base)).collect()
}

fn of_value(value: &toml_edit::Value, base: usize) -> Node {
    let span = shifted(&value.span().unwrap_or(0..0), base);
    let value = match value {
        toml_edit::Value::String(text) => Value::Text(text.value().clone()),
        toml_edit::Value::Integer(number) => Value::Number(*number.value()),
        toml_edit::Value::Float(_) => Value::Other("a fraction"),
        toml_edit::Value::Boolean(flag) => Value::Other(if *flag.value() { "true" } else { "false" }),
        toml_edit::Value::Datetime(_) => Value::Other("a date"),
        toml_edit::Value::Array(array) => Value::List(of_array(array, base)),
        toml_edit::Value::InlineTable(table) => Value::Table(of_inline_table(table, base)),
    };
    Node { span, value }
}
