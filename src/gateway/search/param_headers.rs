//! The headers that repeat arguments of a call (MCP 2026-07-28, "Custom headers from tool
//! parameters"). Servers require them, and a client that uses `call_tool` cannot know them.

use crate::gateway::search::each_member;
use crate::mcp::{json, param_header};

/// The gateway ignores headers of parameters that are nested deeper than this.
const DEEPEST: usize = 8;

/// The headers of a call of the tool with this `definition`, with these `arguments`, both JSON
/// texts: names and values. The schema of a parameter names its header in `x-mcp-header`.
pub fn param_headers(definition: &str, arguments: &str) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    for schema in json::values(definition, "inputSchema") {
        add(schema, arguments, DEEPEST, &mut headers);
    }
    headers
}

fn add(schema: &str, arguments: &str, depth: usize, headers: &mut Vec<(String, String)>) {
    let Some(depth) = depth.checked_sub(1) else {
        return;
    };
    for properties in json::values(schema, "properties") {
        // A schema that is not an object has no parameters.
        let _ = each_member(properties, &mut |name, property| {
            // If the argument is there several times, most servers use the last one.
            let Some(value) = json::values(arguments, name).pop() else {
                return;
            };
            if let [annotation] = json::values(property, param_header::ANNOTATION).as_slice()
                && let Some(header) = param_header::name(annotation)
                && let Some(text) = param_header::value(value)
            {
                headers.push((header, text));
            } else if value.starts_with('{') {
                add(property, value, depth, headers);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test(unsupported = test)]
    fn arguments_are_repeated_where_the_schema_names_a_header() {
        let definition = r#"{"name":"t","inputSchema":{"properties":{"r":{"type":"string","x-mcp-header":"Region"},"n":{"type":"integer","x-mcp-header":"N"},"o":{"type":"object","properties":{"b":{"type":"boolean","x-mcp-header":"Deep-B"}}},"bad":{"x-mcp-header":"a b"},"none":{"type":"string"},"list":{"items":{"x-mcp-header":"Item"}}}}}"#;
        for (arguments, expected) in [
            ("{}", &[][..]),
            (r#"{"r":"eu"}"#, &[("mcp-param-region", "eu")]),
            (
                r#"{"r":"Ä","n":42,"o":{"b":true},"bad":"x","none":"y","list":["z"]}"#,
                &[
                    ("mcp-param-region", "=?base64?w4Q=?="),
                    ("mcp-param-n", "42"),
                    ("mcp-param-deep-b", "true"),
                ],
            ),
            (r#"{"r":null,"n":[1],"o":{"b":{}}}"#, &[]),
            (r#"{"r":"a","r":"b"}"#, &[("mcp-param-region", "b")]),
        ] {
            let headers = param_headers(definition, arguments);
            let headers: Vec<_> = headers
                .iter()
                .map(|(name, value)| (&**name, &**value))
                .collect();
            assert_eq!(headers, expected, "{arguments}");
        }
        let nested = r#"{"properties":{"a":"#.repeat(100);
        assert!(param_headers(&nested, r#"{"a":{}}"#).is_empty());
    }
}
