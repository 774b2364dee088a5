//! Every error response that the filter itself sends, in one table: HTTP status,
//! JSON-RPC code, message, and the value of `wasm.mcp.status`.
//!
//! Clients fall back to an older protocol on a 4xx whose body is not a JSON-RPC
//! error. So each of these bodies is a JSON-RPC error.

use std::borrow::Cow;

use super::Status;
use super::export::LONGEST;
use crate::http::{Reply, challenge};
use crate::mcp::client_capabilities::TASKS_EXTENSION;
use crate::mcp::json::object::push_object;
use crate::mcp::json::push_strings;
use crate::mcp::jsonrpc::{
    self, INTERNAL_ERROR, INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, PARSE_ERROR,
};
use crate::mcp::list::ListKind;
use crate::mcp::resource_uri::NotNormal;
use crate::mcp::standard_headers::Mismatch;
use crate::mcp::{Invalid, version};

/// Why the filter refuses a request.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub enum Refusal {
    /// The body is not a message.
    Body(Invalid),
    /// The body is longer than this many bytes.
    BodyTooLarge(usize),
    /// The body did not start within this many seconds.
    BodyTimeout(u64),
    /// No body of a request that waits for it has ever arrived: Envoy does not hold
    /// requests for this filter.
    NotHeld,
    /// `CONNECT`, or a request to change the protocol (RFC 9110 section 7.8).
    Upgrade,
    /// `content-type` is not JSON in UTF-8, or the body is content-encoded.
    ContentType,
    /// `accept` excludes a media type that a response may have: those it must include.
    Accept(&'static str),
    /// The HTTP method is not allowed: the methods that are.
    HttpMethod(&'static str),
    /// `DELETE` without `Mcp-Session-Id`.
    NoSession,
    /// The origin is not allowed.
    Origin,
    /// The request has no access token, and `oauth.requireToken` demands one.
    TokenMissing,
    /// The request for the metadata of a resource has no valid host to name in it.
    Host,
    /// A standard header does not match the body.
    Mirror(Mismatch),
    /// A required member of `params._meta` is missing: its name.
    MetaMissing(&'static str),
    /// The protocol version is not supported: the version that was requested.
    Version(String),
    /// A response, although no request of a server waits for one.
    UnexpectedResponse,
    /// A legacy request has no session id.
    SessionMissing,
    /// The session id is not valid, or the session is over or another client's.
    SessionUnknown,
    /// The session has another protocol version: the version that the request
    /// names, and the session's.
    SessionVersion(String, &'static str),
    /// `Last-Event-ID` is not the id of an event of this session.
    UnknownEvent,
    /// The request does not say who the caller is, as `session.identity` requires.
    Identity,
    /// The client's protocol version has no form for the response of the server.
    NotInVersion,
    /// A header that a server requires is missing: its name.
    HeaderMissing(String),
    /// The value of a header that is forwarded to a server is not text: its name.
    HeaderInvalid(String),
    /// A fault in the gateway.
    Internal,
    /// A value is too long for later filters, or for a session: which value, and
    /// the limit in bytes.
    TooLong(&'static str, usize),
    /// A value cannot be exported to later filters: which value.
    NotExportable(&'static str),
    /// The URI of a resource is not in normal form.
    ResourceUri(NotNormal),
    /// A number to export is too large for a double (RFC 8259 section 6): which value
    /// has it.
    NotFinite(&'static str),
    /// The method does not exist here.
    UnknownMethod {
        /// As the client named it.
        method: String,
        /// The client is modern, so the HTTP status says it, too.
        modern: bool,
    },
    /// Nothing of this kind has this name.
    UnknownName(ListKind, String),
    /// No task of the caller's has this id.
    UnknownTask,
    /// A modern client asks about a task, and does not declare that it can have tasks
    /// (SEP-2663).
    TasksUndeclared,
    /// A cursor: no list of the gateway has a second page.
    Cursor,
    /// `params` has no string in the member that names the subject of the method.
    NameMissing(&'static str),
    /// Where the configuration changes the arguments of a call, this is no object.
    NotAnObject(&'static str),
    /// A parameter, or an argument of a tool of the gateway's own, is not what it must be: what it
    /// must be.
    Argument(&'static str),
    /// No server takes the level of `logging/setLevel`: a sentence for each.
    Level(Vec<String>),
    /// Servers failed: a sentence for each.
    Servers(Vec<String>),
    /// `authorization` denies it.
    Denied {
        /// The method, and the name that the client used.
        what: String,
        /// All scopes that it needs, if the caller lacks one of them.
        scopes: Option<Vec<String>>,
    },
    /// The definition of the tool is not as pinned (`pins.policy: DENY`).
    ToolChanged,
    /// Servers refused the caller's credentials with this status, 401 or 403: a
    /// sentence for each.
    CallerRefused(u16, Vec<String>),
    /// The server that was called did not respond in time: a sentence.
    ServerTimeout(String),
    /// The memory of the worker is used up (`memory.heldBytes`).
    Memory,
    /// There are more of these than the number allows.
    TooMany(&'static str, usize),
}

// The code that MCP's SDKs send with the 404 for an unknown session, up to 2025-11-25.
const SESSION_NOT_FOUND: i64 = -32001;
// The HTTP status, since neither JSON-RPC nor MCP has a code for it.
const UNAUTHORIZED: i64 = 401;
const FORBIDDEN: i64 = 403;
// MCP 2026-07-28, error codes.
const HEADER_MISMATCH: i64 = -32020;
const MISSING_CAPABILITY: i64 = -32021;
const UNSUPPORTED_VERSION: i64 = -32022;

/// The longest text of a client or a server in an error message, in characters.
const LONGEST_EXCERPT: usize = 256;

/// What the client and the log are told where Envoy does not hold requests.
pub const NOT_HELD: &str = "Envoy does not hold requests for this filter: set allow_on_headers_stop_iteration (Envoy 1.36)";

impl Refusal {
    /// HTTP status, JSON-RPC code, and the value of `wasm.mcp.status`.
    fn row(&self) -> (u16, i64, Status) {
        match self {
            Self::Body(Invalid::NotJson(_)) => (400, PARSE_ERROR, Status::ParseError),
            Self::Body(Invalid::NotJsonRpc(_)) => (400, INVALID_REQUEST, Status::NotJsonRpc),
            Self::Body(Invalid::DuplicateKey(_)) => (400, INVALID_REQUEST, Status::DuplicateKeys),
            Self::BodyTooLarge(_) => (413, INVALID_REQUEST, Status::BodyTooLarge),
            Self::BodyTimeout(_) => (408, INVALID_REQUEST, Status::BodyTimeout),
            Self::NotHeld => (503, INTERNAL_ERROR, Status::NotHeld),
            Self::Upgrade => (400, INVALID_REQUEST, Status::RejectNoMcp),
            Self::ContentType => (415, INVALID_REQUEST, Status::RejectNoMcp),
            Self::Accept(_) => (406, INVALID_REQUEST, Status::RejectNoMcp),
            Self::HttpMethod(_) => (405, INVALID_REQUEST, Status::RejectNoMcp),
            Self::NoSession => (400, INVALID_REQUEST, Status::RejectNoMcp),
            Self::Origin => (403, INVALID_REQUEST, Status::Origin),
            Self::TokenMissing => (401, UNAUTHORIZED, Status::Unauthorized),
            Self::Host => (400, INVALID_REQUEST, Status::InvalidRequest),
            Self::Mirror(_) => (400, HEADER_MISMATCH, Status::HeaderMismatch),
            Self::MetaMissing(_) => (400, INVALID_PARAMS, Status::InvalidRequest),
            Self::Version(_) => (400, UNSUPPORTED_VERSION, Status::UnsupportedVersion),
            Self::TasksUndeclared => (400, MISSING_CAPABILITY, Status::InvalidRequest),
            Self::UnexpectedResponse
            | Self::HeaderMissing(_)
            | Self::HeaderInvalid(_)
            | Self::ResourceUri(_) => (400, INVALID_REQUEST, Status::InvalidRequest),
            Self::SessionMissing | Self::SessionVersion(..) | Self::UnknownEvent => {
                (400, INVALID_REQUEST, Status::Session)
            }
            Self::SessionUnknown => (404, SESSION_NOT_FOUND, Status::Session),
            Self::Identity => (403, INVALID_REQUEST, Status::Session),
            Self::NotInVersion => (200, INTERNAL_ERROR, Status::ServerFailed),
            Self::Internal => (500, INTERNAL_ERROR, Status::ServerFailed),
            Self::TooLong(..) | Self::NotExportable(_) | Self::NotFinite(_) => {
                (400, INVALID_REQUEST, Status::NotExportable)
            }
            Self::UnknownMethod { modern: true, .. } => (404, METHOD_NOT_FOUND, Status::Unknown),
            Self::UnknownMethod { modern: false, .. } => (200, METHOD_NOT_FOUND, Status::Unknown),
            Self::UnknownName(..) | Self::UnknownTask | Self::NameMissing(_) | Self::Cursor => {
                (200, INVALID_PARAMS, Status::Unknown)
            }
            Self::Argument(_) | Self::Level(_) | Self::NotAnObject(_) => {
                (200, INVALID_PARAMS, Status::InvalidRequest)
            }
            Self::Denied { .. } | Self::ToolChanged => (403, FORBIDDEN, Status::Denied),
            Self::Servers(_) => (502, INTERNAL_ERROR, Status::ServerFailed),
            Self::CallerRefused(status, _) => (*status, INTERNAL_ERROR, Status::ServerFailed),
            Self::ServerTimeout(_) => (504, INTERNAL_ERROR, Status::ServerFailed),
            Self::Memory => (503, INTERNAL_ERROR, Status::Memory),
            Self::TooMany(..) => (400, INVALID_PARAMS, Status::InvalidRequest),
        }
    }

    /// The value of `wasm.mcp.status`.
    pub fn status(&self) -> Status {
        self.row().2
    }

    /// What went wrong and, if the client can fix it, how.
    fn message(&self) -> Cow<'static, str> {
        match self {
            Self::Body(invalid) => invalid.to_string().into(),
            Self::BodyTooLarge(limit) => format!("the body is over {limit} bytes").into(),
            Self::BodyTimeout(seconds) => format!("the body did not start within {seconds} s").into(),
            Self::NotHeld => NOT_HELD.into(),
            Self::Upgrade => "this endpoint allows neither CONNECT nor the header upgrade".into(),
            Self::ContentType => {
                "content-type must be application/json in UTF-8, without content-encoding".into()
            }
            Self::Accept(needed) => format!("accept must include {needed}").into(),
            Self::HttpMethod(allow) => format!("this endpoint allows only the methods {allow}").into(),
            Self::NoSession => "Mcp-Session-Id is missing: DELETE needs the id of the session to end".into(),
            Self::Origin => "this origin is not allowed: cors.allowOrigins does not list it".into(),
            Self::TokenMissing => "Unauthorized: send an access token as Authorization: Bearer".into(),
            Self::Host => "the Host header must be a host name, with or without a port".into(),
            Self::Mirror(mismatch) => mismatch.to_string().into(),
            Self::MetaMissing(member) => format!("params._meta must have {member}").into(),
            Self::Version(requested) => format!(
                "protocol version {} is not supported, use {} with params._meta",
                excerpt(requested),
                version::MODERN.join(", ")
            )
            .into(),
            Self::UnexpectedResponse => "no request is waiting for this response".into(),
            Self::SessionMissing => {
                "Mcp-Session-Id is missing: initialize first, or send params._meta of MCP 2026-07-28".into()
            }
            Self::SessionUnknown => "Session not found: initialize again".into(),
            Self::SessionVersion(claimed, own) => {
                let claimed = excerpt(claimed);
                format!("MCP-Protocol-Version {claimed} differs from that of the session: send {own}").into()
            }
            Self::UnknownEvent => "Last-Event-ID is not the id of an event in this session".into(),
            Self::Identity => {
                "the request must identify its caller exactly once, as session.identity requires".into()
            }
            Self::NotInVersion => "not supported in this protocol version".into(),
            Self::HeaderMissing(name) => format!("the header {name} is missing").into(),
            Self::HeaderInvalid(name) => format!(
                "the value of the header {name} is not valid: it must be UTF-8 without control characters"
            )
            .into(),
            Self::Internal => "the gateway failed".into(),
            Self::TooLong(what, longest) => {
                format!("{what} is too long: longer than {longest} bytes").into()
            }
            Self::NotExportable(what) => {
                format!("{what} must be valid Unicode without NUL, and must not be nested too deeply").into()
            }
            Self::ResourceUri(why) => {
                format!("the resource URI is not in normal form (RFC 3986 section 6.2.2): it {why}").into()
            }
            Self::NotFinite(what) => {
                format!("{what} must not contain a number that is too large for a double").into()
            }
            Self::UnknownMethod { method, .. } => format!("Method not found: {}", excerpt(method)).into(),
            Self::UnknownName(kind, name) => {
                format!("Unknown {}: {}", kind.noun(), excerpt(name)).into()
            }
            Self::UnknownTask => "Task not found: the id is wrong, expired or another caller's".into(),
            Self::TasksUndeclared => format!(
                "the client must declare the extension {TASKS_EXTENSION} in its capabilities"
            )
            .into(),
            Self::Cursor => "unknown cursor: the lists of this gateway have only one page".into(),
            Self::NameMissing(member) => format!("params.{member} must be a string").into(),
            Self::NotAnObject(member) => format!("{member} must be an object").into(),
            Self::ToolChanged => "tool definition changed".into(),
            Self::Argument(must) => (*must).into(),
            Self::Denied { what, scopes: None } => format!("Denied: {}", excerpt(what)).into(),
            Self::Denied {
                what,
                scopes: Some(scopes),
            } => format!("Denied: {} needs the scopes {}", excerpt(what), scopes.join(" ")).into(),
            Self::Level(sentences) | Self::Servers(sentences) | Self::CallerRefused(_, sentences) => sentences.join("; ").into(),
            Self::ServerTimeout(sentence) => sentence.clone().into(),
            Self::Memory => "the gateway has too little memory for this request now: try again later".into(),
            Self::TooMany(what, most) => format!("{what} has more than {most} entries").into(),
        }
    }

    /// `error.data`, if the specification defines it for this error.
    fn data(&self) -> Option<String> {
        let mut data = Vec::new();
        match self {
            Self::Version(requested) => push_object(&mut data, |data| {
                push_strings(data.member("supported"), version::MODERN);
                data.string("requested", &excerpt(requested));
            }),
            Self::TasksUndeclared => push_object(&mut data, |data| {
                let required = format!(r#"{{"extensions":{{"{TASKS_EXTENSION}":{{}}}}}}"#);
                data.member("requiredCapabilities")
                    .extend_from_slice(required.as_bytes());
            }),
            // A part of it would be the URI of another resource.
            Self::UnknownName(ListKind::Resources, uri) if uri.len() <= LONGEST => {
                push_object(&mut data, |data| data.string("uri", uri));
            }
            _ => return None,
        }
        String::from_utf8(data).ok()
    }

    /// The response. `id` is the JSON text of the request's id; `None` gives `null`.
    pub fn reply(&self, id: Option<&str>) -> Reply {
        let (status, code, outcome) = self.row();
        let body = jsonrpc::error(id, code, &self.message(), self.data().as_deref());
        let reply = Reply::json(status, body, outcome.as_str());
        match self {
            Self::HttpMethod(allow) => reply.with("allow", *allow),
            Self::Memory => reply.with("retry-after", "1"),
            Self::Denied {
                scopes: Some(scopes),
                ..
            } => reply.with("www-authenticate", challenge::insufficient_scope(scopes)),
            _ => reply,
        }
    }
}

/// `text` of a client or a server for an error message. A long text is cut, since clients and
/// servers can make it as long as they like.
#[inline(never)]
pub fn excerpt(text: &str) -> Cow<'_, str> {
    if text.len() <= LONGEST_EXCERPT {
        return text.into();
    }
    let start: String = text.chars().take(LONGEST_EXCERPT).collect();
    format!("{start}…").into()
}

/// A 401 with a JSON-RPC error, in place of the 401 of another filter that has no
/// such body; `id` as in [`Refusal::reply`].
pub fn unauthorized(id: Option<&str>) -> Reply {
    let body = jsonrpc::error(id, UNAUTHORIZED, "Unauthorized", None);
    Reply::json(401, body, "mcp_unauthorized")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::standard_headers::Fault;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test(unsupported = test)]
    fn each_condition_has_its_status_and_code() {
        let mismatch = Mismatch {
            header: "Mcp-Name",
            fault: Fault::Differs,
        };
        for (refusal, status, code) in [
            (Refusal::Body(Invalid::NotJson("x".into())), 400, -32700),
            (Refusal::Body(Invalid::NotJsonRpc("x")), 400, -32600),
            (Refusal::Body(Invalid::DuplicateKey("params")), 400, -32600),
            (Refusal::BodyTooLarge(1), 413, -32600),
            (Refusal::BodyTimeout(10), 408, -32600),
            (Refusal::NotHeld, 503, -32603),
            (Refusal::Upgrade, 400, -32600),
            (Refusal::ContentType, 415, -32600),
            (Refusal::Accept("application/json"), 406, -32600),
            (Refusal::HttpMethod("POST"), 405, -32600),
            (Refusal::NoSession, 400, -32600),
            (Refusal::Origin, 403, -32600),
            (Refusal::Host, 400, -32600),
            (Refusal::Mirror(mismatch), 400, -32020),
            (Refusal::MetaMissing("x"), 400, -32602),
            (Refusal::Version("2030-01-01".into()), 400, -32022),
            (Refusal::UnexpectedResponse, 400, -32600),
            (Refusal::HeaderMissing("x".into()), 400, -32600),
            (Refusal::HeaderInvalid("x".into()), 400, -32600),
            (Refusal::TooLong("params", 8191), 400, -32600),
            (Refusal::NotExportable("params"), 400, -32600),
            (Refusal::NotFinite("id"), 400, -32600),
            (Refusal::UnknownTask, 200, -32602),
            (Refusal::TasksUndeclared, 400, -32021),
            (Refusal::ResourceUri(NotNormal::Segment), 400, -32600),
            (
                Refusal::UnknownMethod {
                    method: "x".into(),
                    modern: true,
                },
                404,
                -32601,
            ),
            (
                Refusal::UnknownMethod {
                    method: "x".into(),
                    modern: false,
                },
                200,
                -32601,
            ),
            (
                Refusal::UnknownName(ListKind::Tools, "x".into()),
                200,
                -32602,
            ),
            (Refusal::NameMissing("name"), 200, -32602),
            (Refusal::NotAnObject("params.arguments"), 200, -32602),
            (Refusal::Cursor, 200, -32602),
            (Refusal::Argument("x must be y"), 200, -32602),
            (Refusal::Level(vec!["x".into()]), 200, -32602),
            (Refusal::Servers(vec!["x".into()]), 502, -32603),
            (Refusal::ServerTimeout("x".into()), 504, -32603),
            (Refusal::Memory, 503, -32603),
            (Refusal::TooMany("params.x", 9), 400, -32602),
            (denied(None), 403, 403),
            (denied(Some(&["a"])), 403, 403),
        ] {
            let reply = refusal.reply(None);
            let body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
            assert_eq!(
                (reply.status, body["error"]["code"].as_i64()),
                (status, Some(code)),
                "{refusal:?}"
            );
            assert_eq!(body["jsonrpc"], "2.0");
            assert!(body["id"].is_null());
            assert!(!body["error"]["message"].as_str().unwrap().is_empty());
            assert!(
                reply
                    .headers
                    .contains(&("content-type".into(), "application/json".into()))
            );
        }
    }

    fn denied(scopes: Option<&[&str]>) -> Refusal {
        Refusal::Denied {
            what: "tools/call x".into(),
            scopes: scopes.map(|it| it.iter().map(|&scope| scope.into()).collect()),
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_is_denied_for_lack_of_scopes_is_challenged_with_all_of_them() {
        let told = |scopes| {
            let reply = denied(scopes).reply(Some("1"));
            let mut headers = reply.headers.into_iter();
            let challenge = headers.find(|(name, _)| name == "www-authenticate");
            let body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
            let message = body["error"]["message"].as_str().unwrap().to_owned();
            (message, challenge.map(|(_, value)| value), reply.details)
        };
        assert_eq!(
            told(None),
            ("Denied: tools/call x".into(), None, "mcp_denied")
        );
        let challenge = r#"Bearer error="insufficient_scope", error_description="The access token lacks a scope that this request needs", scope="a b""#;
        assert_eq!(
            told(Some(&["a", "b"])),
            (
                "Denied: tools/call x needs the scopes a b".into(),
                Some(challenge.into()),
                "mcp_denied"
            )
        );
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn the_id_is_echoed_byte_for_byte() {
        for id in ["1.50", r#""\u0061""#, "123456789012345678901234567890"] {
            let body = Refusal::NoSession.reply(Some(id)).body;
            let start = format!(r#"{{"jsonrpc":"2.0","id":{id},"error""#);
            assert!(String::from_utf8(body).unwrap().starts_with(&start), "{id}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn hostile_text_stays_inside_the_message() {
        let reply = Refusal::UnknownName(ListKind::Tools, "\"}\u{0}\n<script>".into()).reply(None);
        let body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(body["error"]["message"], "Unknown tool: \"}\u{0}\n<script>");
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_a_client_sent_comes_back_at_a_bounded_length() {
        for sent in ["x".repeat(1 << 20), "\u{0}ä".repeat(1 << 19)] {
            for refusal in [
                Refusal::Version(sent.clone()),
                Refusal::SessionVersion(sent.clone(), "2025-11-25"),
                Refusal::UnknownMethod {
                    method: sent.clone(),
                    modern: true,
                },
                Refusal::UnknownName(ListKind::Tools, sent.clone()),
                Refusal::UnknownName(ListKind::Resources, sent.clone()),
                Refusal::Denied {
                    what: sent.clone(),
                    scopes: None,
                },
                Refusal::Denied {
                    what: sent.clone(),
                    scopes: Some(vec!["a".into()]),
                },
            ] {
                let body = refusal.reply(None).body;
                assert!(body.len() < 4096, "{} bytes", body.len());
                let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
                let message = body["error"]["message"].as_str().unwrap();
                let start: String = sent.chars().take(LONGEST_EXCERPT).collect();
                assert!(
                    message.contains(&start) && message.contains('…'),
                    "{message}"
                );
            }
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_version_that_is_not_spoken_is_answered_with_those_that_are() {
        let body: serde_json::Value =
            serde_json::from_slice(&Refusal::Version("2030-01-01".into()).reply(None).body)
                .unwrap();
        assert_eq!(
            body["error"]["data"],
            serde_json::json!({"supported": version::MODERN, "requested": "2030-01-01"})
        );
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn an_unknown_resource_is_named_in_the_data() {
        let data = |kind, name: &str| -> serde_json::Value {
            let reply = Refusal::UnknownName(kind, name.into()).reply(None);
            let body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
            body["error"]["data"].clone()
        };
        assert_eq!(
            data(ListKind::Resources, "a+f\""),
            serde_json::json!({"uri": "a+f\""})
        );
        assert!(data(ListKind::Tools, "x").is_null());
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_request_that_is_refused_for_lack_of_memory_says_when_to_try_again() {
        let headers = Refusal::Memory.reply(None).headers;
        assert!(headers.contains(&("retry-after".into(), "1".into())));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_method_that_is_not_allowed_names_those_that_are() {
        assert!(
            Refusal::HttpMethod("POST, OPTIONS")
                .reply(None)
                .headers
                .contains(&("allow".into(), "POST, OPTIONS".into()))
        );
    }
}
