//! How calls end: what access logs and counters show of it. The filter must not change or delay the
//! answers that it watches for this.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::harness::bootstrap::Bootstrap;
use crate::harness::capture::Recorded;
use crate::harness::envoy::Envoy;
use crate::harness::http::{Connection, Request};
use crate::harness::message::{about, call};
use crate::harness::wire::{self, Act};

const DISCOVERED: &str = r#"{"jsonrpc":"2.0","id":ID,"result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{},"prompts":{}},"ttlMs":0,"cacheScope":"private"}}"#;

/// A server whose answer to a call depends on the name of the tool.
async fn server(until: Arc<Semaphore>) -> SocketAddr {
    wire::serve(move |request: &Recorded| {
        let message = request.json();
        let id = message["id"].to_string();
        let (json, events) = ("application/json", "text/event-stream");
        let result = |is_error: bool| {
            format!(
                r#"{{"jsonrpc":"2.0","id":{id},"result":{{"resultType":"complete","content":[],"isError":{is_error}}}}}"#
            )
        };
        let error = format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32042,"message":"no"}}}}"#);
        let note = "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"isError\":true}}\n\n";
        let whole = |status: &str, kind: &str, body: &str| vec![Act::Write(wire::head(status, kind) + body)];
        match message["params"]["name"].as_str().unwrap_or_default() {
            "failed" => whole("200 OK", json, &result(true)),
            "well" => whole("200 OK", json, &result(false)),
            "error" => whole("200 OK", json, &error),
            "refused" => whole("404 Not Found", json, &error),
            "broken" => whole("500 Internal Server Error", json, &error),
            "bytewise" => vec![Act::Write(wire::head("200 OK", json)), Act::Bytewise(result(true))],
            "events" => whole("200 OK", events, &format!("{note}data: {}\n\n", result(true))),
            "later" => vec![
                Act::Write(wire::head("200 OK", events) + note),
                Act::Until(Arc::clone(&until)),
                Act::Write(format!("data: {}\n\n", result(true))),
            ],
            _ => wire::json(&DISCOVERED.replace("ID", &id)),
        }
    })
    .await
}

fn envoy(name: &str, server: SocketAddr, servers: &str) -> Envoy {
    let config = format!(r#"{{"servers":[{servers}],"prefixMode":"CONDITIONAL"}}"#);
    Envoy::start(
        name,
        &Bootstrap::servers(&config, &[("a", server), ("b", server)]),
    )
}

/// Names of the setups, their servers, and the prefix of the tools. With one server there is no
/// prefix, so the gateway reads the answers only to see how calls end.
const SETUPS: &[(&str, &str, &str)] = &[
    ("outcomes_sole", r#"{"name":"a"}"#, ""),
    ("outcomes_two", r#"{"name":"a"},{"name":"b"}"#, "a__"),
];

#[tokio::test]
async fn the_access_log_and_the_counters_tell_how_a_call_ended() {
    for (name, servers, prefix) in SETUPS {
        let server = server(Arc::new(Semaphore::new(0))).await;
        let envoy = envoy(name, server, servers);
        for (at, (tool, code, expected, status)) in [
            ("failed", 200, json!("tool_error"), "mcp_ok"),
            ("well", 200, Value::Null, "mcp_ok"),
            ("error", 200, json!("-32042"), "mcp_ok"),
            ("refused", 404, json!("-32042"), "mcp_ok"),
            ("broken", 502, json!("-32042"), "mcp_server_failed"),
            ("bytewise", 200, json!("tool_error"), "mcp_ok"),
            ("events", 200, json!("tool_error"), "mcp_ok"),
        ]
        .into_iter()
        .enumerate()
        {
            let id = format!("\"{name}-{at}\"");
            let answer = call(&id, &format!("{prefix}{tool}"), "{}")
                .send(envoy.address)
                .await;
            assert_eq!(answer.status, code, "{name} {tool}: {answer:?}");
            let line = envoy.access_with(&json!({"mcp_tool": tool}));
            assert_eq!(line["mcp_error"], expected, "{line}");
            assert_eq!(line["mcp_status"], status, "{line}");
        }
        let prompt = about("9", "prompts/get", &format!("{prefix}error"));
        assert_eq!(prompt.send(envoy.address).await.status, 200);
        let line = envoy.access_with(&json!({"mcp_method": "prompts/get"}));
        assert_eq!(line["mcp_error"], "-32042", "{line}");
        let count = |what: &str| envoy.stat(&format!("wasmcustom.mcp.server.a.{what}"));
        let counted = ["calls", "lists", "failures", "errors", "tool_errors"].map(count);
        assert_eq!(counted, [8, 0, 1, 2, 3], "{name}");
        envoy.check();
    }
}

#[tokio::test]
async fn an_answer_that_is_watched_does_not_wait() {
    for (name, servers, prefix) in SETUPS {
        let until = Arc::new(Semaphore::new(0));
        let server = server(Arc::clone(&until)).await;
        let envoy = envoy(&format!("{name}_later"), server, servers);
        let mut connection = Connection::open(envoy.address).await;
        let request: Request = call("1", &format!("{prefix}later"), "{}");
        // The headers and the notification must reach the client before the server has answered.
        let mut answer = connection.begin(&request).await.expect("an answer");
        let first = http_body_util::BodyExt::frame(answer.body_mut()).await;
        let first = first
            .expect("a part")
            .expect("a part")
            .into_data()
            .expect("data");
        let first = String::from_utf8_lossy(&first).into_owned();
        assert!(first.contains("notifications/message"), "{first:?}");
        until.add_permits(1);
        let rest = http_body_util::BodyExt::collect(answer.into_body()).await;
        let rest = String::from_utf8_lossy(&rest.expect("the rest").to_bytes()).into_owned();
        assert!(rest.contains("isError"), "{rest:?}");
        let line = envoy.access_with(&json!({"mcp_tool": "later"}));
        assert_eq!(line["mcp_error"], "tool_error", "{line}");
        envoy.check();
    }
}
