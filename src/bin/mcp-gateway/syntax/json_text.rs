//! Reads JSON with comments and trailing commas, as editors write it.

use jsonc_parser::ast::{ObjectProp, Value as JsonValue};
use jsonc_parser::common::Range;
use jsonc_parser::errors::ParseError;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};
use serde_json::{Number, Value};

use crate::syntax::tree::{Node, NodeKind, SyntaxError, below};

/// Whether `text` looks like JSON: its first value is an object with a name in quotes, or a JSON
/// comment comes before it. Other braces may be YAML.
pub(crate) fn is_json(text: &str) -> bool {
    let text = text.trim_start();
    text.starts_with("//")
        || text.starts_with("/*")
        || text.strip_prefix('{').is_some_and(|rest| {
            let rest = rest.trim_start();
            rest.starts_with(['"', '}']) || rest.starts_with("//") || rest.starts_with("/*")
        })
}

/// Reads `text` as one document; empty if it has only comments.
///
/// # Errors
/// It is not JSON, or an object has the same name twice.
pub(crate) fn read(text: &str) -> Result<Vec<Node>, SyntaxError> {
    let options = ParseOptions {
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        ..ParseOptions::default()
    };
    let parsed = parse_to_ast(text, &CollectOptions::default(), &options);
    let refused = |error: ParseError| SyntaxError {
        line: error.line_display(),
        reason: format!("not JSON: {}", error.kind()),
    };
    let reader = JsonReader { text };
    let value = parsed.map_err(refused)?.value;
    let root = value.map(|value| reader.node(String::new(), reader.line(range(&value)), &value));
    root.into_iter().collect()
}

struct JsonReader<'t> {
    text: &'t str,
}

impl JsonReader<'_> {
    /// The line on which `range` starts.
    fn line(&self, range: Range) -> usize {
        let before = self.text.as_bytes().iter().take(range.start);
        1 + before.filter(|byte| **byte == b'\n').count()
    }

    fn node(&self, path: String, line: usize, value: &JsonValue<'_>) -> Result<Node, SyntaxError> {
        let kind = match value {
            JsonValue::StringLit(text) => NodeKind::Scalar(Value::from(&*text.value)),
            JsonValue::NumberLit(number) => {
                let number = number.value.parse::<Number>();
                NodeKind::Scalar(number.map_or(Value::Null, Value::Number))
            }
            JsonValue::BooleanLit(boolean) => NodeKind::Scalar(Value::Bool(boolean.value)),
            JsonValue::NullKeyword(_) => NodeKind::Scalar(Value::Null),
            JsonValue::Array(array) => {
                let items = array.elements.iter().enumerate().map(|(at, item)| {
                    self.node(format!("{path}[{at}]"), self.line(range(item)), item)
                });
                NodeKind::List(items.collect::<Result<_, _>>()?)
            }
            JsonValue::Object(object) => {
                let mut members: Vec<(String, Node)> = Vec::new();
                for property in &object.properties {
                    let member = self.member(&path, property)?;
                    if members.iter().any(|(name, _)| *name == member.0) {
                        return Err(SyntaxError {
                            line: member.1.line,
                            reason: format!("not JSON: {:?} is there twice", member.0),
                        });
                    }
                    members.push(member);
                }
                NodeKind::Object(members)
            }
        };
        Ok(Node { line, path, kind })
    }

    fn member(&self, path: &str, property: &ObjectProp<'_>) -> Result<(String, Node), SyntaxError> {
        let name = property.name.as_str();
        let line = self.line(property.range);
        let node = self.node(below(path, name), line, &property.value)?;
        Ok((name.to_owned(), node))
    }
}

fn range(value: &JsonValue<'_>) -> Range {
    match value {
        JsonValue::StringLit(it) => it.range,
        JsonValue::NumberLit(it) => it.range,
        JsonValue::BooleanLit(it) => it.range,
        JsonValue::Object(it) => it.range,
        JsonValue::Array(it) => it.range,
        JsonValue::NullKeyword(it) => it.range,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn comments_and_trailing_commas_are_read_as_editors_do() {
        let text = "// why\n{\n\t\"a\": [1, -2.5, null, true,], /* and\n */ \"b\": {\"c\": \"\\u00e9\\/ // no comment\"},\n}\n";
        assert!(is_json(text));
        let documents = read(text).unwrap();
        let expected = json!({"a": [1, -2.5, null, true], "b": {"c": "é/ // no comment"}});
        assert_eq!(documents[0].value(), expected);
        for (path, line) in [("a", 3), ("b", 4), ("b.c", 4)] {
            assert_eq!(documents[0].nearest(path).0.line, line, "{path}");
        }
    }

    #[test]
    fn yaml_with_braces_is_not_json() {
        for (text, expected) in [
            ("{a: 1}", false),
            ("- a", false),
            ("# {}", false),
            ("{ }", true),
            ("/* x */ {}", true),
        ] {
            assert_eq!(is_json(text), expected, "{text}");
        }
    }

    #[test]
    fn an_error_has_its_line() {
        for (text, line) in [
            ("{\n  \"a\": 1,\n  \"b\" 2\n}", 3),
            ("{\"a\": 1,\n\"a\": 2}", 2),
            ("{\"a\": 1}\n{}", 2),
            ("{\"a\":", 1),
        ] {
            let error = read(text).expect_err(text);
            assert_eq!(error.line, line, "{text}: {}", error.reason);
        }
    }
}
