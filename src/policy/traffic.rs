//! `trafficMode`: classifies HTTP requests by their headers, as the native filter
//! classifies POST, GET and DELETE.

use super::Refusal;
use crate::http::Headers;
use crate::http::media_type::{self, Accept};

/// What happens to requests that are not MCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrafficMode {
    /// They pass.
    PassThrough,
    /// They are refused.
    RejectNoMcp,
    /// No body is read. Only CORS, OAuth and the removal of forged headers work.
    Noop,
}

/// What to do with a request to an endpoint, by its headers.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub enum Class {
    /// A POST of JSON: read its body.
    Message,
    /// It passes without being read, and nothing is exported.
    Unread,
    /// It is refused.
    Refused(Refusal),
}

/// Classifies a request with `headers`; `has_body` is whether a body follows.
/// `strict` is `REJECT_NO_MCP`.
pub fn classify(headers: &Headers, has_body: bool, strict: bool) -> Class {
    let lenient = |class: Class| if strict { class } else { Class::Unread };
    match headers.get(":method") {
        Some(b"POST") => {
            if !media_type::is_json(headers) || media_type::is_encoded(headers) {
                return lenient(Class::Refused(Refusal::ContentType));
            }
            let accept = Accept::of(headers);
            if strict && !(accept.json && accept.event_stream) {
                return Class::Refused(Refusal::Accept(media_type::JSON_AND_EVENTS));
            }
            // Without a body there is nothing to wait for. If strict, reading the
            // empty body gives the error that it is not JSON.
            if has_body || strict {
                Class::Message
            } else {
                Class::Unread
            }
        }
        // A missing `accept` means any type, but a GET must ask for a stream.
        Some(b"GET") if headers.get("accept").is_some() && Accept::of(headers).event_stream => {
            Class::Unread
        }
        Some(b"GET") => lenient(Class::Refused(Refusal::Accept("text/event-stream"))),
        Some(b"DELETE") if headers.get("mcp-session-id").is_some() => Class::Unread,
        Some(b"DELETE") => lenient(Class::Refused(Refusal::NoSession)),
        _ => lenient(Class::Refused(Refusal::HttpMethod("GET, POST, DELETE"))),
    }
}

/// Whether the request asks for another protocol or a tunnel (RFC 9110 sections 7.8
/// and 9.3.6, RFC 8441 section 4). What follows would pass every filter unread.
pub fn is_upgrade(headers: &Headers) -> bool {
    headers.get(":method") == Some(b"CONNECT")
        || headers.get("upgrade").is_some()
        || headers.get(":protocol").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    const JSON: (&str, &str) = ("content-type", "application/json");

    fn class(method: &str, pairs: &[(&str, &str)], strict: bool) -> Class {
        let method = [(":method", method)];
        classify(
            &Headers::from_pairs(method.iter().chain(pairs).copied()),
            true,
            strict,
        )
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_post_of_json_is_a_message() {
        for strict in [true, false] {
            assert_eq!(class("POST", &[JSON], strict), Class::Message);
            assert_eq!(
                class(
                    "POST",
                    &[JSON, ("accept", "application/json, text/event-stream")],
                    strict
                ),
                Class::Message
            );
            assert_eq!(
                class("POST", &[JSON, ("content-encoding", "identity")], strict),
                Class::Message
            );
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_is_not_mcp_passes_unread_or_is_refused_as_the_mode_says() {
        let allow = Refusal::HttpMethod("GET, POST, DELETE");
        for (method, pairs, refusal) in [
            (
                "POST",
                &[("content-type", "text/plain")][..],
                Refusal::ContentType,
            ),
            ("POST", &[], Refusal::ContentType),
            (
                "POST",
                &[JSON, ("content-encoding", "gzip")],
                Refusal::ContentType,
            ),
            (
                "GET",
                &[("accept", "text/html")],
                Refusal::Accept("text/event-stream"),
            ),
            ("GET", &[], Refusal::Accept("text/event-stream")),
            ("DELETE", &[], Refusal::NoSession),
            ("PUT", &[JSON], allow.clone()),
            ("OPTIONS", &[], allow),
        ] {
            assert_eq!(
                class(method, pairs, true),
                Class::Refused(refusal),
                "{method} {pairs:?}"
            );
            assert_eq!(
                class(method, pairs, false),
                Class::Unread,
                "{method} {pairs:?}"
            );
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_post_must_take_both_forms_of_answer_where_only_mcp_may_pass() {
        for accept in ["application/json", "text/event-stream", "text/html", ""] {
            let pairs = [JSON, ("accept", accept)];
            assert!(
                matches!(
                    class("POST", &pairs, true),
                    Class::Refused(Refusal::Accept(_))
                ),
                "{accept}"
            );
            assert_eq!(class("POST", &pairs, false), Class::Message);
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn streams_and_ends_of_sessions_pass() {
        for strict in [true, false] {
            assert_eq!(
                class("GET", &[("accept", "text/event-stream")], strict),
                Class::Unread
            );
            assert_eq!(
                class("DELETE", &[("mcp-session-id", "s")], strict),
                Class::Unread
            );
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_post_without_a_body_is_refused_only_where_only_mcp_may_pass() {
        let headers = Headers::from_pairs([(":method", "POST"), JSON]);
        assert_eq!(classify(&headers, false, true), Class::Message);
        assert_eq!(classify(&headers, false, false), Class::Unread);
    }
}
