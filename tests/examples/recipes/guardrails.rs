//! `guardrails.yaml`: no secret passes from a client to the server, or from the server to a
//! client.

use std::net::SocketAddr;
use std::time::Duration;

use axum::response::{IntoResponse, Response};

use crate::harness::capture::{Capture, Recorded};
use crate::harness::envoy::Envoy;
use crate::harness::fake;
use crate::harness::http::{Answer, Request};
use crate::harness::message::{call, modern};
use crate::harness::port;
use crate::harness::server::Server;
use crate::recipes::{WEATHER, recipe};

const NAME: &str = "guardrails.yaml";
const KEY: &str = "AKIAIOSFODNN7EXAMPLE";
/// The same key with an escape sequence of JSON.
const ESCAPED: &str = r"\u0041KIAIOSFODNN7EXAMPLE";
const CALLED_WITHIN: Duration = Duration::from_secs(60);

/// A server whose tool returns the text that the argument `say` selects, in the form of the
/// argument `as`: as JSON, as server-sent events, or as JSON with the header
/// `content-encoding: gzip`.
async fn server() -> Capture {
    Capture::start(|request| {
        let message = request.json();
        if message["method"] != "tools/call" {
            return fake::answer(request, r#"{"tools":{}}"#, WEATHER);
        }
        said(request, &message["params"]["arguments"])
    })
    .await
}

fn said(request: &Recorded, arguments: &serde_json::Value) -> Response {
    let text = match arguments["say"].as_str() {
        Some("key") => KEY,
        Some("escaped") => ESCAPED,
        _ => "14",
    };
    let id = &request.json()["id"];
    let result = format!(
        r#"{{"jsonrpc":"2.0","id":{id},"result":{{"resultType":"complete","content":[{{"type":"text","text":"a {text} b"}}],"n":1.50}}}}"#
    );
    match arguments["as"].as_str() {
        Some("events") => {
            let progress = format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"message":"{text}"}}}}"#
            );
            let body = format!("data: {progress}\n\nevent: message\ndata: {result}\n\n");
            ([("content-type", "text/event-stream")], body).into_response()
        }
        Some("gzip") => {
            let headers = [
                ("content-type", "application/json"),
                ("content-encoding", "gzip"),
            ];
            (headers, result).into_response()
        }
        _ => ([("content-type", "application/json")], result).into_response(),
    }
}

async fn start(name: &str, guardrails: SocketAddr) -> (Capture, Envoy) {
    let server = server().await;
    let ports = [(9001, server.address), (9003, guardrails)];
    let bootstrap = recipe(NAME, &ports).expect("a recipe for every Envoy");
    let envoy = Envoy::start(name, &bootstrap);
    (server, envoy)
}

fn weather(arguments: &str) -> Request {
    call("7", "weather__get_weather", arguments)
}

async fn send(envoy: &Envoy, request: &Request) -> Answer {
    let sent = request.send(envoy.address);
    tokio::time::timeout(CALLED_WITHIN, sent)
        .await
        .expect("an answer in time")
}

#[tokio::test]
async fn a_call_with_a_secret_does_not_reach_the_tool() {
    let guardrails = Server::start("guardrails");
    let (server, envoy) = start("guardrails_calls", guardrails.address).await;
    for arguments in [
        &format!(r#"{{"city":"{KEY}"}}"#),
        &format!(r#"{{"city":"{ESCAPED}"}}"#),
        &format!(r#"{{"a":[{{"{KEY}":1}}]}}"#),
    ] {
        let answer = send(&envoy, &weather(arguments)).await;
        assert_eq!(answer.status, 200, "{arguments}: {answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let answer = answer.json();
        assert_eq!(answer["id"], 7);
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
        let calls = server.take().into_iter();
        let mut calls = calls.filter(|request| request.body.contains("tools/call"));
        assert!(calls.next().is_none(), "{arguments}");
    }
    // These texts are similar to a key, but are not keys.
    for city in [
        "AKIA",
        "AKIAIOSFODNN7EXAMPL",
        "akiaiosfodnn7example",
        "Berlin",
    ] {
        let request = weather(&format!(r#"{{"city":"{city}"}}"#));
        let answer = send(&envoy, &request).await;
        assert_eq!(answer.status, 200, "{city}: {answer:?}");
        assert_eq!(answer.json()["result"]["content"][0]["text"], "a 14 b");
        let seen = server.take_one();
        assert!(seen.body.contains(city), "{seen:?}");
    }
}

#[tokio::test]
async fn a_result_reaches_the_client_without_its_secrets() {
    let guardrails = Server::start("guardrails");
    let (server, envoy) = start("guardrails_results", guardrails.address).await;
    for media in ["json", "events"] {
        for say in ["key", "escaped"] {
            let request = weather(&format!(r#"{{"say":"{say}","as":"{media}"}}"#))
                .header("accept-encoding", "gzip");
            let answer = send(&envoy, &request).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            assert!(!answer.text().contains("FODNN7"), "{answer:?}");
            let result = &answer.json()["result"];
            assert_eq!(result["content"][0]["text"], "a [redacted] b", "{answer:?}");
            let seen = server.take_one();
            assert_eq!(seen.header("accept-encoding"), None, "{seen:?}");
        }
        // An answer without a secret passes byte for byte.
        let answer = send(&envoy, &weather(&format!(r#"{{"as":"{media}"}}"#))).await;
        assert!(
            answer.text().contains(r#""text":"a 14 b"}],"n":1.50}"#),
            "{answer:?}"
        );
        let _ = server.take();
    }
    let list = send(&envoy, &modern("1", "tools/list")).await;
    assert_eq!(list.status, 200, "{list:?}");
}

#[tokio::test]
async fn what_the_guardrails_cannot_read_does_not_pass() {
    let guardrails = Server::start("guardrails");
    let (_server, mut envoy) = start("guardrails_compressed", guardrails.address).await;
    envoy.failures_are_expected();
    let answer = send(&envoy, &weather(r#"{"say":"key","as":"gzip"}"#)).await;
    assert_ne!(answer.status, 200, "{answer:?}");
    assert!(!answer.text().contains("FODNN7"), "{answer:?}");
}

#[tokio::test]
async fn nothing_passes_without_the_guardrails() {
    let (_reserved, nobody) = port::reserved();
    let (server, mut envoy) = start("guardrails_away", nobody).await;
    envoy.failures_are_expected();
    let answer = send(&envoy, &weather("{}")).await;
    assert_ne!(answer.status, 200, "{answer:?}");
    let calls = server.take().into_iter();
    let mut calls = calls.filter(|request| request.body.contains("tools/call"));
    assert!(calls.next().is_none());
}
