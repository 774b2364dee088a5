//! The capabilities of a server that the gateway can merge with those of other servers. Other parts
//! of a server's capabilities (`listChanged`, `subscribe`, most extensions) are valid only between
//! that server and its client.

use crate::mcp::json::{self, Shape};
use crate::mcp::list::ListKind;

/// A set of capabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ServerCapabilities(u8);

/// The name of the extension for skills (SEP-2640).
pub const SKILLS_EXTENSION: &str = "io.modelcontextprotocol/skills";

/// Each capability that is not an extension, with its name in `ServerCapabilities`.
const ALL: [(&str, ServerCapabilities); 5] = [
    ("tools", ServerCapabilities::TOOLS),
    ("prompts", ServerCapabilities::PROMPTS),
    ("resources", ServerCapabilities::RESOURCES),
    ("completions", ServerCapabilities::COMPLETIONS),
    ("logging", ServerCapabilities::LOGGING),
];

/// Each capability that is an extension, with the name of the extension.
pub const EXTENSIONS: [(&str, ServerCapabilities); 1] =
    [(SKILLS_EXTENSION, ServerCapabilities::SKILLS)];

impl ServerCapabilities {
    /// No capability.
    pub const NONE: Self = Self(0);
    /// `tools`
    pub const TOOLS: Self = Self(1);
    /// `prompts`
    pub const PROMPTS: Self = Self(2);
    /// `resources`
    pub const RESOURCES: Self = Self(4);
    /// `completions`
    pub const COMPLETIONS: Self = Self(8);
    /// `logging`
    pub const LOGGING: Self = Self(16);
    /// The extension [`SKILLS_EXTENSION`], without its settings.
    pub const SKILLS: Self = Self(32);

    /// Reads the JSON text of a server's `capabilities`; `None` if it is not an
    /// object. A capability that is `null` is not declared.
    pub fn read(capabilities: &str) -> Option<Self> {
        let mut offers = Self::NONE;
        let shape = json::members(capabilities, |name, value| {
            let known = ALL.iter().find(|(known, _)| name == *known);
            if let (Some((_, offer)), true) = (known, value != "null") {
                offers = offers.union(*offer);
            }
            if name == "extensions" {
                let declared = EXTENSIONS.iter().filter(|(it, _)| has_extension(value, it));
                offers = declared.fold(offers, |all, (_, offer)| all.union(*offer));
            }
        });
        matches!(shape, Ok(Shape::Object { .. })).then_some(offers)
    }

    /// Whether the set has all of `others`.
    pub fn contains(self, others: Self) -> bool {
        self.union(others) == self
    }

    /// Whether the server has lists of this kind.
    pub fn has(self, kind: ListKind) -> bool {
        self.contains(kind.capability())
    }

    /// The capabilities of both sets.
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The set without `others`.
    #[must_use]
    pub fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// The set as bits, one for each capability.
    pub fn to_bits(self) -> u8 {
        self.0
    }

    /// The set with these bits; `None` if a bit belongs to no capability.
    pub fn from_bits(bits: u8) -> Option<Self> {
        let all = ALL.iter().chain(&EXTENSIONS);
        let all = all.fold(Self::NONE, |all, (_, offer)| all.union(*offer));
        all.contains(Self(bits)).then_some(Self(bits))
    }

    /// The members of the set as `ServerCapabilities`: names, and values as JSON texts;
    /// without extensions.
    pub fn members(self) -> Vec<(&'static str, &'static str)> {
        let members = ALL.iter().filter(|(_, offer)| self.contains(*offer));
        members.map(|(name, _)| (*name, "{}")).collect()
    }
}

/// Whether `extensions`, the JSON text of this member, declares the extension `name`. An extension
/// that is `null` is not declared.
fn has_extension(extensions: &str, name: &str) -> bool {
    let values = json::values(extensions, name);
    values.iter().any(|value| *value != "null")
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test(unsupported = test)]
    fn every_set_survives_its_bits_and_its_json() {
        let text = |offers: ServerCapabilities| json::edit::object(&offers.members());
        let bits_of_all = (1 << (ALL.len() + EXTENSIONS.len())) - 1;
        for bits in 0..=u8::MAX {
            match ServerCapabilities::from_bits(bits) {
                Some(offers) => {
                    assert!(u32::from(bits) <= bits_of_all);
                    assert_eq!(offers.to_bits(), bits);
                    let written = offers.without(ServerCapabilities::SKILLS);
                    assert_eq!(ServerCapabilities::read(&text(offers)), Some(written));
                }
                None => assert!(u32::from(bits) > bits_of_all, "{bits}"),
            }
        }
        let both = ServerCapabilities::LOGGING.union(ServerCapabilities::TOOLS);
        assert_eq!(text(both), r#"{"tools":{},"logging":{}}"#);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn skills_are_an_extension() {
        let (name, with) = (SKILLS_EXTENSION, ServerCapabilities::SKILLS);
        for (text, expected) in [
            (format!(r#"{{"extensions":{{"{name}":{{}}}}}}"#), with),
            (
                format!(r#"{{"extensions":{{"x/y":{{}},"{name}":{{"directoryRead":true}}}}}}"#),
                with,
            ),
            (
                format!(r#"{{"extensions":{{"{name}":null}}}}"#),
                ServerCapabilities::NONE,
            ),
            (format!(r#"{{"{name}":{{}}}}"#), ServerCapabilities::NONE),
            (
                format!(r#"{{"experimental":{{"{name}":{{}}}}}}"#),
                ServerCapabilities::NONE,
            ),
            (
                r#"{"extensions":{"x/y":{}}}"#.to_owned(),
                ServerCapabilities::NONE,
            ),
            (
                format!(r#"{{"extensions":["{name}"]}}"#),
                ServerCapabilities::NONE,
            ),
            (
                r#"{"extensions":null}"#.to_owned(),
                ServerCapabilities::NONE,
            ),
        ] {
            let offers = ServerCapabilities::read(&text).unwrap();
            assert_eq!(offers, expected, "{text}");
            assert_eq!(offers.has(ListKind::Skills), expected == with);
        }
        let text = format!(r#"{{"resources":{{}},"extensions":{{"{name}":{{}}}}}}"#);
        let offers = ServerCapabilities::read(&text).unwrap();
        assert!(offers.has(ListKind::Resources) && offers.has(ListKind::Skills));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_is_declared_is_offered_and_null_is_not() {
        let offers = |text| ServerCapabilities::read(text).unwrap();
        let some = offers(r#"{"tools":{"listChanged":true},"prompts":null,"x":{},"resources":{}}"#);
        assert_eq!(
            some,
            ServerCapabilities::TOOLS.union(ServerCapabilities::RESOURCES)
        );
        assert!(
            some.has(ListKind::Tools)
                && some.has(ListKind::Templates)
                && !some.has(ListKind::Prompts)
        );
        assert!(!some.contains(ServerCapabilities::TOOLS.union(ServerCapabilities::LOGGING)));
        assert_eq!(offers("{}"), ServerCapabilities::NONE);
        for text in ["[]", "null", "1", "", "{", r#"{"tools":}"#] {
            assert_eq!(ServerCapabilities::read(text), None, "{text}");
        }
    }
}
