//! Every error code in the sources has its place in `docs/errors.md`.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

use std::collections::BTreeSet;
use std::path::Path;

fn sources(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(std::fs::read_to_string(path).unwrap());
        }
    }
}

/// The word in quotation marks that follows, where it comes at once.
fn quoted(text: &str) -> Option<&str> {
    let rest = text.trim_start().strip_prefix('"')?;
    let word = &rest[..rest.find('"')?];
    (!word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')).then_some(word)
}

#[test]
fn every_code_is_documented() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut texts = Vec::new();
    for name in ["engine/src", "app/src"] {
        sources(&crates.join(name), &mut texts);
    }
    let mut codes: BTreeSet<String> = BTreeSet::new();
    for text in &texts {
        for mark in ["Error::usage(", "Error::refused(", "Error::file_code(", "store(", "code: "] {
            codes.extend(text.split(mark).skip(1).filter_map(quoted).map(str::to_owned));
        }
        for kind in ["Refused", "Usage", "NotFound", "Nothing", "Store", "Bug", "Unknown"] {
            codes.extend(text.split(&format!("Kind::{kind},")).skip(1).filter_map(quoted).map(str::to_owned));
        }
    }
    let lifecycle = std::fs::read_to_string(crates.join("domain/src/lifecycle.rs")).unwrap();
    codes
        .extend(lifecycle.split("=> ").skip(1).filter_map(quoted).filter(|word| word.contains('_') || *word == "taken").map(str::to_owned));
    assert!(codes.len() > 50, "only {} codes were found: does this test still read the sources rightly?", codes.len());
    let page = std::fs::read_to_string(crates.parent().unwrap().join("docs/errors.md")).unwrap();
    let missing: Vec<&String> = codes.iter().filter(|code| !page.contains(&format!("`{code}`"))).collect();
    assert!(missing.is_empty(), "docs/errors.md does not tell of {missing:?}");
}
