//! Requests that become longer in the filter.

use crate::host::{Host, Outcome, Plugin, Request, Response, Stream};
use serde_json::json;

/// What the gateway inserts into a legacy client's request for a modern server.
const INSERTED: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}},"#;
const BY: usize = INSERTED.len();
const LIMIT: usize = 16_384;
const CONFIG: &str = r#"{"servers":[{"name":"a","protocol":"MODERN"},{"name":"b","protocol":"MODERN"}],"prefixMode":"NEVER","cors":{}}"#;

/// A gateway, and the id of a legacy client's session with it.
fn gateway() -> (Plugin, String) {
    let host = Host::new().cluster("a").cluster("b").buffer_limit(LIMIT);
    let plugin = host.configure(CONFIG).expect("a configuration");
    let mut stream = plugin.stream();
    let initialize = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{}}}"#;
    stream.request(post(initialize));
    find(&mut stream);
    let session = stream.expect_reply(200).header("mcp-session-id");
    (plugin, session.expect("a session"))
}

fn post(body: &str) -> Request {
    Request::post("/mcp")
        .header("accept", "application/json, text/event-stream")
        .header("origin", "https://app.example.com")
        .json(body)
}

/// A call with a body of `size` bytes. The gateway must find out which server has the tool.
fn call(size: usize, session: &str) -> Request {
    let body = |text: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"only","arguments":{{"x":"{text}"}}}}}}"#
        )
    };
    let text = "y".repeat(size - body("").len());
    post(&body(&text))
        .header("mcp-session-id", session)
        .chunks(&[size / 2])
}

/// The servers answer the gateway's calls, until there are none.
fn find(stream: &mut Stream) {
    while let Some(call) = stream.calls().first().cloned() {
        let result = match call.json()["method"].as_str() {
            Some("server/discover") => {
                json!({"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}})
            }
            _ if call.cluster == "b" => json!({"tools": [{"name": "only"}]}),
            _ => json!({"tools": []}),
        };
        let body = json!({"jsonrpc": "2.0", "id": call.json()["id"], "result": result});
        stream.answer(&call, Response::json(200, body.to_string()));
    }
}

#[test]
fn what_fits_goes_on_and_what_does_not_is_answered_once() {
    let (plugin, session) = gateway();
    for left in [0, 1, BY - 1, BY, BY + 1] {
        let mut stream = plugin.stream();
        assert_eq!(
            stream.request(call(LIMIT - left, &session)),
            Outcome::Waiting
        );
        find(&mut stream);
        if left < BY {
            let reply = stream.expect_reply(413);
            assert!(reply.headers.contains("access-control-allow-origin"));
            assert!(stream.upstream().is_none(), "{left}");
        } else {
            assert_eq!(stream.expect_released().body.len(), LIMIT - left + BY);
            stream.respond(Response::json(
                200,
                r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
            ));
        }
    }
    assert_eq!(plugin.open_streams(), 0);
}

#[test]
fn streams_that_wait_for_the_same_answer_are_each_written() {
    let (plugin, session) = gateway();
    let mut all: Vec<Stream> = (0..6).map(|_| plugin.stream()).collect();
    for (at, stream) in all.iter_mut().enumerate() {
        let left = if at % 2 == 0 { 0 } else { BY };
        stream.request(call(LIMIT - left, &session));
    }
    all[3].client_gone();
    find(&mut all[0]);
    for (at, stream) in all.iter().enumerate() {
        match at {
            3 => assert_eq!(stream.outcome(), Outcome::Reset),
            at if at % 2 == 0 => drop(stream.expect_reply(413)),
            _ => drop(stream.expect_released()),
        }
    }
}
