//! The headers `Mcp-Param-…`, in which a modern client repeats the arguments that a tool
//! marks with `x-mcp-header` (MCP 2026-07-28, "Custom Headers from Tool Parameters").

use mcp_gateway::mcp::header_value;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};

/// The headers for a call with `arguments` of the tool with this `inputSchema`.
pub(crate) fn param_headers(schema: &Value, arguments: &Map<String, Value>) -> HeaderMap {
    let properties = schema.get("properties").and_then(Value::as_object);
    let headers = properties.into_iter().flatten().filter_map(|(key, about)| {
        let name = about.get("x-mcp-header")?.as_str()?.to_lowercase();
        let value = match arguments.get(key)? {
            Value::String(text) => header_value::encode(text).into_owned(),
            value @ (Value::Number(_) | Value::Bool(_)) => value.to_string(),
            _ => return None,
        };
        let name: HeaderName = format!("mcp-param-{name}").parse().ok()?;
        Some((name, HeaderValue::from_str(&value).ok()?))
    });
    headers.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn marked_arguments_are_repeated() {
        let schema = json!({"properties": {
            "region": {"type": "string", "x-mcp-header": "Region"},
            "count": {"type": "integer", "x-mcp-header": "Count"},
            "city": {"type": "string", "x-mcp-header": "City"},
            "other": {"type": "string"},
            "absent": {"type": "string", "x-mcp-header": "Absent"},
        }});
        let arguments = json!({"region": "eu", "count": 2, "city": "Zürich", "other": "x"});
        let headers = param_headers(&schema, arguments.as_object().unwrap());
        let mut shown: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        shown.sort_unstable();
        assert_eq!(
            shown,
            [
                ("mcp-param-city", "=?base64?WsO8cmljaA==?="),
                ("mcp-param-count", "2"),
                ("mcp-param-region", "eu"),
            ]
        );
    }
}
