//! No text of any kind makes the parsers panic, and what is written as a plan reads as that plan.

use proptest::prelude::*;

use super::super::{Format, MISTAKES_MAX, Severity, read};
use super::plan;
use crate::task::After;

const FORMATS: [Format; 3] = [Format::Toml, Format::Json, Format::Markdown];

/// Reads a text in all forms; what must hold of every answer.
fn reads(text: &str) -> Result<(), TestCaseError> {
    for format in FORMATS {
        match read(text, format) {
            Ok(plan) => {
                prop_assert!(!plan.tasks.is_empty() && !plan.title.is_empty());
                prop_assert!(plan.warnings.iter().all(|warning| warning.severity == Severity::Warning));
                for (index, planned) in plan.tasks.iter().enumerate() {
                    prop_assert!(!planned.task.spec.title.is_empty());
                    prop_assert!(text.get(planned.span.clone()).is_some());
                    prop_assert!(planned.paths.iter().all(|(_, span)| text.get(span.clone()).is_some()));
                    prop_assert!(
                        planned.task.after.iter().all(|after| matches!(after, After::Index(on) if *on < plan.tasks.len() && *on != index))
                    );
                }
            }
            Err(mistakes) => {
                prop_assert!(mistakes.iter().any(|mistake| mistake.severity == Severity::Error));
                prop_assert!(mistakes.len() <= 2 * MISTAKES_MAX && mistakes.is_sorted_by_key(|mistake| mistake.span.start));
                for mistake in &mistakes {
                    prop_assert!(text.get(mistake.span.clone()).is_some(), "{:?} {:?}", format, mistake);
                    let hidden = |shown: &str| shown.chars().any(crate::text::is_hidden);
                    prop_assert!(!hidden(&mistake.message) && !mistake.hint.as_deref().is_some_and(hidden), "{:?}", mistake);
                    prop_assert!(mistake.message.starts_with(|c: char| !c.is_uppercase()), "{:?}", mistake);
                }
            }
        }
    }
    Ok(())
}

/// Pieces of plans, whole and broken, of all forms.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "title",
        "id",
        "after",
        "context",
        "task",
        "defaults",
        "phase",
        "run",
        "= ",
        "\"",
        "'",
        "\"\"\"",
        "'''",
        "[[task]]\n",
        "[defaults]\n",
        "[",
        "]",
        "{",
        "}",
        ":",
        ",",
        ".",
        "\n",
        "\r\n",
        " ",
        "  ",
        "\t",
        "# ",
        "## Phase 2\n",
        "- [ ] ",
        "- [x] ",
        "- ",
        "1. ",
        "> ",
        "`",
        "```\n",
        "<!--",
        "-->",
        "*",
        "a",
        "b",
        "é",
        "\u{feff}",
        "\u{0}",
        "\u{1b}",
        "\u{202e}",
        "\\",
        "\\u0000",
        "1",
        "-1",
        "15m",
        "../",
        "null",
        "true",
        "key: value",
        "after: a",
        "title = \"A\"\n",
        "id = \"a\"\n",
        "after = [\"a\", \"b\"]\n",
        "\"title\": \"A\"",
        "\"task\": [",
        "[x]",
        "[]",
        "(",
        "|",
    ]);
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

/// A plan to be written: ids are indexes, each task comes after some earlier ones.
#[derive(Debug, Clone)]
struct Written {
    title: String,
    description: String,
    after: Vec<usize>,
    needs: Vec<String>,
    context: Vec<String>,
    accept: Vec<String>,
    run: Option<String>,
    phase: u32,
    minutes: u32,
    attempts: u32,
}

fn written() -> impl Strategy<Value = Vec<Written>> {
    let words = || "[a-zA-Zé→ \"'\\\\#]{0,20}[a-z]";
    let text = "(\\PC|\n|\t){0,40}";
    let lists = (
        prop::collection::vec("[a-z][a-z0-9.-]{0,5}", 0..3),
        prop::collection::vec("[a-z]{1,5}(/[a-z \"\\\\]{1,5}[a-z])?", 0..3),
        prop::collection::vec(words(), 0..3),
    );
    let task = (
        words(),
        text,
        prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        lists,
        prop::option::of(words()),
        (1u32..4, 1u32..200, 1u32..1_001),
    );
    prop::collection::vec(task, 1..12).prop_map(|tasks| {
        let mut phase_before = 1;
        let tasks = tasks.into_iter().enumerate().map(
            |(index, (title, description, after, (needs, context, accept), run, (phase, minutes, attempts)))| {
                phase_before = phase.max(phase_before);
                let after = if index == 0 { Vec::new() } else { after.iter().map(|on| on.index(index)).collect() };
                Written { title, description, after, needs, context, accept, run, phase: phase_before, minutes, attempts }
            },
        );
        tasks.collect()
    })
}

/// A text in quotes, as TOML and JSON both read it.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

fn list(texts: &[String]) -> String {
    format!("[{}]", texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", "))
}

fn keys(index: usize, task: &Written) -> Vec<(&'static str, String)> {
    let mut keys = vec![
        ("id", quoted(&format!("t{index}"))),
        ("title", quoted(&task.title)),
        ("description", quoted(&task.description)),
        ("after", list(&task.after.iter().map(|on| format!("t{on}")).collect::<Vec<_>>())),
        ("needs", list(&task.needs)),
        ("context", list(&task.context)),
        ("accept", list(&task.accept)),
        ("phase", task.phase.to_string()),
        ("timeout", quoted(&format!("{}m", task.minutes))),
        ("attempts", task.attempts.to_string()),
    ];
    keys.extend(task.run.as_ref().map(|run| ("run", quoted(run))));
    keys
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_text_is_read_without_panic(text in any::<String>()) {
        reads(&text)?;
    }

    #[test]
    fn any_heap_of_pieces_is_read_without_panic(text in pieces()) {
        reads(&text)?;
        reads(&format!("title = \"P\"\n[[task]]\ntitle = \"A\"\n{text}"))?;
        reads(&format!("{{\"title\": \"P\", \"task\": [{{\"title\": \"A\", {text}"))?;
        reads(&format!("# P\n\n- [ ] `a` A\n  - {text}"))?;
    }

    #[test]
    fn a_plan_that_is_written_reads_as_that_plan(tasks in written()) {
        let mut toml = String::from("title = \"P\"\n");
        let mut objects = Vec::new();
        for (index, task) in tasks.iter().enumerate() {
            let keys = keys(index, task);
            toml.push_str("\n[[task]]\n");
            keys.iter().for_each(|(key, value)| toml.push_str(&format!("{key} = {value}\n")));
            objects.push(format!("{{{}}}", keys.iter().map(|(key, value)| format!("\"{key}\": {value}")).collect::<Vec<_>>().join(", ")));
        }
        let json = format!("{{\"title\": \"P\", \"task\": [{}]}}", objects.join(",\n"));
        for (text, format) in [(&toml, Format::Toml), (&json, Format::Json)] {
            let plan = plan(text, format);
            prop_assert_eq!(plan.tasks.len(), tasks.len());
            for (planned, task) in plan.tasks.iter().zip(&tasks) {
                let (new, spec) = (&planned.task, &planned.task.spec);
                prop_assert_eq!(&spec.title, task.title.trim());
                prop_assert_eq!(&spec.description, task.description.trim_end());
                let mut after = task.after.clone();
                let mut seen = std::collections::HashSet::new();
                after.retain(|on| seen.insert(*on));
                prop_assert_eq!(&new.after, &after.into_iter().map(After::Index).collect::<Vec<_>>());
                let mut needs = task.needs.clone();
                needs.sort();
                needs.dedup();
                prop_assert_eq!(spec.needs.iter().map(|need| need.as_str().to_owned()).collect::<Vec<_>>(), needs);
                prop_assert_eq!(&spec.context, &task.context);
                prop_assert_eq!(&spec.accept, &task.accept.iter().map(|text| text.trim().to_owned()).collect::<Vec<_>>());
                prop_assert_eq!(spec.run.as_deref(), task.run.as_deref().map(str::trim));
                prop_assert_eq!((new.phase, new.attempts_max, new.timeout.as_secs()), (task.phase, task.attempts, u64::from(task.minutes) * 60));
            }
        }
    }
}
