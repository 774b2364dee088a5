//! The state of a branch towards its server: from an unknown era to requests with or without a
//! session.

use std::rc::Rc;

use crate::gateway::upstream::protocol::{UpstreamProtocol, UpstreamSession};
use crate::gateway::worker::session_pool::{ReusableSession, SessionTrust};

/// The state of a branch towards its server.
///
/// ```text
/// Unknown ─▶ Modern ─▶ Offered ─▶ Refused
///    │                    │
///    └─────▶ Closed ──────┴─▶ Open ◀─ Unconfirmed, Doubted
///               ▲                │        │
///               └────────────────┴────────┘ the server has forgotten the session
/// ```
#[derive(Clone, PartialEq, Eq)]
pub(super) enum ServerSession {
    /// The gateway does not know the era of the server, or which modern versions it supports.
    Unknown,
    /// The server is modern. The gateway sends requests in this version.
    Modern(&'static str),
    /// The server is modern. The gateway sends it `initialize`, since it may support both eras. If
    /// it refuses, the gateway sends requests in this version.
    Offered(&'static str),
    /// The server is modern, and refused `initialize`. The gateway sends requests in this version.
    Refused(&'static str),
    /// The server is a legacy one. It has no session yet.
    Closed,
    /// A session that earlier requests used. The server may have forgotten it.
    Unconfirmed(Rc<UpstreamSession>),
    /// A session in which the server's last answer was a failure. The server may have forgotten it.
    Doubted(Rc<UpstreamSession>),
    /// An open session.
    Open(Rc<UpstreamSession>),
}

impl ServerSession {
    /// The state for a session of the pool.
    pub(super) fn reuse(found: ReusableSession) -> Self {
        match found.trust {
            SessionTrust::Confirmed => Self::Open(found.session),
            SessionTrust::Unconfirmed => Self::Unconfirmed(found.session),
            SessionTrust::Doubted => Self::Doubted(found.session),
        }
    }

    /// The version of requests without a session.
    pub(super) fn modern_version(&self) -> Option<&'static str> {
        match self {
            Self::Modern(version) | Self::Refused(version) => Some(version),
            Self::Unknown
            | Self::Offered(_)
            | Self::Closed
            | Self::Unconfirmed(_)
            | Self::Doubted(_)
            | Self::Open(_) => None,
        }
    }

    /// The session, where there is one.
    pub(super) fn session(&self) -> Option<&Rc<UpstreamSession>> {
        match self {
            Self::Unconfirmed(session) | Self::Doubted(session) | Self::Open(session) => {
                Some(session)
            }
            Self::Unknown
            | Self::Modern(_)
            | Self::Offered(_)
            | Self::Refused(_)
            | Self::Closed => None,
        }
    }

    /// Whether a session has to be opened first.
    pub(super) fn is_closed(&self) -> bool {
        matches!(self, Self::Offered(_) | Self::Closed)
    }

    /// The protocol that the gateway speaks with the server, once that is known.
    pub(super) fn protocol(&self) -> Option<UpstreamProtocol> {
        match self {
            Self::Unknown => None,
            Self::Modern(version) | Self::Refused(version) => {
                Some(UpstreamProtocol::Modern(version))
            }
            Self::Offered(_) | Self::Closed => Some(UpstreamProtocol::Legacy(None)),
            Self::Unconfirmed(session) | Self::Doubted(session) | Self::Open(session) => {
                Some(UpstreamProtocol::Legacy(Some(Rc::clone(session))))
            }
        }
    }

    /// The server answered in the session.
    pub(super) fn confirm(&mut self) {
        if let Self::Unconfirmed(session) | Self::Doubted(session) = self {
            *self = Self::Open(Rc::clone(session));
        }
    }
}
