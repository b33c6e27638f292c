//! Whatever tasks, plans and workers say, the files have the headings, rows and links that ganger gave them, and no HTML (G23).

use domain::task::{BlockReason, FailReason, TaskResult};
use engine::orchestrator::WorkerAct;
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

use crate::site::{Site, after, feature, test_of};

/// One-line texts that mean something to Markdown, HTML, Mermaid or a terminal.
const TITLES: &[&str] = &[
    "a | b || c \\| d \\\\| e \\",
    "`code` ``more`` ``` fence ~~~ ~~gone~~",
    "--> <!-- comment --> </script><script>alert(1)</script><img src=x onerror=alert(1)>",
    "[link](javascript:alert(1)) ![image](x) [ref]: x [^1] <https://example.org>",
    "*emphasis* **strong** _under_ __line__ $math$ &lt;b&gt; &#60;b&#62;",
    "# heading ## #",
    "%%{init: {'theme':'x'}}%% \"] --> T99[\"forged\"]; click T1 \"javascript:x\"",
    "\u{202e}right to left\u{2066} zero\u{200b}width \u{feff}bom\ttab שלום مرحبا",
    "| T-999 | forged | feature | COMPLETED | me |",
    "- [ ] item 1. one > quote",
];

/// The same in texts of several lines.
fn long(title: &str) -> String {
    format!(
        "{title}\n\n# forged\n\n---\n| a | b |\n|---|---|\n| {title} | x |\n\n```\n</details>\n~~~\n    {title}\n<div>\n1. one\n- two\n> three\n===\n\n{title}"
    )
}

/// What a page comes to for a reader of GFM.
#[derive(Debug, Default, PartialEq, Eq)]
struct Page {
    headings: Vec<u8>,
    rows: Vec<usize>,
    links: Vec<String>,
    fences: Vec<String>,
    items: usize,
}

#[track_caller]
fn parse(text: &str) -> Page {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_MATH;
    let mut page = Page::default();
    let mut cells = 0;
    for event in Parser::new_ext(text, options) {
        match event {
            Event::Html(html) | Event::InlineHtml(html) => panic!("HTML {html:?} in\n{text}"),
            Event::InlineMath(math) | Event::DisplayMath(math) => panic!("mathematics {math:?} in\n{text}"),
            Event::FootnoteReference(_) | Event::TaskListMarker(_) | Event::Rule => panic!("{event:?} in\n{text}"),
            Event::Start(tag) => match tag {
                Tag::Heading { level, .. } => page.headings.push(level as u8),
                Tag::TableHead | Tag::TableRow => cells = 0,
                Tag::TableCell => cells += 1,
                Tag::Item => page.items += 1,
                Tag::Link { dest_url, .. } => page.links.push(dest_url.to_string()),
                Tag::CodeBlock(CodeBlockKind::Fenced(kind)) => page.fences.push(kind.to_string()),
                Tag::CodeBlock(CodeBlockKind::Indented)
                | Tag::HtmlBlock
                | Tag::Image { .. }
                | Tag::Emphasis
                | Tag::Strikethrough
                | Tag::FootnoteDefinition(_) => {
                    panic!("{tag:?} in\n{text}")
                }
                _ => {}
            },
            Event::End(TagEnd::TableHead | TagEnd::TableRow) => page.rows.push(cells),
            _ => {}
        }
    }
    page
}

/// A project in which everything is called like this; with `tame` the same one with harmless names.
fn site(title: &str) -> Site {
    let site = Site::new();
    let mut first = feature(title);
    first.spec.description = long(title);
    first.spec.outputs = vec![title.to_owned(), title.replace(' ', "_")];
    first.attempts_max = 1;
    let tasks = vec![first, after(feature(title), &[0]), feature(title), feature(title), feature(title), test_of(0, title)];
    let tasks = tasks
        .into_iter()
        .map(|mut task| {
            task.spec.outputs = vec![title.to_owned(), title.replace(' ', "_")];
            task.attempts_max = 1;
            task
        })
        .collect();
    site.import(title, Some(&long(title)), tasks);
    site.join("agent-01", "");
    let claim = site.claim("agent-01", 1);
    site.fail(claim, FailReason::Reported, &long(title));
    let claim = site.claim("agent-01", 3);
    site.block(claim, BlockReason::Question, &long(title));
    for id in [4, 5] {
        let claim = site.claim("agent-01", id);
        let name = format!("results/T-00{id}.md");
        site.write(&name, &if id == 4 { long(title) } else { format!("# T-005\n\n{title}\n") });
        let result = TaskResult {
            note: if id == 4 { title.to_owned() } else { long(title) },
            files: vec![title.to_owned()],
            output: Some(format!(".orchestrator/{name}")),
            ..TaskResult::default()
        };
        site.complete_with(claim, result);
    }
    site.change("agent-01", WorkerAct::Lost { why: title.to_owned(), session: None });
    site.ends(title);
    site.publish();
    site
}

#[test]
fn no_text_forges_anything() {
    let tame = site("tame");
    for title in TITLES {
        let hostile = site(title);
        let paths = hostile.written();
        assert_eq!(paths.len(), 4);
        for (hostile, tame) in paths.iter().zip(tame.written()) {
            let text = std::fs::read_to_string(hostile).unwrap();
            let (page, expected) = (parse(&text), parse(&std::fs::read_to_string(tame).unwrap()));
            assert_eq!(page.headings, expected.headings, "{title:?} in {}:\n{text}", hostile.display());
            assert_eq!(page.rows, expected.rows, "{title:?} in {}:\n{text}", hostile.display());
            assert_eq!(page.items, expected.items, "{title:?} in {}:\n{text}", hostile.display());
            assert_eq!(page.links, expected.links, "{title:?} in {}:\n{text}", hostile.display());
            let mermaid = |page: &Page| page.fences.iter().filter(|kind| *kind == "mermaid").count();
            assert_eq!(mermaid(&page), mermaid(&expected));
            assert!(page.fences.iter().all(|kind| kind == "text" || kind == "mermaid"), "{:?}", page.fences);
            assert!(!text.chars().any(|c| c != '\n' && domain::text::is_hidden(c)), "{title:?} in {}", hostile.display());
        }
    }
}

#[test]
fn a_title_reads_as_it_was_written() {
    for title in TITLES.iter().filter(|title| title.chars().all(|c| !domain::text::is_hidden(c))) {
        let site = site(title);
        let text = site.read("master_plan.md");
        let shown: Vec<String> =
            cells(&text).into_iter().filter(|row| row.first().is_some_and(|id| id == "T-002")).map(|row| row[1].clone()).collect();
        assert_eq!(shown, [(*title).to_owned()], "{text}");
    }
}

/// The rows of every table as plain text.
fn cells(text: &str) -> Vec<Vec<String>> {
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut cell = None;
    for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::TableHead | Tag::TableRow) => rows.push(Vec::new()),
            Event::Start(Tag::TableCell) => cell = Some(String::new()),
            Event::End(TagEnd::TableCell) => rows.last_mut().unwrap().push(cell.take().unwrap()),
            Event::Text(part) | Event::Code(part) => {
                if let Some(cell) = &mut cell {
                    cell.push_str(&part);
                }
            }
            _ => {}
        }
    }
    rows
}

#[test]
fn a_drawing_holds_nothing_but_its_own_marks() {
    for title in TITLES {
        let text = site(title).read("master_plan.md");
        let (_, rest) = text.split_once("```mermaid\n").unwrap();
        let (drawing, _) = rest.split_once("```").unwrap();
        for line in drawing.lines().skip(1).filter(|line| line.contains('"')) {
            assert_eq!(line.matches('"').count(), 2, "{line}");
            let label = line.split('"').nth(1).unwrap();
            let rest: String = label.split('#').map(|part| part.split_once(';').map_or(part, |(_, rest)| rest)).collect();
            assert!(!rest.contains(['<', '>', '[', ']', '{', '}', '|', '`', '%', '&', ';', '\\']), "{line}");
        }
        assert_eq!(drawing.lines().filter(|line| line.contains("-->")).count(), 2, "{drawing}");
    }
}

#[test]
fn an_output_outside_the_project_is_not_shown() {
    let site = Site::new();
    site.import("Plan", None, vec![feature("One"), feature("Two"), feature("Three")]);
    let outside = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(outside.path(), "secret\nsecret\n").unwrap();
    std::os::unix::fs::symlink(outside.path(), site.path("log/link.log")).unwrap();
    for (id, output) in [(1, "../../etc/passwd"), (2, ".orchestrator/log/link.log"), (3, "/etc/passwd")] {
        let claim = site.claim("agent-01", id);
        site.complete_with(claim, TaskResult { note: "done".to_owned(), output: Some(output.to_owned()), ..TaskResult::default() });
    }
    let text = site.publish().text;
    assert!(!text.contains("secret") && !text.contains("root:"), "{text}");
    assert_eq!(parse(&text).fences.len(), 0);
}
