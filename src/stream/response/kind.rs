//! The answer of a server to a request that was routed to it: whether it is
//! one, and what becomes of it.

use crate::gateway::translate::sent_message::SentMessage;
use crate::gateway::translate::translation::Translation;
use crate::gateway::upstream::failure::Failure;
use crate::http::{Headers, media_type};

/// Whose answer it is, and what is to be done with its body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ResponseKind {
    /// Another filter's, or an answer that nobody has to look into: it passes.
    Pass,
    /// A stream of events, each with a message.
    Events,
    /// One message; with the HTTP status that it came with.
    Message(u16),
    /// No answer: it is replaced by an error.
    Failed(Failure),
}

/// Envoy's `%RESPONSE_CODE_DETAILS%` for what a server answered.
const FROM_SERVER: &str = "via_upstream";

/// Whether these details are those of a server's own answer.
pub(crate) fn is_from_server(details: Option<&str>) -> bool {
    details.is_none_or(|details| details == FROM_SERVER)
}

/// Those of them with which its router gives up, and what that means.
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
    ("no_healthy_upstream", Failure::Unreachable),
    ("maintenance_mode", Failure::Unreachable),
    ("upstream_reset_before_response_started", Failure::Reset),
    ("upstream_reset_after_response_started", Failure::Reset),
];

/// What Envoy's `details` mean, where its router gave up.
pub(crate) fn given_up(details: &str) -> Option<Failure> {
    let known = GIVEN_UP
        .iter()
        .find(|(known, _)| details.starts_with(known));
    match known?.1.clone() {
        // Of both kinds of reset one never got as far as a connection.
        Failure::Reset
            if details.contains("connection_failure") || details.contains("connection_timeout") =>
        {
            Some(Failure::Unreachable)
        }
        failure => Some(failure),
    }
}

impl ResponseKind {
    /// Of an answer with these `headers` and `details` in an `exchange`; `end`
    /// whether it has no body.
    pub(crate) fn of(
        headers: &Headers,
        details: Option<&str>,
        translation: &Translation,
        end: bool,
    ) -> Self {
        if is_from_server(details) {
            return Self::of_server(headers, translation, end);
        }
        details.and_then(given_up).map_or(Self::Pass, Self::Failed)
    }

    /// Whether the server says no, in a message.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, Self::Message(status) if *status != 200)
    }

    /// Of an answer in policy mode, in which a list may stand.
    fn of_any(headers: &Headers, status: u16, sent: SentMessage, end: bool) -> Self {
        let content_type = headers.text("content-type").unwrap_or_default();
        let is_events = media_type::is(content_type, "text/event-stream");
        match status {
            200..=299 if end || (sent == SentMessage::Nothing && !is_events) => Self::Pass,
            200..=299 if media_type::is_encoded(headers) => Self::Failed(Failure::Encoded),
            200 if is_events => Self::Events,
            200 if media_type::is(content_type, "application/json") => Self::Message(status),
            200..=299 => Self::Failed(Failure::Nonsense("neither JSON nor events")),
            _ => Self::Pass,
        }
    }

    fn of_server(headers: &Headers, translation: &Translation, end: bool) -> Self {
        let status: u16 = headers
            .text(":status")
            .and_then(|status| status.parse().ok())
            .unwrap_or_default();
        if translation.is_policy_mode() {
            return Self::of_any(headers, status, translation.sent_message(), end);
        }
        let other = Self::Failed(Failure::Status(status));
        let content_type = headers.text("content-type").unwrap_or_default();
        match (status, translation.sent_message()) {
            (401 | 403, _) => return Self::Failed(translation.unauthorized_failure(status)),
            (404, _) if translation.has_server_session() => {
                return Self::Failed(Failure::SessionLost);
            }
            (200..=299, SentMessage::Response) => return Self::Pass,
            (405, SentMessage::Nothing) => return Self::Failed(Failure::NoStream),
            (200 | 400 | 402..=499, _) => {}
            _ => return other,
        }
        let message = media_type::is(content_type, "application/json");
        let events = status == 200 && media_type::is(content_type, "text/event-stream");
        if end || !(message || events) {
            return if status == 200 {
                Self::Failed(Failure::Nonsense("neither JSON nor events"))
            } else {
                other
            };
        }
        // An error is looked into in any case: it may be none of JSON-RPC.
        if status == 200 && !translation.must_read_messages() {
            return Self::Pass;
        }
        if media_type::is_encoded(headers) {
            Self::Failed(Failure::Encoded)
        } else if events {
            Self::Events
        } else {
            Self::Message(status)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::mcp::Message;
    use wasm_bindgen_test::wasm_bindgen_test;

    fn reading(pairs: &[(&str, &str)], details: &str, renames: bool) -> ResponseKind {
        let headers = Headers::from_pairs(pairs.iter().copied());
        ResponseKind::of(&headers, Some(details), &translation(renames), false)
    }

    /// Of a modern client and a modern server, whose URIs have to be renamed or not.
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
        let nonsense = Failure::Nonsense("neither JSON nor events");
        for (pairs, failure) in [
            (vec![ok, html], nonsense.clone()),
            (vec![ok], nonsense.clone()),
            (vec![status("401"), JSON], Failure::Refused),
            (vec![status("403"), JSON], Failure::Refused),
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
        let empty = Headers::from_pairs([ok, JSON]);
        assert_eq!(
            ResponseKind::of(&empty, None, &translation(true), true),
            ResponseKind::Failed(nonsense)
        );
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn where_the_router_gave_up_is_an_error_and_what_filters_say_passes() {
        for (details, expected) in [
            (
                "no_healthy_upstream",
                ResponseKind::Failed(Failure::Unreachable),
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
