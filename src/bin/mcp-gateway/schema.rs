//! `schema`: the JSON Schema of the filter's configuration, and a reference generated from it.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::config_file::stdio_schema;

/// The JSON Schema, as it is in `docs/reference/config.schema.json`.
pub(crate) fn json() -> String {
    format!("{:#}\n", mcp_gateway::config::schema())
}

/// The JSON Schema of the files of `run`, which may also have stdio servers.
pub(crate) fn json_with_stdio() -> String {
    let mut schema = mcp_gateway::config::schema();
    stdio_schema::add_to(&mut schema);
    format!("{schema:#}\n")
}

/// The reference in Markdown, as it is in `docs/reference/configuration.md`.
pub(crate) fn reference() -> String {
    let schema = mcp_gateway::config::schema();
    let sections = sections(&schema);
    let mut page = format!(
        "<!-- Made by `mcp-gateway schema --reference`. Change the comments in src/config instead. -->\n\n\
         # Configuration reference\n\n{}\n\n\
         Editors can use the [JSON Schema](config.schema.json) of the same.\n",
        text(&schema)
    );
    for section in &sections {
        section.write(&mut page, &sections);
    }
    page
}

/// The fields of one object.
struct Section<'s> {
    /// The reference of its schema; empty for the whole configuration.
    reference: &'s str,
    schema: &'s Value,
    /// The paths at which such an object may be.
    paths: Vec<String>,
}

/// All objects of `schema`. Each comes before the objects in it.
fn sections(schema: &Value) -> Vec<Section<'_>> {
    let mut sections = Vec::new();
    add(schema, "", schema, String::new(), &mut sections);
    sections
}

fn add<'s>(
    root: &'s Value,
    reference: &'s str,
    schema: &'s Value,
    path: String,
    sections: &mut Vec<Section<'s>>,
) {
    if let Some(known) = sections.iter_mut().find(|it| it.reference == reference) {
        known.paths.push(path);
        return;
    }
    sections.push(Section {
        reference,
        schema,
        paths: vec![path.clone()],
    });
    for (name, field) in properties(schema) {
        let dot = if path.is_empty() { "" } else { "." };
        for (reference, suffix) in references(field) {
            let pointer = reference.trim_start_matches('#');
            if let Some(schema) = root.pointer(pointer) {
                let path = format!("{path}{dot}{name}{suffix}");
                add(root, reference, schema, path, sections);
            }
        }
    }
}

fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.into_iter().flat_map(Map::iter)
}

/// The objects in `field`: with `[]` for the items of a list, and with `.NAME` for members with any
/// name.
fn references(field: &Value) -> Vec<(&str, &'static str)> {
    if let Some(reference) = field.get("$ref").and_then(Value::as_str) {
        return vec![(reference, "")];
    }
    if let Some(items) = field.get("items") {
        let inner = references(items).into_iter();
        return inner.map(|(reference, _)| (reference, "[]")).collect();
    }
    if let Some(values) = field.get("additionalProperties") {
        let inner = references(values).into_iter();
        return inner.map(|(reference, _)| (reference, ".NAME")).collect();
    }
    alternatives(field, "anyOf").flat_map(references).collect()
}

fn alternatives<'s>(schema: &'s Value, keyword: &str) -> impl Iterator<Item = &'s Value> {
    let choices = schema.get(keyword).and_then(Value::as_array);
    choices.into_iter().flatten()
}

impl Section<'_> {
    fn title(&self) -> &str {
        match self.paths.first().map(String::as_str) {
            None | Some("") => "The whole configuration",
            Some(path) => path,
        }
    }

    fn write(&self, page: &mut String, sections: &[Section<'_>]) {
        let is_whole = self.reference.is_empty();
        let quote = if is_whole { "" } else { "`" };
        let _ = write!(page, "\n## {quote}{}{quote}\n\n", self.title());
        if !is_whole {
            let _ = write!(page, "{}\n\n", text(self.schema));
        }
        if let [_, others @ ..] = self.paths.as_slice()
            && !others.is_empty()
        {
            let others: Vec<String> = others.iter().map(|path| format!("`{path}`")).collect();
            let _ = write!(page, "The same for {}.\n\n", others.join(", "));
        }
        page.push_str("| field | type | default | meaning |\n|---|---|---|---|\n");
        let required: Vec<&str> = alternatives(self.schema, "required")
            .filter_map(Value::as_str)
            .collect();
        for (name, field) in properties(self.schema) {
            let (meaning, default) = meaning(field);
            let default = match field.get("default") {
                _ if required.contains(&name.as_str()) => "required".to_owned(),
                Some(value) => format!("`{value}`"),
                None => default.unwrap_or("none").to_owned(),
            };
            let kind = kind(field, sections);
            let cells = [format!("`{name}`"), kind, default, meaning].map(|text| cell(&text));
            let _ = writeln!(page, "| {} |", cells.join(" | "));
        }
    }
}

/// The description of `field` and of its choices; and its default, if the description has it.
fn meaning(field: &Value) -> (String, Option<&str>) {
    let description = text(field);
    let (meaning, default) = match description.rsplit_once("\n\nDefault: ") {
        Some((meaning, default)) => (meaning, Some(default.trim_end_matches('.'))),
        None => (description, None),
    };
    let mut meaning = meaning.to_owned();
    for choice in alternatives(field, "oneOf") {
        if let Some(name) = choice.get("const").and_then(Value::as_str) {
            let _ = write!(meaning, "\n`{name}`: {}", text(choice));
        }
    }
    (meaning, default)
}

/// The type of `field`, with a link where it is an object.
fn kind(field: &Value, sections: &[Section<'_>]) -> String {
    if let Some(title) = field.get("title").and_then(Value::as_str) {
        return title.to_owned();
    }
    if let Some(reference) = field.get("$ref").and_then(Value::as_str) {
        let section = sections.iter().find(|it| it.reference == reference);
        let title = section.map_or("", Section::title);
        return format!("[object](#{})", anchor(title));
    }
    if let Some(value) = field.get("const") {
        return format!("`{value}`");
    }
    let choices: Vec<String> = alternatives(field, "enum")
        .chain(alternatives(field, "oneOf").filter_map(|choice| choice.get("const")))
        .map(|name| format!("`{}`", name.as_str().unwrap_or_default()))
        .collect();
    if !choices.is_empty() {
        return choices.join(", ");
    }
    let others: Vec<String> = alternatives(field, "anyOf")
        .map(|choice| kind(choice, sections))
        .collect();
    if !others.is_empty() {
        return others.join(" or ");
    }
    match field.get("type") {
        Some(Value::Array(kinds)) => {
            let kinds: Vec<&str> = kinds.iter().filter_map(Value::as_str).collect();
            kinds.join(" or ")
        }
        Some(Value::String(name)) => match (name.as_str(), field.get("items")) {
            ("array", Some(items)) => {
                let non_empty = field.get("minItems").map_or("", |_| "non-empty ");
                format!("{non_empty}list of {}", kind(items, sections))
            }
            ("object", _) if !references(field).is_empty() => {
                let values = field.get("additionalProperties");
                let values = values.map_or(String::new(), |it| kind(it, sections));
                format!("{values} for each name")
            }
            ("integer", _) => match field.get("minimum") {
                Some(minimum) => format!("whole number, {minimum} or more"),
                None => "whole number".to_owned(),
            },
            (name, _) => name.to_owned(),
        },
        _ => String::new(),
    }
}

fn text(schema: &Value) -> &str {
    let text = schema.get("description").and_then(Value::as_str);
    text.unwrap_or_default()
}

/// The anchor that GitHub gives a heading.
fn anchor(title: &str) -> String {
    let kept = title.chars().filter_map(|character| match character {
        ' ' => Some('-'),
        '-' | '_' => Some(character),
        other => other.is_alphanumeric().then(|| other.to_ascii_lowercase()),
    });
    kept.collect()
}

/// `text` in a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
        .replace("\n\n", "<br>")
        .replace('\n', "<br>")
}
