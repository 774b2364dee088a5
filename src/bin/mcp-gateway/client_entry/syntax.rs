//! The two languages in which clients keep their configuration.

use super::entry::{EntryName, FoundEntry, Members};
use super::{json, toml};

/// The language of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Syntax {
    /// JSON, with comments and trailing commas.
    Json,
    Toml,
}

impl Syntax {
    /// The entry `name` in the member `list` of a file with this text.
    ///
    /// # Errors
    /// The text does not have this syntax, or `list` is not an object of entries by their names.
    pub(super) fn find(
        self,
        text: &str,
        list: &str,
        name: &EntryName,
    ) -> Result<Option<FoundEntry>, String> {
        let found = match self {
            Self::Json => json::find(text, list, name.as_str()),
            Self::Toml => toml::find(text, list, name.as_str()),
        };
        Ok(found?.map(FoundEntry))
    }

    /// The text of the file with this entry, which is added or replaces the entry of the same name.
    /// Everything else stays unchanged.
    ///
    /// # Errors
    /// The same as of `find`.
    pub(super) fn put(
        self,
        text: &str,
        list: &str,
        name: &EntryName,
        members: &Members,
    ) -> Result<String, String> {
        match self {
            Self::Json => json::put(text, list, name.as_str(), members),
            Self::Toml => toml::put(text, list, name.as_str(), members),
        }
    }
}
