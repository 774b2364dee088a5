//! An MCP server that answers slowly.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Bytes;
use axum::response::IntoResponse;
use axum::{Router, routing::post};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// How long the server takes for a list or a call.
pub(crate) const TAKES: Duration = Duration::from_millis(1500);

/// Starts the server on a free port. It ends with the test.
pub(crate) async fn start() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let app = Router::new().route("/mcp", post(answer));
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

async fn answer(body: Bytes) -> impl IntoResponse {
    let message: Value = serde_json::from_slice(&body).expect("JSON");
    let result = match message["method"].as_str() {
        Some("server/discover") => json!({
            "resultType": "complete", "supportedVersions": ["2026-07-28"],
            "capabilities": {"tools": {}}, "ttlMs": 0, "cacheScope": "private",
        }),
        Some("tools/list") => {
            tokio::time::sleep(TAKES).await;
            let tool = json!({"name": "wait", "inputSchema": {"type": "object"}});
            json!({"resultType": "complete", "tools": [tool], "ttlMs": 0, "cacheScope": "private"})
        }
        _ => {
            tokio::time::sleep(TAKES).await;
            json!({"resultType": "complete", "content": [{"type": "text", "text": "waited"}]})
        }
    };
    let answer = json!({"jsonrpc": "2.0", "id": message["id"], "result": result});
    ([("content-type", "application/json")], answer.to_string())
}
