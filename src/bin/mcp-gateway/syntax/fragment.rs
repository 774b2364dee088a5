//! Writes values as pieces of a file, in the language of this file.

use serde_json::Value;

use super::{json_text, toml_text, yaml};

/// The language of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Language {
    #[default]
    Yaml,
    Json,
    Toml,
}

impl Language {
    /// The language of `text`, as [`super::tree::documents`] reads it.
    pub(crate) fn of(text: &str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if json_text::is_json(text) {
            Self::Json
        } else if toml_text::is_toml(text) {
            Self::Toml
        } else {
            Self::Yaml
        }
    }

    /// `members` of an object, each on a line of its own, or on one line in JSON.
    pub(crate) fn members(self, members: &[(String, Value)]) -> String {
        let members = members.iter();
        let members = members.map(|(name, value)| self.member(name, value));
        let members: Vec<String> = members.collect();
        members.join(match self {
            Self::Json => ", ",
            Self::Yaml | Self::Toml => "\n",
        })
    }

    /// The member `name` of an object.
    pub(crate) fn member(self, name: &str, value: &Value) -> String {
        let value = self.value(value);
        match self {
            Self::Yaml => format!("{}: {value}", self.value(&name.into())),
            Self::Json => format!("{}: {value}", Value::from(name)),
            Self::Toml => format!("{} = {value}", key(name)),
        }
    }

    /// An item of a list.
    pub(crate) fn item(self, value: &Value) -> String {
        match self {
            Self::Yaml => format!("- {}", self.value(value)),
            Self::Json | Self::Toml => self.value(value),
        }
    }

    /// `value` on one line.
    fn value(self, value: &Value) -> String {
        match (self, value) {
            (_, Value::Array(items)) => {
                let items: Vec<String> = items.iter().map(|it| self.value(it)).collect();
                format!("[{}]", items.join(", "))
            }
            (_, Value::Object(members)) if !members.is_empty() => {
                let members = members.iter();
                let members = members.map(|(name, value)| self.member(name, value));
                let members: Vec<String> = members.collect();
                format!("{{ {} }}", members.join(", "))
            }
            (Self::Yaml, value) => yaml::flow(value).unwrap_or_else(|_| value.to_string()),
            // The texts of JSON are texts of TOML, too.
            (_, value) => value.to_string(),
        }
    }
}

/// `name` as a key of TOML.
fn key(name: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.chars().all(is_bare) {
        name.to_owned()
    } else {
        Value::from(name).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::tree;
    use serde_json::json;

    #[test]
    fn a_file_has_a_language() {
        for (text, expected) in [
            ("servers: []", Language::Yaml),
            ("{ servers: [] }", Language::Yaml),
            ("// mine\n{\"mcpServers\": {}}", Language::Json),
            ("[mcp_servers.a]\nurl = 'x'", Language::Toml),
        ] {
            assert_eq!(Language::of(text), expected, "{text}");
        }
    }

    #[test]
    fn a_file_with_a_piece_in_it_has_its_values() {
        let members = [
            ("command".to_owned(), json!("npx")),
            ("args".to_owned(), json!(["-y", "a b", "it's \"c\"\\", 7])),
            (
                "X-Key: 1".to_owned(),
                json!({ "a": { "b": true }, "c d": [] }),
            ),
        ];
        let expected: serde_json::Map<_, _> = members.iter().cloned().collect();
        for (language, before, after) in [
            (Language::Yaml, "", "\n"),
            (Language::Json, "{", "}"),
            (Language::Toml, "", "\n"),
        ] {
            let piece = language.members(&members);
            let file = format!("{before}{piece}{after}");
            assert_eq!(Language::of(&file), language, "{file}");
            let read = tree::documents(&file).unwrap().remove(0).value();
            assert_eq!(read, Value::Object(expected.clone()), "{file}");
        }
    }

    #[test]
    fn a_piece_looks_as_people_write_it() {
        let member = ("args".to_owned(), json!(["-y", "x"]));
        for (language, expected, item) in [
            (Language::Yaml, "args: [-y, x]", "- { a: b }"),
            (Language::Json, r#""args": ["-y", "x"]"#, r#"{ "a": "b" }"#),
            (Language::Toml, r#"args = ["-y", "x"]"#, r#"{ a = "b" }"#),
        ] {
            assert_eq!(language.members(std::slice::from_ref(&member)), expected);
            assert_eq!(language.item(&json!({ "a": "b" })), item);
        }
    }
}
