//! The JSON Schema of a stdio server: the fields of a server that the filter does not have.

use serde_json::{Value, json};

use crate::config_file::stdio_server::{self, URL_FIELDS};

/// Adds the fields of stdio servers to the JSON Schema of the filter's configuration.
pub(crate) fn add_to(schema: &mut Value) {
    let Some(server) = schema.pointer_mut("/$defs/ServerSpec") else {
        return;
    };
    let fields = fields();
    if let (Some(properties), Value::Object(fields)) =
        (server["properties"].as_object_mut(), fields)
    {
        properties.extend(fields);
    }
    let [command, others @ ..] = stdio_server::FIELDS;
    server["dependentRequired"] = others.map(|field| (field, [command])).into_iter().collect();
    let never: Value = URL_FIELDS.map(|field| (field, false)).into_iter().collect();
    server["dependentSchemas"] = json!({ command: { "properties": never } });
}

fn fields() -> Value {
    json!({
        "command": {
            "type": "string",
            "description": "The program that `run` starts as this server. It speaks MCP over stdin and stdout. Without `url`.",
        },
        "args": {
            "type": "array",
            "items": { "type": ["string", "number", "boolean"] },
            "description": "The arguments of `command`.",
            "default": [],
        },
        "env": {
            "type": "object",
            "additionalProperties": { "type": ["string", "number", "boolean", "null"] },
            "description": "Environment variables of the program, in addition to those of `run`. They have priority over `envFile`.",
            "default": {},
        },
        "envFile": {
            "type": "string",
            "description": "A file with environment variables of the program, one `NAME=value` in each line.",
        },
        "cwd": {
            "type": "string",
            "description": "The working directory of the program.\n\nDefault: the one of `run`.",
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_field_of_a_stdio_server_is_described() {
        let fields = fields();
        let names: BTreeSet<&str> = fields.as_object().unwrap().keys().map(|it| &**it).collect();
        assert_eq!(names, BTreeSet::from(stdio_server::FIELDS));
    }
}
