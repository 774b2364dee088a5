//! The messages of clients.

use crate::Result;
use crate::client::Message;
use crate::mcp::{SESSION, requests};

/// A call of a modern client.
pub(super) fn call(tool: &str, text: &str) -> Result<Message> {
    let params = format!(r#""name":"{tool}","arguments":{{"city":"{text}"}},"#);
    requests::modern("tools/call", &params)?.header("mcp-name", tool)
}

/// A request of a legacy client in this session.
pub(super) fn legacy(session: &str, method: &str, params: &str) -> Result<Message> {
    requests::legacy(method, params)?.header(SESSION, session)
}

pub(super) fn legacy_call(session: &str, tool: &str) -> Result<Message> {
    let params = format!(r#""name":"{tool}","arguments":{{"city":"Zurich"}}"#);
    legacy(session, "tools/call", &params)
}
