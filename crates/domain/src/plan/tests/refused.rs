//! Every mistake of TOML and JSON plans, as people see it.

use insta::assert_snapshot;

use super::super::{Format, MISTAKES_MAX, Severity, read};
use super::shown;

fn toml(text: &str) -> String {
    shown(text, Format::Toml)
}

fn json(text: &str) -> String {
    shown(text, Format::Json)
}

/// A plan with one task that runs a command, and these lines in it.
fn with(lines: &str) -> String {
    toml(&format!("title = \"P\"\n[[task]]\ntitle = \"A\"\nrun = \"true\"\n{lines}"))
}

#[test]
fn all_mistakes_are_told_at_once() {
    assert_snapshot!(toml(r#"titel = "Release"
isolation = "container"
fallback = true

[defaults]
id = "x"
prioritty = "high"
phase = 0

[[task]]
id = "a b"
title = ""
after = ["api", "a b"]

[[task]]
id = "api"
title = "Build \u001b[31m the API"
kind = "featur"
phase = "one"
priority = "urgent"
attempts = 1001
timeout = 15
estimate = "soon"
context = ["../secret", "docs/api.md", "/etc/passwd", 5]
instructions = "~/notes.md"
needs = ["back end"]
assign = "-t"
agent = "../../role"
run = "  "
depends_on = ["x"]

[[task]]
id = "api"
title = 7
after = "ap"
tests = "never"
outputs = [["x"]]
"#), @r#"
    1:1: unknown key 'titel' (did you mean 'title'?)
    1:1: the plan has no title (begin with title = "…")
    2:13: 'isolation' takes one of none, worktree, found 'container'
    3:12: 'fallback' takes one of any, wait, found true
    6:1: 'id' has no default: each task has its own
    7:1: unknown key 'prioritty' (did you mean 'priority'?)
    8:9: 'phase' takes a whole number from 1 to 1000, found 0
    10:1: warning: the task names neither inputs nor outputs nor acceptance (a worker knows nothing but the task: say with 'accept' when it is done)
    11:6: the id 'a b' is not made of 1 to 64 letters, digits, '.', '_' and '-'
    12:9: 'title' is empty
    13:17: no task of this plan has the id 'a b'
    15:1: warning: the task names neither inputs nor outputs nor acceptance (a worker knows nothing but the task: say with 'accept' when it is done)
    17:9: 'title' is refused: it holds the control character U+001B at line 1, column 7
    18:8: 'kind' takes one of feature, test, fix, found 'featur' (did you mean 'feature'?)
    19:9: 'phase' takes a whole number from 1 to 1000, found the text 'one'
    20:12: 'priority' takes one of low, med, high, found 'urgent'
    21:12: 'attempts' takes a whole number from 1 to 1000, found 1001
    22:11: 'timeout' takes a duration such as 90s, 15m or 2h, found 15 without a unit (write "15s" for seconds or "15m" for minutes)
    23:12: 'estimate' is no duration: expected a duration such as 90s, 15m or 2h, found 'soon'
    24:12: the path '../secret' holds '..': only files of the project can be named
    24:40: the path '/etc/passwd' is absolute: only files of the project can be named
    24:55: 'context' takes a path, found a number
    25:16: the path '~/notes.md' begins with '~': only files of the project can be named
    26:10: 'needs' cannot read 'back end': expected a capability (1 to 64 letters, digits, '.', '_' or '-', beginning with a letter or a digit)
    27:10: 'assign' cannot read '-t': expected a worker's name (1 to 64 letters, digits, '.', '_' or '-', beginning with a letter or a digit)
    28:9: 'agent' takes the name of a role in the agents library, auto or none, found '../../role'
    29:7: 'run' is empty
    30:1: unknown key 'depends_on' (did you mean 'after'?)
    32:1: warning: the task names neither inputs nor outputs nor acceptance (a worker knows nothing but the task: say with 'accept' when it is done)
    33:6: the id 'api' is given twice, first at 16:6
    34:9: 'title' takes one line of text, found a number
    35:9: no task of this plan has the id 'ap' (did you mean 'api'?)
    36:9: 'tests' takes one of auto, none, found 'never'
    37:12: 'outputs' takes a text, found a list
    "#);
}

#[test]
fn what_other_tools_write_gets_a_hint() {
    assert_snapshot!(toml("name = \"P\"\npriority = \"high\"\n[[tasks]]\nname = \"A\"\ncommand = \"x\""), @r#"
    1:1: unknown key 'name' (did you mean 'title'?)
    1:1: the plan has no title (begin with title = "…")
    1:1: the plan is empty: it has no task (add [[task]] with title = "…")
    2:1: unknown key 'priority' ('priority' belongs to a task, or to [defaults] for all of them)
    3:3: unknown key 'tasks' (did you mean 'task'?)
    "#);
}

#[test]
fn wrong_types_are_named() {
    assert_snapshot!(with("description = 1\nphase = 1.5\nafter = 7\nneeds = { a = 1 }\ntest = [\"x\"]\ntimeout = 1979-05-27\nattempts = \"3\"\nkind = true"), @"
    5:15: 'description' takes a text, found a number
    6:9: 'phase' takes a whole number from 1 to 1000, found a fraction
    7:9: 'after' takes a text, found a number
    8:9: 'needs' takes a name, found a table
    9:8: 'test' takes a text, found a list
    10:11: 'timeout' takes a duration such as 90s, 15m or 2h, found a date
    11:12: 'attempts' takes a whole number from 1 to 1000, found the text '3'
    12:8: 'kind' takes one of feature, test, fix, found true
    ");
    assert_snapshot!(toml("title = 1\ngoal = []\ndefaults = 5\ntask = \"x\""), @"
    1:9: 'title' takes one line of text, found a number
    2:8: 'goal' takes a text, found a list
    3:12: 'defaults' takes a table of keys, found a number
    4:1: 'task' takes a list of tasks, found a text (write [[task]], with two brackets)
    4:8: a task is a table of keys, found a text
    ");
    assert_snapshot!(toml("title = \"P\"\n[task]\ntitle = \"A\"\nrun = \"x\""), @"2:2: 'task' takes a list of tasks, found a table (write [[task]], with two brackets)");
    assert_snapshot!(toml("title = \"P\"\ntask = [1, {title = \"A\", run = \"x\"}]"), @"2:9: a task is a table of keys, found a number");
    assert_snapshot!(json(r#"{"title": null, "task": [{"title": "A", "run": "x", "test": null, "phase": 1e3, "attempts": 99999999999999999999}]}"#), @"
    1:11: 'title' takes one line of text, found null (leave the key out)
    1:61: 'test' takes a text, found null (leave the key out)
    1:76: 'phase' takes a whole number from 1 to 1000, found a number that is not whole, or too large
    1:93: 'attempts' takes a whole number from 1 to 1000, found a number that is not whole, or too large
    ");
}

#[test]
fn numbers_and_durations_have_bounds() {
    for bad in [
        "phase = 0",
        "phase = 1001",
        "phase = -1",
        "attempts = 0",
        "attempts = 1001",
        "timeout = \"0s\"",
        "estimate = \"0m\"",
        "timeout = \"400d\"",
        "timeout = \"-5s\"",
        "timeout = \"\"",
    ] {
        let shown = with(bad);
        assert_eq!(shown.lines().count(), 1, "{bad}: {shown}");
        assert!(shown.starts_with("5:"), "{bad}: {shown}");
    }
    for good in ["phase = 1000", "attempts = 1000", "timeout = \"1s\"", "estimate = \"1h30m\""] {
        assert_eq!(with(good), "", "{good}");
    }
}

#[test]
fn a_plan_must_have_a_title_and_a_task() {
    assert_snapshot!(toml(""), @r#"
    1:1: the plan has no title (begin with title = "…")
    1:1: the plan is empty: it has no task (add [[task]] with title = "…")
    "#);
    assert_snapshot!(toml("\u{feff}"), @r#"
    1:1: the plan has no title (begin with title = "…")
    1:1: the plan is empty: it has no task (add [[task]] with title = "…")
    "#);
    assert_snapshot!(toml("title = \"P\"\ntask = []"), @r#"1:1: the plan is empty: it has no task (add [[task]] with title = "…")"#);
    assert_snapshot!(json("{}"), @r#"
    1:1: the plan has no title (add "title": "…")
    1:1: the plan is empty: it has no task (add "task": [{"title": "…"}])
    "#);
    assert_snapshot!(json(""), @r#"1:1: the plan is empty (write {"title": "…", "task": […]})"#);
    assert_snapshot!(json("[]"), @r#"1:1: a plan in JSON is one object, found a list (write {"title": "…", "task": […]})"#);
    assert_snapshot!(json("\"plan\""), @r#"1:1: a plan in JSON is one object, found a text (write {"title": "…", "task": […]})"#);
    assert_snapshot!(toml("title = \"P\"\n[[task]]"), @"
    2:1: the task has no title (add a title of one line)
    2:1: warning: the task names neither inputs nor outputs nor acceptance (a worker knows nothing but the task: say with 'accept' when it is done)
    ");
}

#[test]
fn texts_are_refused_with_the_place_of_the_character() {
    assert_snapshot!(json("{\"title\": \"a\u{7f}b\", \"goal\": \"x\\u0007\", \"task\": [{\"title\": \"two\\nlines\", \"run\": \"x\"}]}"), @"
    1:13: 'title' is refused: it holds the control character U+007F at line 1, column 2
    1:26: 'goal' is refused: it holds the control character U+0007 at line 1, column 2
    1:56: 'title' is refused: it holds the control character U+000A at line 1, column 4
    ");
    assert_snapshot!(json("{\"title\": \"a\u{9b}b\", \"task\": [{\"title\": \"\u{a0}\", \"run\": \"a\\u0000b\"}]}"), @"
    1:13: 'title' is refused: it holds the control character U+009B at line 1, column 2
    1:27: warning: the task names neither inputs nor outputs nor acceptance (a worker knows nothing but the task: say with 'accept' when it is done)
    1:37: 'title' is empty
    1:49: 'run' is refused: it holds the control character U+0000 at line 1, column 2
    ");
    let long = format!(
        "{{\"title\": \"{}\", \"task\": [{{\"title\": \"A\", \"run\": \"x\", \"description\": \"{}\"}}]}}",
        "é".repeat(501),
        "x".repeat(300_000)
    );
    assert_snapshot!(json(&long), @"
    1:11: 'title' is too long: it has 1002 bytes, 1000 are allowed
    1:567: 'description' is too long: it has 300000 bytes, 262144 are allowed
    ");
    assert_eq!(
        json("{\"title\": \"tab\\there \u{202e} bidi\", \"task\": [{\"title\": \"A\", \"run\": \"x\"}]}"),
        "",
        "shown escaped, not refused"
    );
}

#[test]
fn foreign_words_in_a_message_are_escaped() {
    assert_snapshot!(json("{\"title\": \"P\", \"a\\u001b[31m\u{202e}\": 1, \"task\": [{\"title\": \"A\", \"run\": \"x\", \"after\": \"\\u0000\", \"context\": [\"/\u{200b}\"], \"kind\": \"\\n\"}]}"), @r"
    1:16: unknown key 'a\u{1b}[31m\u{202e}'
    1:80: 'after' is refused: it holds the control character U+0000 at line 1, column 1
    1:102: the path '/\u{200b}' is absolute: only files of the project can be named
    1:117: 'kind' takes one of feature, test, fix, found '\n'
    ");
}

#[test]
fn ids_are_given_once_and_found() {
    assert_snapshot!(toml(r#"title = "P"
[[task]]
id = "api"
title = "A"
run = "x"
[[task]]
id = "api"
title = "B"
run = "x"
after = ["api", "apy", "T-004", "nothing like it"]
[[task]]
id = "self"
title = "C"
run = "x"
after = "self"
"#), @"
    7:6: the id 'api' is given twice, first at 3:6
    10:17: no task of this plan has the id 'apy' (did you mean 'api'?)
    10:24: no task of this plan has the id 'T-004' ('after' takes ids that tasks of this plan give themselves, not those of the project)
    10:33: no task of this plan has the id 'nothing like it'
    15:9: 'self' comes after itself
    ");
    for bad in ["", "a/b", "é", "a b", "-\u{1b}", &"x".repeat(65)] {
        assert!(
            json(&format!("{{\"title\": \"P\", \"task\": [{{\"id\": \"{bad}\", \"title\": \"A\", \"run\": \"x\"}}]}}"))
                .contains(": the id '"),
            "{bad:?}"
        );
    }
}

#[test]
fn cycles_are_told_with_their_path() {
    let task = |id: &str, after: &str| format!("[[task]]\nid = \"{id}\"\ntitle = \"{id}\"\nrun = \"x\"\nafter = [{after}]\n");
    let two = [task("a", "\"b\""), task("b", "\"a\""), task("c", "\"e\", \"a\""), task("d", "\"c\""), task("e", "\"d\"")].concat();
    assert_snapshot!(toml(&format!("title = \"P\"\n{two}")), @"
    6:10: these tasks wait for each other: a → b → a (each comes after the next: take one out of its 'after')
    16:10: these tasks wait for each other: c → e → d → c (each comes after the next: take one out of its 'after')
    ");
    let long: String = (0..10_000).map(|i| task(&format!("t{i}"), &format!("\"t{}\"", (i + 1) % 10_000))).collect();
    assert_snapshot!(toml(&format!("title = \"P\"\n{long}")), @"6:10: these tasks wait for each other: t0 → t1 → t2 → t3 → t4 → t5 → t6 → t7 → t8 → t9 → … 9990 more … → t0 (each comes after the next: take one out of its 'after')");
}

#[test]
fn a_phase_cannot_wait_for_a_later_one() {
    let task = |id: &str, phase: u32, kind: &str, after: &str| {
        format!("[[task]]\nid = \"{id}\"\ntitle = \"{id}\"\nrun = \"x\"\nphase = {phase}\nkind = \"{kind}\"\nafter = [{after}]\n")
    };
    let direct = [task("a", 1, "feature", "\"b\""), task("b", 2, "feature", "")].concat();
    assert_snapshot!(toml(&format!("title = \"P\"\n{direct}")), @"8:10: 'a' of phase 1 comes after 'b', which is not done before phase 2 (a phase begins when all earlier ones have ended)");
    let over_a_test = [task("a", 1, "feature", "\"t\""), task("t", 1, "test", "\"b\""), task("b", 3, "feature", "")].concat();
    assert_snapshot!(toml(&format!("title = \"P\"\n{over_a_test}")), @"8:10: 'a' of phase 1 comes after 't', which is not done before phase 3 (a phase begins when all earlier ones have ended)");
    let fine = [task("a", 2, "feature", "\"b\", \"t\""), task("t", 9, "test", "\"b\""), task("b", 1, "feature", "")].concat();
    assert_eq!(toml(&format!("title = \"P\"\n{fine}")), "");
}

#[test]
fn defaults_are_checked_once() {
    assert_snapshot!(toml(r#"title = "P"
[defaults]
title = "x"
tests = "auto"
after = ["base", "nothing"]
context = ["/x"]
task = []
[[task]]
id = "base"
title = "A"
run = "x"
[[task]]
title = "B"
run = "x"
[[task]]
title = "C"
run = "x"
"#), @"
    3:1: 'title' has no default: each task has its own
    5:18: no task of this plan has the id 'nothing'
    6:12: the path '/x' is absolute: only files of the project can be named
    7:1: unknown key 'task' (did you mean 'test'?)
    ");
}

#[test]
fn mistakes_of_syntax_hide_no_others() {
    assert_snapshot!(toml(r#"title = "P"
[[task]]
id = "a"
title = "A
run = "x"
[[task]]
title = "B"
titel = "b"
run = "x"
after = ["a"]
[[task]]
title = "C"
title = "D"
run = "x"
timeout = "soon"
[[task]]
title = E
"#), @r#"
    4:11: not valid TOML: invalid basic string, expected `"`
    8:1: unknown key 'titel' (did you mean 'title'?)
    13:1: the key 'title' is given twice
    15:11: 'timeout' is no duration: expected a duration such as 90s, 15m or 2h, found 'soon'
    17:9: not valid TOML: string values must be quoted, expected literal string
    "#);
    assert_snapshot!(toml("title = P\ngoal = Q\nfallback = \"x\"\n[[task]]\ntitle = \"A\"\nafter = [\"b\"\nrun = \"x\"\ntimeout = \"y\"\n[[task]\ntitle = \"B\""), @"
    1:9: not valid TOML: string values must be quoted, expected literal string
    2:8: not valid TOML: string values must be quoted, expected literal string
    3:12: 'fallback' takes one of any, wait, found 'x'
    7:1: not valid TOML: missing comma between array elements, expected `,`
    ");
    assert_snapshot!(toml("title = \"P\"\n[defaults]\nphase = 1\n[defaults]\nphase = 2\n[[task]]\ntitle = \"A\"\nrun = \"x\""), @"4:2: the key 'defaults' is given twice");
    assert_snapshot!(toml("title = \"P\"\ntask = 1\n[[task]]\ntitle = \"A\"\nrun = \"x\""), @"
    2:1: 'task' takes a list of tasks, found a number (write [[task]], with two brackets)
    2:8: a task is a table of keys, found a number
    3:3: the key 'task' is given twice
    ");
    assert_snapshot!(toml("# Title\n\n- [ ] a task\n"), @"3:3: not valid TOML: key with no value, expected `=`");
    assert_snapshot!(toml("title = \"P\"\ndescription = \"\"\"\nnever closed\n[[task]]\n"), @"2:15: not valid TOML: the text that begins here does not end");
}

#[test]
fn json_is_strict() {
    let cases = [
        "{",
        "{\"title\": \"P\",}",
        "{\"title\": \"P\" \"goal\": \"x\"}",
        "{title: \"P\"}",
        "// x",
        "{\"title\": 'P'}",
        "{\"title\": tru}",
        "{\"title\": \"a\nb\"}",
        "{} {}",
        "{\"title\": \"\\ud800\"}",
        "{\"title\": +1}",
        "[1 2]",
        "{\"title\": 01}",
        "{\"title\": \"x",
        "{\u{a0}\"title\": \"x\"}",
    ];
    let shown: Vec<String> = cases.iter().map(|text| format!("{text:?}: {}", json(text))).collect();
    assert_snapshot!(shown.join("\n"), @r#"
    "{": 1:1: not valid JSON: unterminated object
    "{\"title\": \"P\",}": 1:14: not valid JSON: trailing commas are not allowed
    "{\"title\": \"P\" \"goal\": \"x\"}": 1:14: not valid JSON: expected comma
    "{title: \"P\"}": 1:2: not valid JSON: expected string for object property
    "// x": 1:1: not valid JSON: comments are not allowed (JSON has no comments; TOML has)
    "{\"title\": 'P'}": 1:11: not valid JSON: single-quoted strings are not allowed
    "{\"title\": tru}": 1:11: not valid JSON: unexpected token (a text needs double quotes)
    "{\"title\": \"a\nb\"}": 1:1: the plan is empty: it has no task (add "task": [{"title": "…"}])
    1:13: not valid JSON: a string must hold U+000A as an escape (\u000a)
    1:13: 'title' is refused: it holds the control character U+000A at line 1, column 2
    "{} {}": 1:4: not valid JSON: text cannot contain more than one JSON value
    "{\"title\": \"\\ud800\"}": 1:12: not valid JSON: invalid unicode escape sequence. 'd800 (unpaired high surrogate)' is not a valid UTF8 character
    "{\"title\": +1}": 1:11: not valid JSON: unary plus on numbers is not allowed
    "[1 2]": 1:3: not valid JSON: expected comma
    "{\"title\": 01}": 1:12: not valid JSON: expected comma
    "{\"title\": \"x": 1:11: not valid JSON: unterminated string literal
    "{\u{a0}\"title\": \"x\"}": 1:1: the plan is empty: it has no task (add "task": [{"title": "…"}])
    1:2: not valid JSON: U+00A0 is no white space there
    "#);
}

#[test]
fn json_keys_are_given_once() {
    assert_snapshot!(json("{\"title\": \"P\", \"title\": \"Q\", \"x\": 1, \"x\": 2,\n \"task\": [{\"title\": \"A\", \"run\": \"x\", \"run\": \"y\"}]}"), @"
    1:16: the key 'title' is given twice, first at 1:2
    1:30: unknown key 'x'
    1:38: the key 'x' is given twice, first at 1:30
    2:38: the key 'run' is given twice, first at 2:26
    ");
}

#[test]
fn a_deep_or_a_large_plan_is_refused_before_it_is_parsed() {
    assert_snapshot!(json(&format!("{{\"title\": {}", "[".repeat(100_000))), @"1:74: nested more than 64 levels deep");
    assert_snapshot!(toml(&format!("title = \"P\"\na = {}", "[".repeat(100_000))), @"2:69: nested more than 64 levels deep");
    assert_snapshot!(toml(&format!("{}=1", vec!["a"; 100_000].join("."))), @"1:130: nested more than 64 levels deep");
    assert_snapshot!(toml(&"x".repeat(11 * 1024 * 1024)), @"1:1: the plan has 11534336 bytes, 10485760 are allowed (split it into several plans)");
    assert_snapshot!(toml(&format!("title = \"P\"\n{}", "[[task]]\ntitle = \"A\"\nrun = \"x\"\n".repeat(10_001))), @"30002:1: the plan has more than 10000 tasks (split it into several plans)");
    let edges = format!("after = [{}]\n", "\"a\",".repeat(99));
    let many = format!("[[task]]\ntitle = \"A\"\nrun = \"x\"\n{edges}").repeat(1_011);
    assert_snapshot!(toml(&format!("title = \"P\"\n[[task]]\nid = \"a\"\ntitle = \"A\"\nrun = \"x\"\n{many}")), @"4049:50: the plan has more than 100000 dependencies (split it into several plans)");
}

#[test]
fn nobody_reads_more_than_a_thousand_mistakes() {
    for text in [
        format!("title = \"P\"\n{}", "[[task]]\nx = 1\n".repeat(5_000)),
        (0..5_000).map(|i| format!("k{i} = 1\n")).collect::<String>(),
        format!("title = \"P\"\n{}", "[[task]]\nx = \n".repeat(5_000)),
    ] {
        let mistakes = read(&text, Format::Toml).err().unwrap_or_default();
        let errors = mistakes.iter().filter(|mistake| mistake.severity == Severity::Error).count();
        assert!(errors == MISTAKES_MAX && mistakes.len() <= 2 * MISTAKES_MAX);
        assert!(mistakes.is_sorted_by_key(|mistake| mistake.span.start));
    }
}

#[test]
fn what_is_odd_is_told_and_taken() {
    let text = r#"title = "P"
[[task]]
title = "Too small"
estimate = "4m"
accept = "it is there"
[[task]]
title = "Too large"
estimate = "16m"
outputs = "x"
[[task]]
title = "Says nothing"
estimate = "10m"
[[task]]
title = "A command"
run = "make"
estimate = "10s"
"#;
    let read = read(text, Format::Toml);
    assert!(read.is_ok_and(|plan| plan.warnings.iter().all(|warning| warning.severity == Severity::Warning)));
    assert_snapshot!(toml(text), @"
    4:12: warning: an estimate of 4m is short for an agent's task (5 to 15 minutes are best: put small tasks together)
    8:12: warning: an estimate of 16m is long for an agent's task (5 to 15 minutes are best: split large tasks)
    11:9: warning: the task names neither inputs nor outputs nor acceptance (a worker knows nothing but the task: say with 'accept' when it is done)
    ");
}
