//! Foreign text in Markdown: shown as it is, never read as Markdown. Characters that could open a heading, a cell, a link, code or HTML are
//! escaped; hidden ones are made visible, since these files are also read on terminals.

use domain::text::escaped;

/// A text on one line, of at most `chars_max` characters: in a paragraph, a list item or a cell. It must not stand at the beginning of a block.
#[must_use]
pub fn inline(text: &str, chars_max: usize) -> String {
    let shown = escaped(text.trim(), chars_max);
    let mut out = String::with_capacity(shown.len() + 8);
    let mut before = ' ';
    let mut rest = shown.chars().peekable();
    while let Some(c) = rest.next() {
        let after = rest.peek().copied().unwrap_or(' ');
        let special = match c {
            '\\' | '`' | '*' | '[' | ']' | '<' | '|' | '~' | '$' => true,
            // Within a word it is no emphasis, and paths are full of it.
            '_' => !(before.is_alphanumeric() && after.is_alphanumeric()),
            '&' => after == '#' || after.is_alphabetic(),
            _ => false,
        };
        if special {
            out.push('\\');
        }
        out.push(c);
        before = c;
    }
    out
}

/// The first line of a text, with a mark when there is more.
#[must_use]
pub fn first_line(text: &str, chars_max: usize) -> String {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let shown = inline(lines.next().unwrap_or_default(), chars_max);
    if lines.next().is_some() && !shown.ends_with('…') { format!("{shown} …") } else { shown }
}

/// A text as a code span, in a paragraph or a list item; in a cell only what has no `|`.
#[must_use]
pub fn code(text: &str, chars_max: usize) -> String {
    let shown = escaped(text.trim(), chars_max);
    if shown.is_empty() {
        return String::new();
    }
    let fence = "`".repeat(longest_run(&shown) + 1);
    let pad = if shown.starts_with('`') || shown.ends_with('`') { " " } else { "" };
    format!("{fence}{pad}{shown}{pad}{fence}")
}

/// A text of several lines as a quotation.
#[must_use]
pub fn quoted(text: &str, lines_max: usize) -> String {
    let mut out = String::new();
    for (number, line) in text.trim().lines().enumerate() {
        if number == lines_max {
            out.push_str("> …\n");
            break;
        }
        let line = at_block_start(&inline(line, 400));
        out.push_str(if line.is_empty() { ">" } else { "> " });
        out.push_str(&line);
        out.push('\n');
    }
    out
}

/// Lines as a block of code in a fence that they cannot close, each indented by `indent`.
#[must_use]
pub fn fenced(lines: &[String], indent: &str) -> String {
    let fence = "`".repeat(lines.iter().map(|line| longest_run(line)).max().unwrap_or(0).max(2) + 1);
    let mut out = format!("{indent}{fence}text\n");
    for line in lines {
        if !line.is_empty() {
            out.push_str(indent);
            out.push_str(line);
        }
        out.push('\n');
    }
    out.push_str(indent);
    out.push_str(&fence);
    out.push('\n');
    out
}

/// Lines of an output for a block of code: hidden characters visible, tabs as spaces, none longer than `chars_max`.
#[must_use]
pub fn block_lines(text: &str, chars_max: usize) -> Vec<String> {
    text.lines().map(|line| escaped(&line.trim_end().replace('\t', "  "), chars_max)).collect()
}

/// A heading with a foreign text.
#[must_use]
pub fn heading(level: usize, text: &str) -> String {
    // A `#` at the end would be read as part of the mark.
    let shown = inline(text, 300);
    let shown = shown.strip_suffix('#').map_or_else(|| shown.clone(), |rest| format!("{rest}\\#"));
    format!("{} {}\n", "#".repeat(level), shown)
}

/// A text that was made for the middle of a line, at the beginning of a block: nothing in it opens a list, a heading, a quotation or a rule.
fn at_block_start(text: &str) -> String {
    let first = text.chars().next().unwrap_or_default();
    if matches!(first, '#' | '+' | '-' | '=' | '>') {
        return format!("\\{text}");
    }
    let digits = text.chars().take_while(char::is_ascii_digit).count();
    match text[digits..].chars().next() {
        Some(mark @ ('.' | ')')) if digits > 0 => format!("{}\\{mark}{}", &text[..digits], &text[digits + 1..]),
        _ => text.to_owned(),
    }
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}
