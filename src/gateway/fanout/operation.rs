//! What the gateway asks servers for, and for which client.

use std::fmt;
use std::rc::Rc;

use crate::config::Server;
use crate::gateway::session::{Session, SessionPart};
use crate::gateway::upstream::client_context::ClientContext;
use crate::gateway::worker::Scope;
use crate::gateway::worker::session_pool::PoolKey;
use crate::mcp::era::Era;
use crate::mcp::list::ListKind;

/// What the gateway asks servers for.
#[derive(Clone, PartialEq, Eq)]
pub enum Operation {
    /// Their capabilities, for `server/discover` or `initialize`.
    Discover,
    /// Whether they accept requests: opens a session, or confirms it, before Envoy routes a
    /// request.
    Open,
    /// A whole list, with all pages.
    List(ListKind),
    /// `logging/setLevel`, with the JSON text of the level.
    SetLevel(String),
    /// To end the client's session.
    End,
}

/// The identity of a caller (`session.identity`).
#[derive(Clone, PartialEq, Eq)]
pub enum CallerIdentity {
    /// The configuration names no identity: all callers count as one.
    Anyone,
    /// The caller has this identity.
    Known(String),
}

/// `Debug` does not show the identity, which may come from a header.
impl fmt::Debug for CallerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Anyone => "Anyone",
            Self::Known(_) => "Known",
        })
    }
}

/// The client that an operation is for.
pub struct Requester {
    /// The client.
    pub caller: ClientContext,
    /// The client's session; `None` where it has none.
    pub session: Option<Rc<Session>>,
    /// The caller for whom the gateway opens sessions of its own.
    pub who: CallerIdentity,
}

impl Requester {
    /// About how many bytes of memory it takes up.
    pub fn size(&self) -> usize {
        let session = self.session.iter();
        let parts = session.flat_map(|session| &session.parts);
        let parts = parts.map(SessionPart::size).fold(0, usize::saturating_add);
        self.caller.size().saturating_add(parts)
    }

    /// The key of the gateway's own sessions with `server` for this client. `scope` stands for the
    /// client's headers that the server gets. `None` where such a session serves one request only,
    /// and for legacy clients, which have sessions of their own.
    pub(super) fn pool_key(&self, server: &Server, scope: Option<Scope>) -> Option<PoolKey> {
        if self.caller.era == Era::Legacy {
            return None;
        }
        let identity = match &self.who {
            CallerIdentity::Known(identity) => Some(identity.as_str()),
            CallerIdentity::Anyone => None,
        };
        let capabilities = self.caller.capabilities.defined.of_session();
        PoolKey::new(server, identity, capabilities, scope)
    }
}
