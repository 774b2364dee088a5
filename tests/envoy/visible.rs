//! What the filter shows to access logs, and to whatever else reads metadata.

use crate::harness::bootstrap::Bootstrap;
use crate::harness::envoy::Envoy;
use crate::harness::http::Request;
use crate::harness::message::{call, modern};
use crate::harness::shared::{gateway, policy};

/// A request whose access log can be told from those of other tests.
fn tagged(request: &Request, tag: &str) -> Request {
    request.clone().target(&format!("/mcp?{tag}"))
}

#[tokio::test]
async fn access_logs_tell_what_a_request_was_about() {
    let policy = policy();
    for (tag, request, expected) in [
        (
            "log-allowed",
            call("1", "get_weather", "{}"),
            " 200 via_upstream mcp=mcp_ok method=tools/call tool=get_weather ",
        ),
        (
            "log-denied",
            call("1", "get_forecast", "{}"),
            " 403 rbac_access_denied_matched_policy[none] mcp=mcp_ok method=tools/call tool=get_forecast ",
        ),
        (
            "log-list",
            modern("1", "tools/list"),
            " 200 via_upstream mcp=mcp_ok method=tools/list tool=- ",
        ),
        (
            "log-refused",
            Request::post("{"),
            " 400 mcp_parse_error mcp=mcp_parse_error method=- tool=- ",
        ),
        (
            "log-twice",
            Request::post(r#"{"jsonrpc":"2.0","id":1,"id":1,"method":"ping"}"#),
            " 400 mcp_duplicate_keys mcp=mcp_duplicate_keys method=- tool=- ",
        ),
    ] {
        tagged(&request, tag).send(policy.envoy.address).await;
        let line = policy.envoy.access_logged(&format!("/mcp?{tag} "));
        assert!(line.contains(expected), "{line}");
    }
}

#[tokio::test]
async fn access_logs_of_the_gateway_name_the_server_too() {
    let servers = gateway();
    let bootstrap = Bootstrap::gateway(servers.weather.address, servers.calendar.address);
    let envoy = Envoy::start("access_logs", &bootstrap);
    for (request, expected) in [
        (
            call("1", "weather__get_weather", "{}"),
            "POST /mcp 200 via_upstream mcp=mcp_ok method=tools/call server=weather tool=get_weather ",
        ),
        (
            modern("1", "tools/list"),
            "POST /mcp 200 mcp_ok mcp=mcp_ok method=tools/list server=- tool=- ",
        ),
        (
            call("1", "nobody__knows", "{}"),
            "POST /mcp 200 mcp_unknown mcp=mcp_unknown method=tools/call server=- tool=nobody__knows ",
        ),
        (
            Request::new("GET", "/other"),
            "GET /other 404 route_not_found mcp=- method=- server=- tool=- ",
        ),
    ] {
        request.send(envoy.address).await;
        envoy.access_logged(expected);
    }
}

#[tokio::test]
async fn metadata_and_filter_state_say_what_the_body_says() {
    let policy = policy();
    let bootstrap = Bootstrap::policy(policy.weather.address).replace_block(
        r#"inline_string: ""#,
        "\n",
        r#"inline_string: "%PATH% method=%DYNAMIC_METADATA(mcp_proxy:method)% params=%DYNAMIC_METADATA(mcp_proxy:params)% name=%DYNAMIC_METADATA(mcp_proxy:params:name)% state=%FILTER_STATE(wasm.mcp.name:PLAIN)% id=%FILTER_STATE(wasm.mcp.id:PLAIN)% version=%FILTER_STATE(wasm.mcp.protocol_version:PLAIN)% mcp=%FILTER_STATE(wasm.mcp:PLAIN)%\n""#,
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
