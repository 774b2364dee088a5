//! The filter refuses requests that are not MCP before anything else acts on them. The tests use
//! both shipped configurations.

use std::net::SocketAddr;

use crate::harness::http::{Answer, Request};
use crate::harness::message::{call, legacy, modern};
use crate::harness::shared::{gateway, policy};

const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
const LIMIT: usize = 1_048_576;

/// Sends a request, and fails unless the filter refuses it in this way. `id` is the JSON text of
/// the id in the answer.
async fn refused(to: SocketAddr, request: &Request, status: u16, code: i32, id: &str) -> Answer {
    let page = "https://app.example.com";
    let answer = request.clone().with("origin", page).send(to).await;
    let start = format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":""#);
    assert_eq!(answer.status, status, "{request:?}: {answer:?}");
    assert!(answer.text().starts_with(&start), "{request:?}: {answer:?}");
    assert!(answer.json()["error"]["message"].is_string());
    assert_eq!(answer.header("content-type"), Some("application/json"));
    // The request has not reached the server, and browsers may read the answer.
    assert_eq!(answer.header("x-envoy-upstream-service-time"), None);
    assert_eq!(answer.header("access-control-allow-origin"), Some(page));
    answer
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[tokio::test]
async fn a_name_given_twice_is_refused_with_the_id_as_it_was_sent() {
    let (policy, gateway) = (policy(), gateway());
    let long = "123456789012345678901234567890";
    for (member, echoed) in [
        (r#""id":1.50,"#, "1.50"),
        (r#""id":-0,"#, "-0"),
        (r#""id":1E+2,"#, "1E+2"),
        (r#""id":"a\u0062","#, r#""a\u0062""#),
        (r#""id": "ä\/" ,"#, r#""ä\/""#),
        (&format!(r#""id":{long},"#), long),
        ("", "null"),
        (r#""id":null,"#, "null"),
        (r#""id":{},"#, "null"),
        (r#""id":1,"id":2,"#, "null"),
    ] {
        let body = format!(
            r#"{{"jsonrpc":"2.0",{member}"method":"tools/call","params":{{"name":"get_weather","n\u0061me":"get_forecast"}}}}"#
        );
        let request = Request::post(body);
        for to in [policy.envoy.address, gateway.envoy.address] {
            refused(to, &request, 400, -32600, echoed).await;
            refused(to, &request.clone().chunked(1), 400, -32600, echoed).await;
        }
    }
}

#[tokio::test]
async fn a_body_that_is_no_message_is_refused() {
    let (policy, gateway) = (policy(), gateway());
    let with =
        |member: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list"{member}}}"#);
    for (body, code, id) in [
        (utf16(LIST), -32700, "null"),
        (utf16(&format!("\u{feff}{LIST}")), -32700, "null"),
        (format!("\u{feff}{LIST}").into(), -32700, "null"),
        (LIST.replace("list", "\u{0}").into(), -32700, "null"),
        (
            b"{\"jsonrpc\":\"2.0\",\"id\":\"\xff\",\"method\":\"ping\"}".to_vec(),
            -32700,
            "null",
        ),
        (Vec::new(), -32700, "null"),
        (b" ".to_vec(), -32700, "null"),
        (b"{".to_vec(), -32700, "null"),
        (format!("{LIST}{LIST}").into(), -32700, "null"),
        (LIST.replace('"', "'").into(), -32700, "null"),
        (LIST.replace("1,", "NaN,").into(), -32700, "null"),
        ("[".repeat(100_000).into(), -32700, "null"),
        (format!("[{LIST}]").into(), -32600, "null"),
        (b"[]".to_vec(), -32600, "null"),
        (b"null".to_vec(), -32600, "null"),
        (b"\"tools/list\"".to_vec(), -32600, "null"),
        (b"{}".to_vec(), -32600, "null"),
        (LIST.replace("2.0", "1.0").into(), -32600, "1"),
        (LIST.replace("\"tools/list\"", "7").into(), -32600, "1"),
        (with(r#","method":"ping""#).into(), -32600, "1"),
        (with(r#","m\u0065thod":"ping""#).into(), -32600, "1"),
        (with(r#","params":[1]"#).into(), -32600, "1"),
        (
            with(r#","params":{"_meta":{"a":1,"\u0061":2}}"#).into(),
            -32600,
            "1",
        ),
        (with(r#","result":{}"#).into(), -32600, "1"),
        // JSON readers that ignore case would take these members for others.
        (with(r#","Method":"ping""#).into(), -32600, "1"),
        (LIST.replace("\"method\"", "\"METHOD\"").into(), -32600, "1"),
        (
            br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","Name":"b"}}"#
                .to_vec(),
            -32600,
            "1",
        ),
    ] {
        let request = Request::post(body);
        for to in [policy.envoy.address, gateway.envoy.address] {
            refused(to, &request, 400, code, id).await;
        }
    }
}

#[tokio::test]
async fn headers_that_are_not_those_of_a_message_are_refused() {
    let (policy, gateway) = (policy(), gateway());
    let list = || modern("1", "tools/list");
    for (request, status) in [
        (list().with("content-type", "text/plain"), 415),
        (
            list().with("content-type", "application/json; charset=utf-16"),
            415,
        ),
        (list().header("content-type", "application/json"), 415),
        (list().with("content-type", b"\xff".as_slice()), 415),
        (list().without("content-type"), 415),
        (list().header("content-encoding", "gzip"), 415),
        (
            list()
                .header("content-encoding", "identity")
                .header("content-encoding", "br"),
            415,
        ),
        (list().with("accept", "text/html"), 406),
        (list().with("accept", "application/json"), 406),
        (list().with("accept", "text/event-stream"), 406),
        (
            list().with("accept", "application/json, text/event-stream;q=0"),
            406,
        ),
        (list().with("accept", ""), 406),
    ] {
        // The filter does not read a compressed body, so it does not know the id.
        let is_readable = !format!("{request:?}").contains("content-encoding");
        let id = if is_readable { "1" } else { "null" };
        for to in [policy.envoy.address, gateway.envoy.address] {
            refused(to, &request, status, -32600, id).await;
        }
    }
}

#[tokio::test]
async fn other_http_methods_are_refused() {
    let (policy, gateway) = (policy(), gateway());
    for method in ["PUT", "PATCH", "OPTIONS", "TRACE"] {
        let request = Request::new(method, "/mcp");
        for (to, allow) in [
            (policy.envoy.address, "GET, POST, DELETE, OPTIONS"),
            (gateway.envoy.address, "POST, DELETE, OPTIONS"),
        ] {
            let answer = refused(to, &request, 405, -32600, "null").await;
            assert_eq!(answer.header("allow"), Some(allow));
        }
    }
    let head = Request::new("HEAD", "/mcp");
    for to in [policy.envoy.address, gateway.envoy.address] {
        assert_eq!(head.send(to).await.status, 405);
    }
}

#[tokio::test]
async fn streams_and_ends_of_sessions_must_be_such() {
    let policy = policy();
    let get = Request::new("GET", "/mcp");
    for (request, status) in [
        (get.clone(), 406),
        (get.clone().header("accept", "application/json"), 406),
        (get.header("accept", "text/event-stream;q=0, */*;q=0"), 406),
        (Request::new("DELETE", "/mcp"), 400),
    ] {
        refused(policy.envoy.address, &request, status, -32600, "null").await;
    }
    let gateway = gateway();
    let to = gateway.envoy.address;
    let get = Request::new("GET", "/mcp").header("accept", "text/event-stream");
    let delete = Request::new("DELETE", "/mcp");
    // With several servers, a GET has no stream: it does not name a server.
    let answer = refused(to, &get, 405, -32600, "null").await;
    assert_eq!(answer.header("allow"), Some("POST, DELETE, OPTIONS"));
    refused(to, &delete, 400, -32600, "null").await;
    let unknown = delete.clone().header("mcp-session-id", "1");
    refused(to, &unknown, 404, -32001, "null").await;
    for request in [get, delete] {
        let modern = request.header("mcp-protocol-version", "2026-07-28");
        let answer = refused(to, &modern, 405, -32600, "null").await;
        assert_eq!(answer.header("allow"), Some("POST, OPTIONS"));
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_and_one_at_the_limit_is_not() {
    let (policy, gateway) = (policy(), gateway());
    let ping = legacy("1", "ping", "{}");
    // Spaces after a message change nothing.
    let padded = |size: usize| {
        let message = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
        ping.clone()
            .body(message.to_owned() + &" ".repeat(size - message.len()))
    };
    for to in [policy.envoy.address, gateway.envoy.address] {
        for size in [LIMIT + 1, 2 * LIMIT] {
            let request = padded(size);
            refused(to, &request, 413, -32600, "null").await;
            refused(to, &request.chunked(20_000), 413, -32600, "null").await;
        }
        for request in [padded(LIMIT), padded(LIMIT).chunked(20_000)] {
            let answer = request.send(to).await;
            let is_read = if to == policy.envoy.address {
                answer.header("x-envoy-upstream-service-time").is_some()
            } else {
                answer.status == 200
            };
            assert!(is_read, "{answer:?}");
        }
    }
}

#[tokio::test]
async fn headers_that_contradict_the_body_are_refused() {
    let (policy, gateway) = (policy(), gateway());
    let list = || modern("1", "tools/list");
    let call = || call("1", "get_weather", "{}");
    for request in [
        call().with("mcp-name", "get_forecast"),
        call().with("mcp-name", "GET_WEATHER"),
        call().with("mcp-name", "=?base64?Z2V0X2ZvcmVjYXN0?="),
        call().with("mcp-name", "=?base64?!?="),
        call().with("mcp-name", b"\xff".as_slice()),
        call().header("mcp-name", "get_weather"),
        call().without("mcp-name"),
        call().with("mcp-method", "tools/list"),
        call().without("mcp-method"),
        list().with("mcp-method", "server/discover"),
        list().header("mcp-method", "tools/list"),
        list().with("mcp-protocol-version", "2025-11-25"),
        list().without("mcp-protocol-version"),
    ] {
        for to in [policy.envoy.address, gateway.envoy.address] {
            refused(to, &request, 400, -32020, "1").await;
        }
    }
    // A gateway ignores these headers of a legacy client. It refuses the request because it has no
    // session.
    for request in [
        legacy("1", "tools/list", "{}").header("mcp-method", "ping"),
        legacy("1", "tools/call", r#"{"name":"a"}"#).header("mcp-name", "b"),
    ] {
        refused(policy.envoy.address, &request, 400, -32020, "1").await;
        refused(gateway.envoy.address, &request, 400, -32600, "1").await;
    }
}

#[tokio::test]
async fn a_version_that_nobody_speaks_is_refused_with_those_that_are() {
    let (policy, gateway) = (policy(), gateway());
    let body = r#"{"jsonrpc":"2.0","id":"v","method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2030-01-01","io.modelcontextprotocol/clientCapabilities":{}}}}"#;
    let request = modern("1", "tools/list")
        .with("mcp-protocol-version", "2030-01-01")
        .body(body);
    for to in [policy.envoy.address, gateway.envoy.address] {
        let answer = refused(to, &request, 400, -32022, r#""v""#).await;
        assert_eq!(
            answer.json()["error"]["data"],
            serde_json::json!({"supported": ["2026-07-28"], "requested": "2030-01-01"})
        );
    }
    let without = request
        .with("mcp-protocol-version", "2026-07-28")
        .body(LIST);
    for to in [policy.envoy.address, gateway.envoy.address] {
        refused(to, &without, 400, -32602, "1").await;
    }
}
