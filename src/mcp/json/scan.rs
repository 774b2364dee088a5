//! Skips JSON values as fast as possible.
//!
//! A body has up to a megabyte, mostly arguments that the filter does not read, so the filter
//! spends most of its time here. Functions that are inlined move a [`Rest`]. The others take and
//! return the rest of the text, so that it stays in registers. Strings are searched by words and by
//! blocks.

use std::slice;

/// The rest of a text. An iterator has one pointer that moves, where a slice has a pointer and a
/// length.
pub(super) type Rest<'a> = slice::Iter<'a, u8>;

/// What is expected at the fault, with which the rest of the text starts.
type Expected = &'static str;

/// `Err` if there is a fault.
pub(super) type Skipped = Result<(), Expected>;

/// The containers of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Container {
    Object,
    Array,
}

impl Container {
    /// The byte that closes it, and what is expected after a value in it.
    fn close(self) -> (u8, Expected) {
        match self {
            Self::Object => (b'}', "\",\" or \"}\""),
            Self::Array => (b']', "\",\" or \"]\""),
        }
    }
}

/// The next byte.
#[inline]
pub(super) fn next_of(rest: &Rest<'_>) -> Option<u8> {
    rest.as_slice().first().copied()
}

/// Takes `byte`, if it is next.
#[inline]
pub(super) fn take(rest: &mut Rest<'_>, byte: u8) -> bool {
    let is_next = next_of(rest) == Some(byte);
    if is_next {
        rest.next();
    }
    is_next
}

/// Takes `text`, if it is next.
#[inline]
fn take_text<const N: usize>(rest: &mut Rest<'_>, text: &[u8; N]) -> bool {
    let is_next = rest.as_slice().first_chunk() == Some(text);
    if is_next {
        rest.nth(N.saturating_sub(1));
    }
    is_next
}

/// Skips white space, and takes `byte`, if it is next.
#[inline]
fn take_after_blanks(rest: &mut Rest<'_>, byte: u8) -> bool {
    take(rest, byte) || {
        *rest = after_blanks(rest.clone());
        take(rest, byte)
    }
}

/// Skips white space.
#[inline]
pub(super) fn blanks(rest: &mut Rest<'_>) {
    // Most texts have no white space between their tokens.
    if next_of(rest).is_none_or(|next| next <= b' ') {
        *rest = after_blanks(rest.clone());
    }
}

#[inline(never)]
fn after_blanks(mut rest: Rest<'_>) -> Rest<'_> {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = next_of(&rest) {
        rest.next();
        // Indentation is searched by words.
        while take_text(&mut rest, b"        ") {}
    }
    rest
}

/// Skips the value that is next. `open` is scratch space for the open containers, so that no
/// nesting exhausts the stack.
#[inline(always)]
pub(super) fn value(rest: &mut Rest<'_>, open: &mut Vec<Container>) -> Skipped {
    open.clear();
    let mut container = None;
    loop {
        // An element of an array starts here, or the name of a member of an object.
        if container == Some(Container::Object) {
            string(rest)?;
            if !take_after_blanks(rest, b':') {
                return Err("\":\"");
            }
            blanks(rest);
        }
        match next_of(rest) {
            Some(b'"') => string(rest)?,
            Some(b'{') => {
                rest.next();
                blanks(rest);
                if !take(rest, b'}') {
                    open.extend(container.replace(Container::Object));
                    continue;
                }
            }
            Some(b'[') => {
                rest.next();
                blanks(rest);
                if !take(rest, b']') {
                    open.extend(container.replace(Container::Array));
                    continue;
                }
            }
            Some(b'-' | b'0'..=b'9') => number(rest)?,
            Some(b't') if take_text(rest, b"true") => {}
            Some(b'f') if take_text(rest, b"false") => {}
            Some(b'n') if take_text(rest, b"null") => {}
            _ => return Err("a value"),
        }
        // A value has ended here, and perhaps its containers end, too.
        loop {
            let Some(inside) = container else {
                return Ok(());
            };
            blanks(rest);
            if take(rest, b',') {
                blanks(rest);
                break;
            }
            let (close, expected) = inside.close();
            if !take(rest, close) {
                return Err(expected);
            }
            container = open.pop();
        }
    }
}

/// Skips the string that is next.
#[inline(always)]
pub(super) fn string(rest: &mut Rest<'_>) -> Skipped {
    if !take(rest, b'"') {
        return Err("a string");
    }
    // Most strings are short and plain, and need no call.
    if ends_soon(rest) {
        return Ok(());
    }
    let (after, fault) = match end_of_string(rest.as_slice()) {
        Ok(after) => (after, Ok(())),
        Err((at, expected)) => (at, Err(expected)),
    };
    *rest = after.iter();
    fault
}

/// Skips the rest of a plain string that ends in the next two words; or, in any other string, some
/// of its plain part. Returns whether the string has ended.
#[inline(always)]
fn ends_soon(rest: &mut Rest<'_>) -> bool {
    for _ in 0..2 {
        let Some(word) = rest.as_slice().first_chunk() else {
            return false;
        };
        if let Some(bytes) = first_special(*word) {
            let is_end = rest.as_slice().get(bytes) == Some(&b'"');
            if is_end {
                rest.nth(bytes);
            }
            return is_end;
        }
        rest.nth(7);
    }
    false
}

/// Skips the rest of a string, from anywhere in it.
#[inline(never)]
fn end_of_string(rest: &[u8]) -> Result<&[u8], (&[u8], Expected)> {
    let mut rest = long_plain(rest);
    loop {
        rest = match rest {
            [b'"', after @ ..] => return Ok(after),
            [
                b'\\',
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't',
                after @ ..,
            ] => plain(after),
            [b'\\', b'u', a, b, c, d, after @ ..]
                if [a, b, c, d].iter().all(|digit| digit.is_ascii_hexdigit()) =>
            {
                plain(after)
            }
            [b'\\', ..] => return Err((rest, "an escape")),
            [] => return Err((rest, "the end of a string")),
            _ => return Err((rest, "no control character in a string")),
        };
    }
}

/// Skips the plain part of a string: no quote, no backslash, no control character.
#[inline]
pub(super) fn plain(mut rest: &[u8]) -> &[u8] {
    // Most strings are short: two words are enough.
    for _ in 0..2 {
        match plain_word(rest) {
            Ok(after) => rest = after,
            Err(found) => return found,
        }
    }
    long_plain(rest)
}

/// The same as [`plain`], for a part that is probably long.
#[inline]
fn long_plain(mut rest: &[u8]) -> &[u8] {
    // The compiler turns this loop into SIMD instructions.
    while let Some((block, after)) = rest.split_first_chunk::<64>() {
        if block
            .iter()
            .fold(false, |found, byte| found | is_special(*byte))
        {
            break;
        }
        rest = after;
    }
    loop {
        match plain_word(rest) {
            Ok(after) => rest = after,
            Err(found) => return found,
        }
    }
}

/// Skips a word of 8 plain bytes. `Err` has the text from its first special byte on, or from the
/// end on where there is none.
#[inline]
fn plain_word(rest: &[u8]) -> Result<&[u8], &[u8]> {
    let Some((word, after)) = rest.split_first_chunk() else {
        let special = rest.iter().position(|byte| is_special(*byte));
        return Err(rest
            .get(special.unwrap_or(rest.len())..)
            .unwrap_or_default());
    };
    match first_special(*word) {
        Some(bytes) => Err(rest.get(bytes..).unwrap_or_default()),
        None => Ok(after),
    }
}

fn is_special(byte: u8) -> bool {
    byte == b'"' || byte == b'\\' || byte < b' '
}

/// The index of the first special byte in `word`.
#[inline]
fn first_special(word: [u8; 8]) -> Option<usize> {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let word = u64::from_le_bytes(word);
    // With bit 1 inverted, the quote and the control characters are the bytes below 0x21. For an
    // ASCII byte, a subtraction sets the highest bit if the byte is smaller.
    let quote_or_control = (word ^ LOW.wrapping_mul(0x02)).wrapping_sub(LOW.wrapping_mul(0x21));
    let backslash = (word ^ LOW.wrapping_mul(0x5c)).wrapping_sub(LOW);
    // The flags of the bytes after the first special byte have no meaning.
    let flags = (quote_or_control | backslash) & !word & HIGH;
    let bytes = flags.trailing_zeros() / 8;
    (flags != 0).then(|| usize::try_from(bytes).unwrap_or(0))
}

/// Skips the number that is next.
#[inline(always)]
fn number(rest: &mut Rest<'_>) -> Skipped {
    take(rest, b'-');
    if take(rest, b'0') {
        if let Some(b'0'..=b'9') = next_of(rest) {
            return Err("no digit after 0");
        }
    } else {
        digits(rest)?;
    }
    if take(rest, b'.') {
        digits(rest)?;
    }
    if let Some(b'e' | b'E') = next_of(rest) {
        rest.next();
        if let Some(b'+' | b'-') = next_of(rest) {
            rest.next();
        }
        digits(rest)?;
    }
    Ok(())
}

/// Skips one digit or more.
#[inline(always)]
fn digits(rest: &mut Rest<'_>) -> Skipped {
    let Some(b'0'..=b'9') = next_of(rest) else {
        return Err("a digit");
    };
    rest.next();
    while let Some(b'0'..=b'9') = next_of(rest) {
        rest.next();
    }
    Ok(())
}
