//! An MCP server for the tests.

use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse as _;
use axum::routing::post;
use serde_json::{Value, json};

/// A modern server with two tools, `forecast` and `hidden`.
pub(crate) struct McpServer {
    pub(crate) port: u16,
    /// The values of the header `x-key` that the server has got, each value once.
    keys: Arc<Mutex<Vec<String>>>,
}

impl McpServer {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let keys = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&keys);
        let answer = async move |headers: HeaderMap, body: String| {
            let message: Value = serde_json::from_str(&body).unwrap_or_default();
            if let Some(key) = headers.get("x-key").and_then(|it| it.to_str().ok()) {
                let mut seen = seen.lock().unwrap();
                if !seen.iter().any(|it| it == key) {
                    seen.push(key.to_owned());
                }
            }
            let result = match message["method"].as_str() {
                Some("server/discover") => {
                    json!({"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}, "serverInfo": {"name": "a", "version": "1"}})
                }
                Some("tools/list") => {
                    json!({"tools": [{"name": "forecast"}, {"name": "hidden"}], "resultType": "complete"})
                }
                _ => return StatusCode::NOT_FOUND.into_response(),
            };
            let answer = json!({"jsonrpc": "2.0", "id": message["id"], "result": result});
            ([("content-type", "application/json")], answer.to_string()).into_response()
        };
        let pages = axum::Router::new().route("/mcp", post(answer));
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                axum::serve(listener, pages).await.unwrap();
            });
        });
        Self { port, keys }
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.keys.lock().unwrap().clone()
    }

    /// A Service and an MCPServer `name` for this server, in the namespace `team`. `more`
    /// has further fields of the MCPServer's `spec`.
    pub(crate) fn manifest(&self, name: &str, more: &str) -> String {
        let port = self.port;
        format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{ name: {name}, namespace: team }}\nspec: {{ type: ExternalName, externalName: localhost, ports: [{{ port: {port} }}] }}\n---\napiVersion: mcp.kagenti.com/v1alpha1\nkind: MCPServer\nmetadata: {{ name: {name}, namespace: team }}\nspec:\n  targetRef: {{ kind: Service, name: {name}, port: {port} }}\n{more}\n"
        )
    }
}
