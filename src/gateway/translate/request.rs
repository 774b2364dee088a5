//! Translates a client's message for a server of the other era.
//!
//! [`Message::parse`] has checked the message: `params` and `params._meta` are objects, and no
//! member that is looked up here is there twice.

use crate::mcp::json::edit::{self, Edit};
use crate::mcp::lookalike::is_lookalike;
use crate::mcp::message::is_id;
use crate::mcp::{self, Message, json};

/// The members of `params._meta` that only modern requests have.
const MODERN_ONLY: &[&str] = &[
    mcp::PROTOCOL_VERSION_KEY,
    mcp::CLIENT_CAPABILITIES_KEY,
    mcp::CLIENT_INFO_KEY,
    mcp::LOG_LEVEL_KEY,
];

/// The changes that turn a modern request into one for a legacy server.
#[derive(PartialEq, Eq)]
pub struct LegacyRequest<'a> {
    /// The edits to make.
    pub edits: Vec<Edit>,
    /// The JSON text of the client's own progress token, where it has one.
    pub progress_token: Option<&'a str>,
}

/// The members that each modern request has in `params._meta`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ModernMeta<'a> {
    /// The `protocolVersion`, not as a JSON text.
    pub protocol_version: &'a str,
    /// The JSON text of `clientCapabilities`.
    pub capabilities: &'a str,
    /// The JSON text of `clientInfo`.
    pub info: Option<&'a str>,
}

/// Why a client's request cannot be sent to a server of the other era.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UntranslatableRequest {
    /// The other era has no such method.
    UnknownMethod,
    /// The message is not a request. The gateway translates requests only, so this is an error in
    /// the gateway.
    NotARequest,
    /// The progress token is too long. Each notification of progress repeats it.
    TokenTooLong,
}

/// Changes the modern request `message` into one for a legacy server. The request loses the members
/// that only modern requests have. It gets the id `id`, and if it has a progress token, the token
/// `progress_token`; both are JSON texts. If these are not longer than 30 bytes, the request does
/// not get longer, since the lost members are longer.
///
/// Gives `None` when the message cannot be edited. [`Message::parse`] makes sure that this does not
/// happen.
pub fn to_legacy<'a>(
    message: &Message<'a>,
    id: &str,
    progress_token: &str,
) -> Option<LegacyRequest<'a>> {
    let mut edits = Vec::new();
    if message.id().is_some() {
        edits.push(with_id(message, id)?);
    }
    let params = message.params();
    let token = params.and_then(|params| params.meta.progress_token);
    let token = token.filter(|token| is_id(token));
    if let Some(token) = token {
        edits.push(Edit::replace(message.text, token, progress_token)?);
    }
    if let Some(meta) = params.and_then(|params| params.get("_meta")) {
        // Other requests use the same session, so the server must not read a token of another
        // request here.
        edits.extend(edit::remove(message.text, meta, |name| {
            MODERN_ONLY.contains(&name) || is_lookalike(name, &[mcp::PROGRESS_TOKEN])
        })?);
    }
    Some(LegacyRequest {
        edits,
        progress_token: token,
    })
}

/// The edits that change the legacy request or notification `message` into one for a modern server.
/// They add the members of `meta` to `params._meta`.
///
/// Gives `None` when `message` is a response.
pub fn to_modern(message: &Message<'_>, meta: ModernMeta<'_>) -> Option<Vec<Edit>> {
    let version = json::quoted(meta.protocol_version);
    let mut members = vec![
        (mcp::PROTOCOL_VERSION_KEY, version.as_str()),
        (mcp::CLIENT_CAPABILITIES_KEY, meta.capabilities),
    ];
    members.extend(meta.info.map(|info| (mcp::CLIENT_INFO_KEY, info)));
    let params = message.params()?;
    if let Some(meta) = params.get("_meta") {
        return edit::set(message.text, meta, &members);
    }
    let meta = edit::object(&members);
    let with_meta = [("_meta", meta.as_str())];
    match params.text {
        Some(text) => edit::set(message.text, text, &with_meta),
        None => edit::set(
            message.text,
            message.text,
            &[("params", &edit::object(&with_meta))],
        ),
    }
}

/// The edit that gives the request or response `message` the id `id`, a JSON text. Gives
/// `None` when `message` is a notification.
pub fn with_id(message: &Message<'_>, id: &str) -> Option<Edit> {
    Edit::replace(message.text, message.id()?, id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use wasm_bindgen_test::wasm_bindgen_test;

    const VERSION: &str = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28""#;
    const CAPABILITIES: &str = r#""io.modelcontextprotocol/clientCapabilities":{}"#;

    fn parsed(body: &str) -> Message<'_> {
        Message::parse(body.as_bytes()).unwrap_or_else(|why| panic!("{why:?}: {body}"))
    }

    fn applied(body: &str, edits: Vec<Edit>) -> String {
        String::from_utf8(edit::apply(body, edits)).unwrap()
    }

    fn legacy(body: &str) -> (String, Option<String>) {
        let message = parsed(body);
        let legacy = to_legacy(&message, r#""gw-1""#, "77").unwrap();
        let token = legacy.progress_token.map(str::to_owned);
        (applied(body, legacy.edits), token)
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_legacy_server_gets_nothing_that_only_modern_requests_say() {
        for (body, expected, token) in [
            (
                format!(
                    r#"{{"jsonrpc":"2.0","id":1,"method":"a","params":{{"_meta":{{{VERSION},{CAPABILITIES}}}}}}}"#
                ),
                r#"{"jsonrpc":"2.0","id":"gw-1","method":"a","params":{"_meta":{}}}"#,
                None,
            ),
            // The members are found at any place, with any whitespace, and with escapes.
            (
                format!(
                    r#" {{ "params" : {{ "_m\u0065ta" : {{ "x" : 1.10 , {VERSION} , "progressToken" : "t" , {CAPABILITIES} , "io.modelcontextprotocol\/clientInfo":{{"name":"c"}},"io.modelcontextprotocol/logLevel":"debug" }} , "name":"id" }}, "method":"a", "\u0069d" : 1.5 ,"jsonrpc":"2.0" }} "#
                ),
                r#" { "params" : { "_m\u0065ta" : { "x" : 1.10 , "progressToken" : 77 } , "name":"id" }, "method":"a", "\u0069d" : "gw-1" ,"jsonrpc":"2.0" } "#,
                Some(r#""t""#),
            ),
            // Members that both eras have stay, at any depth.
            (
                format!(
                    r#"{{"jsonrpc":"2.0","id":1,"method":"a","params":{{"{0}":1,"_meta":{{{VERSION},"io.modelcontextprotocol/related-task":{{"{0}":1}},{CAPABILITIES},"traceparent":"00"}}}}}}"#,
                    mcp::LOG_LEVEL_KEY
                ),
                r#"{"jsonrpc":"2.0","id":"gw-1","method":"a","params":{"io.modelcontextprotocol/logLevel":1,"_meta":{"io.modelcontextprotocol/related-task":{"io.modelcontextprotocol/logLevel":1},"traceparent":"00"}}}"#,
                None,
            ),
            // Values that are not a token, but that some servers read as one.
            (
                format!(
                    r#"{{"jsonrpc":"2.0","id":1,"method":"a","params":{{"progressToken":1,"_meta":{{"progressToken":null,"ProgressToken":2,{VERSION},{CAPABILITIES}}}}}}}"#
                ),
                r#"{"jsonrpc":"2.0","id":"gw-1","method":"a","params":{"progressToken":1,"_meta":{"progressToken":null}}}"#,
                None,
            ),
            (
                format!(r#"{{"jsonrpc":"2.0","method":"n","params":{{"_meta":{{{VERSION}}}}}}}"#),
                r#"{"jsonrpc":"2.0","method":"n","params":{"_meta":{}}}"#,
                None,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"a"}"#.to_owned(),
                r#"{"jsonrpc":"2.0","id":"gw-1","method":"a"}"#,
                None,
            ),
        ] {
            assert_eq!(
                legacy(&body),
                (expected.to_owned(), token.map(str::to_owned)),
                "{body}"
            );
        }
    }

    /// All orders of these texts.
    fn orders(of: &[&'static str]) -> Vec<Vec<&'static str>> {
        if of.is_empty() {
            return vec![Vec::new()];
        }
        let mut all = Vec::new();
        for at in 0..of.len() {
            let mut rest = of.to_vec();
            let first = rest.remove(at);
            all.extend(orders(&rest).into_iter().map(|mut order| {
                order.insert(0, first);
                order
            }));
        }
        all
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_request_never_gets_longer_on_its_way_to_a_legacy_server() {
        let long = format!("\"{}\"", "x".repeat(28));
        for extra in [
            &[][..],
            &[r#""progressToken":1"#],
            &[r#""progressToken" : "" "#, r#""x":{"a":[1,"}"]}"#],
            &[
                r#""\u0070rogressToken":0"#,
                r#""io.modelcontextprotocol/logLevel":"info""#,
            ],
        ] {
            let mut members = vec![VERSION, CAPABILITIES];
            members.extend(extra);
            for order in orders(&members) {
                for (comma, id) in [(",", "1"), (" ,\n", r#""""#), (",\t", "-0")] {
                    let meta = format!(
                        "{{{}{}{}}}",
                        comma.replace(',', ""),
                        order.join(comma),
                        comma.replace(',', "")
                    );
                    for body in [
                        format!(
                            r#"{{"id":{id},"jsonrpc":"2.0","method":"a","params":{{"_meta":{meta}}}}}"#
                        ),
                        format!(
                            r#"{{"jsonrpc":"2.0","params":{{"name":"x","_meta" : {meta},"y":1}},"method":"a", "id":{id}}}"#
                        ),
                    ] {
                        let message = parsed(&body);
                        let legacy = to_legacy(&message, &long, &long).unwrap();
                        let edited = applied(&body, legacy.edits);
                        assert!(edited.len() <= body.len(), "{body}");
                        let mut tree: Value = serde_json::from_str(&body).unwrap();
                        let alias: Value = serde_json::from_str(&long).unwrap();
                        tree["id"] = alias.clone();
                        let meta = tree["params"]["_meta"].as_object_mut().unwrap();
                        meta.retain(|name, _| !MODERN_ONLY.contains(&name.as_str()));
                        assert_eq!(
                            legacy.progress_token.is_some(),
                            meta.contains_key("progressToken")
                        );
                        meta.entry("progressToken")
                            .and_modify(|token| *token = alias);
                        if legacy.progress_token.is_none() {
                            meta.remove("progressToken");
                        }
                        assert_eq!(
                            serde_json::from_str::<Value>(&edited).unwrap(),
                            tree,
                            "{body}"
                        );
                    }
                }
            }
        }
    }

    fn modern(body: &str, info: Option<&str>) -> String {
        let meta = ModernMeta {
            protocol_version: "2026-07-28",
            capabilities: r#"{"x":{}}"#,
            info,
        };
        applied(body, to_modern(&parsed(body), meta).unwrap())
    }

    const META: &str = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"x":{}}"#;

    #[wasm_bindgen_test(unsupported = test)]
    fn a_modern_server_gets_what_every_modern_request_says() {
        // In the expected text, `@` is where the members of `meta` go.
        for (body, expected) in [
            (
                r#" { "jsonrpc":"2.0","id":1,"method":"a" }"#,
                r#" {"params":{"_meta":{@}}, "jsonrpc":"2.0","id":1,"method":"a" }"#,
            ),
            (
                r#"{"params" : { } ,"jsonrpc":"2.0","id":1,"method":"a"}"#,
                r#"{"params" : {"_meta":{@} } ,"jsonrpc":"2.0","id":1,"method":"a"}"#,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"a","par\u0061ms":{ "name":"x","arguments":{"_meta":{}}}}"#,
                r#"{"jsonrpc":"2.0","id":1,"method":"a","par\u0061ms":{"_meta":{@}, "name":"x","arguments":{"_meta":{}}}}"#,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"_meta":{ }}}"#,
                r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"_meta":{@ }}}"#,
            ),
            (
                r#"{"jsonrpc":"2.0","method":"n","params":{"x":1,"\u005fmeta":{"progressToken":1.0}}}"#,
                r#"{"jsonrpc":"2.0","method":"n","params":{"x":1,"\u005fmeta":{@,"progressToken":1.0}}}"#,
            ),
        ] {
            assert_eq!(modern(body, None), expected.replace('@', META), "{body}");
            let info = format!(r#"{META},"io.modelcontextprotocol/clientInfo":{{"name":"c"}}"#);
            let with_info = modern(body, Some(r#"{"name":"c"}"#));
            assert_eq!(with_info, expected.replace('@', &info), "{body}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_a_legacy_request_says_of_its_own_is_replaced() {
        let body = r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"_meta":{"io.modelcontextprotocol/clientInf\u006f":1,"progressToken":"t","io.modelcontextprotocol/clientCapabilities" : null,"io.modelcontextprotocol/protocolVersion":"2025-11-25"}}}"#;
        let edited = modern(body, Some(r#"{"name":"c"}"#));
        let expected = r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"_meta":{"io.modelcontextprotocol/clientInf\u006f":{"name":"c"},"progressToken":"t","io.modelcontextprotocol/clientCapabilities" : {"x":{}},"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;
        assert_eq!(edited, expected);
        assert_eq!(
            serde_json::from_str::<Value>(&edited).unwrap()["id"],
            json!(1)
        );
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn an_id_is_replaced_where_one_is() {
        for (body, expected) in [
            (
                r#"{"result":{"id":1},"i\u0064" : "gw-1", "jsonrpc":"2.0"}"#,
                Some(r#"{"result":{"id":1},"i\u0064" : 7, "jsonrpc":"2.0"}"#),
            ),
            (
                r#"{"jsonrpc":"2.0","error":{"code":1,"message":""},"id":-1}"#,
                Some(r#"{"jsonrpc":"2.0","error":{"code":1,"message":""},"id":7}"#),
            ),
            (r#"{"jsonrpc":"2.0","method":"n","params":{"id":1}}"#, None),
        ] {
            let edit = with_id(&parsed(body), "7");
            let edited = edit.map(|edit| applied(body, vec![edit]));
            assert_eq!(edited.as_deref(), expected, "{body}");
        }
        let body = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
        let meta = ModernMeta {
            protocol_version: "",
            capabilities: "{}",
            info: None,
        };
        assert_eq!(to_modern(&parsed(body), meta), None);
    }
}
