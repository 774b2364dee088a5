//! The JSON Schema of a stdio server: the fields of a server that the filter does not have.

use serde_json::{Value, json};

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
    server["dependentRequired"] = json!({
        "args": ["command"], "env": ["command"], "envFile": ["command"], "cwd": ["command"],
    });
    // The bridge in front of the program has a URL of its own.
    server["dependentSchemas"] = json!({
        "command": { "properties": { "url": false, "hostname": false, "path": false } },
    });
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
