//! `envoy/filter_state.yaml`: RBAC, CEL and the access log read the filter state that the
//! filter exports.

use mcp_gateway::policy::export::STATE;
use serde_json::{Value, json};

use crate::example::{example, is_denied_by_rbac, shipped};
use crate::harness::envoy::Envoy;
use crate::harness::http::Request;
use crate::harness::message::{MODERN, call, initialize, legacy, modern};
use crate::harness::server::Server;

const BERLIN: &str = r#"{"city":"Berlin"}"#;

#[tokio::test]
async fn method_and_tool_decide() {
    let weather = Server::start("weather");
    let envoy = Envoy::start(
        "filter_state",
        &example("filter_state.yaml", weather.address),
    );
    let notification = Request::post(r#"{"jsonrpc":"2.0","method":"notifications/cancelled"}"#);
    let end = Request::new("DELETE", "/mcp").header("mcp-session-id", "1");
    let forged = legacy("1", "tools/call", r#"{"name":"get_forecast"}"#)
        .header("x-mcp-method", "tools/list")
        .header("x-mcp-toolname", "list_cities");
    for (request, allowed) in [
        (initialize(), true),
        (modern("1", "server/discover"), true),
        (modern("1", "tools/list"), true),
        (notification, true),
        (end, true),
        (call("1", "get_weather", BERLIN), true),
        // A CEL expression allows tools whose name starts with `list_`.
        (call("1", "list_cities", "{}"), true),
        (call("1", "list_", "{}"), true),
        (call("1", "list", "{}"), false),
        (call("1", "LIST_CITIES", "{}"), false),
        (call("1", "get_weather_list_", "{}"), false),
        (call("1", "get_forecast", BERLIN), false),
        (forged, false),
        (legacy("1", "prompts/get", r#"{"name":"list_"}"#), false),
        (modern("1", "tools/lists"), false),
        (
            Request::post(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#),
            false,
        ),
    ] {
        let answer = request.send(envoy.address).await;
        let denied = is_denied_by_rbac(&answer);
        assert_eq!(denied, !allowed, "{request:?}: {answer:?}");
        // If RBAC allows a request, the server has answered it.
        let served = answer.headers.contains_key("x-envoy-upstream-service-time");
        assert_eq!(served, allowed, "{request:?}: {answer:?}");
    }
    let denied = call(r#""\u0061""#, "get_forecast", BERLIN);
    let start = r#"{"jsonrpc":"2.0","id":"\u0061","error":{"code":403,"#;
    let answer = denied.send(envoy.address).await;
    assert!(answer.json_text().starts_with(start), "{answer:?}");
}

/// The line of the access log for this path, without the path, the details and the fields
/// that are null.
fn logged(envoy: &Envoy, path: &str) -> Value {
    let line = envoy.access_logged(&format!(r#""path":"{path}""#));
    let mut line: Value = serde_json::from_str(&line).expect("JSON");
    let line = line.as_object_mut().expect("an object");
    line.remove("path");
    line.remove("details");
    if let Some(Value::String(text)) = line.get("mcp") {
        let object = serde_json::from_str(text).expect("JSON in the text");
        line.insert("mcp".to_owned(), object);
    }
    line.retain(|_, value| !value.is_null());
    Value::Object(std::mem::take(line))
}

#[tokio::test]
async fn the_access_log_tells_what_was_asked_for() {
    let weather = Server::start("weather");
    let envoy = Envoy::start(
        "filter_state_log",
        // The log line needs the query of the path, which is different for each request of
        // the test.
        &example("filter_state.yaml", weather.address).replace("%PATH(NQ)%", "%PATH%"),
    );
    let tool = call(r#""a""#, "get_weather", BERLIN);
    let prompt = legacy("7", "prompts/get", r#"{"name":"hello"}"#);
    let resource = legacy("8", "resources/read", r#"{"uri":"file:///a"}"#);
    for (path, request, expected) in [
        (
            "/mcp?tool",
            tool,
            json!({
                "code": 200,
                "status": "mcp_ok",
                "method": "tools/call",
                "name": "get_weather",
                "tool": "get_weather",
                "id": "\"a\"",
                "version": MODERN,
                "mcp": {
                    "jsonrpc": "2.0",
                    "method": "tools/call",
                    "id": "a",
                    "params": { "name": "get_weather" },
                    "is_mcp_request": true,
                },
            }),
        ),
        (
            "/mcp?prompt",
            prompt,
            json!({
                "code": 403,
                "status": "mcp_ok",
                "method": "prompts/get",
                "name": "hello",
                "prompt": "hello",
                "id": "7",
                "mcp": {
                    "jsonrpc": "2.0",
                    "method": "prompts/get",
                    "id": 7,
                    "params": { "name": "hello" },
                    "is_mcp_request": true,
                },
            }),
        ),
        (
            "/mcp?resource",
            resource,
            json!({
                "code": 403,
                "status": "mcp_ok",
                "method": "resources/read",
                "name": "file:///a",
                "resource": "file:///a",
                "id": "8",
                "mcp": {
                    "jsonrpc": "2.0",
                    "method": "resources/read",
                    "id": 8,
                    "params": { "uri": "file:///a" },
                    "is_mcp_request": true,
                },
            }),
        ),
        (
            "/mcp?nonsense",
            Request::post("{"),
            json!({ "code": 400, "status": "mcp_parse_error" }),
        ),
    ] {
        request.target(path).send(envoy.address).await;
        assert_eq!(logged(&envoy, path), expected, "{path}");
    }
}

#[test]
fn the_access_log_has_every_key() {
    let text = shipped("filter_state.yaml");
    for key in STATE {
        let operator = format!("\"%FILTER_STATE(wasm.{key}:PLAIN)%\"");
        assert_eq!(text.matches(&operator).count(), 1, "{operator}");
    }
}
