//! What Markdown adds: tasks within tasks, words around them, keys in several spellings.

use insta::assert_snapshot;

use super::super::Format;
use super::{plan, shown};

#[test]
fn markdown_nests_tasks_and_keeps_what_is_written() {
    let text = "Intro

# The plan with `code` and *stars*

What it is
for.

Second paragraph.

- Backend
  - [ ] `a-1` – Outer *task*
    over two lines
    - context:
      - docs/a.md
      - `docs/b.md`
    - accept:
      - [ ] a box in a list of values
        goes on
      - it is, with a comma
    - [ ] Inner
      - [ ] Innermost
    - [x] `old` Inner done
      - [ ] Left over
    - a plain line
      - and one below
    - Note: this stays
    - Group:
      - [ ] In a group

    Text below:

    ```sh
    - [ ] not a task
      indented
    ```
- [ ] Last
  - after: `a-1`, old
* [ ] `cargo fmt` is no id
+ [ ] `only-code`
- description: not a key here
";
    let plan = plan(text, Format::Markdown);
    assert_eq!(plan.goal.as_deref(), Some("Intro\n\nWhat it is\nfor.\n\nSecond paragraph."));
    let tasks: Vec<String> = plan
        .tasks
        .iter()
        .map(|planned| format!("{:?} {:?} after {:?}", planned.local_id, planned.task.spec.title, planned.task.after))
        .collect();
    assert_snapshot!(tasks.join("\n"), @r#"
    Some("a-1") "Outer *task* over two lines" after [Index(1), Index(3), Index(4)]
    None "Inner" after [Index(2)]
    None "Innermost" after []
    None "Left over" after []
    None "In a group" after []
    None "Last" after [Index(0)]
    None "`cargo fmt` is no id" after []
    None "`only-code`" after []
    "#);
    let outer = &plan.tasks[0].task.spec;
    assert_eq!(outer.context, ["docs/a.md", "docs/b.md"]);
    assert_eq!(outer.accept, ["a box in a list of values goes on", "it is, with a comma"]);
    assert_snapshot!(outer.description, @"
    - a plain line
      - and one below
    - Note: this stays
    - Group:

    Text below:

    ```sh
    - [ ] not a task
      indented
    ```
    ");
    assert_snapshot!(shown(text, Format::Markdown), @"
    20:11: warning: the task names neither inputs nor outputs nor acceptance (a worker knows nothing but the task: say with 'accept' when it is done)
    21:13: warning: the task names neither inputs nor outputs nor acceptance (a worker knows nothing but the task: say with 'accept' when it is done)
    22:11: warning: 'Inner done' is ticked off: it is done already and left out
    23:13: warning: the task names neither inputs nor outputs nor acceptance (a worker knows nothing but the task: say with 'accept' when it is done)
    28:13: warning: the task names neither inputs nor outputs nor acceptance (a worker knows nothing but the task: say with 'accept' when it is done)
    36:7: warning: the task names neither inputs nor outputs nor acceptance (a worker knows nothing but the task: say with 'accept' when it is done)
    38:7: warning: the task names neither inputs nor outputs nor acceptance (a worker knows nothing but the task: say with 'accept' when it is done)
    39:7: warning: the task names neither inputs nor outputs nor acceptance (a worker knows nothing but the task: say with 'accept' when it is done)
    ");
}

#[test]
fn markdown_lists_without_boxes_are_text() {
    let plan = plan("# P\n\nGoal\n\n- one\n- two: three\n\nNo goal any more\n\n- [ ] A\n  - run: x\n", Format::Markdown);
    assert_eq!((plan.goal.as_deref(), plan.tasks.len()), (Some("Goal"), 1));
}

#[test]
fn the_first_heading_is_the_title_when_none_is_of_the_first_level() {
    let plan = plan("## Phase 2\n\n- [ ] A\n  - run: x\n\n### Later title\n\n- [ ] B\n  - run: x\n  - phase: 3\n", Format::Markdown);
    assert_eq!(plan.title, "Later title");
    assert_eq!(plan.tasks.iter().map(|planned| planned.task.phase).collect::<Vec<_>>(), [2, 3]);
}
