//! The manual's examples are plans, and the schema names the parser's keys, words and limits.

use jsonc_parser::ast::{Array, Object, Value};
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use super::super::{Fallback, Format, Isolation, OnBlocked, PHASE_MAX, PlanKey, TASKS_MAX, TaskKey, TestsWanted};
use super::shown;
use crate::task::{ATTEMPTS_MAX, Kind};

const SCHEMA: &str = include_str!("../../../../../docs/plan.schema.json");
const MANUAL: &str = include_str!("../../../../../docs/plan-format.md");

fn at<'s, 'o>(object: &'o Object<'s>, path: &str) -> &'o Object<'s> {
    path.split('/').fold(object, |object, name| object.get_object(name).unwrap_or_else(|| unreachable!("no {name} of {path}")))
}

fn properties(object: &Object<'_>) -> Vec<String> {
    at(object, "properties").properties.iter().map(|property| property.name.as_str().to_owned()).collect()
}

fn texts(array: Option<&Array<'_>>) -> Vec<String> {
    let elements = array.map(|array| array.elements.iter()).unwrap_or_default();
    elements.filter_map(|element| element.as_string_lit().map(|text| text.value.to_string())).collect()
}

fn schema_holds(check: impl Fn(&Object<'_>)) {
    let parsed = parse_to_ast(
        SCHEMA,
        &CollectOptions::default(),
        &ParseOptions { allow_comments: false, allow_trailing_commas: false, ..ParseOptions::default() },
    );
    match parsed.map(|parsed| parsed.value) {
        Ok(Some(Value::Object(schema))) => check(&schema),
        other => unreachable!("the schema is no object: {other:?}"),
    }
}

#[test]
fn the_schema_names_the_keys_of_the_parser() {
    schema_holds(|schema| {
        let keys = |wanted: fn(TaskKey) -> bool| {
            TaskKey::ALL.iter().filter(|key| wanted(**key)).map(|key| key.as_str().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(properties(schema), PlanKey::ALL.iter().map(|key| key.as_str().to_owned()).collect::<Vec<_>>());
        assert_eq!(properties(at(schema, "$defs/task")), keys(|_| true));
        assert_eq!(properties(at(schema, "$defs/defaults")), keys(TaskKey::is_default));
        assert_eq!(texts(schema.get_array("required")), ["title", "task"]);
        assert_eq!(texts(at(schema, "$defs/task").get_array("required")), ["title"]);
        for strict in [schema, at(schema, "$defs/task"), at(schema, "$defs/defaults")] {
            assert!(strict.get_boolean("additionalProperties").is_some_and(|flag| !flag.value));
        }
    });
}

#[test]
fn the_schema_names_the_words_and_limits_of_the_parser() {
    schema_holds(|schema| {
        let words = |path: &str| texts(at(schema, path).get_array("enum"));
        assert_eq!(words("properties/isolation"), Isolation::ALL.iter().map(|word| word.as_str()).collect::<Vec<_>>());
        assert_eq!(words("properties/on_blocked"), OnBlocked::ALL.iter().map(|word| word.as_str()).collect::<Vec<_>>());
        assert_eq!(words("properties/fallback"), Fallback::ALL.iter().map(|word| word.as_str()).collect::<Vec<_>>());
        assert_eq!(words("$defs/task/properties/kind"), Kind::ALL.iter().map(|word| word.as_str()).collect::<Vec<_>>());
        assert_eq!(words("$defs/task/properties/tests"), TestsWanted::ALL.iter().map(|word| word.as_str()).collect::<Vec<_>>());
        let number = |path: &str, name: &str| at(schema, path).get_number(name).map(|number| number.value.to_owned());
        assert_eq!(number("properties/task", "maxItems"), Some(TASKS_MAX.to_string()));
        assert_eq!(number("$defs/task/properties/phase", "maximum"), Some(PHASE_MAX.to_string()));
        assert_eq!(number("$defs/task/properties/attempts", "maximum"), Some(ATTEMPTS_MAX.to_string()));
    });
}

#[test]
fn every_reference_of_the_schema_leads_somewhere() {
    schema_holds(|schema| {
        for reference in SCHEMA.split("\"$ref\": \"").skip(1) {
            let path = reference.split('"').next().and_then(|path| path.strip_prefix("#/")).unwrap_or("?");
            at(schema, path);
        }
    });
}

/// The fenced examples of the manual with what they are written in.
fn examples() -> Vec<(&'static str, String)> {
    let mut examples = Vec::new();
    let mut open: Option<(&str, &str, String)> = None;
    for line in MANUAL.lines() {
        match &mut open {
            Some((fence, _, _)) if line == *fence => examples.extend(open.take().map(|(_, language, text)| (language, text))),
            Some((_, _, text)) => text.extend([line, "\n"]),
            None if line.starts_with("```") => {
                let language = line.trim_start_matches('`');
                open = Some((&line[..line.len() - language.len()], language, String::new()));
            }
            None => {}
        }
    }
    examples
}

#[test]
fn the_examples_of_the_manual_are_plans_without_mistakes() {
    let examples = examples();
    for (language, text) in &examples {
        let format = match *language {
            "toml" => Format::Toml,
            "json" => Format::Json,
            "markdown" => Format::Markdown,
            other => unreachable!("an example in {other}"),
        };
        assert_eq!(shown(text, format), "", "{text}");
        assert_eq!(super::super::guess_format(None, text), format, "{text}");
    }
    assert_eq!(examples.iter().map(|(language, _)| *language).collect::<Vec<_>>(), ["toml", "toml", "json", "markdown"]);
}

#[test]
fn the_manual_describes_every_key() {
    for key in PlanKey::ALL.iter().map(|key| key.as_str()).chain(TaskKey::ALL.iter().map(|key| key.as_str())) {
        assert!(MANUAL.contains(&format!("\n| `{key}` |")), "{key}");
    }
}
