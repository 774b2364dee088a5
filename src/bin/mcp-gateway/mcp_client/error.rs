//! The reasons why a server gave no result, for the user.

use std::error::Error as _;
use std::fmt;
use std::io;
use std::time::Duration;

use rustls::CertificateError;

/// Why a request has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ClientError {
    /// Nothing listens at the address.
    Refused,
    /// DNS has no address for the host.
    UnknownHost,
    /// There is no TLS connection. The reason names the certificate.
    Tls(String),
    /// The connection fails for another reason.
    Network(String),
    TimedOut(Duration),
    /// An HTTP error status, without a JSON-RPC error.
    Status {
        code: u16,
        /// The target of a redirect, or the start of the body if it is text.
        detail: Option<String>,
    },
    /// The answer is longer than this program reads.
    TooLong,
    /// The answer is not an MCP message. The text describes it.
    NotMcp(String),
    /// The server speaks HTTP+SSE, the transport of MCP 2024-11-05.
    OldTransport,
    /// The answer ended before its result.
    Unfinished,
    /// A JSON-RPC error.
    Rpc {
        code: i64,
        message: String,
    },
    /// Before it continues, the tool requires this input from the client's user.
    InputRequired(Vec<String>),
    /// The server supports only these versions of MCP.
    NoCommonVersion(Vec<String>),
}

impl ClientError {
    /// Whether the server would give the same answer to a client with another version of MCP.
    pub(super) fn is_about_the_server(&self) -> bool {
        match self {
            Self::Refused
            | Self::UnknownHost
            | Self::Tls(_)
            | Self::Network(_)
            | Self::TimedOut(_) => true,
            Self::Status { code, .. } => matches!(code, 300..=399 | 401 | 403 | 502..=504),
            _ => false,
        }
    }

    /// Whether a server with the old transport may give this answer.
    pub(super) fn may_be_old_transport(&self) -> bool {
        match self {
            Self::Status { code, .. } => matches!(code, 400 | 404..=406 | 415 | 422),
            Self::NotMcp(_) | Self::Unfinished | Self::Rpc { .. } => true,
            _ => false,
        }
    }
}

impl From<reqwest::Error> for ClientError {
    fn from(error: reqwest::Error) -> Self {
        let error = error.without_url();
        let mut words = error.to_string();
        let mut cause = error.source();
        while let Some(inner) = cause {
            words = inner.to_string();
            if words.starts_with("dns error") {
                return Self::UnknownHost;
            }
            if let Some(found) = inner.downcast_ref::<io::Error>().and_then(from_io) {
                return found;
            }
            cause = inner.source();
        }
        Self::Network(words)
    }
}

fn from_io(error: &io::Error) -> Option<ClientError> {
    if error.kind() == io::ErrorKind::ConnectionRefused {
        return Some(ClientError::Refused);
    }
    let inner = error.get_ref()?;
    if let Some(nested) = inner.downcast_ref::<io::Error>() {
        return from_io(nested);
    }
    Some(ClientError::Tls(tls_reason(inner.downcast_ref()?)))
}

/// The problem with the certificate of a server, or with its TLS.
fn tls_reason(error: &rustls::Error) -> String {
    use rustls::Error as Tls;
    match error {
        Tls::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "the certificate is from an authority that is not trusted here".to_owned()
        }
        Tls::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => "the certificate has expired".to_owned(),
        Tls::InvalidCertificate(
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
        ) => "the certificate is not valid yet".to_owned(),
        Tls::InvalidCertificate(CertificateError::NotValidForNameContext {
            expected,
            presented,
        }) => format!(
            "the certificate is not for {}, but for {}",
            expected.to_str(),
            names(presented)
        ),
        Tls::InvalidCertificate(CertificateError::Other(other))
            if other.to_string().contains("CaUsedAsEndEntity") =>
        {
            "the certificate is that of an authority; the server needs one of its own".to_owned()
        }
        Tls::InvalidMessage(_) => "the server does not speak TLS at this port".to_owned(),
        other => other.to_string(),
    }
}

/// The names of a certificate, which rustls writes as `DnsName("a.example")`.
fn names(presented: &[String]) -> String {
    let bare = |name: &String| {
        let start = name.split_once('(').map_or(&**name, |(_, inner)| inner);
        start.trim_end_matches(')').trim_matches('"').to_owned()
    };
    match presented {
        [] => "no name".to_owned(),
        names => names.iter().map(bare).collect::<Vec<_>>().join(", "),
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("connection refused"),
            Self::UnknownHost => f.write_str("DNS has no address for its host"),
            Self::Tls(reason) => write!(f, "TLS: {reason}"),
            Self::Network(reason) => f.write_str(reason),
            Self::TimedOut(limit) => write!(f, "no answer within {} s", limit.as_secs_f32()),
            Self::Status { code, detail } => match code {
                401 => f.write_str("requires credentials (HTTP 401)"),
                404 => f.write_str("nothing at this path (HTTP 404)"),
                405 => f.write_str("does not accept POST at this path (HTTP 405)"),
                _ => {
                    let (meaning, mark) = match code {
                        300..=399 => ("redirects", " to "),
                        403 => ("refuses access", ": "),
                        _ => ("fails", ": "),
                    };
                    let detail = detail.iter().map(|it| format!("{mark}{it}"));
                    write!(f, "{meaning} (HTTP {code}){}", detail.collect::<String>())
                }
            },
            Self::TooLong => f.write_str("the answer is too long"),
            Self::NotMcp(what) => write!(f, "not MCP: the answer is {what}"),
            Self::OldTransport => {
                f.write_str("speaks the old transport HTTP+SSE of MCP 2024-11-05")
            }
            Self::Unfinished => f.write_str("the answer ended before the result"),
            Self::Rpc { code, message } => write!(f, "{message} ({code})"),
            Self::InputRequired(what) => write!(f, "asks for {} first", what.join(", ")),
            Self::NoCommonVersion(versions) => {
                write!(f, "supports only the MCP versions {}", versions.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_a_certificate_are_shown_bare() {
        for (presented, shown) in [
            (&[][..], "no name"),
            (&["DnsName(\"a.example\")"], "a.example"),
            (&["DnsName(\"a\")", "IpAddress(127.0.0.1)"], "a, 127.0.0.1"),
        ] {
            let presented: Vec<String> = presented.iter().map(|&name| name.to_owned()).collect();
            assert_eq!(names(&presented), shown);
        }
    }

    #[test]
    fn each_status_says_what_it_means() {
        for (code, detail, shown) in [
            (401, Some("who?"), "requires credentials (HTTP 401)"),
            (403, Some("no"), "refuses access (HTTP 403): no"),
            (404, None, "nothing at this path (HTTP 404)"),
            (405, None, "does not accept POST at this path (HTTP 405)"),
            (307, Some("/mcp/"), "redirects (HTTP 307) to /mcp/"),
            (500, Some("oops"), "fails (HTTP 500): oops"),
            (500, None, "fails (HTTP 500)"),
        ] {
            let detail = detail.map(str::to_owned);
            let error = ClientError::Status { code, detail };
            assert_eq!(error.to_string(), shown);
        }
    }
}
