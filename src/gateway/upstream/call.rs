//! A call: a request that the gateway itself sends to one server, outside Envoy's router, and the
//! response to it.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use crate::config::{EndpointId, Server, ServerId};
use crate::gateway::routing::call_headers::{self, HeaderFields};
use crate::gateway::upstream::failure::Failure;
use crate::gateway::upstream::page_key::PageKey;
use crate::gateway::upstream::session_loss::is_session_lost;
use crate::http::media_type;
use crate::mcp::json::{self, Reader};
use crate::mcp::list::ListKind;
use crate::mcp::method;
use crate::mcp::response::{self as rpc_response, JsonRpcResponse};

/// The id of a call in the stream that waits for its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u32);

/// An HTTP request that the gateway sends to a cluster, outside Envoy's router.
#[derive(Clone, PartialEq, Eq)]
pub struct Call {
    /// Its id in the stream that waits for the answer; `None` where no stream waits.
    pub id: Option<CallId>,
    /// The server that it goes to.
    pub server: ServerId,
    /// The [view](Server::view) of the server that the gateway uses to read the answer.
    pub view: Option<EndpointId>,
    /// The Envoy cluster.
    pub cluster: String,
    /// Pseudo-headers and headers.
    pub headers: HeaderFields,
    /// A JSON-RPC message; empty for an HTTP DELETE.
    pub body: Vec<u8>,
    /// How long to wait for the whole response.
    pub timeout: Duration,
    /// Its JSON-RPC id; `None` where it is not a JSON-RPC request, and has no
    /// JSON-RPC response.
    pub rpc_id: Option<String>,
    /// The content of the call.
    pub content: CallContent,
    /// The protocol version of the call; `None` before the gateway and the server agreed on one.
    pub version: Option<&'static str>,
    /// Set where other clients may get the answer, too.
    pub share: Option<Share>,
    /// The call is made in a session, and the server may have forgotten the session.
    pub has_session: bool,
}

/// The content of a call.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub enum CallContent {
    /// A message that the gateway writes.
    Mcp(UpstreamRequest),
    /// A notification or a response that the gateway passes on.
    Relayed,
    /// No message: an HTTP DELETE, which ends a session (MCP 2025-11-25, "Session
    /// Management").
    Delete,
}

/// A request or notification that the gateway writes.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub enum UpstreamRequest {
    /// `server/discover`. A legacy server does not know it.
    Discover,
    /// `initialize`
    Initialize,
    /// `notifications/initialized`, after which a session can be used.
    Initialized,
    /// `ping`, to learn whether the server has forgotten a session.
    Ping,
    /// A page of a list: the one at this cursor, or the first.
    List(ListKind, Option<String>),
    /// `logging/setLevel`, with the JSON text of the level.
    SetLevel(String),
}

impl UpstreamRequest {
    /// Its method.
    pub fn method(&self) -> &'static str {
        match self {
            Self::Discover => method::SERVER_DISCOVER,
            Self::Initialize => method::INITIALIZE,
            Self::Initialized => method::INITIALIZED,
            Self::Ping => method::PING,
            Self::List(kind, _) => kind.method(),
            Self::SetLevel(_) => method::SET_LEVEL,
        }
    }

    /// Whether it is a notification, which has no response.
    pub fn is_notification(&self) -> bool {
        *self == Self::Initialized
    }
}

impl CallContent {
    /// The method of the message, where the gateway wrote it.
    pub fn method(&self) -> Option<&'static str> {
        match self {
            Self::Mcp(request) => Some(request.method()),
            Self::Relayed | Self::Delete => None,
        }
    }
}

/// How several clients share an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// The key of the answer.
    pub key: PageKey,
    /// How long the answer may be kept, if the configuration sets this (`listTtl`). Otherwise the
    /// server sets it.
    pub ttl: Option<Duration>,
    /// Whether to wait for an equal call that is under way, instead of making one.
    pub joins: bool,
}

/// The response to a call, or why there is none.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub enum CallResponse {
    /// An HTTP response. Envoy's own 503 for a cluster that cannot be reached and
    /// its own 504 after a timeout look the same.
    Http {
        /// `:status`
        status: u16,
        /// `content-type`
        content_type: Option<String>,
        /// `mcp-session-id`
        session: Option<String>,
        /// The whole body.
        body: Vec<u8>,
    },
    /// The connection broke, or the response was larger than Envoy buffers.
    Reset,
    /// Envoy did not send it: it knows no such cluster.
    NoCluster,
    /// Envoy did not send it: the cluster has no healthy host, or its circuit breaker is open.
    NotSent,
    /// An HTTP response in a content-encoding.
    Encoded,
}

impl Call {
    /// Whether the gateway makes this request for itself, and not for a client: see
    /// [`Worker::doubt`](crate::gateway::worker::Worker::doubt).
    pub fn is_probe(&self) -> bool {
        self.id.is_none() && self.rpc_id.is_some()
    }

    /// About how many bytes of memory it takes up.
    #[inline(never)]
    pub fn size(&self) -> usize {
        let headers = call_headers::size(&self.headers);
        let size = headers.saturating_add(self.body.capacity());
        size.saturating_add(size_of::<Self>())
    }

    /// The client's headers that the configuration passes through to `server` in this call.
    pub fn passed(&self, server: &Server) -> Vec<(String, String)> {
        let is_passed = |name: &str| server.passthrough.iter().any(|it| it.target == name);
        let fields = self.headers.iter().filter(|(name, _)| is_passed(name));
        let owned = |(name, value): &(Cow<'static, str>, String)| (name.to_string(), value.clone());
        fields.map(owned).collect()
    }
}

/// `Debug` shows neither the values of headers, which may be credentials, nor the body.
impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<&str> = self.headers.iter().map(|(name, _)| &**name).collect();
        f.debug_struct("Call")
            .field("id", &self.id)
            .field("server", &self.server)
            .field("cluster", &self.cluster)
            .field("headers", &headers)
            .field("rpc_id", &self.rpc_id)
            .field("version", &self.version)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl CallResponse {
    /// The length of its body, in bytes.
    pub fn size(&self) -> usize {
        match self {
            Self::Http { body, .. } => body.len(),
            _ => 0,
        }
    }

    /// Its HTTP status, where it has one.
    pub(super) fn status(&self) -> Option<u16> {
        match self {
            Self::Http { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// The `Mcp-Session-Id` that the response gives.
    pub(super) fn session(&self) -> Option<&str> {
        match self {
            Self::Http { session, .. } => session.as_deref(),
            _ => None,
        }
    }

    /// Whether the response says that the server has forgotten the session of the request with the
    /// JSON-RPC id `rpc_id`.
    pub(super) fn is_session_lost(&self, rpc_id: &str) -> bool {
        match self {
            Self::Http { status, body, .. } => {
                is_session_lost(*status, body, Some(&json::quoted(rpc_id)))
            }
            _ => false,
        }
    }

    /// Reads the `result` of the answer with the JSON-RPC id `rpc_id`, in a body of at most
    /// `longest` bytes, with `read`.
    ///
    /// # Errors
    /// The server's failure.
    pub fn result<T>(
        &self,
        rpc_id: &str,
        longest: usize,
        read: impl FnMut(&mut Reader<'_>) -> Result<T, json::Error>,
    ) -> Result<T, Failure> {
        let (status, content_type, body) = match self {
            Self::Http {
                status,
                content_type,
                body,
                ..
            } => (*status, content_type.as_deref(), body),
            Self::Reset => return Err(Failure::Reset),
            Self::NoCluster => return Err(Failure::NoCluster),
            Self::NotSent => return Err(Failure::NotSent),
            Self::Encoded => return Err(Failure::Encoded),
        };
        match status {
            401 | 403 => return Err(Failure::Refused(status)),
            503 if is_reset(body) => return Err(Failure::Closed),
            503 => return Err(Failure::Unreachable),
            504 => return Err(Failure::TimedOut),
            _ => {}
        }
        if body.len() > longest {
            return Err(Failure::TooLong(longest));
        }
        let is_mcp =
            |value: &str| media_type::is_json_text(value) || media_type::is_event_stream(value);
        if !content_type.is_some_and(is_mcp) {
            return Err(match status {
                200 => Failure::Nonsense("neither JSON nor an event stream"),
                status => Failure::Status(status),
            });
        }
        match rpc_response::find(content_type, body, rpc_id, read) {
            // With a status other than 200, a JSON-RPC error says more than the status.
            Some(JsonRpcResponse::Error(error)) => Err(Failure::Error(error)),
            _ if status != 200 => Err(Failure::Status(status)),
            Some(JsonRpcResponse::Result(result)) => Ok(result),
            None => Err(Failure::Nonsense("no JSON-RPC response to the request")),
        }
    }
}

/// Whether `body` is that of Envoy's own 503 for a connection that broke before the response came.
/// A connection that Envoy could not open has another body.
fn is_reset(body: &[u8]) -> bool {
    const START: &str = "upstream connect error or disconnect/reset before headers";
    const REASONS: [&str; 3] = [
        "reset reason: connection termination",
        "reset reason: remote reset",
        "reset reason: remote refused stream reset",
    ];
    let text = std::str::from_utf8(body).unwrap_or_default();
    text.starts_with(START) && REASONS.iter().any(|reason| text.contains(reason))
}

impl CallResponse {
    /// The JSON-RPC error in the answer to a request that the server could not read, in a body of
    /// at most `longest` bytes. Such an error has no id, the id `null`, or the id of another
    /// request.
    pub(super) fn error_of_any_id(&self, longest: usize) -> Option<Failure> {
        let Self::Http {
            content_type, body, ..
        } = self
        else {
            return None;
        };
        if body.len() > longest {
            return None;
        }
        rpc_response::find_error(content_type.as_deref(), body).map(Failure::Error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    fn read(response: &CallResponse) -> Result<String, Failure> {
        response.result("a", 1000, |reader| reader.skip().map(str::to_owned))
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn each_way_to_fail_is_told() {
        let http = |status, body: &str| CallResponse::Http {
            status,
            content_type: Some("application/json".into()),
            session: None,
            body: body.into(),
        };
        let good = r#"{"jsonrpc":"2.0","id":"a","result":{}}"#;
        assert_eq!(read(&http(200, good)).as_deref(), Ok("{}"));
        for (response, said) in [
            (CallResponse::Reset, "did not answer"),
            (CallResponse::NoCluster, "has no cluster"),
            (
                CallResponse::NotSent,
                "is unreachable (503): Envoy has no healthy host",
            ),
            (http(503, "x"), "is unreachable"),
            (
                http(
                    503,
                    "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure, transport failure reason: delayed connect error: 111",
                ),
                "is unreachable",
            ),
            (
                http(
                    503,
                    "upstream connect error or disconnect/reset before headers. reset reason: connection termination",
                ),
                "is unreachable",
            ),
            (http(504, "x"), "did not answer in time"),
            (http(500, "<html>"), "answered HTTP 500"),
            (http(401, good), "refused the gateway's credentials"),
            (http(403, good), "refused the gateway's credentials"),
            (http(404, "<html>"), "answered HTTP 404"),
            (http(404, good), "answered HTTP 404"),
            (
                http(
                    404,
                    r#"{"jsonrpc":"2.0","id":"a","error":{"code":-32601,"message":"m"}}"#,
                ),
                "answered error -32601: m",
            ),
            (CallResponse::Encoded, "used a content-encoding"),
            (http(200, "<html>"), "sent no JSON-RPC response"),
            (
                http(200, r#"{"jsonrpc":"2.0","id":"b","result":{}}"#),
                "sent no JSON-RPC response",
            ),
            (
                http(
                    200,
                    r#"{"jsonrpc":"2.0","id":"a","error":{"code":-1,"message":"m"}}"#,
                ),
                "answered error -1: m",
            ),
            (
                http(200, &" ".repeat(1001)),
                "sent an answer of more than 1000 bytes",
            ),
        ] {
            let error = read(&response).expect_err(said).to_string();
            assert!(error.starts_with(said), "{error}");
        }
    }
}
