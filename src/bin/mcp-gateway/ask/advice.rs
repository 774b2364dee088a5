//! Advice for the user if an endpoint gives no result.

use crate::mcp_client::ClientError;

/// `error` of the endpoint `url`, with advice for the user. `has_credentials` says whether the
/// request had the header `authorization`.
pub(super) fn explained(url: &str, error: &ClientError, has_credentials: bool) -> String {
    let fix = match error {
        ClientError::Refused => {
            return format!("nothing listens at {url}: start it, as with `mcp-gateway run FILE`");
        }
        ClientError::Tls(reason) if reason.contains("not trusted") => {
            "name a file with the authority's certificate: --ca-file FILE, or $SSL_CERT_FILE"
        }
        ClientError::Tls(reason) if reason.contains("does not speak TLS") => {
            "write http:// instead of https://"
        }
        ClientError::Status { code: 401, .. } if has_credentials => {
            "the server does not accept these credentials; the token may have expired, or it may be for another server"
        }
        ClientError::Status { code: 401, .. } => {
            "send credentials: --header \"authorization: Bearer TOKEN\""
        }
        ClientError::Status { code: 403, .. } => {
            "try other credentials: --header \"authorization: Bearer TOKEN\""
        }
        ClientError::Status {
            code: 404 | 405, ..
        } => "check the path of the URL; many servers have /mcp",
        ClientError::Status {
            code: 300..=399, ..
        } => "use that URL",
        ClientError::NotMcp(_) => "check the URL; many servers have the path /mcp",
        ClientError::OldTransport => {
            "use the URL of the server's Streamable HTTP endpoint, often with the path /mcp; an older version of the server may have none"
        }
        ClientError::TimedOut(_) => "wait longer with --timeout SECONDS",
        ClientError::InputRequired(_) => "this program cannot answer; call it from an MCP client",
        _ => return format!("{url}: {error}"),
    };
    format!("{url}: {error}\n  fix: {fix}")
}
