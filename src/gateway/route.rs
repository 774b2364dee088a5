//! A call of the client's, made one of the server's: its prefix comes off in
//! the body by splicing, and the headers say what the body then says.

use crate::config::Server;
use crate::mcp::message::Params;
use crate::mcp::{self, json};

/// Where a call goes, and what becomes of its body.
#[derive(Debug)]
pub struct Route<'s> {
    /// The server.
    pub server: &'s Server,
    /// What the server calls the tool.
    pub own: String,
    /// The body as the server gets it; `None` where it stays as it is.
    pub body: Option<Vec<u8>>,
}

impl<'s> Route<'s> {
    /// Routes the call with this `body` and `params` to
    /// `server`, which calls it `own`; `None` when `params` is not of `body`.
    pub fn new(server: &'s Server, own: &str, body: &str, params: &Params<'_>) -> Option<Self> {
        let body = if server.prefix.is_empty() {
            None
        } else {
            Some(spliced(body, params, own)?)
        };
        Some(Self {
            server,
            own: own.to_owned(),
            body,
        })
    }

    /// The headers to set, given what the message says.
    pub fn headers(
        &self,
        method: &str,
        protocol_version: Option<&str>,
    ) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            (":path", self.server.path.clone()),
            (":authority", self.server.authority.clone()),
            (
                mcp::METHOD_HEADER,
                mcp::header_value::encode(method).into_owned(),
            ),
            (
                mcp::NAME_HEADER,
                mcp::header_value::encode(&self.own).into_owned(),
            ),
        ];
        headers.extend(protocol_version.map(|version| {
            (
                mcp::PROTOCOL_VERSION_HEADER,
                mcp::header_value::encode(version).into_owned(),
            )
        }));
        headers.extend(
            self.body
                .as_ref()
                .map(|body| ("content-length", body.len().to_string())),
        );
        headers
    }
}

/// `body` with `own` in place of `params.name`; everything else byte for byte.
fn spliced(body: &str, params: &Params<'_>, own: &str) -> Option<Vec<u8>> {
    let span = json::span(body, params.get("name")?)?;
    let mut out = Vec::with_capacity(body.len());
    out.extend_from_slice(body.get(..span.start)?.as_bytes());
    json::push_string(&mut out, own);
    out.extend_from_slice(body.get(span.end..)?.as_bytes());
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::mcp::Message;
    use wasm_bindgen_test::wasm_bindgen_test;

    fn routed(config: &str, body: &str) -> (String, Vec<(&'static str, String)>) {
        let servers = Config::parse(config.as_bytes())
            .unwrap()
            .gateway
            .unwrap()
            .servers;
        let message = Message::parse(body.as_bytes()).unwrap();
        let name = message.name().unwrap();
        let (server, own) = crate::gateway::names::resolve(&servers, &name).unwrap();
        let route = Route::new(server, own, body, message.params().unwrap()).unwrap();
        let headers = route.headers("tools/call", Some("2026-07-28"));
        (
            route
                .body
                .map_or(body.to_owned(), |body| String::from_utf8(body).unwrap()),
            headers,
        )
    }

    const PREFIXED: &str = r#"{"servers":[{"name":"w","path":"/v1","hostname":"h"}]}"#;

    #[wasm_bindgen_test(unsupported = test)]
    fn only_the_name_changes_in_the_body() {
        for (body, expected) in [
            (
                r#"{"jsonrpc":"2.0", "id":1,"method":"tools/call","params":{ "name" : "w__get", "arguments":{"name":"w__get","x":1.10}}} "#,
                r#"{"jsonrpc":"2.0", "id":1,"method":"tools/call","params":{ "name" : "get", "arguments":{"name":"w__get","x":1.10}}} "#,
            ),
            (
                r#"{"params":{"n\u0061me":"\u0077__g\u0065t"},"method":"tools/call","id":1,"jsonrpc":"2.0"}"#,
                r#"{"params":{"n\u0061me":"get"},"method":"tools/call","id":1,"jsonrpc":"2.0"}"#,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"w__\"\u00e4"}}"#,
                r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"\"ä"}}"#,
            ),
        ] {
            assert_eq!(routed(PREFIXED, body).0, expected);
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn the_headers_say_what_the_body_says() {
        let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"w__Ä"}}"#;
        let (spliced, headers) = routed(PREFIXED, body);
        let expected = [
            (":path", "/v1"),
            (":authority", "h"),
            ("mcp-method", "tools/call"),
            ("mcp-name", "=?base64?w4Q=?="),
            ("mcp-protocol-version", "2026-07-28"),
            ("content-length", &spliced.len().to_string()),
        ];
        assert_eq!(
            headers,
            expected.map(|(name, value)| (name, value.to_owned()))
        );
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn without_a_prefix_the_body_stays_as_it_is() {
        let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"\u0067et"}}"#;
        let (same, headers) = routed(r#"{"prefixMode":"NEVER","servers":[{"name":"w"}]}"#, body);
        assert_eq!(same, body);
        assert!(!headers.iter().any(|(name, _)| *name == "content-length"));
    }
}
