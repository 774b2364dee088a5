//! A request of the gateway's own to one server, and what comes back.

use std::borrow::Cow;
use std::rc::Rc;
use std::time::Duration;

use crate::config::{Gateway, Protocol, Server, ServerId};
use crate::gateway::routing::call_headers::HeaderFields;
use crate::gateway::routing::forwarding;
use crate::gateway::upstream::call_result::CallResult;
use crate::gateway::upstream::discovered::ServerDescription;
use crate::gateway::upstream::failure::Failure;
use crate::gateway::upstream::initialized::Initialized;
use crate::gateway::upstream::list_page::ListPage;
use crate::gateway::upstream::page_key::PageKey;
use crate::mcp::cache_hints::CacheHints;
use crate::mcp::list::ListKind;
use crate::mcp::response::{self as rpc_response, JsonRpcResponse};
use crate::mcp::{json, method, version};

/// Names a call within the stream that made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u32);

/// A request to a cluster, outside Envoy's router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Names it when the response comes.
    pub id: CallId,
    /// The server that it goes to.
    pub server: ServerId,
    /// The Envoy cluster.
    pub cluster: String,
    /// Pseudo-headers and headers.
    pub headers: HeaderFields,
    /// A JSON-RPC message.
    pub body: Vec<u8>,
    /// How long to wait for the whole response.
    pub timeout: Duration,
    /// Its JSON-RPC id.
    pub rpc_id: String,
    /// What it asks for.
    pub question: UpstreamRequest,
    /// Set where the answer may be for other clients, too.
    pub share: Option<Share>,
    /// It is made in a session, which its server may have forgotten.
    pub has_session: bool,
}

/// What a call asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpstreamRequest {
    /// `server/discover`; also to learn whether a server is modern.
    Discover,
    /// `initialize`
    Initialize,
    /// `notifications/initialized`, after which a session can be used.
    Initialized,
    /// `ping`, to learn whether the server has forgotten a session.
    Ping,
    /// A page of a list.
    List(ListKind),
    /// `logging/setLevel`, with the JSON text of the level.
    SetLevel(String),
    /// The end of a session: an HTTP DELETE.
    End,
    /// Nothing: it tells a message that wants no answer.
    Tell,
}

impl UpstreamRequest {
    /// The method that asks it; empty where it is no request of MCP's.
    pub fn method(&self) -> &'static str {
        match self {
            Self::Discover => method::SERVER_DISCOVER,
            Self::Initialize => method::INITIALIZE,
            Self::Initialized => method::INITIALIZED,
            Self::Ping => method::PING,
            Self::List(kind) => kind.method(),
            Self::SetLevel(_) => method::SET_LEVEL,
            Self::End => "DELETE",
            Self::Tell => "",
        }
    }
}

/// How an answer is shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Under which key.
    pub key: PageKey,
    /// For how long, where the server is not asked (`listTtl`).
    pub ttl: Option<Duration>,
    /// Whether to wait for a call like it that is under way.
    pub joins: bool,
}

/// A page that the gateway may show to every client for some time.
#[derive(Debug)]
pub struct CacheablePage<'r> {
    /// What its content depends on.
    pub key: PageKey,
    /// The page.
    pub page: Rc<ListPage>,
    /// The JSON text of the result that it was read from.
    pub text: Cow<'r, str>,
    /// How long it may be shown.
    pub ttl: Duration,
}

/// What became of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallResponse {
    /// An HTTP response; Envoy's own 503 and 504 for a cluster that cannot be
    /// reached, or not in time, look the same.
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
    /// Envoy did not send it: the cluster has nowhere to send it to.
    Unreachable,
    /// An HTTP response in a content-encoding.
    Encoded,
}

impl Call {
    /// What went on to `server` of a client's headers.
    pub fn passed(&self, server: &Server) -> Vec<(String, String)> {
        let is_passed = |name: &str| server.passthrough.iter().any(|it| it.target == name);
        let fields = self.headers.iter().filter(|(name, _)| is_passed(name));
        let owned = |(name, value): &(Cow<'static, str>, String)| (name.to_string(), value.clone());
        fields.map(owned).collect()
    }

    /// The result of this call, given the `response`; and the page that other
    /// clients may be shown too, where there is one.
    pub fn answer<'r>(
        &self,
        response: &'r CallResponse,
        gateway: &Gateway,
    ) -> (CallResult, Option<CacheablePage<'r>>) {
        let Some(server) = gateway.server(self.server) else {
            return (CallResult::Failed(Failure::NoCluster), None);
        };
        let status = response.status();
        match self.question {
            // Later requests show whether the server received it.
            UpstreamRequest::Initialized | UpstreamRequest::End | UpstreamRequest::Tell => {
                return (CallResult::Done, None);
            }
            _ if self.has_session && status == Some(404) => {
                return (CallResult::SessionLost, None);
            }
            _ => {}
        }
        let result = match response.result(&self.rpc_id, gateway.max_response_bytes) {
            Ok(result) => result,
            Err(failure) => return (self.failed(failure, status, server), None),
        };
        let read = match &self.question {
            UpstreamRequest::Discover => match ServerDescription::read(&result) {
                Err(Failure::Version) if speaks_legacy(&result, "supportedVersions") => {
                    Ok(as_legacy(server))
                }
                read => read.map(|it| CallResult::Discovered(Rc::new(it))),
            },
            UpstreamRequest::Initialize => {
                Initialized::read(&result, response.session()).map(|(description, session)| {
                    CallResult::Opened(Rc::new(description), Rc::new(session))
                })
            }
            UpstreamRequest::List(kind) => {
                return match ListPage::read(*kind, server, &result) {
                    Ok(page) => self.page(Rc::new(page), result),
                    Err(failure) => (CallResult::Failed(failure), None),
                };
            }
            UpstreamRequest::SetLevel(_)
            | UpstreamRequest::Ping
            | UpstreamRequest::Initialized
            | UpstreamRequest::End
            | UpstreamRequest::Tell => Ok(CallResult::Done),
        };
        (read.unwrap_or_else(CallResult::Failed), None)
    }

    /// The server failed: as servers of another era do, perhaps.
    fn failed(&self, failure: Failure, status: Option<u16>, server: &Server) -> CallResult {
        if self.question == UpstreamRequest::Discover {
            let is_other = match (&failure, status) {
                (Failure::Error { code, data, .. }, _)
                    if code == UNSUPPORTED_VERSION && lists_versions(data.as_deref()) =>
                {
                    return if speaks_legacy(data.as_deref().unwrap_or_default(), "supported") {
                        as_legacy(server)
                    } else {
                        CallResult::Failed(Failure::Version)
                    };
                }
                (Failure::Error { .. }, Some(200)) => true,
                (Failure::Error { .. } | Failure::Status(_), Some(status)) => {
                    (400..500).contains(&status) && ![401, 403, 408, 429].contains(&status)
                }
                _ => false,
            };
            return if is_other {
                as_legacy(server)
            } else {
                CallResult::Failed(failure)
            };
        }
        match failure {
            Failure::Refused if forwarding::passes_credentials(server) => {
                CallResult::Failed(Failure::RefusedCaller(status.unwrap_or(401)))
            }
            Failure::Error { code, .. } if code == "-32601" => CallResult::NoMethod,
            failure => CallResult::Failed(failure),
        }
    }

    fn page<'r>(
        &self,
        page: Rc<ListPage>,
        text: Cow<'r, str>,
    ) -> (CallResult, Option<CacheablePage<'r>>) {
        let Some(share) = &self.share else {
            let result = CallResult::Page {
                cache_hints: page.cache_hints,
                page,
                private: false,
            };
            return (result, None);
        };
        let cache_hints = share.ttl.map_or(page.cache_hints, |ttl| CacheHints {
            ttl_ms: u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX),
            public: true,
        });
        let ttl = Duration::from_millis(cache_hints.ttl_ms);
        let cacheable = (cache_hints.public && !ttl.is_zero()).then(|| CacheablePage {
            key: share.key,
            page: Rc::clone(&page),
            text,
            ttl,
        });
        let result = CallResult::Page {
            page,
            cache_hints,
            private: !cache_hints.public,
        };
        (result, cacheable)
    }
}

/// The code with which a server says which versions it speaks (MCP 2026-07-28).
const UNSUPPORTED_VERSION: &str = "-32022";

/// Whether the member of `object` that lists versions has one with sessions.
fn speaks_legacy(object: &str, member: &str) -> bool {
    let mut speaks = false;
    let _ = json::members(object, |name, value| {
        if name == member {
            let _ = json::elements(value, |version| {
                speaks |= json::string(version).is_some_and(|it| version::legacy(&it).is_some());
            });
        }
    });
    speaks
}

/// Whether the data of an error say which versions a server speaks, as those of
/// the modern era do.
fn lists_versions(data: Option<&str>) -> bool {
    data.is_some_and(|data| !json::values(data, "supported").is_empty())
}

/// It is a server with sessions, where it may be one.
fn as_legacy(server: &Server) -> CallResult {
    match server.protocol {
        Protocol::Modern => CallResult::Failed(Failure::Version),
        Protocol::Auto | Protocol::Legacy => CallResult::Legacy,
    }
}

impl CallResponse {
    /// Its HTTP status, where it has one.
    fn status(&self) -> Option<u16> {
        match self {
            Self::Http { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// The session that it opens.
    fn session(&self) -> Option<&str> {
        match self {
            Self::Http { session, .. } => session.as_deref(),
            _ => None,
        }
    }

    /// The `result` of the answer with the JSON-RPC id `rpc_id`, in a body of at
    /// most `longest` bytes.
    ///
    /// # Errors
    /// How the server failed.
    pub fn result(&self, rpc_id: &str, longest: usize) -> Result<Cow<'_, str>, Failure> {
        let (status, content_type, body) = match self {
            Self::Http {
                status,
                content_type,
                body,
                ..
            } => (*status, content_type.as_deref(), body),
            Self::Reset => return Err(Failure::Reset),
            Self::NoCluster => return Err(Failure::NoCluster),
            Self::Unreachable => return Err(Failure::Unreachable),
            Self::Encoded => return Err(Failure::Encoded),
        };
        match status {
            401 | 403 => return Err(Failure::Refused),
            503 => return Err(Failure::Unreachable),
            504 => return Err(Failure::TimedOut),
            _ => {}
        }
        if body.len() > longest {
            return Err(Failure::TooLong(longest));
        }
        let found = rpc_response::find(content_type, body, rpc_id);
        // Other than 200 may be an error that says more than its status.
        if status != 200 && !matches!(found, Some(JsonRpcResponse::Error { .. })) {
            return Err(Failure::Status(status));
        }
        match found {
            Some(JsonRpcResponse::Result(result)) => Ok(result),
            Some(JsonRpcResponse::Error {
                code,
                message,
                data,
            }) => Err(Failure::Error {
                code,
                message,
                data,
            }),
            None => Err(Failure::Nonsense("no JSON-RPC response to the request")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test(unsupported = test)]
    fn each_way_to_fail_is_told() {
        let http = |status, body: &str| CallResponse::Http {
            status,
            content_type: None,
            session: None,
            body: body.into(),
        };
        let good = r#"{"jsonrpc":"2.0","id":"a","result":{}}"#;
        assert_eq!(http(200, good).result("a", 1000).as_deref(), Ok("{}"));
        for (response, said) in [
            (CallResponse::Reset, "did not answer"),
            (CallResponse::NoCluster, "has no cluster"),
            (CallResponse::Unreachable, "is unreachable"),
            (http(503, "x"), "is unreachable"),
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
            (CallResponse::Encoded, "answered in a content-encoding"),
            (http(200, "<html>"), "answered no JSON-RPC response"),
            (
                http(200, r#"{"jsonrpc":"2.0","id":"b","result":{}}"#),
                "answered no JSON-RPC response",
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
                "answered more than 1000 bytes",
            ),
        ] {
            let error = response.result("a", 1000).expect_err(said).to_string();
            assert!(error.starts_with(said), "{error}");
        }
    }
}
