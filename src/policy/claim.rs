//! What the headers of a modern request say about its body. It is used if later
//! filters run before the body arrives (`holdRequestHeaders: false`), or if the body
//! is not read (`attributeSource: HEADERS`).

use crate::http::Headers;
use crate::mcp::{self, header_value, version};

/// `MCP-Protocol-Version`, `Mcp-Method` and `Mcp-Name`, decoded.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub struct Claim {
    /// A modern version.
    pub protocol_version: String,
    /// The method.
    pub method: String,
    /// The name of the thing that the method is about.
    pub name: Option<String>,
}

impl Claim {
    /// The claim of a request. `None` if a header is missing (only `Mcp-Name` may
    /// be), is there twice or cannot be decoded, or if the version is not modern:
    /// then only the body counts.
    pub fn of(headers: &Headers) -> Option<Self> {
        let single = |name| Some(header_value::decode(headers.single(name).ok()??)?.into_owned());
        let name = match headers.single(mcp::NAME_HEADER) {
            Ok(None) => None,
            Ok(Some(value)) => Some(header_value::decode(value)?.into_owned()),
            Err(_) => return None,
        };
        let protocol_version: String = single(mcp::PROTOCOL_VERSION_HEADER)?;
        version::is_modern(&protocol_version).then_some(())?;
        Some(Self {
            protocol_version,
            method: single(mcp::METHOD_HEADER)?,
            name,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    const VERSION: (&str, &str) = ("mcp-protocol-version", "2026-07-28");
    const METHOD: (&str, &str) = ("mcp-method", "tools/call");

    fn claim(pairs: &[(&str, &str)]) -> Option<Claim> {
        Claim::of(&Headers::from_pairs(pairs.iter().copied()))
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_modern_request_claims_by_its_headers() {
        let claimed = claim(&[VERSION, METHOD, ("mcp-name", "=?base64?w4Q=?=")]).unwrap();
        assert_eq!(
            (claimed.method.as_str(), claimed.name.as_deref()),
            ("tools/call", Some("Ä"))
        );
        assert_eq!(
            claim(&[VERSION, ("mcp-method", "tools/list")])
                .unwrap()
                .name,
            None
        );
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_is_ambiguous_or_legacy_is_not_believed() {
        for pairs in [
            &[VERSION][..],
            &[METHOD],
            &[("mcp-protocol-version", "2025-11-25"), METHOD],
            &[VERSION, METHOD, METHOD],
            &[VERSION, VERSION, METHOD],
            &[VERSION, METHOD, ("mcp-name", "a"), ("mcp-name", "a")],
            &[VERSION, METHOD, ("mcp-name", "=?base64?!?=")],
        ] {
            assert_eq!(claim(pairs), None, "{pairs:?}");
        }
    }
}
