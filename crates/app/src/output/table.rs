//! Tables for people: columns as wide as their cells, the last one or a chosen one cut to the terminal. Foreign text is escaped here.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::{Tint, tinted};

/// A cell with its colour.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    text: String,
    tint: Option<Tint>,
}

impl Cell {
    /// A cell; hidden characters of its text are shown escaped.
    pub(crate) fn new(text: &str) -> Self {
        Self { text: domain::text::escaped(text, 300), tint: None }
    }

    /// The same cell in a colour.
    pub(crate) fn tint(mut self, tint: Tint) -> Self {
        self.tint = Some(tint);
        self
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(text.as_ref())
    }
}

/// What is wanted for the column that people read, and what is left for one that gives way to it.
const COMFORTABLE: usize = 28;
const YIELDING_MIN: usize = 9;

/// A table that grows line by line.
#[derive(Debug)]
pub(crate) struct Table {
    head: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
    stretch: usize,
    /// The column that gives way before the chosen one gets narrow.
    yields: Option<usize>,
    /// How wide the columns of the pages before this one were; empty on the first.
    widths: Vec<usize>,
}

impl Table {
    /// A table with this head. The column `stretch` gives way when the terminal is narrow.
    pub(crate) fn new(head: &[&'static str], stretch: usize) -> Self {
        Self { head: head.to_vec(), rows: Vec::new(), stretch, yields: None, widths: Vec::new() }
    }

    /// The same table; this column gives way before the chosen one gets narrow.
    pub(crate) fn yielding(mut self, column: usize) -> Self {
        self.yields = Some(column);
        self
    }

    /// One more line.
    pub(crate) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The lines, for a terminal of this width (`None`: nothing is cut).
    pub(crate) fn lines(&self, width: Option<usize>, color: bool) -> Vec<String> {
        let mut widths = self.wide();
        if let Some(width) = width {
            let wide = |widths: &[usize]| widths.iter().sum::<usize>() + 2 * self.head.len().saturating_sub(1);
            let wanted = widths.get(self.stretch).copied().unwrap_or(0).min(COMFORTABLE);
            let left = widths.get(self.stretch).copied().unwrap_or(0).saturating_sub(wide(&widths).saturating_sub(width));
            if let Some(yields) = self.yields.and_then(|column| widths.get_mut(column)) {
                *yields = yields.saturating_sub(wanted.saturating_sub(left)).max(YIELDING_MIN.min(*yields));
            }
            let all = wide(&widths);
            if let Some(stretched) = widths.get_mut(self.stretch) {
                *stretched = stretched.saturating_sub(all.saturating_sub(width)).max(12.min(*stretched));
            }
        }
        let head = self.head.iter().map(|title| Cell::new(title).tint(Tint::Dim)).collect::<Vec<_>>();
        let head = self.widths.is_empty().then_some(&head);
        head.into_iter().chain(&self.rows).map(|row| line(row, &widths, color)).collect()
    }

    /// The lines so far, and room for more: of a list that is longer than the memory. The head comes once, columns only grow.
    pub(crate) fn page(&mut self, width: Option<usize>, color: bool) -> Vec<String> {
        let lines = self.lines(width, color);
        self.widths = self.wide();
        self.rows.clear();
        lines
    }

    /// How wide each column is when nothing is cut.
    fn wide(&self) -> Vec<usize> {
        let mut widths: Vec<usize> = self.head.iter().map(|title| title.width()).collect();
        for (width, before) in widths.iter_mut().zip(&self.widths) {
            *width = (*width).max(*before);
        }
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.text.width());
            }
        }
        widths
    }
}

fn line(row: &[Cell], widths: &[usize], color: bool) -> String {
    let mut line = String::new();
    for (index, (cell, width)) in row.iter().zip(widths).enumerate() {
        let text = cut(&cell.text, *width);
        let pad = width.saturating_sub(text.width());
        line.push_str(&cell.tint.map_or_else(|| text.clone(), |tint| tinted(&text, tint, color)));
        if index + 1 < row.len() {
            line.push_str(&" ".repeat(pad + 2));
        }
    }
    line.trim_end().to_owned()
}

/// The text in at most this many columns; what is cut ends in `…`.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut shown = String::new();
    let mut used = 0;
    for c in text.chars() {
        let next = c.width().unwrap_or(0);
        if used + next + 1 > width {
            break;
        }
        used += next;
        shown.push(c);
    }
    shown.push('…');
    shown
}

/// The text in lines of at most this many columns, broken at blanks; a word that is longer is left to the terminal.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    if text.width() <= width {
        return vec![text.to_owned()];
    }
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let fresh = lines.last().is_some_and(String::is_empty);
        let used = lines.last().map_or(0, |line| line.width());
        if !fresh && used + 1 + word.width() > width {
            lines.push(word.to_owned());
        } else if let Some(line) = lines.last_mut() {
            if !fresh {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

/// The width of the terminal behind stdout; `None` when there is none.
pub(crate) fn terminal_width() -> Option<usize> {
    terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0))
}

/// The width of the terminal behind stderr; `None` when there is none, or it does not say.
pub(crate) fn error_width() -> Option<usize> {
    terminal_size::terminal_size_of(std::io::stderr()).map(|(width, _)| usize::from(width.0)).filter(|width| *width > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_padded_cut_and_escaped() {
        let mut table = Table::new(&["ID", "TASK", "STATUS"], 1);
        table.row(vec!["T-001".into(), "a\u{1b}[31mred\u{202e}".into(), Cell::new("PENDING").tint(Tint::Blue)]);
        table.row(vec!["T-1000".into(), "表 wide characters count twice".into(), "COMPLETED".into()]);
        let lines = table.lines(Some(40), false);
        insta::assert_snapshot!(lines.join("\n"), @r"
        ID      TASK                   STATUS
        T-001   a\u{1b}[31mred\u{202…  PENDING
        T-1000  表 wide characters c…  COMPLETED
        ");
    }

    #[test]
    fn on_a_narrow_terminal_a_title_stays_readable() {
        let mut table = Table::new(&["ID", "TASK", "STATUS", "PRIORITY", "WORKER", "AFTER"], 1).yielding(5);
        table.row(
            ["T-012", "Check that all the tables agree", "IN_PROGRESS (running)", "MED", "agent-01", "T-001 T-002 +7"]
                .map(Cell::new)
                .to_vec(),
        );
        let lines = table.lines(Some(80), false);
        insta::assert_snapshot!(lines.join("\n"), @"
        ID     TASK                 STATUS                 PRIORITY  WORKER    AFTER
        T-012  Check that all the…  IN_PROGRESS (running)  MED       agent-01  T-001 T-…
        ");
        assert!(lines.iter().all(|line| line.width() <= 80), "{lines:?}");
        assert_eq!(table.lines(None, false)[1].len(), table.lines(Some(200), false)[1].len());
    }

    #[test]
    fn a_text_is_broken_at_blanks() {
        assert_eq!(wrapped("one two three", 8), ["one two", "three"]);
        assert_eq!(wrapped("unbreakable and more", 5), ["unbreakable", "and", "more"]);
        assert_eq!(wrapped("", 5), [""]);
    }
}
