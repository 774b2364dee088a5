//! How often the filter and Envoy call each other for one request. Each such call costs
//! time that no compiler removes, so these numbers must not grow unnoticed.

use std::collections::BTreeMap;

use crate::host::{Host, Plugin, Request, Response, Stream};
use serde_json::json;

const VERSION: &str = "2026-07-28";
const LEGACY_VERSION: &str = "2025-11-25";

/// A request of a modern client that calls the tool `name`.
fn call(name: &str) -> Request {
    modern(
        "tools/call",
        json!({"name": name, "arguments": {"city": "Bern"}}),
    )
    .header("mcp-name", name)
}

fn modern(method: &str, mut params: serde_json::Value) -> Request {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": VERSION,
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    message(method, &params)
        .header("mcp-protocol-version", VERSION)
        .header("mcp-method", method)
}

/// A request without the headers of a version.
fn message(method: &str, params: &serde_json::Value) -> Request {
    let body = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
    Request::post("/mcp")
        .header("accept", "application/json, text/event-stream")
        .json(body.to_string())
}

/// A request of a legacy client in its session.
fn legacy(method: &str, params: &serde_json::Value, session: &str) -> Request {
    message(method, params)
        .header("mcp-protocol-version", LEGACY_VERSION)
        .header("mcp-session-id", session)
}

/// Opens a session of a legacy client, and gives its id.
fn open_session(plugin: &Plugin) -> String {
    let mut stream = plugin.stream();
    let params = json!({
        "protocolVersion": LEGACY_VERSION, "capabilities": {},
        "clientInfo": {"name": "c", "version": "1"},
    });
    stream.request(message("initialize", &params));
    answer(&mut stream);
    let reply = stream.expect_reply(200);
    reply.header("mcp-session-id").expect("the id of a session")
}

/// A gateway in front of two servers of this `protocol`, with `rest` in each server.
fn gateway_to(protocol: &str, rest: &str) -> Plugin {
    let server = |name| format!(r#"{{"name":"{name}","protocol":"{protocol}"{rest}}}"#);
    let config = format!(r#"{{"servers":[{},{}]}}"#, server("a"), server("b"));
    let host = Host::new().cluster("a").cluster("b");
    host.configure(&config).expect("a configuration")
}

fn gateway(rest: &str) -> Plugin {
    gateway_to("MODERN", rest)
}

/// Answers all calls of the gateway, including those that follow from the answers.
fn answer(stream: &mut Stream) {
    while let Some(call) = stream.calls().first().cloned() {
        let request = call.json();
        let result = match request["method"].as_str() {
            Some("initialize") => json!({
                "protocolVersion": LEGACY_VERSION, "capabilities": {"tools": {}},
                "serverInfo": {"name": "s", "version": "1"},
            }),
            Some("notifications/initialized") => {
                stream.answer(&call, Response::new(202));
                continue;
            }
            Some("server/discover") => json!({
                "supportedVersions": [VERSION], "capabilities": {"tools": {}},
            }),
            _ => json!({"tools": [{"name": "t", "inputSchema": {"type": "object"}}]}),
        };
        let body = json!({"jsonrpc": "2.0", "id": request["id"], "result": result});
        let response = Response::json(200, body.to_string());
        stream.answer(&call, response.header("mcp-session-id", "s"));
    }
}

/// Sends `request` twice, and returns the calls in both directions of the second time. By then the
/// filter knows everything that it learns only once.
fn crossings(plugin: &Plugin, request: &Request, is_routed: bool) -> BTreeMap<String, u32> {
    for _ in 0..2 {
        plugin.take_crossings();
        let mut stream = plugin.stream();
        stream.request(request);
        answer(&mut stream);
        if is_routed {
            stream.expect_released();
            let body = r#"{"jsonrpc":"2.0","id":7,"result":{"content":[]}}"#;
            stream.respond(Response::json(200, body));
        } else {
            stream.expect_reply(200);
        }
        drop(stream);
    }
    plugin.take_crossings()
}

#[track_caller]
fn assert_crossings(found: &BTreeMap<String, u32>, expected: u32) {
    let total: u32 = found.values().sum();
    assert_eq!(
        total, expected,
        "if the change is intended, write the new number here: {found:#?}"
    );
}

#[test]
fn a_call_in_policy_mode() {
    let plugin = Host::new().configure("{}").expect("a configuration");
    assert_crossings(&crossings(&plugin, &call("t"), true), 23);
}

#[test]
fn a_call_through_the_gateway() {
    assert_crossings(&crossings(&gateway(""), &call("a__t"), true), 39);
}

#[test]
fn a_list_of_two_servers() {
    let list = modern("tools/list", json!({}));
    assert_crossings(&crossings(&gateway(""), &list, false), 46);
}

#[test]
fn a_list_that_is_kept() {
    let list = modern("tools/list", json!({}));
    assert_crossings(
        &crossings(&gateway(r#","listTtl":"60s""#), &list, false),
        22,
    );
}

#[test]
fn a_call_in_a_legacy_session() {
    let plugin = gateway_to("LEGACY", "");
    let session = open_session(&plugin);
    let call = legacy("tools/call", &json!({"name": "a__t"}), &session);
    assert_crossings(&crossings(&plugin, &call, true), 42);
}

#[test]
fn a_list_of_two_servers_in_a_legacy_session() {
    let plugin = gateway_to("LEGACY", "");
    let session = open_session(&plugin);
    let list = legacy("tools/list", &json!({}), &session);
    assert_crossings(&crossings(&plugin, &list, false), 43);
}

#[test]
fn a_call_of_a_legacy_client_to_a_modern_server() {
    let plugin = gateway("");
    let session = open_session(&plugin);
    let call = legacy("tools/call", &json!({"name": "a__t"}), &session);
    assert_crossings(&crossings(&plugin, &call, true), 42);
}
