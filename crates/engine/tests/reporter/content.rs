//! What people find in the files, as they find it.

use domain::task::{BlockReason, FailReason, TaskResult};
use engine::orchestrator::WorkerAct;

use crate::site::{Site, after, feature, test_of};

#[test]
fn an_empty_project_says_how_to_begin() {
    let site = Site::new();
    insta::assert_snapshot!(site.publish().text, @r#"
    # Report

    **Nothing to do.** There is no task yet: `ganger plan FILE` or `ganger add TITLE` adds some.
    "#);
    insta::assert_snapshot!(site.read("master_plan.md"), @r#"
    # Report

    There is no task yet: `ganger plan FILE` or `ganger add TITLE` adds some.
    "#);
}

/// Three features, one of which is repaired in one cycle.
fn finished() -> Site {
    let site = Site::new();
    let mut api = feature("Build the API");
    api.spec.outputs = vec!["src/api.rs".to_owned(), "the route of the leads".to_owned()];
    api.spec.fix = Some("true".to_owned());
    let tasks =
        vec![api, after(feature("Show the leads"), &[0]), feature("Write the manual"), test_of(0, "Run the tests for Build the API")];
    site.import("Leads sync", Some("Leads of the CRM appear in the app.\nWithin a minute."), tasks);
    site.join("agent-01", "");
    site.join("agent-02", "");
    site.begins();
    let (api, manual) = (site.claim("agent-01", 1), site.claim("agent-02", 3));
    site.pass(60);
    site.write("results/T-001.md", "# The API\n\nPOST takes the webhook.\nGET gives the last 100 leads.\n");
    site.complete_with(
        api,
        TaskResult {
            note: "two routes".to_owned(),
            files: vec!["src/api.rs".to_owned(), "src/leads.rs".to_owned()],
            output: Some(".orchestrator/results/T-001.md".to_owned()),
            cost_usd: Some(0.125),
            tokens: Some((1_000, 200)),
        },
    );
    site.pass(30);
    site.complete(manual, "");
    site.does("agent-01", 2, 90, "the page\nshows them all\nwithout a reload");
    let test = site.claim("agent-02", 4);
    site.pass(5);
    site.fail(test, FailReason::Reported, "`cargo test` ended with exit code 101\n1 passed; 1 failed");
    site.does("agent-02", 5, 20, "the status was 200 instead of 404");
    site.does("agent-02", 4, 5, "2 passed");
    site.ends("done");
    site
}

#[test]
fn a_finished_plan_tells_its_results_in_dependency_order_and_its_repair() {
    let site = finished();
    let written = site.publish();
    assert!(written.report.is_whole());
    insta::assert_snapshot!(written.text, @"
    # Leads sync

    > Leads of the CRM appear in the app.
    > Within a minute.

    **Done.** 5 of 5 tasks COMPLETED (100%).

    - Time: 3m30s, from 2026-01-01 00:00:00 to 00:03:30 UTC; 4m30s of work by 2 workers
    - Cost: $0.12, 1000 tokens read, 200 written (told by 1 task)

    ## Features

    | ID | Feature | Status | Attempts | Worker | Took |
    |---|---|---|---|---|---|
    | [T-001](results/T-001.md) | Build the API | COMPLETED | 1 | agent-01 | 1m |
    | T-003 | Write the manual | COMPLETED | 1 | agent-02 | 1m30s |
    | T-002 | Show the leads | COMPLETED | 1 | agent-01 | 1m30s |

    ## Tests

    | Feature | Test | Result | Cycles | Fixes | Took |
    |---|---|---|---|---|---|
    | T-001 Build the API | T-004 | passed | 1 | T-005 | 10s |

    Untested: T-002, T-003

    ## Workers

    | Worker | Completed | Failed | Worked | Idle |
    |---|---|---|---|---|
    | agent-01 | 2 | 0 | 2m30s | 1m |
    | agent-02 | 3 | 0 | 2m | 1m30s |

    ## Results

    - **[T-001](results/T-001.md)** Build the API: two routes (before T-005 mended it) → `src/api.rs`, the route of the leads, `src/leads.rs`

      ```text
      # The API

      POST takes the webhook.
      GET gives the last 100 leads.
      ```

    - **T-003** Write the manual
    - **T-002** Show the leads

      ```text
      the page
      shows them all
      without a reload
      ```
    ");
}

#[test]
fn the_plan_shows_what_waits_for_what() {
    let site = finished();
    site.publish();
    insta::assert_snapshot!(site.read("master_plan.md"), @r#"
    # Leads sync

    > Leads of the CRM appear in the app.
    > Within a minute.

    ## What waits for what

    ```mermaid
    graph TD
      T1["T-001 Build the API"]:::completed
      T2["T-002 Show the leads"]:::completed
      T3["T-003 Write the manual"]:::completed
      T4("T-004 Run the tests for Build the API"):::completed
      T5(["T-005 Fix what the tests of Build the API found"]):::completed
      T1 --> T2
      T1 --> T4
      T5 --> T4
      T1 --> T5
      classDef pending fill:#eee,stroke:#888,color:#000
      classDef running fill:#cfe2ff,stroke:#27c,color:#000
      classDef completed fill:#d3f0d3,stroke:#284,color:#000
      classDef blocked fill:#ffe9b3,stroke:#a70,color:#000
      classDef failed fill:#f8c9c9,stroke:#b22,color:#000
      classDef cancelled fill:#fff,stroke:#aaa,color:#777,stroke-dasharray:4
    ```

    ## Tasks

    | ID | Task | Kind | After | Status | Worker |
    |---|---|---|---|---|---|
    | [T-001](results/T-001.md) | Build the API | feature |  | COMPLETED | agent-01 |
    | T-002 | Show the leads | feature | T-001 | COMPLETED | agent-01 |
    | T-003 | Write the manual | feature |  | COMPLETED | agent-02 |
    | T-004 | Run the tests for Build the API | test | T-001, T-005 | COMPLETED | agent-02 |
    | T-005 | Fix what the tests of Build the API found | fix |  | COMPLETED | agent-02 |
    "#);
}

#[test]
fn every_worker_has_a_file_with_what_it_has_and_one_with_what_it_did() {
    let site = finished();
    site.add(vec![feature("One more thing"), {
        let mut task = feature("For one only");
        task.spec.assignee = Some("agent-02".parse().unwrap());
        task
    }]);
    site.claim("agent-02", 6);
    site.write("briefs/T-006.1.md", "# T-006\n");
    site.publish();
    insta::assert_snapshot!(site.read("agent_tasks/agent-02.md"), @r#"
    # agent-02

    Worker 2 of the roster (shell).

    ## Now

    - **[T-006](../briefs/T-006.1.md)** One more thing, since 2026-01-01 00:03:30 UTC

    ## Assigned to it

    - **T-007** For one only: PENDING

    ## Done last

    - **T-004** Run the tests for Build the API: COMPLETED, 2026-01-01 00:03:30 UTC
    - **T-005** Fix what the tests of Build the API found: COMPLETED, 2026-01-01 00:03:25 UTC
    - **T-003** Write the manual: COMPLETED, 2026-01-01 00:01:30 UTC
    "#);
    insta::assert_snapshot!(site.read("results/agent-02-result.md"), @r#"
    # agent-02

    Worked: 2m

    ## Completed (3)

    - **T-003** Write the manual
    - **T-005** Fix what the tests of Build the API found: the status was 200 instead of 404
    - **T-004** Run the tests for Build the API: 2 passed

    ## Failed (0)

    Nothing.
    "#);
}

/// A run that was stopped when something of every kind had gone wrong.
fn cut_short(language: &str) -> Site {
    let site = Site::speaking(language);
    let mut doubtful = feature("Choose the colours");
    doubtful.spec.needs = vec!["design".parse().unwrap()];
    let mut broken = feature("Parse the feed");
    broken.attempts_max = 2;
    let by_hand = {
        let mut task = feature("Ask the customer");
        task.spec.run = None;
        task
    };
    let tasks = vec![
        broken,
        after(feature("Import the feed"), &[0]),
        after(feature("Show the feed"), &[1]),
        doubtful,
        feature("Run the benchmark"),
        feature("Write the manual"),
        by_hand,
        test_of(0, "Run the tests for Parse the feed"),
    ];
    site.import("Feed", None, tasks);
    site.join("agent-01", "");
    site.join("agent-02", "");
    site.begins();
    for attempt in 1..=2 {
        let claim = site.claim("agent-01", 1);
        site.pass(10);
        site.fail(
            claim,
            FailReason::Check,
            &format!("`cargo test -p feed` ended with exit code 101\nattempt {attempt}: expected '<', found EOF"),
        );
    }
    for _ in 0..3 {
        site.claim("agent-02", 5);
        site.pass(5);
        site.change("agent-02", WorkerAct::Lost { why: "its process 4711 ended".to_owned(), session: None });
    }
    site.pass(200);
    let claim = site.claim("agent-01", 4);
    site.pass(1);
    site.block(claim, BlockReason::Question, "blue or green?");
    site.does("agent-01", 6, 30, "12 pages");
    site.ends("stopped");
    site
}

#[test]
fn a_run_that_was_cut_short_says_so_and_what_would_move_it() {
    let written = cut_short("en").publish();
    assert!(!written.report.is_whole());
    insta::assert_snapshot!(written.text, @r#"
    # Feed

    **Stopped before the end.** 1 of 8 tasks COMPLETED (12%), 2 PENDING, 3 BLOCKED, 2 FAILED. The run was cut short, and what follows is not the whole result.

    - Time: 4m26s, from 2026-01-01 00:00:00 to 00:04:26 UTC; 1m6s of work by 2 workers
    - Cost: not told

    ## Waits for you

    - `ganger retry T-001`: T-001 Parse the feed, FAILED (its check failed); 3 tasks wait behind it
    - `ganger answer T-004 "…"`: T-004 Choose the colours, BLOCKED (a question): blue or green?
    - `ganger retry T-005`: T-005 Run the benchmark, FAILED (quarantined)
    - `ganger claim --worker NAME --task T-007`: T-007 Ask the customer, it has no command: a person or an agent must do it

    ## Features

    | ID | Feature | Status | Attempts | Worker | Took |
    |---|---|---|---|---|---|
    | T-006 | Write the manual | COMPLETED | 1 | agent-01 | 30s |
    | T-001 | Parse the feed | FAILED (check) | 2 | agent-01 | 20s |
    | T-004 | Choose the colours | BLOCKED (question) | 1 | agent-01 | 1s |
    | T-005 | Run the benchmark | FAILED (quarantined) | 3 | agent-02 | 15s |
    | T-007 | Ask the customer | PENDING |  |  |  |
    | T-002 | Import the feed | BLOCKED (dependency) ← T-001 |  |  |  |
    | T-003 | Show the feed | PENDING ← T-002 |  |  |  |

    ## Tests

    | Feature | Test | Result | Cycles | Fixes | Took |
    |---|---|---|---|---|---|
    | T-001 Parse the feed | T-008 | not run | 0 |  |  |

    Untested: T-002, T-003, T-004, T-005, T-006, T-007

    ## Problems

    - **T-001** Parse the feed: FAILED after 2 attempts (its check failed)

      ```text
      `cargo test -p feed` ended with exit code 101
      attempt 2: expected '<', found EOF
      ```

    - **T-005** Run the benchmark: FAILED after 3 attempts (quarantined): its worker died 3 times while it held this task
    - **T-002** Import the feed: BLOCKED, waits for T-001 (FAILED)
    - **T-008** Run the tests for Parse the feed: BLOCKED, waits for T-001 (FAILED)
    - Claims taken back: T-005 ×3 (its worker died)
    - Workers lost: agent-02 ×3 (its process 4711 ended)
    - **T-004** went to agent-01, who did not say that it can do design

    ## Workers

    | Worker | Completed | Failed | Worked | Idle |
    |---|---|---|---|---|
    | agent-01 | 1 | 1 | 51s | 3m35s |
    | agent-02 | 0 | 1 | 15s | 20s |

    ## Results

    - **T-006** Write the manual: 12 pages
    "#);
}

#[test]
fn the_same_in_french() {
    let site = cut_short("fr");
    insta::assert_snapshot!(site.publish().text, @r#"
    # Feed

    **Arrêté avant la fin.** 1 tâche sur 8 COMPLETED (12 %), 2 PENDING, 3 BLOCKED, 2 FAILED. L'exécution a été interrompue, et ce qui suit n'est pas le résultat entier.

    - Temps : 4m26s, de 2026-01-01 00:00:00 à 00:04:26 UTC ; 1m6s de travail par 2 exécutants
    - Coût : non communiqué

    ## En attente de votre part

    - `ganger retry T-001` : T-001 Parse the feed, FAILED (sa vérification a échoué); 3 tâches attendent derrière
    - `ganger answer T-004 "…"` : T-004 Choose the colours, BLOCKED (une question) : blue or green?
    - `ganger retry T-005` : T-005 Run the benchmark, FAILED (mise en quarantaine)
    - `ganger claim --worker NAME --task T-007` : T-007 Ask the customer, elle n'a pas de commande : une personne ou un agent doit la faire

    ## Fonctionnalités

    | ID | Fonctionnalité | État | Essais | Exécutant | Durée |
    |---|---|---|---|---|---|
    | T-006 | Write the manual | COMPLETED | 1 | agent-01 | 30s |
    | T-001 | Parse the feed | FAILED (check) | 2 | agent-01 | 20s |
    | T-004 | Choose the colours | BLOCKED (question) | 1 | agent-01 | 1s |
    | T-005 | Run the benchmark | FAILED (quarantined) | 3 | agent-02 | 15s |
    | T-007 | Ask the customer | PENDING |  |  |  |
    | T-002 | Import the feed | BLOCKED (dependency) ← T-001 |  |  |  |
    | T-003 | Show the feed | PENDING ← T-002 |  |  |  |

    ## Tests

    | Fonctionnalité | Test | Résultat | Cycles | Corrections | Durée |
    |---|---|---|---|---|---|
    | T-001 Parse the feed | T-008 | pas lancé | 0 |  |  |

    Sans test : T-002, T-003, T-004, T-005, T-006, T-007

    ## Problèmes

    - **T-001** Parse the feed : FAILED après 2 essais (sa vérification a échoué)

      ```text
      `cargo test -p feed` ended with exit code 101
      attempt 2: expected '<', found EOF
      ```

    - **T-005** Run the benchmark : FAILED après 3 essais (mise en quarantaine) : its worker died 3 times while it held this task
    - **T-002** Import the feed : BLOCKED, attend T-001 (FAILED)
    - **T-008** Run the tests for Parse the feed : BLOCKED, attend T-001 (FAILED)
    - Tâches reprises : T-005 ×3 (son exécutant est mort)
    - Exécutants perdus : agent-02 ×3 (its process 4711 ended)
    - **T-004** est allée à agent-01, qui n'a pas dit savoir faire design

    ## Exécutants

    | Exécutant | Terminées | Échouées | Travail | Inactif |
    |---|---|---|---|---|
    | agent-01 | 1 | 1 | 51s | 3m35s |
    | agent-02 | 0 | 1 | 15s | 20s |

    ## Résultats

    - **T-006** Write the manual : 12 pages
    "#);
    insta::assert_snapshot!(site.read("agent_tasks/agent-01.md"), @r#"
    # agent-01

    Exécutant 1 de la liste (shell).

    ## En cours

    Rien.

    ## Dernières tâches

    - **T-006** Write the manual : COMPLETED, 2026-01-01 00:04:26 UTC
    - **T-001** Parse the feed : FAILED, 2026-01-01 00:00:20 UTC
    "#);
}

#[test]
fn a_run_that_goes_on_is_no_result_yet() {
    let site = Site::new();
    site.import("Feed", None, vec![feature("Parse the feed"), after(feature("Show the feed"), &[0])]);
    site.begins();
    site.claim("agent-01", 1);
    insta::assert_snapshot!(site.publish().text, @r#"
    # Feed

    **Under way.** 0 of 2 tasks COMPLETED (0%), 1 PENDING, 1 IN_PROGRESS. This is how it stands so far.

    - Cost: not told

    ## Features

    | ID | Feature | Status | Attempts | Worker | Took |
    |---|---|---|---|---|---|
    | T-001 | Parse the feed | IN_PROGRESS | 1 | agent-01 |  |
    | T-002 | Show the feed | PENDING ← T-001 |  |  |  |

    ## Tests

    Untested: T-001, T-002

    ## Workers

    | Worker | Completed | Failed | Worked | Idle |
    |---|---|---|---|---|
    | agent-01 | 0 | 0 | 0s | 0s |
    "#);
}
