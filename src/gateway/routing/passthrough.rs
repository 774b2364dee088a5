//! Which headers of a client's request may go to a server: those that HTTP, MCP
//! and tracing need, those that the configuration passes through, and no others.
//! A client's credentials are for this gateway, not for the servers behind it.

use std::fmt;

use crate::config::{Forwarded, Server};
use crate::http::Headers;
use crate::mcp;
use crate::policy::{Refusal, export};

/// The baggage of a trace (W3C Baggage): data that a client gives to each server on the way of its
/// request.
pub(super) const BAGGAGE: &str = "baggage";

/// The headers that connect the requests of one trace.
const TRACE: &[&str] = &["x-request-id", "traceparent", "tracestate", BAGGAGE];

/// The headers that frame a message. Envoy's route matching needs `x-forwarded-proto`. The gateway
/// writes `content-type` and `accept` itself.
const MESSAGE: &[&str] = &["x-forwarded-proto", "content-length", "transfer-encoding"];

/// Whether a routed request keeps the client's header `name` if the configuration does not mention
/// it. The headers that this filter sets for later filters stay; Envoy's routes remove them.
pub(super) fn is_kept_by_default(name: &str) -> bool {
    let is_mcp = name.starts_with("mcp-") && name != mcp::SESSION_HEADER;
    name.starts_with(':')
        || is_mcp
        || export::HEADERS.contains(&name)
        || MESSAGE.contains(&name)
        || is_trace(name)
}

/// Whether the header `name` connects the requests of one trace.
pub fn is_trace(name: &str) -> bool {
    TRACE.contains(&name)
}

/// Whether the configuration gives `server` the header `name` with a fixed value.
pub(super) fn is_static_header(server: &Server, name: &str) -> bool {
    server
        .headers
        .iter()
        .any(|(configured, _)| configured == name)
}

/// The values of the client's header that `entry` passes through.
///
/// # Errors
/// The header is required and missing, or a value is not UTF-8 or contains
/// control characters.
pub(super) fn passthrough_values(
    headers: &Headers,
    connection_headers: &[&str],
    entry: &Forwarded,
) -> Result<Vec<String>, Refusal> {
    let mut values = Vec::new();
    if !is_connection_header(connection_headers, &entry.name) {
        for value in headers.all(&entry.name) {
            let value =
                plain_text(value).ok_or_else(|| Refusal::HeaderInvalid(entry.name.clone()))?;
            values.push(value.to_owned());
        }
    }
    if values.is_empty() && entry.required {
        return Err(Refusal::HeaderMissing(entry.name.clone()));
    }
    Ok(values)
}

/// The headers of a client's request that connect it with other requests of the
/// same trace.
pub(super) fn trace_headers<'h>(
    headers: &'h Headers,
    connection_headers: &'h [&'h str],
) -> impl Iterator<Item = (&'static str, String)> + 'h {
    TRACE
        .iter()
        .filter(|name| !is_connection_header(connection_headers, name))
        .flat_map(|name| headers.all(name).map(move |value| (*name, value)))
        .filter_map(|(name, value)| Some((name, plain_text(value)?.to_owned())))
}

/// The names in the header `connection`. The headers with these names are for one connection only
/// (RFC 9110 section 7.6.1).
pub(super) fn connection_headers(headers: &Headers) -> Vec<&str> {
    let lists = headers.all("connection");
    lists
        .filter_map(|list| std::str::from_utf8(list).ok())
        .flat_map(|list| list.split(',').map(str::trim))
        .collect()
}

/// Whether `name` is among the `connection_headers`. A header that frames the message never counts
/// as one of them, whatever `connection` says.
pub(super) fn is_connection_header(connection_headers: &[&str], name: &str) -> bool {
    !name.starts_with(':')
        && !MESSAGE.contains(&name)
        && connection_headers
            .iter()
            .any(|listed| listed.eq_ignore_ascii_case(name))
}

/// A header value as text that all software reads in the same way: UTF-8 without control
/// characters, except tabs.
fn plain_text(value: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(value).ok()?;
    let is_plain = |byte: u8| !byte.is_ascii_control() || byte == b'\t';
    text.bytes().all(is_plain).then_some(text)
}

/// Shows the names of header fields and not their values, which may be
/// credentials.
pub(super) struct NamesOnly<'f, N>(pub(super) &'f [(N, String)]);

impl<N: AsRef<str>> fmt::Debug for NamesOnly<'_, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.iter().map(|(name, _)| name.as_ref());
        f.debug_list().entries(names).finish()
    }
}
