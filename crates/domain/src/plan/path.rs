//! Which paths a plan may name (A15). What they lead to, symbolic links included, is checked where files are known.

use crate::text::escaped;

/// The longest path that is taken.
const PATH_BYTES_MAX: usize = 4_096;

/// Says whether a path is relative, stays inside the project by its words, and is none of git's own.
///
/// # Errors
/// A fragment that shows the path escaped and says what is wrong with it.
pub fn check_path(path: &str) -> Result<(), String> {
    match wrong_with(path) {
        None => Ok(()),
        Some(wrong) => Err(format!("the path '{}' {wrong}", escaped(path, 80))),
    }
}

fn wrong_with(path: &str) -> Option<&'static str> {
    if path.trim().is_empty() {
        return Some("is empty");
    }
    if path.len() > PATH_BYTES_MAX {
        return Some("has more than 4096 bytes");
    }
    if path.chars().any(char::is_control) {
        return Some("holds a control character");
    }
    if path.starts_with('/') {
        return Some("is absolute: only files of the project can be named");
    }
    if path.starts_with('~') {
        return Some("begins with '~': only files of the project can be named");
    }
    let parts = path.strip_suffix('/').unwrap_or(path);
    for part in parts.split('/') {
        if part.is_empty() {
            return Some("holds '//'");
        }
        if part == ".." {
            return Some("holds '..': only files of the project can be named");
        }
        if part.eq_ignore_ascii_case(".git") {
            return Some("leads into '.git'");
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_inside_the_project_are_taken() {
        for path in ["README.md", "docs/api.md", "./docs/a b.md", "docs/", ".gitignore", "a/..b/c", "é/ü.md", "a~", "c:d", "."] {
            assert_eq!(check_path(path), Ok(()), "{path:?}");
        }
    }

    #[test]
    fn paths_out_of_it_are_refused_and_shown_escaped() {
        let long = "x".repeat(5_000);
        let shown: Vec<String> = [
            "",
            "  ",
            "/etc/passwd",
            "//",
            "~/x",
            "~root",
            "..",
            "../../.ssh/id_rsa",
            "a/../../b",
            "a/..",
            "a//b",
            ".git/config",
            "sub/.GIT",
            "a\0b",
            "a\nb",
            "\u{1b}[31m",
            long.as_str(),
            "/\u{202e}x",
        ]
        .into_iter()
        .map(|path| check_path(path).err().unwrap_or_else(|| format!("taken: {path:?}")))
        .collect();
        insta::assert_snapshot!(shown.join("\n"), @r"
        the path '' is empty
        the path '  ' is empty
        the path '/etc/passwd' is absolute: only files of the project can be named
        the path '//' is absolute: only files of the project can be named
        the path '~/x' begins with '~': only files of the project can be named
        the path '~root' begins with '~': only files of the project can be named
        the path '..' holds '..': only files of the project can be named
        the path '../../.ssh/id_rsa' holds '..': only files of the project can be named
        the path 'a/../../b' holds '..': only files of the project can be named
        the path 'a/..' holds '..': only files of the project can be named
        the path 'a//b' holds '//'
        the path '.git/config' leads into '.git'
        the path 'sub/.GIT' leads into '.git'
        the path 'a\u{0}b' holds a control character
        the path 'a\nb' holds a control character
        the path '\u{1b}[31m' holds a control character
        the path 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…' has more than 4096 bytes
        the path '/\u{202e}x' is absolute: only files of the project can be named
        ");
    }
}
