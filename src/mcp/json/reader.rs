//! A strict reader of JSON text (RFC 8259), in one pass and without recursion. It
//! skips a value, or opens it member by member, and gives the texts of values.

use std::borrow::Cow;
use std::fmt;

use super::member_names::MemberNames;
use super::scan;

/// Where and why a text is not JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Error {
    /// The byte where the fault is.
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
pub struct Reader<'a> {
    text: &'a str,
    /// The rest of the text, a suffix of `text`.
    rest: scan::Rest<'a>,
    /// The open containers in [`Reader::skip`]; here so that its memory is reused.
    open: Vec<scan::Container>,
}

/// Reads the value of the member with this name.
type MemberReader<'m, 'a> = dyn FnMut(&mut Reader<'a>, Cow<'a, str>) -> Result<(), Error> + 'm;

impl<'a> Reader<'a> {
    /// A reader at the start of `text`.
    pub fn new(text: &'a str) -> Self {
        Self {
            text,
            rest: text.as_bytes().iter(),
            open: Vec::new(),
        }
    }

    fn at(&self) -> usize {
        self.text.len().saturating_sub(self.rest.len())
    }

    /// The error that the text has a fault here.
    ///
    /// # Errors
    /// Always.
    pub fn error<T>(&self, expected: &'static str) -> Result<T, Error> {
        Err(Error {
            at: self.at(),
            expected,
        })
    }

    /// Moves with `skip`, to the end of what it skips or to the fault.
    #[inline]
    fn advance(
        &mut self,
        skip: impl FnOnce(&mut scan::Rest<'a>, &mut Vec<scan::Container>) -> scan::Skipped,
    ) -> Result<(), Error> {
        // A copy can stay in registers.
        let mut rest = self.rest.clone();
        let skipped = skip(&mut rest, &mut self.open);
        self.rest = rest;
        skipped.or_else(|expected| self.error(expected))
    }

    /// The byte where the next value starts, for [`Reader::since`].
    pub fn mark(&mut self) -> usize {
        self.peek();
        self.at()
    }

    /// How many bytes of the text are left.
    pub fn left(&self) -> usize {
        self.rest.len()
    }

    /// The text from the byte `start` to here.
    pub fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at()).unwrap_or_default()
    }

    /// Skips white space and returns the byte after it, without taking it.
    pub fn peek(&mut self) -> Option<u8> {
        scan::blanks(&mut self.rest);
        scan::next_of(&self.rest)
    }

    /// Skips white space and takes `byte`, if it is next.
    pub(super) fn take(&mut self, byte: u8) -> bool {
        self.peek();
        scan::take(&mut self.rest, byte)
    }

    /// Checks that only white space is left.
    ///
    /// # Errors
    /// Something else is left.
    pub fn end(&mut self) -> Result<(), Error> {
        if self.peek().is_none() {
            Ok(())
        } else {
            self.error("the end")
        }
    }

    /// Opens the object that starts here, and calls `member` with the unescaped name of each
    /// member; `member` must read the value. Returns whether each name is there only once, compared
    /// after unescaping: RFC 8259 section 4 does not define which of two members with the same name
    /// counts.
    ///
    /// # Errors
    /// There is no object here, or `member` returned an error.
    pub fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, Cow<'a, str>) -> Result<(), Error>,
    ) -> Result<bool, Error> {
        self.object_members(&mut member)
    }

    /// The same as [`Reader::object`]. All callers share this code, since each message has several
    /// objects, and a processor runs code faster that it has run a moment ago.
    fn object_members(&mut self, member: &mut MemberReader<'_, 'a>) -> Result<bool, Error> {
        let mut names = MemberNames::default();
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

    /// Opens the array that starts here, and calls `element`, which must read one
    /// element, for each.
    ///
    /// # Errors
    /// There is no array here, or `element` returned an error.
    pub fn array(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.array_elements(&mut element)
    }

    fn array_elements(
        &mut self,
        element: &mut dyn FnMut(&mut Self) -> Result<(), Error>,
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

    /// Reads the name of a member and the colon after it; returns the unescaped name.
    pub(super) fn name(&mut self) -> Result<Cow<'a, str>, Error> {
        let start = self.mark();
        self.advance(|rest, _| scan::string(rest))?;
        let raw = self.since(start);
        if !self.take(b':') {
            return self.error("\":\"");
        }
        // A name with half a surrogate pair is not Unicode. It stays escaped, with its quotes, so
        // it is never equal to a name that the filter searches for.
        Ok(super::string(raw).unwrap_or(Cow::Borrowed(raw)))
    }

    /// Skips one value of any kind; returns its JSON text.
    ///
    /// # Errors
    /// There is no value here.
    pub fn skip(&mut self) -> Result<&'a str, Error> {
        let start = self.mark();
        self.advance(scan::value)?;
        Ok(self.since(start))
    }

    /// Reads one value with `read`. If `read` fails, skips the value and gives the error of `read`.
    ///
    /// # Errors
    /// There is no value here.
    pub fn value<T, E>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<Result<T, E>, Error> {
        let start = self.rest.clone();
        let value = read(self);
        if value.is_err() {
            self.rest = start;
            self.skip()?;
        }
        Ok(value)
    }
}
