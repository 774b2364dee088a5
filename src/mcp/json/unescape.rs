//! Reads the escapes of a JSON string (RFC 8259 section 7).
//!
//! `serde_json` reads them, too. But it can also say which other type it found in place of a
//! string, and the code that writes a float for this makes the filter 3 % larger.

use std::str::Chars;

use super::scan;

/// The text of a string, from what is between its quotes; `None` where that has a quote, a control
/// character or a wrong escape, or escapes half a surrogate pair.
pub(super) fn unescaped(mut rest: &str) -> Option<String> {
    let mut text = String::with_capacity(rest.len());
    loop {
        let special = scan::plain(rest.as_bytes()).len();
        let (plain, escaped) = rest.split_at_checked(rest.len().checked_sub(special)?)?;
        text.push_str(plain);
        if escaped.is_empty() {
            return Some(text);
        }
        let mut escape = escaped.strip_prefix('\\')?.chars();
        text.push(match escape.next()? {
            'u' => unicode(&mut escape)?,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            same @ ('"' | '\\' | '/') => same,
            _ => return None,
        });
        rest = escape.as_str();
    }
}

/// Reads the character that is escaped as `\u` and the digits at the start of `rest`, perhaps with
/// a second escape.
fn unicode(rest: &mut Chars<'_>) -> Option<char> {
    let first = code_unit(rest)?;
    if let Some(Ok(character)) = char::decode_utf16([first]).next() {
        return Some(character);
    }
    if (rest.next(), rest.next()) != (Some('\\'), Some('u')) {
        return None;
    }
    char::decode_utf16([first, code_unit(rest)?]).next()?.ok()
}

/// Reads the four hexadecimal digits at the start of `rest`.
fn code_unit(rest: &mut Chars<'_>) -> Option<u16> {
    let (digits, after) = rest.as_str().split_at_checked(4)?;
    let are_digits = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    *rest = after.chars();
    u16::from_str_radix(digits, 16).ok().filter(|_| are_digits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test(unsupported = test)]
    fn strings_are_those_of_serde_json() {
        const PARTS: &[&str] = &[
            "\\", "\"", "/", "b", "f", "n", "r", "t", "u", "u00e4", "u0000", "ud83d", "ude00",
            "uD800", "uDFFF", "u+123", "u12", "\u{8}", "\u{1f}", "ä", "x", "\\u",
        ];
        let mut texts = vec![String::new()];
        for _ in 0..3 {
            let mut longer = Vec::new();
            for text in &texts {
                longer.extend(PARTS.iter().map(|part| format!("{text}{part}")));
            }
            for text in &longer {
                for text in [text.clone(), text.replace('u', "\\u")] {
                    let theirs = serde_json::from_str::<String>(&format!("\"{text}\"")).ok();
                    assert_eq!(unescaped(&text), theirs, "{text:?}");
                }
            }
            texts = longer;
        }
    }
}
