//! What one server says of itself: the results of `server/discover` (MCP
//! 2026-07-28, "Discovery") and of `initialize` (MCP 2025-11-25, "Lifecycle").

use std::borrow::Cow;

use crate::gateway::upstream::failure::Failure;
use crate::gateway::upstream::protocol::UpstreamSession;
use crate::mcp::cache_hints::CacheHints;
use crate::mcp::capabilities::ServerCapabilities;
use crate::mcp::json::{self, Shape};
use crate::mcp::list::ListKind;
use crate::mcp::version;

/// A longer session id is refused, in bytes: Envoy accepts 60 KiB of headers by
/// default.
const LONGEST_SESSION: usize = 61_440;

/// What the gateway uses of the description.
#[derive(Debug, PartialEq, Eq)]
pub struct ServerDescription {
    /// The server's capabilities, as far as the gateway knows them.
    pub capabilities: ServerCapabilities,
    /// All of them, as the server wrote them: a JSON object.
    pub capabilities_json: String,
    /// How to use the server: text for a model.
    pub instructions: Option<String>,
    /// How long, and by whom, the result may be kept.
    pub cache_hints: CacheHints,
    /// The modern versions that both server and gateway speak; none in the result
    /// of `initialize`.
    pub modern_versions: Vec<&'static str>,
}

impl ServerDescription {
    /// Reads the `result` of `server/discover`. `spoken` are the modern versions that
    /// the gateway speaks.
    ///
    /// # Errors
    /// It is no such result, or the server and the gateway have no version in
    /// common.
    pub fn read_discover(result: &str, spoken: &[&'static str]) -> Result<Self, Failure> {
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
        let modern_versions = version::common(spoken, &version::list(versions));
        if modern_versions.is_empty() {
            return Err(Failure::Version);
        }
        let description = Self::new(capabilities, instructions).ok_or(NONSENSE)?;
        Ok(Self {
            cache_hints: CacheHints::read(ttl, scope),
            modern_versions,
            ..description
        })
    }

    /// Reads the `result` of `initialize`, with the header `Mcp-Session-Id` that
    /// came with it: the description, and the session that is open now.
    ///
    /// # Errors
    /// It is no such result, or in a version that the gateway does not speak.
    pub fn read_initialize(
        result: &str,
        session_id: Option<&str>,
    ) -> Result<(Self, UpstreamSession), Failure> {
        const NONSENSE: Failure = Failure::Nonsense("no result of initialize");
        let (mut version, mut capabilities, mut instructions) = (None, None, None);
        let shape = json::members(result, |name, value| match name.as_ref() {
            "protocolVersion" => version = Some(value),
            "capabilities" => capabilities = Some(value),
            "instructions" => instructions = Some(value),
            _ => {}
        });
        let (Ok(Shape::Object { unique: true }), Some(version), Some(capabilities)) =
            (shape, version.and_then(json::string), capabilities)
        else {
            return Err(NONSENSE);
        };
        let version = version::legacy(&version).ok_or(Failure::Version)?;
        check_session_id(session_id)?;
        let description = Self::new(capabilities, instructions).ok_or(NONSENSE)?;
        let id = session_id.map(str::to_owned);
        Ok((description, UpstreamSession { version, id }))
    }

    /// From the JSON texts of these members; `None` where `capabilities` is not
    /// an object.
    fn new(capabilities: &str, instructions: Option<&str>) -> Option<Self> {
        Some(Self {
            capabilities: ServerCapabilities::read(capabilities)?,
            capabilities_json: capabilities.to_owned(),
            instructions: instructions.and_then(json::string).map(Cow::into_owned),
            cache_hints: CacheHints::NONE,
            modern_versions: Vec::new(),
        })
    }

    /// Whether the server has lists of this kind.
    pub fn has(&self, kind: ListKind) -> bool {
        self.capabilities.has(kind)
    }
}

/// Checks a session id: it is visible ASCII (MCP 2025-11-25, "Session Management"),
/// and not too long.
fn check_session_id(id: Option<&str>) -> Result<(), Failure> {
    let Some(id) = id else { return Ok(()) };
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Failure::Nonsense("a session id that is not visible ASCII"));
    }
    if id.len() > LONGEST_SESSION {
        return Err(Failure::Nonsense("a session id of more than 61440 bytes"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    const RESULT: &str = r#"{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"s","version":"1"},"instructions":"i"}"#;

    #[wasm_bindgen_test(unsupported = test)]
    fn a_session_has_the_servers_version_and_id() {
        for session in [None, Some("a-b".to_owned()), Some("x".repeat(61_440))] {
            let (description, opened) =
                ServerDescription::read_initialize(RESULT, session.as_deref()).unwrap();
            assert_eq!(opened.version, "2025-06-18");
            assert_eq!(opened.id, session);
            assert!(description.has(ListKind::Tools));
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_is_no_such_result_is_told() {
        for (result, session, said) in [
            ("[]", None, "answered no result of initialize"),
            ("{}", None, "answered no result of initialize"),
            (
                r#"{"protocolVersion":"2025-06-18","capabilities":[]}"#,
                None,
                "answered no result of initialize",
            ),
            (
                r#"{"protocolVersion":"2024-01-01","capabilities":{}}"#,
                None,
                "speaks no version",
            ),
            (
                r#"{"protocolVersion":"2026-07-28","capabilities":{}}"#,
                None,
                "speaks no version",
            ),
            (RESULT, Some("a b"), "answered a session id that is not"),
            (RESULT, Some("ä"), "answered a session id that is not"),
            (RESULT, Some(""), "answered a session id that is not"),
            (
                RESULT,
                Some(&*"x".repeat(61_441)),
                "answered a session id of more than 61440 bytes",
            ),
        ] {
            let failure = ServerDescription::read_initialize(result, session)
                .unwrap_err()
                .to_string();
            assert!(failure.starts_with(said), "{result} {session:?}: {failure}");
        }
    }

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
                ServerDescription::read_discover(text, version::MODERN),
                Err(Failure::Nonsense("no result of server/discover")),
                "{text}"
            );
        }
        for text in [
            r#"{"supportedVersions":["2025-11-25"],"capabilities":{}}"#,
            r#"{"supportedVersions":"2026-07-28","capabilities":{}}"#,
        ] {
            assert_eq!(
                ServerDescription::read_discover(text, version::MODERN),
                Err(Failure::Version),
                "{text}"
            );
        }
    }
}
