//! `final_output.md`: the report as Markdown. First how it stands and what waits for the reader, then what was done, then what came of it.

use std::fmt::Write;

use domain::plan::Language;
use domain::report::words::{self, Words};
use domain::report::{Failed, Line, Outcome, Problems, Report, TestLine, Wait, Why};
use domain::task::{Kind, Status};

use super::markdown::{block_lines, code, fenced, first_line, heading, inline, quoted};
use super::results::{self, Pages};
use super::{moment, span};

/// How many entries of a list of problems are shown.
const SHOWN_MAX: usize = 20;
/// How many lines of a failure's note are shown: its end.
const NOTE_LINES_MAX: usize = 10;
/// How many plans are named.
const PLANS_MAX: usize = 50;

/// The file.
pub(super) fn render(report: &Report, pages: &Pages, language: Language) -> String {
    let words = words::words(language);
    let mut page = Page { out: String::new(), report, pages, words, language };
    page.head();
    page.waits();
    page.features();
    page.tests();
    page.problems();
    page.workers();
    page.out.push_str(&results::render(report, pages, language));
    page.out
}

struct Page<'r> {
    out: String,
    report: &'r Report,
    pages: &'r Pages,
    words: &'static Words,
    language: Language,
}

impl Page<'_> {
    fn line(&mut self, text: &str) {
        self.out.push_str(text);
        self.out.push('\n');
    }

    fn section(&mut self, title: &str) {
        self.out.push_str(&format!("\n## {title}\n\n"));
    }

    fn more(&mut self, count: usize) {
        if count > 0 {
            let more = words::more(self.language, u32::try_from(count).unwrap_or(u32::MAX), "ganger list");
            self.line(&format!("- {more}"));
        }
    }

    fn head(&mut self) {
        let (report, words, language) = (self.report, self.words, self.language);
        let name = |title: &str| if title.is_empty() { words.added.to_owned() } else { title.to_owned() };
        match report.plans.as_slice() {
            [plan] => {
                self.out.push_str(&heading(1, &name(&plan.title)));
                self.line("");
                if let Some(goal) = &plan.goal {
                    self.line(&quoted(goal, 20));
                }
            }
            plans => {
                self.out.push_str(&heading(1, words.report));
                self.line("");
                for plan in plans.iter().take(PLANS_MAX) {
                    let goal = plan.goal.as_deref().map_or_else(String::new, |goal| format!("{}{}", words.colon, first_line(goal, 300)));
                    self.line(&format!("- {}{goal}", inline(&name(&plan.title), 200)));
                }
                self.more(plans.len().saturating_sub(PLANS_MAX));
                if !plans.is_empty() {
                    self.line("");
                }
            }
        }
        let counts = &report.counts;
        let mut told = format!("**{}**", words::outcome(language, report.outcome));
        if counts.all() > 0 {
            let _ = write!(told, " {}", words::progress(language, counts.of(Status::Completed), report.wanted(), report.percent));
            for status in Status::ALL.iter().filter(|status| **status != Status::Completed && counts.of(**status) > 0) {
                let _ = write!(told, ", {} {status}", counts.of(*status));
            }
            told.push('.');
        }
        let caveat = words::caveat(language, report.outcome);
        self.line(format!("{told} {caveat}").trim_end());
        if counts.all() == 0 {
            return;
        }
        self.line("");
        if let Some((first, last)) = report.wall {
            let (first_shown, last_shown) = (moment(first), moment(last));
            let last_shown = match (first_shown.split_once(' '), last_shown.split_once(' ')) {
                (Some((day, _)), Some((same, hour))) if day == same => hour,
                _ => last_shown.as_str(),
            };
            let span = (first_shown.trim_end_matches(" UTC"), last_shown, last.since(first));
            let time = words::time(language, span, report.worked, report.workers.len());
            self.line(&format!("- {}{}{time}", words.time, words.colon));
        }
        if report.outcome != Outcome::NotBegun {
            let cost = &report.cost;
            let told = match cost.told_by {
                0 => words.not_told.to_owned(),
                _ => words::cost(language, cost.usd, cost.tokens, cost.told_by),
            };
            self.line(&format!("- {}{}{told}", words.cost, words.colon));
        }
        if report.left_out > 0 {
            self.line(&format!("- {}", words::more(language, report.left_out, "ganger list")));
        }
        if report.journal_is_cut {
            self.line(&format!("- {}", words.journal_is_cut));
        }
    }

    fn waits(&mut self) {
        if self.report.waits.is_empty() {
            return;
        }
        self.section(self.words.waits);
        for wait in self.report.waits.iter().take(SHOWN_MAX) {
            let line = self.wait(wait);
            self.line(&line);
        }
        self.more(self.report.waits.len().saturating_sub(SHOWN_MAX) + self.report.waits_more as usize);
    }

    fn wait(&self, wait: &Wait) -> String {
        let ids: Vec<String> = wait.tasks.iter().map(ToString::to_string).collect();
        let more = wait.count.saturating_sub(u32::try_from(wait.tasks.len()).unwrap_or(0));
        let mut told = format!("- {}", code(&wait.command, 300));
        let _ = write!(told, "{}{}", self.words.colon, ids.join(", "));
        if more > 0 {
            let _ = write!(told, " … (+{more})");
        }
        if wait.count == 1 {
            let _ = write!(told, " {}", inline(&wait.title, 100));
        }
        let _ = write!(told, ", {}", words::why(self.language, &wait.why));
        // Of a failure the problems below tell more.
        let is_question = matches!(wait.why, Why::Blocked(_));
        if let Some((on, status)) = wait.on {
            let status = status.map_or("?", Status::as_str);
            let _ = write!(told, ", {}", words::waits_for(self.language, &on.to_string(), status));
        }
        if is_question && !wait.note.is_empty() {
            let _ = write!(told, "{}{}", self.words.colon, first_line(&wait.note, 300));
        }
        if wait.behind > 0 {
            let _ = write!(told, "; {}", words::behind(self.language, wait.behind));
        }
        told
    }

    fn features(&mut self) {
        if self.report.tasks.is_empty() {
            return;
        }
        let words = self.words;
        self.section(words.features);
        self.head_row(&["ID", words.feature, words.status, words.attempts, words.worker, words.took]);
        for line in &self.report.tasks {
            let row = [
                self.pages.link(line.id, "results/"),
                inline(&line.title, 80),
                self.status(line),
                if line.attempts == 0 { String::new() } else { line.attempts.to_string() },
                line.worker.as_ref().map_or_else(String::new, |name| inline(name.as_str(), 64)),
                line.took.map_or_else(String::new, span),
            ];
            self.row(&row);
        }
    }

    /// How a task stands, and why where that is not plain.
    fn status(&self, line: &Line) -> String {
        let mut told = line.status.to_string();
        if let Some(reason) = line.reason {
            let _ = write!(told, " ({reason})");
        }
        let mut ids: Vec<String> = line.waits_for.iter().take(3).map(ToString::to_string).collect();
        if line.waits_for.len() > 3 {
            ids.push("…".to_owned());
        }
        if !ids.is_empty() && !line.status.is_final() {
            let _ = write!(told, " ← {}", ids.join(", "));
        }
        told
    }

    fn tests(&mut self) {
        let (report, words) = (self.report, self.words);
        let features = || report.tasks.iter().filter(|line| line.kind == Kind::Feature);
        if features().next().is_none() {
            return;
        }
        self.section(words.tests);
        if !report.tests_wanted {
            self.line(words.tests_left_out);
            self.line("");
        }
        if !report.tests.is_empty() {
            self.head_row(&[words.feature, words.test, words.result, words.cycles, words.fixes, words.took]);
            for test in &report.tests {
                let row = self.test(test);
                self.row(&row);
            }
        }
        let blank = if report.tests.is_empty() { "" } else { "\n" };
        for held in &report.held_tests {
            self.line(&format!("{blank}{}.", words::held_tests(self.language, held)));
        }
        if !report.untested.is_empty() {
            let ids: Vec<String> = report.untested.iter().take(100).map(ToString::to_string).collect();
            let more = report.untested.len().saturating_sub(ids.len());
            let more = if more > 0 { format!(" … (+{more})") } else { String::new() };
            self.line(&format!("{blank}{}{}{}{more}", words.untested, words.colon, ids.join(", ")));
        }
    }

    fn test(&self, test: &TestLine) -> [String; 6] {
        let fix = |fix: &domain::report::Fix| {
            let link = self.pages.link(fix.id, "results/");
            if fix.status == Status::Completed { link } else { format!("{link} {}", fix.status) }
        };
        let fixes: Vec<String> = test.fixes.iter().take(5).map(fix).collect();
        [
            match test.feature {
                Some(id) => format!("{id} {}", inline(&test.title, 60)),
                None => inline(&test.title, 60),
            },
            self.pages.link(test.id, "results/"),
            words::verdict(self.language, test.verdict).to_owned(),
            test.cycles.to_string(),
            fixes.join(", "),
            test.took.map_or_else(String::new, span),
        ]
    }

    fn problems(&mut self) {
        let problems = &self.report.problems;
        if problems.is_empty() {
            return;
        }
        let (words, language) = (self.words, self.language);
        self.section(words.problems);
        for list in [&problems.failures, &problems.quarantined] {
            for failed in list.iter().take(SHOWN_MAX) {
                self.failed(failed);
            }
            self.more(list.len().saturating_sub(SHOWN_MAX));
        }
        // What waits for a person itself was told above; this is what waits behind it.
        let behind: Vec<_> = problems.blocked.iter().filter_map(|task| Some((task, task.on.filter(|_| task.note.is_empty())?))).collect();
        for (task, on) in behind.iter().take(SHOWN_MAX) {
            let told = words::waits_for(language, &on.to_string(), &self.status_of(*on));
            self.line(&format!("- **{}** {}{}BLOCKED, {told}", task.id, inline(&task.title, 100), words.colon));
        }
        self.more(behind.len().saturating_sub(SHOWN_MAX));
        self.mishaps(problems);
    }

    /// What went wrong on the way, and may have come right.
    fn mishaps(&mut self, problems: &Problems) {
        let (words, language) = (self.words, self.language);
        let listed = |told: Vec<String>, all: usize| {
            let more = if all > told.len() { format!(" … (+{})", all - told.len()) } else { String::new() };
            format!("{}{more}", told.join(", "))
        };
        if !problems.expired.is_empty() {
            let told = problems.expired.iter().take(SHOWN_MAX);
            let told = told.map(|task| format!("{} ×{} ({})", task.id, task.times, words::taken_back(language, &task.reason))).collect();
            self.line(&format!("- {}{}{}", words.expired, words.colon, listed(told, problems.expired.len())));
        }
        if !problems.lost.is_empty() {
            let told = problems.lost.iter().take(SHOWN_MAX);
            let told =
                told.map(|lost| format!("{} ×{} ({})", inline(lost.worker.as_str(), 64), lost.times, inline(&lost.why, 100))).collect();
            self.line(&format!("- {}{}{}", words.lost, words.colon, listed(told, problems.lost.len())));
        }
        for fallback in problems.fallbacks.iter().take(SHOWN_MAX) {
            let instead_of = fallback.instead_of.as_deref().map(|name| inline(name, 64));
            let lacking = fallback.lacking.as_deref().map(|list| inline(list, 200));
            let worker = inline(fallback.worker.as_str(), 64);
            let told = words::fell_back(language, &worker, lacking.as_deref(), instead_of.as_deref());
            self.line(&format!("- **{}** {told}", fallback.task));
        }
        self.more(problems.fallbacks.len().saturating_sub(SHOWN_MAX) + problems.fallbacks_more as usize);
        if problems.unreadable > 0 {
            self.line(&format!("- {}", words::unreadable(language, problems.unreadable)));
        }
    }

    fn status_of(&self, id: domain::id::TaskId) -> String {
        let line = self.report.tasks.iter().find(|line| line.id == id).map(|line| line.status);
        let test = || self.report.tests.iter().find(|test| test.id == id).map(|test| test.status);
        let fix = || self.report.tests.iter().flat_map(|test| &test.fixes).find(|fix| fix.id == id).map(|fix| fix.status);
        line.or_else(test).or_else(fix).map_or_else(|| "?".to_owned(), |status| status.to_string())
    }

    /// A failure, with the end of what was told of it.
    fn failed(&mut self, failed: &Failed) {
        let (colon, language) = (self.words.colon, self.language);
        let (reason, attempts) = (words::fail_reason(language, failed.reason), words::attempts(language, failed.attempts));
        let (id, title) = (self.pages.link(failed.id, "results/"), inline(&failed.title, 100));
        let told = format!("- **{id}** {title}{colon}FAILED {attempts} ({reason})");
        let mut lines = block_lines(failed.note.trim(), 160);
        lines.retain(|line| !line.is_empty());
        if lines.len() < 2 {
            let note = lines.first().map_or_else(String::new, |line| format!("{colon}{}", inline(line, 160)));
            self.line(&format!("{told}{note}"));
            return;
        }
        // The first line says what failed, the last ones how.
        let skipped = lines.len().saturating_sub(NOTE_LINES_MAX);
        if skipped > 0 {
            lines.splice(1..skipped + 2, ["…".to_owned()]);
        }
        let block = fenced(&lines, "  ");
        self.line(&format!("{told}\n\n{block}"));
    }

    fn workers(&mut self) {
        if self.report.workers.is_empty() {
            return;
        }
        let words = self.words;
        self.section(words.workers);
        self.head_row(&[words.worker, words.completed, words.failed, words.worked, words.idle]);
        for line in &self.report.workers {
            let row =
                [inline(line.name.as_str(), 64), line.completed.to_string(), line.failed.to_string(), span(line.worked), span(line.idle)];
            self.row(&row);
        }
    }

    fn head_row(&mut self, cells: &[&str]) {
        self.line(&format!("| {} |", cells.join(" | ")));
        self.line(&format!("|{}|", vec!["---"; cells.len()].join("|")));
    }

    fn row(&mut self, cells: &[String]) {
        self.line(&format!("| {} |", cells.join(" | ")));
    }
}
