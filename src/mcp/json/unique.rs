//! Finds duplicate names at any depth.

use super::member_names::MemberNames;
use super::reader::{Error, Reader};

/// The deepest nesting that [`unique`] accepts, which limits its memory. MCP servers do not read
/// deeper nesting.
const DEEPEST: usize = 1000;

/// Whether no object in `text`, at any depth, has a name twice.
///
/// # Errors
/// `text` is not one JSON value, or nested more than 1,000 levels deep.
pub fn unique(text: &str) -> Result<bool, Error> {
    let mut reader = Reader::new(text);
    let mut open: Vec<Option<MemberNames<'_>>> = Vec::new();
    loop {
        if open.len() > DEEPEST {
            return reader.error("at most 1000 levels");
        }
        // A value starts here. If it is a member's, its name was read.
        match reader.peek() {
            Some(b'{') => {
                reader.take(b'{');
                if !reader.take(b'}') {
                    open.push(Some(MemberNames::default()));
                    if !named(&mut reader, &mut open)? {
                        return Ok(false);
                    }
                    continue;
                }
            }
            Some(b'[') => {
                reader.take(b'[');
                if !reader.take(b']') {
                    open.push(None);
                    continue;
                }
            }
            _ => {
                reader.skip()?;
            }
        }
        loop {
            match open.last() {
                None => return reader.end().map(|()| true),
                Some(container) => {
                    let end = if container.is_some() { b'}' } else { b']' };
                    if reader.take(b',') {
                        if !named(&mut reader, &mut open)? {
                            return Ok(false);
                        }
                        break;
                    }
                    if !reader.take(end) {
                        return reader.error("\",\" or the end of a container");
                    }
                    open.pop();
                }
            }
        }
    }
}

/// Reads the name of the next member if the innermost container is an object;
/// `false` if the object has that name already.
fn named<'a>(reader: &mut Reader<'a>, open: &mut [Option<MemberNames<'a>>]) -> Result<bool, Error> {
    match open.last_mut() {
        Some(Some(names)) => Ok(names.insert(reader.name()?)),
        _ => Ok(true),
    }
}
