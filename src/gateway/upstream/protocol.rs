//! How the gateway speaks with one server: without sessions (modern), or in a
//! session (legacy).

use std::fmt;
use std::rc::Rc;

/// The protocol that the gateway speaks with one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpstreamProtocol {
    /// MCP 2026-07-28 and later, in this version: requests have no session.
    Modern(&'static str),
    /// MCP up to 2025-11-25: in a session; `None` before `initialize`.
    Legacy(Option<Rc<UpstreamSession>>),
}

/// A session with one server, as `initialize` opened it.
#[derive(Clone, PartialEq, Eq)]
pub struct UpstreamSession {
    /// The version that server and gateway speak.
    pub version: &'static str,
    /// The server's `Mcp-Session-Id`; a server may give none.
    pub id: Option<String>,
}

impl UpstreamSession {
    /// About how many bytes of memory it takes up.
    pub fn size(&self) -> usize {
        let id = self.id.as_ref().map_or(0, String::len);
        id.saturating_add(size_of::<Self>())
    }
}

/// `Debug` does not show the session id: anyone who has it can act in the session.
impl fmt::Debug for UpstreamSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamSession")
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl UpstreamProtocol {
    /// The session, where there is one.
    pub fn session(&self) -> Option<&Rc<UpstreamSession>> {
        match self {
            Self::Modern(_) => None,
            Self::Legacy(session) => session.as_ref(),
        }
    }

    /// The version of requests; `None` for a legacy server before it opens a session.
    pub fn version(&self) -> Option<&'static str> {
        match self {
            Self::Modern(version) => Some(version),
            Self::Legacy(session) => session.as_ref().map(|session| session.version),
        }
    }
}
