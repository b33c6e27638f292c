//! What is looked at before any parser runs: size, depth and number of values, so that no text makes a parser recurse, quadratic or greedy (G24, A33).
//! It knows strings and comments of each form, and nothing of plans.

use std::ops::ControlFlow;

use super::mistake::Mistakes;
use super::{DEPTH_MAX, Format, PLAN_BYTES_MAX, SYMBOLS_MAX};

/// Refuses what no parser should see; `None` when that was so.
pub(super) fn check(text: &str, format: Format, found: &mut Mistakes<'_>) -> Option<()> {
    if text.len() > PLAN_BYTES_MAX {
        let message = format!("the plan has {} bytes, {PLAN_BYTES_MAX} are allowed", text.len());
        found.error_with(&(0..0), message, "split it into several plans");
        return None;
    }
    let beyond = match format {
        Format::Toml => toml(text),
        Format::Json => json(text, found),
        Format::Markdown => markdown(text),
    };
    let Some(beyond) = beyond else { return Some(()) };
    match beyond {
        Beyond::Depth(at) => found.error(&(at..at + 1), format!("nested more than {DEPTH_MAX} levels deep")),
        Beyond::Symbols(at) => {
            found.error(&(at..at + 1), format!("the plan goes on after {SYMBOLS_MAX} values, lines and marks, which is all that is read"));
        }
    }
    None
}

/// Which limit was passed, and where.
enum Beyond {
    Depth(usize),
    Symbols(usize),
}

fn toml(text: &str) -> Option<Beyond> {
    let mut beyond = None;
    let (mut symbols, mut after_blank) = (0_usize, false);
    // Each dot of a key opens a table as well, and counts with the bracket that follows it.
    let (mut open, mut depth, mut dots): (Vec<usize>, usize, usize) = (Vec::new(), 0, 0);
    outside_toml_strings(text, |at, byte| {
        let is_blank = matches!(byte, b' ' | b'\t');
        let goes_on = byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-') || !byte.is_ascii() || (is_blank && after_blank);
        // The values of a list are what takes most.
        symbols += usize::from(!goes_on) + usize::from(byte == b',');
        after_blank = is_blank;
        match byte {
            b'[' | b'{' => {
                depth += 1 + dots;
                open.push(1 + dots);
                dots = 0;
            }
            b']' | b'}' => {
                depth -= open.pop().unwrap_or(0);
                dots = 0;
            }
            b'.' => dots += 1,
            b',' | b'\n' => dots = 0,
            _ => {}
        }
        if depth + dots > DEPTH_MAX {
            beyond = Some(Beyond::Depth(at));
        } else if symbols > SYMBOLS_MAX {
            beyond = Some(Beyond::Symbols(at));
        }
        if beyond.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    beyond
}

/// Shows every byte of a TOML text that is in no string and no comment, and the quote that opens each string.
pub(super) fn outside_toml_strings(text: &str, mut see: impl FnMut(usize, u8) -> ControlFlow<()>) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if byte == b'#' {
            at = line_end(bytes, at);
            continue;
        }
        if see(at, byte).is_break() {
            return;
        }
        at = if matches!(byte, b'"' | b'\'') { toml_string_end(bytes, at, byte) } else { at + 1 };
    }
}

fn line_end(bytes: &[u8], from: usize) -> usize {
    bytes[from..].iter().position(|&byte| byte == b'\n').map_or(bytes.len(), |length| from + length)
}

fn toml_string_end(bytes: &[u8], from: usize, quote: u8) -> usize {
    let fence = [quote; 3];
    let long = bytes[from..].starts_with(&fence);
    let mut at = from + if long { 3 } else { 1 };
    while let Some(&byte) = bytes.get(at) {
        if byte == b'\\' && quote == b'"' {
            at += if !long && bytes.get(at + 1) == Some(&b'\n') { 1 } else { 2 };
        } else if long && bytes[at..].starts_with(&fence) {
            // Up to two more quotes belong to the string.
            let quotes = bytes[at..].iter().take(5).take_while(|&&byte| byte == quote).count();
            return at + quotes;
        } else if !long && byte == quote {
            return at + 1;
        } else if !long && byte == b'\n' {
            return at;
        } else {
            at += 1;
        }
    }
    bytes.len()
}

fn json(text: &str, found: &mut Mistakes<'_>) -> Option<Beyond> {
    let bytes = text.as_bytes();
    let (mut at, mut depth, mut symbols) = (0, 0_usize, 0_usize);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => {
                symbols += 1;
                at = json_string_end(bytes, at, found);
                continue;
            }
            b'[' | b'{' => {
                symbols += 1;
                depth += 1;
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' => symbols += 1,
            0x0b | 0x0c | 0x80.. => foreign_blank(text, at, found),
            _ => {}
        }
        if depth > DEPTH_MAX {
            return Some(Beyond::Depth(at));
        }
        if symbols > SYMBOLS_MAX {
            return Some(Beyond::Symbols(at));
        }
        at += 1;
    }
    None
}

/// Reports white space that the parser would let pass, and no other reader of JSON.
fn foreign_blank(text: &str, at: usize, found: &mut Mistakes<'_>) {
    let blank = text.get(at..).and_then(|rest| rest.chars().next()).filter(|c| c.is_whitespace());
    if let Some(blank) = blank.filter(|_| !found.is_full()) {
        found.error(&(at..at + blank.len_utf8()), format!("not valid JSON: U+{:04X} is no white space there", u32::from(blank)));
    }
}

/// The end of a JSON string; control characters in it are mistakes that the parser would let pass.
fn json_string_end(bytes: &[u8], from: usize, found: &mut Mistakes<'_>) -> usize {
    let mut at = from + 1;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            0..0x20 if !found.is_full() => {
                found.error(&(at..at + 1), format!("not valid JSON: a string must hold U+{byte:04X} as an escape (\\u{byte:04x})"));
                at += 1;
            }
            _ => at += 1,
        }
    }
    bytes.len()
}

fn markdown(text: &str) -> Option<Beyond> {
    let (mut start, mut symbols) = (0, 0_usize);
    for line in text.split_inclusive('\n') {
        if levels(line) > DEPTH_MAX {
            return Some(Beyond::Depth(start));
        }
        symbols += 1 + line.bytes().filter(|byte| b"*_[]<&!`,\\\n".contains(byte)).count();
        if symbols > SYMBOLS_MAX {
            return Some(Beyond::Symbols(start));
        }
        start += line.len();
    }
    None
}

/// How deep the lists and quotes that a line opens may stand: its markers, and the indentation before them at two columns a level.
fn levels(line: &str) -> usize {
    let bytes = line.trim_end().as_bytes();
    let is_rule = |mark: u8| bytes.iter().all(|&byte| byte == mark || byte == b' ' || byte == b'\t');
    if is_rule(b'-') || is_rule(b'*') {
        return 0;
    }
    let (mut at, mut markers, mut indentation) = (0, 0, 0);
    while let Some(&byte) = bytes.get(at) {
        let digits = bytes[at..].iter().take(9).take_while(|byte| byte.is_ascii_digit()).count();
        let marker = match byte {
            b' ' | b'\t' => {
                if markers == 0 {
                    indentation += if byte == b'\t' { 4 } else { 1 };
                }
                at += 1;
                continue;
            }
            b'>' => 1,
            b'-' | b'*' | b'+' => 1,
            _ if digits > 0 && matches!(bytes.get(at + digits), Some(b'.' | b')')) => digits + 1,
            _ => break,
        };
        if byte != b'>' && !matches!(bytes.get(at + marker), None | Some(b' ' | b'\t')) {
            break;
        }
        markers += 1;
        at += marker;
    }
    if markers == 0 { 0 } else { markers + indentation / 2 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str, format: Format) -> Option<String> {
        let mut found = Mistakes::new(text);
        let passed = check(text, format, &mut found);
        assert_eq!(passed.is_none(), found.errors() > 0);
        found
            .finish(0, None)
            .err()
            .and_then(|mistakes| mistakes.first().map(|mistake| format!("{}: {}", mistake.span.start, mistake.message)))
    }

    #[test]
    fn depth_is_counted_outside_of_strings_and_comments() {
        let deep = "[".repeat(100);
        for (text, format) in [
            (format!("a = {deep}"), Format::Toml),
            (format!("{} = 1", vec!["a"; 100].join(".")), Format::Toml),
            (format!("[{}]", vec!["a"; 100].join(".")), Format::Toml),
            ("a.a.a.a = { ".repeat(30), Format::Toml),
            (format!("{{\"a\": {deep}"), Format::Json),
            ("{\"a\":".repeat(100_000), Format::Json),
            ("> ".repeat(100), Format::Markdown),
            (">".repeat(100), Format::Markdown),
            (format!("{}x", "- ".repeat(100)), Format::Markdown),
            (format!("{}x", "1. ".repeat(100)), Format::Markdown),
            (format!("{}- x", " ".repeat(200)), Format::Markdown),
        ] {
            assert!(refused(&text, format).is_some_and(|message| message.ends_with("nested more than 64 levels deep")), "{text:.40}");
        }
        for (text, format) in [
            (format!("a = '{deep}' # {deep}"), Format::Toml),
            (format!("a = \"\\\"{deep}\""), Format::Toml),
            (format!("a = '''\n{deep}'''''\nb = \"\"\"{deep}\"\"\""), Format::Toml),
            (format!("a = \"broken \\\n[{}", "\n[x]".repeat(60)), Format::Toml),
            ("[[task]]\na.b = [1.5, 2.5]\n".repeat(100), Format::Toml),
            (format!("{{\"a\": \"\\\"{deep}\"}}"), Format::Json),
            ("- ".repeat(100), Format::Markdown),
            ("---".repeat(100), Format::Markdown),
            (format!("{}x", " ".repeat(500)), Format::Markdown),
        ] {
            assert_eq!(refused(&text, format), None, "{text:.40}");
        }
    }

    #[test]
    fn size_and_number_are_bounded() {
        let large = " ".repeat(PLAN_BYTES_MAX + 1);
        assert_eq!(refused(&large, Format::Toml).as_deref(), Some("0: the plan has 10485761 bytes, 10485760 are allowed"));
        let many = format!("a = [{}", "1,".repeat(SYMBOLS_MAX));
        for format in [Format::Toml, Format::Json] {
            assert!(refused(&many, format).is_some_and(|message| message.contains("goes on after 2500000")));
        }
        assert!(refused(&"*".repeat(SYMBOLS_MAX + 1), Format::Markdown).is_some());
    }

    #[test]
    fn json_strings_hold_no_raw_control_characters() {
        let mut found = Mistakes::new("");
        assert!(check("{\"a\": \"x\ty\nz\", \"b\": \"\\t\"}", Format::Json, &mut found).is_some());
        let mistakes = found.finish(0, None).err().unwrap_or_default();
        assert_eq!(
            mistakes.iter().map(|mistake| &*mistake.message).collect::<Vec<_>>(),
            [
                "not valid JSON: a string must hold U+0009 as an escape (\\u0009)",
                "not valid JSON: a string must hold U+000A as an escape (\\u000a)",
            ]
        );
    }
}
