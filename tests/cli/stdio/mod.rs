//! Servers that `run` starts, and with which it speaks over stdin and stdout.

mod commands;
mod processes;
mod sessions;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::http::{Answer, Request};
use crate::harness::message::{initialize, legacy};
use crate::harness::setup;
use crate::program::{Running, folder, save};

const WITHIN: Duration = Duration::from_secs(60);

/// The entry for `server.py` with these arguments, as in the file of an MCP client.
fn fixture(arguments: &[&str]) -> Value {
    let server = setup::repository().join("tests/cli/stdio/server.py");
    let server = server.to_str().expect("UTF-8");
    let arguments = [&[server], arguments].concat();
    json!({"command": "python3", "args": arguments})
}

/// A file of an MCP client with these servers.
fn client_file(servers: &Value) -> PathBuf {
    let file = folder().join(".mcp.json");
    write(&file, servers);
    file
}

/// A gateway with two servers, `a` and `b`, which both run `server.py`.
fn start_two() -> Running {
    Running::start(&client_file(
        &json!({"a": fixture(&["a"]), "b": fixture(&["b"])}),
    ))
}

fn write(file: &Path, servers: &Value) {
    save(file, &json!({"mcpServers": servers}).to_string());
}

/// A legacy client in its session.
struct Session {
    gateway: SocketAddr,
    id: String,
}

impl Session {
    async fn begin(gateway: SocketAddr) -> Self {
        Self::begin_with(gateway, initialize()).await
    }

    /// A session whose client declares the capability `elicitation`.
    async fn begin_with_elicitation(gateway: SocketAddr) -> Self {
        let params = r#"{"protocolVersion":"2025-11-25","capabilities":{"elicitation":{}},"clientInfo":{"name":"test","version":"1"}}"#;
        Self::begin_with(gateway, legacy("1", "initialize", params)).await
    }

    async fn begin_with(gateway: SocketAddr, first: Request) -> Self {
        let begun = first.send(gateway).await;
        assert_eq!(begun.status, 200, "{begun:?}");
        let id = begun.header("mcp-session-id").expect("a session");
        let id = id.to_owned();
        let session = Self { gateway, id };
        let initialized = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        assert_eq!(session.send(Request::post(initialized)).await.status, 202);
        session
    }

    async fn send(&self, request: Request) -> Answer {
        let request = request.header("mcp-session-id", &self.id);
        request.send(self.gateway).await
    }

    /// Calls a tool, and returns the text of its answer or of its error.
    async fn call(&self, tool: &str) -> String {
        let params = json!({"name": tool, "arguments": {}}).to_string();
        said(&self.send(legacy("7", "tools/call", &params)).await)
    }
}

/// The text of a tool's answer, or of an error.
fn said(answer: &Answer) -> String {
    let message = answer.json();
    let text = message.pointer("/result/content/0/text");
    let text = text.or(message.pointer("/error/message"));
    let text = text.and_then(Value::as_str);
    text.unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}

fn is_running(process: &str) -> bool {
    let found = Command::new("kill").args(["-0", process]).output();
    found.expect("kill").status.success()
}

/// Waits until `condition` is true.
async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + WITHIN;
    while !condition().await {
        assert!(Instant::now() < deadline, "not {what} within {WITHIN:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
