//! What the filter exports to access logs, and to everything else that reads metadata.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::harness::bootstrap::Bootstrap;
use crate::harness::envoy::Envoy;
use crate::harness::http::{ANSWERED_WITHIN, Request};
use crate::harness::message::{call, legacy, modern};
use crate::harness::shared::{gateway, policy};

/// The request with a query by which the test finds its line in the access log.
fn tagged(request: &Request, tag: &str) -> Request {
    request.clone().target(&format!("/mcp?{tag}"))
}

/// Asserts that the one line of the access log with these members says this: code,
/// details, status, method, server and tool.
fn assert_logged(envoy: &Envoy, members: &Value, expected: &Value) {
    let line = envoy.access_with(members);
    let said = [
        "code",
        "details",
        "mcp_status",
        "mcp_method",
        "mcp_server",
        "mcp_tool",
    ];
    assert_eq!(&json!(said.map(|key| &line[key])), expected, "{line}");
}

#[tokio::test]
async fn access_logs_tell_what_a_request_was_about() {
    let policy = policy();
    for (tag, request, expected) in [
        (
            "log-allowed",
            call("1", "get_weather", "{}"),
            json!([
                200,
                "via_upstream",
                "mcp_ok",
                "tools/call",
                null,
                "get_weather"
            ]),
        ),
        (
            "log-denied",
            call("1", "get_forecast", "{}"),
            json!([
                403,
                "rbac_access_denied_matched_policy[none]",
                "mcp_ok",
                "tools/call",
                null,
                "get_forecast"
            ]),
        ),
        (
            "log-list",
            modern("1", "tools/list"),
            json!([200, "via_upstream", "mcp_ok", "tools/list", null, null]),
        ),
        (
            "log-refused",
            Request::post("{"),
            json!([400, "mcp_parse_error", "mcp_parse_error", null, null, null]),
        ),
        (
            "log-twice",
            Request::post(r#"{"jsonrpc":"2.0","id":1,"id":1,"method":"ping"}"#),
            json!([
                400,
                "mcp_duplicate_keys",
                "mcp_duplicate_keys",
                null,
                null,
                null
            ]),
        ),
    ] {
        tagged(&request, tag).send(policy.envoy.address).await;
        let members = json!({ "path": format!("/mcp?{tag}") });
        assert_logged(&policy.envoy, &members, &expected);
    }
}

#[tokio::test]
async fn access_logs_of_the_gateway_name_the_server_too() {
    let servers = gateway();
    let bootstrap = Bootstrap::gateway(servers.weather.address, servers.calendar.address);
    let envoy = Envoy::start("access_logs", &bootstrap);
    for (members, request, expected) in [
        (
            json!({ "mcp_method": "tools/call" }),
            call("1", "weather__get_weather", "{}"),
            json!([
                200,
                "via_upstream",
                "mcp_ok",
                "tools/call",
                "weather",
                "get_weather"
            ]),
        ),
        (
            json!({ "mcp_method": "tools/list" }),
            modern("1", "tools/list"),
            json!([200, "mcp_ok", "mcp_ok", "tools/list", null, null]),
        ),
        (
            json!({ "path": "/other" }),
            Request::new("GET", "/other"),
            json!([404, "route_not_found", null, null, null, null]),
        ),
    ] {
        request.send(envoy.address).await;
        assert_logged(&envoy, &members, &expected);
    }
    call("1", "nobody__knows", "{}").send(envoy.address).await;
    envoy.access_with(&json!({
        "code": 200,
        "details": "mcp_unknown",
        "mcp_status": "mcp_unknown",
        "mcp_method": "tools/call",
        "mcp_tool": "nobody__knows",
    }));
}

/// The shipped access logs have one line for each request, whatever names the request contains.
#[tokio::test]
async fn no_name_begins_a_line_of_the_access_log() {
    let policy = policy();
    let servers = gateway();
    let gateway = Bootstrap::gateway(servers.weather.address, servers.calendar.address);
    for (name, bootstrap) in [
        ("forged_policy", Bootstrap::policy(policy.weather.address)),
        ("forged_gateway", gateway),
    ] {
        let envoy = Envoy::start(name, &bootstrap);
        let forged = [
            "\n",
            "\r\n",
            "\u{85}",
            "\u{2028}",
            "\"}\n{\"code\":200,\"x\":\"",
        ]
        .map(|end| format!("weather__x{end}POST /mcp 200 forged"));
        for tool in &forged {
            let params = json!({ "name": tool, "arguments": {} }).to_string();
            legacy("1", "tools/call", &params).send(envoy.address).await;
            let encoded = format!("=?base64?{}?=", STANDARD.encode(tool));
            let request = call("1", "x", "{}").with("mcp-name", &encoded);
            let body = String::from_utf8_lossy(request.sent_body()).into_owned();
            let body = body.replacen(r#""name":"x""#, &format!(r#""name":{}"#, json!(tool)), 1);
            request.body(body).send(envoy.address).await;
        }
        Request::new("GET", "/last").send(envoy.address).await;
        envoy.access_logged("/last");
        // A worker may write its line a moment later than the other worker writes the last one.
        let expected = 2 * forged.len() + 1;
        let deadline = Instant::now() + ANSWERED_WITHIN;
        while envoy.access().lines().count() < expected && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let access = envoy.access();
        assert!(!access.contains('\r'), "{access}");
        let lines: Vec<&str> = access.lines().collect();
        assert_eq!(lines.len(), expected, "{access}");
        for line in lines {
            let read: Value =
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            assert_eq!(
                read["mcp_status"].is_string(),
                read["path"] != "/last",
                "{line}"
            );
        }
        assert!(access.contains("forged"), "{access}");
    }
}

#[tokio::test]
async fn metadata_and_filter_state_say_what_the_body_says() {
    let policy = policy();
    let bootstrap = Bootstrap::policy(policy.weather.address).replace_block(
        "                json_format:\n",
        "          # RBAC answers",
        r#"                text_format_source:
                  inline_string: "%PATH% method=%DYNAMIC_METADATA(mcp_proxy:method)% params=%DYNAMIC_METADATA(mcp_proxy:params)% name=%DYNAMIC_METADATA(mcp_proxy:params:name)% state=%FILTER_STATE(wasm.mcp.name:PLAIN)% id=%FILTER_STATE(wasm.mcp.id:PLAIN)% version=%FILTER_STATE(wasm.mcp.protocol_version:PLAIN)% mcp=%FILTER_STATE(wasm.mcp:PLAIN)%\n"
"#,
    );
    let envoy = Envoy::start("visible", &bootstrap);
    for (tag, request, expected) in [
        (
            "call",
            call("1.50", "get_weather", "{}").header("x-mcp-method", "ping"),
            r#"method=tools/call params={"name":"get_weather"} name=get_weather state=get_weather id=1.50 version=2026-07-28 mcp={"jsonrpc":"2.0","method":"tools/call","id":1.50,"params":{"name":"get_weather"},"is_mcp_request":true}"#,
        ),
        (
            "denied",
            Request::post(
                r#"{"jsonrpc":"2.0","id":"\u0061","method":"tools/\u0063all","params":{"n\u0061me":"x\u00e4\"\n"}}"#,
            ),
            r#"method=tools/call params={"name":"xä\"\n"} name=xä"#,
        ),
        (
            "refused",
            Request::post("{").header("x-mcp-method", "tools/list"),
            "method=- params=- name=- state=- id=- version=- mcp=-",
        ),
        (
            "unread",
            Request::new("GET", "/mcp").header("accept", "text/event-stream"),
            "method=- params=- name=- state=- id=- version=- mcp=-",
        ),
    ] {
        tagged(&request, tag).send(envoy.address).await;
        let line = envoy.access_logged(&format!("/mcp?{tag} "));
        assert!(line.contains(expected), "{line}");
    }
}
