//! Every code that the program can show has a section in `docs/errors.md`, and every section has a code: found by reading the sources.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What stands before a code: whatever makes an error, or a finding, of it.
const MAKERS: [&str; 10] = [
    "Error::new(",
    "Self::new(",
    "Error::usage(",
    "Error::refused(",
    "Self::refused(",
    "Self::usage(",
    "refused(",
    "store(",
    "code:",
    ".wrong(",
];
/// What takes a severity before the code.
const WITH_SEVERITY: &str = ".add(";

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_none_or(|name| name != "tests") {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") && path.file_name().is_none_or(|name| name != "tests.rs") {
            found.push(path);
        }
    }
}

/// The literal at the beginning of a text, if it is a code.
fn literal(text: &str) -> Option<&str> {
    let code = text.strip_prefix('"')?.split('"').next()?;
    let is_code = code.len() > 2 && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    is_code.then_some(code)
}

/// The codes behind one maker: its first argument, or its second when the first is a kind or a severity.
fn behind<'t>(text: &'t str, maker: &str, found: &mut BTreeSet<&'t str>) {
    for (at, _) in text.match_indices(maker) {
        let arguments = text[at + maker.len()..].trim_start();
        let second = || {
            let (first, rest) = arguments.split_once(',')?;
            let is_path = first.contains("Kind::") || first.contains("Severity::") || first == "severity";
            if is_path { literal(rest.trim_start()) } else { None }
        };
        let first = if maker == WITH_SEVERITY { None } else { literal(arguments) };
        found.extend(first.or_else(second));
    }
}

/// Every code in a source, without what it only tests.
fn codes(text: &str) -> BTreeSet<&str> {
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    let mut found = BTreeSet::new();
    MAKERS.iter().chain(&[WITH_SEVERITY]).for_each(|maker| behind(text, maker, &mut found));
    // Refusals of the life cycle name theirs in a table.
    if let Some((_, table)) = text.split_once("fn code(&self) -> &'static str {") {
        let table = table.split("\n    }\n").next().unwrap_or_default();
        found.extend(table.split("=> ").skip(1).filter_map(literal));
    }
    found
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn every_code_has_a_section_and_every_section_a_code() {
    let mut files = Vec::new();
    for name in ["app", "domain", "engine"] {
        sources(&root().join("crates").join(name).join("src"), &mut files);
    }
    let mut known: BTreeMap<String, PathBuf> = BTreeMap::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        for code in codes(&text) {
            known.entry(code.to_owned()).or_insert_with(|| file.clone());
        }
    }
    assert!(
        known.len() > 80
            && ["stale_claim", "bug", "no_such_task", "dangling", "leftover", "damaged"].iter().all(|code| known.contains_key(*code)),
        "{known:?}"
    );
    let page = std::fs::read_to_string(root().join("docs/errors.md")).unwrap();
    let sections: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`')).collect();
    let named: BTreeSet<&str> = sections.iter().copied().collect();
    assert_eq!(named.len(), sections.len(), "a section stands there twice");
    let missing: Vec<_> = known.iter().filter(|(code, _)| !named.contains(code.as_str())).collect();
    assert!(missing.is_empty(), "docs/errors.md has no section for {missing:?}");
    let unknown: Vec<_> = named.iter().filter(|code| !known.contains_key(**code)).collect();
    assert!(unknown.is_empty(), "docs/errors.md explains what no source shows: {unknown:?}");
}

#[test]
fn every_section_says_how_it_exits() {
    let page = std::fs::read_to_string(root().join("docs/errors.md")).unwrap();
    let errors = page.split("## Findings").next().unwrap();
    for section in errors.split("\n### ").skip(1) {
        let text = section.split_once('\n').expect("a section has text").1;
        assert!(text.starts_with("Exit "), "{section}");
    }
}
