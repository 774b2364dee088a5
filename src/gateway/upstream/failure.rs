//! How a server fails to answer a request.

use std::fmt;

use crate::mcp::response::JsonRpcError;
use crate::mcp::version;
use crate::policy::Refusal;
use crate::policy::refusal::excerpt;

/// A failure. Its text is the rest of a sentence that starts with the server's name.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub enum Failure {
    /// The connection broke, or the response was larger than Envoy buffers.
    Reset,
    /// The server closed the connection before it answered. It may have closed an idle connection.
    Closed,
    /// Envoy knows no cluster of the configured name.
    NoCluster,
    /// Envoy has no route to the server.
    NoRoute,
    /// Envoy's cluster for the server has no healthy host, or its circuit breaker is open.
    NotSent,
    /// Envoy could not connect.
    Unreachable,
    /// The server did not answer within its `timeout`.
    TimedOut,
    /// The server answered with this HTTP status, 401 or 403, to a request with the
    /// gateway's credentials.
    Refused(u16),
    /// The server answered with this HTTP status, 401 or 403, to a request with the
    /// caller's credentials.
    RefusedCaller(u16),
    /// The server answered with a content-encoding, although the gateway asks for none.
    Encoded,
    /// The server answered with this HTTP status.
    Status(u16),
    /// The answer has more than this many bytes.
    TooLong(usize),
    /// The server's list has more than this many pages.
    TooManyPages(usize),
    /// With the entries of this server, the merged list would have more than this many bytes.
    ListTooLong(usize),
    /// The server answered with a JSON-RPC error.
    Error(JsonRpcError),
    /// The answer does not fit the request. The text says what the server answered.
    Nonsense(&'static str),
    /// The server and the gateway have no version in common.
    Version,
    /// The server has forgotten the session.
    SessionLost,
    /// The server has no stream of events outside of requests (405).
    NoStream,
    /// The client's version of MCP has no form for the server's answer.
    NotInVersion,
    /// The server refused the log level of `logging/setLevel`. The text is the message of its
    /// JSON-RPC error.
    Level(String),
    /// The gateway has too little memory for the answer.
    Memory,
}

impl Failure {
    /// The refusal of a request that only the server with this name could have served.
    pub fn refusal(&self, server: &str) -> Refusal {
        let sentence = format!("server {server} {self}");
        match self {
            Self::Level(_) => Refusal::Level(vec![sentence]),
            Self::TimedOut => Refusal::ServerTimeout(sentence),
            Self::Memory => Refusal::Memory,
            Self::RefusedCaller(status) => Refusal::CallerRefused(*status, vec![sentence]),
            _ => Refusal::Servers(vec![sentence]),
        }
    }

    /// Whether the server is at fault. The client's session, credentials, version or missing
    /// identity are not the server's fault, and neither is the memory of the gateway.
    pub fn is_servers(&self) -> bool {
        match self {
            Self::RefusedCaller(_)
            | Self::SessionLost
            | Self::NoStream
            | Self::NotInVersion
            | Self::Level(_)
            | Self::Memory => false,
            Self::Reset
            | Self::Closed
            | Self::NoCluster
            | Self::NoRoute
            | Self::NotSent
            | Self::Unreachable
            | Self::TimedOut
            | Self::Refused(_)
            | Self::Encoded
            | Self::Status(_)
            | Self::TooLong(_)
            | Self::TooManyPages(_)
            | Self::ListTooLong(_)
            | Self::Error(_)
            | Self::Nonsense(_)
            | Self::Version => true,
        }
    }

    /// Whether Envoy itself refused the request, at once, and the server got nothing of it.
    pub fn is_not_sent(&self) -> bool {
        matches!(self, Self::NoCluster | Self::NoRoute | Self::NotSent)
    }

    /// Whether the server did not answer, or not in time. No client can be the reason for such a
    /// failure.
    pub fn is_no_answer(&self) -> bool {
        self.is_not_sent()
            || matches!(
                self,
                Self::Reset | Self::Closed | Self::Unreachable | Self::TimedOut
            )
    }

    /// Whether the reason may be that the server is of another era.
    pub fn may_be_about_era(&self) -> bool {
        !self.is_not_sent()
            && !matches!(
                self,
                Self::Unreachable | Self::Refused(_) | Self::RefusedCaller(_)
            )
    }

    /// Whether the server is at fault if the gateway sent the request for itself: the server did
    /// not answer, or did not answer as an MCP server does.
    pub fn is_servers_own(&self) -> bool {
        self.is_no_answer()
            || matches!(
                self,
                Self::Status(500..) | Self::Encoded | Self::Nonsense(_) | Self::TooLong(_)
            )
    }

    /// The text for the log, without anything that the server wrote.
    pub fn for_log(&self) -> String {
        match self {
            Self::Error(error) => format!("answered error {}", error.code),
            Self::Level(_) => "refused the log level".to_owned(),
            // Some servers send 403 if they do not know the host of the request.
            Self::Refused(403) => {
                format!("{self} or the host of the request (403): check headers and hostname")
            }
            other => other.to_string(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reset => f.write_str("did not answer: connection reset, or response too large"),
            Self::NoCluster => f.write_str("has no cluster in Envoy"),
            Self::NoRoute => f.write_str("has no route in Envoy"),
            Self::NotSent => f.write_str(
                "is unreachable (503): Envoy has no healthy host for it, or its circuit breaker is open",
            ),
            Self::Unreachable | Self::Closed => f.write_str("is unreachable (503)"),
            Self::TimedOut => f.write_str("did not answer in time (504)"),
            Self::Refused(_) => f.write_str("refused the gateway's credentials"),
            Self::RefusedCaller(_) => f.write_str("refused the caller's credentials"),
            Self::Encoded => {
                f.write_str("used a content-encoding, although the gateway asked for none")
            }
            Self::Status(421) => f.write_str(
                "answered HTTP 421: it does not know the host of the request, set hostname",
            ),
            Self::Status(status) => write!(f, "answered HTTP {status}"),
            Self::TooLong(longest) => write!(
                f,
                "sent an answer of more than {longest} bytes (maxResponseBytes)"
            ),
            Self::TooManyPages(most) => write!(f, "has more than {most} pages (maxListPages)"),
            Self::ListTooLong(longest) => write!(
                f,
                "has too many entries: the list would be longer than {longest} bytes (maxListBytes)"
            ),
            Self::Error(JsonRpcError { code, message, .. }) => {
                write!(f, "answered error {code}: {}", excerpt(message))
            }
            Self::Nonsense(what) => write!(f, "sent {what}"),
            Self::Version => write!(
                f,
                "supports no MCP version that the gateway supports: {}, {}",
                version::MODERN.join(", "),
                version::LEGACY.join(", ")
            ),
            Self::NoStream => f.write_str("has no event stream"),
            Self::NotInVersion => {
                f.write_str("sent an answer that is not supported in the client's protocol version")
            }
            Self::SessionLost => f.write_str("has forgotten the session"),
            Self::Level(message) => write!(f, "refused the log level: {}", excerpt(message)),
            Self::Memory => {
                f.write_str("sent an answer that is too large for the gateway's free memory")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test(unsupported = test)]
    fn what_a_server_says_is_quoted_at_a_bounded_length() {
        let message = "ä".repeat(8_000_000);
        let error = Failure::Error(JsonRpcError {
            code: "-32000".to_owned(),
            message: message.clone(),
            data: None,
        });
        for failure in [error, Failure::Level(message)] {
            let reply = failure.refusal("s").reply(None);
            assert!(reply.body.len() < 1000, "{}", reply.body.len());
            assert!(failure.to_string().ends_with("ä…"));
        }
    }
}
