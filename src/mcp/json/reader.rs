//! A strict reader of JSON text (RFC 8259), in one pass and without recursion:
//! values are skipped or opened member by member, and shown as they stand.

use std::borrow::Cow;
use std::fmt;

use super::member_names::MemberNames;
use super::scan;

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
    /// What [`Reader::skip`] keeps of containers; kept to be used again.
    open: Vec<scan::Container>,
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

    /// Goes on at what `scanned` left, or stops where it found its fault.
    fn advance(&mut self, scanned: scan::Scanned<'a>) -> Result<(), Error> {
        let (rest, fault) = match scanned {
            Ok(rest) => (rest, None),
            Err((rest, expected)) => (rest, Some(expected)),
        };
        self.rest = rest;
        fault.map_or(Ok(()), |expected| self.error(expected))
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
        self.rest = scan::blanks(self.rest);
        self.rest.first().copied()
    }

    /// Passes over blanks and takes `byte`, if it is there.
    pub(super) fn take(&mut self, byte: u8) -> bool {
        match scan::blanks(self.rest) {
            [first, rest @ ..] if *first == byte => {
                self.rest = rest;
                true
            }
            rest => {
                self.rest = rest;
                false
            }
        }
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
        let start = self.mark();
        self.advance(scan::string(self.rest))?;
        let raw = self.since(start);
        if !self.take(b':') {
            return self.error("\":\"");
        }
        // Half a surrogate pair is no Unicode: such a name stays as it stands,
        // which no name that anybody asks for can be.
        Ok(super::string(raw).unwrap_or(Cow::Borrowed(raw)))
    }

    /// Passes over one value of any kind, and gives it as it stands.
    ///
    /// # Errors
    /// There is none.
    pub fn skip(&mut self) -> Result<&'a str, Error> {
        let start = self.mark();
        let scanned = scan::value(self.rest, &mut self.open);
        self.advance(scanned)?;
        Ok(self.since(start))
    }
}
