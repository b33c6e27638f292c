//! Every mistake of Markdown plans, as people see it.

use insta::assert_snapshot;

use super::super::Format;
use super::shown;

fn markdown(text: &str) -> String {
    shown(text, Format::Markdown)
}

#[test]
fn all_mistakes_are_told_at_once() {
    assert_snapshot!(markdown("# Plan

- isolation: container
- attemps: 2

## Phase 0

- [ ] `a` First
  - phase: two
  - after: b, nothing, `a`
  - Timeout: 5
  - todo: later
  - Depends on: b
  - Note: a sentence, and no key
  - context: `docs/x.md`, ../y
  - run: x
  - run: y
- [ ] `a` Second
  - check:
- [ ]
- []Third
- [ ]Fourth
- [x] `b` Done before
- [x](http://example.org) is a link
"), @"
    3:13: 'isolation' takes one of none, worktree, found 'container'
    4:3: unknown key 'attemps' (did you mean 'attempts'?)
    6:4: a phase is numbered from 1 to 1000, found 0
    9:11: 'phase' takes a whole number from 1 to 1000, found the text 'two'
    10:14: no task of this plan has the id 'nothing'
    10:23: 'a' comes after itself
    11:13: 'timeout' is no duration: expected a duration such as 90s, 15m or 2h, found '5'
    12:5: unknown key 'todo'
    13:5: unknown key 'depends_on' (did you mean 'after'?)
    15:26: the path '../y' holds '..': only files of the project can be named
    17:5: the key 'run' is given twice, first at 16:5
    18:7: the id 'a' is given twice, first at 8:7
    18:11: warning: the task names neither inputs nor outputs nor acceptance (a worker knows nothing but the task: say with 'accept' when it is done)
    19:11: 'check' is empty
    20:1: warning: the task names neither inputs nor outputs nor acceptance (a worker knows nothing but the task: say with 'accept' when it is done)
    20:6: 'title' is empty
    21:3: this line looks like a task and is none (write '- [ ] ' and then the title)
    22:3: this line looks like a task and is none (write '- [ ] ' and then the title)
    23:7: warning: 'Done before' is ticked off: it is done already and left out
    ");
}

#[test]
fn a_plan_must_have_a_title_and_a_task() {
    assert_snapshot!(markdown(""), @"
    1:1: the plan has no title (begin with # …)
    1:1: the plan is empty: it has no task (add - [ ] …)
    ");
    assert_snapshot!(markdown("\n- plain\n"), @"
    1:1: the plan has no title (begin with # …)
    1:1: the plan is empty: it has no task (add - [ ] …)
    ");
    assert_snapshot!(markdown("# Only done\n\n- [x] one\n- [X] two\n"), @"
    1:1: the plan is empty: it has no task (add - [ ] …)
    3:7: warning: 'one' is ticked off: it is done already and left out
    4:7: warning: 'two' is ticked off: it is done already and left out
    ");
    assert_snapshot!(markdown("## Phase 1\n\n- [ ] x\n  - run: x\n"), @"1:1: the plan has no title (begin with # …)");
    assert_snapshot!(markdown("# Hidden\n\n```\n- [ ] in code\n```\n\n<!--\n- [ ] in a comment\n-->\n\n> - [ ] in a quote\n\n    - [ ] in an indented block\n"), @"1:1: the plan is empty: it has no task (add - [ ] …)");
}

#[test]
fn a_task_within_a_task_makes_an_edge_like_any_other() {
    assert_snapshot!(markdown("# P

- [ ] `outer` Outer
  - run: x
  - [ ] Inner one
    - run: x
    - after: outer
"), @"5:9: these tasks wait for each other: outer → Inner one → outer (each comes after the next: take one out of its 'after')");
}

#[test]
fn depth_and_number_are_bounded() {
    assert_snapshot!(markdown(&format!("# P\n\n{}x", "- ".repeat(100_000))), @"3:1: nested more than 64 levels deep");
    assert_snapshot!(markdown(&">".repeat(100_000)), @"1:1: nested more than 64 levels deep");
    assert_snapshot!(markdown(&format!("# P\n\n{}", "- [ ] x\n  - run: x\n".repeat(10_001))), @"20003:1: the plan has more than 10000 tasks (split it into several plans)");
}
