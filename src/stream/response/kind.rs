//! Decides by its headers what a response to a routed request is.

use crate::gateway::translate::sent_message::SentMessage;
use crate::gateway::translate::translation::Translation;
use crate::gateway::upstream::failure::Failure;
use crate::http::{Headers, media_type};
use crate::stream::response::head::ResponseHead;

/// The kind of a response, which says what the filter does with its body.
#[derive(PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(in crate::stream) enum ResponseKind {
    /// It passes unchanged: another filter made it, or the filter need not read it.
    Pass,
    /// A stream of events, each with a message.
    Events,
    /// One message, with this HTTP status. Or an error that may say that the server has lost the
    /// session.
    Message(u16),
    /// It does not answer the request. The client gets an error instead.
    Failed(Failure),
}

/// Envoy's `%RESPONSE_CODE_DETAILS%` of a response that a server made.
const FROM_SERVER: &str = "via_upstream";

/// Whether a server made the response with these details. A host that has no details gives this
/// filter only responses of servers.
pub(in crate::stream) fn is_from_server(details: Option<&str>) -> bool {
    details.is_none_or(|details| details == FROM_SERVER)
}

/// The starts of the details with which Envoy's router gives up a request, and the failures that
/// they mean.
const GIVEN_UP: &[(&str, Failure)] = &[
    ("response_timeout", Failure::TimedOut),
    ("upstream_response_timeout", Failure::TimedOut),
    ("upstream_per_try_timeout", Failure::TimedOut),
    ("upstream_max_stream_duration_reached", Failure::TimedOut),
    ("request_overall_timeout", Failure::TimedOut),
    ("stream_idle_timeout", Failure::TimedOut),
    ("max_duration_timeout", Failure::TimedOut),
    ("cluster_not_found", Failure::NoCluster),
    ("route_not_found", Failure::NoRoute),
    ("no_healthy_upstream", Failure::NotSent),
    ("maintenance_mode", Failure::Unreachable),
    ("upstream_reset_before_response_started", Failure::Reset),
    ("upstream_reset_after_response_started", Failure::Reset),
];

/// The failure that `details` mean, if Envoy's router gave up the request.
pub(in crate::stream) fn given_up(details: &str) -> Option<Failure> {
    let mut known = GIVEN_UP.iter();
    let (_, failure) = known.find(|(start, _)| details.starts_with(start))?;
    let is_connect = ["connection_failure", "connection_timeout"]
        .iter()
        .any(|reason| details.contains(reason));
    Some(match failure {
        // Envoy also says "reset" if there was no connection at all.
        Failure::Reset if is_connect => Failure::Unreachable,
        Failure::Reset if details.contains("{overflow") => Failure::NotSent,
        failure => failure.clone(),
    })
}

impl ResponseKind {
    /// The kind of the response to the request of this `translation`.
    pub(in crate::stream) fn of(head: ResponseHead<'_>, translation: &Translation) -> Self {
        if head.is_from_server() {
            return match (translation.is_policy_mode(), head.status()) {
                (true, status) => Self::of_upstream(head, status, translation.sent_message()),
                (false, Some(status)) => Self::of_server(head, status, translation),
                (false, None) => Self::Failed(Failure::Nonsense("no HTTP status")),
            };
        }
        let failure = head.details.and_then(given_up);
        failure.map_or(Self::Pass, Self::Failed)
    }

    /// In policy mode: the kind of a response that may contain a list. An error may contain one,
    /// too, whatever its `content-type` is.
    fn of_upstream(head: ResponseHead<'_>, status: Option<u16>, sent: SentMessage) -> Self {
        let Some(status) = status else {
            return Self::Pass;
        };
        let is_success = (200..=299).contains(&status);
        let is_events = is_events(head.headers);
        if head.end || (sent == SentMessage::Nothing && !is_events) {
            Self::Pass
        } else if media_type::is_encoded(head.headers) {
            Self::Failed(Failure::Encoded)
        } else if is_events && (status == 200 || !is_success) {
            Self::Events
        } else if status == 200 && is_message(head.headers) || !is_success {
            Self::Message(status)
        } else {
            Self::Failed(NOT_MCP)
        }
    }

    /// In gateway mode: the kind of a response of a server.
    fn of_server(head: ResponseHead<'_>, status: u16, translation: &Translation) -> Self {
        let other = Self::Failed(Failure::Status(status));
        match (status, translation.sent_message()) {
            (401 | 403, _) => return Self::Failed(translation.unauthorized_failure(status)),
            (404, _) if translation.has_server_session() && !is_readable(head) => {
                return Self::Failed(Failure::SessionLost);
            }
            // The text of a 400 may mention the session, whatever its content type is.
            (400, _)
                if translation.has_server_session()
                    && !head.end
                    && !media_type::is_encoded(head.headers) =>
            {
                return Self::Message(status);
            }
            (200..=299, SentMessage::Response) => return Self::Pass,
            (405, SentMessage::Nothing) => return Self::Failed(Failure::NoStream),
            (200 | 400 | 402..=499, _) => {}
            _ => return other,
        }
        let is_events = status == 200 && is_events(head.headers);
        if head.end || !(is_message(head.headers) || is_events) {
            return if status == 200 {
                Self::Failed(NOT_MCP)
            } else {
                other
            };
        }
        // The filter always reads an error, since its body may not be JSON-RPC.
        if status == 200 && !translation.must_read_messages() {
            return Self::Pass;
        }
        if media_type::is_encoded(head.headers) {
            Self::Failed(Failure::Encoded)
        } else if is_events {
            Self::Events
        } else {
            Self::Message(status)
        }
    }
}

const NOT_MCP: Failure = Failure::Nonsense("neither JSON nor an event stream");

pub(super) fn is_events(headers: &Headers) -> bool {
    let content_type = headers.text("content-type");
    content_type.is_some_and(media_type::is_event_stream)
}

/// Whether the response has a message that this filter can read.
pub(super) fn is_readable(head: ResponseHead<'_>) -> bool {
    !head.end && is_message(head.headers) && !media_type::is_encoded(head.headers)
}

fn is_message(headers: &Headers) -> bool {
    let content_type = headers.text("content-type");
    content_type.is_some_and(media_type::is_json_text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::mcp::Message;
    use wasm_bindgen_test::wasm_bindgen_test;

    fn reading(pairs: &[(&str, &str)], details: &str, renames: bool) -> ResponseKind {
        let headers = Headers::from_pairs(pairs.iter().copied());
        let head = ResponseHead {
            headers: &headers,
            end: false,
            details: Some(details),
        };
        ResponseKind::of(head, &translation(renames))
    }

    /// The translation of a request of a modern client to a modern server. `renames` says whether
    /// the server's URIs are renamed.
    fn translation(renames: bool) -> Translation {
        let prefix = if renames { "w__" } else { "" };
        let config = format!(r#"{{"servers":[{{"name":"w","toolPrefix":"{prefix}"}}]}}"#);
        let gateway = Config::parse(config.as_bytes()).unwrap().gateway.unwrap();
        let body = br#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#;
        Translation::modern(&gateway.servers[0], &Message::parse(body).unwrap())
    }

    const JSON: (&str, &str) = ("content-type", "application/json; charset=utf-8");
    const EVENTS: (&str, &str) = ("content-type", "text/event-stream");

    fn status(status: &'static str) -> (&'static str, &'static str) {
        (":status", status)
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn an_answer_is_looked_into_where_it_must_be() {
        let ok = status("200");
        for (pairs, renames, expected) in [
            (vec![ok, JSON], true, ResponseKind::Message(200)),
            (vec![ok, EVENTS], true, ResponseKind::Events),
            (vec![ok, JSON], false, ResponseKind::Pass),
            (vec![ok, EVENTS], false, ResponseKind::Pass),
            (vec![status("404"), JSON], false, ResponseKind::Message(404)),
            (vec![status("429"), JSON], true, ResponseKind::Message(429)),
            (
                vec![ok, JSON, ("content-encoding", "identity")],
                true,
                ResponseKind::Message(200),
            ),
        ] {
            assert_eq!(reading(&pairs, FROM_SERVER, renames), expected, "{pairs:?}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_is_no_answer_is_a_failure() {
        let ok = status("200");
        let html = ("content-type", "text/html");
        let nonsense = Failure::Nonsense("neither JSON nor an event stream");
        for (pairs, failure) in [
            (vec![ok, html], nonsense.clone()),
            (vec![ok], nonsense.clone()),
            (vec![status("401"), JSON], Failure::Refused(401)),
            (vec![status("403"), JSON], Failure::Refused(403)),
            (vec![status("404"), html], Failure::Status(404)),
            (vec![status("400"), EVENTS], Failure::Status(400)),
            (vec![status("500"), JSON], Failure::Status(500)),
            (vec![status("503"), JSON], Failure::Status(503)),
            (vec![status("302"), JSON], Failure::Status(302)),
            (vec![status("202"), JSON], Failure::Status(202)),
            (
                vec![ok, JSON, ("content-encoding", "gzip")],
                Failure::Encoded,
            ),
        ] {
            assert_eq!(
                reading(&pairs, FROM_SERVER, true),
                ResponseKind::Failed(failure),
                "{pairs:?}"
            );
        }
        let empty = ResponseHead {
            headers: &Headers::from_pairs([ok, JSON]),
            end: true,
            details: None,
        };
        assert_eq!(
            ResponseKind::of(empty, &translation(true)),
            ResponseKind::Failed(nonsense)
        );
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn where_the_router_gave_up_is_an_error_and_what_filters_say_passes() {
        for (details, expected) in [
            (
                "no_healthy_upstream",
                ResponseKind::Failed(Failure::NotSent),
            ),
            (
                "upstream_reset_before_response_started{overflow}",
                ResponseKind::Failed(Failure::NotSent),
            ),
            (
                "upstream_reset_before_response_started{connection_termination}",
                ResponseKind::Failed(Failure::Reset),
            ),
            (
                "upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_111}",
                ResponseKind::Failed(Failure::Unreachable),
            ),
            ("response_timeout", ResponseKind::Failed(Failure::TimedOut)),
            (
                "upstream_per_try_timeout",
                ResponseKind::Failed(Failure::TimedOut),
            ),
            (
                "cluster_not_found",
                ResponseKind::Failed(Failure::NoCluster),
            ),
            ("route_not_found", ResponseKind::Failed(Failure::NoRoute)),
            (
                "rbac_access_denied_matched_policy[none]",
                ResponseKind::Pass,
            ),
            (
                "jwt_authn_access_denied{Jwt_is_missing}",
                ResponseKind::Pass,
            ),
            ("request_rate_limited", ResponseKind::Pass),
        ] {
            assert_eq!(
                reading(&[status("503")], details, true),
                expected,
                "{details}"
            );
        }
    }
}
