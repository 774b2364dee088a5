//! The messages of clients.

use crate::Result;
use crate::client::Message;

pub(super) const VERSION: &str = "2026-07-28";
pub(super) const LEGACY_VERSION: &str = "2025-11-25";

/// The header with the id of a session.
pub(super) const SESSION: &str = "mcp-session-id";

/// A message of a modern client. `params` end with a comma, or are empty.
pub(super) fn modern(method: &str, params: &str) -> Result<Message> {
    let meta = format!(
        r#""_meta":{{"io.modelcontextprotocol/protocolVersion":"{VERSION}","io.modelcontextprotocol/clientInfo":{{"name":"bench","version":"1.0.0"}},"io.modelcontextprotocol/clientCapabilities":{{}}}}"#
    );
    let body =
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{params}{meta}}}}}"#);
    Message::new(body)
        .header("mcp-protocol-version", VERSION)?
        .header("mcp-method", method)
}

/// A call of a modern client.
pub(super) fn call(tool: &str, text: &str) -> Result<Message> {
    let params = format!(r#""name":"{tool}","arguments":{{"city":"{text}"}},"#);
    modern("tools/call", &params)?.header("mcp-name", tool)
}

/// A request of a legacy client in this session.
pub(super) fn legacy(session: &str, method: &str, params: &str) -> Result<Message> {
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{params}}}}}"#);
    in_session(body, session)
}

pub(super) fn legacy_call(session: &str, tool: &str) -> Result<Message> {
    let params = format!(r#""name":"{tool}","arguments":{{"city":"Zurich"}}"#);
    legacy(session, "tools/call", &params)
}

/// The first message of a legacy client.
pub(super) fn initialize() -> Message {
    Message::new(format!(
        r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"{LEGACY_VERSION}","capabilities":{{}},"clientInfo":{{"name":"bench","version":"1.0.0"}}}}}}"#
    ))
}

/// The second message of a legacy client.
pub(super) fn initialized(session: &str) -> Result<Message> {
    let body = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    in_session(body.to_owned(), session)
}

fn in_session(body: String, session: &str) -> Result<Message> {
    Message::new(body)
        .header("mcp-protocol-version", LEGACY_VERSION)?
        .header(SESSION, session)
}
