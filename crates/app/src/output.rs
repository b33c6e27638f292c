//! The only room that prints: data to stdout, talk to stderr, tables and colour for people, one JSON document for programs.

pub(crate) mod table;

use std::io::{IsTerminal, Write};
use std::os::fd::{AsFd, BorrowedFd};

use engine::error::{Error, Result};
use serde::Serialize;

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Where a command writes. Passed in, so that nothing else prints.
pub(crate) struct Printer {
    out: std::io::BufWriter<std::io::Stdout>,
    err: std::io::Stderr,
    /// Whether stdout takes colour.
    pub(crate) color: bool,
    /// Whether stderr takes colour.
    pub(crate) color_err: bool,
    /// Whether stdout is a terminal.
    pub(crate) is_terminal: bool,
    /// Whether stderr is a terminal.
    pub(crate) err_is_terminal: bool,
    closed: bool,
}

/// A colour for a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tint {
    Bold,
    Dim,
    Red,
    Green,
    Yellow,
    Blue,
}

impl Tint {
    fn code(self) -> &'static str {
        match self {
            Self::Bold => "\u{1b}[1m",
            Self::Dim => "\u{1b}[2m",
            Self::Red => "\u{1b}[31m",
            Self::Green => "\u{1b}[32m",
            Self::Yellow => "\u{1b}[33m",
            Self::Blue => "\u{1b}[34m",
        }
    }
}

/// The text in a colour, where colour is wanted.
pub(crate) fn tinted(text: &str, tint: Tint, color: bool) -> String {
    if color { format!("{}{text}\u{1b}[0m", tint.code()) } else { text.to_owned() }
}

impl Printer {
    pub(crate) fn new(color: Color) -> Self {
        let (out, err) = (std::io::stdout(), std::io::stderr());
        let (is_terminal, err_is_terminal) = (out.is_terminal(), err.is_terminal());
        let plain =
            std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) || std::env::var("TERM").is_ok_and(|term| term == "dumb");
        let wanted = |terminal: bool| match color {
            Color::Auto => terminal && !plain,
            Color::Always => true,
            Color::Never => false,
        };
        Self {
            color: wanted(is_terminal),
            color_err: wanted(err_is_terminal),
            is_terminal,
            err_is_terminal,
            out: std::io::BufWriter::new(out),
            err,
            closed: false,
        }
    }

    /// A line of data. Once the reader has gone (`ganger list | head`) nothing more is written, and that is no error.
    pub(crate) fn line(&mut self, text: &str) {
        self.write(text);
        self.write("\n");
    }

    /// Data as it is.
    pub(crate) fn write(&mut self, text: &str) {
        if !self.closed && self.out.write_all(text.as_bytes()).is_err() {
            self.closed = true;
        }
    }

    /// Whether the reader of stdout has gone.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Where the reader of stdout is, for waiting until it goes.
    pub(crate) fn reader(&self) -> BorrowedFd<'_> {
        self.out.get_ref().as_fd()
    }

    /// Makes sure that what was written is seen.
    pub(crate) fn flush(&mut self) {
        if !self.closed && self.out.flush().is_err() {
            self.closed = true;
        }
    }

    /// One JSON document.
    pub(crate) fn json<T: Serialize>(&mut self, value: &T) -> Result<()> {
        let text = serde_json::to_string(value).map_err(|error| Error::bug(format!("cannot write JSON: {error}")))?;
        self.line(&text);
        Ok(())
    }

    /// A line of talk.
    pub(crate) fn say(&mut self, text: &str) {
        self.flush();
        let _ = self.err.write_all(format!("{text}\n").as_bytes());
    }

    /// An error, for people or for programs.
    pub(crate) fn error(&mut self, error: &Error, json: bool) {
        if json {
            let shape = serde_json::json!({ "error": { "kind": error.kind.as_str(), "code": error.code, "message": error.message, "hints": error.hints } });
            self.say(&shape.to_string());
            return;
        }
        let message = domain::text::escaped_lines(&error.message);
        self.say(&format!("{} {message}", tinted("error:", Tint::Red, self.color_err)));
        for hint in &error.hints {
            let hint = domain::text::escaped_lines(hint);
            self.say(&format!("{} {hint}", tinted(" hint:", Tint::Blue, self.color_err)));
        }
    }
}
