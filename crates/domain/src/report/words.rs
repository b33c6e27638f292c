//! The words of the report and of the other runtime files, in the languages that ganger speaks. Words that scripts know, such as COMPLETED, are the same in all.

use std::time::Duration;

use super::{Outcome, Verdict, Why};
use crate::plan::Language;
use crate::task::{BlockReason, FailReason};
use crate::time::show_duration;

/// What stands alone: headings, the heads of tables, short remarks.
#[derive(Debug)]
#[expect(missing_docs, reason = "each word is its own explanation")]
pub struct Words {
    pub colon: &'static str,
    pub report: &'static str,
    pub added: &'static str,
    pub waits: &'static str,
    pub features: &'static str,
    pub tests: &'static str,
    pub problems: &'static str,
    pub workers: &'static str,
    pub results: &'static str,
    pub graph: &'static str,
    pub tasks: &'static str,
    pub feature: &'static str,
    pub task: &'static str,
    pub test: &'static str,
    pub worker: &'static str,
    pub status: &'static str,
    pub attempts: &'static str,
    pub took: &'static str,
    pub result: &'static str,
    pub cycles: &'static str,
    pub fixes: &'static str,
    pub kind: &'static str,
    pub phase: &'static str,
    pub after: &'static str,
    pub completed: &'static str,
    pub failed: &'static str,
    pub worked: &'static str,
    pub idle: &'static str,
    pub time: &'static str,
    pub cost: &'static str,
    pub not_told: &'static str,
    pub tests_left_out: &'static str,
    pub untested: &'static str,
    pub expired: &'static str,
    pub lost: &'static str,
    pub whole: &'static str,
    pub now: &'static str,
    pub assigned: &'static str,
    pub last: &'static str,
    pub nothing: &'static str,
    pub since: &'static str,
    pub off_roster: &'static str,
    pub journal_is_cut: &'static str,
}

const EN: Words = Words {
    colon: ": ",
    report: "Report",
    added: "Tasks added one by one",
    waits: "Waits for you",
    features: "Features",
    tests: "Tests",
    problems: "Problems",
    workers: "Workers",
    results: "Results",
    graph: "What waits for what",
    tasks: "Tasks",
    feature: "Feature",
    task: "Task",
    test: "Test",
    worker: "Worker",
    status: "Status",
    attempts: "Attempts",
    took: "Took",
    result: "Result",
    cycles: "Cycles",
    fixes: "Fixes",
    kind: "Kind",
    phase: "Phase",
    after: "After",
    completed: "Completed",
    failed: "Failed",
    worked: "Worked",
    idle: "Idle",
    time: "Time",
    cost: "Cost",
    not_told: "not told",
    tests_left_out: "Tests were left out (`--no-tests`).",
    untested: "Untested",
    expired: "Claims taken back",
    lost: "Workers lost",
    whole: "all of it",
    now: "Now",
    assigned: "Assigned to it",
    last: "Done last",
    nothing: "Nothing.",
    since: "since",
    off_roster: "No longer on the roster.",
    journal_is_cut: "Times and claims taken back are those of the newest events only: `ganger log` tells all.",
};

const FR: Words = Words {
    colon: " : ",
    report: "Rapport",
    added: "Tâches ajoutées une à une",
    waits: "En attente de votre part",
    features: "Fonctionnalités",
    tests: "Tests",
    problems: "Problèmes",
    workers: "Exécutants",
    results: "Résultats",
    graph: "Qui attend quoi",
    tasks: "Tâches",
    feature: "Fonctionnalité",
    task: "Tâche",
    test: "Test",
    worker: "Exécutant",
    status: "État",
    attempts: "Essais",
    took: "Durée",
    result: "Résultat",
    cycles: "Cycles",
    fixes: "Corrections",
    kind: "Genre",
    phase: "Phase",
    after: "Après",
    completed: "Terminées",
    failed: "Échouées",
    worked: "Travail",
    idle: "Inactif",
    time: "Temps",
    cost: "Coût",
    not_told: "non communiqué",
    tests_left_out: "Les tests ont été laissés de côté (`--no-tests`).",
    untested: "Sans test",
    expired: "Tâches reprises",
    lost: "Exécutants perdus",
    whole: "le tout",
    now: "En cours",
    assigned: "Réservées",
    last: "Dernières tâches",
    nothing: "Rien.",
    since: "depuis",
    off_roster: "N'est plus sur la liste.",
    journal_is_cut: "Les temps et les tâches reprises ne portent que sur les événements les plus récents : `ganger log` dit tout.",
};

/// The words of a language.
#[must_use]
pub fn words(language: Language) -> &'static Words {
    match language {
        Language::En => &EN,
        Language::Fr => &FR,
    }
}

/// How things stand, as a sentence.
#[must_use]
pub fn outcome(language: Language, outcome: Outcome) -> &'static str {
    match (language, outcome) {
        (Language::En, Outcome::Nothing) => "Nothing to do.",
        (Language::En, Outcome::NotBegun) => "Not begun.",
        (Language::En, Outcome::UnderWay) => "Under way.",
        (Language::En, Outcome::Done) => "Done.",
        (Language::En, Outcome::Unfinished) => "Unfinished.",
        (Language::En, Outcome::Stopped) => "Stopped before the end.",
        (Language::Fr, Outcome::Nothing) => "Rien à faire.",
        (Language::Fr, Outcome::NotBegun) => "Pas commencé.",
        (Language::Fr, Outcome::UnderWay) => "En cours.",
        (Language::Fr, Outcome::Done) => "Terminé.",
        (Language::Fr, Outcome::Unfinished) => "Inachevé.",
        (Language::Fr, Outcome::Stopped) => "Arrêté avant la fin.",
    }
}

/// What that means for whoever reads on; empty when everything is as it should be.
#[must_use]
pub fn caveat(language: Language, outcome: Outcome) -> &'static str {
    match (language, outcome) {
        (_, Outcome::Done) => "",
        (Language::En, Outcome::Nothing) => "There is no task yet: `ganger plan FILE` or `ganger add TITLE` adds some.",
        (Language::En, Outcome::NotBegun) => "`ganger run` begins.",
        (Language::En, Outcome::UnderWay) => "This is how it stands so far.",
        (Language::En, Outcome::Unfinished) => "The rest does not go on by itself, and what follows is not the whole result.",
        (Language::En, Outcome::Stopped) => "The run was cut short, and what follows is not the whole result.",
        (Language::Fr, Outcome::Nothing) => "Il n'y a pas encore de tâche : `ganger plan FICHIER` ou `ganger add TITRE` en ajoute.",
        (Language::Fr, Outcome::NotBegun) => "`ganger run` commence.",
        (Language::Fr, Outcome::UnderWay) => "Voici où on en est.",
        (Language::Fr, Outcome::Unfinished) => "Le reste n'avance pas de lui-même, et ce qui suit n'est pas le résultat entier.",
        (Language::Fr, Outcome::Stopped) => "L'exécution a été interrompue, et ce qui suit n'est pas le résultat entier.",
    }
}

/// How far it has come.
#[must_use]
pub fn progress(language: Language, done: u32, all: u32, percent: u32) -> String {
    match language {
        Language::En => format!("{done} of {all} task{} COMPLETED ({percent}%)", plural(all as usize)),
        Language::Fr => {
            let s = if done < 2 { "" } else { "s" };
            format!("{done} tâche{s} sur {all} COMPLETED ({percent} %)")
        }
    }
}

/// How long it took: from when to when, how long that is, how much work was done in that time and by how many.
#[must_use]
pub fn time(language: Language, span: (&str, &str, Duration), worked: Duration, workers: usize) -> String {
    let (first, last, wall) = (span.0, span.1, show_duration(span.2));
    let (worked, s) = (show_duration(worked), plural(workers));
    match language {
        Language::En => format!("{wall}, from {first} to {last}; {worked} of work by {workers} worker{s}"),
        Language::Fr => format!("{wall}, de {first} à {last} ; {worked} de travail par {workers} exécutant{s}"),
    }
}

/// What was told of costs.
#[must_use]
pub fn cost(language: Language, usd: Option<f64>, tokens: Option<(u64, u64)>, told_by: u32) -> String {
    let mut told: Vec<String> = usd.map(|usd| if usd < 0.1 { format!("${usd:.4}") } else { format!("${usd:.2}") }).into_iter().collect();
    if let Some((read, written)) = tokens {
        told.push(match language {
            Language::En => format!("{read} token{} read, {written} written", plural(usize::try_from(read).unwrap_or(2))),
            Language::Fr => format!("{read} jetons lus, {written} écrits"),
        });
    }
    let told = told.join(", ");
    match language {
        Language::En => format!("{told} (told by {told_by} task{})", plural(told_by as usize)),
        Language::Fr => format!("{told} (communiqué par {told_by} tâche{})", plural(told_by as usize)),
    }
}

/// What came of a test.
#[must_use]
pub fn verdict(language: Language, verdict: Verdict) -> &'static str {
    match (language, verdict) {
        (Language::En, Verdict::Passed) => "passed",
        (Language::En, Verdict::Failed) => "failed",
        (Language::En, Verdict::Repairing) => "failed, being repaired",
        (Language::En, Verdict::Running) => "running",
        (Language::En, Verdict::NotRun) => "not run",
        (Language::Fr, Verdict::Passed) => "réussi",
        (Language::Fr, Verdict::Failed) => "échoué",
        (Language::Fr, Verdict::Repairing) => "échoué, en réparation",
        (Language::Fr, Verdict::Running) => "en cours",
        (Language::Fr, Verdict::NotRun) => "pas lancé",
    }
}

/// Why something waits for a person.
#[must_use]
pub fn why(language: Language, why: &Why) -> String {
    match (language, why) {
        (Language::En, Why::Failed(reason)) => format!("FAILED ({})", fail_reason(language, *reason)),
        (Language::Fr, Why::Failed(reason)) => format!("FAILED ({})", fail_reason(language, *reason)),
        (Language::En, Why::Cancelled) => "CANCELLED, and others need it".to_owned(),
        (Language::Fr, Why::Cancelled) => "CANCELLED, et d'autres en dépendent".to_owned(),
        (_, Why::Blocked(reason)) => format!("BLOCKED ({})", block_reason(language, *reason)),
        (Language::En, Why::ByHand) => "it has no command: a person or an agent must do it".to_owned(),
        (Language::Fr, Why::ByHand) => "elle n'a pas de commande : une personne ou un agent doit la faire".to_owned(),
        (Language::En, Why::For(name)) => format!("it waits for {name}"),
        (Language::Fr, Why::For(name)) => format!("elle attend {name}"),
        (Language::En, Why::Paused(name)) => format!("it waits for {name}, who is paused"),
        (Language::Fr, Why::Paused(name)) => format!("elle attend {name}, qui est en pause"),
        (Language::En, Why::Nobody(needs)) => format!("nobody on the roster can do {}", joined(needs)),
        (Language::Fr, Why::Nobody(needs)) => format!("personne sur la liste ne sait faire {}", joined(needs)),
        (Language::En, Why::Ready) => "ready, and no run goes on".to_owned(),
        (Language::Fr, Why::Ready) => "prêt, et aucune exécution n'est en cours".to_owned(),
    }
}

fn joined(needs: &[crate::id::Capability]) -> String {
    needs.iter().map(crate::id::Capability::as_str).collect::<Vec<_>>().join(", ")
}

/// Why a task failed.
#[must_use]
pub fn fail_reason(language: Language, reason: FailReason) -> &'static str {
    match (language, reason) {
        (Language::En, FailReason::Reported) => "it reported a failure",
        (Language::En, FailReason::Check) => "its check failed",
        (Language::En, FailReason::Timeout) => "it took too long",
        (Language::En, FailReason::Silence) => "it fell silent",
        (Language::En, FailReason::Infrastructure) => "it could not be run",
        (Language::En, FailReason::Quarantined) => "quarantined",
        (Language::En, FailReason::Cycles) => "the repairs did not help",
        (Language::Fr, FailReason::Reported) => "échec signalé",
        (Language::Fr, FailReason::Check) => "sa vérification a échoué",
        (Language::Fr, FailReason::Timeout) => "trop long",
        (Language::Fr, FailReason::Silence) => "devenue muette",
        (Language::Fr, FailReason::Infrastructure) => "n'a pas pu être lancée",
        (Language::Fr, FailReason::Quarantined) => "mise en quarantaine",
        (Language::Fr, FailReason::Cycles) => "les corrections n'ont pas suffi",
    }
}

/// Why a task is blocked.
#[must_use]
pub fn block_reason(language: Language, reason: BlockReason) -> &'static str {
    match (language, reason) {
        (Language::En, BlockReason::Credits) => "no credits",
        (Language::En, BlockReason::Error) => "an error",
        (Language::En, BlockReason::Dependency) => "another task",
        (Language::En, BlockReason::Question) => "a question",
        (Language::En, BlockReason::Other) => "something else",
        (Language::Fr, BlockReason::Credits) => "plus de crédits",
        (Language::Fr, BlockReason::Error) => "une erreur",
        (Language::Fr, BlockReason::Dependency) => "une autre tâche",
        (Language::Fr, BlockReason::Question) => "une question",
        (Language::Fr, BlockReason::Other) => "autre chose",
    }
}

/// How many tasks wait behind one.
#[must_use]
pub fn behind(language: Language, count: u32) -> String {
    match (language, count) {
        (Language::En, 1) => "1 task waits behind it".to_owned(),
        (Language::En, _) => format!("{count} tasks wait behind it"),
        (Language::Fr, 1) => "1 tâche attend derrière".to_owned(),
        (Language::Fr, _) => format!("{count} tâches attendent derrière"),
    }
}

/// How often something was tried.
#[must_use]
pub fn attempts(language: Language, count: u32) -> String {
    match language {
        Language::En => format!("after {count} attempt{}", plural(count as usize)),
        Language::Fr => format!("après {count} essai{}", plural(count as usize)),
    }
}

/// That one task waits for another, which did not complete.
#[must_use]
pub fn waits_for(language: Language, on: &str, status: &str) -> String {
    match language {
        Language::En => format!("waits for {on} ({status})"),
        Language::Fr => format!("attend {on} ({status})"),
    }
}

/// Why tests have not begun.
#[must_use]
pub fn held_tests(language: Language, held: &super::HeldTests) -> String {
    let mut ids: Vec<String> = held.tests.iter().map(ToString::to_string).collect();
    let more = held.count.saturating_sub(u32::try_from(ids.len()).unwrap_or(0));
    if more > 0 {
        ids.push(format!("… (+{more})"));
    }
    let (ids, on) = (ids.join(", "), held.on);
    match language {
        Language::En => {
            format!("{ids} wait{}: {on} is still open, and tests begin when no feature can go on", if held.count == 1 { "s" } else { "" })
        }
        Language::Fr => {
            let verb = if held.count == 1 { "attend" } else { "attendent" };
            format!("{ids} {verb} : {on} n'est pas finie, et les tests commencent quand aucune fonctionnalité ne peut plus avancer")
        }
    }
}

/// What a note says in one line. Of a command that failed, which the task's title stands for already, that is what it printed last.
#[must_use]
pub fn gist(note: &str) -> &str {
    let lines = || note.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines().next().unwrap_or_default();
    match first.strip_prefix('`').and_then(|rest| rest.rsplit_once("` ")) {
        Some((_, how)) => lines().skip(1).last().unwrap_or(how),
        None => first,
    }
}

/// That a task went to somebody else.
#[must_use]
pub fn fell_back(language: Language, worker: &str, lacking: Option<&str>, instead_of: Option<&str>) -> String {
    let mut told = match language {
        Language::En => format!("went to {worker}"),
        Language::Fr => format!("est allée à {worker}"),
    };
    if let Some(name) = instead_of {
        told.push_str(&match language {
            Language::En => format!(" instead of {name}"),
            Language::Fr => format!(" au lieu de {name}"),
        });
    }
    if let Some(lacking) = lacking {
        told.push_str(&match language {
            Language::En => format!(", who did not say that it can do {lacking}"),
            Language::Fr => format!(", qui n'a pas dit savoir faire {lacking}"),
        });
    }
    told
}

/// That what a task told is no longer so: a fix came after it.
#[must_use]
pub fn mended(language: Language, note: &str, fix: &str) -> String {
    match (language, note) {
        (Language::En, "") => format!("{fix} mended it after this"),
        (Language::En, note) => format!("{note} (before {fix} mended it)"),
        (Language::Fr, "") => format!("corrigée ensuite par {fix}"),
        (Language::Fr, note) => format!("{note} (avant la correction par {fix})"),
    }
}

/// Why a claim was taken back.
#[must_use]
pub fn taken_back(language: Language, reason: &str) -> &'static str {
    match (language, reason) {
        (Language::En, "timeout") => "it took too long",
        (Language::En, "lease") => "its worker fell silent",
        (Language::En, _) => "its worker died",
        (Language::Fr, "timeout") => "trop long",
        (Language::Fr, "lease") => "son exécutant s'est tu",
        (Language::Fr, _) => "son exécutant est mort",
    }
}

/// Rows that are skipped.
#[must_use]
pub fn unreadable(language: Language, count: u32) -> String {
    match language {
        Language::En => format!("{count} unreadable row{} skipped: `ganger doctor --strict`", plural(count as usize)),
        Language::Fr => {
            let s = plural(count as usize);
            format!("{count} ligne{s} illisible{s} ignorée{s} : `ganger doctor --strict`")
        }
    }
}

/// What is not shown.
#[must_use]
pub fn more(language: Language, count: u32, command: &str) -> String {
    match language {
        Language::En => format!("… {count} more: `{command}`"),
        Language::Fr => format!("… {count} de plus : `{command}`"),
    }
}

/// Who a worker is.
#[must_use]
pub fn worker_is(language: Language, number: u32, driver: &str, can: &str) -> String {
    let can = match (language, can) {
        (_, "") => String::new(),
        (Language::En, can) => format!(", can do {can}"),
        (Language::Fr, can) => format!(", sait faire {can}"),
    };
    match language {
        Language::En => format!("Worker {number} of the roster ({driver}){can}."),
        Language::Fr => format!("Exécutant {number} de la liste ({driver}){can}."),
    }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}
