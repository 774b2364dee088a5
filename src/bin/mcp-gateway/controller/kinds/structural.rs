//! The filter's JSON Schema in the form of a `CustomResourceDefinition`: a structural schema,
//! without references.

use serde_json::{Map, Value, json};

/// The properties of the object at `pointer` of the filter's schema, without those that
/// `left_out` names.
pub(super) fn properties(pointer: &str, left_out: &[&str]) -> Map<String, Value> {
    let root = mcp_gateway::config::schema();
    let properties = root.pointer(pointer).and_then(|it| it.get("properties"));
    let properties = properties.and_then(Value::as_object).into_iter().flatten();
    properties
        .filter(|(name, _)| !left_out.contains(&name.as_str()))
        .map(|(name, schema)| (name.clone(), structural(&root, schema)))
        .collect()
}

/// `schema`, with the parts of `root` that it refers to. A structural schema cannot express all
/// rules. The controller checks the others: it reads the value with the filter's own code.
fn structural(root: &Value, schema: &Value) -> Value {
    let mut all = Map::new();
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str)
        && let Some(Value::Object(target)) = root.pointer(reference.trim_start_matches('#'))
    {
        all.extend(target.clone());
    }
    all.extend(schema.as_object().cloned().unwrap_or_default());
    let description = description(&all);
    let mut out = Map::new();
    if !description.is_empty() {
        out.insert("description".to_owned(), Value::from(description));
    }
    if let Some(choices) = all.get("oneOf").and_then(Value::as_array) {
        let values = choices.iter().filter_map(|it| it.get("const")).cloned();
        out.insert("type".to_owned(), json!("string"));
        out.insert("enum".to_owned(), values.collect());
        return Value::Object(out);
    }
    // The value may have several types.
    if !all.get("type").is_some_and(Value::is_string) {
        out.insert(
            "x-kubernetes-preserve-unknown-fields".to_owned(),
            json!(true),
        );
        return Value::Object(out);
    }
    for keyword in [
        "type",
        "enum",
        "pattern",
        "minLength",
        "maxLength",
        "minimum",
        "maximum",
        "minItems",
        "maxItems",
        "required",
    ] {
        out.extend(all.remove_entry(keyword));
    }
    if let Some(items) = all.get("items") {
        out.insert("items".to_owned(), structural(root, items));
    }
    if let Some(properties) = all.get("properties").and_then(Value::as_object) {
        let properties = properties.iter();
        let properties: Map<String, Value> = properties
            .map(|(name, schema)| (name.clone(), structural(root, schema)))
            .collect();
        out.insert("properties".to_owned(), Value::Object(properties));
    }
    if let Some(values @ Value::Object(_)) = all.get("additionalProperties") {
        out.insert("additionalProperties".to_owned(), structural(root, values));
    }
    let is_object = out.get("type").is_some_and(|it| it == "object");
    if is_object
        && !["properties", "additionalProperties"]
            .iter()
            .any(|it| out.contains_key(*it))
    {
        // The API server removes members that no schema names.
        out.insert(
            "x-kubernetes-preserve-unknown-fields".to_owned(),
            json!(true),
        );
    }
    Value::Object(out)
}

/// The description of a field, with its choices and its default. The definition itself has no
/// defaults, since the API server would write them into the objects.
fn description(schema: &Map<String, Value>) -> String {
    let text = |schema: &Value| {
        let text = schema.get("description").and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    let own = schema.get("description").and_then(Value::as_str);
    let mut paragraphs: Vec<String> = own.map(str::to_owned).into_iter().collect();
    let choices = schema.get("oneOf").and_then(Value::as_array);
    for choice in choices.into_iter().flatten() {
        if let Some(name) = choice.get("const").and_then(Value::as_str) {
            paragraphs.push(format!("`{name}`: {}", text(choice)));
        }
    }
    match schema.get("default") {
        Some(Value::Array(_) | Value::Object(_)) | None => {}
        Some(Value::String(default)) => paragraphs.push(format!("Default: `{default}`.")),
        Some(default) => paragraphs.push(format!("Default: `{default}`.")),
    }
    paragraphs.join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_of_any_members_keeps_them() {
        let keeps = |schema: Value| {
            let made = structural(&Value::Null, &schema);
            made.get("x-kubernetes-preserve-unknown-fields").is_some()
        };
        assert!(keeps(json!({"type": "object"})));
        assert!(keeps(
            json!({"type": "object", "additionalProperties": true})
        ));
        assert!(keeps(json!({"type": ["string", "object"]})));
        let named = json!({"type": "object", "properties": {"a": {"type": "string"}}});
        assert!(!keeps(named));
        let values = json!({"type": "object", "additionalProperties": {"type": "string"}});
        assert!(!keeps(values));
        assert!(!keeps(json!({"type": "string"})));
    }
}
