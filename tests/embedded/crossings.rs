//! How often the filter and Envoy call each other for one request. Each such call costs
//! time that no compiler removes, so these numbers must not grow unnoticed.

use std::collections::BTreeMap;

use crate::host::{Host, Plugin, Request, Response, Stream};
use serde_json::json;

const VERSION: &str = "2026-07-28";

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
    let body = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
    Request::post("/mcp")
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", VERSION)
        .header("mcp-method", method)
        .json(body.to_string())
}

fn gateway(rest: &str) -> Plugin {
    let config = format!(
        r#"{{"servers":[{{"name":"a","protocol":"MODERN"{rest}}},{{"name":"b","protocol":"MODERN"{rest}}}]}}"#
    );
    let host = Host::new().cluster("a").cluster("b");
    host.configure(&config).expect("a configuration")
}

/// Answers all calls of the gateway, those to come as well.
fn answer(stream: &mut Stream) {
    while let Some(call) = stream.calls().first().cloned() {
        let request = call.json();
        let result = match request["method"].as_str() {
            Some("server/discover") => json!({
                "supportedVersions": [VERSION], "capabilities": {"tools": {}},
            }),
            _ => json!({"tools": [{"name": "t", "inputSchema": {"type": "object"}}]}),
        };
        let body = json!({"jsonrpc": "2.0", "id": request["id"], "result": result});
        stream.answer(&call, Response::json(200, body.to_string()));
    }
}

/// Sends `request` twice, and gives the calls in both directions of the second time: what
/// is learnt once is known by then.
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
        "write the new number here if it is meant: {found:#?}"
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
