//! The scopes of a caller, from what an earlier filter left in dynamic metadata.

/// The scopes that a value of dynamic metadata lists, as Envoy gives it to
/// `get_property`: a string as its bytes, in which blanks stand between the
/// scopes (RFC 6749 section 3.3); a list as the ABI's map whose names are the
/// elements, without values. Anything else is no scope.
///
/// Envoy does not say which type a value has. No string of scopes has the NULs
/// of an encoded list; but a map of empty strings is a list of its names.
pub fn read(value: Option<&[u8]>) -> Vec<String> {
    let Some(value) = value else {
        return Vec::new();
    };
    match text(value) {
        Some(text) => {
            let scopes = text.split(' ').filter(|scope| !scope.is_empty());
            scopes.map(str::to_owned).collect()
        }
        None => list(value).unwrap_or_default(),
    }
}

/// `bytes` as what may be a string of scopes, or one scope: numbers, booleans
/// and what is encoded have bytes that are no characters, or control them.
fn text(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    (!text.contains(char::is_control)).then_some(text)
}

/// The number of fields, then the sizes of each name and value, then each name
/// and value followed by NUL; numbers in 32 bits, little-endian.
fn list(bytes: &[u8]) -> Option<Vec<String>> {
    let (count, mut sizes) = number(bytes)?;
    let mut rest = sizes.get(count.checked_mul(8)?..)?;
    let mut list = Vec::new();
    for _ in 0..count {
        let (name, after) = number(sizes)?;
        let (value, after) = number(after)?;
        sizes = after;
        let (element, after) = rest.split_at_checked(name)?;
        rest = after.strip_prefix(b"\0\0").filter(|_| value == 0)?;
        list.push(text(element)?.to_owned());
    }
    rest.is_empty().then_some(list)
}

fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<4>()?;
    Some((usize::try_from(u32::from_le_bytes(*number)).ok()?, rest))
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
    fn a_string_lists_scopes_between_blanks() {
        for (text, expected) in [
            ("", &[][..]),
            ("  ", &[]),
            ("a", &["a"]),
            ("a:read b", &["a:read", "b"]),
            ("  a   b ", &["a", "b"]),
            ("a,b", &["a,b"]),
        ] {
            assert_eq!(read(Some(text.as_bytes())), expected, "{text:?}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_list_of_strings_lists_them() {
        for (elements, expected) in [
            (&[][..], &[][..]),
            (&["a"], &["a"]),
            (&["a", "b", "a b", ""], &["a", "b", "a b", ""]),
        ] {
            let fields: Vec<_> = elements
                .iter()
                .map(|it| (it.as_bytes(), &b""[..]))
                .collect();
            assert_eq!(read(Some(&map(&fields))), expected, "{elements:?}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn anything_else_is_no_scope() {
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
            assert_eq!(read(Some(value)), [""; 0], "{value:?}");
        }
        assert_eq!(read(None), [""; 0]);
    }
}
