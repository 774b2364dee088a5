//! Which headers of a client's request go on to a server: those that HTTP, MCP
//! and tracing need, and no others. A client's credentials are for this
//! gateway, not for the servers behind it.

use crate::http::Headers;
use crate::policy::era::Era;

/// What a client tells everybody on its way.
pub const BAGGAGE: &str = "baggage";

/// What links the requests of one trace.
const TRACE: &[&str] = &["x-request-id", "traceparent", "tracestate", BAGGAGE];

/// Kept on a routed request, beside pseudo-headers, [`TRACE`] and what starts
/// with `mcp-` or `x-mcp-`. Envoy's route matching needs `x-forwarded-proto`.
const KEPT: &[&str] = &[
    "x-forwarded-proto",
    "content-type",
    "content-length",
    "transfer-encoding",
    "accept",
];

/// The names of the headers to remove from a request of a client of this `era`
/// before it is routed. What legacy headers of MCP say is written anew.
pub fn removed(headers: &Headers, era: Era) -> Vec<String> {
    let hop_by_hop: Vec<&str> = headers
        .all("connection")
        .filter_map(|value| std::str::from_utf8(value).ok())
        .flat_map(|value| value.split(',').map(str::trim))
        .collect();
    headers
        .names()
        .filter(|name| {
            let is_unread = era == Era::Legacy && name.starts_with("mcp-");
            is_unread || !is_kept(name) || is_listed(&hop_by_hop, name)
        })
        .map(str::to_owned)
        .collect()
}

fn is_kept(name: &str) -> bool {
    let is_mcp =
        (name.starts_with("mcp-") || name.starts_with("x-mcp-")) && name != "mcp-session-id";
    name.starts_with(':') || is_mcp || KEPT.contains(&name) || TRACE.contains(&name)
}

/// Whether `connection` lists `name`; it cannot list what frames the message.
fn is_listed(hop_by_hop: &[&str], name: &str) -> bool {
    !name.starts_with(':')
        && !KEPT.contains(&name)
        && hop_by_hop
            .iter()
            .any(|listed| listed.eq_ignore_ascii_case(name))
}

/// The headers of a request that its fan-out calls repeat.
pub fn traced(headers: &Headers) -> Vec<(&'static str, String)> {
    TRACE
        .iter()
        .flat_map(|name| headers.all(name).map(move |value| (*name, value)))
        .filter_map(|(name, value)| Some((name, std::str::from_utf8(value).ok()?.to_owned())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test(unsupported = test)]
    fn what_the_server_has_no_business_with_is_removed() {
        let headers = Headers::from_pairs([
            (":method", "POST"),
            (":path", "/mcp"),
            (":authority", "h"),
            (":scheme", "http"),
            ("content-type", "application/json"),
            ("content-length", "2"),
            ("accept", "*/*"),
            ("x-forwarded-proto", "http"),
            ("x-request-id", "r"),
            ("traceparent", "t"),
            ("tracestate", "s"),
            ("baggage", "b"),
            ("mcp-method", "tools/call"),
            ("mcp-param-region", "eu"),
            ("x-mcp-method", "tools/call"),
            ("authorization", "Bearer x"),
            ("cookie", "c"),
            ("cookie", "d"),
            ("origin", "https://a"),
            ("referer", "https://a"),
            ("x-forwarded-for", "1.2.3.4"),
            ("x-api-key", "k"),
            ("user-agent", "u"),
            ("mcp-session-id", "s"),
        ]);
        let expected = [
            "authorization",
            "cookie",
            "mcp-session-id",
            "origin",
            "referer",
            "user-agent",
            "x-api-key",
            "x-forwarded-for",
        ];
        let mut removed = removed(&headers, Era::Modern);
        removed.sort_unstable();
        assert_eq!(removed, expected);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_connection_lists_is_removed_except_what_frames_the_message() {
        let headers = Headers::from_pairs([
            ("connection", "Traceparent, content-length"),
            ("connection", "mcp-param-x"),
            ("traceparent", "t"),
            ("content-length", "2"),
            ("mcp-param-x", "1"),
        ]);
        assert_eq!(
            removed(&headers, Era::Modern),
            ["connection", "traceparent", "mcp-param-x"]
        );
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn calls_repeat_trace_headers_only() {
        let headers = Headers::from_pairs([
            ("tracestate", "a"),
            ("tracestate", "b"),
            ("x-request-id", "r"),
            ("authorization", "x"),
        ]);
        let expected = [
            ("x-request-id", "r"),
            ("tracestate", "a"),
            ("tracestate", "b"),
        ];
        assert_eq!(
            traced(&headers),
            expected.map(|(name, value)| (name, value.to_owned()))
        );
    }
}
