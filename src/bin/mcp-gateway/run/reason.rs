//! The reason why a server cannot be used, in a few words for the table.

use mcp_gateway::config::Server;

use super::parts::LOCAL_REPLY_MARK;
use crate::mcp_client::ClientError;

/// The most characters of a reason that are shown.
const LONGEST: usize = 160;

/// Texts in Envoy's details of a failure, and their meanings.
const MEANINGS: &[(&str, &str)] = &[
    ("no_healthy_upstream", "DNS has no address for its host"),
    ("Connection_refused", "connection refused"),
    (
        "certificate_has_expired",
        "TLS: the certificate has expired",
    ),
    (
        "certificate_is_not_yet_valid",
        "TLS: the certificate is not valid yet",
    ),
    (
        "self_signed_certificate",
        "TLS: the certificate is self-signed; to trust it, name it with --ca-file",
    ),
    (
        "issuer_certificate",
        "TLS: the certificate is from an authority that is not trusted here; to trust it, name it with --ca-file",
    ),
    (
        "WRONG_VERSION_NUMBER",
        "TLS: the server does not speak TLS at this port; write http:// in its url",
    ),
    (
        "{connection_termination}",
        "the server closes the connection; it may need https:// in its url",
    ),
    (
        "{protocol_error}",
        "the server does not speak HTTP at this port; it may need https:// in its url",
    ),
    ("connection_timeout", "no connection in time"),
];

/// In Envoy's details, the text before the names of a certificate that is for other names.
const NAMES_MARK: &str = "certificate_SANs_are_[";

/// The reason why `server` gave no result. The program asked it through Envoy, which says itself
/// why it could not reach the server.
pub(super) fn of(error: &ClientError, server: &Server) -> String {
    let details = match error {
        ClientError::Status {
            detail: Some(detail),
            ..
        } => detail.strip_prefix(LOCAL_REPLY_MARK),
        _ => None,
    };
    let reason = match (error, details) {
        (_, Some(details)) => of_envoy(details),
        (
            ClientError::Status {
                code: 401 | 403, ..
            },
            _,
        ) if server.headers.is_empty() => {
            format!("{error}; set its headers")
        }
        (
            ClientError::Status {
                code: 401 | 403, ..
            },
            _,
        ) => {
            format!("{error}; check the values of its headers")
        }
        (
            ClientError::Status {
                code: 404 | 405, ..
            }
            | ClientError::NotMcp(_),
            _,
        ) => {
            // A query may contain a key, so it is not shown.
            let path = server.path.split('?').next().unwrap_or_default();
            format!("{error}; check the path {path:?} of its url")
        }
        (ClientError::Rpc { message, .. }, _) => message.clone(),
        _ => error.to_string(),
    };
    printable(&reason)
}

/// The start of `text`, without characters that could control a terminal.
pub(super) fn printable(text: &str) -> String {
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().take(LONGEST).map(printable).collect()
}

/// What Envoy's details of a failure mean.
fn of_envoy(details: &str) -> String {
    let details = details.trim();
    if let Some((_, rest)) = details.split_once(NAMES_MARK) {
        let names = rest.split(']').next().unwrap_or_default();
        return format!("TLS: the certificate is not for its host, but for {names}");
    }
    let known = MEANINGS.iter().find(|(part, _)| details.contains(part));
    match known {
        Some((_, meaning)) => (*meaning).to_owned(),
        None => details.replace('_', " "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcp_gateway::config::Config;

    #[test]
    fn each_detail_of_envoy_has_a_meaning() {
        // These texts are those of Envoy 1.40.
        let reset = "upstream_reset_before_response_started";
        let tls = "remote_connection_failure|TLS_error:|268435581:SSL_routines:OPENSSL_internal";
        let failed = format!("{reset}{{{tls}:CERTIFICATE_VERIFY_FAILED:verify_cert_failed:");
        let x509 = "_X509_verify_cert:_certificate_verification_error_at_depth_0:";
        for (details, meaning) in [
            (
                "no_healthy_upstream".to_owned(),
                "DNS has no address for its host",
            ),
            (
                format!(
                    "{reset}{{remote_connection_failure|delayed_connect_error:_Connection_refused}}\n"
                ),
                "connection refused",
            ),
            (
                format!(
                    "{failed}_SAN_matcher,_certificate_SANs_are_[other.example]:TLS_error_end}}"
                ),
                "TLS: the certificate is not for its host, but for other.example",
            ),
            (
                format!("{failed}{x509}_certificate_has_expired:TLS_error_end}}"),
                "TLS: the certificate has expired",
            ),
            (
                format!("{failed}{x509}_self_signed_certificate:TLS_error_end}}"),
                "TLS: the certificate is self-signed; to trust it, name it with --ca-file",
            ),
            (
                format!("{failed}{x509}_unable_to_get_local_issuer_certificate:TLS_error_end}}"),
                "TLS: the certificate is from an authority that is not trusted here; to trust it, name it with --ca-file",
            ),
            (
                format!("{reset}{{{tls}:WRONG_VERSION_NUMBER:TLS_error_end}}"),
                "TLS: the server does not speak TLS at this port; write http:// in its url",
            ),
            (
                format!("{reset}{{connection_termination}}"),
                "the server closes the connection; it may need https:// in its url",
            ),
            (
                format!("{reset}{{protocol_error}}"),
                "the server does not speak HTTP at this port; it may need https:// in its url",
            ),
            ("something_new".to_owned(), "something new"),
        ] {
            assert_eq!(of_envoy(&details), meaning, "{details}");
        }
    }

    #[test]
    fn a_status_says_what_to_look_at() {
        let config = r#"{"servers": [{"name": "a"}, {"name": "b", "headers": [{"name": "x-key", "value": "k"}]}]}"#;
        let config = Config::parse(config.as_bytes()).unwrap();
        let servers = config.gateway.unwrap().servers;
        let status = |code, detail: Option<&str>| ClientError::Status {
            code,
            detail: detail.map(str::to_owned),
        };
        for (error, server, expected) in [
            (
                status(401, None),
                0,
                "requires credentials (HTTP 401); set its headers",
            ),
            (
                status(401, None),
                1,
                "requires credentials (HTTP 401); check the values of its headers",
            ),
            (
                status(403, Some("no")),
                0,
                "refuses access (HTTP 403): no; set its headers",
            ),
            (
                status(404, None),
                0,
                "nothing at this path (HTTP 404); check the path \"/mcp\" of its url",
            ),
            (
                status(503, Some("later\u{7}")),
                0,
                "fails (HTTP 503): later ",
            ),
            (
                status(503, Some("Envoy: no_healthy_upstream")),
                0,
                "DNS has no address for its host",
            ),
            (
                ClientError::OldTransport,
                0,
                "speaks the old transport HTTP+SSE of MCP 2024-11-05",
            ),
        ] {
            assert_eq!(of(&error, &servers[server]), expected);
        }
    }
}
