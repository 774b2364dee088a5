//! Common code of the targets: JSON readers to compare with. All of them use serde, and none of
//! them uses `mcp_gateway::mcp::json`.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// `text` as one JSON value, of any depth and with numbers of any size.
pub fn raw(text: &str) -> Option<&RawValue> {
    serde_json::from_str(text).ok()
}

/// The unescaped string of `raw`, if it is a string.
pub fn string(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

/// The members of an object in their order. Names are bytes, since the escapes of a name may
/// contain half a surrogate pair.
pub struct Members<'a>(pub Vec<(Vec<u8>, &'a RawValue)>);

impl<'a> Members<'a> {
    /// `None` when `raw` is not an object.
    pub fn of(raw: &'a RawValue) -> Option<Self> {
        serde_json::from_str(raw.get()).ok()
    }

    /// The value for a reader that uses the first of two members.
    pub fn first(&self, name: &str) -> Option<&'a RawValue> {
        let mut found = self.0.iter().filter(|(at, _)| at == name.as_bytes());
        found.next().map(|(_, value)| *value)
    }

    /// The value for a reader that uses the last of two members, as most readers do.
    pub fn last(&self, name: &str) -> Option<&'a RawValue> {
        let mut found = self.0.iter().filter(|(at, _)| at == name.as_bytes());
        found.next_back().map(|(_, value)| *value)
    }

    /// The value for a reader that ignores the case of names, as Go's `encoding/json`, and ends a
    /// name at a NUL, as readers in C. It uses the last member.
    pub fn forgiving(&self, name: &str) -> Option<&'a RawValue> {
        let folded = |bytes: &[u8]| -> String {
            let text = String::from_utf8_lossy(bytes).replace(['\u{17f}'], "s");
            let text = text.replace('\u{212a}', "k").to_ascii_lowercase();
            text.split('\0').next().unwrap_or_default().to_owned()
        };
        let mut found = self
            .0
            .iter()
            .filter(|(at, _)| folded(at) == folded(name.as_bytes()));
        found.next_back().map(|(_, value)| *value)
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;
        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((Name(name), value)) = map.next_entry()? {
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct Name(Vec<u8>);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;
        impl Visitor<'_> for NameVisitor {
            type Value = Name;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }
            fn visit_bytes<E>(self, name: &[u8]) -> Result<Name, E> {
                Ok(Name(name.to_owned()))
            }
        }
        deserializer.deserialize_bytes(NameVisitor)
    }
}

/// Whether no object in `raw` has a name twice. `None` when this is not compared: the value is more
/// than `levels` deep, or a name has half a surrogate pair.
pub fn unique(raw: &RawValue, levels: usize) -> Option<bool> {
    let levels = levels.checked_sub(1)?;
    let Some(Members(members)) = Members::of(raw) else {
        let Ok(elements) = serde_json::from_str::<Vec<&RawValue>>(raw.get()) else {
            return Some(true);
        };
        return all(elements.into_iter().map(|element| unique(element, levels)));
    };
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in &members {
        names.push(std::str::from_utf8(name).ok()?);
    }
    names.sort_unstable();
    let here = names.windows(2).all(|pair| pair[0] != pair[1]);
    let below = all(members.iter().map(|(_, value)| unique(value, levels)));
    below.map(|below| here && below)
}

fn all(results: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    results
        .collect::<Option<Vec<bool>>>()
        .map(|all| all.into_iter().all(|one| one))
}
