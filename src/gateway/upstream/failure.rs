//! How a server fails a call of the gateway's.

use std::fmt;

use crate::mcp::version;
use crate::policy::Refusal;

/// The rest of a sentence that starts with the server's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The connection broke, or the response was larger than Envoy buffers.
    Reset,
    /// Envoy knows no cluster of the configured name.
    NoCluster,
    /// No route of Envoy's leads to it.
    NoRoute,
    /// Envoy could not connect.
    Unreachable,
    /// Its time is up.
    TimedOut,
    /// It answered 401 or 403 to what carries the gateway's credentials.
    Refused,
    /// It answered this, 401 or 403, to what carries the caller's credentials.
    RefusedCaller(u16),
    /// It answered in a content-encoding, though none was asked for.
    Encoded,
    /// It answered with this HTTP status.
    Status(u16),
    /// It answered more than this many bytes.
    TooLong(usize),
    /// It has more than this many pages.
    TooManyPages(usize),
    /// With its entries the merged list would be over this many bytes.
    ListTooLong(usize),
    /// It answered with a JSON-RPC error.
    Error {
        /// The code's JSON text.
        code: String,
        /// The message.
        message: String,
        /// The JSON text of its data.
        data: Option<String>,
    },
    /// It answered something else than was asked for: what.
    Nonsense(&'static str),
    /// It speaks no version that is spoken here.
    Version,
    /// It knows the session no longer.
    SessionLost,
    /// It has no stream of events outside of requests (405).
    NoStream,
    /// What it answered cannot be said in the client's version.
    NotInVersion,
    /// It needs a session of the caller's, and nothing says who that is.
    Anonymous,
}

impl Failure {
    /// How a request is refused that only `server` could have served, where the
    /// request itself says nothing else.
    pub fn refusal(&self, server: &str) -> Refusal {
        let sentence = format!("server {server} {self}");
        match self {
            Self::TimedOut => Refusal::ServerTimeout(sentence),
            Self::Anonymous => Refusal::Identity,
            Self::RefusedCaller(status) => Refusal::CallerRefused(*status, vec![sentence]),
            _ => Refusal::Servers(vec![sentence]),
        }
    }

    /// The same for the log, without the server's own words.
    pub fn for_log(&self) -> String {
        match self {
            Self::Error { code, .. } => format!("answered error {code}"),
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
            Self::Unreachable => f.write_str("is unreachable (503)"),
            Self::TimedOut => f.write_str("did not answer in time (504)"),
            Self::Refused => f.write_str("refused the gateway's credentials"),
            Self::RefusedCaller(_) => f.write_str("refused the caller's credentials"),
            Self::Encoded => f.write_str("answered in a content-encoding that was not asked for"),
            Self::Status(status) => write!(f, "answered HTTP {status}"),
            Self::TooLong(longest) => write!(f, "answered more than {longest} bytes"),
            Self::TooManyPages(most) => write!(f, "has more than {most} pages"),
            Self::ListTooLong(longest) => write!(
                f,
                "has too many entries: the list would be over {longest} bytes"
            ),
            Self::Error { code, message, .. } => write!(f, "answered error {code}: {message}"),
            Self::Nonsense(what) => write!(f, "answered {what}"),
            Self::Version => write!(
                f,
                "speaks no version in common: {}, {}",
                version::MODERN.join(", "),
                version::LEGACY.join(", ")
            ),
            Self::NoStream => f.write_str("has no stream of events"),
            Self::NotInVersion => {
                f.write_str("answered what is not supported in this protocol version")
            }
            Self::Anonymous => f.write_str("needs a session, and the request has no identity"),
            Self::SessionLost => f.write_str("knows the session no longer"),
        }
    }
}
