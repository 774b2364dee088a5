//! Text as a header value: unchanged if a header can carry it, otherwise as
//! `=?base64?…?=` (MCP 2026-07-28, value encoding of the standard headers).

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const PREFIX: &str = "=?base64?";
const SUFFIX: &str = "?=";

/// `text` as a header value. Visible ASCII with inner spaces is unchanged. Any other text becomes
/// base64 of its UTF-8, and so does a text that already looks encoded.
pub fn encode(text: &str) -> Cow<'_, str> {
    let plain = text
        .bytes()
        .all(|byte| byte == b' ' || byte.is_ascii_graphic())
        && !text.starts_with(' ')
        && !text.ends_with(' ')
        && encoded(text).is_none();
    if plain {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(format!("{PREFIX}{}{SUFFIX}", STANDARD.encode(text)))
    }
}

/// Whether `value` has only the characters of a header value: visible ASCII, spaces and
/// tabs (RFC 9110 section 5.5). Other text must be encoded.
pub fn has_valid_characters(value: &[u8]) -> bool {
    let is_valid = |byte: &u8| matches!(byte, b' ' | b'\t') || byte.is_ascii_graphic();
    value.iter().all(is_valid)
}

/// The text of a header value, without spaces and tabs around it. `None` if the value
/// has other characters than those of a header value, or is encoded but is not
/// canonical base64 of UTF-8.
pub fn decode(value: &[u8]) -> Option<Cow<'_, str>> {
    if !has_valid_characters(value) {
        return None;
    }
    let text = std::str::from_utf8(value).ok()?.trim_matches([' ', '\t']);
    match encoded(text) {
        None => Some(Cow::Borrowed(text)),
        Some(inner) => String::from_utf8(STANDARD.decode(inner).ok()?)
            .ok()
            .map(Cow::Owned),
    }
}

/// The base64 between prefix and suffix. Both are case-sensitive; a text that has
/// only one of them is not encoded.
fn encoded(text: &str) -> Option<&str> {
    text.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test(unsupported = test)]
    fn what_a_header_can_carry_stands_as_it_is() {
        for text in [
            "get_weather",
            "two words",
            "file:///a?b=c#d",
            "",
            "=?base64?",
            "?=",
            "=?BASE64?eA==?=",
        ] {
            assert_eq!(encode(text), text);
            assert_eq!(decode(text.as_bytes()).as_deref(), Some(text));
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_it_cannot_carry_is_base64_of_its_utf8() {
        for (text, value) in [
            ("Ä", "=?base64?w4Q=?="),
            (" x", "=?base64?IHg=?="),
            ("x ", "=?base64?eCA=?="),
            ("a\nb", "=?base64?YQpi?="),
            ("a\tb", "=?base64?YQli?="),
            ("=?base64?eA==?=", "=?base64?PT9iYXNlNjQ/ZUE9PT89?="),
        ] {
            assert_eq!(encode(text), value);
            assert_eq!(decode(value.as_bytes()).as_deref(), Some(text));
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn outer_blanks_are_no_part_of_a_value() {
        assert_eq!(decode(b" \tx \t").as_deref(), Some("x"));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn base64_that_is_not_canonical_utf8_is_refused() {
        for value in [
            "=?base64?eA?=",
            "=?base64?eA=?=",
            "=?base64?eB==?=",
            "=?base64?e A==?=",
            "=?base64?_-==?=",
            "=?base64?/w==?=",
            "=?base64?eA===?=",
        ] {
            assert_eq!(decode(value.as_bytes()), None, "{value}");
        }
        for value in ["\u{c4}", "x\u{7f}", "a\nb", "\0", "get_weather\u{a0}"] {
            assert_eq!(decode(value.as_bytes()), None, "{value:?}");
        }
        for value in [&b"\xff"[..], b"\xc4", b"x\x80"] {
            assert_eq!(decode(value), None, "{value:?}");
        }
    }
}
