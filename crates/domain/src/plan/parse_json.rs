//! JSON text → [`Tree`]. Strict: no comments, no trailing commas, nothing that another reader of the file would refuse.

use jsonc_parser::ast;
use jsonc_parser::errors::{ParseError, ParseErrorKind};
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use super::mistake::Mistakes;
use super::tree::{Entry, Node, Tree, Value};
use crate::text::escaped;

const STRICT: ParseOptions = ParseOptions {
    allow_comments: false,
    allow_loose_object_property_names: false,
    allow_trailing_commas: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// Reads a text that [`super::bounds::check`] has let through.
pub(super) fn parse(text: &str, found: &mut Mistakes<'_>) -> Option<Tree> {
    let root = match parse_to_ast(text, &CollectOptions::default(), &STRICT) {
        Ok(result) => result.value,
        Err(error) => {
            report(&error, found);
            return None;
        }
    };
    match root {
        Some(ast::Value::Object(object)) => Some(Tree { entries: of_object(object), done: Vec::new(), partial: false }),
        Some(other) => {
            let node = of_value(other);
            let message = format!("a plan in JSON is one object, found {}", node.value.what());
            found.error_with(&node.span, message, "write {\"title\": \"…\", \"task\": […]}");
            None
        }
        None => {
            found.error_with(&(0..0), "the plan is empty", "write {\"title\": \"…\", \"task\": […]}");
            None
        }
    }
}

fn report(error: &ParseError, found: &mut Mistakes<'_>) {
    let range = error.range();
    let what = lower_first(&error.kind().to_string());
    let hint = if matches!(error.kind(), ParseErrorKind::CommentsNotAllowed) {
        Some("JSON has no comments; TOML has")
    } else if matches!(error.kind(), ParseErrorKind::UnexpectedWord | ParseErrorKind::UnexpectedToken) {
        Some("a text needs double quotes")
    } else {
        None
    };
    // What is not closed reaches to the end of the text: its beginning is enough to show.
    let span = range.start..range.end.min(range.start + 80);
    let message = format!("not valid JSON: {}", escaped(&what, 200));
    match hint {
        Some(hint) => found.error_with(&span, message, hint),
        None => found.error(&span, message),
    }
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

fn of_object(object: ast::Object<'_>) -> Vec<Entry> {
    object
        .properties
        .into_iter()
        .map(|property| {
            let key_span = match &property.name {
                ast::ObjectPropName::String(name) => name.range.start..name.range.end,
                ast::ObjectPropName::Word(name) => name.range.start..name.range.end,
            };
            Entry { key: property.name.into_string(), key_span, node: of_value(property.value) }
        })
        .collect()
}

fn of_value(value: ast::Value<'_>) -> Node {
    use jsonc_parser::common::Ranged as _;
    let range = value.range();
    let value = match value {
        ast::Value::StringLit(text) => Value::Text(text.value.into_owned()),
        ast::Value::NumberLit(number) => {
            number.value.parse().map_or(Value::Other("a number that is not whole, or too large"), Value::Number)
        }
        ast::Value::BooleanLit(flag) => Value::Other(if flag.value { "true" } else { "false" }),
        ast::Value::Object(object) => Value::Table(of_object(object)),
        ast::Value::Array(array) => Value::List(array.elements.into_iter().map(of_value).collect()),
        ast::Value::NullKeyword(_) => Value::Other("null"),
    };
    Node { span: range.start..range.end, value }
}
