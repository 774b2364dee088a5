//! Messages as clients send them.

use super::http::Request;

pub(crate) const MODERN: &str = "2026-07-28";

/// What every modern request has in `params`.
pub(crate) const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;

/// A modern request without parameters of its own; `id` is JSON text.
pub(crate) fn modern(id: &str, method: &str) -> Request {
    request(id, method, "")
}

/// A modern call of a tool, whose arguments are JSON text.
pub(crate) fn call(id: &str, tool: &str, arguments: &str) -> Request {
    let params = format!(r#""name":"{tool}","arguments":{arguments},"#);
    request(id, "tools/call", &params).header("mcp-name", tool)
}

fn request(id: &str, method: &str, params: &str) -> Request {
    Request::post(format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{{params}{META}}}}}"#
    ))
    .header("mcp-protocol-version", MODERN)
    .header("mcp-method", method)
}

/// A request of a legacy client; `params` is JSON text.
pub(crate) fn legacy(id: &str, method: &str, params: &str) -> Request {
    Request::post(format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#
    ))
}

/// The first request of a legacy client.
pub(crate) fn initialize() -> Request {
    legacy(
        "1",
        "initialize",
        r#"{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"test","version":"1"}}"#,
    )
}
