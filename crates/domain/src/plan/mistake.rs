//! Mistakes, and the basket that they are collected in while a plan is read on: it counts, cuts and sorts.

use std::ops::Range;

use super::position::Lines;
use super::{Plan, nearest};

/// How many errors are collected, and how many warnings beside them, before the rest is left out.
pub const MISTAKES_MAX: usize = 1_000;

/// Where something stands in a text, in bytes.
pub(super) type Span = Range<usize>;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The plan is refused.
    Error,
    /// The plan is taken.
    Warning,
}

/// Something that is wrong, or odd, at one place of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Where, in bytes of the source text.
    pub span: Range<usize>,
    /// What: a lower-case fragment of one line. Words of the plan in it are shown escaped.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// How bad it is.
    pub severity: Severity,
}

/// The mistakes found so far.
pub(super) struct Mistakes<'t> {
    text: &'t str,
    lines: Option<Lines>,
    found: Vec<Mistake>,
    errors: usize,
    warnings: usize,
    searches_left: usize,
    places_left: usize,
}

impl<'t> Mistakes<'t> {
    /// An empty basket for this text.
    pub(super) fn new(text: &'t str) -> Self {
        // Searching for a similar word, or for the column of another place, takes as long as the plan is large.
        Self { text, lines: None, found: Vec::new(), errors: 0, warnings: 0, searches_left: 20, places_left: 200 }
    }

    /// Adds a mistake that refuses the plan.
    pub(super) fn error(&mut self, span: &Span, message: impl Into<String>) {
        self.add(span, message.into(), None, Severity::Error);
    }

    /// The same with what to do about it.
    pub(super) fn error_with(&mut self, span: &Span, message: impl Into<String>, hint: impl Into<String>) {
        self.add(span, message.into(), Some(hint.into()), Severity::Error);
    }

    /// The same with the most similar of the words that would have been right, where one is near.
    pub(super) fn unknown<'w>(
        &mut self,
        span: &Span,
        message: impl Into<String>,
        word: &str,
        known: impl Iterator<Item = &'w str>,
        otherwise: Option<&str>,
    ) {
        let near = if self.searches_left > 0 && !self.is_full() {
            self.searches_left -= 1;
            nearest::nearest(word, known)
        } else {
            None
        };
        let hint = near.map(|near| format!("did you mean '{near}'?")).or_else(|| otherwise.map(str::to_owned));
        self.add(span, message.into(), hint, Severity::Error);
    }

    /// Adds something odd.
    pub(super) fn warn(&mut self, span: &Span, message: impl Into<String>, hint: Option<&str>) {
        self.add(span, message.into(), hint.map(str::to_owned), Severity::Warning);
    }

    /// Forgets the warnings so far.
    pub(super) fn forget_warnings(&mut self) {
        self.found.retain(|mistake| mistake.severity == Severity::Error);
        self.warnings = 0;
    }

    fn add(&mut self, span: &Span, message: String, hint: Option<String>, severity: Severity) {
        let count = match severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        };
        *count += 1;
        if *count <= MISTAKES_MAX {
            self.found.push(Mistake { span: span.clone(), message, hint, severity });
        }
    }

    /// How many errors there are.
    pub(super) fn errors(&self) -> usize {
        self.errors
    }

    /// Whether looking further is of no use.
    pub(super) fn is_full(&self) -> bool {
        self.errors >= MISTAKES_MAX
    }

    /// The place of a character within a span, where it is written as it is and not as an escape; else the whole span.
    pub(super) fn span_of(&self, c: char, span: &Span) -> Span {
        let body = super::position::without_bom(self.text).1;
        match body.get(span.clone()).and_then(|within| within.find(c)) {
            Some(offset) => span.start + offset..span.start + offset + c.len_utf8(),
            None => span.clone(),
        }
    }

    /// Another place of the text in words, such as ` at 3:1`; nothing when too many were asked for.
    pub(super) fn place(&mut self, bom_less_offset: usize) -> String {
        if self.places_left == 0 {
            return String::new();
        }
        self.places_left -= 1;
        let offset = bom_less_offset + super::position::without_bom(self.text).0;
        let (line, column) = self.lines.get_or_insert_with(|| Lines::new(self.text)).at(self.text, offset);
        format!(" at {line}:{column}")
    }

    /// The plan with its warnings, or everything that was found; in both, spans become those of the text with its byte order mark.
    pub(super) fn finish(mut self, bom: usize, plan: Option<Plan>) -> Result<Plan, Vec<Mistake>> {
        for mistake in &mut self.found {
            let start = self.text.floor_char_boundary(mistake.span.start + bom);
            mistake.span = start..self.text.ceil_char_boundary(mistake.span.end + bom).max(start);
        }
        self.found.sort_by_key(|mistake| (mistake.span.start, mistake.severity));
        match plan {
            Some(mut plan) if self.errors == 0 => {
                for task in &mut plan.tasks {
                    task.span = task.span.start + bom..task.span.end + bom;
                    for (_, span) in &mut task.paths {
                        *span = span.start + bom..span.end + bom;
                    }
                }
                plan.warnings = self.found;
                Ok(plan)
            }
            Some(_) | None => Err(self.found),
        }
    }
}
