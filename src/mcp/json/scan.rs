//! Skips JSON values as fast as possible.
//!
//! A body has up to a megabyte, mostly arguments that the filter does not read, so the filter
//! spends most of its time here. Every function takes the rest of the text and returns what is left
//! of it, which stays in registers. Strings are searched by words and by blocks.

/// The rest of the text. Or the text from the fault on, and what is expected there.
pub(super) type Scanned<'a> = Result<&'a [u8], (&'a [u8], &'static str)>;

/// The containers of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Container {
    Object,
    Array,
}

/// Skips white space.
#[inline]
pub(super) fn blanks(rest: &[u8]) -> &[u8] {
    // Most texts have no white space between their tokens, or one space.
    match rest {
        [first, ..] if *first > b' ' => rest,
        [b' ', after @ ..] if after.first().is_some_and(|next| *next > b' ') => after,
        _ => more_blanks(rest),
    }
}

/// Skips white space, such as the end of a line and the start of the next one.
#[inline(never)]
fn more_blanks(mut rest: &[u8]) -> &[u8] {
    while let [b' ' | b'\n' | b'\r' | b'\t', after @ ..] = rest {
        rest = after;
        // Indentation is searched by words.
        while let Some((b"        ", after)) = rest.split_first_chunk::<8>() {
            rest = after;
        }
    }
    rest
}

/// Skips the value that `rest` starts with. `open` is scratch space for the open
/// containers, so that no nesting exhausts the stack.
pub(super) fn value<'a>(mut rest: &'a [u8], open: &mut Vec<Container>) -> Scanned<'a> {
    open.clear();
    let mut container = None;
    // Names and strings are skipped in one place, since this code is long.
    let mut is_name = false;
    loop {
        // A value or a name starts here.
        rest = match rest {
            [b'"', ..] => {
                let after = string(rest)?;
                if is_name {
                    rest = colon(after)?;
                    is_name = false;
                    continue;
                }
                after
            }
            _ if is_name => return Err((rest, "a string")),
            [b'{', after @ ..] => match blanks(after) {
                [b'}', after @ ..] => after,
                after => {
                    open.extend(container.replace(Container::Object));
                    rest = after;
                    is_name = true;
                    continue;
                }
            },
            [b'[', after @ ..] => match blanks(after) {
                [b']', after @ ..] => after,
                after => {
                    open.extend(container.replace(Container::Array));
                    rest = after;
                    continue;
                }
            },
            [b'-' | b'0'..=b'9', ..] => number(rest)?,
            [b't', b'r', b'u', b'e', after @ ..]
            | [b'f', b'a', b'l', b's', b'e', after @ ..]
            | [b'n', b'u', b'l', b'l', after @ ..] => after,
            _ => return Err((rest, "a value")),
        };
        // A value has ended here, and perhaps its containers end, too.
        loop {
            let Some(inside) = container else {
                return Ok(rest);
            };
            rest = match (inside, blanks(rest)) {
                (_, [b',', after @ ..]) => {
                    rest = blanks(after);
                    is_name = inside == Container::Object;
                    break;
                }
                (Container::Object, [b'}', after @ ..])
                | (Container::Array, [b']', after @ ..]) => after,
                (Container::Object, rest) => return Err((rest, "\",\" or \"}\"")),
                (Container::Array, rest) => return Err((rest, "\",\" or \"]\"")),
            };
            container = open.pop();
        }
    }
}

/// Skips white space, the colon after a name, and white space.
#[inline]
fn colon(rest: &[u8]) -> Scanned<'_> {
    match blanks(rest) {
        [b':', after @ ..] => Ok(blanks(after)),
        rest => Err((rest, "\":\"")),
    }
}

/// The longest string that is searched by words only, in bytes.
const SHORT_STRING: usize = 32;

/// Skips the string that `rest` starts with.
#[inline(always)]
pub(super) fn string(rest: &[u8]) -> Scanned<'_> {
    let [b'"', rest @ ..] = rest else {
        return Err((rest, "a string"));
    };
    // Most strings are short and plain, and need no call. For a long string, blocks are faster.
    let long = rest.len().saturating_sub(SHORT_STRING);
    let mut rest = rest;
    while rest.len() > long {
        match plain_word(rest) {
            Ok(after) => rest = after,
            Err([b'"', after @ ..]) => return Ok(after),
            Err(found) => return end_of_string(found),
        }
    }
    end_of_string(rest)
}

/// Skips the rest of a string, from anywhere in it.
fn end_of_string(rest: &[u8]) -> Scanned<'_> {
    let mut rest = plain(rest);
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
    // Long strings are searched in blocks: the compiler turns this loop into SIMD instructions.
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
    let Some((word, after)) = rest.split_first_chunk::<8>() else {
        let special = rest.iter().position(|byte| is_special(*byte));
        return Err(rest
            .get(special.unwrap_or(rest.len())..)
            .unwrap_or_default());
    };
    let special = special(u64::from_le_bytes(*word));
    if special == 0 {
        return Ok(after);
    }
    // Each byte has its flag in its highest bit.
    let bytes = usize::try_from(special.trailing_zeros() / 8).unwrap_or(0);
    Err(rest.get(bytes..).unwrap_or_default())
}

fn is_special(byte: u8) -> bool {
    byte == b'"' || byte == b'\\' || byte < b' '
}

/// The highest bit of the first special byte in `word`, little-endian; 0 if there is none. The bits
/// of the bytes after it have no meaning.
#[inline]
fn special(word: u64) -> u64 {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    // With bit 1 inverted, the quote and the control characters are the bytes below 0x21. For an
    // ASCII byte, a subtraction sets the highest bit if the byte is smaller.
    let quote_or_control = (word ^ LOW.wrapping_mul(0x02)).wrapping_sub(LOW.wrapping_mul(0x21));
    let backslash = (word ^ LOW.wrapping_mul(0x5c)).wrapping_sub(LOW);
    (quote_or_control | backslash) & !word & HIGH
}

/// Skips the number that `rest` starts with.
#[inline]
fn number(rest: &[u8]) -> Scanned<'_> {
    const FAULT: &str = "a number";
    let unsigned = rest.strip_prefix(b"-").unwrap_or(rest);
    let after = match unsigned {
        [b'0', after @ ..] => after,
        [b'1'..=b'9', after @ ..] => digits(after),
        _ => return Err((rest, FAULT)),
    };
    let after = match after {
        [b'.', b'0'..=b'9', fraction @ ..] => digits(fraction),
        [b'.' | b'0'..=b'9', ..] => return Err((rest, FAULT)),
        after => after,
    };
    match after {
        [b'e' | b'E', exponent @ ..] => match exponent {
            [b'0'..=b'9', after @ ..] | [b'+' | b'-', b'0'..=b'9', after @ ..] => Ok(digits(after)),
            _ => Err((rest, FAULT)),
        },
        after => Ok(after),
    }
}

fn digits(mut rest: &[u8]) -> &[u8] {
    while let [b'0'..=b'9', after @ ..] = rest {
        rest = after;
    }
    rest
}
