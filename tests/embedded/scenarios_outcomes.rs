//! The filter reads in passing answers how a call ended. These tests check how much it reads, and
//! what it records.

use std::time::Duration;

use crate::host::{Host, Plugin, Request, Response, Stream};

const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;

/// A gateway whose only server has no prefix, so nothing in the server's answers changes.
const SOLE: &str = r#"{"servers":[{"name":"a","protocol":"MODERN"}],"prefixMode":"CONDITIONAL"}"#;

fn gateway() -> Plugin {
    let host = Host::new().cluster("a");
    host.configure(SOLE).expect("a configuration")
}

fn requested(plugin: &Plugin, method: &str) -> Stream {
    named(plugin, method, "t")
}

fn named(plugin: &Plugin, method: &str, name: &str) -> Stream {
    let mut stream = plugin.stream();
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{"name":"{name}",{META}}}}}"#
    );
    let request = Request::post("/mcp")
        .json(body)
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", method)
        .header("mcp-name", name);
    stream.request(request);
    stream.expect_released();
    stream
}

const READ: &str = "proxy_get_buffer_bytes";

#[test]
fn an_answer_that_passes_is_read_until_it_is_known_how_the_call_ends() {
    let long = "x".repeat(50_000);
    let failed =
        format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"content":["{long}"],"isError":true}}}}"#);
    let well = failed.replace("true", "false");
    let events = format!(": first\n\ndata: {failed}\n\n: last\n\n: last\n\n");
    let error = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"no"}}"#;
    for (method, is_stream, answer, expected, reads) in [
        ("tools/call", false, failed.as_str(), Some("tool_error"), 6),
        ("tools/call", false, &well, None, 6),
        ("tools/call", false, error, Some("-32602"), 1),
        // The filter does not read what follows the response.
        ("tools/call", true, &events, Some("tool_error"), 6),
        // The result has begun, so the filter knows that this is not an error.
        ("prompts/get", false, &well, None, 1),
        ("prompts/get", false, error, Some("-32602"), 1),
    ] {
        let plugin = gateway();
        let mut stream = requested(&plugin, method);
        let response = if is_stream {
            Response::events(answer)
        } else {
            Response::json(200, answer)
        };
        plugin.advance(Duration::from_millis(250));
        let before = plugin.called().get(READ).copied().unwrap_or(0);
        stream.respond_headers(&response, false);
        for part in answer.as_bytes().chunks(10_000) {
            stream.respond_data(part, false);
            // The filter holds nothing back.
            assert!(stream.reply().is_some());
        }
        stream.respond_data("", true);
        let reply = stream.reply().expect("an answer");
        assert_eq!(reply.text(), answer, "{method}");
        let error = stream.state("wasm.mcp.error");
        assert_eq!(error.as_deref(), expected, "{method}");
        let called = plugin.called()[READ] - before;
        assert_eq!(called, reads, "{method}: {called} parts read");
        drop(stream);
        assert_eq!(plugin.histogram("mcp.server.a.call_ms"), [250], "{method}");
    }
}

#[test]
fn how_long_a_call_took_is_recorded_once_however_it_ended() {
    // The server answers with an error, the server sends no valid answer, or the client leaves.
    for case in ["status", "nonsense", "gone"] {
        let plugin = gateway();
        let mut stream = requested(&plugin, "tools/call");
        plugin.advance(Duration::from_millis(40));
        match case {
            "status" => drop(stream.respond(Response::json(500, r#"{"error":1}"#))),
            "nonsense" => drop(stream.respond(Response::json(200, "["))),
            _ => stream.client_gone(),
        }
        drop(stream);
        assert_eq!(plugin.histogram("mcp.server.a.call_ms"), [40], "{case}");
        assert_eq!(plugin.metric("mcp.server.a.errors").unwrap_or(0), 0);
        assert_eq!(plugin.metric("mcp.server.a.calls"), Some(1));
    }
}

#[test]
fn policy_mode_looks_at_no_answer() {
    let plugin = Host::new().configure("{}").expect("a configuration");
    let mut stream = requested(&plugin, "tools/call");
    let before = plugin.called();
    stream.respond(Response::json(
        200,
        r#"{"jsonrpc":"2.0","id":1,"result":{"isError":true}}"#,
    ));
    assert_eq!(stream.state("wasm.mcp.error"), None);
    assert_eq!(plugin.called(), before);
}

#[test]
fn looking_costs_a_call_one_histogram_and_the_parts_that_passed_unread_before() {
    let prefixed = r#"{"servers":[{"name":"a","protocol":"MODERN","toolPrefix":"a__"}]}"#;
    for (config, tool, name) in [
        (SOLE, "t", "passed before"),
        (prefixed, "a__t", "read before"),
    ] {
        let plugin = Host::new()
            .cluster("a")
            .configure(config)
            .expect("a configuration");
        // The first call causes everything that happens once for all calls.
        let mut first = named(&plugin, "tools/call", tool);
        let answer = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#;
        first.respond(Response::json(200, answer));
        drop(first);
        let before = plugin.called();
        let mut stream = named(&plugin, "tools/call", tool);
        stream.respond(Response::json(200, answer));
        drop(stream);
        let called: Vec<(String, u32)> = plugin
            .called()
            .into_iter()
            .map(|(name, calls)| {
                let before = before.get(&name).copied().unwrap_or(0);
                (name, calls - before)
            })
            .filter(|(_, calls)| *calls > 0)
            .collect();
        let total: u32 = called.iter().map(|(_, calls)| calls).sum();
        println!("{name}: {total} host calls: {called:?}");
        let count = |name: &str| {
            called
                .iter()
                .find(|(have, _)| have == name)
                .map_or(0, |it| it.1)
        };
        assert_eq!(count("proxy_record_metric"), 1, "{name}: {called:?}");
        // The filter reads the request's body, and the only part of the response.
        assert_eq!(count(READ), 2, "{name}: {called:?}");
    }
}
