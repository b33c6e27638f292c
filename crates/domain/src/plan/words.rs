//! The words that are put into tasks made by ganger itself, in the languages that it speaks.

use crate::event::words;
use crate::text::TITLE_BYTES_MAX;

words! {
    /// The language of what ganger writes into tasks.
    Language {
        /// English.
        En = "en",
        /// French.
        Fr = "fr",
    }
}

/// The title of the task that tests a feature.
#[must_use]
pub fn test_title(language: Language, feature: &str) -> String {
    match language {
        Language::En => fitted("Run the tests for ", feature, ""),
        Language::Fr => fitted("Lancer les tests pour ", feature, ""),
    }
}

/// The title of the task that repairs a feature after its tests failed.
#[must_use]
pub fn fix_title(language: Language, feature: &str) -> String {
    match language {
        Language::En => fitted("Fix what the tests of ", feature, " found"),
        Language::Fr => fitted("Corriger ce que les tests de ", feature, " ont trouvé"),
    }
}

/// What the task that tests a feature says: with a command its end decides, without one the worker must find out.
pub(super) fn test_description(language: Language, feature: &str, run: Option<&str>) -> String {
    match (language, run) {
        (Language::En, Some(_)) => format!("Tests the feature \"{feature}\": the test command must end with exit code 0."),
        (Language::En, None) => format!(
            "Tests the feature \"{feature}\". Find out whether it does what was asked: run the tests that are there, write those that are missing, \
             and try it. Change nothing but tests. When something is wrong, report a failure with the command that shows it and its output."
        ),
        (Language::Fr, Some(_)) => format!("Teste la fonctionnalité « {feature} » : la commande de test doit se terminer avec le code 0."),
        (Language::Fr, None) => format!(
            "Teste la fonctionnalité « {feature} ». Vérifier qu'elle fait ce qui était demandé : lancer les tests qui existent, écrire ceux qui \
             manquent, et l'essayer. Ne rien changer d'autre que les tests. En cas d'erreur, signaler l'échec avec la commande qui le montre et sa sortie."
        ),
    }
}

/// The title between two pieces, cut so that all of it is a title again.
fn fitted(before: &str, title: &str, after: &str) -> String {
    let room = TITLE_BYTES_MAX - before.len() - after.len();
    if title.len() <= room {
        return format!("{before}{title}{after}");
    }
    let cut = title.floor_char_boundary(room - '…'.len_utf8());
    format!("{before}{}…{after}", title[..cut].trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_are_made_in_both_languages() {
        assert_eq!(test_title(Language::En, "the API"), "Run the tests for the API");
        assert_eq!(test_title(Language::Fr, "the API"), "Lancer les tests pour the API");
        assert_eq!(fix_title(Language::En, "the API"), "Fix what the tests of the API found");
        assert_eq!(fix_title(Language::Fr, "the API"), "Corriger ce que les tests de the API ont trouvé");
    }

    #[test]
    fn a_title_of_any_length_makes_a_title() {
        for title in ["é".repeat(500), "x".repeat(1_000), format!("{}{}", "x".repeat(960), " ".repeat(39)), "日".repeat(333)] {
            for language in [Language::En, Language::Fr] {
                for made in [test_title(language, &title), fix_title(language, &title)] {
                    assert_eq!(crate::text::title(&made).as_ref(), Ok(&made));
                }
            }
        }
    }
}
