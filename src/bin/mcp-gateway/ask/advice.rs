//! Advice for the user if an endpoint gives no result.

use mcp_gateway::http::url::without_secrets;

use super::text;
use crate::mcp_client::ClientError;

/// `error` of the endpoint `url`, with advice for the user. `has_credentials` says whether the
/// request had the header `authorization`.
pub(super) fn explained(url: &str, error: &ClientError, has_credentials: bool) -> String {
    // The error may have a text of the server.
    text::harmless(&with_fix(url, error, has_credentials))
}

fn with_fix(url: &str, error: &ClientError, has_credentials: bool) -> String {
    let url = without_secrets(url);
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
        ClientError::Status { code: 403, detail } => of_denial(detail.as_deref(), has_credentials),
        // A legacy client gets the error of one request with HTTP 200.
        ClientError::Rpc { code: 403, message } => of_denial(Some(message), has_credentials),
        ClientError::Status { code: 429, .. } => {
            "wait and try again: a limit on the number of requests refuses this one. Such a limit is set in the configuration of Envoy or of the server"
        }
        ClientError::Status {
            code: 502..=504, ..
        } => "look at the server behind this URL: it is down, or Envoy cannot reach it",
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

/// What the user can do about a 403, of which `reason` is the text.
fn of_denial(reason: Option<&str>, has_credentials: bool) -> &'static str {
    let reason = reason.unwrap_or_default();
    // The texts of the filter, and of Envoy's RBAC.
    if reason.starts_with("tool definition changed") {
        "review the tool and pin it again: the gateway refuses tools that are not as in `pins` of its configuration"
    } else if reason.contains("needs the scopes") {
        "send a token with these scopes: --header \"authorization: Bearer TOKEN\""
    } else if reason.starts_with("Denied:") && has_credentials {
        "ask the operator of the gateway for a rule of `authorization` that allows this, or send other credentials: --header \"authorization: Bearer TOKEN\""
    } else if reason.starts_with("Denied:") {
        "send the credentials of a caller who may do this: --header \"authorization: Bearer TOKEN\". The rules are in `authorization` of the gateway's configuration"
    } else if reason.starts_with("RBAC:") {
        "ask the operator of the gateway, whose filter RBAC in Envoy decides this, or send other credentials: --header \"authorization: Bearer TOKEN\""
    } else {
        "ask the operator of the gateway, or send other credentials: --header \"authorization: Bearer TOKEN\". A rule of the gateway (`authorization`), a filter that the operator has added to Envoy (such as RBAC or ext_authz), or the server refuses this"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denial_names_who_may_have_denied() {
        let status = |code, detail: &str| ClientError::Status {
            code,
            detail: Some(detail.to_owned()).filter(|it| !it.is_empty()),
        };
        let rpc = |message: &str| ClientError::Rpc {
            code: 403,
            message: message.to_owned(),
        };
        for (error, has_credentials, expected) in [
            (
                status(403, "RBAC: access denied"),
                false,
                "whose filter RBAC",
            ),
            (
                status(403, "Denied: tools/call x"),
                false,
                "fix: send the credentials",
            ),
            (
                status(403, "Denied: tools/call x"),
                true,
                "a rule of `authorization`",
            ),
            (
                rpc("Denied: tools/call x"),
                true,
                "a rule of `authorization`",
            ),
            (
                status(403, "Denied: tools/call x needs the scopes a b"),
                true,
                "fix: send a token with these scopes",
            ),
            (status(403, "tool definition changed"), true, "`pins`"),
            (
                status(403, ""),
                false,
                "a filter that the operator has added",
            ),
            (
                status(403, "\u{1b}[2Jgo away"),
                true,
                "a filter that the operator has added",
            ),
            (
                status(429, "local_rate_limited"),
                true,
                "fix: wait and try again",
            ),
            (
                status(503, "no healthy upstream"),
                true,
                "the server behind this URL",
            ),
        ] {
            let said = explained("http://a/mcp", &error, has_credentials);
            assert!(!said.contains('\u{1b}'), "{said:?}");
            assert!(said.contains(expected), "{said}");
            assert_eq!(said.matches("\n  fix: ").count(), 1, "{said}");
        }
    }

    #[test]
    fn no_advice_shows_the_secrets_of_a_url() {
        let url = "http://user:s3cr3t@a/mcp?key=s3cr3t";
        for error in [
            ClientError::Refused,
            ClientError::TooLong,
            ClientError::OldTransport,
        ] {
            let said = explained(url, &error, false);
            assert!(said.contains("http://***@a/mcp?***"), "{said}");
            assert!(!said.contains("s3cr3t"), "{said}");
        }
    }
}
