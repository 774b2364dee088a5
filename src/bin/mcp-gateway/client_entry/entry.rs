//! The gateway's entry in the file of a client.

use std::fmt;
use std::str::FromStr;

use reqwest::Url;
use serde_json::Value;

/// The name of the entry if the user gives it no other.
pub(crate) const DEFAULT_NAME: &str = "gateway";

/// The name of an entry. All clients accept letters, digits, "-" and "_"; other characters are not
/// allowed here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EntryName(String);

impl EntryName {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for EntryName {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || !name.chars().all(is_allowed) {
            let reason = "use letters, digits, \"-\" and \"_\" only, such as gateway";
            return Err(reason.to_owned());
        }
        Ok(Self(name.to_owned()))
    }
}

impl fmt::Display for EntryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Reads the URL of an endpoint.
///
/// # Errors
/// It is not a URL of HTTP.
pub(crate) fn endpoint(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).ok();
    url.filter(|url| matches!(url.scheme(), "http" | "https"))
        .ok_or_else(|| "use a URL such as http://127.0.0.1:10000/mcp".to_owned())
}

/// The members of an entry, in the order in which they are written.
pub(super) type Members = Vec<(&'static str, EntryValue)>;

/// The value of a member of an entry.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum EntryValue {
    Text(String),
    List(Vec<String>),
}

impl EntryValue {
    /// Whether `found` is this value, or is a list that has these items and more.
    fn is_in(&self, found: &Value) -> bool {
        match self {
            Self::Text(text) => found == text,
            Self::List(items) => {
                let found = found.as_array().map_or(&[][..], Vec::as_slice);
                found.len() >= items.len() && found.iter().zip(items).all(|(a, b)| a == b)
            }
        }
    }
}

/// An entry that a file has already.
#[derive(PartialEq)]
pub(super) struct FoundEntry(pub(super) Value);

impl FoundEntry {
    /// Whether the entry has all `members`. It may have more, such as headers.
    pub(super) fn has(&self, members: &Members) -> bool {
        let mut members = members.iter();
        members.all(|(name, value)| self.0.get(name).is_some_and(|found| value.is_in(found)))
    }

    /// The target of the entry: a URL or a command. Nothing else of it is shown, since headers and
    /// arguments may be secret.
    pub(super) fn target(&self) -> String {
        let urls = ["url", "serverUrl", "httpUrl"].map(|name| self.0.get(name));
        let arguments = self.0.get("args").and_then(Value::as_array);
        let arguments = arguments.into_iter().flatten();
        let arguments = arguments.filter(|it| it.as_str().is_some_and(|it| it.starts_with("http")));
        let mut targets = urls.into_iter().flatten().chain(arguments);
        match targets.find_map(Value::as_str) {
            Some(url) => url.to_owned(),
            None => match self.0.get("command").and_then(Value::as_str) {
                Some(command) => format!("the command {command}"),
                None => "an entry without a URL".to_owned(),
            },
        }
    }

    /// The names of its members that are not in `members`, or that have more items than there.
    pub(super) fn others(&self, members: &Members) -> Vec<&str> {
        let own = self.0.as_object().into_iter().flatten();
        let is_other = |(name, value): &(&String, &Value)| {
            let member = members.iter().find(|(member, _)| member == name);
            match member.map(|(_, member)| member) {
                None => true,
                Some(EntryValue::Text(_)) => false,
                Some(EntryValue::List(items)) => {
                    let own = value.as_array().map_or(0, Vec::len);
                    own > items.len()
                }
            }
        };
        own.filter(is_other)
            .map(|(name, _)| name.as_str())
            .collect()
    }
}
