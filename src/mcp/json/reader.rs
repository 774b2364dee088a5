//! A strict reader of JSON text (RFC 8259), in one pass and without recursion:
//! values are skipped or opened member by member, and shown as they stand.
//!
//! Bodies are up to a megabyte and mostly arguments that nobody here looks at,
//! so skipping is what counts: strings are searched in blocks, everything else
//! is a small state machine over bytes.

use std::borrow::Cow;
use std::fmt;

use super::names::Names;

/// Where and why a text is no JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Error {
    /// The byte at which it shows.
    pub at: usize,
    /// What is expected there.
    pub expected: &'static str,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {} at byte {}", self.expected, self.at)
    }
}

/// A position in a JSON text.
#[derive(Debug)]
pub struct Reader<'a> {
    text: &'a str,
    /// What is left to read, a suffix of `text`.
    rest: &'a [u8],
    /// The containers that [`Reader::skip`] is in; kept to be used again.
    open: Vec<Container>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Container {
    Object,
    Array,
}

impl<'a> Reader<'a> {
    /// A reader at the start of `text`.
    pub fn new(text: &'a str) -> Self {
        Self {
            text,
            rest: text.as_bytes(),
            open: Vec::new(),
        }
    }

    fn at(&self) -> usize {
        self.text.len().saturating_sub(self.rest.len())
    }

    pub(super) fn error<T>(&self, expected: &'static str) -> Result<T, Error> {
        Err(Error {
            at: self.at(),
            expected,
        })
    }

    /// Where the next value starts, for [`Reader::since`].
    pub fn mark(&mut self) -> usize {
        self.peek();
        self.at()
    }

    /// What was read since the byte `start`.
    pub fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at()).unwrap_or_default()
    }

    /// Passes over blanks and shows the byte after them.
    pub fn peek(&mut self) -> Option<u8> {
        loop {
            match self.rest.split_first() {
                Some((b' ' | b'\n' | b'\r' | b'\t', rest)) => self.rest = rest,
                Some((byte, _)) => return Some(*byte),
                None => return None,
            }
        }
    }

    /// Passes over blanks and takes `byte`, if it is there.
    pub(super) fn take(&mut self, byte: u8) -> bool {
        if self.peek() != Some(byte) {
            return false;
        }
        self.rest = self.rest.get(1..).unwrap_or_default();
        true
    }

    /// That nothing but blanks is left.
    ///
    /// # Errors
    /// Something is.
    pub fn end(&mut self) -> Result<(), Error> {
        if self.peek().is_none() {
            Ok(())
        } else {
            self.error("the end")
        }
    }

    /// Opens the object that starts here and gives the name of each member,
    /// unescaped, to `member`, which must read the value. Tells whether no name
    /// came twice, compared after unescaping: RFC 8259 section 4 leaves open
    /// which of two members a reader takes.
    ///
    /// # Errors
    /// There is no object, or `member` found an error in it.
    pub fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, Cow<'a, str>) -> Result<(), Error>,
    ) -> Result<bool, Error> {
        let mut names = Names::default();
        let mut unique = true;
        if !self.take(b'{') {
            return self.error("an object");
        }
        if self.take(b'}') {
            return Ok(unique);
        }
        loop {
            let name = self.name()?;
            unique &= names.insert(name.clone());
            member(self, name)?;
            if self.take(b'}') {
                return Ok(unique);
            }
            if !self.take(b',') {
                return self.error("\",\" or \"}\"");
            }
        }
    }

    /// Opens the array that starts here and has `element` read each element.
    ///
    /// # Errors
    /// There is no array, or `element` found an error in it.
    pub fn array(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<(), Error>,
    ) -> Result<(), Error> {
        if !self.take(b'[') {
            return self.error("an array");
        }
        if self.take(b']') {
            return Ok(());
        }
        loop {
            element(self)?;
            if self.take(b']') {
                return Ok(());
            }
            if !self.take(b',') {
                return self.error("\",\" or \"]\"");
            }
        }
    }

    /// The name of a member, unescaped, and the colon after it.
    pub(super) fn name(&mut self) -> Result<Cow<'a, str>, Error> {
        let start = self.string_start()?;
        let escaped = self.string()?;
        let raw = self.since(start);
        if !self.take(b':') {
            return self.error("\":\"");
        }
        if !escaped {
            let inner = raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default();
            return Ok(Cow::Borrowed(inner));
        }
        // Half a surrogate pair is no Unicode: such a name stays as it stands,
        // which no name that anybody asks for can be.
        Ok(super::string(raw).unwrap_or(Cow::Borrowed(raw)))
    }

    fn string_start(&mut self) -> Result<usize, Error> {
        if self.peek() == Some(b'"') {
            Ok(self.at())
        } else {
            self.error("a string")
        }
    }

    /// Passes over one value of any kind, and gives it as it stands.
    ///
    /// # Errors
    /// There is none.
    pub fn skip(&mut self) -> Result<&'a str, Error> {
        let first = self.peek();
        let start = self.at();
        let mut open = std::mem::take(&mut self.open);
        open.clear();
        let skipped = self.skip_from(first, &mut open);
        self.open = open;
        skipped?;
        Ok(self.since(start))
    }

    fn skip_from(&mut self, first: Option<u8>, open: &mut Vec<Container>) -> Result<(), Error> {
        let mut next = first;
        loop {
            // A value starts here.
            match next {
                Some(b'"') => {
                    self.string()?;
                }
                Some(b'{') => {
                    self.take(b'{');
                    if !self.take(b'}') {
                        open.push(Container::Object);
                        next = self.skip_name()?;
                        continue;
                    }
                }
                Some(b'[') => {
                    self.take(b'[');
                    if !self.take(b']') {
                        open.push(Container::Array);
                        next = self.peek();
                        continue;
                    }
                }
                Some(b'-' | b'0'..=b'9') => self.number()?,
                Some(b't') => self.literal(b"true")?,
                Some(b'f') => self.literal(b"false")?,
                Some(b'n') => self.literal(b"null")?,
                _ => return self.error("a value"),
            }
            // A value has ended: so may containers.
            loop {
                let Some(container) = open.last() else {
                    return Ok(());
                };
                match (self.peek(), container) {
                    (Some(b','), container) => {
                        let container = *container;
                        self.take(b',');
                        next = if container == Container::Object {
                            self.skip_name()?
                        } else {
                            self.peek()
                        };
                        break;
                    }
                    (Some(b'}'), Container::Object) | (Some(b']'), Container::Array) => {
                        self.rest = self.rest.get(1..).unwrap_or_default();
                        open.pop();
                    }
                    (_, Container::Object) => return self.error("\",\" or \"}\""),
                    (_, Container::Array) => return self.error("\",\" or \"]\""),
                }
            }
        }
    }

    /// Passes over a name and its colon; shows what comes after.
    fn skip_name(&mut self) -> Result<Option<u8>, Error> {
        self.string_start()?;
        self.string()?;
        if self.take(b':') {
            Ok(self.peek())
        } else {
            self.error("\":\"")
        }
    }

    /// Passes over the string that starts here; tells whether it has escapes.
    fn string(&mut self) -> Result<bool, Error> {
        let mut escaped = false;
        self.rest = self.rest.get(1..).unwrap_or_default();
        loop {
            let plain = plain(self.rest);
            self.rest = self.rest.get(plain..).unwrap_or_default();
            match self.rest {
                [b'"', rest @ ..] => {
                    self.rest = rest;
                    return Ok(escaped);
                }
                [b'\\', rest @ ..] => {
                    escaped = true;
                    self.rest = self.escape(rest)?;
                }
                [] => return self.error("the end of a string"),
                _ => return self.error("no control character in a string"),
            }
        }
    }

    /// What is left after the escape whose backslash is behind us.
    fn escape(&self, rest: &'a [u8]) -> Result<&'a [u8], Error> {
        match rest {
            [
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't',
                rest @ ..,
            ] => Ok(rest),
            [b'u', a, b, c, d, rest @ ..]
                if [a, b, c, d].iter().all(|digit| digit.is_ascii_hexdigit()) =>
            {
                Ok(rest)
            }
            _ => self.error("an escape"),
        }
    }

    fn number(&mut self) -> Result<(), Error> {
        let mut rest = self.rest;
        if let [b'-', after @ ..] = rest {
            rest = after;
        }
        let (whole, mut after) = digits(rest);
        if whole == 0 || (whole > 1 && rest.first() == Some(&b'0')) {
            return self.error("a number");
        }
        if let [b'.', fraction @ ..] = after {
            let (places, behind) = digits(fraction);
            if places == 0 {
                return self.error("a number");
            }
            after = behind;
        }
        if let [b'e' | b'E', exponent @ ..] = after {
            let unsigned = match exponent {
                [b'+' | b'-', unsigned @ ..] => unsigned,
                unsigned => unsigned,
            };
            let (places, behind) = digits(unsigned);
            if places == 0 {
                return self.error("a number");
            }
            after = behind;
        }
        self.rest = after;
        Ok(())
    }

    fn literal(&mut self, literal: &[u8]) -> Result<(), Error> {
        match self.rest.strip_prefix(literal) {
            Some(rest) => {
                self.rest = rest;
                Ok(())
            }
            None => self.error("a value"),
        }
    }
}

/// How many digits `bytes` starts with, and what comes after.
fn digits(bytes: &[u8]) -> (usize, &[u8]) {
    let count = bytes
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(bytes.len());
    (count, bytes.get(count..).unwrap_or_default())
}

/// How many bytes from here on are plain in a string: neither quote nor
/// backslash nor control character.
fn plain(bytes: &[u8]) -> usize {
    let is_special = |byte: &u8| *byte == b'"' || *byte == b'\\' || *byte < b' ';
    // Most strings are short.
    const SHORT: usize = 16;
    let (short, rest) = bytes.split_at_checked(SHORT).unwrap_or((bytes, &[]));
    if let Some(at) = short.iter().position(is_special) {
        return at;
    }
    // Blocks are what the compiler makes SIMD of.
    let mut at = short.len();
    for block in rest.chunks(64) {
        let special = block
            .iter()
            .fold(false, |found, byte| found | is_special(byte));
        if special {
            let within = block.iter().position(is_special).unwrap_or(block.len());
            return at.saturating_add(within);
        }
        at = at.saturating_add(block.len());
    }
    at
}
