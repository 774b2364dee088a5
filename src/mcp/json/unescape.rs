//! Reads the escapes of a JSON string (RFC 8259 section 7).
//!
//! `serde_json` reads them, too. But it can also say which other type it found in place of a
//! string, and the code that writes a float for this makes the filter 3 % larger.

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
        let (character, after) = match escape.next()? {
            'u' => unicode(escape.as_str())?,
            'b' => ('\u{8}', escape.as_str()),
            'f' => ('\u{c}', escape.as_str()),
            'n' => ('\n', escape.as_str()),
            'r' => ('\r', escape.as_str()),
            't' => ('\t', escape.as_str()),
            same @ ('"' | '\\' | '/') => (same, escape.as_str()),
            _ => return None,
        };
        text.push(character);
        rest = after;
    }
}

/// The character that is escaped as `\u` and then `digits`, perhaps with a second escape; and what
/// follows.
fn unicode(digits: &str) -> Option<(char, &str)> {
    let (first, after) = code_unit(digits)?;
    if let Some(Ok(character)) = char::decode_utf16([first]).next() {
        return Some((character, after));
    }
    let (second, after) = code_unit(after.strip_prefix("\\u")?)?;
    let character = char::decode_utf16([first, second]).next()?.ok()?;
    Some((character, after))
}

/// The four hexadecimal digits at the start of `text`, and what follows.
fn code_unit(text: &str) -> Option<(u16, &str)> {
    let (digits, after) = text.split_at_checked(4)?;
    let are_digits = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let unit = u16::from_str_radix(digits, 16).ok();
    Some((unit.filter(|_| are_digits)?, after))
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
