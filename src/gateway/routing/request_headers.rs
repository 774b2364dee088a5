//! The headers of a routed request: they say what the body says (MCP
//! 2026-07-28, standard request headers).

use crate::config::Server;
use crate::mcp::{self, header_value, method};

/// What the headers of a request to a server say.
#[derive(Debug)]
pub struct McpHeaders<'a> {
    /// Its method, where it is a request.
    pub method: Option<&'a str>,
    /// What the server calls what it is about.
    pub name: Option<&'a str>,
    /// The protocol version.
    pub version: Option<String>,
    /// The server's session.
    pub session: Option<&'a str>,
}

/// The headers to set on a request to `server`; `length` is that of the body,
/// where it was changed.
pub fn headers(
    server: &Server,
    heading: &McpHeaders<'_>,
    length: Option<usize>,
) -> Vec<(&'static str, String)> {
    let encoded = |value: &str| header_value::encode(value).into_owned();
    let mut headers = vec![
        (":path", server.path.clone()),
        (":authority", server.authority.clone()),
    ];
    headers.extend(heading.method.map(|it| (mcp::METHOD_HEADER, encoded(it))));
    // The header repeats a parameter that not every method has.
    let has_name = heading.method.and_then(method::name_param).is_some();
    let name = heading.name.filter(|_| has_name);
    headers.extend(name.map(|it| (mcp::NAME_HEADER, encoded(it))));
    let version = heading.version.as_deref();
    headers.extend(version.map(|it| (mcp::PROTOCOL_VERSION_HEADER, encoded(it))));
    let session = heading.session;
    headers.extend(session.map(|it| (mcp::SESSION_HEADER, it.to_owned())));
    headers.extend(length.map(|length| ("content-length", length.to_string())));
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
        let said = |heading: &McpHeaders<'_>, length| {
            let set = headers(server, heading, length);
            set.into_iter()
                .map(|(name, value)| format!("{name}: {value}"))
                .collect::<Vec<_>>()
        };
        let heading = McpHeaders {
            method: Some("tools/call"),
            name: Some("Ä"),
            version: Some("2026-07-28".into()),
            session: None,
        };
        assert_eq!(
            said(&heading, Some(7)),
            [
                ":path: /v1",
                ":authority: h",
                "mcp-method: tools/call",
                "mcp-name: =?base64?w4Q=?=",
                "mcp-protocol-version: 2026-07-28",
                "content-length: 7",
            ]
        );
        let heading = McpHeaders {
            method: Some("completion/complete"),
            name: Some("p"),
            version: None,
            session: Some("s"),
        };
        assert_eq!(
            said(&heading, None),
            [
                ":path: /v1",
                ":authority: h",
                "mcp-method: completion/complete",
                "mcp-session-id: s",
            ]
        );
    }
}
