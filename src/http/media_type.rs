//! `Content-Type` and `Accept`, as far as MCP's streamable HTTP needs them
//! (RFC 9110 sections 8.3 and 12.5.1).

use super::Headers;

/// The `content-type` of a message. Nearly every client sends it in this form, which is found
/// without parsing.
pub const JSON: &str = "application/json";
/// The `accept` of a request whose response may be a message or a stream of events. Nearly every
/// client sends it in this form.
pub const JSON_AND_EVENTS: &str = "application/json, text/event-stream";

/// Whether `content-type` says that the body is JSON in UTF-8: it is there once, is
/// `application/json`, and its `charset`, if any, is `utf-8`.
pub fn is_json(headers: &Headers) -> bool {
    let Ok(Some(value)) = headers.single("content-type") else {
        return false;
    };
    if value == JSON.as_bytes() {
        return true;
    }
    let Ok(value) = std::str::from_utf8(value) else {
        return false;
    };
    let (essence, parameters) = split(value);
    essence.eq_ignore_ascii_case("application/json")
        && parameters
            .filter(|(name, _)| name.eq_ignore_ascii_case("charset"))
            .all(|(_, charset)| {
                let charset = charset.trim_matches('"');
                charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("utf8")
            })
}

/// Whether the `content-type` of a response says that it is one JSON text. As in the
/// SDKs of MCP, the start of the value decides: servers also send
/// `application/json-rpc`.
pub fn is_json_text(value: &str) -> bool {
    starts_with(value, "application/json")
}

/// Whether the `content-type` of a response says that it is a stream of events.
pub fn is_event_stream(value: &str) -> bool {
    starts_with(value, "text/event-stream")
}

#[inline(never)]
fn starts_with(value: &str, start: &str) -> bool {
    let value = value.trim_start().as_bytes();
    let found = value.get(..start.len());
    found.is_some_and(|found| found.eq_ignore_ascii_case(start.as_bytes()))
}

/// Whether the body is in a content-encoding.
pub fn is_encoded(headers: &Headers) -> bool {
    let mut encodings = headers.all("content-encoding");
    encodings.any(|value| !value.eq_ignore_ascii_case(b"identity"))
}

/// The media types that a client accepts in a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Accept {
    /// `application/json`
    pub json: bool,
    /// `text/event-stream`
    pub event_stream: bool,
}

impl Accept {
    /// Reads all `accept` fields. Without any, the client accepts everything (RFC 9110
    /// section 12.5.1).
    pub fn of(headers: &Headers) -> Self {
        let value = headers.single("accept");
        if matches!(value, Ok(None)) || value == Ok(Some(JSON_AND_EVENTS.as_bytes())) {
            return Self {
                json: true,
                event_stream: true,
            };
        }
        let values = headers.all("accept");
        let ranges: Vec<&str> = values
            .filter_map(|value| std::str::from_utf8(value).ok())
            .flat_map(|value| value.split(','))
            .collect();
        Self {
            json: accepts(&ranges, ["application/json", "application/*", "*/*"]),
            event_stream: accepts(&ranges, ["text/event-stream", "text/*", "*/*"]),
        }
    }
}

/// Whether one of these media ranges includes a media type. `names` are the ranges that
/// include it, the most specific first: that one decides (RFC 9110 section 12.5.1).
fn accepts(ranges: &[&str], names: [&str; 3]) -> bool {
    let decides = |name: &&str| {
        let named = ranges.iter().map(|range| split(range));
        let mut named = named.filter(|(essence, _)| essence.eq_ignore_ascii_case(name));
        let (_, mut parameters) = named.next()?;
        Some(!parameters.any(|(name, weight)| name.eq_ignore_ascii_case("q") && is_zero(weight)))
    };
    names.iter().find_map(decides).unwrap_or(false)
}

/// The essence of a media type or range, and its parameters.
fn split(value: &str) -> (&str, impl Iterator<Item = (&str, &str)>) {
    let mut parts = value.split(';');
    let essence = parts.next().unwrap_or_default().trim();
    let parameters = parts.filter_map(|part| {
        let (name, value) = part.split_once('=')?;
        Some((name.trim(), value.trim()))
    });
    (essence, parameters)
}

/// A weight of zero excludes a range (RFC 9110 section 12.4.2).
fn is_zero(weight: &str) -> bool {
    weight.strip_prefix('0').is_some_and(|rest| {
        rest.trim_start_matches('.')
            .bytes()
            .all(|byte| byte == b'0')
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test(unsupported = test)]
    fn json_in_utf8_is_recognised() {
        for (value, expected) in [
            ("application/json", true),
            ("Application/JSON", true),
            ("application/json; charset=utf-8", true),
            ("application/json;charset=\"UTF-8\"", true),
            ("application/json; profile=x", true),
            ("application/json; charset=utf-16", false),
            ("application/json-patch+json", false),
            ("application/jsonx", false),
            ("text/plain", false),
            ("", false),
        ] {
            assert_eq!(
                is_json(&Headers::from_pairs([("content-type", value)])),
                expected,
                "{value}"
            );
        }
        assert!(!is_json(&Headers::default()));
        let twice = Headers::from_pairs([
            ("content-type", "application/json"),
            ("content-type", "text/plain"),
        ]);
        assert!(!is_json(&twice));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn the_type_of_an_answer_is_read_as_sdks_read_it() {
        for (value, is_json, is_stream) in [
            ("application/json", true, false),
            ("Application/JSON;charset=UTF-8", true, false),
            (" application/json-rpc", true, false),
            ("text/event-stream", false, true),
            ("Text/Event-Stream; charset=utf-8", false, true),
            ("text/html", false, false),
            ("application/jso", false, false),
            ("", false, false),
            ("text/plain; application/json", false, false),
        ] {
            assert_eq!(is_json_text(value), is_json, "{value}");
            assert_eq!(is_event_stream(value), is_stream, "{value}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn accept_is_read_over_all_fields_and_weights() {
        let both = Accept {
            json: true,
            event_stream: true,
        };
        let json = Accept {
            json: true,
            event_stream: false,
        };
        for (values, expected) in [
            (&["application/json, text/event-stream"][..], both),
            (&["application/json", "text/event-stream"], both),
            (&["*/*"], both),
            (&["Application/Json;q=0.5"], json),
            (&["application/json, text/event-stream;q=0"], json),
            (&["application/json, text/event-stream;q=0.000"], json),
            (&["application/*"], json),
            // The most specific range decides, wherever it stands.
            (&["text/event-stream;q=0, */*"], json),
            (&["*/*", "text/*;q=0"], json),
            (&["*/*;q=0, application/json"], json),
            (&["text/*;q=0, text/event-stream, application/json"], both),
            (&["text/html"], Accept::default()),
            (&[""], Accept::default()),
            (&[], both),
        ] {
            let headers = Headers::from_pairs(values.iter().map(|value| ("accept", *value)));
            assert_eq!(Accept::of(&headers), expected, "{values:?}");
        }
    }
}
