//! The headers of a server's response that the client gets. The client talks to the gateway, and
//! not to the server. So the server's headers about its cookies, connections, credentials or origin
//! are not for the client. An error of the filter replaces more of them.

use crate::gateway::routing::passthrough::is_trace;
use crate::http::{Headers, Reply};
use crate::mcp;
use crate::stream::event::Effect;

/// The headers that pass. `content-encoding` describes the body, as `content-type` does. Envoy's
/// router sets `x-envoy-upstream-service-time` before the filters see the response.
const PASSED: &[&str] = &[
    "cache-control",
    "content-encoding",
    "content-length",
    "content-type",
    "retry-after",
    "server-timing",
    "traceresponse",
    "x-envoy-upstream-service-time",
];

/// Whether the client gets the header `name` of a server.
fn passes(name: &str) -> bool {
    // The gateway gives its clients its own session id.
    let is_mcp = name.starts_with("mcp-") && name != mcp::SESSION_HEADER;
    name.starts_with(':') || is_mcp || PASSED.contains(&name) || is_trace(name)
}

/// Removes from the `headers` of a server's response those that are not for the client.
pub(in crate::stream) fn remove_private(headers: &Headers) -> impl Iterator<Item = Effect> {
    let private = headers.names().filter(|name| !passes(name));
    private.map(|name| Effect::RemoveResponseHeader(name.to_owned()))
}

/// Changes the headers of the response to those of the error `reply`.
pub(in crate::stream) fn error_headers(reply: &Reply) -> Vec<Effect> {
    let mut effects = vec![
        Effect::SetResponseHeader(":status", reply.status.to_string()),
        Effect::SetResponseHeader("content-type", "application/json".to_owned()),
    ];
    let stale = [
        "content-length",
        "content-encoding",
        "retry-after",
        "location",
        "mcp-session-id",
    ];
    effects.extend(stale.map(|name| Effect::RemoveResponseHeader(name.to_owned())));
    effects
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test(unsupported = test)]
    fn the_client_gets_what_describes_the_answer_and_nothing_else() {
        for name in [
            ":status",
            "content-type",
            "content-length",
            "cache-control",
            "retry-after",
            "mcp-protocol-version",
            "x-request-id",
            "traceparent",
            "tracestate",
            "server-timing",
        ] {
            assert!(passes(name), "{name}");
        }
        for name in [
            "mcp-session-id",
            "set-cookie",
            "set-cookie2",
            "www-authenticate",
            "proxy-authenticate",
            "authentication-info",
            "access-control-allow-origin",
            "access-control-allow-private-network",
            "clear-site-data",
            "alt-svc",
            "refresh",
            "location",
            "link",
            "server",
            "strict-transport-security",
            "service-worker-allowed",
            "nel",
            "report-to",
            "x-mcp-cluster",
            "x-envoy-immediate-health-check-fail",
            "x-anything",
        ] {
            assert!(!passes(name), "{name}");
        }
    }
}
