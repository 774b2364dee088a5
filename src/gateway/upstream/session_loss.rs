//! Recognizes that a server does not know a session any more: it answers with 404 (MCP 2025-11-25,
//! "Session Management"), and some servers with 400.

use std::borrow::Cow;

use crate::mcp::json;
use crate::mcp::message::is_same_id;

/// The JSON-RPC error code with which the SDKs of MCP refuse a session that they do not know.
pub const SESSION_NOT_FOUND: &str = "-32001";
/// Only this many bytes of a text are searched.
const LONGEST_TEXT: usize = 8192;

/// Whether a response to a request in a session says that the server has forgotten the session.
/// `id` is the JSON text of the request's id; `None` where it has none.
///
/// A 404 says so, unless it has a JSON-RPC error for this request with another reason. A 400 says
/// so if its text mentions the session.
pub fn is_session_lost(status: u16, body: &[u8], id: Option<&str>) -> bool {
    // Most responses have another status. Nobody need read their bodies here.
    if !matches!(status, 400 | 404) {
        return false;
    }
    let text = String::from_utf8_lossy(body);
    let error = RpcError::read(&text);
    match (status, error) {
        (404, Some(error)) if error.answers(id) => {
            error.code == SESSION_NOT_FOUND.parse().ok() || names_session(&error.message)
        }
        (404, _) => true,
        (400, Some(error)) => names_session(&error.message),
        (400, None) => names_session(&text),
        _ => false,
    }
}

/// Whether the JSON-RPC error `text` is about the session. An error about a parameter that has the
/// word "session" in its name is not.
pub fn is_about_session(text: &str) -> bool {
    const INVALID_PARAMS: &str = "-32602";
    RpcError::read(text).is_some_and(|error| {
        let is = |code: &str| error.code == code.parse().ok();
        is(SESSION_NOT_FOUND) || (!is(INVALID_PARAMS) && names_session(&error.message))
    })
}

/// A JSON-RPC error.
struct RpcError<'a> {
    id: Option<&'a str>,
    code: Option<f64>,
    message: Cow<'a, str>,
}

impl<'a> RpcError<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let (mut id, mut error) = (None, None);
        json::members(text, |name, value| match name.as_ref() {
            "id" => id = Some(value),
            "error" => error = Some(value),
            _ => {}
        })
        .ok()?;
        let error = error.filter(|error| error.starts_with('{'))?;
        let (mut code, mut message) = (None, Cow::Borrowed(""));
        json::members(error, |name, value| match name.as_ref() {
            "code" => code = value.parse().ok(),
            "message" => message = json::string(value).unwrap_or_default(),
            _ => {}
        })
        .ok()?;
        Some(Self { id, code, message })
    }

    fn answers(&self, id: Option<&str>) -> bool {
        let ids = self.id.zip(id);
        ids.is_some_and(|(own, id)| is_same_id(own, id))
    }
}

/// Whether the text has the word "session": alone, or as in "session ID", "sessionId" or
/// "session_id", perhaps after "mcp". A longer name, for example that of a tool, does not count.
pub fn names_session(text: &str) -> bool {
    const WORD: &str = "session";
    let start: String = text.chars().take(LONGEST_TEXT).collect();
    let text = start.to_ascii_lowercase();
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(WORD).any(|(at, _)| {
        let (before, from) = text.split_at_checked(at).unwrap_or_default();
        let after = from.strip_prefix(WORD).unwrap_or_default();
        let after = ["_id", "id"]
            .iter()
            .find_map(|id| after.strip_prefix(id))
            .unwrap_or(after);
        let before = ["mcp_", "mcp"]
            .iter()
            .find_map(|mcp| before.strip_suffix(mcp))
            .unwrap_or(before);
        !before.ends_with(is_part) && !after.starts_with(is_part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test(unsupported = test)]
    fn a_server_says_in_many_ways_that_a_session_is_lost() {
        let error = |id: &str, code: i64, message: &str| {
            format!(
                r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":"{message}"}}}}"#
            )
        };
        for (status, body, expected) in [
            (404, String::new(), true),
            (404, "Not Found".into(), true),
            (404, r#"{"detail":"Not Found"}"#.into(), true),
            (404, error("null", -32001, "Session not found"), true),
            (404, error("null", -32601, "Method not found"), true),
            (404, error("2", -32601, "Method not found"), true),
            (404, error("7", -32001, "?"), true),
            (404, error("7", -32000, "No such session"), true),
            (404, error("7", -32601, "Method not found"), false),
            (404, error("7.0", -32602, "Unknown tool: x"), false),
            (404, error("7", -32602, "Unknown tool: get_session"), false),
            (
                400,
                error("null", -32000, "Bad Request: No valid session ID provided"),
                true,
            ),
            (400, error("7", -32000, "Missing sessionId"), true),
            (400, error("7", -32600, "Mcp-Session-Id is unknown"), true),
            (400, error("7", -32000, "unknown session_id"), true),
            (
                400,
                "Bad Request: No valid session ID provided".into(),
                true,
            ),
            (400, "Invalid Session".into(), true),
            (400, error("7", -32000, "unknown mcp_session_id"), true),
            (400, r#"{"error":"mcpSessionId is missing"}"#.into(), true),
            (
                400,
                error("7", -32602, "Unknown tool: mcp_session_info"),
                false,
            ),
            (400, r#"{"error":"session expired"}"#.into(), true),
            (400, error("7", -32602, "Invalid params"), false),
            (400, error("7", -32602, "Unknown tool: session_info"), false),
            (400, error("7", -32602, "Unknown tool: my_session"), false),
            (400, error("7", -32602, "obsession, sessions"), false),
            (400, "Bad Request".into(), false),
            (400, String::new(), false),
            (200, error("7", -32000, "Session not found"), false),
            (500, error("7", -32000, "Session not found"), false),
        ] {
            let lost = is_session_lost(status, body.as_bytes(), Some("7"));
            assert_eq!(lost, expected, "{status} {body}");
        }
        assert!(is_session_lost(404, error("7", -1, "x").as_bytes(), None));
        assert!(is_session_lost(400, b"\xff session \xff", None));
    }
}
