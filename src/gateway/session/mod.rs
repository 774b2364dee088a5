//! What a legacy client's `Mcp-Session-Id` stands for (MCP 2025-11-25, "Session
//! Management"): the servers' own sessions and what was agreed on with the
//! client, sealed. The client keeps it, every replica with the key opens it.

pub mod alias;
mod encoding;
pub mod sealed;
mod version_codes;

use std::rc::Rc;

use crate::config::ServerId;
use crate::gateway::routing::forwarding::CallerHeaders;
use crate::gateway::upstream::client_context::ClientContext;
use crate::gateway::upstream::protocol::{UpstreamProtocol, UpstreamSession};
use crate::mcp::capabilities::ServerCapabilities;
use crate::mcp::era::Era;
use crate::seal::NONCE;

/// A session of a legacy client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// What names given out in it are bound to: [`id`] of its nonce.
    pub id: [u8; 16],
    /// The version agreed on with the client, one of [`version::LEGACY`].
    pub version: &'static str,
    /// The JSON text of the client's `capabilities`.
    pub capabilities: String,
    /// The JSON text of `clientInfo`.
    pub info: Option<String>,
    /// The part of each server, by its place.
    pub parts: Vec<SessionPart>,
}

impl Session {
    /// The part of this server.
    pub fn part(&self, server: ServerId) -> Option<&SessionPart> {
        self.parts.get(server.index())
    }

    /// The client of this session, whose request carries these `headers`.
    pub fn client_context(&self, headers: CallerHeaders) -> ClientContext {
        ClientContext {
            era: Era::Legacy,
            version: self.version.to_owned(),
            capabilities: self.capabilities.clone(),
            info: self.info.clone(),
            headers,
        }
    }
}

/// A server's part in a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionPart {
    /// It has none: it failed when the session began.
    Absent,
    /// It is stateless.
    Modern {
        /// What it offers.
        offers: ServerCapabilities,
    },
    /// It was initialized.
    Legacy {
        /// What it offers.
        offers: ServerCapabilities,
        /// The version agreed on with it, one of [`version::LEGACY`].
        version: &'static str,
        /// Its own session id, if it gave one.
        session: Option<String>,
    },
}

impl SessionPart {
    /// How the server is spoken to; `None` where it is not.
    pub fn protocol(&self) -> Option<UpstreamProtocol> {
        match self {
            Self::Absent => None,
            Self::Modern { .. } => Some(UpstreamProtocol::Modern),
            Self::Legacy { .. } => self
                .link()
                .map(|link| UpstreamProtocol::Legacy(Some(Rc::new(link)))),
        }
    }

    /// What `initialize` came to with the server, where that was needed.
    pub fn link(&self) -> Option<UpstreamSession> {
        match self {
            Self::Absent | Self::Modern { .. } => None,
            Self::Legacy {
                version, session, ..
            } => Some(UpstreamSession {
                version,
                session: session.clone(),
            }),
        }
    }

    /// What the server offers.
    pub fn offers(&self) -> ServerCapabilities {
        match self {
            Self::Absent => ServerCapabilities::NONE,
            Self::Modern { offers } | Self::Legacy { offers, .. } => *offers,
        }
    }
}

/// The id of the session that is sealed with `nonce`: its first bytes.
pub fn id(nonce: &[u8; NONCE]) -> [u8; 16] {
    std::array::from_fn(|at| nonce.get(at).copied().unwrap_or_default())
}
