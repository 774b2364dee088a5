//! The header fields of one HTTP message: names in lower case, values as bytes.
//! There may be several fields with one name; their order is kept.

use std::collections::HashSet;
use std::ops::Range;

/// Header fields, in one buffer.
#[derive(Default, Clone)]
#[cfg_attr(test, derive(Debug))]
pub struct Headers {
    bytes: Vec<u8>,
    fields: Vec<FieldRange>,
}

/// Where one field is in the buffer, in bytes.
#[derive(Debug, Clone)]
pub struct FieldRange {
    /// The name.
    pub name: Range<usize>,
    /// The value.
    pub value: Range<usize>,
}

/// Whether `text` is a token, as the name of a field must be (RFC 9110 section
/// 5.6.2).
pub fn is_token(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(fits)
}

/// A limit for the bytes of the names and values of several headers together.
pub struct HeaderLimit {
    left: usize,
}

impl HeaderLimit {
    /// A limit of this many bytes.
    pub fn new(most: usize) -> Self {
        Self { left: most }
    }

    /// Whether there is room for this header, too. If so, it counts from now on.
    pub fn admits(&mut self, name: &str, value: &str) -> bool {
        let left = self
            .left
            .checked_sub(name.len().saturating_add(value.len()));
        self.left = left.unwrap_or(self.left);
        left.is_some()
    }
}

/// A header that may be there once is there several times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repeated;

impl Headers {
    /// Up to so many fields are few.
    const FEW: usize = 64;

    /// The fields at these ranges of `bytes`. A range that ends after `bytes` counts as
    /// empty.
    pub fn new(bytes: Vec<u8>, fields: Vec<FieldRange>) -> Self {
        Self { bytes, fields }
    }

    /// Fields from names (in lower case) and values.
    pub fn from_pairs<'a, V: AsRef<[u8]> + ?Sized + 'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a V)>,
    ) -> Self {
        let mut headers = Self::default();
        for (name, value) in pairs {
            let name = headers.push(name.as_bytes());
            let value = headers.push(value.as_ref());
            headers.fields.push(FieldRange { name, value });
        }
        headers
    }

    /// About how many bytes of memory they take up.
    pub fn size(&self) -> usize {
        let fields = self.fields.len().saturating_mul(size_of::<FieldRange>());
        self.bytes.len().saturating_add(fields)
    }

    fn push(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        start..self.bytes.len()
    }

    fn slice(&self, range: &Range<usize>) -> &[u8] {
        self.bytes.get(range.clone()).unwrap_or_default()
    }

    /// All fields in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.fields.iter().map(|field| {
            // Envoy refuses names that are not tokens (RFC 9110 section 5.1).
            let name = std::str::from_utf8(self.slice(&field.name)).unwrap_or_default();
            (name, self.slice(&field.value))
        })
    }

    /// The names, each once, in the order of their first fields.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        // Few names are faster to compare than to hash. Hashing keeps the time short for a message
        // with thousands of fields.
        let mut seen = (self.fields.len() > Self::FEW).then(HashSet::new);
        let fields = self.iter().enumerate();
        fields.filter_map(move |(at, (name, _))| {
            let is_first = match &mut seen {
                Some(seen) => seen.insert(name),
                None => {
                    let mut before = self.fields.iter().take(at);
                    !before.any(|field| self.slice(&field.name) == name.as_bytes())
                }
            };
            is_first.then_some(name)
        })
    }

    /// The values of `name` in their order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.fields
            .iter()
            .filter(move |field| self.slice(&field.name) == name.as_bytes())
            .map(|field| self.slice(&field.value))
    }

    /// The first value of `name`.
    pub fn get<'a>(&'a self, name: &'a str) -> Option<&'a [u8]> {
        self.all(name).next()
    }

    /// The first value of `name`, if it is UTF-8.
    #[inline(never)]
    pub fn text<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        std::str::from_utf8(self.get(name)?).ok()
    }

    /// The value of `name`, a header that may be there once.
    ///
    /// # Errors
    /// It is there several times.
    pub fn single<'a>(&'a self, name: &'a str) -> Result<Option<&'a [u8]>, Repeated> {
        let mut values = self.all(name);
        let value = values.next();
        match values.next() {
            Some(_) => Err(Repeated),
            None => Ok(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test(unsupported = test)]
    fn several_fields_of_one_name_stay_several() {
        let headers = Headers::from_pairs([("a", "1"), ("b", "2"), ("a", "3")]);
        assert_eq!(headers.all("a").collect::<Vec<_>>(), [b"1", b"3"]);
        assert_eq!(headers.names().collect::<Vec<_>>(), ["a", "b"]);
        let many = (0..=Headers::FEW).map(|at| if at % 2 == 0 { ("a", "1") } else { ("b", "2") });
        let many = Headers::from_pairs(many);
        assert_eq!(many.names().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(headers.get("a"), Some(&b"1"[..]));
        assert_eq!(headers.single("a"), Err(Repeated));
        assert_eq!(headers.single("b"), Ok(Some(&b"2"[..])));
        assert_eq!(headers.single("c"), Ok(None));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn values_are_bytes() {
        let headers = Headers::from_pairs([("a", &b"\xff"[..])]);
        assert_eq!(headers.get("a"), Some(&b"\xff"[..]));
        assert_eq!(headers.text("a"), None);
    }
}
