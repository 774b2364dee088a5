//! `rest_as_tools.yaml`: the operations of a REST service are tools beside those of an MCP
//! server.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::harness::capture::{Capture, Recorded};
use crate::harness::envoy::Envoy;
use crate::harness::http::Request;
use crate::harness::message::{call, modern};
use crate::harness::session::Session;
use crate::recipes::{recipe, weather};

const NAME: &str = "rest_as_tools.yaml";

/// A REST service for orders, which has only the order `o1`.
async fn orders() -> Capture {
    Capture::start(|request: &Recorded| -> Response {
        let (status, body) = match (&*request.method, &*request.target) {
            ("POST", "/v1/orders") => (201, r#"{"id":"o2"}"#),
            ("GET", target) if target.starts_with("/v1/orders/o1") => (200, r#"{"state":"sent"}"#),
            _ => (404, r#"{"error":"no such order"}"#),
        };
        let status = StatusCode::from_u16(status).expect("a status");
        (status, [("content-type", "application/json")], body).into_response()
    })
    .await
}

fn names(list: &Value) -> Vec<&str> {
    let tools = list["result"]["tools"].as_array().expect("tools");
    tools
        .iter()
        .filter_map(|tool| tool["name"].as_str())
        .collect()
}

const TOOLS: [&str; 3] = [
    "weather__get_weather",
    "orders__get_order",
    "orders__create_order",
];

#[tokio::test]
async fn calls_become_requests_and_answers_results() {
    let (weather, orders) = (weather().await, orders().await);
    let ports = [(9001, weather.address), (9003, orders.address)];
    let Some(bootstrap) = recipe(NAME, &ports) else {
        return;
    };
    let mut envoy = Envoy::start("rest_as_tools", &bootstrap);
    // Envoy's filter for REST services logs a call of an unknown tool as an error.
    envoy.failures_are_expected();
    let list = modern("1", "tools/list").send(envoy.address).await;
    assert_eq!(names(&list.json()), TOOLS, "{list:?}");

    let get = |arguments: &str| call("1", "orders__get_order", arguments);
    let create = call("1", "orders__create_order", r#"{"item":"tea","count":2}"#);
    let sent: [(Request, &str, &str, Value, bool, &str); 3] = [
        (
            get(r#"{"id":"o1"}"#),
            "GET",
            "/v1/orders/o1",
            json!(null),
            false,
            "sent",
        ),
        (
            get(r#"{"id":"o1","fields":"state"}"#),
            "GET",
            "/v1/orders/o1?fields=state",
            json!(null),
            false,
            "sent",
        ),
        (
            create,
            "POST",
            "/v1/orders",
            json!({"item":"tea","count":2}),
            false,
            "o2",
        ),
    ];
    let missing = get(r#"{"id":"o9"}"#);
    let missing = (
        missing,
        "GET",
        "/v1/orders/o9",
        json!(null),
        true,
        "no such order",
    );
    for (request, method, target, body, is_error, says) in sent.into_iter().chain([missing]) {
        let answer = request.send(envoy.address).await;
        assert_eq!(answer.status, 200, "{request:?}: {answer:?}");
        let result = &answer.json()["result"];
        assert_eq!(result["isError"], is_error, "{answer:?}");
        let text = result["content"][0]["text"].as_str().unwrap_or_default();
        assert!(text.contains(says), "{answer:?}");
        let seen = orders.take_one();
        assert_eq!((&*seen.method, &*seen.target), (method, target));
        assert_eq!(
            serde_json::from_str(&seen.body).unwrap_or(Value::Null),
            body
        );
        assert_eq!(seen.header("mcp-method"), None, "{seen:?}");
        assert_eq!(seen.header("x-mcp-toolname"), None, "{seen:?}");
    }
    for (request, code) in [
        (get("{}"), -32602),
        (get(r#"{"id":"../admin"}"#), -32602),
        (call("1", "orders__delete_order", "{}"), -32602),
    ] {
        let answer = request.send(envoy.address).await;
        assert_eq!(answer.json()["error"]["code"], code, "{answer:?}");
        assert!(orders.take().is_empty(), "{request:?}");
    }
    let answer = call("1", "weather__get_weather", "{}")
        .send(envoy.address)
        .await;
    assert_eq!(answer.json()["result"]["content"][0]["text"], "14");
}

#[tokio::test]
async fn legacy_clients_call_them_too() {
    let (weather, orders) = (weather().await, orders().await);
    let ports = [(9001, weather.address), (9003, orders.address)];
    let Some(bootstrap) = recipe(NAME, &ports) else {
        return;
    };
    let envoy = Envoy::start("rest_as_tools_legacy", &bootstrap);
    let session = Session::begin(envoy.address).await;
    let list = session.list().send(envoy.address).await;
    assert_eq!(names(&list.json()), TOOLS, "{list:?}");
    let call = session.call("2", "orders__get_order", r#"{"id":"o1"}"#);
    let answer = call.send(envoy.address).await;
    assert_eq!(answer.json()["result"]["isError"], false, "{answer:?}");
    assert_eq!(orders.take_one().target, "/v1/orders/o1");
}
