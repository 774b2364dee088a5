//! Answers that no server made. Those of later filters pass unchanged. If Envoy's router finds no
//! server, its answer becomes a JSON-RPC error.

use std::net::SocketAddr;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use serde_json::json;

use crate::harness::bootstrap::Bootstrap;
use crate::harness::capture::{Capture, Recorded};
use crate::harness::envoy::Envoy;
use crate::harness::message::{call, modern};
use crate::harness::wire::{self, Act};
use crate::harness::{fake, port};

const ANSWERS: fake::Answers = &[
    ("tools/list", r#"{"tools":[{"name":"t"}]}"#),
    ("tools/call", r#"{"content":[]}"#),
];
const TOOLS: &str = r#"{"tools":{}}"#;

/// Each of these filters refuses the tool that is named for it.
const FILTERS: &str = r#"          - name: envoy.filters.http.rbac
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC
              rules:
                action: DENY
                policies:
                  denied:
                    permissions: [{ header: { name: x-mcp-toolname, string_match: { exact: denied } } }]
                    principals: [{ any: true }]
          - name: envoy.filters.http.local_ratelimit
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit
              stat_prefix: none
          - name: envoy.filters.http.ext_authz
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz
              allowed_headers: { patterns: [{ exact: x-mcp-toolname }] }
              http_service:
                server_uri: { uri: "http://authz", cluster: authz, timeout: 5s }
"#;

const LIMITED: &str = r#"              - match:
                  prefix: /
                  headers: [{ name: x-mcp-toolname, string_match: { exact: limited } }]
                route: { cluster_header: x-mcp-cluster, timeout: 0s }
                typed_per_filter_config:
                  envoy.filters.http.local_ratelimit:
                    "@type": type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit
                    stat_prefix: limited
                    token_bucket: { max_tokens: 1, fill_interval: 3600s }
                    filter_enabled: { default_value: { numerator: 100 } }
                    filter_enforced: { default_value: { numerator: 100 } }
              # Only the filter sets"#;

fn authorize(request: &Recorded) -> Response {
    let headers = [
        ("content-type", "text/plain"),
        ("www-authenticate", "Bearer realm=\"authz\""),
        ("set-cookie", "login=1"),
        ("retry-after", "3"),
    ];
    match request.header("x-mcp-toolname") {
        Some("stranger") => (StatusCode::UNAUTHORIZED, headers, "who are you?").into_response(),
        Some("hidden") => (StatusCode::NOT_FOUND, headers, "no idea").into_response(),
        _ => StatusCode::OK.into_response(),
    }
}

#[tokio::test]
async fn what_later_filters_answer_passes_as_it_is() {
    let (server, authz) = (
        fake::start(TOOLS, ANSWERS).await,
        Capture::start(authorize).await,
    );
    let clusters = [("a", server.address), ("authz", authz.address)];
    let bootstrap = Bootstrap::servers(r#"{"servers":[{"name":"a"}]}"#, &clusters)
        .filter_behind(FILTERS)
        .replace("              # Only the filter sets", LIMITED);
    let envoy = Envoy::start("behind_filters", &bootstrap);
    let passes = call("1", "a__limited", "{}").send(envoy.address).await;
    assert_eq!(passes.status, 200, "{passes:?}");
    assert_eq!(server.asked(), ["tools/call"]);
    let count = |name: &str| envoy.stat(&format!("wasmcustom.mcp.{name}"));
    for (tool, status, text, fields) in [
        ("a__denied", 403, "RBAC: access denied", &[][..]),
        ("a__limited", 429, "local_rate_limited", &[]),
        (
            "a__stranger",
            401,
            "who are you?",
            &[
                ("www-authenticate", "Bearer realm=\"authz\""),
                ("set-cookie", "login=1"),
                ("retry-after", "3"),
            ],
        ),
        ("a__hidden", 404, "no idea", &[("set-cookie", "login=1")]),
    ] {
        let answer = call("1", tool, "{}").send(envoy.address).await;
        assert_eq!((answer.status, answer.text()), (status, text), "{tool}");
        assert_eq!(answer.header("content-type"), Some("text/plain"), "{tool}");
        for (name, value) in fields {
            assert_eq!(answer.header(name), Some(*value), "{tool}: {answer:?}");
        }
    }
    assert!(server.asked().is_empty());
    assert_eq!(
        (count("server.a.failures"), count("rejected.server_failed")),
        (0, 0)
    );
    // Later filters do not see requests that this filter answers itself.
    authz.take();
    let answer = modern("1", "tools/list").send(envoy.address).await;
    assert_eq!(answer.json()["result"]["tools"][0]["name"], "a__t");
    assert_eq!(authz.take().len(), 0);
}

const NOT_SENT: &str =
    "is unreachable (503): Envoy has no healthy host for it, or its circuit breaker is open";

/// A cluster whose circuit breaker is always open.
fn full(address: SocketAddr) -> String {
    let (ip, port) = (address.ip(), address.port());
    format!(
        "  - name: full\n    type: STATIC\n    connect_timeout: 5s\n    circuit_breakers: {{ thresholds: [{{ max_requests: 0, max_pending_requests: 0 }}] }}\n    load_assignment: {{ cluster_name: full, endpoints: [{{ lb_endpoints: [{{ endpoint: {{ address: {{ socket_address: {{ address: {ip}, port_value: {port} }} }} }} }}] }}] }}\n"
    )
}

/// This route does not match requests for `lone`, so Envoy finds no route for this server.
const WITHOUT_LONE: &str = r#"headers: [{ name: x-mcp-cluster, present_match: true }, { name: x-mcp-cluster, string_match: { exact: lone }, invert_match: true }]"#;

#[tokio::test]
async fn where_envoy_finds_no_server_the_client_is_told_in_json_rpc() {
    // With `MODERN`, Envoy's router finds no server for the call. With `AUTO`, the gateway's
    // question for the server's protocol already fails.
    for protocol in ["MODERN", "AUTO"] {
        no_server_is_found(protocol).await;
    }
}

async fn no_server_is_found(protocol: &str) {
    let server = fake::start(TOOLS, ANSWERS).await;
    let (_reserved, nobody) = port::reserved();
    let servers = ["good", "gone", "lost", "lone", "empty", "full"]
        .map(|name| format!(r#"{{"name":"{name}","protocol":"{protocol}"}}"#));
    let config = format!(
        r#"{{"servers":[{}],"cors":{{}},"failedServerTtl":"0s"}}"#,
        servers.join(",")
    );
    let clusters = [
        ("good", server.address),
        ("gone", nobody),
        ("lone", server.address),
    ];
    let mut bootstrap = Bootstrap::servers(&config, &clusters).replace(
        "headers: [{ name: x-mcp-cluster, present_match: true }]",
        WITHOUT_LONE,
    );
    bootstrap = bootstrap
        .append("  - { name: empty, type: STATIC, connect_timeout: 5s }\n")
        .append(&full(server.address));
    let envoy = Envoy::with_workers(1, "behind_nobody", &bootstrap);
    for (server, told, listed) in [
        ("gone", "is unreachable (503)", false),
        ("lost", "has no cluster in Envoy", false),
        ("lone", "has no route in Envoy", true),
        ("empty", NOT_SENT, false),
        ("full", NOT_SENT, false),
    ] {
        let count = |name: &str| envoy.stat(&format!("wasmcustom.mcp.server.{server}.{name}"));
        let before = count("failures");
        let answer = call(r#""\u0061""#, &format!("{server}__t"), "{}")
            .header("origin", "https://a.example.com")
            .send(envoy.address)
            .await;
        assert_eq!(answer.status, 502, "{server}: {answer:?}");
        let start = r#"{"jsonrpc":"2.0","id":"\u0061","error":{"code":-32603,"#;
        assert!(answer.json_text().starts_with(start), "{answer:?}");
        let answered = answer.json();
        let message = answered["error"]["message"].as_str().expect("a message");
        assert_eq!(message, format!("server {server} {told}"), "{protocol}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        let counted = (count("failures"), count("timeouts"));
        assert_eq!(counted, (before + 1, 0), "{server}");
        // With `AUTO`, the call may be refused before it is routed. Then the access log shows
        // nothing of it.
        if protocol == "MODERN" {
            envoy.access_with(&json!({
                "code": 502,
                "mcp_status": "mcp_server_failed",
                "mcp_server": server,
                "mcp_tool": "t",
            }));
        }

        let list = modern("1", "tools/list").send(envoy.address).await.json();
        assert_eq!(
            list["result"]["tools"].as_array().map(Vec::len),
            Some(2),
            "{list}"
        );
        let after = if listed { before + 1 } else { before + 2 };
        assert_eq!(count("failures"), after, "{server}");
    }
    let answer = call("1", "good__t", "{}").send(envoy.address).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// The server's headers have arrived, but its body breaks off. Envoy itself sends this error, and
/// the filter does not see it.
#[tokio::test]
async fn an_answer_that_breaks_off_is_an_error_of_json_rpc_wherever_attributes_are_kept() {
    let server = wire::serve(|_| {
        let promised = "content-length: 100\r\nconnection: close\r\n\r\n{";
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
        vec![Act::Write(format!("{head}{promised}"))]
    })
    .await;
    for mode in [
        "DYNAMIC_METADATA_AND_FILTER_STATE",
        "FILTER_STATE",
        "DYNAMIC_METADATA",
    ] {
        let config = format!(
            r#"{{"servers":[{{"name":"a","protocol":"MODERN"}}],"requestStorageMode":"{mode}"}}"#
        );
        let bootstrap = Bootstrap::servers(&config, &[("a", server)]);
        let envoy = Envoy::with_workers(1, "behind_broken", &bootstrap);
        for id in ["1", r#""\u0061\"\\%REQ(:PATH)%""#] {
            let answer = call(id, "a__t", "{}").send(envoy.address).await;
            assert_eq!(answer.status, 502, "{mode}: {answer:?}");
            // Without filter state Envoy does not know the id.
            let id = if mode == "DYNAMIC_METADATA" {
                "null"
            } else {
                id
            };
            let start = format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32603,"#);
            assert!(answer.json_text().starts_with(&start), "{mode}: {answer:?}");
            assert!(answer.json()["error"]["message"].is_string(), "{mode}");
        }
        assert_eq!(envoy.stat("wasmcustom.mcp.server.a.failures"), 2, "{mode}");
    }
}
