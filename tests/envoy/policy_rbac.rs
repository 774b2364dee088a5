//! Envoy's RBAC filter decides by what this filter exports.

use serde_json::json;

use crate::harness::http::{Answer, Request};
use crate::harness::message::{call, initialize, legacy, modern};
use crate::harness::shared::policy;

const ADMIN: (&str, &str) = ("x-user-role", "system:serviceaccount:default:admin");
const BERLIN: &str = r#"{"city":"Berlin"}"#;
/// `get_weather` with a space at its end, encoded as the value of a header.
const SPACED: &str = "=?base64?Z2V0X3dlYXRoZXIg?=";
const FORECAST: &str = r#"{"city":"Berlin","days":2}"#;

fn stream_of_events() -> Request {
    Request::new("GET", "/mcp").header("accept", "text/event-stream")
}

fn end_of_session() -> Request {
    Request::new("DELETE", "/mcp").header("mcp-session-id", "1")
}

/// Whether RBAC denied the request. The denial is JSON-RPC if the filter has read the message and
/// the message has an id.
fn is_denied(answer: &Answer) -> bool {
    const SAID: &str = "RBAC: access denied";
    let said = match answer.header("content-type") {
        Some("application/json") => answer.json()["error"] == json!({"code": 403, "message": SAID}),
        _ => answer.text() == SAID,
    };
    answer.status == 403 && said
}

#[tokio::test]
async fn a_denial_is_json_rpc_with_the_id_of_the_request() {
    let policy = policy();
    for id in ["7", r#""a\"\u0062""#, "123456789012345678901234567890"] {
        let denied = call(id, "get_forecast", FORECAST);
        let answer = denied.send(policy.envoy.address).await;
        assert_eq!(answer.status, 403, "{answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(
            answer.text(),
            format!(
                r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":403,"message":"RBAC: access denied"}}}}"#
            )
        );
    }
    let nameless = Request::post(r#"{"jsonrpc":"2.0","method":"prompts/list"}"#);
    let answer = nameless.send(policy.envoy.address).await;
    assert_eq!(answer.status, 403, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("text/plain"));
}

#[tokio::test]
async fn the_role_decides_which_methods_and_tools_are_allowed() {
    let policy = policy();
    let spaced = call("1", "get_weather ", BERLIN).with("mcp-name", SPACED);
    let bare = legacy("1", "tools/call", r#"{"name":"get_forecast"}"#);
    let notification = Request::post(r#"{"jsonrpc":"2.0","method":"notifications/cancelled"}"#);
    let response = Request::post(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
    for (request, everybody, admin) in [
        (initialize(), true, true),
        (modern("1", "server/discover"), true, true),
        (modern("1", "tools/list"), true, true),
        (call("1", "get_weather", BERLIN), true, true),
        (call("1", "get_forecast", FORECAST), false, true),
        (call("1", "list_cities", "{}"), false, true),
        (call("1", "GET_WEATHER", BERLIN), false, true),
        (spaced, false, true),
        (bare, false, true),
        (modern("1", "ping"), true, true),
        (notification, true, true),
        (stream_of_events(), true, true),
        (end_of_session(), true, true),
        (modern("1", "prompts/list"), false, false),
        (modern("1", "TOOLS/LIST"), false, false),
        (modern("1", "notifications"), false, false),
        (legacy("1", "logging/setLevel", "{}"), false, false),
        (response, false, false),
        (initialize().target("/other"), false, false),
    ] {
        for (headers, allowed) in [
            (&[][..], everybody),
            (&[("x-user-role", "user")], everybody),
            (&[ADMIN], admin),
        ] {
            let request = headers
                .iter()
                .fold(request.clone(), |request, (name, value)| {
                    request.header(name, value)
                });
            let answer = request.send(policy.envoy.address).await;
            assert_eq!(is_denied(&answer), !allowed, "{request:?}: {answer:?}");
            // If RBAC allows a request, the server answers it.
            assert_eq!(
                answer.headers.contains_key("x-envoy-upstream-service-time"),
                allowed
            );
        }
    }
}

#[tokio::test]
async fn a_session_of_before_is_allowed_until_a_tool_is_denied() {
    let policy = policy();
    let to = policy.envoy.address;
    let answer = initialize().send(to).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["result"]["serverInfo"]["name"], "weather");
    let session = answer
        .header("mcp-session-id")
        .expect("a session")
        .to_owned();
    let in_session = |request: Request| {
        request
            .header("mcp-session-id", &session)
            .header("mcp-protocol-version", "2025-11-25")
    };

    let notification = Request::post(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
    assert_eq!(in_session(notification).send(to).await.status, 202);
    let list = in_session(legacy("2", "tools/list", "{}")).send(to).await;
    assert_eq!(list.json()["result"]["tools"][1]["name"], "get_weather");

    let call = |name, arguments| format!(r#"{{"name":"{name}","arguments":{arguments}}}"#);
    let allowed = legacy("3", "tools/call", &call("get_weather", BERLIN));
    let answer = in_session(allowed).send(to).await;
    assert_eq!(answer.json()["result"]["structuredContent"]["celsius"], 14);
    let denied = legacy("4", "tools/call", &call("get_forecast", FORECAST));
    assert!(is_denied(&in_session(denied.clone()).send(to).await));
    let answer = in_session(denied).header(ADMIN.0, ADMIN.1).send(to).await;
    assert_eq!(answer.json()["result"]["isError"], false);
}

/// The client sends the filter's own headers itself, with values that contradict the body.
#[tokio::test]
async fn what_a_client_says_under_the_filters_names_changes_nothing() {
    let policy = policy();
    // {"name": "get_weather"}, as a google.protobuf.Value.
    let params = "KhcKFQoEbmFtZRINGgtnZXRfd2VhdGhlcg==";
    for request in [
        call("1", "get_forecast", FORECAST),
        legacy("1", "tools/call", r#"{"name":"get_forecast"}"#),
        modern("1", "prompts/list"),
        initialize().target("/other"),
        initialize().target("/mcp/other"),
        initialize().target("/MCP"),
    ] {
        for method in ["tools/list", "initialize", "tools/call"] {
            let forged = request
                .clone()
                .header("x-mcp-method", method)
                .header("x-mcp-params", params)
                .header("x-mcp-toolname", "get_weather");
            let twice = forged
                .clone()
                .header("X-MCP-Method", method)
                .header("x-mcp-params", params)
                .header("x-mcp-toolname", "get_weather");
            for request in [forged, twice] {
                let answer = request.send(policy.envoy.address).await;
                assert!(is_denied(&answer), "{request:?}: {answer:?}");
                let answer = request.send_http2(policy.envoy.address).await;
                assert!(is_denied(&answer), "{request:?}: {answer:?}");
            }
        }
    }
}

#[tokio::test]
async fn what_a_client_says_under_the_filters_names_denies_nothing_either() {
    let policy = policy();
    let answer = call("1", "get_weather", BERLIN)
        .header("x-mcp-method", "prompts/list")
        .header("x-mcp-params", "AAAA")
        .header("x-mcp-toolname", "get_forecast")
        .send(policy.envoy.address)
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// The filter must read the message at every path that the server may take as its endpoint.
#[tokio::test]
async fn another_spelling_of_the_path_is_no_way_around() {
    let policy = policy();
    for target in [
        "/mcp?",
        "/mcp?x=/other",
        "/mcp/",
        "//mcp",
        "/./mcp",
        "/other/../mcp",
        "/other/%2e%2e/mcp",
        "/%6dcp",
        "/mcp%2f",
        "/mcp;x",
    ] {
        let request = call("1", "get_forecast", FORECAST).target(target);
        let answer = request.send(policy.envoy.address).await;
        assert!(
            [307, 400, 403].contains(&answer.status),
            "{target}: {answer:?}"
        );
        assert_eq!(answer.header("x-envoy-upstream-service-time"), None);
    }
    for target in ["/mcp?", "/mcp?x=/other", "//mcp", "/./mcp", "/other/../mcp"] {
        let request = call("1", "get_weather", BERLIN).target(target);
        let answer = request.send(policy.envoy.address).await;
        assert_eq!(answer.status, 200, "{target}: {answer:?}");
    }
}

#[tokio::test]
async fn what_is_allowed_is_answered_as_by_the_server_itself() {
    let policy = policy();
    for request in [
        modern("1", "server/discover"),
        modern("2", "tools/list"),
        call(r#""a\u0062""#, "get_weather", BERLIN),
        call("4", "get_weather", r#"{"city":"Atlantis"}"#),
        call("5", "get_weather", "{}"),
    ] {
        let through = request.send(policy.envoy.address).await;
        let direct = request.send(policy.weather.address).await;
        assert_eq!(
            (
                through.status,
                &through.body,
                through.header("content-type")
            ),
            (direct.status, &direct.body, direct.header("content-type"))
        );
    }
}
