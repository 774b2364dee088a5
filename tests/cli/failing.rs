//! Servers with which a client cannot use MCP: each one fails in another way.

use std::net::SocketAddr;

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};

use crate::harness::capture::{Capture, Recorded};

/// A server that answers everything with this status, content type and body.
pub(crate) async fn with_status(
    status: u16,
    media_type: &'static str,
    body: &'static str,
) -> Capture {
    Capture::start(move |_| answer(status, media_type, body)).await
}

fn answer(status: u16, media_type: &'static str, body: &'static str) -> Response {
    let status = StatusCode::from_u16(status).expect("a status");
    (status, [("content-type", media_type)], body).into_response()
}

/// A server that redirects every request to another URL.
pub(crate) async fn moved() -> Capture {
    Capture::start(|_| {
        let location = [("location", "https://other.example/mcp")];
        (StatusCode::PERMANENT_REDIRECT, location).into_response()
    })
    .await
}

/// A server that has only the old transport HTTP+SSE.
pub(crate) async fn old_transport() -> Capture {
    Capture::start(|request: &Recorded| match &*request.method {
        "GET" => answer(
            200,
            "text/event-stream",
            "event: endpoint\ndata: /messages?sessionId=1\n\n",
        ),
        _ => answer(405, "text/plain", "Method Not Allowed"),
    })
    .await
}

/// A port that accepts connections and never answers.
pub(crate) fn silent() -> (std::net::TcpListener, SocketAddr) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}
