//! The JSON texts of the entries of a page, in one text. A merged list that shows all of them
//! copies this text and none of the entries.

use std::ops::Range;

use crate::mcp::json::edit::{self, Edit};

/// The JSON texts of entries, with commas between them.
#[derive(Default, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub struct PageText(Vec<u8>);

/// The bytes of one entry in a [`PageText`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EntryRange(Range<usize>);

impl PageText {
    /// An empty text with memory for this many bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// Adds the text of an entry with these edits.
    pub fn push(&mut self, entry: &str, edits: Vec<Edit>) -> EntryRange {
        if !self.0.is_empty() {
            self.0.push(b',');
        }
        let start = self.0.len();
        edit::apply_to(&mut self.0, entry, edits);
        EntryRange(start..self.0.len())
    }

    /// Gives back the memory that the text does not need.
    pub fn shrink(&mut self) {
        self.0.shrink_to_fit();
    }

    /// The text of all entries.
    pub fn all(&self) -> &[u8] {
        &self.0
    }

    /// The text of one entry of this page.
    pub fn of(&self, entry: &EntryRange) -> &[u8] {
        self.0.get(entry.0.clone()).unwrap_or_default()
    }
}
