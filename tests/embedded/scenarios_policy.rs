//! Without servers in its configuration, the filter checks the messages that pass.

use crate::host::{Host, Outcome, Plugin, Request, Stream};
use serde_json::json;

const TOOL_CALL: &str =
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_weather"}}"#;

fn policy() -> Plugin {
    Host::new().configure("{}").expect("a configuration")
}

fn tool_call() -> Request {
    Request::post("/mcp").json(TOOL_CALL)
}

fn assert_tool_call_released(stream: &Stream) {
    let upstream = stream.expect_released();
    assert_eq!(upstream.headers.all("x-mcp-method"), ["tools/call"]);
    assert_eq!(upstream.text(), TOOL_CALL);
    assert_eq!(
        stream.state("wasm.mcp.method").as_deref(),
        Some("tools/call")
    );
    assert_eq!(
        stream.state("wasm.mcp.tool").as_deref(),
        Some("get_weather")
    );
    assert_eq!(stream.state("wasm.mcp.status").as_deref(), Some("mcp_ok"));
}

#[test]
fn a_tool_call_goes_on_with_its_method_named() {
    let plugin = policy();
    let mut stream = plugin.stream();
    assert_eq!(stream.request(tool_call()), Outcome::Released);
    assert_tool_call_released(&stream);
}

/// The filter sees the same message, whatever pieces the body comes in.
#[test]
fn the_pieces_of_a_body_do_not_matter() {
    let plugin = policy();
    let ways = [
        tool_call().end_with_last_chunk(),
        tool_call().chunks(&[1, 0, 20]),
        tool_call().chunks(&[40]).end_with_last_chunk(),
        tool_call().trailer("x-checksum", "1"),
    ];
    for way in ways {
        let mut stream = plugin.stream();
        stream.request(&way);
        assert_tool_call_released(&stream);
    }
}

/// Later filters must be able to trust `x-mcp-method`.
#[test]
fn a_method_header_of_the_client_is_not_passed_on() {
    let plugin = policy();
    let mut stream = plugin.stream();
    stream.request(
        tool_call()
            .header("x-mcp-method", "ping")
            .header("x-mcp-method", "tools/list"),
    );
    assert_tool_call_released(&stream);
}

/// Two JSON readers could see two different tools in this message.
#[test]
fn a_name_given_twice_is_refused() {
    let plugin = policy();
    let mut stream = plugin.stream();
    let outcome = stream.request(Request::post("/mcp").json(
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","n\u0061me":"b"}}"#,
    ));
    assert_eq!(outcome, Outcome::Answered);
    assert!(stream.upstream().is_none());

    let reply = stream.expect_reply(400);
    assert_eq!(
        reply.header("content-type").as_deref(),
        Some("application/json")
    );
    let error = reply.json();
    assert_eq!(error["jsonrpc"], json!("2.0"));
    assert_eq!(error["id"], json!(1));
    assert_eq!(error["error"]["code"], json!(-32600));
}

#[test]
fn bytes_that_are_no_text_in_a_query_do_not_hide_the_path() {
    let plugin = Host::new()
        .configure(r#"{"paths":["/mcp"],"trafficMode":"REJECT_NO_MCP"}"#)
        .expect("a configuration");
    let mut stream = plugin.stream();
    stream.request(
        Request::post("/mcp")
            .set(":path", b"/mcp?\xff")
            .json(br#"{"jsonrpc":"2.0","id":1,"method":"a","method":"b"}"#),
    );
    stream.expect_reply(400);
}
