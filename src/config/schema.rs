//! The JSON Schema of the configuration, made from the types that the filter reads.

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform as _};
use serde_json::{Map, Value, json};

use super::spec::ConfigSpec;

/// The JSON Schema (draft 2020-12) of a plugin configuration. It accepts the names
/// of fields in lowerCamelCase and in snake_case. It does not know which fields
/// exclude each other.
pub fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12();
    let mut schema = settings
        .into_generator()
        .into_root_schema_for::<ConfigSpec>();
    RecursiveTransform(without_null).transform(&mut schema);
    RecursiveTransform(with_long_lines).transform(&mut schema);
    let mut schema = match schema.to_value() {
        Value::Object(schema) => schema,
        other => return other,
    };
    if let Some(Value::Object(definitions)) = schema.get_mut("$defs") {
        for (name, definition) in definitions {
            with_snake_case(&format!("#/$defs/{name}"), definition);
        }
    }
    let mut root = Map::new();
    for keyword in ["$schema", "title", "description"] {
        root.extend(schema.remove_entry(keyword));
    }
    root.extend(schema);
    let mut root = Value::Object(root);
    with_snake_case("#", &mut root);
    root
}

/// Removes `null` from optional fields, since an absent field is absent and not `null`. Removes
/// formats such as `uint`, which only schemars knows.
fn without_null(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    object.remove("format");
    if object.get("default").is_some_and(Value::is_null) {
        object.remove("default");
    }
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [kind] = types.as_slice() {
            let kind = kind.clone();
            object.insert("type".to_owned(), kind);
        }
    }
    if let Some(Value::Array(choices)) = object.get_mut("anyOf") {
        choices.retain(|choice| *choice != json!({"type": "null"}));
        if let [Value::Object(choice)] = choices.as_mut_slice() {
            let choice = std::mem::take(choice);
            object.remove("anyOf");
            // The description of the field has priority over that of its type.
            for (keyword, value) in choice {
                object.entry(keyword).or_insert(value);
            }
        }
    }
}

/// Joins the lines of each paragraph of a description, since each reader has its own line width.
fn with_long_lines(schema: &mut Schema) {
    if let Some(Value::String(text)) = schema.get_mut("description") {
        let paragraphs: Vec<String> = text
            .split("\n\n")
            .map(|paragraph| paragraph.replace('\n', " "))
            .collect();
        *text = paragraphs.join("\n\n");
    }
}

/// Lets the object `schema`, which is at the reference `at`, accept the snake_case name of each
/// member, too. These names are patterns: editors suggest properties, and they should suggest only
/// one name of each.
fn with_snake_case(at: &str, schema: &mut Value) {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return;
    };
    let patterns: Map<String, Value> = properties
        .keys()
        .map(|name| (name, snake_case(name)))
        .filter(|(name, snake)| snake != *name)
        .map(|(name, snake)| {
            let reference = json!({"$ref": format!("{at}/properties/{name}")});
            (format!("^{snake}$"), reference)
        })
        .collect();
    if let (false, Value::Object(schema)) = (patterns.is_empty(), schema) {
        schema.insert("patternProperties".to_owned(), Value::Object(patterns));
    }
}

fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len());
    for character in name.chars() {
        if character.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(character.to_ascii_lowercase());
    }
    snake
}
