//! JSON text read in place: the members of an object and the elements of an
//! array as slices of the text they stand in, so that what is not understood
//! can be passed on byte for byte.

pub mod edit;
mod member_names;
pub mod object;
mod reader;
mod scan;
#[cfg(test)]
mod tests;
mod unique;

use std::borrow::Cow;
use std::ops::Range;

pub use reader::{Error, Reader};
pub use unique::unique;

/// What a JSON text turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// An object.
    Object {
        /// No member name came twice, compared after unescaping.
        unique: bool,
    },
    /// An array.
    Array,
    /// A string, number, boolean or null.
    Scalar,
}

/// Reads `text` as one JSON value and shows each member of an object, name
/// unescaped, value as it stands. Every member is shown, duplicates too.
///
/// # Errors
/// `text` is not one JSON value (RFC 8259).
pub fn members<'a>(
    text: &'a str,
    mut visit: impl FnMut(Cow<'a, str>, &'a str),
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

/// Shows each element of the array `text`, as it stands.
///
/// # Errors
/// `text` is not a JSON array.
pub fn elements<'a>(text: &'a str, mut visit: impl FnMut(&'a str)) -> Result<(), Error> {
    let mut reader = Reader::new(text);
    reader.array(|reader| {
        visit(reader.skip()?);
        Ok(())
    })?;
    reader.end()
}

/// Each value that the member `name` of the object `text` has, as it stands;
/// none where `text` is no object.
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

/// The string that `text` stands for; `None` when it is not a JSON string, or
/// escapes half a surrogate pair.
pub fn string(text: &str) -> Option<Cow<'_, str>> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    let plain = !inner
        .bytes()
        .any(|byte| byte == b'"' || byte == b'\\' || byte < b' ');
    if plain {
        Some(Cow::Borrowed(inner))
    } else {
        serde_json::from_str(text).ok().map(Cow::Owned)
    }
}

/// Where `part`, a slice of `whole`, stands in it; `None` when it does not.
pub fn span(whole: &str, part: &str) -> Option<Range<usize>> {
    let start = part.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
    let end = start.checked_add(part.len())?;
    (end <= whole.len()).then_some(start..end)
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

/// `text` as a JSON string.
pub fn quoted(text: &str) -> String {
    // A str is always a JSON string.
    serde_json::to_string(text).unwrap_or_default()
}

/// Appends `text` as a JSON string.
pub fn push_string(out: &mut Vec<u8>, text: &str) {
    // Writing to a Vec cannot fail, and a str is always a JSON string.
    let _ = serde_json::to_writer(out, text);
}
