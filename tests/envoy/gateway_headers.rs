//! What of a client's request reaches the servers.

use axum::response::Response;

use crate::harness::bootstrap::Bootstrap;
use crate::harness::capture::{Capture, Recorded};
use crate::harness::envoy::Envoy;
use crate::harness::http::Request;
use crate::harness::message::{META, call, modern};

fn answer(request: &Recorded) -> Response {
    request.result(match request.json()["method"].as_str() {
        Some("server/discover") => {
            r#"{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{}}}"#
        }
        Some("tools/list") => r#"{"tools":[{"name":"t"}]}"#,
        _ => r#"{"content":[]}"#,
    })
}

/// Headers that are only for the client and the gateway.
const PRIVATE: &[(&str, &str)] = &[
    ("authorization", "Bearer secret"),
    ("proxy-authorization", "Basic secret"),
    ("cookie", "a=secret"),
    ("cookie", "b=secret"),
    ("x-api-key", "secret"),
    ("x-forwarded-for", "203.0.113.7"),
    ("x-forwarded-host", "secret"),
    ("x-forwarded-proto", "https"),
    ("forwarded", "for=secret"),
    ("x-real-ip", "secret"),
    ("origin", "https://app.example.com"),
    ("referer", "https://secret.example.com/"),
    ("user-agent", "secret"),
    ("mcp-session-id", "secret"),
    ("x-mcp-method", "secret"),
    ("x-mcp-params", "c2VjcmV0"),
    ("x-mcp-toolname", "secret"),
    ("x-mcp-promptname", "secret"),
    ("x-mcp-resourceuri", "secret"),
    ("x-mcp-servername", "secret"),
    ("x-mcp-cluster", "secret"),
    ("x-envoy-original-path", "/secret"),
    ("x-custom", "secret"),
];

const TRACE: &[(&str, &str)] = &[
    (
        "traceparent",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    ),
    ("tracestate", "a=1"),
    ("baggage", "b=2"),
];

fn from_a_browser(request: Request) -> Request {
    let fields = PRIVATE.iter().chain(TRACE);
    fields.fold(request, |request, (name, value)| {
        request.header(name, value)
    })
}

/// The names of the headers, sorted.
fn names(request: &Recorded) -> Vec<&str> {
    let mut names: Vec<_> = request.headers.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    names
}

fn assert_nothing_private(request: &Recorded) {
    let all = format!("{request:?}");
    assert!(
        !all.contains("secret") && !all.contains("203.0.113.7"),
        "{all}"
    );
    // Several clients may wait for the answer to this request, so it contains nothing of one
    // client.
    let is_shared = request.header("mcp-method") == Some("tools/list");
    for (name, value) in TRACE {
        let expected = (*name != "baggage" || !is_shared).then_some(*value);
        assert_eq!(request.header(name), expected, "{all}");
    }
}

#[tokio::test]
async fn a_call_reaches_its_server_with_the_headers_of_mcp_and_no_others() {
    let (weather, calendar) = (Capture::start(answer).await, Capture::start(answer).await);
    let bootstrap = Bootstrap::gateway(weather.address, calendar.address).replace(
        "- name: calendar\n                    cors",
        "- name: calendar\n                      hostname: calendar.example.com\n                      path: /v1/mcp?key=a\n                    cors",
    );
    let envoy = Envoy::start("headers_call", &bootstrap);
    let arguments = r#"{"name":"calendar__t", "x":1.10, "y":"\u00e4"}"#;
    for (server, prefix, target, authority) in [
        (&weather, "weather__", "/mcp", "weather"),
        (
            &calendar,
            "calendar__",
            "/v1/mcp?key=a",
            "calendar.example.com",
        ),
    ] {
        let request = from_a_browser(call("1.50", &format!("{prefix}t"), arguments))
            .header("mcp-param-region", "eu")
            .target("/mcp?token=secret");
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1.50,"method":"tools/call","params":{{"name":"t","arguments":{arguments},{META}}}}}"#
        );
        for (request, framed_by) in [
            (request.clone(), "content-length"),
            (request.chunked(3), "content-length"),
        ] {
            let answer = request.send(envoy.address).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            let seen = server.take_one();
            assert_nothing_private(&seen);
            assert_eq!(
                (seen.method.as_str(), seen.target.as_str()),
                ("POST", target)
            );
            assert_eq!(seen.body, body);
            let mut expected = vec![
                "accept",
                "baggage",
                framed_by,
                "content-type",
                "host",
                "mcp-method",
                "mcp-name",
                "mcp-param-region",
                "mcp-protocol-version",
                "traceparent",
                "tracestate",
                "x-request-id",
            ];
            expected.sort_unstable();
            assert_eq!(names(&seen), expected);
            let length = body.len().to_string();
            for (name, value) in [
                ("host", authority),
                ("content-length", &length),
                ("content-type", "application/json"),
                ("accept", "application/json, text/event-stream"),
                ("mcp-protocol-version", "2026-07-28"),
                ("mcp-method", "tools/call"),
                ("mcp-name", "t"),
                ("mcp-param-region", "eu"),
            ] {
                assert_eq!(seen.header(name), Some(value), "{name}");
            }
        }
    }
    assert_eq!(weather.take().len() + calendar.take().len(), 0);
}

#[tokio::test]
async fn lists_and_discovery_are_asked_with_nothing_of_the_clients_but_its_trace() {
    let (weather, calendar) = (Capture::start(answer).await, Capture::start(answer).await);
    let bootstrap = Bootstrap::gateway(weather.address, calendar.address);
    // Each worker asks each server for its description once a minute. With one worker, the number
    // of requests is known.
    let envoy = Envoy::with_workers(1, "headers_lists", &bootstrap);
    let mut ids = Vec::new();
    for method in ["server/discover", "tools/list"] {
        let meta = META.replace("}}", r#"},"progressToken":"secret","x":"secret"}"#);
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":"secret","method":"{method}","params":{{"x":"secret",{meta}}}}}"#
        );
        let request = from_a_browser(modern("1", method))
            .body(body)
            .target("/mcp?token=secret");
        let answer = request.send(envoy.address).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.json()["result"].is_object());
        for (server, authority) in [(&weather, "weather"), (&calendar, "calendar")] {
            let seen = server.take_one();
            assert_nothing_private(&seen);
            assert_eq!(
                (seen.method.as_str(), seen.target.as_str()),
                ("POST", "/mcp")
            );
            for (name, value) in [
                ("host", authority),
                ("content-type", "application/json"),
                ("accept", "application/json, text/event-stream"),
                ("mcp-protocol-version", "2026-07-28"),
                ("mcp-method", method),
            ] {
                assert_eq!(seen.header(name), Some(value), "{name}");
            }
            let message = seen.json();
            assert_eq!(message["method"], method);
            let mut expected: serde_json::Value =
                serde_json::from_str(&format!("{{{META}}}")).expect("JSON");
            if method == "server/discover" {
                // The gateway keeps a server's description for all clients, so it asks under its
                // own name.
                let info = &message["params"]["_meta"]["io.modelcontextprotocol/clientInfo"];
                assert_eq!(info["name"], "mcp-gateway");
                expected["_meta"]["io.modelcontextprotocol/clientInfo"] = info.clone();
            }
            assert_eq!(message["params"], expected);
            ids.push(message["id"].to_string());
        }
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 4, "each question has an id of its own");
}
