//! Envoy forwards web sockets and tunnels if its configuration allows them, and no filter reads
//! what follows. So an endpoint with `REJECT_NO_MCP` and a gateway must refuse them.

use std::net::SocketAddr;

use axum::response::{IntoResponse, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::harness::bootstrap::Bootstrap;
use crate::harness::capture::{Capture, Recorded};
use crate::harness::envoy::Envoy;
use crate::harness::http::ANSWERED_WITHIN;

fn answer(_: &Recorded) -> Response {
    "reached".into_response()
}

/// Sends a request with this head. Returns the answer as soon as it has an error of JSON-RPC, or the
/// connection ends.
async fn send(to: SocketAddr, head: &str) -> String {
    let mut stream = TcpStream::connect(to).await.expect("a connection");
    let text = format!("{head}\r\nhost: x\r\naccept: application/json, text/event-stream\r\n\r\n");
    stream.write_all(text.as_bytes()).await.expect("a reader");
    let mut answer = Vec::new();
    let read = async {
        while !answer.ends_with(b"}}") && stream.read_buf(&mut answer).await.unwrap_or(0) > 0 {}
    };
    let read = timeout(ANSWERED_WITHIN, read).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(read.is_ok(), "{head}: only {answer:?} in time");
    answer
}

const UPGRADES: &str = "          stat_prefix: mcp\n          upgrade_configs: [{ upgrade_type: websocket }, { upgrade_type: CONNECT }]\n";

#[tokio::test]
async fn strict_endpoints_take_no_upgrades() {
    let server = Capture::start(answer).await;
    let allow = |bootstrap: Bootstrap| bootstrap.replace("          stat_prefix: mcp\n", UPGRADES);
    let gateway = r#"{"servers":[{"name":"a"}]}"#;
    for bootstrap in [
        Bootstrap::policy(server.address),
        Bootstrap::servers(gateway, &[("a", server.address)]),
    ] {
        let envoy = Envoy::with_workers(1, "upgrade", &allow(bootstrap));
        for head in [
            "GET /mcp HTTP/1.1\r\nconnection: upgrade\r\nupgrade: websocket",
            "GET /mcp HTTP/1.1\r\nconnection: Upgrade\r\nupgrade: WebSocket\r\nsec-websocket-version: 13",
            "POST /mcp HTTP/1.1\r\ncontent-type: application/json\r\nconnection: upgrade\r\nupgrade: websocket",
            "DELETE /mcp HTTP/1.1\r\nmcp-session-id: x\r\nconnection: upgrade\r\nupgrade: websocket",
        ] {
            let answer = send(envoy.address, head).await;
            assert!(answer.starts_with("HTTP/1.1 400 "), "{head}: {answer}");
            assert!(answer.contains(r#""code":-32600"#), "{head}: {answer}");
        }
        assert!(server.take().is_empty());
    }
    let passes = Bootstrap::policy(server.address)
        .configured(r#"{"paths":["*"],"trafficMode":"REJECT_NO_MCP"}"#);
    let envoy = Envoy::with_workers(1, "connect", &allow(passes));
    let answer = send(envoy.address, "CONNECT x:443 HTTP/1.1").await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains(r#""code":-32600"#), "{answer}");
}
