//! Servers whose session ids do not fit into the session id that the client gets.

use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::harness::bootstrap::Bootstrap;
use crate::harness::capture::{Capture, Recorded};
use crate::harness::envoy::Envoy;
use crate::harness::session::{Session, initialize};
use crate::sessions::{FIRST, keyed};

/// The session id of the server with this name.
fn id_of(server: &str, length: usize) -> String {
    format!("{server}-{}", "x".repeat(length))
}

/// Answers for many servers. The `host` of the request says which one.
fn answer(request: &Recorded, length: usize) -> Response {
    let server = request.header("host").expect("a host");
    // The gateway ends the sessions that no client gets.
    if request.method == "DELETE" {
        return StatusCode::OK.into_response();
    }
    let method = request.json()["method"].as_str().map(str::to_owned);
    match method.as_deref() {
        Some("initialize") => {
            let mut response = request.result(
                r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"s","version":"1"}}"#,
            );
            let id = HeaderValue::try_from(id_of(server, length)).expect("a header");
            response.headers_mut().insert("mcp-session-id", id);
            response
        }
        Some("notifications/initialized") => StatusCode::ACCEPTED.into_response(),
        // A request that is not in this server's session.
        _ if request.header("mcp-session-id") != Some(&id_of(server, length)) => {
            StatusCode::BAD_REQUEST.into_response()
        }
        _ => request.result(r#"{"content":[{"type":"text","text":"yes"}]}"#),
    }
}

/// An Envoy in front of so many servers, whose session ids contain `length` filling bytes. `rest`
/// is JSON for the gateway's configuration.
async fn gateway(
    name: &str,
    workers: usize,
    (servers, length): (usize, usize),
    rest: &str,
) -> Envoy {
    let server = Capture::start(move |request| answer(request, length)).await;
    let names: Vec<String> = (0..servers).map(|at| format!("s{at}")).collect();
    let listed: Vec<String> = names
        .iter()
        .map(|name| format!(r#"{{"name":"{name}","protocol":"LEGACY"}}"#))
        .collect();
    let json = format!(r#"{{"servers":[{}]{rest}}}"#, listed.join(","));
    let clusters: Vec<_> = names
        .iter()
        .map(|name| (name.as_str(), server.address))
        .collect();
    Envoy::with_workers(workers, name, &Bootstrap::servers(&json, &clusters))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clients_session_id_is_short_whatever_the_servers_give() {
    for (name, servers, length) in [
        ("long_ids_20", 20, 400),
        ("long_ids_60", 60, 700),
        ("long_ids_one", 1, 20_000),
    ] {
        let envoy = gateway(name, 2, (servers, length), "").await;
        for _ in 0..8 {
            let session = Session::begin(envoy.address).await;
            assert!(session.id.len() <= 6_144, "{name}: {}", session.id.len());
            // Each call has its own connection, so that all workers serve some.
            for at in [0, servers - 1] {
                let call = session.call("1", &format!("s{at}__t"), "{}");
                let answer = call.send(envoy.address).await;
                assert_eq!(answer.status, 200, "{name}: {answer:?}");
                assert!(answer.text().contains("yes"), "{name}: {answer:?}");
            }
        }
    }
}

#[tokio::test]
async fn with_keys_the_client_is_told_which_server_to_mend() {
    let rest = format!(r#","session":{{{}}}"#, keyed(&[FIRST]));
    let envoy = gateway("long_ids_keys", 1, (3, 2_500), &rest).await;
    let mut reason = String::new();
    for _ in 0..3 {
        let answer = initialize().send(envoy.address).await;
        assert_eq!(answer.status, 502, "{answer:?}");
        let error = &answer.json()["error"];
        assert_eq!(error["code"], -32603);
        reason = error["message"].as_str().expect("a message").to_owned();
    }
    assert!(
        reason.starts_with("server s0 gave a session id of 2503 bytes"),
        "{reason}"
    );
    assert!(reason.contains("remove session.keys"), "{reason}");
    // Each worker logs the reason once, and there is one worker.
    envoy.logged(&reason);
}
