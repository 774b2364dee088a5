//! Reads JSON text in place: the members of an object and the elements of an array are slices of
//! the text. So the gateway can pass on a part that it does not understand byte for byte.

pub mod canonical;
pub mod edit;
pub mod end;
mod member_names;
pub mod object;
mod reader;
mod scan;
#[cfg(test)]
mod tests;
mod unescape;
mod unique;

use std::borrow::Cow;
use std::ops::Range;

pub use reader::{Error, Reader};
pub use unique::unique;

/// The kind of a JSON text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// An object.
    Object {
        /// No member name is there twice, compared after unescaping.
        unique: bool,
    },
    /// An array.
    Array,
    /// A string, number, boolean or null.
    Scalar,
}

/// Reads `text` as one JSON value. If it is an object, calls `visit` with the
/// unescaped name and the JSON text of each member, duplicates too.
///
/// # Errors
/// `text` is not one JSON value (RFC 8259).
pub fn members<'a>(
    text: &'a str,
    mut visit: impl FnMut(Cow<'a, str>, &'a str),
) -> Result<Shape, Error> {
    visit_members(text, &mut visit)
}

fn visit_members<'a>(
    text: &'a str,
    visit: &mut dyn FnMut(Cow<'a, str>, &'a str),
) -> Result<Shape, Error> {
    let mut reader = Reader::new(text);
    let shape = match reader.peek() {
        Some(b'{') => {
            let unique = reader.object(|reader, name| {
                visit(name, reader.skip()?);
                Ok(())
            })?;
            Shape::Object { unique }
        }
        first => {
            reader.skip()?;
            if first == Some(b'[') {
                Shape::Array
            } else {
                Shape::Scalar
            }
        }
    };
    reader.end()?;
    Ok(shape)
}

/// Calls `visit` with the JSON text of each element of the array `text`.
///
/// # Errors
/// `text` is not a JSON array.
pub fn elements<'a>(text: &'a str, mut visit: impl FnMut(&'a str)) -> Result<(), Error> {
    visit_elements(text, &mut visit)
}

fn visit_elements<'a>(text: &'a str, visit: &mut dyn FnMut(&'a str)) -> Result<(), Error> {
    let mut reader = Reader::new(text);
    reader.array(|reader| {
        visit(reader.skip()?);
        Ok(())
    })?;
    reader.end()
}

/// The JSON text of each member `name` of the object `text`; none if `text` is not
/// an object.
#[inline(never)]
pub fn values<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let mut found = Vec::new();
    let shape = members(text, |member, value| {
        if member == name {
            found.push(value);
        }
    });
    if shape.is_err() {
        found.clear();
    }
    found
}

/// The string with the JSON text `text`; `None` if it is not a JSON string, or is
/// not Unicode because it escapes half a surrogate pair.
pub fn string(text: &str) -> Option<Cow<'_, str>> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    if scan::plain(inner.as_bytes()).is_empty() {
        Some(Cow::Borrowed(inner))
    } else {
        unescape::unescaped(inner).map(Cow::Owned)
    }
}

/// The part of a string's `text` from its first quote, backslash or control character on.
pub fn after_plain(text: &[u8]) -> &[u8] {
    scan::plain(text)
}

/// Whether the JSON value `text` is not a number beyond the range of a double. JSON allows such
/// numbers, but other forms of the value, for example a protobuf `Value`, do not.
pub fn is_finite(text: &str) -> bool {
    let is_number = text.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    // The largest double has 309 digits. Most numbers are short, and need not be converted.
    let may_be_large = text.len() > 308 || text.contains(['e', 'E']);
    !(is_number && may_be_large && text.parse().is_ok_and(f64::is_infinite))
}

/// Where `part` is in `whole`, in bytes; `None` if it is not a slice of `whole`.
pub fn span(whole: &str, part: &str) -> Option<Range<usize>> {
    let start = part.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
    let end = start.checked_add(part.len())?;
    (end <= whole.len()).then_some(start..end)
}

/// Appends a JSON array. Each of `texts` has elements with commas between them, or none.
pub fn push_array<'t>(out: &mut Vec<u8>, texts: impl Iterator<Item = &'t [u8]>) {
    let mut is_first = true;
    out.push(b'[');
    for text in texts.filter(|text| !text.is_empty()) {
        if !std::mem::replace(&mut is_first, false) {
            out.push(b',');
        }
        out.extend_from_slice(text);
    }
    out.push(b']');
}

/// Appends `texts` as a JSON array of strings.
pub fn push_strings<T: AsRef<str>>(out: &mut Vec<u8>, texts: &[T]) {
    out.push(b'[');
    for (at, text) in texts.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        push_string(out, text.as_ref());
    }
    out.push(b']');
}

/// The most bytes of JSON for one byte of a string, such as `\u0061`.
pub const MOST_ESCAPED: usize = 6;

/// `text` as a JSON string.
pub fn quoted(text: &str) -> String {
    // A str is always a JSON string.
    serde_json::to_string(text).unwrap_or_default()
}

/// Appends `text` as a JSON string.
#[inline(never)]
pub fn push_string(out: &mut Vec<u8>, text: &str) {
    // Writing to a Vec cannot fail, and a str is always a JSON string.
    let _ = serde_json::to_writer(out, text);
}
