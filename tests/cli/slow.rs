//! An MCP server that answers a list or a call of the gateway only when the test lets it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use axum::{Router, routing::post};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// The server. It ends with the test.
pub(crate) struct Slow {
    pub(crate) address: SocketAddr,
    answers: watch::Sender<bool>,
    waiting: Arc<AtomicUsize>,
}

impl Slow {
    /// Starts the server on a free port. At first, it answers at once.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (answers, answered) = watch::channel(true);
        let waiting = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&waiting);
        let app = Router::new().route(
            "/mcp",
            post(async move |headers: HeaderMap, body: Bytes| {
                let message: Value = serde_json::from_slice(&body).expect("JSON");
                let method = message["method"].as_str().unwrap_or_default();
                let agent = headers.get("user-agent").map(|it| it.as_bytes());
                // `run` itself also asks the server, for its table.
                let is_of_gateway = agent.is_none_or(|it| !it.starts_with(b"mcp-gateway"));
                if is_of_gateway && method != "server/discover" {
                    count.fetch_add(1, Ordering::SeqCst);
                    let is_open = answered.clone().wait_for(|answers| *answers).await.is_ok();
                    assert!(is_open, "the test still runs");
                    count.fetch_sub(1, Ordering::SeqCst);
                }
                answer(&message)
            }),
        );
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self {
            address,
            answers,
            waiting,
        }
    }

    /// Lets the server answer at once, or not at all.
    pub(crate) fn answers(&self, answers: bool) {
        self.answers.send_replace(answers);
    }

    /// Waits until this many requests wait for their answer.
    pub(crate) async fn until_waiting(&self, requests: usize) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.waiting.load(Ordering::SeqCst) != requests {
            assert!(Instant::now() < deadline, "{:?} wait", self.waiting);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn answer(message: &Value) -> impl IntoResponse + use<> {
    let result = match message["method"].as_str() {
        Some("server/discover") => json!({
            "resultType": "complete", "supportedVersions": ["2026-07-28"],
            "capabilities": {"tools": {}}, "ttlMs": 0, "cacheScope": "private",
        }),
        Some("tools/list") => {
            let tool = json!({"name": "wait", "inputSchema": {"type": "object"}});
            json!({"resultType": "complete", "tools": [tool], "ttlMs": 0, "cacheScope": "private"})
        }
        _ => {
            json!({"resultType": "complete", "content": [{"type": "text", "text": "waited"}]})
        }
    };
    let answer = json!({"jsonrpc": "2.0", "id": message["id"], "result": result});
    ([("content-type", "application/json")], answer.to_string())
}
