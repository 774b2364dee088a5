//! How a server is spoken to: statelessly, or in a session of its own.

use std::fmt;
use std::rc::Rc;

/// The words for one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpstreamProtocol {
    /// MCP 2026-07-28 and later: each request by itself.
    Modern,
    /// Up to 2025-11-25: in a session, once there is one.
    Legacy(Option<Rc<UpstreamSession>>),
}

/// What `initialize` came to with one server.
#[derive(PartialEq, Eq)]
pub struct UpstreamSession {
    /// The version that server and gateway speak.
    pub version: &'static str,
    /// Its `Mcp-Session-Id`; a server may have none.
    pub session: Option<String>,
}

/// Without the session id: who has it can act in the session.
impl fmt::Debug for UpstreamSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamSession")
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl UpstreamProtocol {
    /// What `initialize` came to, where that was needed and has happened.
    pub fn link(&self) -> Option<&Rc<UpstreamSession>> {
        match self {
            Self::Modern => None,
            Self::Legacy(link) => link.as_ref(),
        }
    }

    /// Whether the server has still to be initialized.
    pub fn is_silent(&self) -> bool {
        *self == Self::Legacy(None)
    }
}
