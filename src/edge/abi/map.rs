//! The ABI's encoding of a map, such as the headers of a request: the number of
//! fields, then the sizes of each name and value, then each name and value
//! followed by a NUL. Numbers have 32 bits and are little-endian.

use std::ops::Range;

use crate::http::headers::FieldRange;

/// Where the fields of the encoded map `bytes` are. `None` if `bytes` is too
/// short for the sizes that it announces. The ranges may end after `bytes`:
/// [`Headers::new`](crate::http::Headers::new) takes such a field as empty.
pub fn fields(bytes: &[u8]) -> Option<Vec<FieldRange>> {
    let (count, mut sizes) = number(bytes)?;
    let mut at = count.checked_mul(8)?.checked_add(4)?;
    let mut fields = Vec::with_capacity(count.min(bytes.len()));
    for _ in 0..count {
        let (name, rest) = number(sizes)?;
        let (value, rest) = number(rest)?;
        sizes = rest;
        fields.push(FieldRange {
            name: text(&mut at, name)?,
            value: text(&mut at, value)?,
        });
    }
    Some(fields)
}

fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<4>()?;
    Some((usize::try_from(u32::from_le_bytes(*number)).ok()?, rest))
}

fn text(at: &mut usize, size: usize) -> Option<Range<usize>> {
    let start = *at;
    let end = start.checked_add(size)?;
    *at = end.checked_add(1)?;
    Some(start..end)
}

/// The map of these names and values, encoded.
pub fn encoded<'a>(fields: impl Iterator<Item = (&'a str, &'a str)> + Clone) -> Vec<u8> {
    let mut out = Vec::new();
    let mut push = |number: usize| {
        out.extend_from_slice(&u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes())
    };
    push(fields.clone().count());
    for (name, value) in fields.clone() {
        push(name.len());
        push(value.len());
    }
    for (name, value) in fields {
        for text in [name, value] {
            out.extend_from_slice(text.as_bytes());
            out.push(0);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Headers;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test(unsupported = test)]
    fn a_map_is_read_as_it_was_encoded() {
        for pairs in [
            &[][..],
            &[("a", "1")],
            &[(":path", "/mcp"), ("a", ""), ("a", "\u{e4} b")],
        ] {
            let bytes = encoded(pairs.iter().copied());
            let headers = Headers::new(bytes.clone(), fields(&bytes).unwrap());
            let read: Vec<_> = headers.iter().collect();
            let expected = pairs.iter().map(|(name, value)| (*name, value.as_bytes()));
            assert_eq!(read, expected.collect::<Vec<_>>());
        }
        let example = b"\x01\0\0\0\x01\0\0\0\x02\0\0\0a\0bc\0";
        assert_eq!(encoded([("a", "bc")].into_iter()), example);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_map_without_all_of_its_sizes_is_refused() {
        let whole = encoded([("a", "b"), ("c", "d")].into_iter());
        for length in 0..20 {
            assert!(fields(&whole[..length]).is_none(), "{length}");
        }
        assert!(fields(b"\xff\xff\xff\xff").is_none());
        // A text that is cut off is empty, and no other text comes in its place.
        let cut = whole[..22].to_vec();
        let headers = Headers::new(cut.clone(), fields(&cut).unwrap());
        let read: Vec<_> = headers.iter().collect();
        assert_eq!(read, [("a", &b""[..]), ("", b"")]);
    }
}
