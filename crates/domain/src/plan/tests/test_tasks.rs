//! Which test tasks a plan asks for, and what they say.

use super::super::{Format, Language};
use super::plan;
use crate::task::{After, Kind, NewTask, Priority};

fn tests_of(lines: &str, project_test: Option<&str>) -> Vec<NewTask> {
    let text = format!("title = 'P'\n[[task]]\nid = 'a'\ntitle = 'A'\naccept = 'x'\n{lines}\n");
    let tasks = plan(&text, Format::Toml).into_tasks(Language::En, project_test);
    tasks.into_iter().skip(1).filter(|task| task.kind == Kind::Test).collect()
}

#[test]
fn a_feature_gets_the_test_that_fits_it() {
    for (lines, project_test, run) in [
        ("test = 't'", None, Some(Some("t"))),
        ("test = 't'\nrun = 'r'", Some("p"), Some(Some("t"))),
        ("run = 'r'", Some("p"), None),
        ("run = 'r'\ncheck = 'c'", None, None),
        ("", None, Some(None)),
        ("", Some("p"), Some(Some("p"))),
        ("check = 'c'", Some("p"), Some(Some("c"))),
        ("test = 't'\ntests = 'none'", None, None),
        ("kind = 'fix'\ntest = 't'", None, None),
        ("[[task]]\ntitle = 'T'\nkind = 'test'\nafter = 'a'\nrun = 'own'", Some("p"), Some(Some("own"))),
    ] {
        let tests = tests_of(lines, project_test);
        let runs: Vec<_> = tests.iter().map(|test| test.spec.run.as_deref()).collect();
        assert_eq!(runs, run.into_iter().collect::<Vec<_>>(), "{lines}");
    }
}

#[test]
fn a_test_task_takes_over_what_it_needs() {
    let lines = "phase = 2\npriority = 'high'\nneeds = 'rust'\nassign = 'AMP'\nagent = 'tester'\ntimeout = '5m'\nattempts = 7\ncontext = 'a.md'\noutputs = 'o'";
    let [by_hand] = &tests_of(lines, None)[..] else { unreachable!("one") };
    assert_eq!((by_hand.phase, by_hand.priority, by_hand.attempts_max, by_hand.timeout.as_secs()), (2, Priority::High, 7, 300));
    assert_eq!((&by_hand.after[..], by_hand.tests), (&[After::Index(0)][..], Some(After::Index(0))));
    assert_eq!((by_hand.spec.assignee.is_some(), by_hand.spec.needs.len(), by_hand.spec.context.len()), (true, 1, 1));
    assert_eq!(
        (by_hand.spec.agent.as_deref(), &by_hand.spec.accept[..], &by_hand.spec.inputs[..]),
        (Some("tester"), &["x".to_owned()][..], &["o".to_owned()][..])
    );
    let [by_command] = &tests_of(lines, Some("make test"))[..] else { unreachable!("one") };
    assert_eq!((by_command.spec.assignee.is_some(), by_command.spec.needs.len()), (false, 0), "a command can be run by anyone");
}

#[test]
fn test_tasks_stand_behind_the_plans_tasks_and_name_their_feature() {
    let text = "# P\n\n- [ ] A\n  - test: ta\n- [ ] B\n  - run: b\n- [ ] C\n  - test: tc\n";
    for (language, title, says) in [
        (Language::En, "Run the tests for C", "Tests the feature \"C\""),
        (Language::Fr, "Lancer les tests pour C", "Teste la fonctionnalité « C »"),
    ] {
        let tasks = plan(text, Format::Markdown).into_tasks(language, None);
        assert_eq!(
            tasks.iter().map(|task| task.tests).collect::<Vec<_>>(),
            [None, None, None, Some(After::Index(0)), Some(After::Index(2))]
        );
        assert_eq!(tasks[4].spec.title, title);
        assert!(tasks[4].spec.description.starts_with(says), "{}", tasks[4].spec.description);
    }
}
