//! "Did you mean …?": the known word that is at most two slips of the keyboard away.

/// Words that other tools use for what has another name here.
const SYNONYMS: &[(&str, &str)] = &[
    ("acceptance", "accept"),
    ("acceptance_criteria", "accept"),
    ("assignee", "assign"),
    ("attempts_max", "attempts"),
    ("capabilities", "needs"),
    ("cmd", "run"),
    ("command", "run"),
    ("context_files", "context"),
    ("dependencies", "after"),
    ("depends", "after"),
    ("depends_on", "after"),
    ("deps", "after"),
    ("desc", "description"),
    ("estimate_seconds", "estimate"),
    ("files", "context"),
    ("name", "title"),
    ("prompt", "description"),
    ("requires", "after"),
    ("retries", "attempts"),
    ("script", "run"),
    ("timeout_seconds", "timeout"),
    ("type", "kind"),
    ("verify", "check"),
    ("worker", "assign"),
];

/// The longest word that is looked at.
const WORD_BYTES_MAX: usize = 64;

/// The known word that is meant by, or nearest to, this one.
pub(super) fn nearest<'w>(word: &str, known: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    if word.len() > WORD_BYTES_MAX {
        return None;
    }
    let lower = word.to_lowercase();
    let meant = synonym(&lower);
    let slips_max = if lower.chars().count() <= 3 { 1 } else { 2 };
    let chars: Vec<char> = lower.chars().collect();
    let mut best: Option<(usize, &str)> = None;
    for candidate in known {
        if Some(candidate) == meant {
            return Some(candidate);
        }
        let limit = best.map_or(slips_max, |(slips, _)| slips.saturating_sub(1));
        if let Some(slips) = slips(&chars, candidate, limit)
            && best.is_none_or(|(fewest, _)| slips < fewest)
        {
            best = Some((slips, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// What another tool's word is called here.
pub(super) fn synonym(word: &str) -> Option<&'static str> {
    SYNONYMS.iter().find(|(other, _)| *other == word).map(|&(_, ours)| ours)
}

/// How many letters must be put in, left out, changed or swapped with their neighbour; `None` when that is more than `limit`.
fn slips(word: &[char], candidate: &str, limit: usize) -> Option<usize> {
    if candidate.len() > 4 * WORD_BYTES_MAX {
        return None;
    }
    let other: Vec<char> = candidate.chars().map(|c| c.to_ascii_lowercase()).collect();
    if word.len().abs_diff(other.len()) > limit {
        return None;
    }
    let width = other.len() + 1;
    let mut before_last: Vec<usize> = vec![0; width];
    let mut last: Vec<usize> = (0..width).collect();
    for (i, &c) in word.iter().enumerate() {
        let mut row = vec![i + 1; width];
        for (j, &d) in other.iter().enumerate() {
            let mut least = (last[j] + usize::from(c != d)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && c == other[j - 1] && word[i - 1] == d {
                least = least.min(before_last[j - 1] + 1);
            }
            row[j + 1] = least;
        }
        if row.iter().all(|&slips| slips > limit) {
            return None;
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last.last().copied().filter(|&slips| slips <= limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_found() {
        let known = ["title", "timeout", "after", "accept", "agent", "id", "run"];
        let nearest = |word| nearest(word, known.into_iter());
        assert_eq!(nearest("titel"), Some("title"));
        assert_eq!(nearest("Title"), Some("title"));
        assert_eq!(nearest("tiemout"), Some("timeout"));
        assert_eq!(nearest("agnt"), Some("agent"));
        assert_eq!(nearest("rnu"), Some("run"));
        assert_eq!(nearest("depends_on"), Some("after"), "another tool's word");
        assert_eq!(nearest("xyz"), None);
        assert_eq!(nearest(""), None);
        assert_eq!(nearest(&"a".repeat(100_000)), None);
    }

    #[test]
    fn a_synonym_of_what_is_not_known_here_is_no_answer() {
        assert_eq!(nearest("deps", ["goal"].into_iter()), None);
    }
}
