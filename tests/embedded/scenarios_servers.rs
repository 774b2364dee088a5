//! With servers in its configuration, the filter is one server for its clients.

use crate::host::{Host, Outcome, Plugin, Request, Response, Stream};
use serde_json::json;

fn gateway() -> Plugin {
    Host::new()
        .cluster("weather")
        .cluster("calendar")
        .configure(r#"{"servers":[{"name":"weather"},{"name":"calendar"}]}"#)
        .expect("a configuration")
}

/// A request of a modern client, which contains its protocol version.
fn tools_list() -> Request {
    let body = json!({
        "jsonrpc": "2.0",
        "id": 7,
        "method": "tools/list",
        "params": {"_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {}
        }}
    });
    Request::post("/mcp")
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/list")
        .json(body.to_string())
}

/// A server's answer to `tools/list`, with these tools.
fn tools(id: &serde_json::Value, names: &[&str]) -> Response {
    let tools: Vec<_> = names
        .iter()
        .map(|name| json!({"name": name, "inputSchema": {"type": "object"}}))
        .collect();
    let body = json!({"jsonrpc": "2.0", "id": id, "result": {
        "resultType": "complete", "tools": tools, "ttlMs": 0, "cacheScope": "private"
    }});
    Response::json(200, body.to_string())
}

/// Both servers answer `server/discover`, and say that they have tools.
fn introduce(stream: &mut Stream) {
    for cluster in ["weather", "calendar"] {
        let call = stream.call(cluster);
        assert_eq!(call.json()["method"], "server/discover");
        let body = json!({"jsonrpc": "2.0", "id": call.json()["id"], "result": {
            "resultType": "complete", "supportedVersions": ["2026-07-28"],
            "capabilities": {"tools": {}}, "ttlMs": 0, "cacheScope": "private"
        }});
        stream.answer(&call, Response::json(200, body.to_string()));
    }
}

/// The servers answer `tools/list` in this order. Returns the merged answer.
fn list_in_order(order: [&str; 2]) -> serde_json::Value {
    let plugin = gateway();
    let mut stream = plugin.stream();
    assert_eq!(stream.request(tools_list()), Outcome::Waiting);
    introduce(&mut stream);
    let clusters: Vec<_> = stream
        .calls()
        .into_iter()
        .map(|call| call.cluster)
        .collect();
    assert_eq!(clusters, ["weather", "calendar"]);

    for cluster in order {
        let call = stream.call(cluster);
        let id = call.json()["id"].clone();
        stream.answer(&call, tools(&id, &[&format!("{cluster}_tool")]));
    }
    assert!(stream.upstream().is_none());
    stream.expect_reply(200).json()
}

#[test]
fn lists_merge_in_the_order_of_the_configuration() {
    for order in [["weather", "calendar"], ["calendar", "weather"]] {
        let list = list_in_order(order);
        assert_eq!(list["id"], json!(7));
        let tools = list["result"]["tools"].as_array().expect("tools");
        let owners: Vec<_> = tools
            .iter()
            .map(|tool| tool["name"].as_str().expect("a name"))
            .map(|name| name.contains("weather"))
            .collect();
        assert_eq!(owners, [true, false], "{list}");
    }
}

#[test]
fn answers_to_a_client_that_has_gone_do_no_harm() {
    let plugin = gateway();
    let mut stream = plugin.stream();
    assert_eq!(stream.request(tools_list()), Outcome::Waiting);
    stream.client_gone();
    stream.answer("weather", Response::json(200, "{}"));
    stream.reset("calendar");
    assert_eq!(stream.outcome(), Outcome::Reset);
    assert_eq!(plugin.open_streams(), 0);
}

#[test]
fn trailers_of_a_client_do_not_reach_the_server() {
    let plugin = Host::new()
        .cluster("weather")
        .configure(r#"{"servers":[{"name":"weather","protocol":"MODERN"}]}"#)
        .expect("a configuration");
    let mut stream = plugin.stream();
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"weather__get","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}"#;
    stream.request(
        Request::post("/mcp")
            .json(body)
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", "tools/call")
            .header("mcp-name", "weather__get")
            .trailer("authorization", "Bearer secret")
            .trailer("mcp-name", "other"),
    );
    let upstream = stream.expect_released();
    assert!(upstream.trailers.is_none_or(|trailers| trailers.is_empty()));
    assert_eq!(upstream.headers.text("mcp-name").as_deref(), Some("get"));
}
