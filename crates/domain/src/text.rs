//! Which texts are let in, and how a foreign text is shown on one line.
//! Titles are one trimmed line; long fields also take LF. TAB, bidi and zero-width characters are kept as they are and only *shown* escaped.

use std::fmt;

/// The most bytes that a title may have.
pub const TITLE_BYTES_MAX: usize = 1_000;
/// The most bytes that any long text of a task may have (G24).
pub const TEXT_BYTES_MAX: usize = 256 * 1024;

/// Why a text is refused; names the character and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadText {
    /// Nothing but white space.
    Empty,
    /// Longer than the limit, both in bytes.
    TooLong {
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        bytes_max: usize,
    },
    /// A control character that no text may hold.
    Control {
        /// The character.
        found: char,
        /// Its offset in bytes from the beginning of the text.
        offset: usize,
        /// Its line, from 1.
        line: usize,
        /// Its column in characters, from 1.
        column: usize,
    },
}

impl fmt::Display for BadText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("it is empty"),
            Self::TooLong { bytes, bytes_max } => write!(f, "it has {bytes} bytes, {bytes_max} are allowed"),
            Self::Control { found, line, column, .. } => {
                write!(f, "it holds the control character U+{:04X} at line {line}, column {column}", u32::from(*found))
            }
        }
    }
}

impl std::error::Error for BadText {}

/// Reads a title: trims it, refuses line breaks and control characters other than TAB.
///
/// # Errors
/// [`BadText`], with the position in the text as it was given.
pub fn title(text: &str) -> Result<String, BadText> {
    check(text, TITLE_BYTES_MAX, |c| c == '\t')?;
    let trimmed = text.trim();
    if trimmed.is_empty() { Err(BadText::Empty) } else { Ok(trimmed.to_owned()) }
}

/// Reads a long text: CRLF becomes LF; control characters other than TAB and LF are refused.
///
/// # Errors
/// [`BadText`], with the position.
pub fn long(text: &str) -> Result<String, BadText> {
    let unified = if text.contains("\r\n") { text.replace("\r\n", "\n") } else { text.to_owned() };
    check(&unified, TEXT_BYTES_MAX, |c| c == '\t' || c == '\n')?;
    Ok(unified)
}

fn check(text: &str, bytes_max: usize, allowed: impl Fn(char) -> bool) -> Result<(), BadText> {
    if text.len() > bytes_max {
        return Err(BadText::TooLong { bytes: text.len(), bytes_max });
    }
    let (mut line, mut column) = (1, 1);
    for (offset, found) in text.char_indices() {
        if found.is_control() && !allowed(found) {
            return Err(BadText::Control { found, offset, line, column });
        }
        if found == '\n' {
            line += 1;
            column = 1;
        } else {
            column += 1;
        }
    }
    Ok(())
}

/// Whether a character could change what a reader or a terminal makes of the line: controls, bidi marks and overrides, zero-width characters, line separators.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A foreign text made safe for one line of a terminal: hidden characters become `\u{…}`, and it is cut after `chars_max` characters.
#[must_use]
pub fn escaped(text: &str, chars_max: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(chars_max * 4));
    for (count, c) in text.chars().enumerate() {
        if count == chars_max {
            shown.push('…');
            break;
        }
        push_escaped(&mut shown, c);
    }
    shown
}

/// The same for text of several lines: LF stays.
#[must_use]
pub fn escaped_lines(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '\n' { shown.push(c) } else { push_escaped(&mut shown, c) }
    }
    shown
}

/// A number of things in words: `1 task`, `2 tasks`, `0 dependencies`. `one` is the word for one of them.
#[must_use]
pub fn counted(count: impl Into<u64>, one: &str) -> String {
    let count = count.into();
    match one.strip_suffix('y') {
        _ if count == 1 => format!("1 {one}"),
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{count} {stem}ies"),
        _ => format!("{count} {one}s"),
    }
}

/// The same for a word that is known in the plural only, such as the name of a table.
#[must_use]
pub fn counted_of(count: u64, many: &str) -> String {
    let one = many.strip_suffix('s').filter(|_| count == 1);
    format!("{count} {}", one.unwrap_or(many))
}

fn push_escaped(shown: &mut String, c: char) {
    match c {
        _ if planted!("ansi_to_terminal") => shown.push(c),
        '\n' => shown.push_str("\\n"),
        '\r' => shown.push_str("\\r"),
        '\t' => shown.push_str("\\t"),
        _ if is_hidden(c) => shown.extend(c.escape_unicode()),
        _ => shown.push(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_title_is_one_trimmed_line() {
        assert_eq!(title("  Build it\t "), Ok("Build it".to_owned()));
        assert_eq!(title(" \t "), Err(BadText::Empty));
        assert_eq!(title(""), Err(BadText::Empty));
        assert_eq!(title("\u{a0}\u{3000}"), Err(BadText::Empty));
        for text in ["a\nb", "a\rb", "a\u{0}b", "a\u{7f}b", "a\u{9b}b", "\u{1b}[31m", "a\n"] {
            assert!(matches!(title(text), Err(BadText::Control { .. })), "{text:?}");
        }
        assert!(matches!(title(&"x".repeat(1_001)), Err(BadText::TooLong { .. })));
    }

    #[test]
    fn a_long_text_takes_line_feeds_only() {
        assert_eq!(long("a\r\nb\n"), Ok("a\nb\n".to_owned()));
        assert_eq!(long("a\nb\rc"), Err(BadText::Control { found: '\r', offset: 3, line: 2, column: 2 }));
    }

    proptest! {
        #[test]
        fn what_is_shown_has_nothing_hidden(text in proptest::collection::vec(any::<char>(), 0..80)) {
            // Any characters: a generated String holds no control characters, and would prove nothing.
            let text: String = text.into_iter().chain("\u{1b}]0;x\u{7}\u{202e}\u{9b}31m".chars()).collect();
            prop_assert!(!escaped(&text, 200).chars().any(is_hidden));
            prop_assert!(!escaped_lines(&text).chars().any(|c| c != '\n' && is_hidden(c)));
        }

        #[test]
        fn a_title_that_was_read_reads_the_same_again(text in proptest::collection::vec(any::<char>(), 0..80)) {
            let text: String = text.into_iter().collect();
            if let Ok(read) = title(&text) {
                prop_assert_eq!(title(&read), Ok(read.clone()));
            }
        }
    }

    #[test]
    fn one_is_not_many() {
        let told = [(0_u32, "task"), (1, "task"), (2, "task"), (1, "dependency"), (2, "dependency"), (2, "day")];
        let told = told.map(|(count, one)| counted(count, one));
        assert_eq!(told, ["0 tasks", "1 task", "2 tasks", "1 dependency", "2 dependencies", "2 days"]);
        assert_eq!([counted_of(1, "plans"), counted_of(2, "plans"), counted_of(1, "meta")], ["1 plan", "2 plans", "1 meta"]);
    }
}
