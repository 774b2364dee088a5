//! A server's description of itself: the results of `server/discover` (MCP 2026-07-28, "Discovery")
//! and of `initialize` (MCP 2025-11-25, "Lifecycle").

use std::borrow::Cow;

use crate::gateway::upstream::failure::Failure;
use crate::gateway::upstream::protocol::UpstreamSession;
use crate::mcp::cache_hints::CacheHints;
use crate::mcp::capabilities::ServerCapabilities;
use crate::mcp::json::{self, Shape};
use crate::mcp::list::ListKind;
use crate::mcp::version;
use crate::memory::{HeldBytes, OVERHEAD};

/// The longest session id, in bytes. A longer one is refused, since Envoy accepts 60 KiB of headers
/// by default.
const LONGEST_SESSION: usize = 61_440;

/// The longest capabilities, in bytes. Longer ones are refused.
const LONGEST_CAPABILITIES: usize = 65_536;

/// The longest instructions, in bytes. Longer ones are cut.
const LONGEST_INSTRUCTIONS: usize = 65_536;

/// The parts of the description that the gateway uses.
#[derive(PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub struct ServerDescription {
    /// The server's capabilities, as far as the gateway knows them.
    pub capabilities: ServerCapabilities,
    /// All of them, as the server wrote them: a JSON object.
    pub capabilities_json: String,
    /// How to use the server: text for a model.
    pub instructions: Option<String>,
    /// For how long, and by whom, the result may be kept.
    pub cache_hints: CacheHints,
    /// The modern versions that both server and gateway support. The result of `initialize` has
    /// none.
    pub modern_versions: Vec<&'static str>,
    /// The memory that the description takes up.
    pub held: HeldBytes,
}

impl ServerDescription {
    /// Reads the `result` of `server/discover`. `spoken` are the modern versions that the gateway
    /// supports.
    ///
    /// # Errors
    /// It is not the result of `server/discover`, or the server and the gateway have no version in
    /// common.
    pub fn read_discover(result: &str, spoken: &[&'static str]) -> Result<Self, Failure> {
        const NONSENSE: Failure =
            Failure::Nonsense("an answer that is not a result of server/discover");
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
        let description = Self::new(capabilities, instructions, NONSENSE)?;
        Ok(Self {
            cache_hints: CacheHints::read(ttl, scope),
            modern_versions,
            ..description
        })
    }

    /// Reads the `result` of `initialize`, and the header `Mcp-Session-Id` of the response. Gives
    /// the description and the session, which is open now.
    ///
    /// # Errors
    /// It is not the result of `initialize`, or it has a version that the gateway does not support.
    pub fn read_initialize(
        result: &str,
        session_id: Option<&str>,
    ) -> Result<(Self, UpstreamSession), Failure> {
        const NONSENSE: Failure = Failure::Nonsense("an answer that is not a result of initialize");
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
        // An empty header opens no session, as in the SDKs of MCP.
        let session_id = session_id.filter(|id| !id.is_empty());
        check_session_id(session_id)?;
        let description = Self::new(capabilities, instructions, NONSENSE)?;
        let id = session_id.map(str::to_owned);
        Ok((description, UpstreamSession { version, id }))
    }

    /// The description with these JSON texts of members.
    ///
    /// # Errors
    /// `capabilities` is too long; or it is not an object, which the error `nonsense` says.
    fn new(
        capabilities: &str,
        instructions: Option<&str>,
        nonsense: Failure,
    ) -> Result<Self, Failure> {
        if capabilities.len() > LONGEST_CAPABILITIES {
            return Err(Failure::Nonsense("capabilities of more than 65536 bytes"));
        }
        let instructions = instructions.and_then(json::string).map(bounded);
        let length = instructions.as_ref().map_or(0, String::len);
        let held = length.saturating_add(capabilities.len());
        Ok(Self {
            capabilities: ServerCapabilities::read(capabilities).ok_or(nonsense)?,
            capabilities_json: capabilities.to_owned(),
            instructions,
            cache_hints: CacheHints::NONE,
            modern_versions: Vec::new(),
            held: HeldBytes::new(held.saturating_add(OVERHEAD)),
        })
    }

    /// Whether the server has lists of this kind.
    pub fn has(&self, kind: ListKind) -> bool {
        self.capabilities.has(kind)
    }
}

/// `instructions`, cut to the length that the gateway keeps.
fn bounded(instructions: Cow<'_, str>) -> String {
    if instructions.len() <= LONGEST_INSTRUCTIONS {
        return instructions.into_owned();
    }
    let mut ends = (0..=LONGEST_INSTRUCTIONS).rev();
    let start = ends.find_map(|end| instructions.get(..end));
    start.unwrap_or_default().to_owned()
}

/// Checks that a session id is visible ASCII (MCP 2025-11-25, "Session Management"), and not too
/// long.
fn check_session_id(id: Option<&str>) -> Result<(), Failure> {
    let Some(id) = id else { return Ok(()) };
    if !id.bytes().all(|byte| byte.is_ascii_graphic()) {
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
        let (_, opened) = ServerDescription::read_initialize(RESULT, Some("")).unwrap();
        assert_eq!(opened.id, None);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_is_no_such_result_is_told() {
        for (result, session, said) in [
            (
                "[]",
                None,
                "sent an answer that is not a result of initialize",
            ),
            (
                "{}",
                None,
                "sent an answer that is not a result of initialize",
            ),
            (
                r#"{"protocolVersion":"2025-06-18","capabilities":[]}"#,
                None,
                "sent an answer that is not a result of initialize",
            ),
            (
                r#"{"protocolVersion":"2024-01-01","capabilities":{}}"#,
                None,
                "supports no MCP version",
            ),
            (
                r#"{"protocolVersion":"2026-07-28","capabilities":{}}"#,
                None,
                "supports no MCP version",
            ),
            (RESULT, Some("a b"), "sent a session id that is not"),
            (RESULT, Some("ä"), "sent a session id that is not"),
            (
                RESULT,
                Some(&*"x".repeat(61_441)),
                "sent a session id of more than 61440 bytes",
            ),
        ] {
            let failure = ServerDescription::read_initialize(result, session)
                .unwrap_err()
                .to_string();
            assert!(failure.starts_with(said), "{result} {session:?}: {failure}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_description_is_bounded_whatever_the_server_says() {
        for (sent, kept) in [("x", 70_000), ("ä", 70_000), ("ä", 10)].map(|(letter, count)| {
            let sent = letter.repeat(count);
            let kept = if sent.len() > 65_536 {
                65_536
            } else {
                sent.len()
            };
            (sent, kept)
        }) {
            let result = format!(
                r#"{{"supportedVersions":["2026-07-28"],"capabilities":{{}},"instructions":"{sent}"}}"#
            );
            let description = ServerDescription::read_discover(&result, version::MODERN).unwrap();
            let instructions = description.instructions.unwrap();
            assert_eq!(instructions.len(), kept);
            assert!(sent.starts_with(&instructions));
            assert_eq!(description.held.bytes(), kept + 2 + OVERHEAD);
        }
        let long = format!(
            r#"{{"protocolVersion":"2025-06-18","capabilities":{{"x":"{}"}}}}"#,
            "x".repeat(65_536)
        );
        let failure = ServerDescription::read_initialize(&long, None).unwrap_err();
        assert_eq!(
            failure.to_string(),
            "sent capabilities of more than 65536 bytes"
        );
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
                Err(Failure::Nonsense(
                    "an answer that is not a result of server/discover"
                )),
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
