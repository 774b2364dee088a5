//! The headers that the gateway sets on a routed request. The MCP headers repeat values of the body
//! (MCP 2026-07-28, standard request headers).

use std::borrow::Cow;
use std::fmt;

use crate::config::Server;
use crate::http::media_type;
use crate::mcp::{self, header_value, method};

/// The values of MCP's headers on a request to a server.
pub struct McpHeaders<'a> {
    /// The JSON-RPC method; absent where the body is a response, or there is none.
    pub method: Option<&'a str>,
    /// The server's own name for the tool, prompt or resource.
    pub name: Option<&'a str>,
    /// The protocol version.
    pub version: Option<&'a str>,
    /// The session id that the server gave. Anyone who has it can act in the session, so `Debug`
    /// does not show it.
    pub session: Option<&'a str>,
}

impl fmt::Debug for McpHeaders<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("McpHeaders")
            .field("method", &self.method)
            .field("name", &self.name)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// The `content-type` of messages that the gateway sends. With [`ACCEPT`], the server may answer
/// with a message or with a stream of events (MCP 2026-07-28, "Sending messages").
pub const CONTENT_TYPE: &str = media_type::JSON;
/// The `accept` of requests that the gateway sends.
pub const ACCEPT: &str = media_type::JSON_AND_EVENTS;
/// The `accept` of a request without a message, which opens a stream of events.
pub const ACCEPT_EVENTS: &str = "text/event-stream";

/// The body of a request to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestBody {
    /// There is no body: the request opens a stream of events.
    Nothing,
    /// The client's message, unchanged.
    Unchanged,
    /// The client's message, changed by the gateway, with this length in bytes.
    Changed(usize),
}

/// The headers to set on a request to `server` with this `body`, names and values. The gateway
/// writes its own `content-type` and `accept`: clients may send other forms of them that some
/// servers do not understand.
pub fn headers<'a>(
    server: &'a Server,
    values: &McpHeaders<'a>,
    body: RequestBody,
) -> Vec<(&'static str, Cow<'a, str>)> {
    let mut headers = Vec::with_capacity(8);
    headers.push((":path", server.path.as_str().into()));
    if server.rewrites_authority {
        headers.push((":authority", server.authority.as_str().into()));
    }
    match body {
        RequestBody::Nothing => headers.push(("accept", ACCEPT_EVENTS.into())),
        RequestBody::Unchanged | RequestBody::Changed(_) => {
            headers.push(("content-type", CONTENT_TYPE.into()));
            headers.push(("accept", ACCEPT.into()));
        }
    }
    let method = values.method;
    headers.extend(method.map(|it| (mcp::METHOD_HEADER, header_value::encode(it))));
    // `Mcp-Name` repeats a parameter that not all methods have.
    let has_name = values.method.and_then(method::name_param).is_some();
    let name = values.name.filter(|_| has_name);
    headers.extend(name.map(|it| (mcp::NAME_HEADER, header_value::encode(it))));
    let version = values.version;
    headers.extend(version.map(|it| (mcp::PROTOCOL_VERSION_HEADER, header_value::encode(it))));
    let session = values.session;
    headers.extend(session.map(|it| (mcp::SESSION_HEADER, it.into())));
    if let RequestBody::Changed(length) = body {
        headers.push(("content-length", length.to_string().into()));
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test(unsupported = test)]
    fn the_headers_say_what_the_body_says() {
        let config = br#"{"servers":[{"name":"w","path":"/v1","hostname":"h"}]}"#;
        let gateway = Config::parse(config).unwrap().gateway.unwrap();
        let server = &gateway.servers[0];
        let said = |values: &McpHeaders<'_>, body| {
            let set = headers(server, values, body);
            set.into_iter()
                .map(|(name, value)| format!("{name}: {value}"))
                .collect::<Vec<_>>()
        };
        let values = McpHeaders {
            method: Some("tools/call"),
            name: Some("Ä"),
            version: Some("2026-07-28"),
            session: None,
        };
        assert_eq!(
            said(&values, RequestBody::Changed(7)),
            [
                ":path: /v1",
                ":authority: h",
                "content-type: application/json",
                "accept: application/json, text/event-stream",
                "mcp-method: tools/call",
                "mcp-name: =?base64?w4Q=?=",
                "mcp-protocol-version: 2026-07-28",
                "content-length: 7",
            ]
        );
        let values = McpHeaders {
            method: Some("completion/complete"),
            name: Some("p"),
            version: None,
            session: Some("s"),
        };
        assert_eq!(
            said(&values, RequestBody::Unchanged),
            [
                ":path: /v1",
                ":authority: h",
                "content-type: application/json",
                "accept: application/json, text/event-stream",
                "mcp-method: completion/complete",
                "mcp-session-id: s",
            ]
        );
        let values = McpHeaders {
            method: None,
            name: None,
            version: None,
            session: Some("s"),
        };
        assert_eq!(
            said(&values, RequestBody::Nothing),
            [
                ":path: /v1",
                ":authority: h",
                "accept: text/event-stream",
                "mcp-session-id: s",
            ]
        );
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn the_route_rewrites_the_authority_where_the_filter_does_not() {
        let config = br#"{"rewriteAuthority":false,"servers":[{"name":"w","hostname":"h"}]}"#;
        let gateway = Config::parse(config).unwrap().gateway.unwrap();
        let values = McpHeaders {
            method: None,
            name: None,
            version: None,
            session: None,
        };
        let set = headers(&gateway.servers[0], &values, RequestBody::Nothing);
        let names: Vec<_> = set.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, [":path", "accept"]);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn debug_shows_no_session_id() {
        let values = McpHeaders {
            method: Some("tools/call"),
            name: None,
            version: None,
            session: Some("secret"),
        };
        let shown = format!("{values:?}");
        assert!(
            shown.contains("tools/call") && !shown.contains("secret"),
            "{shown}"
        );
    }
}
