//! Copies trace context and baggage of a message (MCP 2026-07-28, `_meta`) to the
//! HTTP headers for them (W3C Trace Context, W3C Baggage).

use crate::mcp::json;
use crate::mcp::message::Meta;

/// `propagateTraceContext` and `propagateBaggage`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Propagation {
    /// `traceparent`, `tracestate`
    pub trace_context: bool,
    /// `baggage`
    pub baggage: bool,
}

/// The changes to the headers of the request: first remove, then set.
#[derive(Default, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub struct TraceHeaders {
    /// Names. The headers of the request are replaced, not mixed with the message's.
    pub removed: Vec<&'static str>,
    /// Names and values.
    pub set: Vec<(&'static str, String)>,
}

impl Propagation {
    /// The headers for a message with this `_meta`. Values that are not valid are
    /// left out, and so is a `tracestate` without a valid `traceparent`.
    pub fn headers(self, meta: &Meta<'_>) -> TraceHeaders {
        let mut headers = TraceHeaders::default();
        let text = |raw: Option<&str>, valid: fn(&str) -> bool| {
            let text = json::string(raw?)?.into_owned();
            valid(&text).then_some(text)
        };
        if self.trace_context
            && let Some(parent) = text(meta.traceparent, is_traceparent)
        {
            headers.removed.extend(["traceparent", "tracestate"]);
            headers.set.push(("traceparent", parent));
            headers
                .set
                .extend(text(meta.tracestate, is_tracestate).map(|state| ("tracestate", state)));
        }
        if self.baggage
            && let Some(baggage) = text(meta.baggage, is_baggage)
        {
            headers.removed.push("baggage");
            headers.set.push(("baggage", baggage));
        }
        headers
    }
}

/// Version 00 is `00-<32 hex>-<16 hex>-<2 hex>`, and neither id is all zeros. A
/// later version may have more after another `-` (Trace Context section 3.2).
fn is_traceparent(text: &str) -> bool {
    let mut parts = text.splitn(5, '-');
    let version = parts.next().filter(|part| is_hex(part, 2));
    let ids = [
        parts.next().filter(|part| is_hex(part, 32)),
        parts.next().filter(|part| is_hex(part, 16)),
    ];
    let flags = parts.next().filter(|part| is_hex(part, 2));
    let known = match (version, parts.next()) {
        (None | Some("ff"), _) | (Some("00"), Some(_)) => false,
        (_, more) => more.is_none_or(is_plain),
    };
    known
        && flags.is_some()
        && ids
            .iter()
            .all(|id| id.is_some_and(|id| id.bytes().any(|byte| byte != b'0')))
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// A list of up to 32 `key=value`, of visible ASCII, 512 bytes in all (Trace Context
/// section 3.3).
fn is_tracestate(text: &str) -> bool {
    let member = |member: &str| {
        let Some((key, value)) = member.split_once('=') else {
            return false;
        };
        let is_key =
            |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@');
        !key.is_empty()
            && key.len() <= 256
            && key.bytes().all(is_key)
            && !value.is_empty()
            && value.len() <= 256
            && !value.contains('=')
    };
    let members: Vec<&str> = text
        .split(',')
        .map(str::trim)
        .filter(|member| !member.is_empty())
        .collect();
    text.len() <= 512
        && is_plain(text)
        && !members.is_empty()
        && members.len() <= 32
        && members.into_iter().all(member)
}

/// A list of up to 180 `token=value;property`, 8,192 bytes in all (Baggage
/// section 3).
fn is_baggage(text: &str) -> bool {
    let member = |member: &str| {
        let entry = member.split(';').next().unwrap_or_default();
        let Some((key, value)) = entry.split_once('=') else {
            return false;
        };
        let is_token =
            |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let is_value = |byte: u8| byte.is_ascii_graphic() && !b"\",;\\".contains(&byte);
        let (key, value) = (key.trim(), value.trim());
        !key.is_empty() && key.bytes().all(is_token) && value.bytes().all(is_value)
    };
    let members: Vec<&str> = text.split(',').collect();
    text.len() <= 8192 && is_plain(text) && members.len() <= 180 && members.into_iter().all(member)
}

fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte == b' ' || byte == b'\t' || byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[wasm_bindgen_test(unsupported = test)]
    fn a_traceparent_is_what_the_standard_says() {
        for valid in [
            PARENT,
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
        ] {
            assert!(is_traceparent(valid), "{valid}");
        }
        for invalid in [
            "",
            "00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0\n",
        ] {
            assert!(!is_traceparent(invalid), "{invalid}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn tracestate_and_baggage_are_what_the_standards_say() {
        for valid in [
            "a=1",
            "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
            "a@b=1, c=2",
        ] {
            assert!(is_tracestate(valid), "{valid}");
        }
        for invalid in [
            "",
            "a",
            "=1",
            "A=1",
            "a=",
            "a=1\r\nx: y",
            "a=ä",
            &format!("a={}", "x".repeat(600)),
        ] {
            assert!(!is_tracestate(invalid), "{invalid}");
        }
        for valid in ["a=1", "k1=v1,k2=v2;p=1", "k = v", "k=%20"] {
            assert!(is_baggage(valid), "{valid}");
        }
        for invalid in ["", "a", "a b=1", "a=1\n", "a=\"x\"", "a=1,,b=2"] {
            assert!(!is_baggage(invalid), "{invalid}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_is_valid_replaces_what_http_said_and_what_is_not_is_left_out() {
        let quoted = format!("\"{PARENT}\"");
        let meta = Meta {
            traceparent: Some(&quoted),
            tracestate: Some("\"a=1\""),
            baggage: Some("\"k=v\""),
            ..Meta::default()
        };
        let both = Propagation {
            trace_context: true,
            baggage: true,
        };
        let headers = both.headers(&meta);
        assert_eq!(headers.removed, ["traceparent", "tracestate", "baggage"]);
        assert_eq!(
            headers.set,
            [
                ("traceparent", PARENT.to_owned()),
                ("tracestate", "a=1".into()),
                ("baggage", "k=v".into())
            ]
        );
        assert_eq!(
            Propagation::default().headers(&meta),
            TraceHeaders::default()
        );
        let orphan = Meta {
            traceparent: Some("7"),
            tracestate: Some("\"a=1\""),
            baggage: Some("\"\\n\""),
            ..Meta::default()
        };
        assert_eq!(both.headers(&orphan), TraceHeaders::default());
    }
}
