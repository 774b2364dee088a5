//! How far a branch is with its server: from an unknown era to requests, without a
//! session or in one.

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
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ServerSession {
    /// The era of the server is not known, or which modern versions it supports.
    Unknown,
    /// The server is modern. It is asked in this version.
    Modern(&'static str),
    /// The server is modern, and is asked for a session, since it may support both
    /// eras. Without one it is asked in this version.
    Offered(&'static str),
    /// The server is modern, and refused a session. It is asked in this version.
    Refused(&'static str),
    /// The server is a legacy one, without a session so far.
    Closed,
    /// A session that was used before; the server may have forgotten it.
    Unconfirmed(Rc<UpstreamSession>),
    /// A session in which the server failed last: perhaps it has forgotten it.
    Doubted(Rc<UpstreamSession>),
    /// A session.
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

    /// The version in which the server is asked without a session.
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
