//! The result of `initialize` (MCP 2025-11-25, "Lifecycle").

use crate::gateway::upstream::discovered::ServerDescription;
use crate::gateway::upstream::failure::Failure;
use crate::gateway::upstream::protocol::UpstreamSession;
use crate::mcp::cache_hints::CacheHints;
use crate::mcp::json::{self, Shape};
use crate::mcp::version;

/// Longer session ids are no such, in bytes.
const LONGEST_SESSION: usize = 1024;

/// Reads it.
pub(super) struct Initialized;

impl Initialized {
    /// What the server can do, and how it is spoken to, from its `result` and
    /// the header `Mcp-Session-Id` that came with it.
    ///
    /// # Errors
    /// It is no such result, or in a version that is not spoken here.
    pub(super) fn read(
        result: &str,
        session: Option<&str>,
    ) -> Result<(ServerDescription, UpstreamSession), Failure> {
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
        let is_visible = |session: &&str| {
            session.len() <= LONGEST_SESSION && session.bytes().all(|byte| byte.is_ascii_graphic())
        };
        if session.is_some_and(|session| session.is_empty() || !is_visible(&session)) {
            return Err(Failure::Nonsense("a session id that is not visible ASCII"));
        }
        let discovered =
            ServerDescription::new(capabilities, instructions, CacheHints::NONE).ok_or(NONSENSE)?;
        let session = session.map(str::to_owned);
        Ok((discovered, UpstreamSession { version, session }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    const RESULT: &str = r#"{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"s","version":"1"},"instructions":"i"}"#;

    #[wasm_bindgen_test(unsupported = test)]
    fn a_session_has_the_servers_version_and_id() {
        for session in [None, Some("a b".replace(' ', "-"))] {
            let (discovered, link) = Initialized::read(RESULT, session.as_deref()).unwrap();
            assert_eq!(link.version, "2025-06-18");
            assert_eq!(link.session, session);
            assert!(discovered.has(crate::mcp::list::ListKind::Tools));
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
            (RESULT, Some("a b"), "answered a session id"),
            (RESULT, Some("ä"), "answered a session id"),
            (RESULT, Some(""), "answered a session id"),
            (RESULT, Some(&*"x".repeat(1025)), "answered a session id"),
        ] {
            let failure = Initialized::read(result, session).unwrap_err().to_string();
            assert!(failure.starts_with(said), "{result} {session:?}: {failure}");
        }
    }
}
