//! Messages as clients send them.

use super::http::Request;

pub(crate) const MODERN: &str = "2026-07-28";

/// The `_meta` member that every modern request has in `params`.
pub(crate) const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;

/// A modern request without other parameters; `id` is JSON text.
pub(crate) fn modern(id: &str, method: &str) -> Request {
    request(id, method, "")
}

/// A modern call of a tool; `arguments` is JSON text.
pub(crate) fn call(id: &str, tool: &str, arguments: &str) -> Request {
    let params = format!(r#""name":"{tool}","arguments":{arguments},"#);
    request(id, "tools/call", &params).header("mcp-name", tool)
}

/// A modern request whose `params` have these members: JSON text with a comma after each member.
pub(crate) fn request(id: &str, method: &str, params: &str) -> Request {
    Request::post(format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{{params}{META}}}}}"#
    ))
    .header("mcp-protocol-version", MODERN)
    .header("mcp-method", method)
}

/// A modern request of a method that names a tool, a prompt or a resource.
pub(crate) fn about(id: &str, method: &str, name: &str) -> Request {
    let member = if method == "resources/read" {
        "uri"
    } else {
        "name"
    };
    request(id, method, &format!(r#""{member}":"{name}","#)).header("mcp-name", name)
}

/// A modern `completion/complete` request about `reference`, which is JSON text.
pub(crate) fn completion(reference: &str) -> Request {
    let params = format!(r#""ref":{reference},"argument":{{"name":"a+x a__x","value":"v"}},"#);
    request("1", "completion/complete", &params)
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
