//! The ABI's encoding of a map of headers: the number of fields, then the sizes
//! of each name and value, then each name and value followed by NUL; numbers in
//! 32 bits, little-endian.

use std::ops::Range;

use crate::http::headers::Field;

/// Where the fields stand in an encoded map; `None` when it is none.
pub(super) fn fields(bytes: &[u8]) -> Option<Vec<Field>> {
    let (count, sizes) = number(bytes)?;
    let mut sizes = sizes;
    let mut at = count.checked_mul(8)?.checked_add(4)?;
    let mut fields = Vec::with_capacity(count.min(bytes.len()));
    for _ in 0..count {
        let (name, rest) = number(sizes)?;
        let (value, rest) = number(rest)?;
        sizes = rest;
        fields.push(Field {
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

/// These fields, encoded.
pub(super) fn encoded<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)> + Clone) -> Vec<u8> {
    let mut out = Vec::new();
    let mut push = |number: usize| {
        out.extend_from_slice(&u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes())
    };
    push(pairs.clone().count());
    for (name, value) in pairs.clone() {
        push(name.len());
        push(value.len());
    }
    for (name, value) in pairs {
        for text in [name, value] {
            out.extend_from_slice(text.as_bytes());
            out.push(0);
        }
    }
    out
}
