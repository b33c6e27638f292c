//! Where something stands, for people: line and column of an offset, the byte order mark, and which format a text looks like.

use super::Format;

/// The line beginnings of a text, for many questions about the same one.
#[derive(Debug, Clone)]
pub struct Lines {
    starts: Vec<usize>,
}

impl Lines {
    /// Finds the lines of a text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let after = text.bytes().enumerate().filter(|&(_, byte)| byte == b'\n').map(|(offset, _)| offset + 1);
        Self { starts: std::iter::once(0).chain(after).collect() }
    }

    /// Line and column, both from 1, the column in characters; `text` is the one that the lines were made of.
    /// An offset within a character counts as its beginning, one beyond the end as the end.
    #[must_use]
    pub fn at(&self, text: &str, offset: usize) -> (usize, usize) {
        let offset = text.floor_char_boundary(offset.min(text.len()));
        let line = self.starts.partition_point(|&start| start <= offset);
        let start = self.starts.get(line.saturating_sub(1)).copied().unwrap_or(0);
        (line, column(text, start, offset))
    }
}

/// Line and column of an offset, as [`Lines::at`] gives them.
#[must_use]
pub fn line_column(text: &str, offset: usize) -> (usize, usize) {
    let offset = text.floor_char_boundary(offset.min(text.len()));
    let before = &text[..offset];
    let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |end| end + 1);
    (line, column(text, start, offset))
}

fn column(text: &str, start: usize, offset: usize) -> usize {
    let start = if start == 0 { without_bom(text).0.min(offset) } else { start };
    text.get(start..offset).map_or(0, |before| before.chars().count()) + 1
}

/// How many bytes the byte order mark takes, and the text behind it.
pub(super) fn without_bom(text: &str) -> (usize, &str) {
    match text.strip_prefix('\u{feff}') {
        Some(rest) => (text.len() - rest.len(), rest),
        None => (0, text),
    }
}

/// The format of a plan: by the name's extension, else by looking at the text.
#[must_use]
pub fn guess_format(file_name: Option<&str>, text: &str) -> Format {
    let extension = file_name.and_then(|name| name.rsplit_once('.')).map(|(_, extension)| extension.to_ascii_lowercase());
    match extension.as_deref() {
        Some("toml") => Format::Toml,
        Some("json") => Format::Json,
        Some("md" | "markdown") => Format::Markdown,
        Some(_) | None => by_looking(without_bom(text).1),
    }
}

fn by_looking(text: &str) -> Format {
    let begins_like_json = match text.trim_start().strip_prefix('[') {
        Some(rest) => rest.trim_start().starts_with(['{', '"']),
        None => text.trim_start().starts_with('{'),
    };
    if begins_like_json {
        return Format::Json;
    }
    // A line that begins with '#' is a comment in one and a heading in the other: the first line that is neither tells.
    let telling = text.lines().take(1_000).map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    match telling {
        Some(line) if is_toml(line) => Format::Toml,
        Some(_) => Format::Markdown,
        None if text.contains('#') => Format::Markdown,
        None => Format::Toml,
    }
}

fn is_toml(line: &str) -> bool {
    let header = line.starts_with('[') && line.trim_end_matches(|c: char| c != ']').ends_with(']') && !line.contains("](");
    let key = line.split_once('=').is_some_and(|(key, _)| {
        let key = key.trim().trim_matches(['"', '\'']);
        !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
    });
    header || key
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_and_columns_are_counted_from_one_in_characters() {
        let text = "ab\nçé x\n\nend";
        for (offset, place) in [(0, (1, 1)), (2, (1, 3)), (3, (2, 1)), (7, (2, 3)), (8, (2, 4)), (10, (3, 1)), (11, (4, 1)), (99, (4, 4))] {
            assert_eq!(line_column(text, offset), place, "{offset}");
        }
        assert_eq!(line_column("\u{feff}ab", 3), (1, 1), "a byte order mark has no column");
        assert_eq!(line_column("\u{feff}ab", 4), (1, 2));
        assert_eq!(line_column("", 0), (1, 1));
    }

    #[test]
    fn a_format_is_told_by_name_and_else_by_looking() {
        for (name, text, format) in [
            (Some("plan.toml"), "{}", Format::Toml),
            (Some("a.b.JSON"), "", Format::Json),
            (Some("TODO.md"), "{}", Format::Markdown),
            (Some("todo.markdown"), "", Format::Markdown),
            (None, " \n{\"title\": \"x\"}", Format::Json),
            (None, "[ {\"title\": \"x\"} ]", Format::Json),
            (Some("plan"), "# a comment\n\ntitle = \"x\"\n", Format::Toml),
            (None, "[[task]] # one\n", Format::Toml),
            (None, "# Title\n\nWhat for.\n\n- [ ] x\n", Format::Markdown),
            (None, "# Title\n", Format::Markdown),
            (None, "[a link](x)\n", Format::Markdown),
            (None, "- [ ] run = x\n", Format::Markdown),
            (None, "\u{feff}title = 'x'", Format::Toml),
            (Some("plan.txt"), "", Format::Toml),
        ] {
            assert_eq!(guess_format(name, text), format, "{name:?} {text:?}");
        }
    }

    proptest! {
        #[test]
        fn both_ways_to_count_agree(text in "(\\PC|\n|\u{feff}){0,40}", offset in 0usize..100) {
            prop_assert_eq!(Lines::new(&text).at(&text, offset), line_column(&text, offset));
            let _ = guess_format(None, &text);
        }
    }
}
