//! The bytes with which Envoy answers `get_property` and `expr_evaluate`. They
//! do not say which type a value has: a string is its characters, a boolean is
//! one byte, a number is eight, and a list is an encoded [`map`] whose names are
//! the elements, without values.

use super::map;
use crate::policy::authorization::Verdict;
use crate::policy::scopes;

/// The verdict of a CEL expression, from the result of `expr_evaluate`; `None`
/// if the evaluation failed. Only a boolean counts, which is exactly one byte, 0
/// or 1: any other result is a failed evaluation.
pub fn verdict(result: Option<&[u8]>) -> Verdict {
    match result {
        Some([1]) => Verdict::True,
        Some([0]) => Verdict::False,
        _ => Verdict::Failed,
    }
}

/// The scopes in a value of dynamic metadata: the parts of a string (RFC 6749
/// section 3.3), or the elements of a list of strings. Any other value has no
/// scopes.
///
/// A string of scopes has no NUL, and an encoded list always has some, so the two
/// differ. A map whose values are empty strings has the same bytes as the list of
/// its names, and counts as that list.
pub fn scopes(value: Option<&[u8]>) -> Vec<String> {
    let Some(value) = value else {
        return Vec::new();
    };
    match text(value) {
        Some(text) => scopes::split(text),
        None => list(value).unwrap_or_default(),
    }
}

/// `bytes` as a text that may hold scopes. Numbers, booleans and encoded values
/// have bytes that are not UTF-8, or control characters.
fn text(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    (!text.contains(char::is_control)).then_some(text)
}

/// The elements of an encoded list of strings.
fn list(bytes: &[u8]) -> Option<Vec<String>> {
    let fields = map::fields(bytes)?;
    let names = fields.into_iter().map(|field| text(bytes.get(field.name)?));
    let names = names.collect::<Option<Vec<&str>>>()?;
    // Equal only if no element has a value, nothing is cut off and nothing follows.
    let list = map::encoded(names.iter().map(|name| (*name, "")));
    (list == bytes).then(|| names.into_iter().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    fn map(fields: &[(&[u8], &[u8])]) -> Vec<u8> {
        let size = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap().to_le_bytes();
        let mut out = u32::try_from(fields.len()).unwrap().to_le_bytes().to_vec();
        for (name, value) in fields {
            out.extend(size(name));
            out.extend(size(value));
        }
        for (name, value) in fields {
            out.extend([*name, b"\0", *value, b"\0"].concat());
        }
        out
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn only_the_one_byte_of_a_boolean_is_a_verdict() {
        for (result, expected) in [
            (Some(&b"\x01"[..]), Verdict::True),
            (Some(b"\x00"), Verdict::False),
            (Some(b""), Verdict::Failed),
            (Some(b"1"), Verdict::Failed),
            (Some(b"\x02"), Verdict::Failed),
            (Some(b"\x01\x00"), Verdict::Failed),
            (Some(&[1, 0, 0, 0, 0, 0, 0, 0]), Verdict::Failed),
            (Some(b"true"), Verdict::Failed),
            (None, Verdict::Failed),
        ] {
            assert_eq!(verdict(result), expected, "{result:?}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_string_has_scopes_between_its_spaces() {
        for (text, expected) in [
            ("", &[][..]),
            ("  ", &[]),
            ("a", &["a"]),
            ("a:read b", &["a:read", "b"]),
            ("  a   b ", &["a", "b"]),
            ("a,b", &["a,b"]),
        ] {
            assert_eq!(scopes(Some(text.as_bytes())), expected, "{text:?}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn each_element_of_a_list_of_strings_is_a_scope() {
        for (elements, expected) in [
            (&[][..], &[][..]),
            (&["a"], &["a"]),
            (&["a", "b", "a b", ""], &["a", "b", "a b", ""]),
        ] {
            let fields: Vec<_> = elements
                .iter()
                .map(|it| (it.as_bytes(), &b""[..]))
                .collect();
            assert_eq!(scopes(Some(&map(&fields))), expected, "{elements:?}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn any_other_value_has_no_scopes() {
        let nested = map(&[(b"a", b"")]);
        let mut cut = map(&[(b"a", b""), (b"b", b"")]);
        cut.pop();
        let long = [&nested[..], b"\0"].concat();
        for value in [
            &b"\x01"[..],
            b"\x00",
            &1.0_f64.to_le_bytes(),
            &7_i64.to_le_bytes(),
            b"a\nb",
            b"a\tb",
            b"a\0b",
            b"a \xff",
            &map(&[(b"a", b"x")]),
            &map(&[(b"a", b""), (b"admin", b"\x01")]),
            &map(&[(b"scope", &nested)]),
            &map(&[(&nested, b"")]),
            &map(&[(b"a", b""), (&1.0_f64.to_le_bytes(), b"")]),
            &cut,
            &long,
            b"\xff\xff\xff\xff",
            b"\x01\0\0\0\xff\xff\xff\xff\0\0\0\0",
        ] {
            assert_eq!(scopes(Some(value)), [""; 0], "{value:?}");
        }
        assert_eq!(scopes(None), [""; 0]);
    }
}
