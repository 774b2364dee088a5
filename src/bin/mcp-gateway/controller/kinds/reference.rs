//! The reference of both kinds in Markdown, generated from their definitions.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// The part of `spec` that the reference of the filter describes.
const CONFIG: &str = "spec.config";

/// The reference in Markdown, as it is in `docs/reference/kinds.md`.
///
/// # Errors
/// A type cannot be written as JSON, which is a bug.
pub(crate) fn reference() -> Result<String, serde_json::Error> {
    let mut page = "<!-- Made by `mcp-gateway crds --reference`. Change the comments in src/bin/mcp-gateway/controller/kinds instead. -->\n\n# Kinds for Kubernetes\n\nThe definitions are in `deploy/crds`, and `mcp-gateway crds` prints them. [The controller](../operate/controller.md) says what they are for.\n".to_owned();
    for (_, crd) in super::crds()? {
        let text = |pointer: &str| {
            crd.pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let kind = text("/spec/names/kind");
        let short = text("/spec/names/shortNames/0");
        let group = text("/spec/group");
        let schema = "/spec/versions/0/schema/openAPIV3Schema";
        // Writing to a string cannot fail.
        let _ = write!(
            page,
            "\n## {kind}\n\n{} `apiVersion: {group}/v1alpha1`, short name `{short}`.\n\n| field | type | |\n|---|---|---|\n",
            text(&format!("{schema}/description"))
        );
        for part in ["spec", "status"] {
            if let Some(schema) = crd.pointer(&format!("{schema}/properties/{part}")) {
                add(&mut page, part, schema);
            }
        }
    }
    Ok(page)
}

/// Adds a line for each field of the object `schema`, which is at `path`.
fn add(page: &mut String, path: &str, schema: &Value) {
    let properties = schema.get("properties").and_then(Value::as_object);
    let required = schema.get("required").and_then(Value::as_array);
    for (name, field) in properties.into_iter().flat_map(Map::iter) {
        let is_required = required.is_some_and(|all| all.iter().any(|it| it == name));
        let path = format!("{path}.{name}");
        let description = field.get("description").and_then(Value::as_str);
        let description = description.unwrap_or_default().replace("\n\n", "<br>");
        let description = description.replace('\n', " ").replace('|', "\\|");
        let required = if is_required { "required. " } else { "" };
        let _ = writeln!(
            page,
            "| `{path}` | {} | {required}{description} |",
            kind(field)
        );
        if path == CONFIG || name == "conditions" {
            continue;
        }
        add(page, &path, field);
        if let Some(items) = field.get("items") {
            add(page, &format!("{path}[]"), items);
        }
    }
}

/// The type of a field, in one word.
fn kind(field: &Value) -> &str {
    if field.get("enum").is_some() {
        return "choice";
    }
    match field.get("type").and_then(Value::as_str) {
        Some("array") => "list",
        Some(kind) => kind,
        None => "any",
    }
}
