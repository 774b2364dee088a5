//! The session of a legacy client (MCP 2025-11-25, "Session Management"): what the client and the
//! gateway agreed on at `initialize`, and the gateway's sessions with the servers.
//!
//! The gateway does not store sessions. The `Mcp-Session-Id` that the client sends is the session
//! itself, encrypted ([`sealed`]). The gateway keeps only the servers' session ids that are too
//! long for it ([`kept_ids`]), and the parts of servers that join later ([`joined`]). A worker
//! remembers sessions that it has opened, only to be faster
//! ([`opened_sessions`](crate::gateway::worker::opened_sessions)).

pub mod alias;
mod encoding;
pub mod joined;
pub mod kept_ids;
#[cfg(test)]
mod kept_ids_tests;
pub mod sealed;
pub mod server_mark;
pub mod task_id;
mod version_codes;

use std::fmt;

use crate::config::{Gateway, ServerId};
use crate::gateway::routing::call_headers::CallerHeaders;
use crate::gateway::upstream::client_context::ClientContext;
use crate::gateway::upstream::protocol::UpstreamSession;
use crate::mcp::capabilities::ServerCapabilities;
use crate::mcp::era::Era;
use crate::memory::OVERHEAD;
use crate::seal::NONCE;

/// A session of a legacy client.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub struct Session {
    /// The gateway's own id of the session ([`id`]), to which [`alias`]es are bound. It is not the
    /// `Mcp-Session-Id`.
    pub id: [u8; 16],
    /// The version that client and gateway agreed on, one of
    /// [`version::LEGACY`](crate::mcp::version::LEGACY).
    pub version: &'static str,
    /// The JSON text of the client's `capabilities`.
    pub capabilities: String,
    /// The JSON text of the client's `clientInfo`.
    pub info: Option<String>,
    /// The part of each server, in the order of the whole configuration. Servers that the endpoint
    /// does not have are absent.
    pub parts: Vec<SessionPart>,
    /// The servers that joined after the session began ([`joined`]).
    pub joined: Vec<ServerId>,
}

impl Session {
    /// The part of `server`.
    pub fn part(&self, server: ServerId) -> Option<&SessionPart> {
        self.parts.get(server.index())
    }

    /// All servers with their parts, in the order of the whole configuration.
    fn parts(&self) -> impl Iterator<Item = (ServerId, &SessionPart)> + Clone {
        let parts = self.parts.iter().enumerate();
        parts.filter_map(|(index, part)| Some((ServerId::from_index(index)?, part)))
    }

    /// About how many bytes of memory it takes up.
    pub fn size(&self) -> usize {
        let info = self.info.as_ref().map_or(0, String::len);
        let strings = self.capabilities.len().saturating_add(info);
        let parts = self.parts.iter().map(SessionPart::size);
        parts.fold(strings.saturating_add(OVERHEAD), usize::saturating_add)
    }

    /// Whether all servers of the endpoint of this `gateway`, and no other servers, have a part.
    pub fn is_complete_at(&self, gateway: &Gateway) -> bool {
        let has_all = !self.parts.contains(&SessionPart::Absent);
        has_all && gateway.servers.len() == self.parts.len()
    }

    /// Removes the parts of servers that the endpoint of this `gateway` does not have any more.
    pub fn retain_parts(&mut self, gateway: &Gateway) {
        for (index, part) in self.parts.iter_mut().enumerate() {
            let id = ServerId::from_index(index);
            if id.is_none_or(|id| gateway.server(id).is_none()) {
                *part = SessionPart::Absent;
            }
        }
    }

    /// The client of this session. `headers` are those headers of its request that servers get.
    pub fn client_context(&self, headers: CallerHeaders) -> ClientContext {
        ClientContext {
            era: Era::Legacy,
            version: self.version.to_owned(),
            capabilities: self.capabilities.as_str().into(),
            info: self.info.clone(),
            headers,
        }
    }
}

/// One server's part in a session.
#[derive(Clone, PartialEq, Eq)]
pub enum SessionPart {
    /// The server has no part: it failed when the session began, or the configuration did not have
    /// it then. It joins the session when a request first needs it.
    Absent,
    /// The server is modern: it has no sessions.
    Modern {
        /// The capabilities of the server.
        offers: ServerCapabilities,
    },
    /// The gateway has initialized the server.
    Legacy {
        /// The capabilities of the server.
        offers: ServerCapabilities,
        /// The version that gateway and server agreed on, one of
        /// [`version::LEGACY`](crate::mcp::version::LEGACY).
        version: &'static str,
        /// The server's `Mcp-Session-Id`, if it gave one. Anyone who has it can act in the session,
        /// so `Debug` does not show it.
        session: Option<String>,
    },
}

impl fmt::Debug for SessionPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("Absent"),
            Self::Modern { offers } => f.debug_struct("Modern").field("offers", offers).finish(),
            Self::Legacy {
                offers, version, ..
            } => f
                .debug_struct("Legacy")
                .field("offers", offers)
                .field("version", version)
                .finish_non_exhaustive(),
        }
    }
}

impl SessionPart {
    /// The gateway's session with the server, where it has one.
    pub fn link(&self) -> Option<UpstreamSession> {
        match self {
            Self::Absent | Self::Modern { .. } => None,
            Self::Legacy {
                version, session, ..
            } => Some(UpstreamSession {
                version,
                id: session.clone(),
            }),
        }
    }

    /// About how many bytes of memory it takes up.
    pub fn size(&self) -> usize {
        let id = match self {
            Self::Legacy { session, .. } => session.as_ref().map_or(0, String::len),
            Self::Absent | Self::Modern { .. } => 0,
        };
        id.saturating_add(size_of::<Self>())
    }

    /// The capabilities of the server; none when it failed.
    pub fn offers(&self) -> ServerCapabilities {
        match self {
            Self::Absent => ServerCapabilities::NONE,
            Self::Modern { offers } | Self::Legacy { offers, .. } => *offers,
        }
    }
}

/// The id of the session that is sealed with `nonce`: the first 16 bytes of `nonce`.
pub fn id(nonce: &[u8; NONCE]) -> [u8; 16] {
    std::array::from_fn(|at| nonce.get(at).copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test(unsupported = test)]
    fn debug_shows_no_session_id_of_a_server() {
        let part = SessionPart::Legacy {
            offers: ServerCapabilities::TOOLS,
            version: "2025-11-25",
            session: Some("secret".into()),
        };
        assert_eq!(part.size(), SessionPart::Absent.size() + "secret".len());
        let upstream = part.link();
        let session = Session {
            id: [0; 16],
            version: "2025-11-25",
            capabilities: "{}".into(),
            info: None,
            parts: vec![part],
            joined: Vec::new(),
        };
        for shown in [format!("{session:?}"), format!("{upstream:?}")] {
            assert!(shown.contains("2025-11-25"), "{shown}");
            assert!(!shown.contains("secret"), "{shown}");
        }
    }
}
