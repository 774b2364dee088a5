//! The headers that repeat arguments of a call (MCP 2026-07-28, "Custom headers from tool
//! parameters"). Servers require them. A client that uses `call_tool` cannot know them, and a
//! legacy client does not send them.

use std::collections::HashMap;

use crate::gateway::search::each_member;
use crate::http::headers::HeaderLimit;
use crate::mcp::json::edit;
use crate::mcp::{json, param_header};
use crate::policy::export;

/// The gateway ignores headers of parameters that are nested deeper than this.
const DEEPEST: usize = 8;

/// The longest text that [`annotations`] gives, in bytes. Real tools need less.
const LONGEST: usize = 4096;

/// The most bytes of the names and values of all headers of one call. Envoy and servers refuse whole
/// requests with longer headers.
const LONGEST_HEADERS: usize = 32_768;

/// The part of the `definition` of a tool that [`param_headers`] needs. `None` where no parameter
/// has a header, or where this part is too long.
pub fn annotations(definition: &str) -> Option<String> {
    let schema = json::values(definition, "inputSchema").pop()?;
    let part = edit::object(&[("inputSchema", &annotated(schema, DEEPEST)?)]);
    (part.len() <= LONGEST).then_some(part)
}

/// The part of `schema` with the parameters that have headers.
fn annotated(schema: &str, depth: usize) -> Option<String> {
    let depth = depth.checked_sub(1)?;
    let mut parameters = Vec::new();
    for properties in json::values(schema, "properties") {
        let _ = each_member(properties, &mut |name, property| {
            let part = match json::values(property, param_header::ANNOTATION).as_slice() {
                [annotation] => Some(edit::object(&[(param_header::ANNOTATION, annotation)])),
                _ => annotated(property, depth),
            };
            parameters.extend(part.map(|part| (name.to_owned(), part)));
        });
    }
    let parameters: Vec<_> = parameters
        .iter()
        .map(|(name, part)| (&**name, &**part))
        .collect();
    (!parameters.is_empty()).then(|| edit::object(&[("properties", &edit::object(&parameters))]))
}

/// The headers of a call of the tool with this `definition`, with these `arguments`, both JSON
/// texts: names and values. The schema of a parameter names its header in `x-mcp-header`.
/// A value of more than 8,191 bytes is left out, and so are headers beyond 32,768 bytes.
pub fn param_headers(definition: &str, arguments: &str) -> Vec<(String, String)> {
    let mut headers = FoundHeaders {
        fields: Vec::new(),
        limit: HeaderLimit::new(LONGEST_HEADERS),
    };
    let schemas = json::values(definition, "inputSchema");
    add(&schemas, arguments, DEEPEST, &mut headers);
    headers.fields
}

/// Headers that a call needs.
struct FoundHeaders {
    /// Names and values.
    fields: Vec<(String, String)>,
    limit: HeaderLimit,
}

impl FoundHeaders {
    /// Adds a header, unless it is too long.
    fn push(&mut self, name: String, value: String) {
        if value.len() <= export::LONGEST && self.limit.admits(&name, &value) {
            self.fields.push((name, value));
        }
    }
}

/// Adds the headers of `arguments`, whose parameters these `schemas` describe. A server writes the
/// schemas and a client the arguments, and both may be long. So both are read once, and not the
/// arguments again for each parameter.
fn add(schemas: &[&str], arguments: &str, depth: usize, headers: &mut FoundHeaders) {
    let Some(depth) = depth.checked_sub(1) else {
        return;
    };
    let mut values = HashMap::new();
    // If an argument is there several times, most servers use the last one.
    let _ = each_member(arguments, &mut |name, value| {
        values.insert(name.to_owned(), value);
    });
    let properties = schemas.iter().map(|it| json::values(it, "properties"));
    for properties in properties.flatten() {
        // A schema that is not an object has no parameters.
        let _ = each_member(properties, &mut |name, property| {
            let Some(value) = values.remove(name) else {
                return;
            };
            if let [annotation] = json::values(property, param_header::ANNOTATION).as_slice()
                && let Some(header) = param_header::name(annotation)
                && let Some(text) = param_header::value(value)
            {
                headers.push(header, text);
            } else if value.starts_with('{') {
                add(&[property], value, depth, headers);
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
        let twice = r#"{"inputSchema":{"properties":{"r":{"x-mcp-header":"A"},"r":{"x-mcp-header":"B"}},"properties":{"r":{"x-mcp-header":"C"},"s":{"x-mcp-header":"D"}}}}"#;
        let found = param_headers(twice, r#"{"s":1,"r":2}"#);
        let found: Vec<_> = found.iter().map(|(name, _)| &**name).collect();
        assert_eq!(found, ["mcp-param-a", "mcp-param-d"], "each argument once");
        let nested = r#"{"properties":{"a":"#.repeat(100);
        assert!(param_headers(&nested, r#"{"a":{}}"#).is_empty());
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn headers_that_are_too_long_are_left_out() {
        let text = |length: usize| format!("\"{}\"", "x".repeat(length));
        let mut values = vec![text(8192)];
        values.extend(vec![text(8000); 5]);
        values.extend([text(8191), "true".to_owned()]);
        let numbered = |entry: &dyn Fn(usize, &str) -> String| {
            let values = values.iter().enumerate();
            let entries: Vec<_> = values.map(|(n, value)| entry(n, value)).collect();
            entries.join(",")
        };
        let properties = numbered(&|n, _| format!(r#""p{n}":{{"x-mcp-header":"H{n}"}}"#));
        let definition = format!(r#"{{"inputSchema":{{"properties":{{{properties}}}}}}}"#);
        let arguments = numbered(&|n, value| format!(r#""p{n}":{value}"#));
        let headers = param_headers(&definition, &format!("{{{arguments}}}"));
        let names = headers.iter().map(|(name, _)| name.as_str());
        let expected = [1, 2, 3, 4, 7].map(|n| format!("mcp-param-h{n}"));
        assert_eq!(names.collect::<Vec<_>>(), expected);
        let alone = param_headers(&definition, &format!(r#"{{"p0":{}}}"#, text(8191)));
        assert_eq!(alone.len(), 1);
    }

    /// With 20,000 parameters and arguments, this test ends only if neither side is read again for
    /// each entry of the other, also where the server writes the same parameter again and again.
    #[wasm_bindgen_test(unsupported = test)]
    fn long_definitions_and_arguments_are_read_once() {
        const MANY: usize = 20_000;
        let many = |entry: &dyn Fn(usize) -> String| {
            let entries: Vec<String> = (0..MANY).map(entry).collect();
            entries.join(",")
        };
        let arguments = many(&|n| format!(r#""a{n}":{n}"#));
        let arguments = format!(r#"{{{arguments},"o":{{{arguments}}}}}"#);
        for properties in [
            many(&|n| format!(r#""p{n}":{{}}"#)),
            many(&|_| r#""o":{"properties":{"x":{}}}"#.to_owned()),
        ] {
            let definition = format!(
                r#"{{"inputSchema":{{"properties":{{{properties},"a7":{{"x-mcp-header":"H"}}}}}}}}"#
            );
            let headers = param_headers(&definition, &arguments);
            assert_eq!(headers, [("mcp-param-h".to_owned(), "7".to_owned())]);
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn the_annotations_of_a_definition_give_the_same_headers() {
        let definition = r#"{"name":"t","inputSchema":{"type":"object","properties":{"r \"1":{"type":"string","x-mcp-header":"Region"},"o":{"type":"object","properties":{"b":{"type":"boolean","x-mcp-header":"Deep-B"},"c":{}}},"none":{"type":"string","properties":{"x":{}}}}}}"#;
        let part = annotations(definition).unwrap();
        assert_eq!(
            part,
            r#"{"inputSchema":{"properties":{"r \"1":{"x-mcp-header":"Region"},"o":{"properties":{"b":{"x-mcp-header":"Deep-B"}}}}}}"#
        );
        let arguments = r#"{"r \"1":"eu","o":{"b":true,"c":1},"none":{"x":1}}"#;
        let headers = param_headers(&part, arguments);
        assert_eq!(
            (headers.len(), &headers),
            (2, &param_headers(definition, arguments))
        );
        for definition in [
            "{}",
            r#"{"inputSchema":{"properties":{"a":{"type":"string"}}}}"#,
            r#"{"inputSchema":7}"#,
            &format!(
                r#"{{"inputSchema":{{"properties":{{"{}":{{"x-mcp-header":"A"}}}}}}}}"#,
                "a".repeat(LONGEST)
            ),
            &r#"{"inputSchema":{"properties":{"a":"#.repeat(100),
        ] {
            assert_eq!(annotations(definition), None);
        }
    }
}
