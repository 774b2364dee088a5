//! Reads TOML, the language of Codex's `config.toml`.

use serde_json::{Number, Value};
use toml_edit::{Document, Item, TableLike, Value as TomlValue};

use crate::syntax::tree::{Node, NodeKind, SyntaxError, below};

/// Whether `text` looks like TOML: its first line that is neither blank nor a comment is the header
/// of a table, or a key with `=`.
pub(crate) fn is_toml(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim);
    let first = lines.find(|line| !line.is_empty() && !line.starts_with('#'));
    first.is_some_and(|line| {
        let key = line.split_once('=').map(|(key, _)| key.trim());
        let is_key = |key: &str| {
            let fits = |c: char| c.is_ascii_alphanumeric() || "_-.\"".contains(c);
            !key.is_empty() && key.chars().all(fits)
        };
        key.is_some_and(is_key)
            || line
                .strip_prefix('[')
                .and_then(|line| line.split_once(']'))
                .is_some_and(|(table, _)| is_key(table.trim_start_matches('[')))
    })
}

/// Reads `text` as one document.
///
/// # Errors
/// It is not TOML.
pub(crate) fn read(text: &str) -> Result<Node, SyntaxError> {
    let refused = |error: toml_edit::TomlError| SyntaxError {
        line: line_at(text, error.span().map_or(0, |span| span.start)),
        reason: format!("not TOML: {}", error.message()),
    };
    let document: Document<&str> = Document::parse(text).map_err(refused)?;
    Ok(TomlReader { text }.table(String::new(), 1, document.as_table()))
}

fn line_at(text: &str, byte: usize) -> usize {
    let before = text.as_bytes().iter().take(byte);
    1 + before.filter(|byte| **byte == b'\n').count()
}

struct TomlReader<'t> {
    text: &'t str,
}

impl TomlReader<'_> {
    fn table(&self, path: String, line: usize, table: &dyn TableLike) -> Node {
        let members = table.iter().map(|(name, item)| {
            let key = table.key(name).and_then(toml_edit::Key::span);
            let line = key.map_or(line, |span| line_at(self.text, span.start));
            (name.to_owned(), self.item(below(&path, name), line, item))
        });
        let kind = NodeKind::Object(members.collect());
        Node { line, path, kind }
    }

    fn item(&self, path: String, line: usize, item: &Item) -> Node {
        if let Some(table) = item.as_table_like() {
            return self.table(path, line, table);
        }
        if let Some(tables) = item.as_array_of_tables() {
            let items = tables.iter().enumerate();
            let items = items.map(|(at, table)| self.table(format!("{path}[{at}]"), line, table));
            let kind = NodeKind::List(items.collect());
            return Node { line, path, kind };
        }
        match item.as_value() {
            Some(value) => self.value(path, line, value),
            None => Node {
                line,
                path,
                kind: NodeKind::Scalar(Value::Null),
            },
        }
    }

    fn value(&self, path: String, line: usize, value: &TomlValue) -> Node {
        let kind = match value {
            TomlValue::String(text) => NodeKind::Scalar(text.value().as_str().into()),
            TomlValue::Integer(number) => NodeKind::Scalar((*number.value()).into()),
            TomlValue::Float(number) => {
                let number = Number::from_f64(*number.value());
                NodeKind::Scalar(number.map_or(Value::Null, Value::Number))
            }
            TomlValue::Boolean(boolean) => NodeKind::Scalar((*boolean.value()).into()),
            TomlValue::Datetime(time) => NodeKind::Scalar(time.value().to_string().into()),
            TomlValue::Array(items) => {
                let items = items.iter().enumerate().map(|(at, item)| {
                    let line = item
                        .span()
                        .map_or(line, |span| line_at(self.text, span.start));
                    self.value(format!("{path}[{at}]"), line, item)
                });
                NodeKind::List(items.collect())
            }
            TomlValue::InlineTable(table) => return self.table(path, line, table),
        };
        Node { line, path, kind }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_value_has_its_line() {
        let text = "# c\nmodel = \"o3\"\n\n[mcp_servers.git]\ncommand = \"uvx\"\nargs = [\n  \"a\",\n  1,\n]\nenv = { A = \"b\" }\n\n[mcp_servers.git.tools]\nx = 1.5\n[[list]]\ny = true\n";
        assert!(is_toml(text));
        let root = read(text).unwrap();
        let expected = json!({
            "model": "o3",
            "mcp_servers": {"git": {"command": "uvx", "args": ["a", 1], "env": {"A": "b"}, "tools": {"x": 1.5}}},
            "list": [{"y": true}],
        });
        assert_eq!(root.value(), expected);
        for (path, line) in [
            ("model", 2),
            ("mcp_servers.git", 4),
            ("mcp_servers.git.command", 5),
            ("mcp_servers.git.args[1]", 8),
            ("mcp_servers.git.env.A", 10),
        ] {
            assert_eq!(root.nearest(path).0.line, line, "{path}");
        }
    }

    #[test]
    fn other_languages_are_not_toml() {
        for text in [
            "servers:\n- name: a\n",
            "{}",
            "[]",
            "[1, 2]",
            "- a=b",
            "a: b=c",
        ] {
            assert!(!is_toml(text), "{text}");
        }
        let error = read("[a]\nb = \n").unwrap_err();
        assert_eq!(error.line, 2, "{}", error.reason);
    }
}
