//! What `--help` says, and that it says something everywhere.

use crate::desk::Desk;

/// The commands that the main help lists.
pub(crate) fn commands(desk: &Desk) -> Vec<String> {
    let help = desk.ok(&["--help"]);
    let listed = help.split("\nCommands:\n").nth(1).and_then(|rest| rest.split("\n\n").next()).unwrap_or_default();
    let names: Vec<String> = listed
        .lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next().map(ToOwned::to_owned))
        .filter(|name| name != "help")
        .collect();
    assert!(names.len() > 25, "{help}");
    names
}

#[test]
fn the_main_help_lists_the_commands_in_the_order_of_work() {
    insta::assert_snapshot!(Desk::bare().ok(&["--help"]), @"
    The foreman for a gang of coding agents: one queue, each task to exactly one worker, proven, tested,
    reported.

    Usage: ganger [OPTIONS] <COMMAND>

    Commands:
      init         Make this folder a project
      plan         Read a plan and add its tasks
      run          Do everything: start workers, follow them, test, repair, report
      add          Add a task
      edit         Change what a task asks for
      assign       Let a task wait for one worker, or for anybody
      cancel       Give a task up
      retry        Set a failed or cancelled task going again
      unblock      What a task waited for is there
      answer       Answer the question that a task waits for
      claim        Take the next task
      heartbeat    Say that you still work on a task
      complete     A task is done (its check runs first)
      fail         An attempt failed
      block        A task must wait for somebody
      release      Give a task back
      work         Be a worker: claim, run, check, record, again
      workers      The roster: list, add, pause, resume, remove
      status       How things stand, and what waits for somebody
      list         List tasks
      show         Show everything about one task
      graph        Draw what waits for what
      log          Show what happened
      say          Say something to everybody
      messages     Show what was said
      poll         Print how tasks stand until all are done
      report       Write and show the report: what was done, what went wrong, what waits for you
      doctor       Say what is wrong, and what to do about it
      repair       Make a new store of what is whole in a damaged one
      export       Write everything out, one JSON object a line
      import       Read an export into an empty store
      config       List, get and set settings
      completions  Print completions for a shell
      man          Print or write the manual pages
      bench        Measure this machine
      help         Print this message or the help of the given subcommand(s)

    Options:
      -h, --help
              Print help (see a summary with '-h')

      -V, --version
              Print version

    Global options:
      -C <DIR>
              Start in this folder instead of the current one

          --store <URL>
              Where the tasks are kept: sqlite:PATH or postgres://…

          --language <L>
              Language of titles, briefs and reports
              
              [possible values: en, fr, auto]

          --json
              Print one JSON document; poll, log and messages --follow: one object a line

          --color <WHEN>
              When to use colour

              Possible values:
              - auto:   On a terminal, unless `NO_COLOR` is set
              - always: Always
              - never:  Never

          --request-id <ID>
              Repeating a command with the same id has one effect and gives the same answer

    Exit codes:
       0  done
       1  refused or failed
       2  usage or bad input
       3  not found
       4  nothing to claim
       5  store unreachable or damaged
      70  a bug
      75  outcome unknown: repeat with the same --request-id
    ");
}

#[test]
fn every_command_says_what_it_does_and_what_each_flag_means() {
    let desk = Desk::bare();
    for name in commands(&desk) {
        let help = desk.ok(&[&name, "--help"]);
        assert_eq!(help, desk.ok(&["help", &name]), "{name}");
        let about = help.lines().next().unwrap_or_default();
        assert!(about.len() > 10 && !about.starts_with("Usage:"), "{name} has no description:\n{help}");
        assert!(help.contains(&format!("Usage: ganger {name}")), "{name}:\n{help}");
        let lines: Vec<&str> = help.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            let flag = line.trim_start();
            if !flag.starts_with('-') || !line.starts_with("  ") {
                continue;
            }
            let beside = flag.split_once("  ").is_some_and(|(_, text)| !text.trim().is_empty());
            let below = lines.get(number + 1).is_some_and(|next| next.starts_with("          "));
            assert!(beside || below, "{name}: {line:?} has no help");
        }
    }
}

#[test]
fn a_command_has_its_own_flags_apart_from_those_of_all() {
    let desk = Desk::bare();
    for name in commands(&desk) {
        let help = desk.ok(&[&name, "--help"]);
        let (own, global) = help.split_once("\nGlobal options:\n").unwrap_or_else(|| unreachable!("{name}: {help}"));
        for flag in ["  -C <DIR>", "--store <URL>", "--json\n", "--request-id <ID>"] {
            assert!(global.contains(flag) && !own.contains(flag), "{name}: {flag:?}\n{help}");
        }
    }
    let help = desk.ok(&["list", "--help"]);
    let (own, _) = help.split_once("\nGlobal options:\n").unwrap();
    assert!(own.contains("--status <S,…>") && own.contains("--all"), "{own}");
    let codes = desk.ok(&["--help"]);
    let codes = codes.split_once("Exit codes:").unwrap().1;
    assert!(codes.lines().all(|line| line.len() < 80), "{codes}");
}

#[test]
fn a_misspelt_command_or_flag_is_told_what_was_meant() {
    let desk = Desk::bare();
    let ran = desk.run(&["stauts"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("'status'"), "{}", ran.err);
    assert_eq!(ran.out, "");
    let ran = desk.run(&["add", "x", "--prioritty", "high"]);
    assert!(ran.code == 2 && ran.err.contains("'--priority'"), "{}", ran.err);
    let ran = desk.run(&[]);
    assert!(ran.code == 2 && ran.err.contains("Usage: ganger"), "{ran:?}");
}

#[test]
fn the_version_is_told() {
    assert_eq!(Desk::bare().ok(&["--version"]), format!("ganger {}", env!("CARGO_PKG_VERSION")));
}

#[test]
fn completions_know_the_flags_of_every_command() {
    let desk = Desk::bare();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = desk.ok(&["completions", shell]);
        for word in ["idle-exit", "request-id", "max-hours", "workers"] {
            assert!(script.contains(word), "{shell} does not know {word}");
        }
        assert!(!script.contains("bench-worker"), "{shell} completes what is no command of people's");
    }
    assert_eq!(desk.run(&["completions", "tcsh"]).code, 2);
}

#[test]
fn manual_pages_are_printed_and_written() {
    let desk = Desk::bare();
    let page = desk.ok(&["man"]);
    assert!(page.contains(".TH ganger 1") && page.contains("ganger\\-workers(1)"), "{page}");
    let written = desk.json(&["man", "pages/man1"]);
    for name in ["ganger.1", "ganger-list.1", "ganger-workers-add.1"] {
        assert!(written["pages"].as_array().unwrap().iter().any(|page| page == name), "{name}: {written}");
        assert!(std::fs::read_to_string(desk.path("pages/man1").join(name)).unwrap().contains(".SH OPTIONS"), "{name}");
    }
    assert!(!desk.path("pages/man1/ganger-help.1").exists());
}
