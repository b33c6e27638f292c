//! A line of a Markdown list read as `key: value`, and how words that are spread over lines and marks become plain text.

use super::keys::TaskKey;
use super::markdown::Item;
use super::mistake::Span;
use super::nearest;

/// The longest name of a key that is looked for.
const KEY_BYTES_MAX: usize = 40;

/// An item that is written as a key and its value.
pub(super) struct KeyLine {
    /// The key in lower case, with `_` between words.
    pub(super) key: String,
    /// Where the key stands.
    pub(super) key_span: Span,
    /// Where its value stands.
    pub(super) value: Span,
    /// Whether it is meant as a key, also where there is no such one; else it may be a sentence such as `Note: …`.
    pub(super) is_certain: bool,
}

/// Reads an item as `key: value`; the key may stand in asterisks or backticks.
pub(super) fn key_line(text: &str, item: &Item) -> Option<KeyLine> {
    let raw = &text[item.text.clone()];
    let bare = raw.trim_start_matches(['*', '`']);
    let marks = &raw[..raw.len() - bare.len()];
    let colon = bare.bytes().take(KEY_BYTES_MAX).position(|byte| byte == b':')?;
    let name = bare[..colon].trim_end_matches(['*', '`', ' ']);
    let rest = &bare[colon + 1..];
    let rest = rest.strip_prefix(marks).filter(|_| name.len() == colon).unwrap_or(rest);
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphabetic() || matches!(c, '_' | '-' | ' '));
    if !is_name || !(rest.is_empty() || rest.starts_with([' ', '\t', '\n', '\r'])) {
        return None;
    }
    let key = name.to_ascii_lowercase().replace([' ', '-'], "_");
    let is_certain = TaskKey::from_word(&key).is_some() || nearest::synonym(&key).is_some() || key == name;
    let start = item.text.start + marks.len();
    Some(KeyLine { key, key_span: start..start + name.len(), value: item.text.end - rest.len()..item.text.end, is_certain })
}

/// Words that are spread over lines as one line.
pub(super) fn one_line(words: &str) -> String {
    let lines = words.lines().map(|line| line.trim_matches([' ', '\t'])).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join(" ")
}

/// A block as it stands in the text, without the indentation that its first line has.
pub(super) fn dedented(text: &str, span: &Span) -> String {
    let line_start = text[..span.start].rfind('\n').map_or(0, |end| end + 1);
    let indentation = text[line_start..span.start].chars().count();
    let mut words = String::with_capacity(span.len());
    for (number, line) in text[span.clone()].trim_end().lines().enumerate() {
        if number == 0 {
            words.push_str(line);
            continue;
        }
        let blanks = line.bytes().take(indentation).take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        words.push('\n');
        words.push_str(&line[blanks..]);
    }
    words
}

/// The inside of a text that is wholly in backticks; else the text.
pub(super) fn without_backticks(text: &str) -> &str {
    let text = text.trim_matches([' ', '\t']);
    let fence = &text[..text.len() - text.trim_start_matches('`').len()];
    let inside = text.get(fence.len()..).and_then(|rest| rest.strip_suffix(fence));
    match inside {
        Some(inside) if !fence.is_empty() && !inside.trim().is_empty() && !inside.contains(fence) => {
            inside.strip_prefix(' ').and_then(|inside| inside.strip_suffix(' ')).unwrap_or(inside)
        }
        Some(_) | None => text,
    }
}

/// The parts between commas that stand in no backticks.
pub(super) fn between_commas(text: &str) -> Vec<Span> {
    let (mut parts, mut start, mut is_code) = (Vec::new(), 0, false);
    for (at, byte) in text.bytes().enumerate() {
        if byte == b'`' {
            is_code = !is_code;
        } else if byte == b',' && !is_code {
            parts.push(start..at);
            start = at + 1;
        }
    }
    parts.push(start..text.len());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(raw: &str) -> Option<(String, String, bool)> {
        let item = Item { span: 0..raw.len(), ticked: None, code: None, text: 0..raw.len(), blocks: Vec::new() };
        key_line(raw, &item).map(|line| (line.key, raw[line.value].trim().to_owned(), line.is_certain))
    }

    #[test]
    fn a_key_is_told_from_a_sentence() {
        let some = |key: &str, value: &str, is_certain| Some((key.to_owned(), value.to_owned(), is_certain));
        assert_eq!(read("run: make -j"), some("run", "make -j", true));
        assert_eq!(read("Run: make -j"), some("run", "make -j", true));
        assert_eq!(read("**run**: make -j"), some("run", "make -j", true));
        assert_eq!(read("**Run:** make **-j**"), some("run", "make **-j**", true));
        assert_eq!(read("`run`: `make`"), some("run", "`make`", true));
        assert_eq!(read("accept:"), some("accept", "", true));
        assert_eq!(read("Depends on: a"), some("depends_on", "a", true));
        assert_eq!(read("todo: later"), some("todo", "later", true));
        assert_eq!(read("Note: mind the gap"), some("note", "mind the gap", false));
        for text in ["https://example.org", "a::b", "no key", "", ":", "12: x", "see `a: b`", "é: x"] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }

    #[test]
    fn backticks_around_everything_are_taken_off() {
        for (text, inside) in [
            ("`a b`", "a b"),
            ("`` a`b ``", "a`b"),
            ("`a` and `b`", "`a` and `b`"),
            ("plain", "plain"),
            ("``", "``"),
            ("`", "`"),
            ("", ""),
            ("` `", "` `"),
        ] {
            assert_eq!(without_backticks(text), inside, "{text:?}");
        }
    }

    #[test]
    fn commas_in_backticks_separate_nothing() {
        let text = "a, `b, c` ,d";
        let parts: Vec<&str> = between_commas(text).into_iter().map(|part| text[part].trim()).collect();
        assert_eq!(parts, ["a", "`b, c`", "d"]);
    }
}
