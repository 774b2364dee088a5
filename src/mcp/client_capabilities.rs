//! The capabilities of a client that the protocol defines (MCP 2026-07-28, "Client Capabilities").
//! Clients may declare anything. The defined capabilities have few values, so a table with these
//! capabilities as its key stays small.

use super::json::{self, Shape};

/// A set of the capabilities that the protocol defines, with their parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ClientCapabilities(u16);

/// A capability, and the parts that it may have.
struct Defined {
    name: &'static str,
    bit: u16,
    parts: &'static [Part],
}

/// A part of a capability: its name, the only value that declares it, and its bit.
type Part = (&'static str, &'static str, u16);

/// The name of the extension for tasks (SEP-2663).
pub const TASKS_EXTENSION: &str = "io.modelcontextprotocol/tasks";

const DEFINED: &[Defined] = &[
    Defined {
        name: "elicitation",
        bit: 1,
        parts: &[("form", "{}", 1 << 1), ("url", "{}", 1 << 2)],
    },
    Defined {
        name: "roots",
        bit: 1 << 3,
        parts: &[("listChanged", "true", 1 << 4)],
    },
    Defined {
        name: "sampling",
        bit: 1 << 5,
        parts: &[("context", "{}", 1 << 6), ("tools", "{}", 1 << 7)],
    },
    Defined {
        name: "extensions",
        bit: EXTENSIONS,
        parts: &[
            (TASKS_EXTENSION, "{}", EXTENSIONS << 1),
            (
                "io.modelcontextprotocol/ui",
                r#"{"mimeTypes":["text/html;profile=mcp-app"]}"#,
                EXTENSIONS << 2,
            ),
        ],
    },
];

const EXTENSIONS: u16 = 1 << 8;

impl ClientCapabilities {
    /// No capability.
    pub const NONE: Self = Self(0);

    /// Reads the JSON text of a client's `capabilities`. Also gives whether the set contains
    /// everything in the text: no other capability, and no other value.
    pub fn read(text: &str) -> (Self, bool) {
        let (mut found, mut is_all) = (Self::default(), true);
        let shape = json::members(text, |name, value| {
            let defined = DEFINED.iter().find(|defined| name == defined.name);
            let (bits, is_defined) = defined.map_or((0, false), |defined| defined.read(value));
            found.0 |= bits;
            is_all &= is_defined;
        });
        let is_object = shape == Ok(Shape::Object { unique: true });
        (found, is_all && is_object)
    }

    /// The set without extensions: the capabilities that matter for a session that the gateway
    /// opens.
    #[must_use]
    pub fn of_session(self) -> Self {
        Self(self.0 & EXTENSIONS.wrapping_sub(1))
    }

    /// The set as JSON text. Equal sets have equal texts.
    pub fn json(self) -> String {
        let capabilities = DEFINED.iter().filter(|defined| self.0 & defined.bit != 0);
        let texts = capabilities.map(|defined| {
            let parts = defined.parts.iter();
            let parts = parts.filter(|(_, _, bit)| self.0 & bit != 0);
            let parts: Vec<_> = parts
                .map(|(name, value, _)| format!("\"{name}\":{value}"))
                .collect();
            format!("\"{}\":{{{}}}", defined.name, parts.join(","))
        });
        format!("{{{}}}", texts.collect::<Vec<_>>().join(","))
    }
}

/// Whether the JSON text of a client's `capabilities` declares the extension `name`,
/// with any settings (SEP-2133).
pub fn declares_extension(capabilities: &str, name: &str) -> bool {
    let mut is_declared = false;
    let _ = json::members(capabilities, |member, extensions| {
        if member == "extensions" {
            let _ = json::members(extensions, |extension, _| is_declared |= extension == name);
        }
    });
    is_declared
}

impl Defined {
    /// The bits that `value` declares, and whether `value` has nothing else.
    fn read(&self, value: &str) -> (u16, bool) {
        let (mut bits, mut is_all) = (self.bit, true);
        let shape = json::members(value, |name, value| {
            let part = self.parts.iter().find(|(part, ..)| name == *part);
            match part {
                Some((_, declares, bit)) if is_same(value, declares) => bits |= bit,
                // `false` is the same as absent.
                Some(_) if value == "false" => {}
                _ => is_all = false,
            }
        });
        match shape {
            Ok(Shape::Object { unique }) => (bits, is_all && unique),
            _ => (0, false),
        }
    }
}

/// Whether two JSON texts differ in white space only. The texts that declare a part have no white
/// space.
fn is_same(value: &str, declares: &str) -> bool {
    let is_space = |c: char| matches!(c, ' ' | '\t' | '\n' | '\r');
    value.chars().filter(|c| !is_space(*c)).eq(declares.chars())
}

/// A client's `capabilities`.
#[derive(Clone, PartialEq, Eq)]
pub struct DeclaredCapabilities {
    /// The JSON text, as the client wrote it.
    pub json: String,
    /// Those that the protocol defines.
    pub defined: ClientCapabilities,
    /// The text has more than `defined`.
    pub has_others: bool,
}

impl DeclaredCapabilities {
    /// `defined`, if the client declares nothing else. Then clients with the same set may share
    /// answers that depend on the client's capabilities.
    pub fn shared(&self) -> Option<ClientCapabilities> {
        (!self.has_others).then_some(self.defined)
    }
}

impl From<&str> for DeclaredCapabilities {
    fn from(json: &str) -> Self {
        let (defined, is_all) = ClientCapabilities::read(json);
        Self {
            json: json.to_owned(),
            defined,
            has_others: !is_all,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test(unsupported = test)]
    fn what_is_defined_has_one_form() {
        for (text, form) in [
            ("{}", "{}"),
            (r#"{"sampling":{ }}"#, r#"{"sampling":{}}"#),
            (
                r#"{"sampling":{"tools":{},"context":{}},"roots":{"listChanged":false},"elicitation":{"url":{}}}"#,
                r#"{"elicitation":{"url":{}},"roots":{},"sampling":{"context":{},"tools":{}}}"#,
            ),
            (
                r#"{"extensions":{"io.modelcontextprotocol/ui":{"mimeTypes":[ "text/html;profile=mcp-app"]}},"ro\u006fts":{"listChanged":true}}"#,
                r#"{"roots":{"listChanged":true},"extensions":{"io.modelcontextprotocol/ui":{"mimeTypes":["text/html;profile=mcp-app"]}}}"#,
            ),
        ] {
            let (found, is_all) = ClientCapabilities::read(text);
            assert!(is_all, "{text}");
            assert_eq!(found.json(), form);
            assert_eq!(ClientCapabilities::read(form), (found, true));
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn every_set_that_can_be_read_survives_its_text() {
        for bits in 0..1 << 11 {
            let (read, is_all) = ClientCapabilities::read(&ClientCapabilities(bits).json());
            assert!(is_all);
            assert_eq!(read.json(), ClientCapabilities(bits).json());
            assert_eq!(read.of_session().0 >> 8, 0);
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn an_extension_is_declared_under_its_own_name_only() {
        for (text, expected) in [
            (
                r#"{"extensions":{"io.modelcontextprotocol/tasks":{}}}"#,
                true,
            ),
            (
                r#"{"extensions":{"io.modelcontextprotocol\/tasks":{"x":1}}}"#,
                true,
            ),
            (
                r#"{"tasks":{},"experimental":{"io.modelcontextprotocol/tasks":{}}}"#,
                false,
            ),
            (
                r#"{"extensions":{"x":"io.modelcontextprotocol/tasks"}}"#,
                false,
            ),
            (r#"{"extensions":["io.modelcontextprotocol/tasks"]}"#, false),
            ("{}", false),
        ] {
            assert_eq!(
                declares_extension(text, TASKS_EXTENSION),
                expected,
                "{text}"
            );
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_is_made_up_is_in_no_set() {
        for (text, form) in [
            (r#"{"sampling":5}"#, "{}"),
            (r#"{"sampling":null}"#, "{}"),
            (r#"{"x1":{}}"#, "{}"),
            (r#"{"sampling":{"x2":{}}}"#, r#"{"sampling":{}}"#),
            (r#"{"sampling":{"tools":{"x":1}}}"#, r#"{"sampling":{}}"#),
            (r#"{"roots":{},"roots":{}}"#, r#"{"roots":{}}"#),
            (r#"{"roots":{"listChanged":1}}"#, r#"{"roots":{}}"#),
            (r#"{"extensions":{"x/y":{}}}"#, r#"{"extensions":{}}"#),
            (r#"{"experimental":{}}"#, "{}"),
            ("[]", "{}"),
            ("1", "{}"),
        ] {
            let (found, is_all) = ClientCapabilities::read(text);
            assert!(!is_all, "{text}");
            assert_eq!(found.json(), form, "{text}");
            assert_eq!(DeclaredCapabilities::from(text).shared(), None);
        }
    }
}
