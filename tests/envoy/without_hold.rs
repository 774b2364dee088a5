//! `holdRequestHeaders: false`, in an Envoy without `allow_on_headers_stop_iteration`: later
//! filters decide by the headers. The body must confirm the headers before any byte of it reaches
//! the server.

use crate::harness::bootstrap::Bootstrap;
use crate::harness::capture::{Capture, Recorded};
use crate::harness::envoy::Envoy;
use crate::harness::http::Request;
use crate::harness::message::{META, call, initialize, legacy, modern};

use axum::response::{IntoResponse, Response};

fn empty(_: &Recorded) -> Response {
    ([("content-type", "application/json")], "{}").into_response()
}

fn bootstrap(server: &Capture) -> Bootstrap {
    Bootstrap::policy(server.address)
        .replace(
            "                allow_on_headers_stop_iteration: true\n",
            "",
        )
        .replace(
            r#""trafficMode": "REJECT_NO_MCP","#,
            r#""trafficMode": "REJECT_NO_MCP", "holdRequestHeaders": false,"#,
        )
}

#[tokio::test]
async fn headers_decide_and_the_body_must_bear_them_out() {
    let server = Capture::start(empty).await;
    let envoy = Envoy::start("without_hold", &bootstrap(&server));
    let forecast = call("7", "get_forecast", "{}");
    let as_weather = |request: &Request| request.clone().with("mcp-name", "get_weather");
    let long = call(
        "7",
        "get_weather",
        &format!(r#"{{"x":"{}"}}"#, "x".repeat(300_000)),
    );
    for (what, request, status, said) in [
        ("an allowed call", call("7", "get_weather", "{}"), 200, "{}"),
        ("an allowed call in pieces", call("7", "get_weather", "{}").chunked(9), 200, "{}"),
        ("a long one", long.chunked(4000), 200, "{}"),
        ("an allowed list", modern("7", "tools/list"), 200, "{}"),
        ("a denied call", forecast.clone(), 403, "RBAC: access denied"),
        ("a denied call under an allowed name", as_weather(&forecast), 400, "-32020"),
        ("the same in pieces", as_weather(&forecast).chunked(9), 400, "-32020"),
        ("another method", modern("7", "tools/list").body(call("7", "get_weather", "{}").sent_body()), 400, "-32020"),
        ("a legacy body under modern headers", call("7", "get_weather", "{}").body(r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"get_weather"}}"#), 400, "-32602"),
        ("no JSON", call("7", "get_weather", "{}").body("{"), 400, "-32700"),
        ("a name twice", call("7", "get_weather", "{}").body(format!(r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{{"name":"get_weather","name":"get_forecast",{META}}}}}"#)), 400, "-32600"),
        ("too long", call("7", "get_weather", &format!(r#"{{"x":"{}"}}"#, "x".repeat(1_100_000))).chunked(60_000), 413, "-32600"),
        ("a legacy request shows nothing", initialize(), 403, "RBAC: access denied"),
        ("forged headers show nothing either", legacy("7", "tools/call", r#"{"name":"get_weather"}"#).header("x-mcp-method", "tools/list"), 403, "RBAC: access denied"),
    ] {
        let answer = request.send(envoy.address).await;
        assert_eq!(answer.status, status, "{what}: {answer:?}");
        assert!(answer.text().contains(said), "{what}: {answer:?}");
        let seen = server.take();
        if status == 200 {
            assert_eq!(seen.len(), 1, "{what}");
            assert_eq!(seen[0].body.as_bytes(), request.sent_body(), "{what}");
        } else {
            assert!(seen.iter().all(|seen| seen.body.is_empty()), "{what}: {seen:?}");
        }
    }
}
