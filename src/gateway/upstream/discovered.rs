//! `server/discover`: what the servers can do together, as far as the gateway
//! delivers it (MCP 2026-07-28, "Discovery").

use crate::gateway::upstream::failure::Failure;
use crate::mcp::cache_hints::CacheHints;
use crate::mcp::capabilities::ServerCapabilities;
use crate::mcp::json::{self, Shape};
use crate::mcp::list::ListKind;
use crate::mcp::version;

/// What the gateway reads of one server's `DiscoverResult`.
#[derive(Debug, PartialEq, Eq)]
pub struct ServerDescription {
    pub(in crate::gateway) offers: ServerCapabilities,
    /// The JSON text of `capabilities`.
    pub(in crate::gateway) capabilities: String,
    pub(in crate::gateway) instructions: Option<String>,
    pub(in crate::gateway) cache_hints: CacheHints,
}

impl ServerDescription {
    /// Reads the `result` of `server/discover`.
    ///
    /// # Errors
    /// It is no such result, or the server speaks no version that is spoken here.
    pub fn read(result: &str) -> Result<Self, Failure> {
        const NONSENSE: Failure = Failure::Nonsense("no result of server/discover");
        let (mut versions, mut capabilities, mut instructions, mut ttl, mut scope) =
            (None, None, None, None, None);
        let shape = json::members(result, |name, value| match name.as_ref() {
            "supportedVersions" => versions = Some(value),
            "capabilities" => capabilities = Some(value),
            "instructions" => instructions = Some(value),
            "ttlMs" => ttl = Some(value),
            "cacheScope" => scope = Some(value),
            _ => {}
        });
        let (Ok(Shape::Object { unique: true }), Some(versions), Some(capabilities)) =
            (shape, versions, capabilities)
        else {
            return Err(NONSENSE);
        };
        let mut spoken = false;
        let listed = json::elements(versions, |version| {
            spoken |= json::string(version)
                .is_some_and(|version| version::MODERN.contains(&version.as_ref()));
        });
        if listed.is_err() || !spoken {
            return Err(Failure::Version);
        }
        let cache_hints = CacheHints::read(ttl, scope);
        Self::new(capabilities, instructions, cache_hints).ok_or(NONSENSE)
    }

    /// What a server says with these members, each as it stands, of either era;
    /// `None` when that are no capabilities.
    pub fn new(
        capabilities: &str,
        instructions: Option<&str>,
        cache_hints: CacheHints,
    ) -> Option<Self> {
        Some(Self {
            offers: ServerCapabilities::read(capabilities)?,
            capabilities: capabilities.to_owned(),
            instructions: instructions
                .and_then(json::string)
                .map(std::borrow::Cow::into_owned),
            cache_hints,
        })
    }

    /// What the server offers.
    pub fn offers(&self) -> ServerCapabilities {
        self.offers
    }

    /// Whether the server has lists of this kind.
    pub fn has(&self, kind: ListKind) -> bool {
        self.offers.has(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test(unsupported = test)]
    fn what_is_no_discover_result_is_told_so() {
        for text in [
            "{}",
            "[]",
            "1",
            r#"{"supportedVersions":["2026-07-28"]}"#,
            r#"{"supportedVersions":["2026-07-28"],"capabilities":[]}"#,
        ] {
            assert_eq!(
                ServerDescription::read(text),
                Err(Failure::Nonsense("no result of server/discover")),
                "{text}"
            );
        }
        for text in [
            r#"{"supportedVersions":["2025-11-25"],"capabilities":{}}"#,
            r#"{"supportedVersions":"2026-07-28","capabilities":{}}"#,
        ] {
            assert_eq!(
                ServerDescription::read(text),
                Err(Failure::Version),
                "{text}"
            );
        }
    }
}
